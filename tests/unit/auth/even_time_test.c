#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/auth/even_time.h"

/* When what began at 1000 and was done at now is answered. */
static int64_t
answered_at(int64_t now)
{
	return now + even_time_left(1000, now, 100);
}

static void
all_that_ends_within_a_period_is_answered_at_its_end(void **state)
{
	(void)state;
	for (int64_t now = 1000; now <= 1100; now++)
		assert_int_equal(answered_at(now), 1100);
}

static void
what_takes_longer_waits_for_the_end_of_a_later_one(void **state)
{
	(void)state;
	for (int64_t now = 1101; now <= 1200; now++)
		assert_int_equal(answered_at(now), 1200);
	assert_int_equal(answered_at(8901), 9000);
}

static void
a_clock_that_stands_or_a_period_of_one_does_no_harm(void **state)
{
	(void)state;
	assert_int_equal(even_time_left(1000, 999, 100), 100);
	assert_int_equal(even_time_left(1000, 1007, 1), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(all_that_ends_within_a_period_is_answered_at_its_end),
	    cmocka_unit_test(what_takes_longer_waits_for_the_end_of_a_later_one),
	    cmocka_unit_test(a_clock_that_stands_or_a_period_of_one_does_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
