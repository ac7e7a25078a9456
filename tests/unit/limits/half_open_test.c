#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "support/fake_loop.h"
#include "limits/half_open.h"

static struct pl_loop *loop;
static struct pl_half_open_table table;
static struct pl_half_open sessions[PL_HALF_OPEN_ALL_MAX + 10];
static unsigned given_up;

static void
on_too_many(struct pl_half_open *h)
{
	given_up++;
	pl_half_open_leave(&table, h);
}

static int
setup(void **state)
{
	(void)state;
	loop = fake_loop_new();
	given_up = 0;
	memset(sessions, 0, sizeof(sessions));
	pl_half_open_table_init(&table, loop, on_too_many);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(sessions) / sizeof(*sessions); i++)
		pl_half_open_leave(&table, &sessions[i]);
	assert_int_equal(table.addresses.count, 0);
	assert_int_equal(table.counted, 0);
	pl_half_open_table_fini(&table);
	fake_loop_free(loop);
	return 0;
}

static void
enter(size_t from, size_t count, const char *address)
{
	for (size_t i = from; i < from + count; i++)
		pl_half_open_enter(&table, &sessions[i], pl_str(address));
}

static void
an_address_keeps_fifty_that_are_older_than_five_seconds(void **state)
{
	(void)state;
	enter(0, 120, "192.0.2.1");
	enter(120, 50, "192.0.2.2");
	fake_loop_advance(loop, PL_HALF_OPEN_AFTER_MS - 1);
	assert_int_equal(given_up, 0);
	fake_loop_advance(loop, 1);
	assert_int_equal(given_up, 70);
	assert_int_equal(table.addresses.count, 2);
}

static void
one_that_holds_bytes_counts_at_once(void **state)
{
	(void)state;
	enter(0, 120, "192.0.2.1");
	for (size_t i = 0; i < 50; i++)
		pl_half_open_count(&table, &sessions[i]);
	pl_half_open_count(&table, &sessions[0]);
	assert_int_equal(given_up, 0);
	pl_half_open_count(&table, &sessions[50]);
	assert_int_equal(given_up, 1);
	pl_half_open_leave(&table, &sessions[0]);
	pl_half_open_count(&table, &sessions[51]);
	assert_int_equal(given_up, 1);
	pl_half_open_count(&table, &sessions[PL_HALF_OPEN_ALL_MAX]); /* never in */
	fake_loop_advance(loop, PL_HALF_OPEN_AFTER_MS);
	assert_int_equal(given_up, 1 + 68);
}

static void
many_addresses_together_keep_two_thousand(void **state)
{
	size_t count = PL_HALF_OPEN_ALL_MAX + 10;

	(void)state;
	for (size_t i = 0; i < count; i++) {
		char address[40];

		snprintf(address, sizeof(address), "192.0.%zu.%zu", i / 100, i % 100);
		enter(i, 1, address);
		pl_half_open_count(&table, &sessions[i]);
	}
	assert_int_equal(given_up, 10);
	pl_half_open_leave(&table, &sessions[0]);
	enter(count - 1, 1, "192.0.2.1");
	fake_loop_advance(loop, PL_HALF_OPEN_AFTER_MS);
	assert_int_equal(given_up, 10);
}

static void
those_that_connect_in_time_do_not_count(void **state)
{
	(void)state;
	enter(0, 60, "192.0.2.1");
	for (size_t i = 0; i < 20; i++)
		pl_half_open_leave(&table, &sessions[i]);
	fake_loop_advance(loop, 2 * PL_HALF_OPEN_AFTER_MS);
	assert_int_equal(given_up, 0);
	enter(0, 20, "192.0.2.1");
	fake_loop_advance(loop, PL_HALF_OPEN_AFTER_MS);
	assert_int_equal(given_up, 10);
}

static void
who_leaves_makes_room(void **state)
{
	(void)state;
	enter(0, 50, "192.0.2.1");
	fake_loop_advance(loop, PL_HALF_OPEN_AFTER_MS);
	for (size_t i = 0; i < 30; i++)
		pl_half_open_leave(&table, &sessions[i]);
	enter(0, 30, "192.0.2.1");
	fake_loop_advance(loop, PL_HALF_OPEN_AFTER_MS);
	assert_int_equal(given_up, 0);
}

static void
each_has_its_own_five_seconds(void **state)
{
	(void)state;
	enter(0, 50, "192.0.2.1");
	fake_loop_advance(loop, 3000);
	enter(50, 5, "192.0.2.1");
	fake_loop_advance(loop, 4999);
	assert_int_equal(given_up, 0);
	fake_loop_advance(loop, 1);
	assert_int_equal(given_up, 5);
}

static void
an_ipv6_address_goes_by_its_64(void **state)
{
	(void)state;
	for (size_t i = 0; i < 60; i++) {
		char address[40];

		snprintf(address, sizeof(address), "2001:db8::%zx:1", i);
		pl_half_open_enter(&table, &sessions[i], pl_str(address));
	}
	enter(60, 40, "2001:db8:0:1::1");
	assert_int_equal(table.addresses.count, 2);
	fake_loop_advance(loop, PL_HALF_OPEN_AFTER_MS);
	assert_int_equal(given_up, 10);
}

/* As a limit of logins counts it (limits/address): not all of IPv4 as one IPv6 network. */
static void
an_ipv4_address_in_ipv6_form_is_that_ipv4_address(void **state)
{
	(void)state;
	enter(0, 30, "192.0.2.1");
	enter(30, 30, "::ffff:192.0.2.1");
	enter(60, 50, "::ffff:192.0.2.2");
	enter(110, 50, "::ffff:c000:203"); /* 192.0.2.3 */
	enter(160, 10, "192.0.2.3");
	assert_int_equal(table.addresses.count, 3);
	fake_loop_advance(loop, PL_HALF_OPEN_AFTER_MS);
	assert_int_equal(given_up, 10 + 0 + 10);
}

static void
an_address_that_is_none_is_counted_like_any(void **state)
{
	char text[100];

	(void)state;
	memset(text, '1', sizeof(text));
	for (size_t i = 0; i < 60; i++)
		pl_half_open_enter(&table, &sessions[i], pl_str_n(text, 50 + i % 50));
	assert_int_equal(table.addresses.count, 1);
	fake_loop_advance(loop, PL_HALF_OPEN_AFTER_MS);
	assert_int_equal(given_up, 10);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(an_address_keeps_fifty_that_are_older_than_five_seconds),
	    TEST(one_that_holds_bytes_counts_at_once),
	    TEST(many_addresses_together_keep_two_thousand),
	    TEST(those_that_connect_in_time_do_not_count),
	    TEST(who_leaves_makes_room),
	    TEST(each_has_its_own_five_seconds),
	    TEST(an_ipv6_address_goes_by_its_64),
	    TEST(an_ipv4_address_in_ipv6_form_is_that_ipv4_address),
	    TEST(an_address_that_is_none_is_counted_like_any),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
