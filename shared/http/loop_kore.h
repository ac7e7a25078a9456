/*
 * loop_kore: the loop inside a kore worker. Timers ride on a timerfd, and posts of other
 * threads on an eventfd, because kore's own timers add up to 100 ms and its wake-up does
 * not reach an idle loop. What kore's callbacks post runs when those of the turn are done.
 * Threads: see loop.h.
 */
#ifndef PL_HTTP_LOOP_KORE_H
#define PL_HTTP_LOOP_KORE_H

#include "loop/loop.h"

/* Once a worker, in kore_worker_configure(). */
struct pl_loop *pl_loop_kore_new(void);
void pl_loop_kore_free(struct pl_loop *loop); /* kore's loop does not turn any more */
/* In kore_worker_teardown(), when kore's own loop has ended: turn until is_done(arg) or
 * until limit_ms have passed. */
void pl_loop_kore_drain(
    struct pl_loop *loop, bool (*is_done)(void *arg), void *arg, int64_t limit_ms);

#endif
