#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "auth/known_tokens.h"
#include "base/mem.h"

#define NOW    1769862896
#define SECRET "0123456789abcdefghijklmnopqrstuvwxyz-_"
#define OTHER  "zyxwvutsrqponmlkjihgfedcba9876543210-_"

static void
use_secret(const char *secret)
{
	const char *why = "";

	assert_int_equal(pl_jwt_init(secret, NULL, &why), PL_OK);
}

/* A token of user number n; borrowed until the next. */
static struct pl_str
token_of(unsigned n, struct pl_jwt_claims *claims)
{
	static char text[PL_JWT_BYTES_MAX + 1];
	struct pl_oid user = {{0}};
	struct pl_buf b;

	memcpy(&user, &n, sizeof(n));
	pl_buf_init(&b, PL_JWT_BYTES_MAX);
	assert_int_equal(pl_jwt_sign(&user, NOW, &b, claims), PL_OK);
	memcpy(text, b.data, b.len);
	text[b.len] = '\0';
	pl_buf_fini(&b);
	return pl_str(text);
}

static void
test_says_the_same_again(void **state)
{
	struct pl_known_tokens *k = pl_known_tokens_new();
	struct pl_jwt_claims made, first, again;
	struct pl_str token;

	(void)state;
	use_secret(SECRET);
	token = token_of(7, &made);
	assert_int_equal(pl_known_tokens_verify(k, token, NOW, &first), PL_OK);
	assert_int_equal(pl_known_tokens_count(k), 1);
	assert_int_equal(pl_known_tokens_verify(k, token, NOW + 9, &again), PL_OK);
	assert_memory_equal(&first, &made, sizeof(made));
	assert_memory_equal(&again, &made, sizeof(made));
	pl_known_tokens_free(k);
	pl_jwt_fini();
}

/* It was not verified again: the secret is another by now. */
static void
test_costs_no_second_mac(void **state)
{
	struct pl_known_tokens *k = pl_known_tokens_new();
	struct pl_jwt_claims claims;
	struct pl_str token;

	(void)state;
	use_secret(SECRET);
	token = token_of(7, &claims);
	assert_int_equal(pl_known_tokens_verify(k, token, NOW, &claims), PL_OK);
	use_secret(OTHER);
	assert_int_equal(pl_known_tokens_verify(k, token, NOW, &claims), PL_OK);
	assert_int_equal(pl_known_tokens_verify(NULL, token, NOW, &claims), PL_E_INVALID);
	pl_known_tokens_free(k);
	pl_jwt_fini();
}

static void
test_a_known_one_expires(void **state)
{
	struct pl_known_tokens *k = pl_known_tokens_new();
	int64_t end = NOW + PL_JWT_LIFETIME_S + PL_JWT_LEEWAY_S;
	struct pl_jwt_claims claims;
	struct pl_str token;

	(void)state;
	use_secret(SECRET);
	token = token_of(7, &claims);
	assert_int_equal(pl_known_tokens_verify(k, token, NOW, &claims), PL_OK);
	assert_int_equal(pl_known_tokens_verify(k, token, end - 1, &claims), PL_OK);
	assert_int_equal(pl_known_tokens_verify(k, token, end, &claims), PL_E_TIMEOUT);
	assert_int_equal(pl_known_tokens_count(k), 0);
	pl_known_tokens_free(k);
	pl_jwt_fini();
}

/* One bit beside a known token is no token, and is not known afterwards. */
static void
test_bad_ones_are_not_known(void **state)
{
	struct pl_known_tokens *k = pl_known_tokens_new();
	struct pl_jwt_claims claims;
	char changed[PL_JWT_BYTES_MAX];
	struct pl_str token;

	(void)state;
	use_secret(SECRET);
	token = token_of(7, &claims);
	assert_int_equal(pl_known_tokens_verify(k, token, NOW, &claims), PL_OK);
	for (size_t i = 0; i < token.len; i++) {
		memcpy(changed, token.ptr, token.len);
		changed[i] = changed[i] == 'A' ? 'B' : 'A';
		assert_int_equal(
		    pl_known_tokens_verify(k, pl_str_n(changed, token.len), NOW, &claims),
		    PL_E_INVALID);
	}
	assert_int_equal(
	    pl_known_tokens_verify(k, pl_str_n(token.ptr, token.len - 1), NOW, &claims),
	    PL_E_INVALID);
	assert_int_equal(pl_known_tokens_count(k), 1);
	pl_known_tokens_free(k);
	pl_jwt_fini();
}

/* Whoever has ever so many sessions makes others wait no longer than a verification. */
static void
test_keeps_those_used_last(void **state)
{
	struct pl_known_tokens *k = pl_known_tokens_new();
	struct pl_jwt_claims claims;
	char mine[PL_JWT_BYTES_MAX + 1];

	(void)state;
	use_secret(SECRET);
	strcpy(mine, token_of(0, &claims).ptr);
	for (unsigned n = 1; n < 2 * PL_KNOWN_TOKENS_MAX; n++) {
		assert_int_equal(
		    pl_known_tokens_verify(k, token_of(n, &claims), NOW, &claims), PL_OK);
		assert_int_equal(
		    pl_known_tokens_verify(k, pl_str(mine), NOW, &claims), PL_OK);
		assert_true(pl_known_tokens_count(k) <= PL_KNOWN_TOKENS_MAX);
	}
	use_secret(OTHER); /* still known: it was used all the time */
	assert_int_equal(pl_known_tokens_verify(k, pl_str(mine), NOW, &claims), PL_OK);
	pl_known_tokens_free(k);
	pl_jwt_fini();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_says_the_same_again),
	    cmocka_unit_test(test_costs_no_second_mac),
	    cmocka_unit_test(test_a_known_one_expires),
	    cmocka_unit_test(test_bad_ones_are_not_known),
	    cmocka_unit_test(test_keeps_those_used_last),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
