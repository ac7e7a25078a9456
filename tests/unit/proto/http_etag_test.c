/* RFC 9110 §8.8.3 and §13.1.2. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "proto/http_etag.h"

/* The header has a block of its exact size, so that ASan sees a step past it. */
static bool
matches(const char *header, const char *opaque)
{
	size_t len = strlen(header);
	char *copy = pl_mem_alloc(len ? len : 1);
	bool is;

	memcpy(copy, header, len);
	is = pl_http_etag_matches(pl_str_n(copy, len), pl_str(opaque));
	pl_mem_free(copy);
	return is;
}

static void
takes_weak_and_strong_tags_alike(void **state)
{
	(void)state;
	assert_true(matches("\"abc\"", "abc"));
	assert_true(matches("W/\"abc\"", "abc"));
	assert_true(matches("  W/\"abc\" ", "abc"));
	assert_true(matches("\"\"", ""));
	assert_false(matches("\"abcd\"", "abc"));
	assert_false(matches("\"ABC\"", "abc"));
	assert_false(matches("", "abc"));
}

static void
looks_through_a_list(void **state)
{
	(void)state;
	assert_true(matches("\"x\", W/\"y\",\"abc\"", "abc"));
	assert_true(matches(",, \"x\",\t,\"abc\",", "abc"));
	assert_true(matches("\"a,b\"", "a,b"));
	assert_false(matches("\"a,abc,b\"", "abc"));
	assert_false(matches("\"x\", \"y\"", "abc"));
}

static void
takes_a_star_for_any(void **state)
{
	(void)state;
	assert_true(matches("*", "abc"));
	assert_true(matches(" * ", "abc"));
	assert_false(matches("*, \"x\"", "abc"));
	assert_false(matches("\"*\"", "abc"));
}

static void
matches_nothing_behind_what_is_no_tag(void **state)
{
	(void)state;
	assert_false(matches("abc", "abc"));
	assert_false(matches("w/\"abc\"", "abc"));
	assert_false(matches("W/ \"abc\"", "abc"));
	assert_false(matches("\"abc", "abc"));
	assert_false(matches("\"a b\", \"abc\"", "abc"));
	assert_false(matches("\"x\" \"abc\"", "abc"));
	assert_false(matches("W/", "abc"));
	assert_false(matches("W", "abc"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(takes_weak_and_strong_tags_alike),
	    cmocka_unit_test(looks_through_a_list),
	    cmocka_unit_test(takes_a_star_for_any),
	    cmocka_unit_test(matches_nothing_behind_what_is_no_tag),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
