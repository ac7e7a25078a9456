/*
 * offload: a bounded pool of threads for what may block or burn CPU.
 *
 * A job is run once on one of the threads, then done once on the loop. The queue has a
 * ceiling: beyond it a job is refused at once, so that a flood costs answers and not
 * memory. Signals are blocked in the threads, but for that of give_way, by which what
 * burns CPU lets all others go first.
 *
 * A job may say on whose behalf it runs. Such owners take turns, with one job each at a
 * time; what is free meanwhile is lent to whoever has more (loop/fair). Theirs never have
 * the last thread of several. So whoever brings many long jobs waits for their own, of
 * another owner each waits for one of them, and a job without an owner for none.
 * Threads: submit and free on the loop's.
 */
#ifndef PL_LOOP_OFFLOAD_H
#define PL_LOOP_OFFLOAD_H

#include "loop/fair.h"
#include "loop/loop.h"

/* For threads that burn CPU, on all processors perhaps: a tenth of a loop's weight. They
 * go on when others take all the time there is: 20 ms of work take 0.2 s beside one such
 * other on each processor, and 2 s beside ten. */
#define PL_OFFLOAD_NICE 10

struct pl_offload;

/* The caller's; untouched by others from submit until done. */
struct pl_job {
	struct pl_task task;
	void (*run)(struct pl_job *job, void *thread_state); /* on a thread */
	void (*done)(struct pl_job *job, enum pl_err err);   /* on the loop: PL_OK, or
								    PL_E_CANCELLED if never run */
	struct pl_str owner; /* borrowed until it is submitted; empty: nobody's */
	/* inside */
	struct pl_offload *pool;
	struct pl_fair_job turn;
};

struct pl_offload_config {
	const char *name;   /* of the threads, at most 15 characters */
	unsigned threads;   /* 1.. */
	unsigned queue_max; /* jobs waiting, not counting those that run */
	int nice;           /* of the threads, as in nice(1): 0 to 19 */
	/* Each thread's own state, made on it before its first job; both may be NULL. */
	void *(*thread_start)(void *arg);
	void (*thread_stop)(void *state);
	void *arg;
};

struct pl_offload *pl_offload_new(
    struct pl_loop *loop, const struct pl_offload_config *config);
/* PL_E_BUSY if queue_max jobs wait: the job is then not taken, and done not called. */
enum pl_err pl_offload_submit(struct pl_offload *pool, struct pl_job *job) PL_MUST_CHECK;
/* Waits for running jobs. Each queued job is done with PL_E_CANCELLED, from here; jobs
 * that have run and were not done yet are done from here, too. */
void pl_offload_free(struct pl_offload *pool);

#endif
