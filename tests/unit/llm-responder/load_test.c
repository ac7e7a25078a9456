#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/llm-responder/load.h"

#define NOW 1000000

static struct load
loaded(unsigned concurrency, size_t count)
{
	struct load l;

	load_init(&l, concurrency);
	for (size_t i = 0; i < count; i++)
		load_add(&l);
	return l;
}

static void
has_room_for_twice_the_calls_and_for_16_at_least(void **state)
{
	struct load few = loaded(1, LOAD_LEAST - 1), many = loaded(20, 39);

	(void)state;
	assert_true(load_has_room(&few));
	load_add(&few);
	assert_false(load_has_room(&few));
	assert_true(load_has_room(&many));
	load_add(&many);
	assert_false(load_has_room(&many));
}

static void
a_sweep_takes_anything_while_there_is_room_and_then_what_is_nearly_due(void **state)
{
	struct load l = loaded(1, LOAD_LEAST - 1);

	(void)state;
	assert_true(load_due_before(&l, NOW) == INT64_MAX);
	load_add(&l);
	assert_int_equal(load_due_before(&l, NOW), NOW + LOAD_RESCUE_MS);
}

static void
a_job_that_ends_calls_for_a_sweep_once_and_only_if_some_were_left(void **state)
{
	struct load l = loaded(1, LOAD_LEAST);

	(void)state;
	assert_false(load_drop(&l));
	load_add(&l);
	assert_false(load_has_room(&l));
	assert_true(load_drop(&l));
	assert_false(load_drop(&l));
	assert_true(load_has_room(&l));
	assert_false(load_drop(&l));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(has_room_for_twice_the_calls_and_for_16_at_least),
	    cmocka_unit_test(
		a_sweep_takes_anything_while_there_is_room_and_then_what_is_nearly_due),
	    cmocka_unit_test(
		a_job_that_ends_calls_for_a_sweep_once_and_only_if_some_were_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
