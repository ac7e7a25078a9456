#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <time.h>

#include "services/llm-responder/loose.h"

static void
assert_take(const char *text, const char *expected, const char *left)
{
	struct pl_str rest = pl_str(text), value;

	if (expected == NULL) {
		assert_false(loose_take(&rest, &value));
		assert_ptr_equal(rest.ptr, text);
		return;
	}
	assert_true(loose_take(&rest, &value));
	assert_true(pl_str_eq(value, pl_str(expected)));
	assert_true(pl_str_eq(rest, pl_str(left)));
}

static void
takes_one_value(void **state)
{
	(void)state;
	assert_take(" {\"a\":[1,{}]} x", "{\"a\":[1,{}]}", " x");
	assert_take("\"a\\\"b\"c", "\"a\\\"b\"", "c");
	assert_take("[\"]\",\"\\\\\"],", "[\"]\",\"\\\\\"]", ",");
	assert_take("-Infinity,1", "-Infinity", ",1");
	assert_take("13064022430614612000}", "13064022430614612000", "}");
	assert_take("", NULL, NULL);
	assert_take("  ", NULL, NULL);
	assert_take("\"a", NULL, NULL);
	assert_take("\"a\\", NULL, NULL);
	assert_take("{\"a\":\"}", NULL, NULL);
	assert_take("[[1]", NULL, NULL);
	assert_take("]", NULL, NULL);
	assert_take(",", NULL, NULL);
}

static void
finds_a_member(void **state)
{
	struct pl_str o =
	    PL_STR("{ \"a\" : 1 , \"b\":{\"a\":2}, \"a\":NaN,\"c\":[3,4],}");
	struct pl_str list = loose_get(o, "c"), item;

	(void)state;
	assert_true(loose_is(loose_get(o, "a"), "NaN")); /* the last */
	assert_true(loose_is(loose_get(loose_get(o, "b"), "a"), "2"));
	assert_true(loose_is(loose_first(list), "3"));
	assert_true(loose_each(&list, &item) && loose_is(item, "3"));
	assert_true(loose_each(&list, &item) && loose_is(item, "4"));
	assert_false(loose_each(&list, &item));
	assert_int_equal(loose_get(o, "d").len, 0);
	assert_int_equal(loose_get(loose_get(o, "c"), "a").len, 0);
	assert_int_equal(loose_get(PL_STR_NONE, "a").len, 0);
	assert_int_equal(loose_first(o).len, 0);
	assert_int_equal(loose_first(PL_STR("[]")).len, 0);
	assert_int_equal(loose_get(PL_STR("{a:1}"), "a").len, 0);
	assert_int_equal(loose_get(PL_STR("{\"a\" 1}"), "a").len, 0);
}

static void
knows_what_says_something(void **state)
{
	static const char *const yes[] = {
	    "true", "1", "\"x\"", "{\"a\":1}", "[0]", "NaN"};
	static const char *const no[] = {
	    "", "null", "false", "0", "\"\"", "{}", "[]", "{ \n}"};

	(void)state;
	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
		assert_true(loose_says_something(pl_str(yes[i])));
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
		assert_false(loose_says_something(pl_str(no[i])));
}

static void
assert_text(const char *value, const char *expected)
{
	struct pl_buf out;

	pl_buf_init(&out, PL_BUF_UNLIMITED);
	pl_buf_add_cstr(&out, ">");
	assert_int_equal(loose_str(pl_str(value), &out), expected != NULL);
	if (expected != NULL)
		assert_string_equal(out.data + 1, expected);
	pl_buf_fini(&out);
}

static void
reads_a_string(void **state)
{
	(void)state;
	assert_text("\"\"", "");
	assert_text("\"a\\n\\t\\\"\\\\\\/\\u0041\\u00e9\\u20ac\"",
	    "a\n\t\"\\/A\xC3\xA9\xE2\x82\xAC");
	assert_text("\"\\ud83d\\ude00\"", "\xF0\x9F\x98\x80");
	assert_text("\"\\ud83dx\"", "\xEF\xBF\xBDx");
	assert_text("\"\\ude00\\ud83d\"", "\xEF\xBF\xBD\xEF\xBF\xBD");
	assert_text("\"\\ud83d\\u0041\"", "\xEF\xBF\xBD"
					  "A");
	assert_text("\"\\uZZZZ\\x\"", "uZZZZx");
	assert_text("\"\\u00\"", "u00");
	assert_text("\"\xFF\"", NULL);
	assert_text("\"\xE2\x82\"", NULL);
	assert_text("1", NULL);
	assert_text("", NULL);
}

static void
reads_a_number(void **state)
{
	double real = 7;

	(void)state;
	assert_true(loose_real(PL_STR("20.5"), &real) && real == 20.5);
	assert_true(loose_real(PL_STR("-1e2"), &real) && real == -100);
	assert_false(loose_real(PL_STR("NaN"), &real));
	assert_false(loose_real(PL_STR("1x"), &real));
	assert_false(loose_real(PL_STR("\"1\""), &real));
	assert_false(loose_real(PL_STR_NONE, &real));
}

/* 256 KiB, of the kinds that might be read again and again, or fill the stack. */
static void
takes_time_in_proportion_to_what_it_reads(void **state)
{
	static const char *const pieces[] = {
	    "[", "{", "{\"a\":", "\"", "\\", "[]", "\"a\":1,", "\"\\ud800\","};
	struct timespec from, to;

	(void)state;
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		struct pl_str rest, value;
		struct pl_buf b;

		pl_buf_init(&b, PL_BUF_UNLIMITED);
		pl_buf_add_char(&b, '{');
		while (b.len < 256 << 10)
			pl_buf_add_cstr(&b, pieces[i]);
		rest = pl_buf_str(&b);
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
		(void)loose_get(rest, "a");
		while (loose_take(&rest, &value))
			;
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
		assert_in_range((to.tv_sec - from.tv_sec) * 1000 +
				    (to.tv_nsec - from.tv_nsec) / 1000000,
		    0, 300);
		pl_buf_fini(&b);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(takes_one_value),
	    cmocka_unit_test(finds_a_member),
	    cmocka_unit_test(knows_what_says_something),
	    cmocka_unit_test(reads_a_string),
	    cmocka_unit_test(reads_a_number),
	    cmocka_unit_test(takes_time_in_proportion_to_what_it_reads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
