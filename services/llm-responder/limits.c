#include "limits.h"

#include "base/mem.h"

#define MINUTE_MS 60000

struct limits {
	struct pl_shared_limit *by_sender;
	struct pl_shared_limit *by_user;
};

static void
take_place(struct pl_shared_limit *l, const struct pl_oid *who,
    void (*on_answer)(void *arg, int64_t wait_ms), struct limits_ask *ask)
{
	char hex[PL_OID_HEX_LEN + 1];

	pl_oid_format(who, hex);
	ask->ask = (struct pl_limit_ask){.on_answer = on_answer, .arg = ask};
	pl_shared_limit_take(l, pl_str(hex), &ask->ask);
}

static void
on_user_checked(void *arg, int64_t wait_ms)
{
	struct limits_ask *ask = arg;

	ask->on_answer(ask->arg, wait_ms == 0);
}

static void
on_sender_checked(void *arg, int64_t wait_ms)
{
	struct limits_ask *ask = arg;

	if (wait_ms > 0)
		ask->on_answer(ask->arg, false);
	else
		take_place(ask->limits->by_user, &ask->user, on_user_checked, ask);
}

void
limits_take(struct limits *l, struct limits_ask *ask, const struct pl_oid *sender,
    const struct pl_oid *user)
{
	ask->limits = l;
	ask->user = *user;
	take_place(l->by_sender, sender, on_sender_checked, ask);
}

struct limits *
limits_new(struct pl_loop *loop, struct pl_redis *redis, int64_t sender_per_minute,
    int64_t user_per_minute)
{
	struct limits *l = pl_mem_zalloc(sizeof(*l));

	l->by_sender = pl_shared_limit_new_window(
	    loop, redis, "llm-sender-minute", sender_per_minute, MINUTE_MS);
	l->by_user = pl_shared_limit_new_window(
	    loop, redis, "llm-user-minute", user_per_minute, MINUTE_MS);
	return l;
}

void
limits_free(struct limits *l)
{
	pl_shared_limit_free(l->by_sender);
	pl_shared_limit_free(l->by_user);
	pl_mem_free(l);
}
