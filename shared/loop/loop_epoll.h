/* loop_epoll: the loop over epoll alone, for programs without kore.  Threads: see loop.h. */
#ifndef PL_LOOP_LOOP_EPOLL_H
#define PL_LOOP_LOOP_EPOLL_H

#include "loop/loop.h"

struct pl_loop *pl_loop_epoll_new(void);
void pl_loop_epoll_free(
    struct pl_loop *loop); /* nothing may be watched or started any more */
/* Turn until pl_loop_epoll_stop(). */
void pl_loop_epoll_run(struct pl_loop *loop);
/* One turn, waiting at most wait_ms (-1: until something happens). */
void pl_loop_epoll_step(struct pl_loop *loop, int wait_ms);
void pl_loop_epoll_stop(struct pl_loop *loop); /* from any thread or a signal handler */
/* A descriptor that is readable when a turn would find something to do, to run this loop
 * inside another. */
int pl_loop_epoll_fd(struct pl_loop *loop);
/*
 * The loop around this one runs callbacks of its own on the same thread, and these post
 * tasks. For the first task that waits wake is called, and pl_loop_epoll_run_own() is due
 * when those callbacks are done: that costs no system call, while the descriptor costs
 * four. NULL: from now on by the descriptor. Other threads always use that.
 */
void pl_loop_epoll_wake_by(struct pl_loop *loop, void (*wake)(void));
void pl_loop_epoll_run_own(struct pl_loop *loop);

#endif
