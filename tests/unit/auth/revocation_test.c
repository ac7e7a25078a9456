#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "auth/revocation.h"

#define NOW 1700000000

static struct pl_jwt_claims
claims_of(const struct pl_oid *user, int64_t issued_unix_s, uint8_t name)
{
	struct pl_jwt_claims claims = {.user = *user,
	    .issued_unix_s = issued_unix_s,
	    .expires_unix_s = issued_unix_s + 10};

	memset(claims.token_id, name, sizeof(claims.token_id));
	return claims;
}

static void
of_a_token_names_that_one_alone(void **state)
{
	struct pl_oid user = {.bytes = {1, 2, 3}};
	struct pl_jwt_claims one = claims_of(&user, NOW, 8),
			     other = claims_of(&user, NOW, 9);
	struct pl_revocation r;
	int64_t before;

	(void)state;
	pl_revocation_of_token(&r, &one);
	assert_false(pl_revocation_is_of_all(&r, &before));
	assert_int_equal(r.expires_unix_s, NOW + 10);
	assert_true(pl_revocation_names(&r, &one));
	assert_false(pl_revocation_names(&r, &other));
}

static void
of_all_names_those_from_before_of_that_user(void **state)
{
	struct pl_oid user = {.bytes = {1, 2, 3}}, other = {.bytes = {1, 2, 4}};
	struct pl_jwt_claims old = claims_of(&user, NOW - 1, 8),
			     fresh = claims_of(&user, NOW, 8),
			     another = claims_of(&other, NOW - 1, 8);
	struct pl_revocation r;

	(void)state;
	pl_revocation_of_all(&r, &user, NOW);
	assert_true(pl_revocation_names(&r, &old));
	assert_false(pl_revocation_names(&r, &fresh));
	assert_false(pl_revocation_names(&r, &another));
	assert_int_equal(r.expires_unix_s, NOW + PL_REVOCATION_ALL_LIFE_S);
}

static void
of_unlisted_names_those_that_no_list_has_alone(void **state)
{
	struct pl_oid user = {.bytes = {1, 2, 3}}, other = {.bytes = {1, 2, 4}};
	struct pl_jwt_claims old = claims_of(&user, NOW - 1, 8),
			     fresh = claims_of(&user, NOW, 8),
			     another = claims_of(&other, NOW - 1, 8), listed = old;
	uint8_t first[PL_JWT_ID_LEN];
	struct pl_revocation r, earlier;
	int64_t before;

	(void)state;
	listed.is_listed = true;
	pl_revocation_of_unlisted(&r, &user, NOW);
	assert_true(pl_revocation_names(&r, &old));
	assert_false(pl_revocation_names(&r, &listed));
	assert_false(pl_revocation_names(&r, &fresh));
	assert_false(pl_revocation_names(&r, &another));
	assert_true(pl_revocation_is_of_unlisted(&r, &before));
	assert_int_equal(before, NOW);
	assert_false(pl_revocation_is_of_all(&r, &before));
	assert_false(pl_revocation_is_of_key(&r));
	pl_revocation_of_unlisted(&earlier, &user, NOW - 1);
	assert_true(pl_revocation_replaces(&r, first));
	assert_true(memcmp(first, earlier.token_id, sizeof(first)) <= 0);
	assert_true(memcmp(earlier.token_id, r.token_id, sizeof(first)) < 0);
	pl_revocation_of_all(&earlier, &user, NOW - 1);
	assert_false(memcmp(first, earlier.token_id, sizeof(first)) <= 0 &&
		     memcmp(earlier.token_id, r.token_id, sizeof(first)) < 0);
	pl_revocation_of_token(&r, &old);
	assert_false(pl_revocation_replaces(&r, first));
}

static void
of_all_gives_its_time_back(void **state)
{
	static const int64_t times[] = {0, 1, 255, 256, NOW, INT32_MAX, UINT32_MAX};
	struct pl_oid user = {.bytes = {255, 0, 255}};
	struct pl_revocation r;
	int64_t before;

	(void)state;
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		pl_revocation_of_all(&r, &user, times[i]);
		assert_true(pl_revocation_is_of_all(&r, &before));
		assert_int_equal(before, times[i]);
	}
}

static void
of_a_secret_is_of_no_token_and_no_user(void **state)
{
	struct pl_jwt_claims claims = {.issued_unix_s = NOW, .expires_unix_s = NOW};
	struct pl_revocation r, other;
	int64_t before;

	(void)state;
	pl_revocation_of_key(&r, "0123abcd");
	assert_true(pl_revocation_is_of_key(&r));
	assert_memory_equal(r.token_id, "parleyke0123abcd", PL_JWT_ID_LEN);
	assert_false(pl_revocation_is_of_all(&r, &before));
	assert_false(pl_revocation_names(&r, &claims));
	pl_revocation_of_key(&other, "0123abce");
	assert_memory_not_equal(r.token_id, other.token_id, PL_JWT_ID_LEN);
	pl_revocation_of_token(&other, &claims);
	assert_false(pl_revocation_is_of_key(&other));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(of_a_token_names_that_one_alone),
	    cmocka_unit_test(of_all_names_those_from_before_of_that_user),
	    cmocka_unit_test(of_unlisted_names_those_that_no_list_has_alone),
	    cmocka_unit_test(of_all_gives_its_time_back),
	    cmocka_unit_test(of_a_secret_is_of_no_token_and_no_user),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
