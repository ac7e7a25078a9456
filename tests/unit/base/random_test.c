#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <string.h>

#include "base/random.h"

static void
fills_every_byte_and_no_more(void **state)
{
	unsigned char seen[32] = {0}, bytes[34];

	(void)state;
	for (int round = 0; round < 20; round++) {
		memset(bytes, 0, sizeof(bytes));
		pl_random_bytes(bytes + 1, 32);
		for (int i = 0; i < 32; i++)
			seen[i] |= bytes[i + 1];
		assert_int_equal(bytes[0], 0);
		assert_int_equal(bytes[33], 0);
	}
	for (int i = 0; i < 32; i++)
		assert_int_not_equal(seen[i], 0);
	pl_random_bytes(bytes, 0);
}

static void
draws_each_number_below_the_bound(void **state)
{
	bool seen[7] = {false};

	(void)state;
	for (int i = 0; i < 1000; i++) {
		uint32_t n = pl_random_below(7);

		assert_true(n < 7);
		seen[n] = true;
	}
	for (int i = 0; i < 7; i++)
		assert_true(seen[i]);
	assert_int_equal(pl_random_below(1), 0);
	pl_random_below(UINT32_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(fills_every_byte_and_no_more),
	    cmocka_unit_test(draws_each_number_below_the_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
