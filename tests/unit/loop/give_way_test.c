#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <time.h>

#include "base/clock.h"
#include "loop/give_way.h"
#include "loop/thread.h"

#define RESTS       5
#define WORK_US     2000 /* enough for a rest */
#define PATIENCE_MS 30000

static int
nicer(void)
{
	return getpriority(PRIO_PROCESS, 0) + 1;
}

static _Thread_local volatile long rests; /* that this thread has taken */

int __real_nanosleep(const struct timespec *wanted, struct timespec *left);
int __wrap_nanosleep(const struct timespec *wanted, struct timespec *left);

int
__wrap_nanosleep(const struct timespec *wanted, struct timespec *left)
{
	rests++;
	return __real_nanosleep(wanted, left);
}

/* On a thread that takes no signals, as all of ours. */
static void
on_thread(void *(*run)(void *arg), void *arg)
{
	pthread_join(pl_thread_start("test", run, arg), NULL);
}

static bool
takes_signal(void)
{
	sigset_t blocked;

	pthread_sigmask(SIG_SETMASK, NULL, &blocked);
	return !sigismember(&blocked, SIGRTMIN);
}

/* ---- while it works ---- */

static void *
work(void *arg)
{
	int64_t end_ms = pl_clock_mono_ms() + PATIENCE_MS;
	struct pl_give_way way;

	pl_give_way_init(&way, "test", nicer());
	pl_give_way_begin(&way);
	while (rests < RESTS && pl_clock_mono_ms() < end_ms)
		;
	*(long *)arg = rests;
	pl_give_way_end(&way);
	pl_give_way_fini(&way);
	return NULL;
}

static void
who_works_rests(void **state)
{
	long count = 0;

	(void)state;
	on_thread(work, &count);
	assert_true(count >= RESTS);
}

/* How often it rests if two signals come after as much work as earns one. */
static void *
rest_twice(void *arg)
{
	int64_t end_us;
	struct pl_give_way way;

	pl_give_way_init(&way, "test", nicer());
	end_us = pl_clock_thread_us() + WORK_US;
	while (pl_clock_thread_us() < end_us)
		;
	(void)raise(SIGRTMIN);
	(void)raise(SIGRTMIN);
	*(long *)arg = rests;
	pl_give_way_fini(&way);
	return NULL;
}

/* Else a thread that gets little of a taken processor would rest whenever it comes to
 * work. */
static void
who_has_rested_works_before_it_rests_again(void **state)
{
	long count = 0;

	(void)state;
	on_thread(rest_twice, &count);
	assert_int_equal(count, 1);
}

/* ---- at other times ---- */

static void *
wait_idle(void *arg)
{
	const struct timespec long_ms = {.tv_nsec = 20000000}, one = {.tv_nsec = 1};
	struct pl_give_way way;

	pl_give_way_init(&way, "test", nicer());
	pl_give_way_begin(&way);
	pl_give_way_end(&way);
	(void)nanosleep(&one, NULL); /* the signal that came before the end */
	*(bool *)arg = takes_signal() && nanosleep(&long_ms, NULL) == 0;
	pl_give_way_fini(&way);
	return NULL;
}

static void
who_does_not_work_is_not_interrupted(void **state)
{
	bool is_left_alone = false;

	(void)state;
	on_thread(wait_idle, &is_left_alone);
	assert_true(is_left_alone);
}

/* ---- with nobody to go first ---- */

struct idle {
	int nice; /* that it is told */
	bool takes_signal;
	int became;
};

static void *
be_told(void *arg)
{
	struct idle *i = arg;
	struct pl_give_way way;

	pl_give_way_init(&way, "test", i->nice);
	pl_give_way_begin(&way);
	i->takes_signal = takes_signal();
	i->became = getpriority(PRIO_PROCESS, 0);
	pl_give_way_end(&way);
	pl_give_way_fini(&way);
	return NULL;
}

static void
who_is_told_no_more_than_it_is_stays_as_it_is(void **state)
{
	int own = getpriority(PRIO_PROCESS, 0);
	struct idle same = {.nice = own}, less = {.nice = own - 1},
		    more = {.nice = own + 1};

	(void)state;
	on_thread(be_told, &same);
	assert_false(same.takes_signal);
	assert_int_equal(same.became, own);
	on_thread(be_told, &less);
	assert_false(less.takes_signal);
	assert_int_equal(less.became, own);
	on_thread(be_told, &more);
	assert_true(more.takes_signal);
	assert_int_equal(more.became, own + 1 < 19 ? own + 1 : 19);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(who_works_rests),
	    cmocka_unit_test(who_has_rested_works_before_it_rests_again),
	    cmocka_unit_test(who_does_not_work_is_not_interrupted),
	    cmocka_unit_test(who_is_told_no_more_than_it_is_stays_as_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
