/*
 * loop_impl: what the implementations of the loop share: timers and posted tasks. An
 * implementation waits for descriptors in its own way and calls the two runs below once a
 * turn. Only loop/ and fake_loop use it.
 *
 * Threads: the loop's, but for the list of posted tasks, which the mutex guards.
 */
#ifndef PL_LOOP_LOOP_IMPL_H
#define PL_LOOP_LOOP_IMPL_H

#include <pthread.h>

#include "loop/timer.h"

struct pl_loop_ops {
	void (*fd_watch)(struct pl_loop *loop, struct pl_loop_fd *w, unsigned wanted);
	/* The first task was posted to an empty list; called from any thread. */
	void (*wake)(struct pl_loop *loop);
	/* The first timer is another, or due at another time. */
	void (*timers_changed)(struct pl_loop *loop);
	int64_t (*now_ms)(struct pl_loop *loop);
	/* The time that timers count from: a whole millisecond, never before the true
	 * one, so that none fires early. */
	int64_t (*start_ms)(struct pl_loop *loop);
};

struct pl_loop {
	const struct pl_loop_ops *ops;
	struct pl_timer_heap timers;
	pthread_mutex_t lock;
	struct pl_list posted; /* struct pl_task.link */
};

void pl_loop_init(struct pl_loop *loop, const struct pl_loop_ops *ops);
void pl_loop_fini(struct pl_loop *loop); /* no timer may be started any more */
/* Run the tasks that are posted now, not those that they post. False: there were none. */
bool pl_loop_run_posted(struct pl_loop *loop);
/* Fire what is due now; a timer started from a callback waits for the next turn. */
void pl_loop_run_timers(struct pl_loop *loop);

#endif
