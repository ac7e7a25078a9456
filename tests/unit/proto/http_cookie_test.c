/* RFC 6265 §4.2.1 and §5.4. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "proto/http_cookie.h"

/* The header comes from a block of its exact size, so that ASan sees a step past it. */
static void
check(const char *header, const char *name, enum pl_err want, const char *value)
{
	size_t len = strlen(header);
	char *copy = pl_mem_alloc(len ? len : 1);
	struct pl_str found = PL_STR("untouched");

	memcpy(copy, header, len);
	assert_int_equal(
	    pl_http_cookie_find(pl_str_n(copy, len), pl_str(name), &found), want);
	assert_true(
	    pl_str_eq(found, want == PL_OK ? pl_str(value) : PL_STR("untouched")));
	pl_mem_free(copy);
}

static void
finds_a_cookie_wherever_it_stands(void **state)
{
	(void)state;
	check("jwt=a.b.c", "jwt", PL_OK, "a.b.c");
	check("jwt=a.b.c; SID=31d4", "jwt", PL_OK, "a.b.c");
	check("SID=31d4; lang=en-US; jwt=a.b.c", "jwt", PL_OK, "a.b.c");
	check("SID=31d4;jwt=a.b.c;lang=en", "jwt", PL_OK, "a.b.c");
	check("SID=31d4 ;\t jwt = a.b.c ; lang=en", "jwt", PL_OK, "a.b.c");
	check("__Host-jwt=x", "__Host-jwt", PL_OK, "x");
}

static void
compares_names_exactly(void **state)
{
	(void)state;
	check("JWT=x; xjwt=x; jwtx=x; __Host-jwt=x", "jwt", PL_E_NOT_FOUND, NULL);
	check("a=jwt=x", "jwt", PL_E_NOT_FOUND, NULL);
	check("a=\"; jwt=x\"", "jwt", PL_OK, "x\""); /* quotes do not hide a ';' */
}

static void
a_value_may_hold_equals_signs_or_nothing(void **state)
{
	(void)state;
	check("jwt=YQ==; a=b", "jwt", PL_OK, "YQ==");
	check("jwt=", "jwt", PL_OK, "");
	check("jwt=; a=b", "jwt", PL_OK, "");
	check("a=b; jwt=%41+", "jwt", PL_OK, "%41+"); /* nothing is decoded */
}

static void
takes_one_pair_of_quotes_off(void **state)
{
	(void)state;
	check("jwt=\"a.b.c\"; a=b", "jwt", PL_OK, "a.b.c");
	check("jwt=\"\"", "jwt", PL_OK, "");
	check("jwt=\"", "jwt", PL_OK, "\"");
	check("jwt=\"a", "jwt", PL_OK, "\"a");
	check("jwt=\"\"a\"\"", "jwt", PL_OK, "\"a\"");
}

static void
reports_a_name_that_comes_twice(void **state) /* A9 */
{
	(void)state;
	check("jwt=a; jwt=b", "jwt", PL_E_CONFLICT, NULL);
	check("jwt=a; x=y; jwt=a", "jwt", PL_E_CONFLICT, NULL);
	check("jwt=; jwt=", "jwt", PL_E_CONFLICT, NULL);
	check("x=1; x=2; jwt=a", "jwt", PL_OK, "a");
}

static void
ignores_what_is_no_pair(void **state)
{
	(void)state;
	check("", "jwt", PL_E_NOT_FOUND, NULL);
	check("jwt", "jwt", PL_E_NOT_FOUND, NULL);
	check(";;jwt;; =x;", "jwt", PL_E_NOT_FOUND, NULL);
	check("jwt; jwt=x;", "jwt", PL_OK, "x");
	check("=jwt=evil; jwt=x", "jwt", PL_OK, "x");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(finds_a_cookie_wherever_it_stands),
	    cmocka_unit_test(compares_names_exactly),
	    cmocka_unit_test(a_value_may_hold_equals_signs_or_nothing),
	    cmocka_unit_test(takes_one_pair_of_quotes_off),
	    cmocka_unit_test(reports_a_name_that_comes_twice),
	    cmocka_unit_test(ignores_what_is_no_pair),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
