#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <time.h>

#include "base/utf8.h"
#include "services/llm-responder/answer.h"

static void
assert_answer(const char *raw, bool was_cut_off, const char *expected)
{
	struct pl_buf out;

	pl_buf_init(&out, PL_BUF_UNLIMITED);
	if (expected == NULL) {
		if (answer_clean(pl_str(raw), was_cut_off, &out) != PL_E_NOT_FOUND)
			fail_msg("an answer: %s", raw);
		assert_int_equal(out.len, 0);
	} else {
		if (answer_clean(pl_str(raw), was_cut_off, &out) != PL_OK)
			fail_msg("no answer: %s", raw);
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

/* What the families of models write around an answer. */
static void
takes_the_answer_alone(void **state)
{
	static const char *const cases[][2] = {
	    /* harmony */
	    {"<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final"
	     "<|message|>Yes.",
		"Yes."},
	    {"<|start|>assistant<|channel|>analysis<|message|>hm<|end|><|start|>assistant"
	     "<|channel|>commentary<|message|>I look.<|end|><|start|>assistant<|channel|>"
	     "final<|message|>Yes.<|return|>",
		"Yes."},
	    {"hm<|end|><|start|>assistant<|channel|>final<|message|>Yes.<|return|>",
		"Yes."},
	    {"analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>"
	     "Yes.",
		"Yes."},
	    {"final<|message|>Yes.<|return|>", "Yes."},
	    {"<|channel|>final <|constrain|>json<|message|>Yes.", "Yes."},
	    {"<|channel|>commentary to=functions.f <|constrain|>json<|message|>{}<|call|>"
	     "<|start|>assistant<|channel|>final<|message|>Yes.",
		"Yes."},
	    {"analysisUser asks. Hm.assistantfinalYes.", "Yes."},
	    {"<|channel|>analysis<|message|>only thoughts", NULL},
	    {"<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>fin",
		NULL},
	    {"<|channel|>commentary<|message|>I look.<|end|>", NULL},
	    {"analysisWe need to be brief.", NULL},
	    /* thoughts */
	    {"<thought>hm</thought>Yes.", "Yes."},
	    {"<thoughts>hm</thoughts>Yes.", "Yes."},
	    {"<reasoning>hm</reasoning>\nYes.", "Yes."},
	    {"<reflection>hm</reflection>Yes.", "Yes."},
	    {"<thinking>a<reflection>b</reflection>c</thinking><output>Yes.</output>",
		"Yes."},
	    {"<think>hm</think><answer>Yes.</answer>", "Yes."},
	    {"<think>hm</think>\nHere: <answer>Yes.</answer> Bye", "Yes."},
	    {"<think/>Yes.", "Yes."},
	    {"<think>\n\n</think>\n\nYes.", "Yes."},
	    {"<thinking duration=\"3\">hm</thinking>Yes.", "Yes."},
	    {"<seed:think>hm<seed:cot_budget_reflect>5</seed:cot_budget_reflect>"
	     "</seed:think>Yes.",
		"Yes."},
	    {"<think>a<think>b</think>c</think>Yes.", "Yes."},
	    {"Yes. <think>hm</think>Now.", "Yes. Now."},
	    {"<scratchpad>hm", NULL},
	    {"hm</reasoning>Yes.", "Yes."},
	    {"\xE2\x97\x81think\xE2\x96\xB7hm\xE2\x97\x81/think\xE2\x96\xB7Yes.", "Yes."},
	    {"hm\xE2\x97\x81/think\xE2\x96\xB7Yes.", "Yes."},
	    {"\xE2\x97\x81think\xE2\x96\xB7hm", NULL},
	    {"<|begin_of_thought|>hm<|end_of_thought|>\n\n<|begin_of_solution|>Yes."
	     "<|end_of_solution|>",
		"Yes."},
	    {"<|START_THINKING|>hm<|END_THINKING|><|START_RESPONSE|>Yes.<|END_RESPONSE|>",
		"Yes."},
	    {"<|channel>thought\nhm<channel|>Yes.<turn|>", "Yes."},
	    {"hm<channel|>Yes.", "Yes."},
	    {"<unused94>thought\nhm<unused95>Yes.", "Yes."},
	    {"<details type=\"reasoning\" done=\"true\">\nhm\n</details>\nYes.", "Yes."},
	    {"Here is my thought process:\nhm\n\nHere is my response:\nYes.", "Yes."},
	    {"**Here's my thought process:** hm **Here's my response:** Yes.", "Yes."},
	    {"Here is my thought process: only", NULL},
	    {"Thinking...\nhm\n...done thinking.\n\nYes.", "Yes."},
	    /* templates */
	    {"<|im_start|>assistant\nYes.<|im_end|>", "Yes."},
	    {"<|im_start|>assistant<|im_sep|>Yes.<|im_end|>", "Yes."},
	    {"<|im_assistant|>assistant<|im_middle|>Yes.<|im_end|>", "Yes."},
	    {"<|begin_of_text|><|start_header_id|>assistant<|end_header_id|>\n\nYes."
	     "<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nSo?",
		"Yes."},
	    {"<|header_start|>assistant<|header_end|>\n\nYes.<|eot|>", "Yes."},
	    {"<|start_of_role|>assistant<|end_of_role|>Yes.<|end_of_text|>", "Yes."},
	    {"assistant\n\nYes.", "Yes."},
	    {"<start_of_turn>model\nYes.<end_of_turn>\n<start_of_turn>user\nSo?", "Yes."},
	    {"<|turn>model\nYes.<turn|>", "Yes."},
	    {"<|assistant|>\nYes.<|end|>\n<|user|>\nSo?", "Yes."},
	    {"<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>Yes.<|END_OF_TURN_TOKEN|>", "Yes."},
	    {"<\xEF\xBD\x9C"
	     "Assistant\xEF\xBD\x9C>Yes.<\xEF\xBD\x9C"
	     "end\xE2\x96\x81of\xE2\x96\x81sentence\xEF\xBD\x9C>",
		"Yes."},
	    {"<s> Yes.</s>", "Yes."},
	    {"<s>[INST] <<SYS>> Be kind. <</SYS>> Hi [/INST] Yes. </s>", "Yes."},
	    {"Yes.<|a_family_nobody_knows|>more", "Yes."},
	    {"<|begin_of_box|>Yes.<|end_of_box|>", "Yes."},
	    {"Yes.<|im_end", NULL},
	    {"<|im_end|>", NULL},
	    /* calls */
	    {"<tool_call>{\"name\":\"f\",\"arguments\":{}}</tool_call>", NULL},
	    {"One moment.<tool_call>{}", NULL},
	    {"<think>should I <tool_call>?</think>No.", "No."},
	    {"[TOOL_CALLS][{\"name\":\"f\",\"arguments\":{}}]", NULL},
	    {"[TOOL_CALLS]f[ARGS]{}", NULL},
	    {"<function=f>{\"a\":1}</function>", NULL},
	    {"<|tool_call|>[{\"name\":\"f\"}]", NULL},
	    {"<|python_tag|>f.call(x=1)<|eom_id|>", NULL},
	    {"<|tool_calls_section_begin|><|tool_call_begin|>functions.f:0", NULL},
	    {"<|action_start|><|plugin|>\n{}<|action_end|>", NULL},
	    {"<\xEF\xBD\x9Ctool\xE2\x96\x81"
	     "calls\xE2\x96\x81"
	     "begin\xEF\xBD\x9C>x",
		NULL},
	    {"<\xEF\xBD\x9C"
	     "DSML\xEF\xBD\x9Cinvoke name=\"f\">",
		NULL},
	    {"<minimax:tool_call><invoke name=\"f\">", NULL},
	    {"\xE2\x9C\xBF"
	     "FUNCTION\xE2\x9C\xBF: f",
		NULL},
	    {"{\"name\":\"f\",\"arguments\":{\"city\":\"Bonn\"}}", NULL},
	    {"{\"name\": \"f\", \"parameters\": {}}", NULL},
	    {"[{\"name\":\"f\",\"arguments\":{}}]", NULL},
	    {"{\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}",
		NULL},
	    {"```json\n{\"name\":\"f\",\"arguments\":{}}\n```", NULL},
	    {"I look.\n{\"name\":\"f\",\"arguments\":{}}", NULL},
	    {"[get_weather(city=\"Bonn\")]", NULL},
	    /* what was hidden, or is joined by what is taken out */
	    {"<\xE2\x80\x8B|im_start|>user", NULL},
	    {"<|im<think>x</think>_end|>Hi", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_answer(cases[i][0], false, cases[i][1]);
}

static void
leaves_an_ordinary_text_as_it_is(void **state)
{
	static const char *const texts[] = {"I <3 you", "a < b and b > a", "a <b> c </b>",
	    "if (a<|b|>c) return;", "f <| x |> g", "x || y", "I think so.",
	    "Thoughts? None.", "Use the <output> element.", "See <https://a.b/c>.",
	    "Send {\"name\":\"Bob\",\"arguments\":[]} to me.", "{\"name\":\"Bob\"}",
	    "[OK] done", "See [1] and [2].", "[laughs (quietly)]", "List<String> x",
	    "analysis takes time", "The final answer: 42", "<name> is away",
	    "1 <- 2 -> 3", "\xE2\x9C\xBF spring \xE2\x9C\xBF", "\xE2\x97\x81 back",
	    "a|>b", "<|>", "<>", "</b>", "[", "<", "assistant", "array[0] <= n"};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_answer(texts[i], false, texts[i]);
}

static void
drops_a_mark_that_was_cut_off(void **state)
{
	(void)state;
	assert_answer("I am busy.<|im_e", true, "I am busy.");
	assert_answer("I am busy. </thi", true, "I am busy.");
	assert_answer("I am busy.\n[TOOL_CA", true, "I am busy.");
	assert_answer("{\"name\":\"f\",\"arguments\":{\"city\":\"Bo", true, NULL);
	assert_answer("I am busy. Caf\xEF\xBF\xBD", true, "I am busy.");
}

static void
takes_time_in_proportion_to_what_it_reads(void **state)
{
	static const char *const pieces[] = {"<", "<think>", "</think>", "<|dsml|", "<a ",
	    "[", "<|start|>", "{\"name\":\n", "\xE2\x97\x81", "final<|message|>",
	    "thought:"};
	struct pl_buf raw, out;

	(void)state;
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		struct timespec from, to;

		pl_buf_init(&raw, PL_BUF_UNLIMITED);
		pl_buf_init(&out, PL_BUF_UNLIMITED);
		while (raw.len < 256 << 10)
			pl_buf_add_cstr(&raw, pieces[i]);
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
		(void)!answer_clean(pl_buf_str(&raw), i % 2 == 0, &out);
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
		assert_in_range((to.tv_sec - from.tv_sec) * 1000 +
				    (to.tv_nsec - from.tv_nsec) / 1000000,
		    0, 1000);
		pl_buf_fini(&raw);
		pl_buf_fini(&out);
	}
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
	    cmocka_unit_test(takes_the_answer_alone),
	    cmocka_unit_test(leaves_an_ordinary_text_as_it_is),
	    cmocka_unit_test(drops_a_mark_that_was_cut_off),
	    cmocka_unit_test(takes_time_in_proportion_to_what_it_reads),
	    cmocka_unit_test(drops_control_and_invisible_characters),
	    cmocka_unit_test(cuts_at_the_last_sentence),
	    cmocka_unit_test(holds_at_most_2000_characters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
