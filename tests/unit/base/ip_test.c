#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/ip.h"

static struct pl_ip
parsed(const char *text)
{
	struct pl_ip ip;

	assert_true(pl_ip_parse(pl_str(text), &ip));
	return ip;
}

static void
refused(struct pl_str text)
{
	struct pl_ip ip = {.len = 99};

	assert_false(pl_ip_parse(text, &ip));
	assert_int_equal(ip.len, 99);
}

static void
reads_both_versions(void **state)
{
	struct pl_ip ip = parsed("192.0.2.7");

	(void)state;
	assert_int_equal(ip.len, 4);
	assert_memory_equal(ip.bytes, "\xc0\0\x02\x07", 4);
	ip = parsed("2001:DB8::7");
	assert_int_equal(ip.len, 16);
	assert_memory_equal(ip.bytes, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07", 16);
	ip = parsed("1111:2222:3333:4444:5555:6666:255.255.255.255"); /* the longest */
	assert_int_equal(ip.len, 16);
}

static void
ipv4_in_ipv6_form_is_ipv4(void **state)
{
	static const char *const forms[] = {"::ffff:192.0.2.7", "::FFFF:192.0.2.7",
	    "::ffff:c000:207", "0:0:0:0:0:ffff:192.0.2.7",
	    "0000:0000:0000:0000:0000:ffff:c000:0207"};
	struct pl_ip v4 = parsed("192.0.2.7");

	(void)state;
	for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
		struct pl_ip ip = parsed(forms[i]);

		assert_memory_equal(&ip, &v4, sizeof(ip));
	}
	/* Others that hold four bytes are networks of their own (RFC 4291, RFC 6052). */
	assert_int_equal(parsed("::192.0.2.7").len, 16);
	assert_int_equal(parsed("64:ff9b::192.0.2.7").len, 16);
	assert_int_equal(parsed("::fffe:192.0.2.7").len, 16);
}

static void
knows_this_machine_and_all_of_it(void **state)
{
	static const char *const loopback[] = {
	    "127.0.0.1", "127.255.0.3", "::1", "::ffff:127.0.0.1"};
	static const char *const any[] = {"0.0.0.0", "::", "::ffff:0.0.0.0"};
	struct pl_ip ip;

	(void)state;
	for (size_t i = 0; i < sizeof(loopback) / sizeof(*loopback); i++) {
		ip = parsed(loopback[i]);
		assert_true(pl_ip_is_loopback(&ip));
		assert_false(pl_ip_is_any(&ip));
	}
	for (size_t i = 0; i < sizeof(any) / sizeof(*any); i++) {
		ip = parsed(any[i]);
		assert_false(pl_ip_is_loopback(&ip));
		assert_true(pl_ip_is_any(&ip));
	}
	ip = parsed("128.0.0.1");
	assert_false(pl_ip_is_loopback(&ip));
	ip = parsed("::2");
	assert_false(pl_ip_is_loopback(&ip));
	ip = parsed("1::1");
	assert_false(pl_ip_is_loopback(&ip));
}

static void
refuses_what_is_no_address(void **state)
{
	static const char *const texts[] = {"", "1.2.3", "1.2.3.4.5", "1.2.3.256",
	    "192.0.2.007", "0x7f.0.0.1", " 1.2.3.4", "1.2.3.4 ", "1.2.3.4:80", "[::1]",
	    "fe80::1%eth0", "::1/128", ":::", "1::2::3", "::ffff:1.2.3",
	    "12345::", "localhost",
	    "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc:dddd:eeee"};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		refused(pl_str(texts[i]));
	refused(PL_STR_NONE);
	refused(PL_STR("1.2.3.4\0evil"));
	refused(PL_STR("::1\0"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_both_versions),
	    cmocka_unit_test(ipv4_in_ipv6_form_is_ipv4),
	    cmocka_unit_test(knows_this_machine_and_all_of_it),
	    cmocka_unit_test(refuses_what_is_no_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
