#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/auth/hash_threads.h"

#define MiB INT64_C(1048576)

static unsigned
threads(int64_t processors, int64_t cpu_milli, int64_t memory_bytes)
{
	struct hash_room room = {processors, cpu_milli, memory_bytes};

	return hash_threads(&room);
}

static void
leave_one_processor_to_everybody_else(void **state)
{
	(void)state;
	assert_int_equal(threads(1, INT64_MAX, INT64_MAX), 1);
	assert_int_equal(threads(2, INT64_MAX, INT64_MAX), 1);
	assert_int_equal(threads(32, INT64_MAX, INT64_MAX), 31);
}

static void
fit_into_half_of_the_memory(void **state)
{
	(void)state;
	assert_int_equal(threads(32, INT64_MAX, 256 * MiB), 6);
	assert_int_equal(threads(4, INT64_MAX, 256 * MiB), 3);
	assert_int_equal(threads(32, INT64_MAX, 128 * MiB), 3);
	assert_int_equal(threads(256, INT64_MAX, 1024 * MiB), 26);
	assert_int_equal(threads(32, INT64_MAX, 38 * MiB), 1);
}

static void
follow_the_time_that_is_left(void **state)
{
	(void)state;
	assert_int_equal(threads(32, 1500, INT64_MAX), 2);
	assert_int_equal(threads(32, 2000, INT64_MAX), 2);
	assert_int_equal(threads(32, 1, INT64_MAX), 1);
	assert_int_equal(threads(4, 8000, INT64_MAX), 3);
}

static void
are_one_at_least(void **state)
{
	(void)state;
	assert_int_equal(threads(32, INT64_MAX, 16 * MiB), 1);
	assert_int_equal(threads(-1, INT64_MAX, INT64_MAX), 1);
	assert_int_equal(threads(0, INT64_MAX, 0), 1);
}

static void
are_found_on_this_machine(void **state)
{
	struct hash_room room = hash_room_here();

	(void)state;
	assert_true(room.processors >= 1);
	assert_true(room.memory_bytes > 0 && room.memory_bytes < INT64_MAX);
	assert_in_range(hash_threads(&room), 1, room.processors);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(leave_one_processor_to_everybody_else),
	    cmocka_unit_test(fit_into_half_of_the_memory),
	    cmocka_unit_test(follow_the_time_that_is_left),
	    cmocka_unit_test(are_one_at_least),
	    cmocka_unit_test(are_found_on_this_machine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
