/*
 * shared_limit: limits that all processes share, counted in Redis by a Lua script that
 * reads Redis' own clock. Three kinds:
 *
 *   by a rule       GCRA: a burst at once, then a steady rate. Logins and sign-ups.
 *   by a window     never more than so many in any stretch of its length: replies by an LLM.
 *                   Redis keeps the time of each that it took, until it is out of the window.
 *   by the day      so many from midnight to midnight, UTC, and over restarts: what costs money.
 *
 *   parley:limit:<name>:<key>   by a rule or a window
 *   parley:quota:<name>         by the day, followed by ":<key>" if there is one
 *
 * When Redis is away each process counts by itself, so no limit is ever open. For a
 * window that is only roughly right; by the day it goes on from what it has taken
 * itself.  Threads: the loop's.
 */
#ifndef PL_LIMITS_SHARED_LIMIT_H
#define PL_LIMITS_SHARED_LIMIT_H

#include "redis/client.h"
#include "limits/bucket.h"

struct pl_shared_limit;

/* A question, of the caller, who zeroes it and sets the first two. */
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
/* Questions that wait are answered with a wait of a second. */
void pl_shared_limit_free(struct pl_shared_limit *l);

/* Would one more be allowed? It is not taken. on_answer is called once, possibly before
 * this returns: a limit that is lifted, and one without Redis, answer at once. */
void pl_shared_limit_look(
    struct pl_shared_limit *l, struct pl_str key, struct pl_limit_ask *ask);
/* Take one, if it is allowed. With ask NULL nobody hears of it. */
void pl_shared_limit_take(
    struct pl_shared_limit *l, struct pl_str key, struct pl_limit_ask *ask);
/* on_answer does not come; what was taken stays taken. Calling it twice is fine, and so
 * is an ask that is all zero. */
void pl_shared_limit_cancel(struct pl_limit_ask *ask);

#endif
