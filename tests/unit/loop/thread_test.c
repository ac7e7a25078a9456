#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

#include "loop/thread.h"

static atomic_int signals_taken;

/* Counts the signals that its thread would take. */
static void *
count_signals(void *arg)
{
	sigset_t blocked;
	int taken = 0;

	pthread_sigmask(SIG_BLOCK, NULL, &blocked);
	for (int sig = 1; sig < 32; sig++)
		if (sig != SIGKILL && sig != SIGSTOP && !sigismember(&blocked, sig))
			taken++;
	atomic_store(&signals_taken, taken);
	if (arg != NULL)
		atomic_store((atomic_bool *)arg, true);
	return arg;
}

static void
takes_no_signals_and_leaves_ours_as_they_were(void **state)
{
	sigset_t before, after;
	atomic_bool is_done = false;
	void *result;

	(void)state;
	pthread_sigmask(SIG_BLOCK, NULL, &before);
	atomic_store(&signals_taken, -1);
	pthread_join(pl_thread_start("tested", count_signals, &is_done), &result);
	assert_int_equal(atomic_load(&signals_taken), 0);
	assert_ptr_equal(result, &is_done);
	pthread_sigmask(SIG_BLOCK, NULL, &after);
	for (int sig = 1; sig < 32; sig++)
		assert_int_equal(sigismember(&before, sig), sigismember(&after, sig));
}

static void *
wait_for(void *arg)
{
	while (!atomic_load((atomic_bool *)arg))
		sched_yield();
	return NULL;
}

static void
has_the_name_that_it_was_given(void **state)
{
	atomic_bool is_seen = false;
	pthread_t thread = pl_thread_start("store-writer", wait_for, &is_seen);
	char name[16];

	(void)state;
	assert_int_equal(pthread_getname_np(thread, name, sizeof(name)), 0);
	atomic_store(&is_seen, true);
	pthread_join(thread, NULL);
	assert_string_equal(name, "store-writer");
}

static void
runs_detached_and_takes_no_signals_either(void **state)
{
	static atomic_bool is_done;

	(void)state;
	atomic_store(&signals_taken, -1);
	assert_true(pl_thread_start_detached("tested", count_signals, &is_done));
	wait_for(&is_done);
	assert_int_equal(atomic_load(&signals_taken), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(takes_no_signals_and_leaves_ours_as_they_were),
	    cmocka_unit_test(has_the_name_that_it_was_given),
	    cmocka_unit_test(runs_detached_and_takes_no_signals_either),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
