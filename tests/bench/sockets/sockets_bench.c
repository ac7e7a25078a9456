/*
 * sockets_bench: what sockets cost presence, in memory and CPU, beside the bars of issue
 * 5.
 *
 *   sockets_bench BUILD [SOCKETS] [SCENARIO ...]
 *
 * BUILD holds message.so and presence.so; SOCKETS is 10000 where not given; the scenarios
 * are gentle, storm, joins, delta, watch, slow, stalled, killed: all where none is named.
 * Each begins with a fresh presence process of default settings, and each socket is a
 * user of its own. Memory and CPU are those of presence's worker, as the kernel counts
 * them; the clients are in this process.
 *
 * Exit status: 0, all bars were met; 1, some were not; 2, it could not be measured.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "clients.h"
#include "figure.h"
#include "killed.h"
#include "sender.h"

#include "base/clock.h"
#include "base/mem.h"

#define SOCKETS_DEFAULT 10000
#define SOCKETS_LEAST   100
#define USERS_MORE      KILLED_OTHERS /* beside the sockets: who join and leave */
#define AT_ONCE_GENTLE  200
#define KIB             1024.0
#define MIB             (1024.0 * 1024.0)

#define QUIET_MS        1500  /* without a byte: all has settled */
#define SETTLE_MS       60000 /* at most */
#define REST_MS         12000 /* then idle memory is given back */
#define HEARTBEAT_MS    25000
#define HEARTBEATS      3
#define MESSAGES        2000
#define MESSAGES_WARM   100
#define MESSAGE_MS      10000
#define FEW             10
#define JOIN_SOCKETS    5000
#define JOIN_EVERY_MS   100
#define JOIN_STAY       5 /* as many steps */
#define JOIN_MS         10000
#define SHARE_MS        HEARTBEAT_MS /* in which each socket has one, whenever it came */
#define STALLED         500
#define SLOW_OFFER      ((size_t)300 * 1000 * 1000)
#define SLOW_TEXT       60000
#define SLOW_LATE_OFFER ((size_t)900 * 1000)
#define SLOW_RECEIVE    4096
#define SLOW_STALL_MS   10000 /* the contract's */
#define WITNESS_EVERY   4

static struct bench {
	const char *build;
	size_t sockets;
	struct stack stack;
	struct clients clients;
	double empty_bytes;  /* private ones of a presence process without a socket */
	double heartbeat_us; /* CPU of one, where it was measured */
} bench = {.sockets = SOCKETS_DEFAULT};

enum { SENDER, RECEIVER, SLOW, LATE };

/* ---- the ground -------------------------------------------------------------------------- */

static double
private_bytes(void)
{
	return (double)process_memory(&bench.stack.presence).private_bytes;
}

static void
begin(const char *text)
{
	struct clients_of of;

	figure_title(text);
	stack_fresh_presence(&bench.stack, bench.build);
	of = stack_clients(&bench.stack);
	clients_init(&bench.clients, &of, bench.stack.user_count);
	bench.empty_bytes = private_bytes();
}

static void
finish(void)
{
	if (bench.clients.again > 0)
		figure_show("clients that were closed, and came again",
		    (double)bench.clients.again, "");
	clients_fini(&bench.clients);
}

/* Until nothing has come for a while. */
static void
settle(void)
{
	int64_t deadline = pl_clock_mono_ms() + SETTLE_MS;
	uint64_t before;

	do {
		before = bench.clients.bytes;
		clients_run(&bench.clients, QUIET_MS);
		/* Heartbeats, which are a few bytes each, may go on. */
	} while (bench.clients.bytes - before > bench.sockets * 4 &&
		 pl_clock_mono_ms() < deadline);
}

/* ---- memory ------------------------------------------------------------------------------ */

static void
connect_all(size_t first, size_t at_once)
{
	double cpu = process_cpu_ms(&bench.stack.presence);
	int64_t begun = pl_clock_mono_ms();

	clients_connect(&bench.clients, first, bench.sockets - first, at_once);
	figure_show(
	    "all were in after", (double)(pl_clock_mono_ms() - begun) / 1000, "s");
	settle();
	figure_show("CPU to get a socket in, lists of who is online included",
	    (process_cpu_ms(&bench.stack.presence) - cpu) * 1000 / (double)bench.sockets,
	    "us");
}

/* What is left once idle memory was given back. */
static void
measure_memory(void)
{
	double n = (double)bench.sockets, all;

	clients_run(&bench.clients, REST_MS);
	all = private_bytes();
	figure_show("resident memory at its peak",
	    (double)process_memory(&bench.stack.presence).peak_rss_bytes / MIB, "MiB");
	figure_show("the empty process had", bench.empty_bytes / MIB, "MiB");
	figure_show("the idle process has", all / MIB, "MiB");
	figure_show("grown by, a socket", (all - bench.empty_bytes) / n / KIB, "KiB");
	figure_judge(
	    "private memory of the whole process, a socket", all / n / KIB, 4, "KiB");
}

static void
leave_all(void)
{
	for (size_t i = 0; i < bench.sockets; i++)
		clients_close(&bench.clients, i);
	clients_run(&bench.clients, REST_MS);
	figure_show("once all have left, the process has", private_bytes() / MIB, "MiB");
}

/* ---- CPU --------------------------------------------------------------------------------- */

static void
measure_heartbeats(void)
{
	int64_t begun = pl_clock_mono_ms();
	double cpu = process_cpu_ms(&bench.stack.presence), ms;
	uint64_t pings = bench.clients.pings;

	clients_run(&bench.clients, HEARTBEAT_MS * HEARTBEATS);
	ms = process_cpu_ms(&bench.stack.presence) - cpu;
	pings = bench.clients.pings - pings;
	if (pings < bench.sockets * (HEARTBEATS - 1))
		bench_die("only %lu pings came", (unsigned long)pings);
	bench.heartbeat_us = ms * 1000 / (double)pings;
	figure_show("heartbeats answered", (double)pings, "");
	figure_show(
	    "CPU of one, all else that is done idle included", bench.heartbeat_us, "us");
	figure_judge("heartbeats, share of a core",
	    ms * 100 / (double)(pl_clock_mono_ms() - begun), 2, "%");
}

static void
await_message(size_t receiver, unsigned count)
{
	int64_t deadline = pl_clock_mono_ms() + MESSAGE_MS;

	while (bench.clients.all[receiver].messages < count) {
		clients_step(&bench.clients, MESSAGE_MS);
		if (pl_clock_mono_ms() > deadline)
			bench_die("a message did not arrive");
	}
}

static void
send_messages(struct sender *s, unsigned count)
{
	unsigned before = bench.clients.all[RECEIVER].messages;

	for (unsigned i = 1; i <= count; i++) {
		sender_post(s, RECEIVER, "Shall we meet at three in the usual place?");
		await_message(RECEIVER, before + i);
	}
}

/* CPU of presence for one newMessage (and its messageSent), without the heartbeats that
 * went on meanwhile. */
static double
message_us(void)
{
	struct sender s;
	double cpu;
	uint64_t pings;

	sender_init(&s, &bench.stack, SENDER);
	send_messages(&s, MESSAGES_WARM);
	cpu = process_cpu_ms(&bench.stack.presence);
	pings = bench.clients.pings;
	send_messages(&s, MESSAGES);
	cpu = process_cpu_ms(&bench.stack.presence) - cpu;
	pings = bench.clients.pings - pings;
	sender_fini(&s);
	return (cpu * 1000 - (double)pings * bench.heartbeat_us) / MESSAGES;
}

/* ---- scenarios --------------------------------------------------------------------------- */

static void
gentle(void)
{
	double few_us, all_us;

	begin("Sockets that come one after the other");
	clients_connect(&bench.clients, 0, FEW + 2, AT_ONCE_GENTLE);
	settle();
	few_us = message_us();
	connect_all(FEW + 2, AT_ONCE_GENTLE);
	measure_memory();
	measure_heartbeats();
	all_us = message_us();
	figure_show(
	    "CPU of presence for a newMessage, 10 others connected", few_us, "us");
	figure_show(
	    "CPU of presence for a newMessage, all others connected", all_us, "us");
	figure_judge("as many times that with 10 others", all_us / few_us, 1.25, "times");
	finish();
}

static void
storm(void)
{
	begin("Sockets that all come at once");
	connect_all(0, bench.sockets);
	measure_memory();
	leave_all();
	figure_title("The same again, in the same process");
	connect_all(0, bench.sockets);
	measure_memory();
	finish();
}

/* One comes each step, and leaves some steps later. */
static void
join_and_leave(size_t first, int64_t ms)
{
	int64_t begun = pl_clock_mono_ms();

	for (size_t i = 0; pl_clock_mono_ms() - begun < ms; i++) {
		if (i >= JOIN_STAY)
			clients_close(
			    &bench.clients, first + (i - JOIN_STAY) % USERS_MORE);
		clients_start(&bench.clients, first + i % USERS_MORE, 0);
		clients_run(&bench.clients, JOIN_EVERY_MS);
	}
}

static void
show_watch_memory(size_t sockets)
{
	double all;

	clients_run(&bench.clients, REST_MS);
	all = private_bytes() - bench.empty_bytes;
	figure_show("grown by, a socket with its 50", all / (double)sockets / KIB, "KiB");
}

/* presence: what the clients ask for in CONNECT; NULL: the list each time. */
static void
measure_joins(const char *text, const char *presence)
{
	size_t online = bench.sockets < JOIN_SOCKETS ? bench.sockets : JOIN_SOCKETS;
	struct clients *c = &bench.clients;
	bool is_watching = presence != NULL && strcmp(presence, "watch") == 0;
	unsigned most = 0;
	uint64_t bytes, pings, told = 0;
	int64_t begun;
	double cpu, seconds;

	begin(text);
	c->presence = presence;
	if (is_watching)
		c->watched = online + USERS_MORE;
	clients_connect(c, 0, online, AT_ONCE_GENTLE);
	settle();
	if (is_watching)
		show_watch_memory(online);
	for (size_t i = 0; i < online; i++)
		c->all[i].lists = 0;
	bytes = c->bytes;
	pings = c->pings;
	cpu = process_cpu_ms(&bench.stack.presence);
	begun = pl_clock_mono_ms();
	join_and_leave(online, SHARE_MS);
	seconds = (double)(pl_clock_mono_ms() - begun) / 1000;
	cpu = process_cpu_ms(&bench.stack.presence) - cpu;
	bytes = c->bytes - bytes;
	for (size_t i = 0; i < online; i++) {
		most = c->all[i].lists > most ? c->all[i].lists : most;
		told += c->all[i].lists;
	}
	/* The first comes at once: n seconds see n + 1 at most. */
	if (presence != NULL)
		figure_show("changes told to a client", most / seconds, "a second");
	else
		figure_judge("lists to a client, the most", ((double)most - 1) / seconds,
		    1, "a second");
	figure_show(
	    "bytes to a client", (double)bytes / seconds / (double)online / KIB, "KiB/s");
	figure_show(
	    "lists or changes to all of them", (double)told / seconds, "a second");
	figure_show("heartbeats", (double)(c->pings - pings) / seconds, "a second");
	if (is_watching)
		figure_judge("CPU, share of a core", cpu / seconds / 10, 3, "%");
	else
		figure_show("CPU, share of a core", cpu / seconds / 10, "%");
	finish();
}

static void
joins(void)
{
	measure_joins("Ten a second come and go, where 5,000 are online", NULL);
}

static void
delta(void)
{
	measure_joins("The same, where the clients ask for changes only", "delta");
}

static void
watch(void)
{
	measure_joins(
	    "The same, where each client watches 50 users, drawn among all", "watch");
}

/* ---- slow readers ------------------------------------------------------------------------ */

/* How long a message to somebody who reads is on its way. */
static double
witness_ms(struct sender *s)
{
	unsigned before = bench.clients.all[RECEIVER].messages;
	double begun = figure_now_ms();

	sender_publish(s, RECEIVER, "Are you there?");
	await_message(RECEIVER, before + 1);
	return figure_now_ms() - begun;
}

static double
rss(void)
{
	return (double)process_memory(&bench.stack.presence).rss_bytes;
}

/* To a client that never reads; the most that memory grew by. times: of the witness. */
static double
offer(struct sender *s, size_t to, const char *text, size_t bytes, double *times,
    size_t *time_count)
{
	double before = rss(), most = before;

	*time_count = 0;
	for (size_t i = 0; i < bytes / SLOW_TEXT; i++) {
		double now;

		sender_publish(s, to, text);
		if (i % WITNESS_EVERY == 0)
			times[(*time_count)++] = witness_ms(s);
		now = rss();
		most = now > most ? now : most;
	}
	return most - before;
}

static void
connect_slow(size_t index)
{
	struct clients *c = &bench.clients;
	int64_t deadline = pl_clock_mono_ms() + MESSAGE_MS;

	clients_start(c, index, SLOW_RECEIVE);
	while (c->all[index].state != CLIENT_IN) {
		clients_step(c, MESSAGE_MS);
		if (pl_clock_mono_ms() > deadline)
			bench_die("a client does not get in");
	}
	settle();
	clients_pause(c, index);
}

static double
seconds_until_cut(unsigned files)
{
	double begun = figure_now_ms();

	while (process_open_files(&bench.stack.presence) >= files) {
		clients_step(&bench.clients, 10);
		if (figure_now_ms() - begun > SLOW_STALL_MS * 3)
			break;
	}
	return (figure_now_ms() - begun) / 1000;
}

static void
slow(void)
{
	static char text[SLOW_TEXT + 1];
	static double times[SLOW_OFFER / SLOW_TEXT];
	size_t count;
	unsigned files;
	struct sender s;
	double quiet;

	begin("Clients that never read");
	memset(text, 'x', SLOW_TEXT);
	clients_connect(&bench.clients, 0, RECEIVER + 1, 1);
	sender_init(&s, &bench.stack, SENDER);
	/* To the witness himself, so that all buffers have their size. */
	(void)offer(&s, RECEIVER, text, SLOW_OFFER / 10, times, &count);
	(void)offer(&s, LATE, text, SLOW_OFFER / 10, times, &count);
	quiet = figure_p99(times, count);
	connect_slow(SLOW);
	files = process_open_files(&bench.stack.presence);
	figure_judge("300 MB for one: resident memory grew at most by",
	    offer(&s, SLOW, text, SLOW_OFFER, times, &count) / MIB, 3, "MiB");
	/* The session is over at once; its connection may take 5 s to say goodbye. */
	figure_judge("and its connection is gone after the last of it within",
	    seconds_until_cut(files), 6, "s");
	figure_show("another client's messages, p99 where nobody is slow", quiet, "ms");
	figure_judge("another client's messages, p99 meanwhile", figure_p99(times, count),
	    quiet * 2 + 50, "ms");
	connect_slow(LATE);
	files = process_open_files(&bench.stack.presence);
	(void)offer(&s, LATE, text, SLOW_LATE_OFFER, times, &count);
	figure_judge("0.9 MB for another, which is cut after", seconds_until_cut(files),
	    (SLOW_STALL_MS + 2000) / 1000.0, "s");
	sender_fini(&s);
	finish();
}

/* How much memory grows while lists of who is online go out and some take nothing of
 * them. */
static void
stalled(void)
{
	size_t online = bench.sockets < JOIN_SOCKETS ? bench.sockets : JOIN_SOCKETS;
	struct clients *c = &bench.clients;
	struct process_memory before;

	begin("500 of 5,000 stop reading, while others come and go");
	clients_connect(c, 0, online, AT_ONCE_GENTLE);
	settle();
	clients_run(c, REST_MS);
	for (size_t i = 0; i < STALLED && i < online; i++)
		clients_pause(c, i);
	before = process_memory(&bench.stack.presence);
	join_and_leave(online, JOIN_MS);
	figure_judge("resident memory grew, for each of them, by",
	    ((double)process_memory(&bench.stack.presence).peak_rss_bytes -
		(double)before.rss_bytes) /
		STALLED / KIB,
	    16, "KiB");
	finish();
}

static void
killed(void)
{
	size_t sockets = bench.sockets < JOIN_SOCKETS ? bench.sockets : JOIN_SOCKETS;

	figure_title("A presence process with 5,000 is killed, beside another");
	bench.stack.is_paced = true;
	stack_fresh_presence(&bench.stack, bench.build);
	bench.stack.is_paced = false;
	killed_measure(&bench.stack, bench.build, sockets);
}

/* ---- main -------------------------------------------------------------------------------- */

static const struct scenario {
	const char *name;
	void (*run)(void);
} scenarios[] = {
    {"gentle", gentle},
    {"storm", storm},
    {"joins", joins},
    {"delta", delta},
    {"watch", watch},
    {"slow", slow},
    {"stalled", stalled},
    {"killed", killed},
};

static bool
is_wanted(const char *name, char *const *wanted)
{
	if (wanted[0] == NULL)
		return true;
	for (; wanted[0] != NULL; wanted++)
		if (strcmp(wanted[0], name) == 0)
			return true;
	return false;
}

static void
raise_limits(size_t sockets)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_max < sockets + 512)
		bench_die("the limit on open files is too low, see ulimit -n");
}

int
main(int argc, char **argv)
{
	char *const *wanted = argv + (argc > 3 ? 3 : argc);
	char *build = argc > 1 ? realpath(argv[1], NULL) : NULL;

	if (argc > 2)
		bench.sockets = strtoul(argv[2], NULL, 10);
	if (build == NULL || bench.sockets < SOCKETS_LEAST)
		bench_die("usage: sockets_bench BUILD [SOCKETS] [SCENARIO ...]");
	bench.build = build;
	raise_limits(bench.sockets);
	stack_start(&bench.stack, build, bench.sockets + USERS_MORE);
	printf("%zu sockets, each its own user\n", bench.sockets);
	for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++)
		if (is_wanted(scenarios[i].name, wanted))
			scenarios[i].run();
	stack_stop(&bench.stack);
	free(build);
	printf(
	    "\n%s\n", figure_failed() == 0 ? "all bars were met" : "a bar was not met");
	return figure_failed() > 0;
}
