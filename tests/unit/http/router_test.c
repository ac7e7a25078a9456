#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "http/router.h"
#include "http/service.h"

static const struct pl_route routes[] = {
    {"GET", "/api/users", 0, NULL, PL_M_NONE},
    {"GET", "/api/users/:id", 0, NULL, PL_M_NONE},
    {"POST", "/api/users/status/:id", 0, NULL, PL_M_NONE},
    {"GET", "/socket.io/", 0, NULL, PL_M_NONE},
    {"POST", "/socket.io/", 0, NULL, PL_M_NONE},
    {"OPTIONS", "/own/", 0, NULL, PL_M_NONE},
    {"GET", "/api/posts/new", 0, NULL, PL_M_NONE},
    {"GET", "/api/posts/:id", 0, NULL, PL_M_NONE},
    {"DELETE", "/api/posts/:id", 0, NULL, PL_M_NONE},
};

static enum pl_route_verdict
match(const char *method, const char *path, struct pl_route_match *out)
{
	return pl_router_match(routes, sizeof(routes) / sizeof(routes[0]), pl_str(method),
	    pl_str(path), out);
}

static void
check_found(const char *method, const char *path, size_t row, const char *param)
{
	struct pl_route_match m;

	assert_int_equal(match(method, path, &m), PL_ROUTE_FOUND);
	assert_ptr_equal(m.route, &routes[row]);
	assert_true(pl_str_eq(m.param, pl_str(param)));
}

static void
check_allow(const char *method, const char *path, const char *allow)
{
	struct pl_route_match m;

	assert_int_equal(match(method, path, &m), PL_ROUTE_NO_METHOD);
	assert_string_equal(m.allow, allow);
	assert_null(m.route);
}

static void
check_no_path(const char *path)
{
	struct pl_route_match m;

	assert_int_equal(match("GET", path, &m), PL_ROUTE_NO_PATH);
}

static void
finds_the_row_and_its_segment(void **state)
{
	(void)state;
	check_found("GET", "/api/users", 0, "");
	check_found("GET", "/api/users/abc", 1, "abc");
	check_found("GET", "/api/users/%41%2Fb", 1, "%41%2Fb");
	check_found("POST", "/api/users/status/x", 2, "x");
	check_found("OPTIONS", "/own/", 5, "");
}

static void
does_not_count_one_slash_at_the_end(void **state)
{
	(void)state;
	check_found("GET", "/api/users/", 0, "");
	check_found("GET", "/api/users/abc/", 1, "abc");
	check_found("GET", "/socket.io", 3, "");
	check_found("POST", "/socket.io/", 4, "");
	check_no_path("/api/users//");
}

static void
gives_head_to_get(void **state)
{
	(void)state;
	check_found("HEAD", "/api/users/abc", 1, "abc");
	check_allow("HEAD", "/api/users/status/x", "POST, OPTIONS");
}

static void
names_the_methods_of_a_path(void **state)
{
	(void)state;
	check_allow("DELETE", "/api/users", "GET, HEAD, OPTIONS");
	check_allow("PUT", "/socket.io/", "GET, HEAD, POST, OPTIONS");
	check_allow("OPTIONS", "/api/users/abc", "GET, HEAD, OPTIONS");
	check_allow("get", "/api/users", "GET, HEAD, OPTIONS"); /* methods have a case */
}

/* The first row wins; a method that several have is named once. */
static void
takes_a_word_for_itself_ahead_of_a_parameter(void **state)
{
	(void)state;
	check_found("GET", "/api/posts/new", 6, "");
	check_found("GET", "/api/posts/news", 7, "news");
	check_found("DELETE", "/api/posts/new", 8, "new");
	check_allow("POST", "/api/posts/new", "GET, HEAD, DELETE, OPTIONS");
}

static void
knows_no_other_path(void **state)
{
	(void)state;
	check_no_path("/");
	check_no_path("");
	check_no_path("api/users");
	check_no_path("/api");
	check_no_path("/api/users/a/b");
	check_no_path("/api/users/status/a/b");
	check_no_path("//api/users");
	check_no_path("/api//users");
	check_no_path("/API/users");
	check_no_path("/api/user%73");
	check_no_path("/api/users/../users");
	check_no_path("*");
	check_no_path("http://x/api/users");
}

static void
check_decode(const char *text, const char *wanted, size_t wanted_len)
{
	char out[64];
	size_t len;

	assert_true(pl_router_decode(pl_str(text), out, &len));
	assert_int_equal(len, wanted_len);
	assert_memory_equal(out, wanted, wanted_len);
}

static void
decodes_escapes_and_refuses_bad_ones(void **state)
{
	const char *bad[] = {"%", "%4", "a%", "%4g", "%g4", "%%41", "% 41"};
	char out[64];
	size_t len;

	(void)state;
	check_decode("", "", 0);
	check_decode("abc", "abc", 3);
	check_decode("%41%2fb%00", "A/b\0", 4);
	check_decode("a+b", "a+b", 3); /* a plus is one, in a path */
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(pl_router_decode(pl_str(bad[i]), out, &len));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(finds_the_row_and_its_segment),
	    cmocka_unit_test(does_not_count_one_slash_at_the_end),
	    cmocka_unit_test(gives_head_to_get),
	    cmocka_unit_test(names_the_methods_of_a_path),
	    cmocka_unit_test(takes_a_word_for_itself_ahead_of_a_parameter),
	    cmocka_unit_test(knows_no_other_path),
	    cmocka_unit_test(decodes_escapes_and_refuses_bad_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
