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

/* Of the token of that name, which was listed. */
static struct pl_revocation
add_listed(struct fixture *f, uint8_t name, int64_t age_s)
{
	struct pl_jwt_claims claims = token(f, name, age_s);
	struct pl_revocation r;

	claims.is_listed = true;
	claims.expires_unix_s = claims.issued_unix_s + PL_JWT_LIFETIME_S;
	pl_revocation_of_token(&r, &claims);
	(void)pl_revoked_add(&f->set, &r);
	return r;
}

static bool
has(const struct fixture *f, uint8_t name, int64_t age_s)
{
	struct pl_jwt_claims claims = token(f, name, age_s);

	claims.is_listed = true;
	return pl_revoked_has(&f->set, &claims);
}

static void
what_was_merged_goes_and_is_refused_still(void **state)
{
	struct fixture *f = *state;
	struct pl_session_list list;
	struct pl_session live = {.issued_unix_s = f->now_s - 500};
	struct pl_revocation left, mern;
	uint64_t clock;

	memset(live.token_id, 77, sizeof(live.token_id));
	for (uint8_t i = 0; i < 10; i++)
		add_listed(f, i, 300 - i);
	left = add_listed(f, 10, 10);
	mern = add_listed(f, 11, 5); /* of no list: the store gives it, too */
	clock = f->set.clock;
	add_listed(f, 12, 0); /* told by the bus after the store was asked */
	assert_int_equal(f->set.tokens.count, 13);

	pl_session_list_init(&list, &f->user);
	list.before_unix_s = f->now_s - 200;
	assert_false(pl_session_list_add(&list, &live, &live));
	assert_true(pl_revoked_merge(&f->set, &list, clock));
	assert_false(pl_revoked_add(&f->set, &left));
	assert_false(pl_revoked_add(&f->set, &mern));
	pl_revoked_settle(&f->set, &f->user);
	assert_int_equal(f->set.tokens.count, 3);
	for (uint8_t i = 0; i < 10; i++)
		assert_true(has(f, i, 300 - i));
	for (uint8_t i = 10; i < 13; i++)
		assert_true(has(f, i, 100));
	assert_false(has(f, 77, 500)); /* who is in stays in */
	assert_true(has(f, 78, 500));
	assert_false(has(f, 78, 200));
	assert_false(pl_revoked_merge(&f->set, &list, f->set.clock)); /* no news */
	pl_revoked_settle(&f->set, &f->user);
	assert_int_equal(f->set.tokens.count, 0);
	pl_revoked_forget(&f->set, f->now_s + PL_JWT_LIFETIME_S);
	assert_int_equal(f->set.users.count, 0);
	pl_revoked_settle(&f->set, &f->user); /* of nobody: nothing */
	assert_int_equal(f->set.users.count, 0);
}

static void
what_no_list_has_is_refused_until_a_time(void **state)
{
	struct fixture *f = *state;
	struct pl_jwt_claims mern = token(f, 1, 100), late = token(f, 2, 0),
			     listed = mern;
	struct pl_revocation r, earlier;

	listed.is_listed = true;
	pl_revocation_of_unlisted(&r, &f->user, f->now_s - 50);
	pl_revocation_of_unlisted(&earlier, &f->user, f->now_s - 200);
	assert_true(pl_revoked_add(&f->set, &r));
	assert_false(pl_revoked_add(&f->set, &r));
	assert_false(pl_revoked_add(&f->set, &earlier));
	assert_true(pl_revoked_has(&f->set, &mern));
	assert_false(pl_revoked_has(&f->set, &listed));
	assert_false(pl_revoked_has(&f->set, &late));
	assert_int_equal(pl_revoked_valid_after(&f->set, &f->user), f->now_s - 50);
	pl_revoked_forget(&f->set, f->now_s);
	assert_true(pl_revoked_has(&f->set, &mern));
	pl_revoked_forget(&f->set, f->now_s + PL_REVOCATION_ALL_LIFE_S);
	assert_int_equal(f->set.users.count, 0);
}

static void
says_when_a_user_has_too_many(void **state)
{
	struct fixture *f = *state;
	struct pl_session_list list;

	for (int i = 0; i < PL_REVOCATIONS_MAX; i++)
		add_listed(f, (uint8_t)i, 0);
	assert_false(pl_revoked_is_crowded(&f->set));
	add_listed(f, PL_REVOCATIONS_MAX, 0);
	assert_true(pl_revoked_is_crowded(&f->set));
	assert_false(pl_revoked_is_crowded(&f->set));
	for (int i = 1; i <= PL_REVOCATIONS_LEFT; i++)
		add_listed(f, (uint8_t)(PL_REVOCATIONS_MAX + i), 0);
	assert_false(pl_revoked_is_crowded(&f->set));
	add_listed(f, PL_REVOCATIONS_MAX + PL_REVOCATIONS_LEFT + 1, 0);
	assert_true(pl_revoked_is_crowded(&f->set));
	pl_session_list_init(&list, &f->user);
	list.before_unix_s = f->now_s + 1;
	assert_true(pl_revoked_merge(&f->set, &list, f->set.clock));
	pl_revoked_settle(&f->set, &f->user);
	assert_int_equal(f->set.tokens.count, 0);
	for (int i = 0; i < PL_REVOCATIONS_MAX; i++)
		add_listed(f, (uint8_t)i, 0);
	assert_false(pl_revoked_is_crowded(&f->set));
}

int
main(void)
{
#define TEST(name_) cmocka_unit_test_setup_teardown(name_, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(a_token_is_new_once),
	    TEST(of_a_users_times_the_last_counts_in_any_order),
	    TEST(takes_none_that_expired_and_drops_those_that_did),
	    TEST(what_was_merged_goes_and_is_refused_still),
	    TEST(what_no_list_has_is_refused_until_a_time),
	    TEST(says_when_a_user_has_too_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
