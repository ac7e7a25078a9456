#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/typable.h"

#define GROUPS 3

static void
draws_groups_of_four_that_are_never_the_same(void **state)
{
	char one[PL_TYPABLE_LEN(GROUPS) + 1], two[PL_TYPABLE_LEN(GROUPS) + 1];

	(void)state;
	for (int i = 0; i < 100; i++) {
		pl_typable_draw(one, GROUPS);
		pl_typable_draw(two, GROUPS);
		assert_string_not_equal(one, two);
		assert_int_equal(strlen(one), 14);
		assert_int_equal(one[4], '-');
		assert_int_equal(one[9], '-');
		for (size_t at = 0; at < 14; at++)
			if (at % 5 != 4)
				assert_non_null(
				    strchr("0123456789abcdefghjkmnpqrstvwxyz", one[at]));
	}
}

static void
uses_every_letter(void **state)
{
	bool seen[128] = {false};
	size_t count = 0;
	char text[PL_TYPABLE_LEN(GROUPS) + 1];

	(void)state;
	for (int i = 0; i < 1000; i++) {
		pl_typable_draw(text, GROUPS);
		for (size_t at = 0; at < 14; at++)
			seen[(unsigned char)text[at]] = true;
	}
	for (size_t c = 0; c < 128; c++)
		count += seen[c];
	assert_int_equal(count, 32 + 1); /* and the dash */
}

static void
reads_what_it_drew_as_people_type_it(void **state)
{
	static const char *const typed[] = {"7rk2-0f1d-mq4z", "7rk20f1dmq4z",
	    "7RK2 0F1D MQ4Z", " 7rk2-of1d-mq4z ", "7rk2-0fid-mq4z", "7Rk2--OfLd-mq4z"};
	char bare[PL_TYPABLE_BARE(GROUPS) + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(typed) / sizeof(typed[0]); i++) {
		assert_true(pl_typable_read(pl_str(typed[i]), bare, GROUPS));
		assert_string_equal(bare, "7rk20f1dmq4z");
	}
}

static void
reads_nothing_else(void **state)
{
	static const char *const typed[] = {"", "-", "7rk2-0f1d-mq4", "7rk2-0f1d-mq4z1",
	    "7rk2-0f1d-mq4u", "7rk2-0f1d-mq4\xc3\xa9", "7rk2_0f1d_mq4z",
	    "7rk2-0f1d-mq4z\n", "7rk2-0f1d-mq4z-7rk2-0f1d-mq4z"};
	char bare[PL_TYPABLE_BARE(GROUPS) + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(typed) / sizeof(typed[0]); i++)
		assert_false(pl_typable_read(pl_str(typed[i]), bare, GROUPS));
	assert_false(pl_typable_read(pl_str_n("7rk2-0f1d-mq4\0", 14), bare, GROUPS));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(draws_groups_of_four_that_are_never_the_same),
	    cmocka_unit_test(uses_every_letter),
	    cmocka_unit_test(reads_what_it_drew_as_people_type_it),
	    cmocka_unit_test(reads_nothing_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
