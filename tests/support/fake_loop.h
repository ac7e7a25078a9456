/*
 * fake_loop: a loop whose clock is set by hand, so that a test sees timers fire in no
 * time and at the millisecond. Tasks posted by real threads and descriptors work as in
 * any.
 * Threads: see loop/loop.h.
 */
#ifndef PL_TESTS_FAKE_LOOP_H
#define PL_TESTS_FAKE_LOOP_H

#include "loop/loop.h"

#define FAKE_LOOP_START_MS 1000000 /* its clock at first */

struct pl_loop *fake_loop_new(void);
void fake_loop_free(struct pl_loop *loop);
/* Run what is posted, ready or due until there is nothing more; the clock stands. */
void fake_loop_run(struct pl_loop *loop);
/* Move the clock on, from timer to timer, and run what each of them brings. */
void fake_loop_advance(struct pl_loop *loop, int64_t ms);
/* Run until is_done(arg), with at most 10 s of real time for threads; the clock stands. */
bool fake_loop_until(struct pl_loop *loop, bool (*is_done)(void *arg), void *arg);

#endif
