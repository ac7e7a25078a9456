/*
 * bucket: a rate limit as one timestamp (GCRA).
 *
 *   rate 20/s, burst 60: each event moves `full_at` on by 50 ms; an event is refused while
 *   full_at would lie more than 60 x 50 ms ahead of now.
 *
 * bucket_table keeps one for each of many keys (users) and forgets those that are full
 * again.
 * Threads: one at a time.
 */
#ifndef PL_LIMITS_BUCKET_H
#define PL_LIMITS_BUCKET_H

#include "base/map.h"

struct pl_bucket_rule {
	int64_t interval_us; /* between events at the steady rate; 0: no limit */
	int64_t burst;       /* events that may come at once, 1.. */
};

struct pl_bucket {
	int64_t full_at_us;
};

/* Rule of `count` events in `period_ms`, at most `burst` at once; count 0: no limit. */
struct pl_bucket_rule pl_bucket_rule(int64_t count, int64_t period_ms, int64_t burst);
/* Take one event; 0 if it is allowed, else the milliseconds to wait (nothing is taken
 * then). */
int64_t pl_bucket_take(
    struct pl_bucket *b, const struct pl_bucket_rule *rule, int64_t now_mono_ms);

/* Give one back that was taken; never more than fills it. */
void pl_bucket_give(struct pl_bucket *b, const struct pl_bucket_rule *rule);

struct pl_bucket_table;

struct pl_bucket_table *pl_bucket_table_new(struct pl_bucket_rule rule, size_t keys_max);
void pl_bucket_table_free(struct pl_bucket_table *t);
int64_t pl_bucket_table_take(
    struct pl_bucket_table *t, struct pl_str key, int64_t now_mono_ms);
/* The same of count events, together or none. */
int64_t pl_bucket_table_take_many(
    struct pl_bucket_table *t, struct pl_str key, int64_t count, int64_t now_mono_ms);
/* What pl_bucket_table_take() would give; nothing is taken. */
int64_t pl_bucket_table_wait_ms(
    const struct pl_bucket_table *t, struct pl_str key, int64_t now_mono_ms);

#endif
