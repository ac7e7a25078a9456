#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/str.h"

static void
compares_bytes_and_lengths(void **state)
{
	(void)state;
	assert_true(pl_str_eq(PL_STR("abc"), PL_STR("abc")));
	assert_false(pl_str_eq(PL_STR("abc"), PL_STR("abC")));
	assert_false(pl_str_eq(PL_STR("abc"), PL_STR("ab")));
	assert_true(pl_str_eq(PL_STR_NONE, PL_STR("")));
	assert_true(pl_str_eq(PL_STR("a\0b"), PL_STR("a\0b")));
	assert_false(pl_str_eq(PL_STR("a\0b"), PL_STR("a\0c")));
	assert_true(pl_str_eq(pl_str(NULL), PL_STR_NONE));
}

static void
ignores_the_case_of_ascii_letters_only(void **state)
{
	(void)state;
	assert_true(pl_str_eq_nocase(PL_STR("Keep-ALIVE"), PL_STR("kEEP-alive")));
	assert_false(pl_str_eq_nocase(PL_STR("@"), PL_STR("`")));
	assert_false(pl_str_eq_nocase(PL_STR("["), PL_STR("{")));
	assert_false(pl_str_eq_nocase(PL_STR("\xC3\x84"), PL_STR("\xC3\xA4")));
	assert_false(pl_str_eq_nocase(PL_STR("ab"), PL_STR("abc")));
}

static void
finds_a_prefix(void **state)
{
	(void)state;
	assert_true(pl_str_starts(PL_STR("Bearer x"), PL_STR("Bearer ")));
	assert_true(pl_str_starts(PL_STR("x"), PL_STR("")));
	assert_true(pl_str_starts(PL_STR_NONE, PL_STR_NONE));
	assert_false(pl_str_starts(PL_STR("Bear"), PL_STR("Bearer ")));
}

static void
trims_spaces_and_tabs_only(void **state)
{
	(void)state;
	assert_true(pl_str_eq(pl_str_trim(PL_STR(" \ta b\t ")), PL_STR("a b")));
	assert_true(pl_str_eq(pl_str_trim(PL_STR("\na\r")), PL_STR("\na\r")));
	assert_int_equal(pl_str_trim(PL_STR(" \t ")).len, 0);
	assert_int_equal(pl_str_trim(PL_STR_NONE).len, 0);
}

static void
check_split(struct pl_str text, const char *const *parts)
{
	struct pl_str part;

	for (; *parts != NULL; parts++) {
		assert_true(pl_str_split(&text, ',', &part));
		assert_true(pl_str_eq(part, pl_str(*parts)));
	}
	assert_false(pl_str_split(&text, ',', &part));
	assert_false(pl_str_split(&text, ',', &part));
}

static void
splits_into_all_parts_empty_ones_too(void **state)
{
	(void)state;
	check_split(PL_STR("a,b"), (const char *const[]){"a", "b", NULL});
	check_split(PL_STR("abc"), (const char *const[]){"abc", NULL});
	check_split(PL_STR("a,"), (const char *const[]){"a", "", NULL});
	check_split(PL_STR(","), (const char *const[]){"", "", NULL});
	check_split(PL_STR("a,,b"), (const char *const[]){"a", "", "b", NULL});
	check_split(PL_STR(",,"), (const char *const[]){"", "", "", NULL});
	check_split(PL_STR(""), (const char *const[]){NULL});
	check_split(PL_STR_NONE, (const char *const[]){NULL});
}

static void
finds_a_word_in_a_list(void **state)
{
	(void)state;
	assert_true(pl_str_list_has(PL_STR("keep-alive, Upgrade"), PL_STR("upgrade")));
	assert_true(pl_str_list_has(PL_STR(" ,,\tupgrade\t,"), PL_STR("upgrade")));
	assert_false(pl_str_list_has(PL_STR("upgrades"), PL_STR("upgrade")));
	assert_false(pl_str_list_has(PL_STR("up grade"), PL_STR("upgrade")));
	assert_false(pl_str_list_has(PL_STR("a,,b"), PL_STR("")));
	assert_false(pl_str_list_has(PL_STR_NONE, PL_STR("upgrade")));
}

static void
reads_decimal_numbers_up_to_a_bound(void **state)
{
	uint64_t value = 7;

	(void)state;
	assert_true(pl_str_to_u64(PL_STR("0"), 0, &value) && value == 0);
	assert_true(pl_str_to_u64(PL_STR("0042"), 42, &value) && value == 42);
	assert_true(pl_str_to_u64(PL_STR("18446744073709551615"), UINT64_MAX, &value));
	assert_true(value == UINT64_MAX);
	assert_true(pl_str_to_u64(PL_STR("9"), 9, &value) && value == 9);
}

static void
refuses_what_is_no_number_and_leaves_the_output(void **state)
{
	static const char *const bad[] = {"", "-1", "+1", " 1", "1 ", "0x1", "1e3", "1.0",
	    "101", "1000", "18446744073709551616", "99999999999999999999999", ":", "/"};
	uint64_t value = 7;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_false(pl_str_to_u64(pl_str(bad[i]), 100, &value));
	assert_false(pl_str_to_u64(PL_STR("18446744073709551616"), UINT64_MAX, &value));
	assert_false(pl_str_to_u64(PL_STR_NONE, 100, &value));
	assert_int_equal(value, 7);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(compares_bytes_and_lengths),
	    cmocka_unit_test(ignores_the_case_of_ascii_letters_only),
	    cmocka_unit_test(finds_a_prefix),
	    cmocka_unit_test(trims_spaces_and_tabs_only),
	    cmocka_unit_test(splits_into_all_parts_empty_ones_too),
	    cmocka_unit_test(finds_a_word_in_a_list),
	    cmocka_unit_test(reads_decimal_numbers_up_to_a_bound),
	    cmocka_unit_test(refuses_what_is_no_number_and_leaves_the_output),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
