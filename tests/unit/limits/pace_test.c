#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "support/fake_loop.h"
#include "limits/pace.h"

#define RATE  200 /* two each 10 ms, 10 at once */
#define CROWD 100

static struct pl_loop *loop;
static struct pl_pace pace;
static struct pl_turn turns[CROWD];
static unsigned begun;
static struct pl_turn *last;

static void
on_turn(struct pl_pace *p, struct pl_turn *t)
{
	assert_ptr_equal(p, &pace);
	begun++;
	last = t;
}

static int
setup(void **state)
{
	(void)state;
	loop = fake_loop_new();
	begun = 0;
	pl_pace_init(&pace, loop, RATE, on_turn);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	while (pl_pace_pop(&pace))
		;
	pl_pace_fini(&pace);
	fake_loop_free(loop);
	return 0;
}

/* As many as begin at once, then nobody. */
static void
use_up(void)
{
	unsigned at_once = 0;

	while (pl_pace_begin(&pace))
		at_once++;
	assert_int_equal(at_once, 10);
}

static void
a_few_begin_at_once_and_the_others_at_an_even_rate_in_order(void **state)
{
	(void)state;
	use_up();
	for (size_t i = 0; i < CROWD; i++)
		assert_true(pl_pace_wait(&pace, &turns[i], 1000));
	assert_int_equal(begun, 0);
	for (unsigned i = 2; i <= CROWD; i += 2) {
		fake_loop_advance(loop, 10);
		assert_int_equal(begun, i);
		assert_ptr_equal(last, &turns[i - 1]);
	}
	assert_int_equal(pace.waiting, 0);
	fake_loop_advance(loop, 1000);
	use_up();
}

static void
nobody_passes_those_who_wait(void **state)
{
	(void)state;
	use_up();
	assert_true(pl_pace_wait(&pace, &turns[0], 1000));
	assert_false(pl_pace_begin(&pace));
	fake_loop_advance(loop, 100);
	assert_int_equal(begun, 1);
	assert_true(pl_pace_begin(&pace));
}

static void
who_would_wait_for_too_long_is_turned_away(void **state)
{
	(void)state;
	use_up();
	for (size_t i = 0; i < 20; i++)
		assert_true(pl_pace_wait(&pace, &turns[i], 100));
	assert_false(pl_pace_wait(&pace, &turns[20], 100));
	assert_true(pl_pace_wait(&pace, &turns[20], 1000));
	assert_int_equal(pace.waiting, 21);
}

static void
who_leaves_costs_nobody_a_turn(void **state)
{
	(void)state;
	use_up();
	for (size_t i = 0; i < 3; i++)
		assert_true(pl_pace_wait(&pace, &turns[i], 1000));
	pl_pace_leave(&pace, &turns[0]);
	pl_pace_leave(&pace, &turns[1]);
	fake_loop_advance(loop, 10);
	assert_int_equal(begun, 1);
	assert_ptr_equal(last, &turns[2]);
	assert_true(pl_pace_wait(&pace, &turns[0], 1000));
	pl_pace_leave(&pace, &turns[0]);
	fake_loop_advance(loop, 100);
	assert_int_equal(begun, 1);
}

static void
at_a_low_rate_they_begin_one_by_one(void **state)
{
	(void)state;
	pl_pace_init(&pace, loop, 20, on_turn);
	while (pl_pace_begin(&pace))
		;
	for (size_t i = 0; i < 3; i++)
		assert_true(pl_pace_wait(&pace, &turns[i], 1000));
	for (unsigned i = 1; i <= 3; i++) {
		fake_loop_advance(loop, 49);
		assert_int_equal(begun, i - 1);
		fake_loop_advance(loop, 1);
		assert_int_equal(begun, i);
	}
}

static void
without_a_rate_all_begin(void **state)
{
	(void)state;
	pl_pace_init(&pace, loop, 0, on_turn);
	for (size_t i = 0; i < 10 * CROWD; i++)
		assert_true(pl_pace_begin(&pace));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	    T(a_few_begin_at_once_and_the_others_at_an_even_rate_in_order),
	    T(nobody_passes_those_who_wait),
	    T(who_would_wait_for_too_long_is_turned_away),
	    T(who_leaves_costs_nobody_a_turn),
	    T(at_a_low_rate_they_begin_one_by_one),
	    T(without_a_rate_all_begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
