#include <assert.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "ops/metrics.h"
#include "ops/process.h"
#include "ops/settings.h"

#define VALUES_MAX  9
#define BUCKETS_MAX 16
#define US_PER_S    1000000

/* ---- the table ---- */

enum kind { COUNTER, GAUGE, HISTOGRAM };

/* Upper bounds of the buckets, ascending; 0 ends them. */
static const int64_t times_us[] = {500, 1000, 2500, 5000, 10000, 25000, 50000, 100000,
    250000, 500000, 1000000, 2500000, 5000000, 10000000, 30000000, 0};
static const int64_t sizes[] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 0};

struct row {
	const char *name;
	const char *help;
	enum kind kind;
	unsigned services;
	const char *label; /* NULL: none */
	const char *values[VALUES_MAX + 1];
	const int64_t *bounds;
	int64_t unit; /* how many units of the values make one of what is printed */
};

#define AUTH      PL_SVC_AUTH
#define MESSAGE   PL_SVC_MESSAGE
#define PRESENCE  PL_SVC_PRESENCE
#define RESPONDER PL_SVC_RESPONDER
#define KORE      PL_SVC_KORE
#define ALL       PL_SVC_ALL

/* clang-format off */
#define LABEL(label_, ...) .label = label_, .values = {__VA_ARGS__}
#define NO_LABEL           .values = {""}
/* Of a request: 2xx, 429, another 4xx, 5xx. */
#define OUTCOME LABEL("outcome", "ok", "limited", "refused", "failed")
#define COUNT(id_, name_, services_, help_, ...) \
	[PL_M_##id_] = {.name = name_, .help = help_, .kind = COUNTER, \
	    .services = services_, .unit = 1, __VA_ARGS__},
#define LEVEL(id_, name_, services_, help_, ...) \
	[PL_M_##id_] = {.name = name_, .help = help_, .kind = GAUGE, \
	    .services = services_, .unit = 1, __VA_ARGS__},
#define TIMES(id_, name_, services_, help_, ...) \
	[PL_M_##id_] = {.name = name_, .help = help_, .kind = HISTOGRAM, \
	    .services = services_, .bounds = times_us, .unit = US_PER_S, __VA_ARGS__},
#define SIZES(id_, name_, services_, help_, ...) \
	[PL_M_##id_] = {.name = name_, .help = help_, .kind = HISTOGRAM, \
	    .services = services_, .bounds = sizes, .unit = 1, __VA_ARGS__},

static const struct row table[PL_METRICS_COUNT] = {
	TIMES(STORE_SECONDS, "parley_store_seconds", ALL,
	    "Time from asking the database to its answer, waiting in our queue included.",
	    LABEL("call", "read", "write"))
	COUNT(STORE_FAILURES, "parley_store_failures_total", ALL,
	    "Calls that the database did not carry out: away, full, or too late.",
	    LABEL("call", "read", "write"))
	LEVEL(STORE_WAITING, "parley_store_waiting", ALL,
	    "Writes that wait in our queue for the database.", NO_LABEL)
	SIZES(STORE_BATCH, "parley_store_batch_writes", ALL,
	    "Writes committed together.", NO_LABEL)
	LEVEL(REDIS_UP, "parley_redis_up", ALL,
	    "1 while the connections to Redis stand.", NO_LABEL)
	TIMES(REDIS_SECONDS, "parley_redis_seconds", ALL,
	    "Time from giving Redis a command to its reply.", NO_LABEL)
	COUNT(REDIS_FAILURES, "parley_redis_failures_total", ALL,
	    "Commands that got no reply; what they were to tell is found in the database.",
	    NO_LABEL)
	COUNT(HTTP_REQUESTS, "parley_http_requests_total", KORE,
	    "Requests answered, by the class of the answer's status; 429 and 503 apart.",
	    LABEL("code", "1xx", "2xx", "3xx", "4xx", "429", "5xx", "503"))
	TIMES(HTTP_SECONDS, "parley_http_seconds", KORE,
	    "Time from a request to its answer; requests of sockets are left out.", NO_LABEL)
	LEVEL(HTTP_IN_FLIGHT, "parley_http_in_flight", KORE,
	    "Requests without an answer yet.", NO_LABEL)
	COUNT(SIGNUPS, "parley_signups_total", AUTH, "Sign-ups.", OUTCOME)
	COUNT(LOGINS, "parley_logins_total", AUTH, "Logins.", OUTCOME)
	LEVEL(HASHES_WAITING, "parley_hashes_waiting", AUTH,
	    "Passwords that wait for a thread to hash them, or are being hashed.", NO_LABEL)
	COUNT(PROFILE_CHANGES, "parley_profile_changes_total", AUTH,
	    "Requests to change a name or gender, or to drop a picture.", OUTCOME)
	COUNT(PASSWORD_CHANGES, "parley_password_changes_total", AUTH,
	    "Requests to change a password.", OUTCOME)
	COUNT(AVATARS, "parley_avatars_total", AUTH, "Pictures that users sent.", OUTCOME)
	LEVEL(AVATARS_WAITING, "parley_avatars_waiting", AUTH,
	    "Pictures that wait for the thread to make them anew, or are being made.", NO_LABEL)
	COUNT(EXPORTS, "parley_exports_total", AUTH, "Requests of people for all that is theirs.",
	    OUTCOME)
	COUNT(ERASE_REQUESTS, "parley_erase_requests_total", AUTH,
	    "Requests of people to be erased.", OUTCOME)
	COUNT(ERASURES, "parley_erasures_total", AUTH,
	    "Erasures that this process finished.", NO_LABEL)
	LEVEL(ERASURES_UNDER_WAY, "parley_erasures_under_way", AUTH,
	    "Erasures that are not finished, by any process.", NO_LABEL)
	COUNT(MESSAGES, "parley_messages_total", MESSAGE | PRESENCE,
	    "Messages that came in, by a request or by a socket.", OUTCOME)
	COUNT(CHANGES, "parley_message_changes_total", MESSAGE,
	    "Requests that edited or deleted a message.", OUTCOME)
	COUNT(READ_MARKS, "parley_read_marks_total", MESSAGE,
	    "Requests that said how far a conversation was read.", OUTCOME)
	COUNT(MARK_EVENTS, "parley_mark_events_total", MESSAGE | PRESENCE,
	    "Events that told of a mark that moved.",
	    LABEL("event", "messagesRead", "conversationRead", "messagesDelivered"))
	LEVEL(SOCKETS, "parley_sockets", PRESENCE, "Open Engine.IO sessions.", NO_LABEL)
	LEVEL(HANDSHAKES_WAITING, "parley_handshakes_waiting", PRESENCE,
	    "Sessions of sockets that wait for their turn to begin.", NO_LABEL)
	COUNT(SOCKETS_ENDED, "parley_sockets_ended_total", PRESENCE,
	    "Engine.IO sessions that ended.",
	    LABEL("reason", "client_close", "transport_close", "transport_error",
	        "ping_timeout", "parse_error", "slow", "over_budget", "forced_close", "shutdown"))
	LEVEL(USERS_HERE, "parley_users_here", PRESENCE,
	    "Users with a socket at this process, or whose last one just broke.", NO_LABEL)
	TIMES(DELIVERY_SECONDS, "parley_delivery_seconds", PRESENCE,
	    "Time from a message's creation until its receiver's sockets get it, by the wall clock.",
	    NO_LABEL)
	COUNT(RECOVERIES, "parley_recoveries_total", PRESENCE,
	    "Clients that came back and told what they had last, by whether they got the rest.",
	    LABEL("outcome", "recovered", "new"))
	LEVEL(WATCHES, "parley_watches", PRESENCE,
	    "Users whom sockets watch; one whom two sockets watch counts twice.", NO_LABEL)
	COUNT(WATCH_SETS, "parley_watch_sets_total", PRESENCE,
	    "Sets of users that sockets asked to watch.", OUTCOME)
	COUNT(DELIVERED_MARKS, "parley_delivered_marks_total", PRESENCE,
	    "What clients said that they got, once stored: whether the mark moved.",
	    LABEL("outcome", "moved", "known", "refused", "failed"))
	LEVEL(DELIVERED_WAITING, "parley_delivered_waiting", PRESENCE,
	    "Pairs of users of whose deliveries the last second or a write is not over.", NO_LABEL)
	LEVEL(SENDS_WAITING, "parley_sends_waiting", PRESENCE,
	    "Messages that sockets have sent and that are not stored and published yet.", NO_LABEL)
	COUNT(BLOCKS, "parley_blocks_total", PRESENCE,
	    "Requests to block a user, or no longer.", OUTCOME)
	COUNT(REPLIES, "parley_replies_total", RESPONDER,
	    "Automatic replies stored.", LABEL("kind", "llm", "fallback"))
	TIMES(REPLY_SECONDS, "parley_reply_seconds", RESPONDER,
	    "Time from a message's commit to its automatic reply's, by the wall clock.",
	    NO_LABEL)
	COUNT(LLM_REQUESTS, "parley_llm_requests_total", RESPONDER,
	    "Requests to the LLM.", LABEL("outcome", "ok", "failed"))
	TIMES(LLM_SECONDS, "parley_llm_seconds", RESPONDER,
	    "Time that a request to the LLM took.", NO_LABEL)
	LEVEL(LLM_IN_FLIGHT, "parley_llm_in_flight", RESPONDER,
	    "Requests to the LLM that wait for their answer.", NO_LABEL)
	LEVEL(LLM_BREAKER_OPEN, "parley_llm_breaker_open", RESPONDER,
	    "1 while the LLM is not asked because it failed too often.", NO_LABEL)
};
/* clang-format on */

/* ---- counting ---- */

/* Counter and gauge: [0]. Histogram: how many fell into each bucket, then above the last
 * one; the sum is at the end. */
#define SUM (BUCKETS_MAX + 1)
static _Atomic int64_t cells[PL_METRICS_COUNT][VALUES_MAX][BUCKETS_MAX + 2];

static _Atomic int64_t *
find(enum pl_metric m, const char *value)
{
	const char *wanted = value != NULL ? value : "";

	for (size_t i = 0; i < VALUES_MAX && table[m].values[i] != NULL; i++)
		if (strcmp(table[m].values[i], wanted) == 0)
			return cells[m][i];
	pl_log_error("no such label of a metric", PL_L_CSTR("metric", table[m].name),
	    PL_L_CSTR("value", wanted));
	abort();
}

static void
add(_Atomic int64_t *cell, int64_t by)
{
	atomic_fetch_add_explicit(cell, by, memory_order_relaxed);
}

void
pl_metrics_count(enum pl_metric m, const char *label, int64_t by)
{
	assert(table[m].kind == COUNTER && by >= 0);
	add(find(m, label), by);
}

void
pl_metrics_set(enum pl_metric m, const char *label, int64_t value)
{
	assert(table[m].kind == GAUGE);
	atomic_store_explicit(find(m, label), value, memory_order_relaxed);
}

void
pl_metrics_observe(enum pl_metric m, const char *label, int64_t value)
{
	_Atomic int64_t *c = find(m, label);
	size_t bucket = 0;

	assert(table[m].kind == HISTOGRAM);
	/* A wall clock may have been set back. */
	if (value < 0)
		value = 0;
	while (table[m].bounds[bucket] != 0 && value > table[m].bounds[bucket])
		bucket++;
	add(&c[bucket], 1);
	add(&c[SUM], value);
}

/* ---- sources ---- */

static struct pl_list sources = {&sources, &sources};

void
pl_metrics_add_source(struct pl_metrics_source *source)
{
	pl_list_push(&sources, &source->link);
}

void
pl_metrics_remove_source(struct pl_metrics_source *source)
{
	pl_list_unlink(&source->link);
}

/* ---- printing ---- */

static int64_t
read_cell(const _Atomic int64_t *cell)
{
	return atomic_load_explicit(cell, memory_order_relaxed);
}

static void
print_number(struct pl_buf *out, int64_t value, int64_t unit)
{
	if (unit == 1)
		pl_buf_printf(out, "%" PRId64, value);
	else
		pl_buf_printf(out, "%" PRId64 ".%06" PRId64, value / unit,
		    value % unit * (US_PER_S / unit));
}

/* name_suffix{label="value",le="bound"}, as much of it as there is. */
static void
print_series(struct pl_buf *out, const struct row *row, size_t i, const char *suffix,
    const int64_t *bound)
{
	const char *comma = row->label != NULL ? "," : "";

	pl_buf_printf(out, "%s%s", row->name, suffix);
	if (row->label != NULL || bound != NULL)
		pl_buf_add_char(out, '{');
	if (row->label != NULL)
		pl_buf_printf(out, "%s=\"%s\"", row->label, row->values[i]);
	if (bound != NULL) {
		pl_buf_printf(out, "%sle=\"", comma);
		if (*bound != 0)
			print_number(out, *bound, row->unit);
		else
			pl_buf_add_cstr(out, "+Inf");
		pl_buf_add_char(out, '"');
	}
	if (row->label != NULL || bound != NULL)
		pl_buf_add_char(out, '}');
	pl_buf_add_char(out, ' ');
}

static void
print_histogram(
    struct pl_buf *out, const struct row *row, const _Atomic int64_t *c, size_t i)
{
	int64_t count = 0;

	for (size_t b = 0; b == 0 || row->bounds[b - 1] != 0; b++) {
		count += read_cell(&c[b]);
		print_series(out, row, i, "_bucket", &row->bounds[b]);
		pl_buf_printf(out, "%lld\n", (long long)count);
	}
	print_series(out, row, i, "_sum", NULL);
	print_number(out, read_cell(&c[SUM]), row->unit);
	pl_buf_add_char(out, '\n');
	print_series(out, row, i, "_count", NULL);
	pl_buf_printf(out, "%lld\n", (long long)count);
}

static void
print_row(struct pl_buf *out, enum pl_metric m)
{
	static const char *const kinds[] = {"counter", "gauge", "histogram"};
	const struct row *row = &table[m];

	pl_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", row->name, row->help,
	    row->name, kinds[row->kind]);
	for (size_t i = 0; i < VALUES_MAX && row->values[i] != NULL; i++) {
		if (row->kind == HISTOGRAM) {
			print_histogram(out, row, cells[m][i], i);
			continue;
		}
		print_series(out, row, i, "", NULL);
		print_number(out, read_cell(cells[m][i]), row->unit);
		pl_buf_add_char(out, '\n');
	}
}

void
pl_metrics_print(struct pl_buf *out, unsigned mask)
{
	pl_list_for_each(it, &sources)
	{
		struct pl_metrics_source *s =
		    PL_CONTAINER(it, struct pl_metrics_source, link);

		s->collect(s->arg);
	}
	for (enum pl_metric m = 1; m < PL_METRICS_COUNT; m++)
		if (table[m].services & mask)
			print_row(out, m);
	pl_process_print(out);
}
