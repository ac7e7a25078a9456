#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "limits/address.h"

static void
check(const char *address, const char *group)
{
	char out[PL_ADDRESS_GROUP_MAX];

	pl_address_group(pl_str(address), out);
	assert_string_equal(out, group);
}

static void
an_ipv4_address_counts_alone(void **state)
{
	(void)state;
	check("192.0.2.7", "192.0.2.7");
	check("::ffff:192.0.2.7", "192.0.2.7");
	check("::FFFF:c000:207", "192.0.2.7");
}

static void
an_ipv6_address_counts_with_its_64(void **state)
{
	(void)state;
	check("2001:db8:0:1:aaaa:bbbb:cccc:dddd", "2001:db8:0:1::/64");
	check("2001:DB8:0:1::7", "2001:db8:0:1::/64");
	check("2001:db8:0:2::7", "2001:db8:0:2::/64");
	check("::1", "::/64");
}

static void
anything_else_is_one_group(void **state)
{
	(void)state;
	check("", "unknown");
	check("192.0.2.7, 1.2.3.4", "unknown");
	check("192.0.2.007.1", "unknown");
	check("evil\r\nkey", "unknown");
	check("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	      "aa",
	    "unknown");
	check(NULL, "unknown");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_ipv4_address_counts_alone),
	    cmocka_unit_test(an_ipv6_address_counts_with_its_64),
	    cmocka_unit_test(anything_else_is_one_group),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
