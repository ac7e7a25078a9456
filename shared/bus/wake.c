#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"
#include "bus/events.h"
#include "redis/reply.h"
#include "bus/wake.h"

#define STREAM      PL_STR(PL_STREAM_REPLIES)
#define GROUP       PL_STR("responders")
#define FIELD       PL_STR("message")
#define ENTRIES_MAX PL_STR("10000") /* about */
#define BLOCK_MS    5000
#define DEADLINE_MS                                                                      \
	(BLOCK_MS + 2 * PL_REDIS_DEADLINE_MS) /* an answer is due after BLOCK_MS */
#define ENTRIES_A_READ 16
#define TEXT_OF(n)     #n
#define TEXT(macro)    PL_STR(TEXT_OF(macro))
#define RETRY_MS       1000

struct pl_wake {
	struct pl_loop *loop;
	struct pl_redis *redis;
	char *consumer;
	void (*on_wake)(void *arg, const struct pl_oid *messages, size_t count);
	void *arg;
	struct pl_timer retry_timer;
	bool is_refusal_logged;
	struct pl_redis_call group;
	struct pl_redis_call entries;
};

void
pl_wake_send(struct pl_redis *redis, const struct pl_oid *message)
{
	char hex[PL_OID_HEX_LEN + 1];

	if (!pl_redis_is_up(redis))
		return;
	pl_oid_format(message, hex);
	pl_redis_command(redis,
	    (struct pl_str[]){PL_STR("XADD"), STREAM, PL_STR("MAXLEN"), PL_STR("~"),
		ENTRIES_MAX, PL_STR("*"), FIELD, pl_str_n(hex, PL_OID_HEX_LEN)},
	    8, NULL);
}

/* ---- the group ---- */

static void ask_group(struct pl_wake *w);
static void ask_entries(struct pl_wake *w);

static void
retry_later(struct pl_wake *w, const struct redisReply *refusal)
{
	if (!w->is_refusal_logged)
		pl_log_warn("redis refused to read the stream of replies, asking again",
		    PL_L_STR("why", pl_redis_reply_str(refusal)),
		    PL_L_INT("wait_ms", RETRY_MS));
	w->is_refusal_logged = true;
	pl_timer_start(w->loop, &w->retry_timer, RETRY_MS);
}

static void
on_retry_timer(struct pl_timer *t)
{
	struct pl_wake *w = t->arg;

	if (pl_redis_is_up(w->redis))
		ask_group(w);
}

static void
on_group(void *arg, enum pl_err err, const struct redisReply *reply)
{
	struct pl_wake *w = arg;

	if (err != PL_OK && err != PL_E_IO)
		return; /* on_state() starts again */
	if (err != PL_OK && !pl_redis_reply_is_error(reply, PL_STR("BUSYGROUP")))
		retry_later(w, reply);
	else
		ask_entries(w);
}

/* The group begins at the first entry, so that none that is older than the group is
 * passed over. */
static void
ask_group(struct pl_wake *w)
{
	pl_redis_command(w->redis,
	    (struct pl_str[]){PL_STR("XGROUP"), PL_STR("CREATE"), STREAM, GROUP,
		PL_STR("0"), PL_STR("MKSTREAM")},
	    6, &w->group);
}

/* ---- entries ---- */

/* [id, [field, value]] */
static bool
parse_entry(const struct redisReply *entry, struct pl_oid *out)
{
	const struct redisReply *fields = pl_redis_reply_at(entry, 1);

	return pl_str_eq(pl_redis_reply_str(pl_redis_reply_at(fields, 0)), FIELD) &&
	       pl_oid_parse(pl_redis_reply_str(pl_redis_reply_at(fields, 1)), out);
}

/* [[stream, [entry, ...]]] */
static size_t
parse_entries(const struct redisReply *reply, struct pl_oid out[ENTRIES_A_READ])
{
	const struct redisReply *entries =
	    pl_redis_reply_at(pl_redis_reply_at(reply, 0), 1);
	size_t count = 0;

	for (size_t i = 0; i < ENTRIES_A_READ; i++)
		if (parse_entry(pl_redis_reply_at(entries, i), &out[count]))
			count++;
	return count;
}

static void
on_entries(void *arg, enum pl_err err, const struct redisReply *reply)
{
	struct pl_oid messages[ENTRIES_A_READ];
	struct pl_wake *w = arg;
	size_t count;

	if (err != PL_OK && err != PL_E_IO)
		return;
	if (pl_redis_reply_is_error(reply, PL_STR("NOGROUP")) ||
	    pl_redis_reply_is_error(reply, PL_STR("UNBLOCKED"))) {
		ask_group(w); /* the server lost its data: FLUSHALL */
		return;
	}
	if (err != PL_OK) {
		retry_later(w, reply);
		return;
	}
	w->is_refusal_logged = false;
	count = parse_entries(reply, messages);
	ask_entries(w);
	if (count > 0)
		w->on_wake(w->arg, messages, count); /* may free w */
}

/* NOACK: an entry counts as acknowledged once it is read, for it only wakes. */
static void
ask_entries(struct pl_wake *w)
{
	pl_redis_command(w->redis,
	    (struct pl_str[]){PL_STR("XREADGROUP"), PL_STR("GROUP"), GROUP,
		pl_str(w->consumer), PL_STR("COUNT"), TEXT(ENTRIES_A_READ),
		PL_STR("BLOCK"), TEXT(BLOCK_MS), PL_STR("NOACK"), PL_STR("STREAMS"),
		STREAM, PL_STR(">")},
	    12, &w->entries);
}

/* ---- life ---- */

static void
on_state(void *arg, bool is_up)
{
	struct pl_wake *w = arg;

	pl_timer_stop(w->loop, &w->retry_timer);
	if (is_up)
		ask_group(w);
}

struct pl_wake *
pl_wake_new(struct pl_loop *loop, const char *redis_url, const char *consumer,
    void (*on_wake)(void *arg, const struct pl_oid *messages, size_t count), void *arg)
{
	struct pl_wake *w = pl_mem_zalloc(sizeof(*w));
	struct pl_redis_config config = {.url = redis_url,
	    .role = "wake-ups",
	    .on_state = on_state,
	    .arg = w,
	    .deadline_ms = DEADLINE_MS};

	w->loop = loop;
	w->consumer = pl_mem_strdup(consumer);
	w->on_wake = on_wake;
	w->arg = arg;
	pl_redis_call_init(&w->group, on_group, w);
	pl_redis_call_init(&w->entries, on_entries, w);
	w->retry_timer = (struct pl_timer){.on_fire = on_retry_timer, .arg = w};
	w->redis = pl_redis_new(loop, &config);
	return w;
}

void
pl_wake_free(struct pl_wake *w)
{
	if (w == NULL)
		return;
	pl_timer_stop(w->loop, &w->retry_timer);
	pl_redis_call_cancel(&w->group);
	pl_redis_call_cancel(&w->entries);
	pl_redis_free(w->redis);
	pl_mem_free(w->consumer);
	pl_mem_free(w);
}
