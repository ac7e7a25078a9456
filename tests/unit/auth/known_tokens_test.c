#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <sodium.h>
#include <stdio.h>

#include "auth/known_tokens.h"
#include "base/base64.h"

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

/* Under another secret only a known token passes. */
static bool
is_known(struct pl_known_tokens *k, struct pl_str token)
{
	struct pl_jwt_claims claims;
	bool is_known;

	use_secret(OTHER);
	is_known = pl_known_tokens_verify(k, token, NOW, &claims) == PL_OK;
	use_secret(SECRET);
	return is_known;
}

/* A token that says more than ours, as the one of another program with our secret. */
static void
sign_long(struct pl_buf *out)
{
	static const char head[] = "{\"alg\":\"HS256\"}";
	unsigned char mac[crypto_auth_hmacsha256_BYTES];
	crypto_auth_hmacsha256_state hmac;
	char payload[512];

	snprintf(payload, sizeof(payload),
	    "{\"userId\":\"65a1b2c3d4e5f60718293a4b\",\"iat\":%d,\"exp\":%d,"
	    "\"more\":\"%0400d\"}",
	    NOW, NOW + 100, 0);
	assert_int_equal(pl_base64url_encode(out, head, strlen(head)), PL_OK);
	assert_int_equal(pl_buf_add_char(out, '.'), PL_OK);
	assert_int_equal(pl_base64url_encode(out, payload, strlen(payload)), PL_OK);
	crypto_auth_hmacsha256_init(&hmac, (const unsigned char *)SECRET, strlen(SECRET));
	crypto_auth_hmacsha256_update(&hmac, (const unsigned char *)out->data, out->len);
	crypto_auth_hmacsha256_final(&hmac, mac);
	assert_int_equal(pl_buf_add_char(out, '.'), PL_OK);
	assert_int_equal(pl_base64url_encode(out, mac, sizeof(mac)), PL_OK);
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
	assert_int_equal(pl_known_tokens_verify(k, token, NOW + 9, &again), PL_OK);
	assert_memory_equal(&first, &made, sizeof(made));
	assert_memory_equal(&again, &made, sizeof(made));
	pl_known_tokens_free(k);
	pl_known_tokens_free(NULL);
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
	assert_false(is_known(k, token)); /* and is forgotten */
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
	pl_known_tokens_free(k);
	pl_jwt_fini();
}

/* Whoever has ever so many sessions makes others wait no longer than a verification. */
static void
test_keeps_those_used_last(void **state)
{
	struct pl_known_tokens *k = pl_known_tokens_new();
	char used[PL_JWT_BYTES_MAX + 1], idle[PL_JWT_BYTES_MAX + 1];
	struct pl_jwt_claims claims;

	(void)state;
	use_secret(SECRET);
	strcpy(used, token_of(0, &claims).ptr);
	strcpy(idle, token_of(1, &claims).ptr);
	assert_int_equal(pl_known_tokens_verify(k, pl_str(idle), NOW, &claims), PL_OK);
	for (unsigned n = 2; n < PL_KNOWN_TOKENS_MAX + 2; n++) {
		assert_int_equal(
		    pl_known_tokens_verify(k, pl_str(used), NOW, &claims), PL_OK);
		assert_int_equal(
		    pl_known_tokens_verify(k, token_of(n, &claims), NOW, &claims), PL_OK);
	}
	assert_true(is_known(k, pl_str(used)));
	assert_false(is_known(k, pl_str(idle)));
	pl_known_tokens_free(k);
	pl_jwt_fini();
}

/* A table of tokens as long as one likes would take memory that nobody bounds. */
static void
test_long_ones_are_not_known(void **state)
{
	struct pl_known_tokens *k = pl_known_tokens_new();
	struct pl_jwt_claims claims;
	struct pl_buf b;

	(void)state;
	use_secret(SECRET);
	pl_buf_init(&b, PL_JWT_BYTES_MAX);
	sign_long(&b);
	assert_true(b.len > PL_KNOWN_TOKEN_BYTES_MAX);
	assert_int_equal(pl_known_tokens_verify(k, pl_buf_str(&b), NOW, &claims), PL_OK);
	assert_false(is_known(k, pl_buf_str(&b)));
	pl_buf_fini(&b);
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
	    cmocka_unit_test(test_long_ones_are_not_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
