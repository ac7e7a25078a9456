#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "session/revoked.h"

#define HOUR_S 3600

struct fixture {
	struct pl_revoked set;
	struct pl_oid user;
	int64_t now_s;
};

static int
setup(void **state)
{
	static struct fixture f;

	pl_revoked_init(&f.set);
	pl_oid_new(&f.user);
	f.now_s = pl_clock_unix_ms() / 1000;
	*state = &f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	pl_revoked_fini(&f->set);
	return 0;
}

static struct pl_jwt_claims
token(const struct fixture *f, uint8_t name, int64_t age_s)
{
	struct pl_jwt_claims claims = {.user = f->user,
	    .issued_unix_s = f->now_s - age_s,
	    .expires_unix_s = f->now_s - age_s + HOUR_S};

	memset(claims.token_id, name, sizeof(claims.token_id));
	return claims;
}

static void
a_token_is_new_once(void **state)
{
	struct fixture *f = *state;
	struct pl_jwt_claims one = token(f, 1, 0), other = token(f, 2, 0);
	struct pl_revocation r;

	pl_revocation_of_token(&r, &one);
	assert_false(pl_revoked_has(&f->set, &one));
	assert_true(pl_revoked_add(&f->set, &r));
	assert_false(pl_revoked_add(&f->set, &r));
	assert_true(pl_revoked_has(&f->set, &one));
	assert_false(pl_revoked_has(&f->set, &other));
	assert_int_equal(pl_revoked_valid_after(&f->set, &f->user), 0);
}

static void
of_a_users_times_the_last_counts_in_any_order(void **state)
{
	struct fixture *f = *state;
	struct pl_jwt_claims old = token(f, 1, 100), fresh = token(f, 2, 10);
	struct pl_revocation first, last;

	pl_revocation_of_all(&first, &f->user, f->now_s - 50);
	pl_revocation_of_all(&last, &f->user, f->now_s);
	assert_true(pl_revoked_add(&f->set, &first));
	assert_true(pl_revoked_has(&f->set, &old));
	assert_false(pl_revoked_has(&f->set, &fresh));
	assert_true(pl_revoked_add(&f->set, &last));
	assert_true(pl_revoked_has(&f->set, &fresh));
	assert_false(pl_revoked_add(&f->set, &first)); /* late, and no step back */
	assert_true(pl_revoked_has(&f->set, &fresh));
	assert_int_equal(pl_revoked_valid_after(&f->set, &f->user), f->now_s);
}

static void
takes_none_that_expired_and_drops_those_that_did(void **state)
{
	struct fixture *f = *state;
	struct pl_jwt_claims gone = token(f, 1, 2 * HOUR_S), good = token(f, 2, 0);
	struct pl_revocation r, all;

	pl_revocation_of_token(&r, &gone);
	assert_false(pl_revoked_add(&f->set, &r));
	pl_revocation_of_token(&r, &good);
	assert_true(pl_revoked_add(&f->set, &r));
	pl_revocation_of_all(&all, &f->user, f->now_s);
	assert_true(pl_revoked_add(&f->set, &all));
	pl_revoked_forget(&f->set, f->now_s + HOUR_S);
	assert_true(
	    pl_revoked_has(&f->set, &good)); /* it is good to the end of that second */
	pl_revoked_forget(&f->set, f->now_s + HOUR_S + 1);
	assert_false(pl_revoked_has(&f->set, &good));
	assert_int_equal(pl_revoked_valid_after(&f->set, &f->user), f->now_s);
	pl_revoked_forget(&f->set, f->now_s + PL_REVOCATION_ALL_LIFE_S + 1);
	assert_int_equal(pl_revoked_valid_after(&f->set, &f->user), 0);
}

int
main(void)
{
#define TEST(name_) cmocka_unit_test_setup_teardown(name_, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(a_token_is_new_once),
	    TEST(of_a_users_times_the_last_counts_in_any_order),
	    TEST(takes_none_that_expired_and_drops_those_that_did),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
