#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"

static void
holds_what_was_added_and_a_nul(void **state)
{
	struct pl_buf b;

	(void)state;
	pl_buf_init(&b, 1000);
	assert_null(b.data);
	assert_int_equal(pl_buf_add(&b, "ab", 2), PL_OK);
	assert_int_equal(pl_buf_add_str(&b, PL_STR("cd")), PL_OK);
	assert_int_equal(pl_buf_add_cstr(&b, "ef"), PL_OK);
	assert_int_equal(pl_buf_add_char(&b, 'g'), PL_OK);
	assert_int_equal(pl_buf_printf(&b, "%d-%s", 42, "x"), PL_OK);
	assert_int_equal(pl_buf_add(&b, NULL, 0), PL_OK);
	assert_string_equal(b.data, "abcdefg42-x");
	assert_true(pl_str_eq(pl_buf_str(&b), PL_STR("abcdefg42-x")));
	pl_buf_fini(&b);
	assert_null(b.data);
	assert_int_equal(b.len + b.cap + b.limit, 0);
}

static void
grows_to_its_limit_exactly(void **state)
{
	struct pl_buf b;

	(void)state;
	pl_buf_init(&b, 1000);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(pl_buf_add_char(&b, (char)('a' + i % 26)), PL_OK);
	assert_false(b.overflowed);
	assert_int_equal(pl_buf_add_char(&b, 'x'), PL_E_TOO_BIG);
	assert_true(b.overflowed);
	assert_int_equal(b.len, 1000);
	assert_true(b.cap <= 1001);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(b.data[i], 'a' + i % 26);
	pl_buf_fini(&b);
}

static void
changes_nothing_past_the_limit(void **state)
{
	struct pl_buf b;

	(void)state;
	pl_buf_init(&b, 5);
	assert_int_equal(pl_buf_add_cstr(&b, "abc"), PL_OK);
	assert_int_equal(pl_buf_add_cstr(&b, "def"), PL_E_TOO_BIG);
	assert_int_equal(pl_buf_printf(&b, "%s", "def"), PL_E_TOO_BIG);
	assert_int_equal(pl_buf_add(&b, "x", SIZE_MAX), PL_E_TOO_BIG);
	assert_null(pl_buf_reserve(&b, 3));
	assert_true(b.overflowed);
	assert_string_equal(b.data, "abc");
	assert_int_equal(pl_buf_printf(&b, "%s", "de"), PL_OK);
	assert_string_equal(b.data, "abcde");
	pl_buf_fini(&b);
}

static void
takes_nothing_at_limit_zero_nor_after_fini(void **state)
{
	struct pl_buf b;

	(void)state;
	pl_buf_init(&b, 0);
	assert_int_equal(pl_buf_add_char(&b, 'x'), PL_E_TOO_BIG);
	assert_int_equal(pl_buf_add(&b, "", 0), PL_OK);
	pl_buf_fini(&b);
	assert_int_equal(pl_buf_add_char(&b, 'x'), PL_E_TOO_BIG);
	pl_buf_fini(&b);
}

static void
keeps_its_memory_when_cleared(void **state)
{
	struct pl_buf b;
	char *data;

	(void)state;
	pl_buf_init(&b, 3);
	pl_buf_clear(&b);
	pl_buf_add_cstr(&b, "abc");
	pl_buf_add_cstr(&b, "d");
	data = b.data;
	pl_buf_clear(&b);
	assert_int_equal(b.len, 0);
	assert_false(b.overflowed);
	assert_ptr_equal(b.data, data);
	assert_string_equal(b.data, "");
	pl_buf_fini(&b);
}

static void
reserves_room_for_the_caller_to_fill(void **state)
{
	struct pl_buf b;
	char *room;

	(void)state;
	pl_buf_init(&b, PL_BUF_UNLIMITED);
	pl_buf_add_cstr(&b, "ab");
	room = pl_buf_reserve(&b, 100000);
	assert_ptr_equal(room, b.data + 2);
	assert_int_equal(b.len, 2);
	memset(room, 'x', 100000);
	b.len += 100000;
	assert_int_equal(b.data[b.len], '\0');
	pl_buf_fini(&b);
}

static void
consumes_from_the_front(void **state)
{
	struct pl_buf b;

	(void)state;
	pl_buf_init(&b, 100);
	pl_buf_consume(&b, 0);
	pl_buf_add_cstr(&b, "abcdef");
	pl_buf_consume(&b, 2);
	assert_string_equal(b.data, "cdef");
	pl_buf_consume(&b, 4);
	assert_string_equal(b.data, "");
	assert_int_equal(b.len, 0);
	pl_buf_fini(&b);
}

static void
writes_numbers_in_digits(void **state)
{
	struct pl_buf b;

	(void)state;
	pl_buf_init(&b, 25);
	assert_int_equal(pl_buf_add_number(&b, 0), PL_OK);
	assert_int_equal(pl_buf_add_number(&b, 10), PL_OK);
	assert_int_equal(pl_buf_add_number(&b, UINT64_MAX), PL_OK);
	assert_string_equal(b.data, "01018446744073709551615");
	assert_int_equal(pl_buf_add_number(&b, 123), PL_E_TOO_BIG);
	assert_string_equal(b.data, "01018446744073709551615");
	pl_buf_fini(&b);
}

static void
hands_its_memory_over(void **state)
{
	struct pl_buf b;
	char *text;

	(void)state;
	pl_buf_init(&b, 10);
	text = pl_buf_take(&b);
	assert_string_equal(text, "");
	pl_mem_free(text);
	pl_buf_add_cstr(&b, "abc");
	text = pl_buf_take(&b);
	assert_string_equal(text, "abc");
	pl_mem_free(text);
	assert_int_equal(b.len, 0);
	assert_int_equal(pl_buf_add_cstr(&b, "0123456789"), PL_OK);
	assert_int_equal(pl_buf_add_char(&b, 'x'), PL_E_TOO_BIG);
	pl_buf_fini(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(holds_what_was_added_and_a_nul),
	    cmocka_unit_test(grows_to_its_limit_exactly),
	    cmocka_unit_test(changes_nothing_past_the_limit),
	    cmocka_unit_test(takes_nothing_at_limit_zero_nor_after_fini),
	    cmocka_unit_test(keeps_its_memory_when_cleared),
	    cmocka_unit_test(reserves_room_for_the_caller_to_fill),
	    cmocka_unit_test(consumes_from_the_front),
	    cmocka_unit_test(writes_numbers_in_digits),
	    cmocka_unit_test(hands_its_memory_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
