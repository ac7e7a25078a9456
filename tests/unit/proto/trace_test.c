/* W3C Trace Context, §3.2: the header traceparent. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "proto/trace.h"

#define ID     "4bf92f3577b34da6a3ce929d0e0e4736"
#define PARENT "00f067aa0ba902b7"
#define ZEROS  "00000000000000000000000000000000"

/* From a block of its exact size, for ASan to guard. */
static bool
parse(const char *text, struct pl_trace *out)
{
	size_t len = strlen(text);
	char *copy = pl_mem_alloc(len ? len : 1);
	bool is_good;

	memcpy(copy, text, len);
	is_good = pl_trace_parse(pl_str_n(copy, len), out);
	pl_mem_free(copy);
	return is_good;
}

static void
takes_the_example_of_the_specification(void **state)
{
	struct pl_trace t;

	(void)state;
	assert_true(parse("00-" ID "-" PARENT "-01", &t));
	assert_string_equal(t.text, "00-" ID "-" PARENT "-01");
	assert_true(pl_str_eq(pl_trace_id(&t), PL_STR(ID)));
	assert_true(pl_trace_is_sampled(&t));
	assert_false(pl_trace_is_none(&t));
}

static void
keeps_no_flag_but_sampled(void **state)
{
	static const struct {
		const char *flags;
		bool is_sampled;
	} rows[] = {{"00", false}, {"01", true}, {"02", false}, {"03", true},
	    {"fe", false}, {"ff", true}, {"10", false}, {"0b", true}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[] = "00-" ID "-" PARENT "-xx";
		struct pl_trace t;

		memcpy(text + PL_TRACE_LEN - 2, rows[i].flags, 2);
		assert_true(parse(text, &t));
		assert_int_equal(pl_trace_is_sampled(&t), rows[i].is_sampled);
		assert_string_equal(
		    t.text + PL_TRACE_LEN - 2, rows[i].is_sampled ? "01" : "00");
	}
}

static void
takes_the_fields_it_knows_of_a_later_version(void **state)
{
	static const char *const rows[] = {"01-" ID "-" PARENT "-01",
	    "fe-" ID "-" PARENT "-01", "cc-" ID "-" PARENT "-01-what-comes-\" \n then",
	    "01-" ID "-" PARENT "-01-"};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct pl_trace t;

		if (!parse(rows[i], &t))
			fail_msg("refused %s", rows[i]);
		assert_string_equal(t.text, "00-" ID "-" PARENT "-01");
	}
}

static void
refuses_all_else_and_leaves_the_old_one(void **state)
{
	static const char *const rows[] = {"", "00", "-", ID,
	    "00-" ID "-" PARENT "-01-", /* more in version 00 */
	    "00-" ID "-" PARENT "-01-x", "00-" ID "-" PARENT "-011",
	    "01-" ID "-" PARENT "-01x",                           /* no dash behind it */
	    "ff-" ID "-" PARENT "-01", "FE-" ID "-" PARENT "-01", /* no version */
	    "0x-" ID "-" PARENT "-01", "0--" ID "-" PARENT "-01",
	    "00-" ZEROS "-" PARENT "-01", "00-" ID "-0000000000000000-01",
	    "01-" ZEROS "-0000000000000000-00",
	    "00-4BF92F3577B34DA6A3CE929D0E0E4736-" PARENT "-01", /* upper case */
	    "00-" ID "-00F067AA0BA902B7-01", "00-" ID "-" PARENT "-0A",
	    "00-4bf92f3577b34da6a3ce929d0e0e473g-" PARENT "-01",
	    "00-4bf92f3577b34da6a3ce929d0e0e473\"-" PARENT "-01",
	    "00_" ID "-" PARENT "-01", "00-" ID "_" PARENT "-01",
	    "00-" ID "-" PARENT "_01", "00-" ID "-" PARENT "-0", "00-" ID "-" PARENT "-",
	    " 00-" ID "-" PARENT "-01", "00-" ID "-" PARENT "-01 ",
	    "00-" ID "-" PARENT "-01\n",
	    "00-" ID "-" PARENT "-01, 00-" ID "-" PARENT "-01"};
	struct pl_trace t = {"old"};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (parse(rows[i], &t) || strcmp(t.text, "old") != 0)
			fail_msg("row %zu: %s", i, rows[i]);
	assert_false(pl_trace_parse(PL_STR_NONE, &t));
	assert_false(
	    pl_trace_parse(pl_str_n("00-" ID "-00f067aa0ba90\0b7-01", PL_TRACE_LEN), &t));
}

static void
refuses_the_beginning_of_one(void **state)
{
	static const char whole[] = "00-" ID "-" PARENT "-01";
	static const char zeros[] = "00-" ZEROS "-0000000000000000-00";
	struct pl_trace t;

	(void)state;
	for (size_t len = 0; len < PL_TRACE_LEN; len++) {
		char text[PL_TRACE_LEN + 1] = "";

		memcpy(text, whole, len);
		assert_false(parse(text, &t));
		memcpy(text, zeros, len);
		assert_false(parse(text, &t));
	}
}

static void
draws_one_that_others_take_and_each_another(void **state)
{
	struct pl_trace a, b, again;

	(void)state;
	pl_trace_new(&a);
	pl_trace_new(&b);
	assert_true(parse(a.text, &again));
	assert_string_equal(a.text, again.text);
	assert_false(pl_trace_is_sampled(&a));
	assert_string_not_equal(a.text, b.text);
}

static void
none_has_no_id_and_is_not_sampled(void **state)
{
	struct pl_trace none = {0};

	(void)state;
	assert_true(pl_trace_is_none(&none));
	assert_false(pl_trace_is_sampled(&none));
	assert_int_equal(pl_trace_id(&none).len, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(takes_the_example_of_the_specification),
	    cmocka_unit_test(keeps_no_flag_but_sampled),
	    cmocka_unit_test(takes_the_fields_it_knows_of_a_later_version),
	    cmocka_unit_test(refuses_all_else_and_leaves_the_old_one),
	    cmocka_unit_test(refuses_the_beginning_of_one),
	    cmocka_unit_test(draws_one_that_others_take_and_each_another),
	    cmocka_unit_test(none_has_no_id_and_is_not_sampled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
