/*
 * floor: the least that a chat server built like Parley's can cost: kore, one handler,
 * one insert into SQLite, and kore's own WebSockets in the same process. It asks nobody
 * for a token, knows no other process, and promises little (a power cut may take the last
 * commits): a floor, not a peer.
 *
 *   GET  /hello                     an answer of a line
 *   POST /api/messages/send/:id     201, and newMessage to the socket of :id
 *   GET  /socket.io/                a WebSocket; the cookie's jwt is the id of its user
 *
 * FLOOR_DB: the file of the database.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include <kore.h>
#include <http.h>
#include <seccomp.h>

#define ID_LEN      24
#define USERS_MAX   256
#define EVENT_BYTES 4096
#define TEXT_MAX    1024

int floor_hello(struct http_request *);
int floor_send(struct http_request *);
int floor_socket(struct http_request *);
void kore_worker_configure(void);
void kore_seccomp_hook(void);
void on_connected(struct connection *);
void on_text(struct connection *, u_int8_t, void *, size_t);
void on_closed(struct connection *);

static struct {
	char id[ID_LEN + 1];
	struct connection *socket;
} users[USERS_MAX];
static size_t user_count;
static sqlite3 *db;
static sqlite3_stmt *insert;
static unsigned next_id;

void
kore_worker_configure(void)
{
	static const char schema[] =
	    "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
	    "CREATE TABLE messages (seq INTEGER PRIMARY KEY, id TEXT NOT NULL,"
	    "  sender TEXT NOT NULL, receiver TEXT NOT NULL, text TEXT NOT NULL);";

	if (sqlite3_open(getenv("FLOOR_DB"), &db) != SQLITE_OK ||
	    sqlite3_exec(db, schema, NULL, NULL, NULL) != SQLITE_OK ||
	    sqlite3_prepare_v2(db,
		"INSERT INTO messages (id, sender, receiver, text) VALUES (?, ?, ?, ?)",
		-1, &insert, NULL) != SQLITE_OK)
		fatalx("floor: no database: %s", sqlite3_errmsg(db));
}

/* kore's own list has no call that SQLite needs. */
void
kore_seccomp_hook(void)
{
	static struct sock_filter all[] = {BPF_STMT(BPF_RET + BPF_K, SECCOMP_RET_ALLOW)};

	kore_seccomp_filter("floor", all, KORE_FILTER_LEN(all));
}

int
floor_hello(struct http_request *req)
{
	static const char text[] = "{\"hello\":\"world\"}";

	http_response_header(req, "content-type", "application/json");
	http_response(req, 200, text, sizeof(text) - 1);
	return KORE_RESULT_OK;
}

/* ---- sockets ------------------------------------------------------------------------- */

static struct connection **
socket_of(const char *id)
{
	for (size_t i = 0; i < user_count; i++)
		if (memcmp(users[i].id, id, ID_LEN) == 0)
			return &users[i].socket;
	if (user_count == USERS_MAX)
		fatalx("floor: too many users");
	memcpy(users[user_count].id, id, ID_LEN);
	return &users[user_count++].socket;
}

static void
say(struct connection *c, const char *text)
{
	kore_websocket_send(c, WEBSOCKET_OP_TEXT, text, strlen(text));
}

static const char *
cookie_of(struct http_request *req)
{
	const char *cookie, *jwt;

	if (!http_request_header(req, "cookie", &cookie) ||
	    (jwt = strstr(cookie, "jwt=")) == NULL || strlen(jwt + 4) < ID_LEN)
		return NULL;
	return jwt + 4;
}

int
floor_socket(struct http_request *req)
{
	const char *id = cookie_of(req);

	if (id == NULL) {
		http_response(req, 401, NULL, 0);
		return KORE_RESULT_OK;
	}
	*socket_of(id) = req->owner;
	kore_websocket_handshake(req, "on_connected", "on_text", "on_closed");
	return KORE_RESULT_OK;
}

void
on_connected(struct connection *c)
{
	say(c, "0{\"sid\":\"a\",\"upgrades\":[],\"pingInterval\":25000,"
	       "\"pingTimeout\":20000,\"maxPayload\":1000000}");
}

void
on_text(struct connection *c, u_int8_t op, void *data, size_t len)
{
	if (op == WEBSOCKET_OP_TEXT && len >= 2 && memcmp(data, "40", 2) == 0)
		say(c, "40{\"sid\":\"b\"}");
}

void
on_closed(struct connection *c)
{
	for (size_t i = 0; i < user_count; i++)
		if (users[i].socket == c)
			users[i].socket = NULL;
}

/* ---- a send -------------------------------------------------------------------------- */

static void
store(const char *id, const char *sender, const char *receiver, const char *text)
{
	sqlite3_bind_text(insert, 1, id, -1, SQLITE_STATIC);
	sqlite3_bind_text(insert, 2, sender, ID_LEN, SQLITE_STATIC);
	sqlite3_bind_text(insert, 3, receiver, ID_LEN, SQLITE_STATIC);
	sqlite3_bind_text(insert, 4, text, -1, SQLITE_STATIC);
	if (sqlite3_step(insert) != SQLITE_DONE)
		fatalx("floor: %s", sqlite3_errmsg(db));
	sqlite3_reset(insert);
}

/* The load's texts need no escape. */
static int
read_text(struct http_request *req, char *text)
{
	static const char key[] = "\"message\":\"";
	char body[TEXT_MAX + 1], *begin, *end;
	ssize_t n = http_body_read(req, body, TEXT_MAX);

	if (n <= 0)
		return 0;
	body[n] = '\0';
	begin = strstr(body, key);
	end = begin == NULL ? NULL : strchr(begin + sizeof(key) - 1, '"');
	if (end == NULL)
		return 0;
	*end = '\0';
	strcpy(text, begin + sizeof(key) - 1);
	return 1;
}

int
floor_send(struct http_request *req)
{
	const char *receiver = strrchr(req->path, '/') + 1, *sender = cookie_of(req);
	char text[TEXT_MAX + 1], event[EVENT_BYTES], id[ID_LEN + 1];
	struct connection *socket;
	int len;

	if (sender == NULL || strlen(receiver) != ID_LEN || !read_text(req, text)) {
		http_response(req, 400, NULL, 0);
		return KORE_RESULT_OK;
	}
	snprintf(id, sizeof(id), "%024x", ++next_id);
	store(id, sender, receiver, text);
	len = snprintf(event, sizeof(event),
	    "42[\"newMessage\",{\"senderId\":\"%.24s\",\"receiverId\":\"%s\","
	    "\"message\":\"%s\",\"_id\":\"%s\",\"createdAt\":\"2026-01-31T12:34:56."
	    "789Z\","
	    "\"updatedAt\":\"2026-01-31T12:34:56.789Z\",\"__v\":0}]",
	    sender, receiver, text, id);
	socket = *socket_of(receiver);
	if (socket != NULL)
		kore_websocket_send(socket, WEBSOCKET_OP_TEXT, event, (size_t)len);
	http_response_header(req, "content-type", "application/json");
	http_response(req, 201, event + 16, (size_t)len - 17);
	return KORE_RESULT_OK;
}
