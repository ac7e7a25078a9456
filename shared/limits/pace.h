/*
 * pace: requests that come in a rush begin at an even rate.
 *
 *   rate 500/s:  the first few at once, then five each 10 ms; the others stand in line,
 *   first come, first served. One that would stand there for too long is turned away at
 *   once.
 *
 * A few together cost less than each for itself: one wake-up here, at the gateway and at
 * Redis serves them all.
 * So a crowd that returns (its process died, a train left a tunnel) takes a share of the
 * time of those who are here, and never all of it.
 * Threads: the loop's.
 */
#ifndef PL_LIMITS_PACE_H
#define PL_LIMITS_PACE_H

#include "base/list.h"
#include "loop/loop.h"
#include "limits/bucket.h"

/* One in line, embedded in what waits. */
struct pl_turn {
	struct pl_list link;
};

struct pl_pace {
	struct pl_loop *loop;
	struct pl_bucket_rule rule;
	struct pl_bucket bucket;
	struct pl_list line; /* struct pl_turn.link */
	size_t waiting;      /* in line */
	struct pl_timer timer;
	void (*on_turn)(struct pl_pace *p, struct pl_turn *t);
};

/* count a second; 0: no limit. on_turn: t has left the line, and begins now. */
void pl_pace_init(struct pl_pace *p, struct pl_loop *loop, int64_t count,
    void (*on_turn)(struct pl_pace *p, struct pl_turn *t));
/* The next in line; NULL at its end. To empty the line. */
struct pl_turn *pl_pace_pop(struct pl_pace *p);
void pl_pace_fini(struct pl_pace *p); /* nobody is in line any more */

/* May one begin right now, without a turn? */
bool pl_pace_begin(struct pl_pace *p) PL_MUST_CHECK;
/* Stand in line. False, and not in line, if that would take more than limit_ms. */
bool pl_pace_wait(struct pl_pace *p, struct pl_turn *t, int64_t limit_ms) PL_MUST_CHECK;
void pl_pace_leave(struct pl_pace *p, struct pl_turn *t); /* t is in line */

#endif
