/*
 * loop: what an event loop offers to the code above it: file descriptors, timers, and
 * tasks posted from other threads. One interface, implemented over kore's loop
 * (loop_kore), over epoll alone (loop_epoll, for llm-responder and tests), and by a clock
 * set by hand (fake_loop in tests/support).
 *
 * Promises that all of them keep:
 *   - callbacks run on the loop's thread, one at a time, never inside the call that asked;
 *   - a callback may stop, start or free its own object, and any other;
 *   - a timer never fires early, and late only by what other callbacks take, or by a moment
 *     after the whole process stood still: what others answered meanwhile is read first;
 *   - posted tasks run in the order of pl_loop_post(), also while the loop is otherwise idle.
 * Threads: pl_loop_post() from any; the rest on the loop's thread only.
 */
#ifndef PL_LOOP_LOOP_H
#define PL_LOOP_LOOP_H

#include "base/err.h"
#include "base/list.h"
#include "base/str.h"

struct pl_loop;

/* ---- descriptors ---- */
enum { PL_FD_READ = 1, PL_FD_WRITE = 2 };

/* The caller's; zero it, set fd, on_ready and arg. Level-triggered. ready holds PL_FD_*;
 * an error or hang-up counts as both, so that the next read or write reports it. */
struct pl_loop_fd {
	int fd;
	unsigned wanted; /* set by pl_loop_fd_watch() */
	void (*on_ready)(struct pl_loop_fd *w, unsigned ready);
	void *arg;
	void *impl; /* the implementation's own */
};

/* Watch for wanted (PL_FD_* or 0, which stops watching); may be called again to change
 * it. Stop watching before closing the descriptor. */
void pl_loop_fd_watch(struct pl_loop *loop, struct pl_loop_fd *w, unsigned wanted);

/* ---- timers ---- */
/* The caller's; zero it, set on_fire and arg. Fires once; start it again to repeat. */
struct pl_timer {
	int64_t due_mono_ms;
	size_t heap_index; /* 1-based place in the heap; 0 while stopped */
	void (*on_fire)(struct pl_timer *t);
	void *arg;
};

/* Start, or move when already started. */
void pl_timer_start(struct pl_loop *loop, struct pl_timer *t, int64_t delay_ms);
/* The same at a time of the loop's clock: those of one time fire in one turn. */
void pl_timer_start_at(struct pl_loop *loop, struct pl_timer *t, int64_t due_mono_ms);
void pl_timer_stop(
    struct pl_loop *loop, struct pl_timer *t); /* stopped already: nothing */
static inline bool
pl_timer_is_started(const struct pl_timer *t)
{
	return t->heap_index != 0;
}

/* Monotonic time by the loop's clock. */
int64_t pl_loop_now_ms(struct pl_loop *loop);

/* ---- tasks ---- */
/* The caller's, untouched from pl_loop_post() until run is called. */
struct pl_task {
	struct pl_list link;
	void (*run)(struct pl_task *t);
};

/* Run task on the loop's thread soon; from any thread. On the loop's own thread it is the
 * way to do something after the current callback: over epoll at the end of the turn, but
 * what such a task posts waits for the next one. */
void pl_loop_post(struct pl_loop *loop, struct pl_task *task);
/* Take task back before it runs, on the loop's thread. A task that was not posted, or has
 * run, is fine if its link was pl_list_init()ed. */
void pl_loop_unpost(struct pl_loop *loop, struct pl_task *task);

#endif
