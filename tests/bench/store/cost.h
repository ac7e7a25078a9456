/*
 * cost: what something takes, of the calling thread's CPU and by the clock; the middle one
 * of several. Threads that tidy up behind it, such as the one that empties SQLite's log,
 * would fall on any sample.
 */
#ifndef TESTS_BENCH_STORE_COST_H
#define TESTS_BENCH_STORE_COST_H

#include "store/store.h"

#define SAMPLES 40 /* at most */

struct cost {
	double cpu_us;
	double wall_us;
};

struct samples {
	double cpu_us[SAMPLES];
	double wall_us[SAMPLES];
	size_t count;
};

struct cost cost_start(void);
/* Since from, for each of items. */
struct cost cost_per_item(struct cost from, size_t items);
/* Before each sample, for the processor's caches to be as cold where the server answers
 * at once as where it takes long. */
void cost_cool_down(void);

void samples_put(struct samples *s, struct cost c);
void samples_add(struct samples *s, struct cost from, size_t items);
struct cost samples_middle(struct samples *s);

/* Ends the program unless err is PL_OK. */
void bench_expect(enum pl_err err, const char *what);
struct pl_oid bench_add_user(struct pl_store *s, const char *name);

#endif
