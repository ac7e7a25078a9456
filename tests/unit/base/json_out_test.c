#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/json_out.h"

static struct pl_buf buf;
static struct pl_json_out out;

static int
start(void **state)
{
	(void)state;
	pl_buf_init(&buf, 1000);
	pl_jo_init(&out, &buf);
	return 0;
}

static int
end(void **state)
{
	(void)state;
	pl_buf_fini(&buf);
	return 0;
}

static void
sets_the_commas(void **state)
{
	(void)state;
	pl_jo_object(&out);
	pl_jo_key(&out, "a");
	pl_jo_int(&out, 1);
	pl_jo_key(&out, "b");
	pl_jo_array(&out);
	pl_jo_int(&out, -2);
	pl_jo_array(&out);
	pl_jo_end_array(&out);
	pl_jo_object(&out);
	pl_jo_end_object(&out);
	pl_jo_bool(&out, true);
	pl_jo_bool(&out, false);
	pl_jo_end_array(&out);
	pl_jo_key(&out, "c");
	pl_jo_raw(&out, PL_STR("{\"x\":1}"));
	pl_jo_key(&out, "d");
	pl_jo_object(&out);
	pl_jo_key(&out, "e");
	pl_jo_cstr(&out, "f");
	pl_jo_end_object(&out);
	pl_jo_end_object(&out);
	assert_string_equal(buf.data, "{\"a\":1,\"b\":[-2,[],{},true,false],\"c\":{"
				      "\"x\":1},\"d\":{\"e\":\"f\"}}");
}

static void
writes_a_bare_value(void **state)
{
	(void)state;
	pl_jo_cstr(&out, "x");
	assert_string_equal(buf.data, "\"x\"");
}

/* Expected is what JSON.stringify() of node 18 gives. */
static void
escapes_as_json_stringify(void **state)
{
	(void)state;
	pl_jo_str(&out,
	    PL_STR(
		"\"\\/\b\f\n\r\t\0\x01\x1F\x7F<&\xC2\x85\xE2\x80\xA8\xF0\x9F\x98\x80"));
	assert_string_equal(buf.data,
	    "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0000\\u0001\\u001f\x7F<&\xC2\x85"
	    "\xE2\x80\xA8\xF0\x9F\x98\x80\"");
}

/* Text is looked at eight bytes at a time: each byte, at each place of them, and beyond. */
static void
escapes_each_byte_at_each_place(void **state)
{
	static const char escaped[] = "\b\f\n\r\t\"\\";

	(void)state;
	for (unsigned c = 0; c < 256; c++) {
		for (size_t place = 0; place < 20; place++) {
			char text[20], short_form[7], expected[32];
			const char *at = c == 0 ? NULL : strchr(escaped, (int)c);

			memset(text, 0xA0, sizeof(text)); /* a high bit beside it */
			text[place] = (char)c;
			snprintf(short_form, sizeof(short_form), "%c", (int)c);
			if (at != NULL)
				snprintf(short_form, sizeof(short_form), "\\%c",
				    "bfnrt\"\\"[at - escaped]);
			else if (c < 0x20)
				snprintf(short_form, sizeof(short_form), "\\u%04x", c);
			snprintf(expected, sizeof(expected), "\"%.*s%s%.*s\"", (int)place,
			    text, short_form, (int)(sizeof(text) - place - 1),
			    text + place + 1);
			pl_buf_clear(&buf);
			pl_jo_init(&out, &buf);
			pl_jo_str(&out, pl_str_n(text, sizeof(text)));
			assert_string_equal(buf.data, expected);
		}
	}
}

static void
writes_empty_strings(void **state)
{
	(void)state;
	pl_jo_array(&out);
	pl_jo_str(&out, PL_STR_NONE);
	pl_jo_cstr(&out, "");
	pl_jo_end_array(&out);
	assert_string_equal(buf.data, "[\"\",\"\"]");
}

static void
writes_ids_times_and_extreme_numbers(void **state)
{
	struct pl_oid id = {{0x65, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}};

	(void)state;
	pl_jo_array(&out);
	pl_jo_oid(&out, &id);
	pl_jo_time(&out, 1769862896789);
	pl_jo_int(&out, INT64_MIN);
	pl_jo_int(&out, INT64_MAX);
	pl_jo_end_array(&out);
	assert_string_equal(buf.data,
	    "[\"650102030405060708090a0b\",\"2026-01-31T12:34:56.789Z\","
	    "-9223372036854775808,9223372036854775807]");
}

static void
begin_with_room(size_t limit)
{
	pl_buf_fini(&buf);
	pl_buf_init(&buf, limit);
	pl_jo_init(&out, &buf);
}

static void
tells_when_the_buffer_is_full(void **state)
{
	(void)state;
	for (size_t limit = 0; limit <= 8; limit++) {
		begin_with_room(limit);
		pl_jo_array(&out);
		pl_jo_cstr(&out, "a\nb");
		pl_jo_end_array(&out);
		assert_true(buf.len <= limit);
		assert_int_equal(buf.overflowed, limit < 8);
	}
	assert_string_equal(buf.data, "[\"a\\nb\"]");
}

/* It is there as a whole, or not at all. */
static void
assert_whole(size_t limit, size_t len)
{
	assert_int_equal(buf.overflowed, limit < len);
	assert_int_equal(buf.len, limit < len ? 0 : len);
}

static void
ids_and_times_need_all_their_room(void **state)
{
	struct pl_oid id = {{0}};

	(void)state;
	for (size_t limit = 0; limit <= 30; limit++) {
		begin_with_room(limit);
		pl_jo_oid(&out, &id);
		assert_whole(limit, sizeof("\"650102030405060708090a0b\"") - 1);
		begin_with_room(limit);
		pl_jo_time(&out, 1769862896789);
		assert_whole(limit, sizeof("\"2026-01-31T12:34:56.789Z\"") - 1);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(sets_the_commas, start, end),
	    cmocka_unit_test_setup_teardown(writes_a_bare_value, start, end),
	    cmocka_unit_test_setup_teardown(escapes_as_json_stringify, start, end),
	    cmocka_unit_test_setup_teardown(escapes_each_byte_at_each_place, start, end),
	    cmocka_unit_test_setup_teardown(writes_empty_strings, start, end),
	    cmocka_unit_test_setup_teardown(
		writes_ids_times_and_extreme_numbers, start, end),
	    cmocka_unit_test_setup_teardown(tells_when_the_buffer_is_full, start, end),
	    cmocka_unit_test_setup_teardown(
		ids_and_times_need_all_their_room, start, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
