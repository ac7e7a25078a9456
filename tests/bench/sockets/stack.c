#include <arpa/inet.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stack.h"

#include "auth/jwt.h"
#include "base/clock.h"
#include "base/hex.h"
#include "base/mem.h"
#include "base/random.h"
#include "store/store.h"

#define READY_MS   15000
#define LOOK_US    10000
#define BATCH_MAX  512
#define SECRET_LEN 32
#define TEXT_LEN   160
#define FOLDER_LEN 128
#define PATH_LEN   256
#define ENV_MAX    16
#define ENV_TEXT   512
#define FTW_FILES  16

static char secret[SECRET_LEN * 2 + 1];

/* ---- the store --------------------------------------------------------------------------- */

static void
write_users(struct stack *s, struct pl_store *store, size_t first, size_t count)
{
	static struct pl_user users[BATCH_MAX];
	static struct pl_write writes[BATCH_MAX];
	struct pl_write *batch[BATCH_MAX];
	char name[TEXT_LEN];

	for (size_t i = 0; i < count; i++) {
		struct pl_signup signup = {.full_name = PL_STR("Bench")};

		snprintf(name, sizeof(name), "bench%zu", first + i);
		signup.username = pl_str(name);
		pl_user_from_signup(
		    &users[i], &signup, pl_mem_strdup("none"), pl_clock_unix_ms());
		s->users[first + i] = users[i].id;
		writes[i] = (struct pl_write){.kind = PL_WRITE_USER, .u.user = &users[i]};
		batch[i] = &writes[i];
	}
	pl_store_write(store, batch, count);
	for (size_t i = 0; i < count; i++) {
		if (writes[i].err != PL_OK)
			bench_die(
			    "a user was not stored: %s", pl_err_name(writes[i].err));
		pl_user_fini(&users[i]);
	}
}

static void
fill_store(struct stack *s)
{
	struct pl_store_config config = {.data_dir = s->dir};
	struct pl_store *store;
	enum pl_err err = pl_store_open(&config, &store);

	if (err != PL_OK)
		bench_die("the store does not open: %s", pl_err_name(err));
	for (size_t first = 0; first < s->user_count; first += BATCH_MAX) {
		size_t left = s->user_count - first;

		write_users(s, store, first, left < BATCH_MAX ? left : BATCH_MAX);
	}
	pl_store_close(store);
}

void
stack_token(const struct stack *s, size_t user, struct pl_buf *out)
{
	struct pl_jwt_claims claims;

	if (pl_jwt_sign(&s->users[user], pl_clock_unix_ms() / 1000, out, &claims) !=
	    PL_OK)
		bench_die("no token could be signed");
}

static void
write_token(const void *arg, size_t index, struct pl_buf *out)
{
	stack_token(arg, index, out);
}

static void
write_id(const void *arg, size_t index, struct pl_buf *out)
{
	const struct stack *s = arg;
	char hex[PL_OID_HEX_LEN + 1];

	pl_oid_format(&s->users[index], hex);
	pl_buf_add_cstr(out, hex);
}

struct clients_of
stack_clients(const struct stack *s)
{
	return (struct clients_of){.port = s->presence_port,
	    .write_token = write_token,
	    .write_id = write_id,
	    .arg = s};
}

/* ---- services ---------------------------------------------------------------------------- */

static uint16_t
free_port(void)
{
	struct sockaddr_in at = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd == -1 || bind(fd, (struct sockaddr *)&at, len) != 0 ||
	    getsockname(fd, (struct sockaddr *)&at, &len) != 0)
		bench_die("no port is free");
	close(fd);
	return ntohs(at.sin_port);
}

int
stack_dial(uint16_t port)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
	    .sin_port = htons(port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd != -1 && connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* Is it up, with its store and Redis? */
static bool
is_ready(uint16_t port)
{
	static const char ask[] =
	    "GET /readyz HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n";
	char answer[PATH_LEN * 4];
	size_t len = 0;
	ssize_t n = 1;
	int fd = stack_dial(port);

	if (fd == -1)
		return false;
	if (send(fd, ask, strlen(ask), MSG_NOSIGNAL) < 0)
		n = 0;
	while (n > 0 && len < sizeof(answer) - 1) {
		n = recv(fd, answer + len, sizeof(answer) - 1 - len, 0);
		len += n > 0 ? (size_t)n : 0;
		answer[len] = '\0';
		if (len > 0 && strstr(answer, "\"ok\"") != NULL)
			break;
	}
	close(fd);
	return len > 0 && strstr(answer, "\"ok\"") != NULL;
}

static void
write_conf(const char *dir, const char *build, const char *name)
{
	char path[PATH_LEN];
	FILE *f;

	if (mkdir(dir, 0700) != 0 && access(dir, W_OK) != 0)
		bench_die("%s cannot be made", dir);
	snprintf(path, sizeof(path), "%s/kore.conf", dir);
	f = fopen(path, "we");
	if (f == NULL)
		bench_die("%s cannot be written", path);
	fprintf(f, "load %s/%s.so\npidfile ./kore.pid\n", build, name);
	fclose(f);
}

static void
start_service(struct stack *s, struct process *p, const char *build, const char *name,
    unsigned nth, uint16_t port)
{
	static const char *const fixed[] = {"LOG_LEVEL=info", "DRAIN_SECONDS=0",
	    "LIMIT_MESSAGES_PER_SECOND=0", "LIMIT_MESSAGES_BURST=0",
	    "LIMIT_MESSAGE_BYTES_PER_DAY=0"};
	char text[ENV_MAX][ENV_TEXT], dir[FOLDER_LEN], *env[ENV_MAX + 1];
	int64_t deadline = pl_clock_mono_ms() + READY_MS;
	size_t n = 0;

	snprintf(dir, sizeof(dir), "%s/%s%u", s->dir, name, nth);
	write_conf(dir, build, name);
	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
		snprintf(text[n++], ENV_TEXT, "%s", fixed[i]);
	snprintf(text[n++], ENV_TEXT, "PATH=%s", getenv("PATH"));
	snprintf(text[n++], ENV_TEXT, "LISTEN=127.0.0.1:%u", (unsigned)port);
	snprintf(text[n++], ENV_TEXT, "PROCESS_NAME=%c%u", name[0], nth);
	snprintf(text[n++], ENV_TEXT, "DATA_DIR=%s", s->dir);
	snprintf(text[n++], ENV_TEXT, "REDIS_URL=%s", s->redis.url);
	snprintf(text[n++], ENV_TEXT, "JWT_SECRET=%s", secret);
	if (!s->is_paced)
		snprintf(text[n++], ENV_TEXT, "LIMIT_HANDSHAKES_PER_SECOND=0");
	for (size_t i = 0; i < n; i++)
		env[i] = text[i];
	env[n] = NULL;
	process_start_kore(p, dir, env);
	process_find_worker(p);
	while (!is_ready(port)) {
		if (pl_clock_mono_ms() > deadline)
			bench_die("%s does not become ready, see %s/log", name, dir);
		usleep(LOOK_US);
	}
}

void
stack_fresh_presence(struct stack *s, const char *build)
{
	process_stop(&s->presence);
	s->presence_port = free_port();
	start_service(s, &s->presence, build, "presence", 1, s->presence_port);
}

void
stack_start_second(struct stack *s, const char *build)
{
	s->second_port = free_port();
	start_service(s, &s->second, build, "presence", 2, s->second_port);
}

/* ---- life -------------------------------------------------------------------------------- */

static void
draw_secret(void)
{
	uint8_t bytes[SECRET_LEN];
	const char *why = "";

	pl_random_bytes(bytes, sizeof(bytes));
	pl_hex_encode(bytes, sizeof(bytes), secret);
	if (pl_jwt_init(secret, NULL, &why) != PL_OK)
		bench_die("%s", why);
}

void
stack_start(struct stack *s, const char *build, size_t user_count)
{
	*s = (struct stack){.user_count = user_count};
	snprintf(s->dir, sizeof(s->dir), "/tmp/parley-sockets-XXXXXX");
	if (mkdtemp(s->dir) == NULL)
		bench_die("no temporary folder");
	s->users = pl_mem_alloc(user_count * sizeof(s->users[0]));
	draw_secret();
	fill_store(s);
	redis_server_init(&s->redis, NULL);
	redis_server_start(&s->redis);
	s->message_port = free_port();
	start_service(s, &s->message, build, "message", 1, s->message_port);
}

static int
remove_one(const char *path, const struct stat *st, int flag, struct FTW *at)
{
	(void)st;
	(void)flag;
	(void)at;
	return remove(path);
}

void
stack_stop(struct stack *s)
{
	process_stop(&s->presence);
	process_stop(&s->second);
	process_stop(&s->message);
	redis_server_fini(&s->redis);
	if (nftw(s->dir, remove_one, FTW_FILES, FTW_DEPTH | FTW_PHYS) != 0)
		fprintf(stderr, "sockets_bench: %s stays behind\n", s->dir);
	pl_mem_free(s->users);
	pl_jwt_fini();
}
