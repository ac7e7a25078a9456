/* RFC 3986 §2.1, and the form encoding of the WHATWG URL standard. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "proto/http_query.h"

#define CAP 24

/* Query and output have blocks of their exact size, so that ASan sees a step past them. */
static void
check_n(const char *query, const char *name, enum pl_err want, const char *value,
    size_t value_len)
{
	size_t len = strlen(query);
	char *copy = pl_mem_alloc(len ? len : 1), *out = pl_mem_alloc(CAP);
	struct pl_str got = PL_STR("untouched");

	memcpy(copy, query, len);
	assert_int_equal(
	    pl_http_query_get(pl_str_n(copy, len), pl_str(name), out, CAP, &got), want);
	if (want == PL_OK)
		assert_true(pl_str_eq(got, pl_str_n(value, value_len)));
	else
		assert_true(pl_str_eq(got, PL_STR("untouched")));
	pl_mem_free(copy);
	pl_mem_free(out);
}

static void
check(const char *query, const char *name, enum pl_err want, const char *value)
{
	check_n(query, name, want, value, value ? strlen(value) : 0);
}

static void
finds_the_parameters_of_engine_io(void **state)
{
	static const char query[] =
	    "EIO=4&transport=polling&t=Oe5&sid=lv_VI97HAXpY6yYWAAAB";

	(void)state;
	check(query, "EIO", PL_OK, "4");
	check(query, "transport", PL_OK, "polling");
	check(query, "sid", PL_OK, "lv_VI97HAXpY6yYWAAAB");
	check(query, "userId", PL_E_NOT_FOUND, NULL);
	check(query, "eio", PL_E_NOT_FOUND, NULL);
	check(query, "si", PL_E_NOT_FOUND, NULL);
	check(query, "sidx", PL_E_NOT_FOUND, NULL);
	check("", "sid", PL_E_NOT_FOUND, NULL);
}

static void
decodes_names_and_values(void **state)
{
	(void)state;
	check("a=%41%6a%6A+z%2B", "a", PL_OK, "Ajj z+");
	check("%73%69d=x", "sid", PL_OK, "x");
	check("a+b=x", "a b", PL_OK, "x");
	check("a=%26%3D%25", "a", PL_OK, "&=%");
	check("a=%C3%BC", "a", PL_OK, "\xc3\xbc");
	check_n("a=x%00y", "a", PL_OK, "x\0y", 3);
}

static void
a_value_may_be_empty_or_hold_equals_signs(void **state)
{
	(void)state;
	check("sid=&b=1", "sid", PL_OK, "");
	check("sid&b=1", "sid", PL_OK, "");
	check("b=1&sid", "sid", PL_OK, "");
	check("b=1&sid=", "sid", PL_OK, "");
	check("sid=a=b=", "sid", PL_OK, "a=b=");
	check("&&sid=x&&", "sid", PL_OK, "x");
	check("=x&sid=y&=", "sid", PL_OK, "y");
}

static void
reports_a_parameter_that_comes_twice(void **state)
{
	(void)state;
	check("sid=a&sid=a", "sid", PL_E_CONFLICT, NULL);
	check("sid&x=1&s%69d=b", "sid", PL_E_CONFLICT, NULL);
	check("x=1&x=2&sid=b", "sid", PL_OK, "b");
}

static void
reports_bad_escapes_in_its_value(void **state)
{
	(void)state;
	check("a=%", "a", PL_E_INVALID, NULL);
	check("a=%4", "a", PL_E_INVALID, NULL);
	check("a=%4&b=1", "a", PL_E_INVALID, NULL);
	check("a=%4g", "a", PL_E_INVALID, NULL);
	check("a=%g4", "a", PL_E_INVALID, NULL);
	check("a=%%41", "a", PL_E_INVALID, NULL);
	check("a=% 41", "a", PL_E_INVALID, NULL);
	check("b=%zz&%zz=1&%=%&a=x", "a", PL_OK, "x"); /* others do not matter */
}

static void
a_value_longer_than_its_room_is_too_big(void **state)
{
	(void)state;
	check("a=123456789012345678901234", "a", PL_OK, "123456789012345678901234");
	check("a=1234567890123456789012345", "a", PL_E_TOO_BIG, NULL);
	check("a=12345678901234567890123%34", "a", PL_OK, "123456789012345678901234");
	check("a=123456789012345678901234%35", "a", PL_E_TOO_BIG, NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(finds_the_parameters_of_engine_io),
	    cmocka_unit_test(decodes_names_and_values),
	    cmocka_unit_test(a_value_may_be_empty_or_hold_equals_signs),
	    cmocka_unit_test(reports_a_parameter_that_comes_twice),
	    cmocka_unit_test(reports_bad_escapes_in_its_value),
	    cmocka_unit_test(a_value_longer_than_its_room_is_too_big),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
