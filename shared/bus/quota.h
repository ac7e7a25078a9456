/*
 * quota: so many a day, over all processes and their restarts: requests to an LLM that costs money.
 *
 *   parley:quota:<name>    hash: day (since 1970, Redis' clock, UTC), count taken on it
 *
 * A day ends at midnight UTC, not 24 hours after the first: never more than the quota is taken in
 * one. Where Redis is away this process goes on by what it has taken itself: never open.
 * Threads: the loop's.
 */
#ifndef PL_BUS_QUOTA_H
#define PL_BUS_QUOTA_H

#include "bus/redis.h"

struct pl_quota;

/* The asker's; zero it and set the first two. */
struct pl_quota_ask {
	void (*on_answer)(void *arg, bool is_granted);
	void *arg;
	/* inside */
	struct pl_quota *quota;
	struct pl_redis_call call;
};

/* per_day 0: no limit. */
struct pl_quota *pl_quota_new(struct pl_redis *redis, const char *name, int64_t per_day);
/* Nobody may ask any more: cancelled, or answered by pl_redis_free(). */
void pl_quota_free(struct pl_quota *q);
/* Take one. on_answer is called once, possibly before this returns. */
void pl_quota_take(struct pl_quota *q, struct pl_quota_ask *ask);
void pl_quota_cancel(struct pl_quota_ask *ask); /* twice is fine */

#endif
