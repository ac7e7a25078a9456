/* W6, RFC 6454: which pages may use us. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "proto/http_origin.h"

#define LISTED "https://app.example.com, http://localhost:5173"

/* As it comes at https://chat.example.org, from a block of its exact size for ASan. */
static enum pl_http_origin
check_at(const char *origin, const char *scheme, const char *host, const char *allowed)
{
	size_t len = origin ? strlen(origin) : 0;
	char *copy = pl_mem_alloc(len + 1);
	struct pl_http_origin_rq rq = {
	    .scheme = pl_str(scheme),
	    .host = pl_str(host),
	};
	enum pl_http_origin verdict;

	if (origin) {
		copy = pl_mem_realloc(copy, len ? len : 1);
		memcpy(copy, origin, len);
		rq.origin = pl_str_n(copy, len);
	}
	verdict = pl_http_origin_check(&rq, pl_str(allowed));
	pl_mem_free(copy);
	return verdict;
}

static enum pl_http_origin
check(const char *origin)
{
	return check_at(origin, "https", "chat.example.org", LISTED);
}

static void
no_origin_is_not_a_browser(void **state)
{
	(void)state;
	assert_int_equal(check(NULL), PL_ORIGIN_NONE);
	assert_int_equal(check_at(NULL, "http", "", ""), PL_ORIGIN_NONE);
}

static void
our_own_origin_is_the_same(void **state)
{
	(void)state;
	assert_int_equal(check("https://chat.example.org"), PL_ORIGIN_SAME);
	assert_int_equal(check("https://CHAT.Example.ORG"), PL_ORIGIN_SAME);
	assert_int_equal(check("HTTPS://chat.example.org:443"), PL_ORIGIN_SAME);
	assert_int_equal(
	    check_at("https://a.b", "https", "A.B:443", NULL), PL_ORIGIN_SAME);
	assert_int_equal(check_at("http://a.b:80", "http", "a.b", ""), PL_ORIGIN_SAME);
	assert_int_equal(check_at("http://localhost:8080", "http", "localhost:8080", ""),
	    PL_ORIGIN_SAME);
	assert_int_equal(
	    check_at("http://[::1]:8080", "http", "[::1]:8080", ""), PL_ORIGIN_SAME);
	assert_int_equal(check_at("http://[2001:DB8::1]", "http", "[2001:db8::1]:80", ""),
	    PL_ORIGIN_SAME);
	assert_int_equal(
	    check_at("http://127.0.0.1:1", "http", "127.0.0.1:1", ""), PL_ORIGIN_SAME);
}

static void
listed_origins_are_listed_and_exact(void **state)
{
	(void)state;
	assert_int_equal(check("https://app.example.com"), PL_ORIGIN_LISTED);
	assert_int_equal(check("https://app.example.com:443"), PL_ORIGIN_LISTED);
	assert_int_equal(check("http://LOCALHOST:5173"), PL_ORIGIN_LISTED);
	assert_int_equal(check("http://localhost"), PL_ORIGIN_REFUSED);
	assert_int_equal(check("http://app.example.com"), PL_ORIGIN_REFUSED);
	assert_int_equal(check("https://app.example.com:8443"), PL_ORIGIN_REFUSED);
	assert_int_equal(check("https://x.app.example.com"), PL_ORIGIN_REFUSED);
}

static void
an_app_scheme_matches_its_entry_only(void **state) /* RFC 3986 §3.1 */
{
	static const char allowed[] =
	    "capacitor://localhost,a.b+c-9://x,moz-extension://ab-12";

	(void)state;
	assert_int_equal(check_at("capacitor://localhost", "https", "c.org", allowed),
	    PL_ORIGIN_LISTED);
	assert_int_equal(
	    check_at("A.b+C-9://X", "https", "c.org", allowed), PL_ORIGIN_LISTED);
	assert_int_equal(check_at("capacitor://localhost:80", "https", "c.org", allowed),
	    PL_ORIGIN_REFUSED);
	assert_int_equal(
	    check_at("9a://x", "https", "c.org", "9a://x"), PL_ORIGIN_REFUSED);
	assert_int_equal(
	    check_at("+a://x", "https", "c.org", "+a://x"), PL_ORIGIN_REFUSED);
	assert_int_equal(
	    check_at("a_b://x", "https", "c.org", "a_b://x"), PL_ORIGIN_REFUSED);
}

static void
refuses_foreign_origins(void **state) /* W6, CSWSH */
{
	static const char *const origins[] = {
	    "https://evil.example",
	    "null",
	    "NULL",
	    "",
	    "https://chat.example.org.evil",
	    "https://chat.example.orgevil",
	    "https://evil-chat.example.org",
	    "http://chat.example.org", /* http for https */
	    "http://chat.example.org:443",
	    "https://chat.example.org:80",
	    "https://chat.example.org:8443",
	    "https://chat.example",
	    "wss://chat.example.org",
	    "ht{ps://chat.example.org",
	    "ht[ps://chat.example.org",
	    "https://chat.example.org{",
	    "https://chat@example.org",
	    "https://[",
	    "https://[]",
	    "https://[::1",
	    "https://[::G]",
	    "https://[::g]",
	    "https://[::@]",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(origins) / sizeof(origins[0]); i++)
		assert_int_equal(check(origins[i]), PL_ORIGIN_REFUSED);
	assert_int_equal(
	    check_at("https://chat.example.org", "http", "chat.example.org", ""),
	    PL_ORIGIN_REFUSED);
}

static void
refuses_what_is_not_an_origin(void **state)
{
	static const char *const origins[] = {
	    "chat.example.org",
	    "//chat.example.org",
	    "https:chat.example.org",
	    "https:/chat.example.org",
	    "://chat.example.org",
	    "https://",
	    "https://:443",
	    "https://chat.example.org/",
	    "https://chat.example.org?",
	    "https://chat.example.org#",
	    "https://chat.example.org:",
	    "https://chat.example.org:+443",
	    "https://chat.example.org:443x",
	    "https://chat.example.org:65979", /* 443 + 65536 */
	    "https://user@chat.example.org",
	    "https://evil@chat.example.org",
	    "https://chat.example.org\\@evil",
	    " https://chat.example.org",
	    "https://chat.example.org ",
	    "https://chat.example.org https://evil",
	    "https://evil, https://chat.example.org",
	    "https://chat.example.org,https://evil",
	    "https://[::1",
	    "https://[]",
	    "https://[::1]x",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(origins) / sizeof(origins[0]); i++)
		assert_int_equal(check(origins[i]), PL_ORIGIN_REFUSED);
}

static void
refuses_two_origins_even_when_both_are_good(void **state) /* W6 */
{
	struct pl_http_origin_rq rq = {
	    .origin = PL_STR("https://chat.example.org"),
	    .repeated = true,
	    .scheme = PL_STR("https"),
	    .host = PL_STR("chat.example.org"),
	};

	(void)state;
	assert_int_equal(pl_http_origin_check(&rq, PL_STR(LISTED)), PL_ORIGIN_REFUSED);
	rq.origin = PL_STR_NONE;
	assert_int_equal(pl_http_origin_check(&rq, PL_STR(LISTED)), PL_ORIGIN_REFUSED);
}

static void
cve_2020_28481_a_star_or_null_in_the_list_opens_nothing(void **state)
{
	static const char allowed[] =
	    "*,null,https://*,*://*,,https://*.good.org, ,https://";

	(void)state;
	assert_int_equal(
	    check_at("https://evil", "https", "c.org", allowed), PL_ORIGIN_REFUSED);
	assert_int_equal(check_at("null", "https", "c.org", allowed), PL_ORIGIN_REFUSED);
	assert_int_equal(
	    check_at("https://a.good.org", "https", "c.org", allowed), PL_ORIGIN_REFUSED);
	assert_int_equal(check_at("*", "https", "c.org", allowed), PL_ORIGIN_REFUSED);
	assert_int_equal(
	    check_at("https://*.good.org", "https", "c.org", allowed), PL_ORIGIN_REFUSED);
	assert_int_equal(
	    check_at("https://c.org", "https", "c.org", allowed), PL_ORIGIN_SAME);
}

static void
a_bad_host_is_never_the_same(void **state)
{
	(void)state;
	assert_int_equal(check_at("https://", "https", "", ""), PL_ORIGIN_REFUSED);
	assert_int_equal(check_at("https://a", "https", NULL, ""), PL_ORIGIN_REFUSED);
	assert_int_equal(check_at("https://a", "https", "a, b", ""), PL_ORIGIN_REFUSED);
	assert_int_equal(check_at("https://a", "", "a", ""), PL_ORIGIN_REFUSED);
	assert_int_equal(check_at("https://a", "https", "a:x", ""), PL_ORIGIN_REFUSED);
}

static void
a_list_is_good_where_each_entry_is_an_origin(void **state)
{
	static const char *const good[] = {"", "https://a.org",
	    "https://a.org:8443, http://b", "capacitor://localhost", "https://a.org,"};
	static const char *const bad[] = {"*", "null", "a.org", "https://a.org/",
	    "https://a.org/x", "https://a.org https://b.org",
	    "https://a.org;https://b.org", "https://a.org,b.org", "https://*.a.org",
	    "https://a.org:70000"};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(pl_http_origin_list_is_good(pl_str(good[i])));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(pl_http_origin_list_is_good(pl_str(bad[i])));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(no_origin_is_not_a_browser),
	    cmocka_unit_test(our_own_origin_is_the_same),
	    cmocka_unit_test(listed_origins_are_listed_and_exact),
	    cmocka_unit_test(an_app_scheme_matches_its_entry_only),
	    cmocka_unit_test(refuses_foreign_origins),
	    cmocka_unit_test(refuses_what_is_not_an_origin),
	    cmocka_unit_test(refuses_two_origins_even_when_both_are_good),
	    cmocka_unit_test(cve_2020_28481_a_star_or_null_in_the_list_opens_nothing),
	    cmocka_unit_test(a_bad_host_is_never_the_same),
	    cmocka_unit_test(a_list_is_good_where_each_entry_is_an_origin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
