/*
 * throttle: limits that all processes share, counted in Redis by a Lua script that reads Redis'
 * own clock. Two kinds:
 *
 *   by a rule       GCRA: a burst at once, then a steady rate. Logins and sign-ups.
 *   by a window     never more than so many in any stretch of its length. What costs money.
 *                   Redis keeps the time of each that it took, until it is out of the window.
 *
 * Where Redis is away, a bucket in this process counts instead: never open, and of a window about
 * right only.  Threads: the loop's.
 */
#ifndef PL_BUS_THROTTLE_H
#define PL_BUS_THROTTLE_H

#include "bus/redis.h"
#include "ops/bucket.h"

struct pl_throttle;

/* name goes into the keys: "login-address". */
struct pl_throttle *pl_throttle_new(struct pl_loop *loop, struct pl_redis *redis,
    const char *name, struct pl_bucket_rule rule);
/* At most count in window_ms; 0: no limit. */
struct pl_throttle *pl_throttle_new_window(struct pl_loop *loop, struct pl_redis *redis,
    const char *name, int64_t count, int64_t window_ms);
void pl_throttle_free(struct pl_throttle *t);
/* Would one more be allowed (take false), or take one (true)? wait_ms: 0 allowed, else how
 * long to wait. on_answer is called once, possibly before this returns; with on_answer NULL
 * one is taken and nothing told. A lifted rule answers at once. */
void pl_throttle_check(struct pl_throttle *t, struct pl_str key, bool take,
    void (*on_answer)(void *arg, int64_t wait_ms), void *arg);

#endif
