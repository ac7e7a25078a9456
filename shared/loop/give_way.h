/*
 * give_way: a thread that burns processor time lets all others go first.
 *
 * It is nice, and its slice is the shortest that Linux takes: whoever wakes waits for
 * the slice of the one that runs, however nice that is (Linux 6.12; older ones take no
 * slice).
 *
 * That says something to threads of its own control group alone. Outside of it the group
 * counts, which is as urgent as the loop in it. So a thread of the kernel's that flushes
 * the disk for a commit waited up to two ticks, 8 ms, behind a password that was hashed
 * on its processor (Linux 6.18), and a send waited for the commit. Hence it sleeps for an
 * instant each ms in which it has worked: whoever waits for its processor has it then. It
 * takes an eighth more time for what it does.
 * Threads: each has its own.
 */
#ifndef PL_LOOP_GIVE_WAY_H
#define PL_LOOP_GIVE_WAY_H

#include <stdbool.h>
#include <time.h>

struct pl_give_way {
	timer_t timer;
	bool has_timer;
};

/* For the calling thread, whose name is for the log. nice: as in nice(1), 0 to 19; at 0,
 * or if the process is as nice already, there is nobody to go first, and nothing is done.
 * What the system refuses is logged, and the thread takes turns as others do.
 * SIGRTMIN is its signal from then on, which interrupts what waits in the kernel: calls
 * are begun again where the kernel can (SA_RESTART). */
void pl_give_way_init(struct pl_give_way *g, const char *thread, int nice);
void pl_give_way_fini(struct pl_give_way *g);
/* Around work, which so rests each ms. */
void pl_give_way_begin(struct pl_give_way *g);
void pl_give_way_end(struct pl_give_way *g);

#endif
