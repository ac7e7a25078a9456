#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "base/mem.h"
#include "services/auth/login_limits.h"
#include "support/fake/http.h"
#include "support/fake_loop.h"

#define NOT_YET INT64_MIN

/* A login that asks; outcome is its wait, or NOT_YET. */
struct
try {
	struct auth_try try;
	int64_t outcome;
};

static void
on_answer(void *arg, int64_t wait_ms)
{
	struct try *t = arg;

	assert_true(t->outcome == NOT_YET);
	t->outcome = wait_ms;
	if (wait_ms == AUTH_LIMITS_LATE)
		auth_try_end(&t->try, AUTH_TRY_NEITHER);
}

static enum pl_err
begin(struct try *t, const char *address, const char *username)
{
	struct fake_request *r = fake_request_from(address, "");
	enum pl_err err;

	t->outcome = NOT_YET;
	err = auth_try_begin(&t->try, &r->rq, pl_str(username), on_answer, t);
	fake_request_free(r);
	return err;
}

static void
start(int64_t by_address, int64_t by_account)
{
	pl_settings = (struct pl_settings){
	    .limit_login_address = by_address, .limit_login_account = by_account};
	auth_limits_start();
}

static int
setup(void **state)
{
	*state = fake_loop_new();
	pl_app = (struct pl_app){.loop = *state};
	return 0;
}

static int
teardown(void **state)
{
	auth_limits_stop();
	fake_loop_free(*state);
	return 0;
}

static void
check_one(const char *address, const char *username, bool is_allowed)
{
	struct try t;

	assert_int_equal(begin(&t, address, username), PL_OK);
	assert_true(is_allowed ? t.outcome == 0 : t.outcome > 0);
	auth_try_end(&t.try, AUTH_TRY_WRONG);
}

static void
logins_of_one_address_pass_one_after_the_other_in_order(void **state)
{
	struct try tries[3], other;

	(void)state;
	start(100, 100);
	for (int i = 0; i < 3; i++)
		assert_int_equal(begin(&tries[i], "192.0.2.1", "ann"), PL_OK);
	assert_int_equal(begin(&other, "192.0.2.2", "ann"), PL_OK);
	assert_int_equal(other.outcome, 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(tries[i].outcome, 0);
		if (i < 2)
			assert_true(tries[i + 1].outcome == NOT_YET);
		auth_try_end(&tries[i].try, i == 0 ? AUTH_TRY_WRONG : AUTH_TRY_NEITHER);
	}
	auth_try_end(&other.try, AUTH_TRY_NEITHER);
}

static void
who_has_waited_too_long_is_told_so_and_the_next_one_passes(void **state)
{
	struct try first, late, next;

	start(100, 100);
	assert_int_equal(begin(&first, "192.0.2.1", "ann"), PL_OK);
	assert_int_equal(begin(&late, "192.0.2.1", "ann"), PL_OK);
	fake_loop_advance(*state, 1);
	assert_int_equal(begin(&next, "192.0.2.1", "ann"), PL_OK);
	fake_loop_advance(*state, AUTH_LIMITS_WAIT_MS);
	auth_try_end(&first.try, AUTH_TRY_NEITHER);
	assert_int_equal(late.outcome, AUTH_LIMITS_LATE);
	assert_int_equal(next.outcome, 0);
	auth_try_end(&next.try, AUTH_TRY_NEITHER);
}

static void
at_most_64_wait_over_all_addresses(void **state)
{
	struct try first[2], waiting[AUTH_LIMITS_WAITING_MAX], more;

	(void)state;
	start(1000, 1000);
	assert_int_equal(begin(&first[0], "192.0.2.1", "ann"), PL_OK);
	assert_int_equal(begin(&first[1], "192.0.2.2", "ann"), PL_OK);
	for (int i = 0; i < AUTH_LIMITS_WAITING_MAX; i++)
		assert_int_equal(
		    begin(&waiting[i], i % 2 == 0 ? "192.0.2.1" : "192.0.2.2", "ann"),
		    PL_OK);
	assert_int_equal(begin(&more, "192.0.2.1", "ann"), PL_E_BUSY);
	/* one who need not wait passes */
	check_one("192.0.2.3", "ann", true);
	auth_try_end(&first[0].try, AUTH_TRY_NEITHER);
	assert_int_equal(begin(&more, "192.0.2.2", "ann"), PL_OK);
	auth_try_end(&first[1].try, AUTH_TRY_NEITHER);
	for (int i = 0; i < AUTH_LIMITS_WAITING_MAX; i++)
		auth_try_end(&waiting[i].try, AUTH_TRY_NEITHER);
	auth_try_end(&more.try, AUTH_TRY_NEITHER);
}

static void
counts_failures_of_an_ipv6_network_together(void **state)
{
	(void)state;
	start(2, 100);
	check_one("2001:db8:0:1::1", "ann", true);
	check_one("2001:db8:0:1::2", "bob", true);
	check_one("2001:db8:0:1::3", "eve", false);
	check_one("2001:db8:0:2::1", "ann", true);
}

static void
a_refused_login_does_not_make_the_wait_longer(void **state)
{
	struct try t;
	int64_t wait_ms;

	start(1, 100);
	check_one("192.0.2.1", "ann", true);
	assert_int_equal(begin(&t, "192.0.2.1", "ann"), PL_OK);
	wait_ms = t.outcome;
	assert_in_range(wait_ms, 1, 15 * 60 * 1000);
	auth_try_end(&t.try, AUTH_TRY_NEITHER);
	fake_loop_advance(*state, wait_ms - 1);
	check_one("192.0.2.1", "ann", false);
	fake_loop_advance(*state, 15 * 60 * 1000);
	check_one("192.0.2.1", "ann", true);
}

static void
nothing_waits_once_both_limits_are_lifted(void **state)
{
	struct try tries[3];

	(void)state;
	start(0, 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(begin(&tries[i], "192.0.2.1", "ann"), PL_OK);
		assert_int_equal(tries[i].outcome, 0);
	}
	for (int i = 0; i < 3; i++)
		auth_try_end(&tries[i].try, AUTH_TRY_WRONG);
}

static void
a_limit_of_one_lets_one_by(void **state)
{
	(void)state;
	start(0, 1); /* half of it, and at least one */
	check_one("192.0.2.1", "ann", true);
	check_one("192.0.2.1", "ann", false);
	check_one("192.0.2.1", "bob", true);
}

/* A whole sign-up, which names no account; its wait. */
static int64_t
sign_up(const char *address)
{
	struct try t;

	assert_int_equal(begin(&t, address, ""), PL_OK);
	auth_try_end(&t.try, AUTH_TRY_NEITHER);
	return t.outcome;
}

static void
signups_and_failed_logins_of_an_address_count_together(void **state)
{
	(void)state;
	start(3, 100);
	assert_int_equal(sign_up("192.0.2.1"), 0);
	check_one("192.0.2.1", "ann", true);
	assert_int_equal(sign_up("192.0.2.1"), 0);
	assert_true(sign_up("192.0.2.1") > 0);
	check_one("192.0.2.1", "bob", false);
	assert_int_equal(sign_up("192.0.2.2"), 0);
}

static void
a_signup_waits_for_the_login_before_it_and_the_next_login_for_it(void **state)
{
	struct try login, signup, next;

	(void)state;
	start(100, 100);
	assert_int_equal(begin(&login, "192.0.2.1", "ann"), PL_OK);
	assert_int_equal(begin(&signup, "192.0.2.1", ""), PL_OK);
	assert_int_equal(begin(&next, "192.0.2.1", "ann"), PL_OK);
	assert_true(signup.outcome == NOT_YET);
	auth_try_end(&login.try, AUTH_TRY_WRONG);
	assert_int_equal(signup.outcome, 0);
	assert_true(next.outcome == NOT_YET);
	auth_try_end(&signup.try, AUTH_TRY_NEITHER);
	assert_int_equal(next.outcome, 0);
	auth_try_end(&next.try, AUTH_TRY_NEITHER);
}

/* Two addresses may share a bucket, so some that sign up a fourth time are refused
 * before. */
static void
signups_of_all_addresses_have_a_limit_that_logins_do_not_count_in(void **state)
{
	const int all = 10 * AUTH_LIMITS_SIGNUPS;
	char address[32];
	int count = 0;

	(void)state;
	start(10, 100);
	for (int i = 0; i < all + 100 && count < all; i++) {
		(void)snprintf(address, sizeof(address), "198.51.100.%d", i % 250);
		count += sign_up(address) == 0;
	}
	assert_int_equal(count, all);
	assert_in_range(sign_up("192.0.2.1"), 1, 15 * 60 * 1000 / all);
	check_one("192.0.2.2", "ann", true);
}

static void
right_logins_of_an_address_to_an_account_have_a_limit_of_their_own(void **state)
{
	struct try t;

	(void)state;
	start(2, 2);
	for (int i = 0; i < 2 * AUTH_LIMITS_RIGHT; i++) {
		assert_int_equal(begin(&t, "192.0.2.1", "ann"), PL_OK);
		assert_int_equal(t.outcome, 0);
		auth_try_end(&t.try, AUTH_TRY_RIGHT);
	}
	check_one("192.0.2.1", "ann", false);
	check_one("192.0.2.2", "ann", true);
	check_one("192.0.2.1", "bob", true);
}

#define LOOP_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    LOOP_TEST(logins_of_one_address_pass_one_after_the_other_in_order),
	    LOOP_TEST(who_has_waited_too_long_is_told_so_and_the_next_one_passes),
	    LOOP_TEST(at_most_64_wait_over_all_addresses),
	    LOOP_TEST(counts_failures_of_an_ipv6_network_together),
	    LOOP_TEST(a_refused_login_does_not_make_the_wait_longer),
	    LOOP_TEST(nothing_waits_once_both_limits_are_lifted),
	    LOOP_TEST(a_limit_of_one_lets_one_by),
	    LOOP_TEST(signups_and_failed_logins_of_an_address_count_together),
	    LOOP_TEST(a_signup_waits_for_the_login_before_it_and_the_next_login_for_it),
	    LOOP_TEST(signups_of_all_addresses_have_a_limit_that_logins_do_not_count_in),
	    LOOP_TEST(right_logins_of_an_address_to_an_account_have_a_limit_of_their_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
