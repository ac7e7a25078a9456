/*
 * throttle: limits that all processes share: logins and signups, counted in Redis by GCRA in
 * one Lua script that reads Redis' own clock. Where Redis is away, a bucket in this process
 * counts instead: never open.  Threads: the loop's.
 */
#ifndef PL_BUS_THROTTLE_H
#define PL_BUS_THROTTLE_H

#include "bus/bus.h"
#include "ops/bucket.h"

struct pl_throttle;

/* name goes into the keys: "login-address". */
struct pl_throttle *pl_throttle_new(struct pl_bus *bus, struct pl_loop *loop,
    const char *name, struct pl_bucket_rule rule);
void pl_throttle_free(struct pl_throttle *t);
/* Would one more be allowed (take false), or take one (true)? wait_ms: 0 allowed, else how
 * long to wait. on_answer is called once, possibly before this returns; with on_answer NULL
 * one is taken and nothing told. A lifted rule answers at once. */
void pl_throttle_check(struct pl_throttle *t, struct pl_str key, bool take,
    void (*on_answer)(void *arg, int64_t wait_ms), void *arg);

#endif
