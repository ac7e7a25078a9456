#include "bench/store/cost.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"

#define PAUSE_MS 20

struct cost
cost_start(void)
{
	return (struct cost){(double)pl_clock_thread_us(), (double)pl_clock_mono_us()};
}

struct cost
cost_per_item(struct cost from, size_t items)
{
	struct cost to = cost_start();

	return (struct cost){
	    (to.cpu_us - from.cpu_us) / (double)items,
	    (to.wall_us - from.wall_us) / (double)items,
	};
}

void
bench_expect(enum pl_err err, const char *what)
{
	if (err == PL_OK)
		return;
	fprintf(stderr, "store_bench: %s: %s\n", what, pl_err_name(err));
	exit(1);
}

struct pl_oid
bench_add_user(struct pl_store *s, const char *name)
{
	struct pl_signup signup = {.full_name = pl_str(name), .username = pl_str(name)};
	struct pl_user user;
	struct pl_write w = {.kind = PL_WRITE_USER, .u.user = &user}, *batch = &w;
	struct pl_oid id;

	pl_user_from_signup(&user, &signup, pl_mem_strdup("hash"), pl_clock_unix_ms());
	pl_store_write(s, &batch, 1);
	bench_expect(w.err, "user");
	id = user.id;
	pl_user_fini(&user);
	return id;
}

static int
compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double
median(double *values, size_t count)
{
	qsort(values, count, sizeof(*values), compare);
	return values[count / 2];
}

void
samples_put(struct samples *s, struct cost c)
{
	s->cpu_us[s->count] = c.cpu_us;
	s->wall_us[s->count++] = c.wall_us;
}

void
samples_add(struct samples *s, struct cost from, size_t items)
{
	samples_put(s, cost_per_item(from, items));
}

struct cost
samples_middle(struct samples *s)
{
	return (struct cost){median(s->cpu_us, s->count), median(s->wall_us, s->count)};
}

void
cost_cool_down(void)
{
	const struct timespec pause = {.tv_nsec = PAUSE_MS * 1000000};

	nanosleep(&pause, NULL);
}
