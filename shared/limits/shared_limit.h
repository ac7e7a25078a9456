/*
 * shared_limit: limits that all processes share, counted in Redis by a Lua script that reads Redis'
 * own clock. Three kinds:
 *
 *   by a rule       GCRA: a burst at once, then a steady rate. Logins and sign-ups.
 *   by a window     never more than so many in any stretch of its length: replies by an LLM.
 *                   Redis keeps the time of each that it took, until it is out of the window.
 *   by the day      so many from midnight to midnight, UTC, and over restarts: what costs money.
 *
 *   parley:limit:<name>:<key>   of a rule or a window
 *   parley:quota:<name>         of a day, followed by ":<key>" when there is one
 *
 * When Redis is away this process counts by itself: never open. Of a window that is about right
 * only; of a day it goes on by what it has taken itself.  Threads: the loop's.
 */
#ifndef PL_LIMITS_SHARED_LIMIT_H
#define PL_LIMITS_SHARED_LIMIT_H

#include "redis/client.h"
#include "limits/bucket.h"

struct pl_shared_limit;

/* The asker's; zero it and set the first two. */
struct pl_limit_ask {
	void (*on_answer)(
	    void *arg, int64_t wait_ms); /* 0: allowed; else how long to wait */
	void *arg;
	/* inside */
	struct pl_shared_limit *limit;
	struct pl_redis_call call;
	struct pl_list link;
	bool takes;
	size_t slot;
};

/* name goes into the keys: "login-address". */
struct pl_shared_limit *pl_shared_limit_new(struct pl_loop *loop, struct pl_redis *redis,
    const char *name, struct pl_bucket_rule rule);
/* At most count in window_ms; 0: no limit. */
struct pl_shared_limit *pl_shared_limit_new_window(struct pl_loop *loop,
    struct pl_redis *redis, const char *name, int64_t count, int64_t window_ms);
/* At most count a day; 0: no limit. */
struct pl_shared_limit *pl_shared_limit_new_day(
    struct pl_loop *loop, struct pl_redis *redis, const char *name, int64_t count);
/* Who still asks is told to wait for a second. */
void pl_shared_limit_free(struct pl_shared_limit *l);

/* Would one more be allowed? It is not taken. on_answer is called once, possibly before this
 * returns: a limit of none, and one without Redis, answer at once. */
void pl_shared_limit_look(
    struct pl_shared_limit *l, struct pl_str key, struct pl_limit_ask *ask);
/* Take one, if it is allowed. With ask NULL nobody hears of it. */
void pl_shared_limit_take(
    struct pl_shared_limit *l, struct pl_str key, struct pl_limit_ask *ask);
/* Nothing is told any more; what was taken stays so. Twice is fine, and so is all zero. */
void pl_shared_limit_cancel(struct pl_limit_ask *ask);

#endif
