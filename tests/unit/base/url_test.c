#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/mem.h"
#include "base/url.h"

static void
check_str(struct pl_str got, const char *want)
{
	if (!pl_str_eq(got, pl_str(want)))
		fail_msg("\"%.*s\" is not \"%s\"", (int)got.len, got.ptr, want);
}

static void
takes_host_and_port_apart(void **state)
{
	static const struct {
		const char *text, *host;
		bool is_v6, has_port;
		unsigned port;
	} rows[] = {
	    {"redis", "redis", false, false, 0},
	    {"10.0.0.7:8080", "10.0.0.7", false, true, 8080},
	    {"a-b.c_D9:1", "a-b.c_D9", false, true, 1},
	    {"h:65535", "h", false, true, 65535},
	    {"h:0", "h", false, true, 0},
	    {"h:00080", "h", false, true, 80},
	    {"[::1]:5000", "::1", true, true, 5000},
	    {"[fe80::A:1]", "fe80::A:1", true, false, 0},
	    {"[::ffff:1.2.3.4]:80", "::ffff:1.2.3.4", true, true, 80},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct pl_host_port at;

		if (!pl_host_port_parse(pl_str(rows[i].text), &at))
			fail_msg("refused %s", rows[i].text);
		check_str(at.host, rows[i].host);
		assert_int_equal(at.is_v6, rows[i].is_v6);
		assert_int_equal(at.has_port, rows[i].has_port);
		assert_int_equal(at.port, rows[i].port);
	}
}

static void
refuses_what_is_no_host_and_port(void **state)
{
	static const char *const rows[] = {"", ":", ":80", "h:", "h:65536", "h:-1",
	    "h:+1", "h: 1", "h:1 ", "h:1x", "h:0x1", "h:99999999999999999999", " h", "h ",
	    "h\n", "h/", "h?", "h#", "u@h", "h%41", "a:b:1", "::1", "::1:80", "[::1",
	    "::1]", "[]", "[]:1", "[::1]x", "[::1]80", "[::1]:", "[::g]", "[::1%eth0]",
	    "[[::1]]", "[::1]]", "\xc3\xa4", "a*b", "a,b"};
	struct pl_host_port at = {.port = 7};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (pl_host_port_parse(pl_str(rows[i]), &at))
			fail_msg("took %s", rows[i]);
	assert_false(pl_host_port_parse(PL_STR_NONE, &at));
	assert_false(pl_host_port_parse(pl_str_n("h\0", 2), &at));
	assert_int_equal(at.port, 7);
	assert_null(at.host.ptr);
}

static void
takes_a_url_apart(void **state)
{
	static const struct {
		const char *text, *scheme, *user, *host, *path, *query;
		unsigned port;
	} rows[] = {
	    {"https://h", "https", NULL, "h", "", "", 0},
	    {"https://u:p@chat.example.org:8443/v1/x?a=b", "https", "u:p",
		"chat.example.org", "/v1/x", "?a=b", 8443},
	    {"redis://:a@b@h:1/3", "redis", ":a@b", "h", "/3", "", 1},
	    {"http://@h/", "http", "", "h", "/", "", 0},
	    {"http://h?a=/b#c", "http", NULL, "h", "", "?a=/b#c", 0},
	    {"http://h/a#b?c", "http", NULL, "h", "/a", "#b?c", 0},
	    {"http://h/u@x:1", "http", NULL, "h", "/u@x:1", "", 0},
	    {"http://[::1]:80//", "http", NULL, "::1", "//", "", 80},
	    {"mongodb+srv://h", "mongodb+srv", NULL, "h", "", "", 0},
	    {"a1-b.c+://h", "a1-b.c+", NULL, "h", "", "", 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct pl_url url;

		if (!pl_url_parse(pl_str(rows[i].text), &url))
			fail_msg("refused %s", rows[i].text);
		check_str(url.scheme, rows[i].scheme);
		assert_int_equal(url.user.ptr != NULL, rows[i].user != NULL);
		check_str(url.user, rows[i].user != NULL ? rows[i].user : "");
		check_str(url.at.host, rows[i].host);
		assert_int_equal(url.at.port, rows[i].port);
		check_str(url.path, rows[i].path);
		check_str(url.query, rows[i].query);
	}
}

static void
refuses_what_is_no_url(void **state)
{
	static const char *const rows[] = {"", "h", "http", "http:", "http:/", "http://",
	    "http:h", "//h", "://h", "1a://h", "+a://h", "ht tp://h", "h_p://h",
	    "http:///x", "http://:80", "http://u@", "http://u@/x", "http://h:/x",
	    "http://h:x", "http://a b", "http://h\n", "http://a:b@c:d", " http://h"};
	struct pl_url url = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (pl_url_parse(pl_str(rows[i]), &url))
			fail_msg("took %s", rows[i]);
	assert_false(pl_url_parse(PL_STR_NONE, &url));
	assert_null(url.scheme.ptr);
}

static void
stays_inside_a_text_cut_anywhere(void **state)
{
	static const char whole[] = "https://u:p@[::1]:8443/v1?a=b";

	(void)state;
	for (size_t len = 1; len < sizeof(whole); len++) {
		char *exact = pl_mem_alloc(len);
		struct pl_host_port at;
		struct pl_url url;

		memcpy(exact, whole, len);
		(void)!pl_url_parse(pl_str_n(exact, len), &url);
		memcpy(exact, whole + sizeof(whole) - 1 - len, len);
		(void)!pl_host_port_parse(pl_str_n(exact, len), &at);
		pl_mem_free(exact);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(takes_host_and_port_apart),
	    cmocka_unit_test(refuses_what_is_no_host_and_port),
	    cmocka_unit_test(takes_a_url_apart),
	    cmocka_unit_test(refuses_what_is_no_url),
	    cmocka_unit_test(stays_inside_a_text_cut_anywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
