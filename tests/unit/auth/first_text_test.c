#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "auth/first_text.h"

#define SECRET "0123456789abcdefghijklmnopqrstuvwxyz"
#define OTHER  "zyxwvutsrqponmlkjihgfedcba9876543210"

static const struct pl_oid one = {.bytes = {1}}, two = {.bytes = {2}};

static void
knows_the_text_that_it_was_made_of_and_no_other(void **state)
{
	struct pl_first_text kept;

	(void)state;
	pl_first_text_init(SECRET, NULL);
	kept = pl_first_text_of(&one, PL_STR("hi"));
	assert_true(kept.is_kept);
	assert_true(pl_first_text_may_be(&kept, &one, PL_STR("hi")));
	assert_false(pl_first_text_may_be(&kept, &one, PL_STR("ho")));
	assert_false(pl_first_text_may_be(&kept, &one, PL_STR("")));
	assert_false(pl_first_text_may_be(&kept, &one, PL_STR("hi ")));
}

/* So that two equal texts do not tell of each other. */
static void
is_another_for_each_message(void **state)
{
	struct pl_first_text a, b;

	(void)state;
	pl_first_text_init(SECRET, NULL);
	a = pl_first_text_of(&one, PL_STR("hi"));
	b = pl_first_text_of(&two, PL_STR("hi"));
	assert_memory_not_equal(a.mac, b.mac, PL_FIRST_TEXT_LEN);
	assert_false(pl_first_text_may_be(&a, &two, PL_STR("hi")));
}

static void
is_known_while_its_secret_is_the_previous_one(void **state)
{
	struct pl_first_text kept;

	(void)state;
	pl_first_text_init(SECRET, "");
	kept = pl_first_text_of(&one, PL_STR("hi"));
	pl_first_text_init(OTHER, SECRET);
	assert_true(pl_first_text_may_be(&kept, &one, PL_STR("hi")));
	assert_false(pl_first_text_may_be(&kept, &one, PL_STR("ho")));
	pl_first_text_init(OTHER, NULL);
	assert_false(pl_first_text_may_be(&kept, &one, PL_STR("hi")));
}

static void
keeps_nothing_without_a_secret_and_then_takes_any_text(void **state)
{
	struct pl_first_text kept;

	(void)state;
	pl_first_text_fini();
	kept = pl_first_text_of(&one, PL_STR("hi"));
	assert_false(kept.is_kept);
	pl_first_text_init(SECRET, NULL);
	assert_true(pl_first_text_may_be(&kept, &one, PL_STR("anything")));
}

/* By Python's hmac. Processes of several versions read one store. */
static void
has_the_same_bytes_for_ever(void **state)
{
	static const uint8_t expected[PL_FIRST_TEXT_LEN] = {0x26, 0x98, 0xa0, 0x5e, 0x00,
	    0xc4, 0x75, 0x03, 0x58, 0x5e, 0x0d, 0xbc, 0xe5, 0xa8, 0xea, 0x0c};
	struct pl_first_text kept;

	(void)state;
	pl_first_text_init(SECRET, NULL);
	kept = pl_first_text_of(&one, PL_STR("hi"));
	assert_memory_equal(kept.mac, expected, PL_FIRST_TEXT_LEN);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(knows_the_text_that_it_was_made_of_and_no_other),
	    cmocka_unit_test(is_another_for_each_message),
	    cmocka_unit_test(is_known_while_its_secret_is_the_previous_one),
	    cmocka_unit_test(keeps_nothing_without_a_secret_and_then_takes_any_text),
	    cmocka_unit_test(has_the_same_bytes_for_ever),
	};

	return cmocka_run_group_tests_name("first_text", tests, NULL, NULL);
}
