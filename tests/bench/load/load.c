/*
 * load: people who write to each other through one port, whatever serves it: Parley's
 * gateway, or a peer with the same routes and events. It checks that each message comes
 * to its receiver, once.
 *
 *   load PORT send COUNT AT_ONCE [RATE]   POST /api/messages/send/:id, COUNT times; AT_ONCE are under
 *                                         way, or RATE a second are due (AT_ONCE at most under way)
 *   load PORT emit COUNT AT_ONCE [RATE]   the same by the event sendMessage, over the sender's socket
 *   load PORT get COUNT AT_ONCE PATH      GET PATH; ":other" in it becomes another's id
 *   load PORT open COUNT AT_ONCE          open COUNT sockets, and keep them
 *   load PORT churn COUNT AT_ONCE RATE    open COUNT sockets, RATE a second, each of which closes when
 *                                         AT_ONCE more have come; half of them say goodbye
 *
 * The standard input has a line "ID TOKEN" for each user, then "go". Load prints "ready"
 * once each user has a socket (for open: at once) and it has warmed up, waits for a
 * second "go", does its work, prints what came of it in a line of JSON, and ends when its
 * input does.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "../sockets/clients.h"
#include "../sockets/process.h"
#include "request.h"
#include "tally.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/oid.h"

#define USERS_MAX   100000
#define TEXT_BYTES  64
#define LINE_MAX    2048
#define LATE_MS     15000 /* for the last of them to come */
#define WAIT_MS     20
#define WAIT_US     (WAIT_MS * 1000)
#define WARM_SHARE  10   /* a tenth as many requests come first, */
#define WARM_MAX    2000 /* but no more than these */
#define US_A_SECOND 1000000

struct user {
	char id[PL_OID_HEX_LEN + 1];
	char *token;
};

static struct load {
	uint16_t port;
	size_t count; /* of requests that are measured */
	size_t warm;  /* of those before */
	size_t at_once;
	double rate;      /* 0: as many as are answered */
	const char *path; /* NULL: sends */
	bool emits;       /* them, by socket */
	struct user *users;
	size_t user_count;
	struct clients clients;
	struct requests *requests;
	struct tally tally;
	size_t begun; /* requests that were sent */
	size_t answered;
} load;

/* ---- users --------------------------------------------------------------------------- */

static void
read_users(void)
{
	char line[LINE_MAX], id[LINE_MAX], token[LINE_MAX];

	load.users = pl_mem_zalloc(USERS_MAX * sizeof(load.users[0]));
	while (fgets(line, sizeof(line), stdin) != NULL && strcmp(line, "go\n") != 0) {
		struct user *user = &load.users[load.user_count++];

		if (load.user_count > USERS_MAX ||
		    sscanf(line, "%s %s", id, token) != 2 || strlen(id) > PL_OID_HEX_LEN)
			bench_die("not a user: %s", line);
		strcpy(user->id, id);
		user->token = pl_mem_strdup(token);
	}
	if (load.user_count < 2)
		bench_die("two users are needed");
}

static void
await_go(const char *said)
{
	char line[LINE_MAX];

	printf("%s\n", said);
	fflush(stdout);
	if (fgets(line, sizeof(line), stdin) == NULL)
		exit(1);
}

static void
write_token(const void *arg, size_t index, struct pl_buf *out)
{
	(void)arg;
	pl_buf_add_cstr(out, load.users[index % load.user_count].token);
}

/* ---- requests ------------------------------------------------------------------------ */

static size_t
other_than(size_t sender, size_t number)
{
	return (sender + 1 + number / load.user_count % (load.user_count - 1)) %
	       load.user_count;
}

static void
write_head(struct pl_buf *out, const char *method, const char *path, size_t user)
{
	pl_buf_printf(out,
	    "%s %s HTTP/1.1\r\nHost: localhost:%u\r\nCookie: jwt=%s\r\n"
	    "Accept: */*\r\nUser-Agent: load\r\n",
	    method, path, load.port, load.users[user].token);
}

static const char filling[TEXT_BYTES] =
    " and we meet at the station at eight, as on each Friday of May";

static void
write_send(struct pl_buf *out, size_t number, size_t sender, size_t receiver)
{
	char path[64];

	snprintf(path, sizeof(path), "/api/messages/send/%s", load.users[receiver].id);
	write_head(out, "POST", path, sender);
	pl_buf_printf(out,
	    "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n"
	    "{\"message\":\"m%09zu%.*s\"}",
	    TEXT_BYTES + 14, number, TEXT_BYTES - 10, filling);
}

/* Its acknowledgement has the same number. */
static void
emit(size_t number, size_t sender, size_t receiver)
{
	struct pl_buf out;

	pl_buf_init(&out, CLIENT_SAID_MAX);
	pl_buf_printf(&out,
	    "42%zu[\"sendMessage\",{\"to\":\"%s\",\"message\":\"m%09zu%.*s\"}]", number,
	    load.users[receiver].id, number, TEXT_BYTES - 10, filling);
	clients_emit(&load.clients, sender, pl_buf_str(&out));
	pl_buf_fini(&out);
}

static void
write_get(struct pl_buf *out, size_t number, size_t user)
{
	const char *other = strstr(load.path, ":other");
	char path[256];

	if (other == NULL)
		snprintf(path, sizeof(path), "%s", load.path);
	else
		snprintf(path, sizeof(path), "%.*s%s%s", (int)(other - load.path),
		    load.path, load.users[other_than(user, number)].id, other + 6);
	write_head(out, "GET", path, user);
	pl_buf_add_cstr(out, "\r\n");
}

static void
begin_one(int64_t due_us)
{
	size_t number = load.begun++, user = number % load.user_count;
	size_t other = other_than(user, number);
	struct pl_buf out;

	tally_due(&load.tally, number, other, due_us);
	if (load.emits) {
		emit(number, user, other);
		return;
	}
	pl_buf_init(&out, PL_BUF_UNLIMITED);
	if (load.path == NULL)
		write_send(&out, number, user, other);
	else
		write_get(&out, number, user);
	requests_send(load.requests, number, pl_buf_str(&out));
	pl_buf_fini(&out);
}

static void
on_answer(void *arg, const struct request_answer *answer)
{
	(void)arg;
	load.answered++;
	if (answer->status == (load.path == NULL ? 201 : 200)) {
		tally_taken(&load.tally, answer->number, pl_clock_mono_us());
	} else if (load.tally.refused++ == 0) {
		fprintf(stderr, "load: answered %d: %.*s\n", answer->status,
		    (int)answer->body.len, answer->body.ptr);
	}
}

/* 4317[{"message":...}], with the number that was asked for. */
static void
on_ack(const void *arg, size_t index, struct pl_str packet)
{
	char *end;
	size_t number = strtoul(packet.ptr + 2, &end, 10);

	(void)arg, (void)index;
	load.answered++;
	if (strncmp(end, "[{\"message\":", strlen("[{\"message\":")) == 0)
		tally_taken(&load.tally, number, pl_clock_mono_us());
	else if (load.tally.refused++ == 0)
		fprintf(stderr, "load: answered %.*s\n", (int)packet.len, packet.ptr);
}

static void
on_message(const void *arg, size_t index, struct pl_str packet)
{
	const char *text =
	    memmem(packet.ptr, packet.len, "\"message\":\"m", strlen("\"message\":\"m"));

	(void)arg;
	if (text == NULL)
		bench_die("not a message: %.*s", (int)packet.len, packet.ptr);
	tally_delivered(&load.tally, strtoul(text + strlen("\"message\":\"m"), NULL, 10),
	    index, pl_clock_mono_us());
}

/* ---- the work ------------------------------------------------------------------------ */

static void
step(int64_t timeout_us)
{
	struct timespec timeout = {
	    timeout_us / US_A_SECOND, timeout_us % US_A_SECOND * 1000};
	struct pollfd fds[] = {
	    {requests_epoll(load.requests), POLLIN, 0}, {load.clients.epoll, POLLIN, 0}};

	if (ppoll(fds, 2, &timeout, NULL) <= 0)
		return;
	if (fds[0].revents != 0)
		requests_step(load.requests);
	if (fds[1].revents != 0)
		clients_step(&load.clients, 0);
}

static bool
is_full(void)
{
	return load.emits ? load.begun - load.answered >= load.at_once
			  : requests_is_full(load.requests);
}

/* When the next one is due; it may be past. */
static int64_t
due_us(int64_t start_us, size_t nth)
{
	if (load.rate <= 0)
		return pl_clock_mono_us();
	return start_us + (int64_t)((double)nth * US_A_SECOND / load.rate);
}

static int64_t
wait_us(int64_t start_us, size_t first, size_t end)
{
	int64_t left;

	if (load.begun == end || is_full())
		return WAIT_US;
	left = due_us(start_us, load.begun - first) - pl_clock_mono_us();
	return left < 0 ? 0 : left > WAIT_US ? WAIT_US : left;
}

static bool
is_done(size_t end)
{
	return load.answered >= end &&
	       (load.path != NULL || load.tally.delivered + load.tally.refused >= end);
}

/* Up to request number end, and until each is answered and delivered. */
static void
run_to(size_t end)
{
	int64_t start_us = pl_clock_mono_us(), late_ms = 0, due;
	size_t first = load.begun;

	while (!is_done(end)) {
		while (load.begun < end && !is_full() &&
		       (due = due_us(start_us, load.begun - first)) <= pl_clock_mono_us())
			begin_one(due);
		step(wait_us(start_us, first, end));
		if (load.begun == end && late_ms == 0)
			late_ms = pl_clock_mono_ms() + LATE_MS;
		if (late_ms > 0 && pl_clock_mono_ms() > late_ms)
			break;
	}
}

static double
own_cpu_ms(void)
{
	struct rusage r;

	getrusage(RUSAGE_SELF, &r);
	return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1000 +
	       (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1000;
}

static void
measure_requests(void)
{
	double cpu;
	int64_t begun_us;

	load.warm = load.count / WARM_SHARE;
	if (load.warm > WARM_MAX)
		load.warm = WARM_MAX;
	tally_init(&load.tally, load.warm + load.count);
	load.requests = requests_new(load.port, load.at_once, on_answer, NULL);
	if (load.path == NULL)
		clients_connect(&load.clients, 0, load.user_count, load.at_once);
	run_to(load.warm);
	await_go("ready");
	cpu = own_cpu_ms();
	begun_us = pl_clock_mono_us();
	run_to(load.warm + load.count);
	tally_print(&load.tally, load.warm,
	    (double)(pl_clock_mono_us() - begun_us) / US_A_SECOND, own_cpu_ms() - cpu);
	requests_free(load.requests);
	tally_fini(&load.tally);
}

static void
measure_sockets(void)
{
	double cpu;
	int64_t begun_us;

	await_go("ready");
	cpu = own_cpu_ms();
	begun_us = pl_clock_mono_us();
	clients_connect(&load.clients, 0, load.count, load.at_once);
	printf("{\"seconds\":%.3f,\"sockets\":%zu,\"ownCpuMs\":%.1f}\n",
	    (double)(pl_clock_mono_us() - begun_us) / US_A_SECOND, load.clients.in,
	    own_cpu_ms() - cpu);
}

/* The socket of this place goes, as a page that is closed or a phone that loses its
 * network. */
static void
leave(size_t number)
{
	size_t place = number % load.at_once;

	if (load.clients.all[place].state == CLIENT_CLOSED)
		return;
	if (number / load.at_once % 2 == 0)
		load.clients.all[place].is_paused = true; /* it says nothing */
	clients_close(&load.clients, place);
}

static void
measure_churn(void)
{
	int64_t begun_us, left_ms;

	await_go("ready");
	begun_us = pl_clock_mono_us();
	for (size_t i = 0; i < load.count; i++) {
		while ((left_ms = (due_us(begun_us, i) - pl_clock_mono_us()) / 1000) > 0)
			clients_step(
			    &load.clients, left_ms > WAIT_MS ? WAIT_MS : (int)left_ms);
		leave(i);
		clients_start(&load.clients, i % load.at_once, 0);
	}
	clients_run(&load.clients, LATE_MS);
	printf("{\"seconds\":%.3f,\"opened\":%zu,\"in\":%zu,\"again\":%zu}\n",
	    (double)(pl_clock_mono_us() - begun_us) / US_A_SECOND, load.count,
	    load.clients.in, load.clients.again);
}

/* Until whoever started it closes its input. */
static void
stay(void)
{
	struct pollfd input = {0, POLLIN, 0};

	fflush(stdout);
	while (poll(&input, 1, 0) == 0)
		clients_run(&load.clients, WAIT_MS);
}

int
main(int argc, char **argv)
{
	bool is_churn = argc > 2 && strcmp(argv[2], "churn") == 0;
	bool is_open = argc > 2 && strcmp(argv[2], "open") == 0;
	bool is_get = argc > 2 && strcmp(argv[2], "get") == 0;
	struct clients_of of = {
	    .write_token = write_token, .on_message = on_message, .on_ack = on_ack};

	if (argc < 5 || ((is_get || is_churn) && argc < 6)) {
		fprintf(stderr, "usage: load PORT send|emit|get|open|churn COUNT AT_ONCE "
				"[RATE|PATH]\n");
		return 2;
	}
	load.port = of.port = (uint16_t)atoi(argv[1]);
	load.count = strtoul(argv[3], NULL, 10);
	load.at_once = strtoul(argv[4], NULL, 10);
	load.emits = strcmp(argv[2], "emit") == 0;
	load.path = is_get ? argv[5] : NULL;
	load.rate = !is_get && argc > 5 ? atof(argv[5]) : 0;
	read_users();
	clients_init(&load.clients, &of,
	    is_open    ? load.count
	    : is_churn ? load.at_once
		       : load.user_count);
	if (is_open)
		measure_sockets();
	else if (is_churn)
		measure_churn();
	else
		measure_requests();
	stay();
	clients_fini(&load.clients);
	return 0;
}
