/* RFC 6265 §4.2.1 and §5.4. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "proto/http_cookie.h"

/* What is found, each value in brackets. The header comes from a block of its exact size,
 * so that ASan sees a step past it. */
static void
check(const char *header, const char *name, const char *wanted)
{
	size_t len = strlen(header);
	char *copy = pl_mem_alloc(len ? len : 1);
	struct pl_str rest = pl_str_n(copy, len), value = PL_STR("untouched");
	struct pl_buf found;

	memcpy(copy, header, len);
	pl_buf_init(&found, 4096);
	while (pl_http_cookie_next(&rest, pl_str(name), &value))
		pl_buf_printf(&found, "[%.*s]", (int)value.len, value.ptr);
	if (found.len == 0)
		assert_true(pl_str_eq(value, PL_STR("untouched")));
	assert_string_equal(found.len > 0 ? found.data : "", wanted);
	assert_false(pl_http_cookie_next(&rest, pl_str(name), &value));
	pl_buf_fini(&found);
	pl_mem_free(copy);
}

static void
finds_a_cookie_wherever_it_stands(void **state)
{
	(void)state;
	check("jwt=a.b.c", "jwt", "[a.b.c]");
	check("jwt=a.b.c; SID=31d4", "jwt", "[a.b.c]");
	check("SID=31d4; lang=en-US; jwt=a.b.c", "jwt", "[a.b.c]");
	check("SID=31d4;jwt=a.b.c;lang=en", "jwt", "[a.b.c]");
	check("SID=31d4 ;\t jwt = a.b.c ; lang=en", "jwt", "[a.b.c]");
	check("__Host-jwt=x", "__Host-jwt", "[x]");
}

static void
compares_names_exactly(void **state)
{
	(void)state;
	check("JWT=x; xjwt=x; jwtx=x; __Host-jwt=x", "jwt", "");
	check("a=jwt=x", "jwt", "");
	check("a=\"; jwt=x\"", "jwt", "[x\"]"); /* quotes do not hide a ';' */
}

static void
a_value_may_hold_equals_signs_or_nothing(void **state)
{
	(void)state;
	check("jwt=YQ==; a=b", "jwt", "[YQ==]");
	check("jwt=", "jwt", "[]");
	check("jwt=; a=b", "jwt", "[]");
	check("a=b; jwt=%41+", "jwt", "[%41+]"); /* nothing is decoded */
}

static void
takes_one_pair_of_quotes_off(void **state)
{
	(void)state;
	check("jwt=\"a.b.c\"; a=b", "jwt", "[a.b.c]");
	check("jwt=\"\"", "jwt", "[]");
	check("jwt=\"", "jwt", "[\"]");
	check("jwt=\"a", "jwt", "[\"a]");
	check("jwt=\"\"a\"\"", "jwt", "[\"a\"]");
}

static void
gives_all_of_a_name_in_their_order(void **state) /* A9 */
{
	(void)state;
	check("jwt=a; jwt=b", "jwt", "[a][b]");
	check("jwt=a; x=y; jwt=a", "jwt", "[a][a]");
	check("jwt=; jwt=\"\"; jwt=c", "jwt", "[][][c]");
	check("x=1; x=2; jwt=a", "jwt", "[a]");
	check("jwt=a;jwt=b ;\tjwt= \"c\" ; JWT=d; xjwt=e; jwt=f;", "jwt", "[a][b][c][f]");
}

static void
ignores_what_is_no_pair(void **state)
{
	(void)state;
	check("", "jwt", "");
	check("jwt", "jwt", "");
	check(";;jwt;; =x;", "jwt", "");
	check("jwt; jwt=x;", "jwt", "[x]");
	check("=jwt=evil; jwt=x", "jwt", "[x]");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(finds_a_cookie_wherever_it_stands),
	    cmocka_unit_test(compares_names_exactly),
	    cmocka_unit_test(a_value_may_hold_equals_signs_or_nothing),
	    cmocka_unit_test(takes_one_pair_of_quotes_off),
	    cmocka_unit_test(gives_all_of_a_name_in_their_order),
	    cmocka_unit_test(ignores_what_is_no_pair),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
