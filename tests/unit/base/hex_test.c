#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "base/hex.h"

/* Four bytes at once, and those that are left, say the same as one alone. */
static void
encodes_every_byte_at_every_place(void **state)
{
	uint8_t bytes[11];
	char out[2 * sizeof(bytes) + 1], pair[3];

	(void)state;
	for (unsigned first = 0; first < 256; first++)
		for (size_t len = 0; len <= sizeof(bytes); len++) {
			for (size_t i = 0; i < len; i++)
				bytes[i] = (uint8_t)(first + 37 * i);
			pl_hex_encode(bytes, len, out);
			assert_int_equal(strlen(out), 2 * len);
			for (size_t i = 0; i < len; i++) {
				snprintf(pair, sizeof(pair), "%02x", bytes[i]);
				assert_memory_equal(out + 2 * i, pair, 2);
			}
		}
}

static void
writes_lower_case_digits(void **state)
{
	char out[7];

	(void)state;
	pl_hex_encode("\x00\xaf\xff", 3, out);
	assert_string_equal(out, "00afff");
}

static void
reads_either_case_and_exactly_the_length(void **state)
{
	uint8_t out[2];

	(void)state;
	assert_true(pl_hex_decode(PL_STR("aF09"), out, 2));
	assert_memory_equal(out, "\xaf\x09", 2);
	assert_false(pl_hex_decode(PL_STR("aF0"), out, 2));
	assert_false(pl_hex_decode(PL_STR("aF090"), out, 2));
	assert_false(pl_hex_decode(PL_STR("aF0g"), out, 2));
	assert_false(pl_hex_decode(PL_STR("-1-1"), out, 2));
}

static void
takes_plain_and_escaped_bytes(void **state)
{
	struct pl_str s = PL_STR("a%2F%00+");
	char c;

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		assert_true(pl_percent_take(&s, &c));
		assert_int_equal(c, "a/\0+"[i]);
	}
	assert_int_equal(s.len, 0);
}

static void
refuses_an_escape_without_two_digits(void **state)
{
	static const char *const bad[] = {"%", "%4", "%4x", "%x4", "%%4"};
	char c;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct pl_str s = pl_str(bad[i]);

		assert_false(pl_percent_take(&s, &c));
		assert_ptr_equal(s.ptr, bad[i]);
	}
}

static void
escapes_as_encode_uri_component(void **state)
{
	struct pl_buf out;

	(void)state;
	pl_buf_init(&out, PL_BUF_UNLIMITED);
	pl_percent_add(&out, PL_STR("aZ9-_.!~*'() \"<>&=#%+/?\xc3\xa9"));
	pl_percent_add(&out, pl_str_n("\0", 1));
	(void)pl_buf_add_char(&out, '\0');
	assert_string_equal(
	    out.data, "aZ9-_.!~*'()%20%22%3C%3E%26%3D%23%25%2B%2F%3F%C3%A9%00");
	pl_buf_fini(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(encodes_every_byte_at_every_place),
	    cmocka_unit_test(escapes_as_encode_uri_component),
	    cmocka_unit_test(writes_lower_case_digits),
	    cmocka_unit_test(reads_either_case_and_exactly_the_length),
	    cmocka_unit_test(takes_plain_and_escaped_bytes),
	    cmocka_unit_test(refuses_an_escape_without_two_digits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
