#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/utf8.h"
#include "services/llm-responder/answer.h"

static void
assert_answer(const char *raw, bool was_cut_off, const char *expected)
{
	struct pl_buf out;

	pl_buf_init(&out, PL_BUF_UNLIMITED);
	if (expected == NULL) {
		assert_int_equal(
		    answer_clean(pl_str(raw), was_cut_off, &out), PL_E_NOT_FOUND);
		assert_int_equal(out.len, 0);
	} else {
		assert_int_equal(answer_clean(pl_str(raw), was_cut_off, &out), PL_OK);
		assert_string_equal(out.data, expected);
	}
	pl_buf_fini(&out);
}

static void
keeps_a_plain_answer(void **state)
{
	(void)state;
	assert_answer("Hello.", false, "Hello.");
	assert_answer("  \n Hello\nyou \xF0\x9F\x98\x80 \r\n", false,
	    "Hello\nyou \xF0\x9F\x98\x80");
	assert_answer("no end", false, "no end");
}

static void
says_that_nothing_is_left(void **state)
{
	(void)state;
	assert_answer("", false, NULL);
	assert_answer(" \n\t ", false, NULL);
	assert_answer("<think>only", false, NULL);
	assert_answer("<think>x</think>", true, NULL);
	assert_answer("</s>", false, NULL);
	assert_answer("\x01\x02\xE2\x80\x8B", false, NULL);
	assert_answer("\xE2\x80\x8D\xE2\x80\x8C", false, NULL);
}

static void
drops_thoughts(void **state)
{
	(void)state;
	assert_answer("<think>hm</think> Yes.", false, "Yes.");
	assert_answer("hm</think>\n\nYes.", false, "Yes.");
	assert_answer("<think>a</think><think>b</think>Yes.", false, "Yes.");
	assert_answer("Yes.<think>and on", false, "Yes.");
	assert_answer("<THINK>hm</Think>Yes.", false, "Yes.");
	assert_answer("<thinking>hm</thinking>\nYes.", false, "Yes.");
	assert_answer("[THINK]hm[/THINK]Yes.", false, "Yes.");
	assert_answer("[THINK]hm", true, NULL);
}

static void
ends_where_the_model_goes_on_for_the_other_side(void **state)
{
	(void)state;
	assert_answer("Yes.</s>[INST] more", false, "Yes.");
	assert_answer("Yes.<|im_end|>\n<|im_start|>user", false, "Yes.");
	assert_answer("Yes. [INST] more [/INST]", false, "Yes.");
}

static void
drops_control_and_invisible_characters(void **state)
{
	(void)state;
	assert_answer("a\x1B[31mb\x7F\x08", false, "a[31mb");
	assert_answer("a\xE2\x80\xAE"
		      "b\xE2\x81\xA6"
		      "c\xEF\xBB\xBF",
	    false, "abc");
	assert_answer("a\tb\r\nc\xE2\x80\xA8"
		      "d",
	    false, "a b\nc\nd");
	/* One emoji of two, and Persian, need their joiners. */
	assert_answer("\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x92\xBB", false,
	    "\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x92\xBB");
}

static void
cuts_at_the_last_sentence(void **state)
{
	(void)state;
	assert_answer("I am busy. I will ans", true, "I am busy.");
	assert_answer("I am busy. I will answer.", true, "I am busy. I will answer.");
	assert_answer("Busy! Really? Version 1.5 is", true, "Busy! Really?");
	assert_answer("He said \"later.\" And th", true, "He said \"later.\"");
	assert_answer(
	    "\xE5\xBF\x99\xE3\x80\x82\xE5\xBF\x99", true, "\xE5\xBF\x99\xE3\x80\x82");
	assert_answer("I am very bus", true, "I am very\xE2\x80\xA6");
	assert_answer("Busybusy", true, "Busybusy\xE2\x80\xA6");
	assert_answer("I am busy. I will ans", false, "I am busy. I will ans");
}

static void
holds_at_most_2000_characters(void **state)
{
	struct pl_buf raw, out;

	(void)state;
	pl_buf_init(&raw, PL_BUF_UNLIMITED);
	pl_buf_init(&out, PL_BUF_UNLIMITED);
	for (int i = 0; i < 2000; i++)
		pl_buf_add_cstr(&raw, "\xF0\x9F\x98\x80");
	assert_int_equal(answer_clean(pl_buf_str(&raw), false, &out), PL_OK);
	assert_int_equal(out.len, 8000);
	pl_buf_clear(&out);
	pl_buf_add_cstr(&raw, "x");
	assert_int_equal(answer_clean(pl_buf_str(&raw), false, &out), PL_OK);
	assert_true(pl_utf8_is_valid(pl_buf_str(&out)));
	assert_int_equal(out.len, 1999 * 4 + 3); /* and the ellipsis */
	pl_buf_clear(&raw);
	pl_buf_clear(&out);
	for (int i = 0; i < 500; i++)
		pl_buf_add_cstr(&raw, "Hello. ");
	assert_int_equal(answer_clean(pl_buf_str(&raw), false, &out), PL_OK);
	assert_in_range(out.len, 1990, 2000);
	assert_int_equal(out.data[out.len - 1], '.');
	pl_buf_fini(&raw);
	pl_buf_fini(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(keeps_a_plain_answer),
	    cmocka_unit_test(says_that_nothing_is_left),
	    cmocka_unit_test(drops_thoughts),
	    cmocka_unit_test(ends_where_the_model_goes_on_for_the_other_side),
	    cmocka_unit_test(drops_control_and_invisible_characters),
	    cmocka_unit_test(cuts_at_the_last_sentence),
	    cmocka_unit_test(holds_at_most_2000_characters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
