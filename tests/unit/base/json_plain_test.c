#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/json_plain.h"

/* What jansson reads by our rules; NULL: nothing. */
static json_t *
jansson(struct pl_str text)
{
	return json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES, NULL);
}

static void
is_plain(struct pl_str text)
{
	json_t *value = pl_json_plain(text), *same = jansson(text);

	assert_non_null(value);
	assert_non_null(same);
	assert_true(json_equal(value, same));
	json_decref(value);
	json_decref(same);
}

static void
is_not_plain(struct pl_str text)
{
	assert_null(pl_json_plain(text));
}

static void
reads_objects_of_strings_as_jansson_does(void **state)
{
	(void)state;
	is_plain(PL_STR("{\"message\":\"Hello\"}"));
	is_plain(PL_STR(" \t\r\n{ \"a\" : \"\" , \"\" : \"b\" } \n"));
	is_plain(PL_STR("{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\",\"b\":\"x\\\\\"}"));
	is_plain(PL_STR("{\"\xC3\xBC\":\"\xF0\x9F\x91\x8B \x7F\"}"));
}

/* {"0":"","1":"",...} */
static void
write_members(char *out, int count)
{
	*out++ = '{';
	for (int i = 0; i < count; i++)
		out += sprintf(out, "%s\"%d\":\"\"", i > 0 ? "," : "", i);
	strcpy(out, "}");
}

static void
reads_64_members_and_no_more(void **state)
{
	char text[65 * 9];

	(void)state;
	write_members(text, 64);
	is_plain(pl_str(text));
	write_members(text, 65);
	is_not_plain(pl_str(text));
}

static void
leaves_all_else_to_jansson(void **state)
{
	static const char *const others[] = {"", " ", "{", "{}", "[]", "\"a\"", "1",
	    "null", "{\"a\":1}", "{\"a\":null}", "{\"a\":[]}", "{\"a\":{\"b\":\"c\"}}",
	    "{\"a\":\"\\u0041\"}", "{\"\\n\":\"b\"}", "{\"a\":\"b\",\"a\":\"c\"}",
	    "{\"a\":\"b\"", "{\"a\":\"b}", "{\"a\":\"b\\", "{\"a\":\"b\\\"}",
	    "{\"a\":\"\\x\"}", "{\"a\":\"b\",}", "{,\"a\":\"b\"}", "{\"a\" \"b\"}",
	    "{\"a\":\"b\"} x", "{\"a\":\"b\"}{\"a\":\"b\"}", "{\"a\":\"\n\"}",
	    "{\"a\":\"\x1F\"}", "{a:\"b\"}", "{\"a\":\"\xC3\"}",
	    "{\"a\":\"\xED\xA0\x80\"}", "\xEF\xBB\xBF{\"a\":\"b\"}"};

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		is_not_plain(pl_str(others[i]));
	is_not_plain(PL_STR("{\"a\":\"\0\"}"));
	is_not_plain(PL_STR("{\"a\":\"\\\0\"}"));
	is_not_plain(PL_STR("{\"a\":\"b\"}\0"));
}

/* Each byte of a body becomes each other one: whatever is plain then is what jansson
 * reads. */
static void
agrees_with_jansson_on_every_change_of_a_byte(void **state)
{
	char text[] = "{\"ab\":\"c\\nd\\\"\",\"e\":\"\xC3\xBC\"}";
	size_t len = sizeof(text) - 1;

	(void)state;
	for (size_t i = 0; i < len; i++) {
		char was = text[i];

		for (int byte = 0; byte < 256; byte++) {
			json_t *value;

			text[i] = (char)byte;
			value = pl_json_plain(pl_str_n(text, len));
			if (value != NULL)
				is_plain(pl_str_n(text, len));
			json_decref(value);
		}
		text[i] = was;
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_objects_of_strings_as_jansson_does),
	    cmocka_unit_test(reads_64_members_and_no_more),
	    cmocka_unit_test(leaves_all_else_to_jansson),
	    cmocka_unit_test(agrees_with_jansson_on_every_change_of_a_byte),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
