/*
 * fair: work that is done a few at a time: so many jobs at once in all, and so many for
 * one group (a user). More of them wait; the groups take turns, so that whoever brings
 * many waits longer, and the others do not.
 *
 * It may lend what is free: a group then has more at once than is its own, as long as no
 * other group waits for its own. Nothing is taken back, so the next group waits for one job at most
 * before it has its first.
 *
 *   add ---> begin() ---> done
 *    '-----> waits -----> begin() ...
 *              '--------> cancel
 *
 * With nothing to do it holds nothing on the heap. Pure: no kore.  Threads: one at a time.
 */
#ifndef PL_LOOP_FAIR_H
#define PL_LOOP_FAIR_H

#include "base/list.h"
#include "base/map.h"

struct pl_fair_group;

/* Embedded in what is to be done. */
struct pl_fair_job {
	struct pl_list link; /* while it waits */
	struct pl_fair_group *group;
};

struct pl_fair {
	struct pl_map groups;
	struct pl_list ready; /* groups with a job that may begin */
	struct pl_list full;  /* groups with a job, that have group_max under way */
	unsigned under_way;
	unsigned all_max;
	unsigned group_max;
	bool lends;        /* to the full, while none is ready */
	bool is_beginning; /* a begin() runs */
	/* The job may be done from here already. */
	void (*begin)(struct pl_fair_job *job);
};

void pl_fair_init(struct pl_fair *f, unsigned all_max, unsigned group_max,
    void (*begin)(struct pl_fair_job *job));
/* Lend what is free. Before any job is added. */
void pl_fair_lend(struct pl_fair *f);

/* job begins in its turn, perhaps from here. key, of its group, is copied. */
void pl_fair_add(struct pl_fair *f, struct pl_fair_job *job, struct pl_str key);
/* job had begun, and is over. Others may begin from here. */
void pl_fair_done(struct pl_fair *f, struct pl_fair_job *job);
/* job was added: does it still wait? Then it never begins, and is the caller's again. */
bool pl_fair_cancel(struct pl_fair *f, struct pl_fair_job *job);

#endif
