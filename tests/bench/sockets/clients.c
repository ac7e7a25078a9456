#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clients.h"
#include "process.h"

#include "base/clock.h"
#include "base/mem.h"

#define READ_BYTES    (256 * 1024)
#define EVENTS_MAX    256
#define CONNECT_MS    300000 /* for all of them */
#define STEP_MS       100
#define HEAD_BYTES    2048
#define CONNECT_BYTES CLIENT_SAID_MAX
#define WATCHED       50
#define SMALL_MAX     125        /* a frame with a length of one byte */
#define FIRST_SOURCE  0x7f020000 /* 127.2.0.0 */
#define MASKED        0x80
#define LOOK_MS       5 /* between two looks for who waits no longer */

/* ---- sending ----------------------------------------------------------------------------- */

/* What a client says is small, and fits into the kernel's buffer. */
static void
send_bytes(struct client *client, const void *bytes, size_t len)
{
	if (send(client->fd, bytes, len, MSG_NOSIGNAL) != (ssize_t)len &&
	    errno != EPIPE && errno != ECONNRESET)
		bench_die("a client cannot send: %s", strerror(errno));
}

/* One text frame, masked with zeros. */
static void
send_text(struct client *client, struct pl_str text)
{
	uint8_t frame[8 + CONNECT_BYTES] = {0x81};
	size_t at = 2;

	if (text.len > SMALL_MAX) {
		frame[1] = MASKED | 126;
		frame[at++] = (uint8_t)(text.len >> 8);
		frame[at++] = (uint8_t)text.len;
	} else {
		frame[1] = (uint8_t)(MASKED | text.len);
	}
	at += 4;
	memcpy(frame + at, text.ptr, text.len);
	send_bytes(client, frame, at + text.len);
}

static void
send_packet(struct client *client, const char *text)
{
	send_text(client, pl_str(text));
}

static void
send_connect(struct clients *c, struct client *client)
{
	struct pl_buf out;

	pl_buf_init(&out, CONNECT_BYTES);
	pl_buf_add_cstr(&out, "40");
	if (c->presence != NULL)
		pl_buf_printf(&out, "{\"presence\":\"%s\"}", c->presence);
	if (client->session != NULL)
		session_write_auth(client->session, &out);
	send_text(client, pl_str_n((const char *)out.data, out.len));
	pl_buf_fini(&out);
}

/* WATCHED of the first c->watched users, drawn by the client's index: always the same
 * ones. */
static void
send_watch(struct clients *c, struct client *client)
{
	uint64_t drawn = (uint64_t)(client - c->all);
	struct pl_buf out;

	pl_buf_init(&out, CONNECT_BYTES);
	pl_buf_add_cstr(&out, "42[\"watch\",{\"users\":[");
	for (int i = 0; i < WATCHED; i++) {
		drawn = drawn * 6364136223846793005 + 1442695040888963407;
		pl_buf_add_cstr(&out, i == 0 ? "\"" : ",\"");
		c->of.write_id(c->of.arg, (drawn >> 33) % c->watched, &out);
		pl_buf_add_char(&out, '"');
	}
	pl_buf_add_cstr(&out, "]}]");
	send_text(client, pl_str_n((const char *)out.data, out.len));
	pl_buf_fini(&out);
}

static void
send_upgrade(struct clients *c, struct client *client)
{
	struct pl_buf out;

	pl_buf_init(&out, HEAD_BYTES);
	pl_buf_add_cstr(&out, "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n"
			      "Host: bench\r\nUpgrade: websocket\r\n"
			      "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
			      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
			      "Cookie: jwt=");
	c->of.write_token(c->of.arg, (size_t)(client - c->all), &out);
	pl_buf_add_cstr(&out, "\r\n\r\n");
	send_bytes(client, out.data, out.len);
	pl_buf_fini(&out);
	client->state = CLIENT_UPGRADING;
}

/* ---- life of one ------------------------------------------------------------------------- */

static void
watch(struct clients *c, struct client *client, int op, uint32_t events)
{
	struct epoll_event e = {.events = events, .data.ptr = client};

	if (epoll_ctl(c->epoll, op, client->fd, &e) != 0)
		bench_die("epoll: %s", strerror(errno));
}

/* Each comes from an address of its own: what presence counts by address is no matter
 * here. */
static void
set_source(struct client *client, size_t index)
{
	struct sockaddr_in from = {.sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(FIRST_SOURCE + (uint32_t)index)};
	int on = 1;

	/* The kernel picks the port as it connects: else there are too few. */
	if (setsockopt(
		client->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on)) != 0 ||
	    bind(client->fd, (struct sockaddr *)&from, sizeof(from)) != 0)
		bench_die("client %zu: %s", index, strerror(errno));
}

void
clients_start(struct clients *c, size_t index, int receive_bytes)
{
	struct client *client = &c->all[index];
	struct sockaddr_in to = {.sin_family = AF_INET,
	    .sin_port = htons(c->of.port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	*client = (struct client){.state = CLIENT_CONNECTING, .session = client->session};
	if (c->recovers && client->session == NULL)
		client->session = pl_mem_zalloc(sizeof(*client->session));
	client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (client->fd == -1)
		bench_die("client %zu: %s", index, strerror(errno));
	set_source(client, index);
	if (receive_bytes > 0)
		setsockopt(client->fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes,
		    sizeof(receive_bytes));
	if (connect(client->fd, (struct sockaddr *)&to, sizeof(to)) != 0 &&
	    errno != EINPROGRESS)
		bench_die("client %zu: %s", index, strerror(errno));
	watch(c, client, EPOLL_CTL_ADD, EPOLLOUT);
}

static void
end(struct clients *c, struct client *client)
{
	c->in -= client->state == CLIENT_IN;
	client->state = CLIENT_CLOSED;
	close(client->fd);
}

void
clients_close(struct clients *c, size_t index)
{
	struct client *client = &c->all[index];

	if (client->state == CLIENT_IN && !client->is_paused)
		send_packet(client, "41");
	end(c, client);
}

void
clients_emit(struct clients *c, size_t index, struct pl_str packet)
{
	struct client *client = &c->all[index];

	if (client->state != CLIENT_IN || packet.len > CLIENT_SAID_MAX)
		bench_die("client %zu cannot emit", index);
	send_text(client, packet);
}

void
clients_pause(struct clients *c, size_t index)
{
	watch(c, &c->all[index], EPOLL_CTL_DEL, 0);
	c->all[index].is_paused = true;
}

/* ---- what comes -------------------------------------------------------------------------- */

static bool
begins(const struct client *client, const char *text)
{
	size_t len = strlen(text);

	return client->seen_len >= len && memcmp(client->seen, text, len) == 0;
}

static void
on_packet(struct clients *c, struct client *client)
{
	if (begins(client, "2")) {
		c->pings++;
		send_packet(client, "3");
	} else if (begins(client, "42[\"newMessage\"")) {
		client->messages++;
		if (c->of.on_message != NULL)
			c->of.on_message(c->of.arg, (size_t)(client - c->all),
			    pl_str_n(client->seen, client->seen_len));
	} else if (begins(client, "43") && c->of.on_ack != NULL) {
		c->of.on_ack(c->of.arg, (size_t)(client - c->all),
		    pl_str_n(client->seen, client->seen_len));
	} else if (begins(client, "42[\"getOnlineUsers\"") ||
		   begins(client, "42[\"presence\"")) {
		client->lists++;
	} else if (client->state == CLIENT_OPENING && begins(client, "0{")) {
		client->state = CLIENT_JOINING;
		send_connect(c, client);
	} else if (client->state == CLIENT_JOINING && begins(client, "40{")) {
		client->state = CLIENT_IN;
		c->in++;
		if (c->watched > 0)
			send_watch(c, client);
	} else if (begins(client, "44")) {
		bench_die("a client was refused");
	}
}

static size_t
lesser(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Bytes of a header whose first ones are there. The server masks nothing. */
static size_t
head_size(const struct client *client)
{
	if (client->head_len < 2)
		return 2;
	return client->head[1] == 126 ? 4 : client->head[1] == 127 ? 10 : 2;
}

static uint64_t
payload_size(const struct client *client)
{
	size_t size = head_size(client);
	uint64_t value = 0;

	if (size == 2)
		return client->head[1];
	for (size_t i = 2; i < size; i++)
		value = value << 8 | client->head[i];
	return value;
}

/* Take what data holds of the header; false while it is not whole. */
static bool
take_head(struct client *client, const uint8_t **data, size_t *len)
{
	while (client->head_len < head_size(client)) {
		if (*len == 0)
			return false;
		client->head[client->head_len++] = *(*data)++;
		(*len)--;
		if (client->head_len == head_size(client)) {
			client->left = payload_size(client);
			client->seen_len = 0;
		}
	}
	return true;
}

static void
on_frames(struct clients *c, struct client *client, const uint8_t *data, size_t len)
{
	while (client->state != CLIENT_CLOSED && take_head(client, &data, &len)) {
		size_t have = lesser(len, client->left);
		size_t seen = lesser(have, CLIENT_SEEN_MAX - client->seen_len);

		memcpy(client->seen + client->seen_len, data, seen);
		client->seen_len = (uint16_t)(client->seen_len + seen);
		client->left -= have;
		if (client->session != NULL)
			session_take(client->session, data, have, client->left);
		data += have;
		len -= have;
		if (client->left > 0)
			return;
		if (client->session != NULL && client->head[0] == 0x81)
			session_on_packet(client->session, payload_size(client));
		client->head_len = 0;
		if (client->head[0] == 0x81)
			on_packet(c, client);
	}
}

/* Its connection broke, or did not come about. */
static void
come_again(struct clients *c, struct client *client)
{
	end(c, client);
	c->again++;
	if (client->session != NULL) {
		session_broke(client->session, pl_clock_mono_ms());
		client->state = CLIENT_WAITING;
		c->waiting++;
		return;
	}
	if (c->again > c->count)
		bench_die("the server closes the clients again and again");
	clients_start(c, (size_t)(client - c->all), 0);
}

/* The answer to the upgrade comes whole, and alone or with the first frames behind it. */
static void
on_answer(struct clients *c, struct client *client, const uint8_t *data, size_t len)
{
	static const char good[] = "HTTP/1.1 101";
	const uint8_t *end_of_head = memmem(data, len, "\r\n\r\n", 4);

	if (len < strlen(good) || memcmp(data, good, strlen(good)) != 0 ||
	    end_of_head == NULL) {
		if (client->session == NULL)
			bench_die("a client was answered: %.*s", (int)lesser(len, 200),
			    (const char *)data);
		come_again(c, client);
		return;
	}
	client->state = CLIENT_OPENING;
	end_of_head += 4;
	on_frames(c, client, end_of_head, len - (size_t)(end_of_head - data));
}

static void
on_readable(struct clients *c, struct client *client)
{
	static _Thread_local uint8_t data[READ_BYTES];
	ssize_t n = recv(client->fd, data, sizeof(data), 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		come_again(c, client);
		return;
	}
	c->bytes += (uint64_t)n;
	if (client->state == CLIENT_UPGRADING)
		on_answer(c, client, data, (size_t)n);
	else
		on_frames(c, client, data, (size_t)n);
}

static void
on_connected(struct clients *c, struct client *client)
{
	int error = 0;
	socklen_t len = sizeof(error);

	getsockopt(client->fd, SOL_SOCKET, SO_ERROR, &error, &len);
	if (error != 0 && client->session != NULL) {
		come_again(c, client);
		return;
	}
	if (error != 0)
		bench_die("a client cannot connect: %s", strerror(error));
	send_upgrade(c, client);
	watch(c, client, EPOLL_CTL_MOD, EPOLLIN);
}

/* ---- all --------------------------------------------------------------------------------- */

void
clients_init(struct clients *c, const struct clients_of *of, size_t count)
{
	*c = (struct clients){.of = *of, .count = count};
	c->all = pl_mem_zalloc(count * sizeof(c->all[0]));
	c->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (c->epoll == -1)
		bench_die("epoll: %s", strerror(errno));
}

void
clients_fini(struct clients *c)
{
	for (size_t i = 0; i < c->count; i++) {
		if (c->all[i].state > CLIENT_WAITING)
			end(c, &c->all[i]);
		pl_mem_free(c->all[i].session);
	}
	close(c->epoll);
	pl_mem_free(c->all);
}

/* Those who have waited long enough. */
static void
start_due(struct clients *c)
{
	int64_t now = pl_clock_mono_ms();

	if (now - c->looked_ms < LOOK_MS)
		return;
	c->looked_ms = now;
	for (size_t i = 0; i < c->count; i++)
		if (c->all[i].state == CLIENT_WAITING &&
		    c->all[i].session->due_ms <= now) {
			c->waiting--;
			clients_start(c, i, 0);
		}
}

void
clients_step(struct clients *c, int timeout_ms)
{
	struct epoll_event events[EVENTS_MAX];
	int n;

	if (c->waiting > 0) {
		start_due(c);
		timeout_ms = timeout_ms < LOOK_MS ? timeout_ms : LOOK_MS;
	}
	n = epoll_wait(c->epoll, events, EVENTS_MAX, timeout_ms);
	for (int i = 0; i < n; i++) {
		struct client *client = events[i].data.ptr;

		if (client->state == CLIENT_CONNECTING)
			on_connected(c, client);
		else
			on_readable(c, client);
	}
}

void
clients_run(struct clients *c, int64_t ms)
{
	int64_t end_ms = pl_clock_mono_ms() + ms, left;

	while ((left = end_ms - pl_clock_mono_ms()) > 0)
		clients_step(c, (int)left);
}

void
clients_connect(struct clients *c, size_t first, size_t count, size_t at_once)
{
	int64_t deadline = pl_clock_mono_ms() + CONNECT_MS;
	size_t started = 0, in_before = c->in;

	while (c->in - in_before < count) {
		while (started < count && started - (c->in - in_before) < at_once)
			clients_start(c, first + started++, 0);
		clients_step(c, STEP_MS);
		if (pl_clock_mono_ms() > deadline)
			bench_die(
			    "only %zu of %zu clients got in", c->in - in_before, count);
	}
}
