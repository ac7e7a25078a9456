#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <openssl/hmac.h>

#include "auth/jwt.h"
#include "base/base64.h"

#define NOW    1700000000
#define SECRET "Zk3vQp8sWm1nRt6yXc4bHd9fJg2aLe7u"
#define OLD    "an old secret of the MERN site, 40 bytes"
#define USER   "65a1b2c3d4e5f60718293a4b"
#define HEADER "{\"alg\":\"HS256\",\"typ\":\"JWT\"}"
#define PAYLOAD                                                                          \
	"{\"userId\":\"" USER "\",\"iat\":1700000000,\"exp\":1701296000,\"jti\":\"a1\"}"
#define CLAIMS(more_) "{\"userId\":\"" USER "\",\"iat\":1700000000" more_ "}"

/* Made by jsonwebtoken 9: sign({userId, iat}, OLD, {expiresIn: '15d'}), and under
 * "short". */
#define MERN_TOKEN                                                                       \
	"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."                                          \
	"eyJ1c2VySWQiOiI2NWExYjJjM2Q0ZTVmNjA3MTgyOTNhNGIiLCJpYXQiOjE3MDAwMDAwMDAsImV4cC" \
	"I6MT"                                                                           \
	"cwMTI5NjAwMH0."                                                                 \
	"7ilu0SY9feOA3xKxhv0PWFPypwPPo40O62FpkZX_LAc"
#define SHORT_TOKEN                                                                      \
	"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."                                          \
	"eyJ1c2VySWQiOiI2NWExYjJjM2Q0ZTVmNjA3MTgyOTNhNGIiLCJpYXQiOjE3MDAwMDAwMDAsImV4cC" \
	"I6MT"                                                                           \
	"cwMTI5NjAwMH0."                                                                 \
	"NUIwqjsSuy3xVy3zI8DuFWcZoagZDHlNCBdZu0LgVls"

static void
use_keys(const char *secret, const char *previous)
{
	const char *why = NULL;

	assert_int_equal(pl_jwt_init(secret, previous, &why), PL_OK);
}

static int
setup(void **state)
{
	(void)state;
	use_keys(SECRET, OLD);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	pl_jwt_fini();
	return 0;
}

/* A token with any header and payload, its MAC right under secret; borrowed. */
static struct pl_str
forge_with(
    const EVP_MD *hash, struct pl_str header, struct pl_str payload, const char *secret)
{
	static char text[16384];
	unsigned char mac[EVP_MAX_MD_SIZE];
	unsigned mac_len = 0;
	struct pl_buf b;

	pl_buf_init(&b, sizeof(text) - 1);
	assert_int_equal(pl_base64url_encode(&b, header.ptr, header.len), PL_OK);
	assert_int_equal(pl_buf_add_char(&b, '.'), PL_OK);
	assert_int_equal(pl_base64url_encode(&b, payload.ptr, payload.len), PL_OK);
	HMAC(hash, secret, (int)strlen(secret), (const unsigned char *)b.data, b.len, mac,
	    &mac_len);
	assert_int_equal(pl_buf_add_char(&b, '.'), PL_OK);
	assert_int_equal(pl_base64url_encode(&b, mac, mac_len), PL_OK);
	memcpy(text, b.data, b.len + 1);
	pl_buf_fini(&b);
	return pl_str(text);
}

static struct pl_str
forge(const char *header, const char *payload)
{
	return forge_with(EVP_sha256(), pl_str(header), pl_str(payload), SECRET);
}

static enum pl_err
verify_at(struct pl_str token, int64_t now_unix_s)
{
	struct pl_jwt_claims claims;

	return pl_jwt_verify(token, now_unix_s, &claims);
}

static enum pl_err
verify(struct pl_str token)
{
	return verify_at(token, NOW);
}

static void
verifies_what_it_signed(void **state)
{
	struct pl_jwt_claims signed_claims, claims;
	struct pl_oid user;
	struct pl_buf token;

	(void)state;
	pl_buf_init(&token, PL_JWT_BYTES_MAX);
	assert_true(pl_oid_parse(PL_STR(USER), &user));
	assert_int_equal(pl_jwt_sign(&user, NOW, &token, &signed_claims), PL_OK);
	assert_int_equal(pl_jwt_verify(pl_buf_str(&token), NOW, &claims), PL_OK);
	assert_true(pl_oid_eq(&claims.user, &user));
	assert_int_equal(claims.issued_unix_s, NOW);
	assert_int_equal(claims.expires_unix_s, NOW + PL_JWT_LIFETIME_S);
	assert_memory_equal(claims.token_id, signed_claims.token_id, PL_JWT_ID_LEN);
	pl_buf_fini(&token);
}

static void
gives_each_token_its_own_id(void **state)
{
	struct pl_jwt_claims a, b;
	struct pl_oid user;
	struct pl_buf token;

	(void)state;
	pl_buf_init(&token, 2 * PL_JWT_BYTES_MAX);
	pl_oid_new(&user);
	assert_int_equal(pl_jwt_sign(&user, NOW, &token, &a), PL_OK);
	assert_int_equal(pl_jwt_sign(&user, NOW, &token, &b), PL_OK);
	assert_memory_not_equal(a.token_id, b.token_id, PL_JWT_ID_LEN);
	pl_buf_fini(&token);
}

static void
accepts_a_token_of_the_mern_app(void **state)
{
	/* The first 16 bytes of SHA-256 of the signed part, because it has no jti. */
	struct pl_jwt_claims claims, again;

	(void)state;
	assert_int_equal(pl_jwt_verify(PL_STR(MERN_TOKEN), NOW, &claims), PL_OK);
	assert_int_equal(pl_jwt_verify(PL_STR(MERN_TOKEN), NOW, &again), PL_OK);
	assert_int_equal(claims.expires_unix_s, 1701296000);
	assert_memory_equal(claims.token_id, again.token_id, PL_JWT_ID_LEN);
}

static void
takes_a_short_previous_secret_to_verify_only(void **state)
{
	(void)state;
	use_keys(SECRET, "short");
	assert_int_equal(verify(PL_STR(SHORT_TOKEN)), PL_OK);
	assert_int_equal(verify(PL_STR(MERN_TOKEN)), PL_E_INVALID);
}

static void
keeps_sessions_over_a_rotation(void **state)
{
	struct pl_jwt_claims claims;
	struct pl_oid user;
	struct pl_buf token;

	(void)state;
	pl_buf_init(&token, PL_JWT_BYTES_MAX);
	pl_oid_new(&user);
	assert_int_equal(pl_jwt_sign(&user, NOW, &token, &claims), PL_OK);
	use_keys("the new one Tq7xW2mK9vB4nL6sD1fG", SECRET);
	assert_int_equal(verify(pl_buf_str(&token)), PL_OK);
	use_keys("the new one Tq7xW2mK9vB4nL6sD1fG", NULL);
	assert_int_equal(verify(pl_buf_str(&token)), PL_E_INVALID);
	pl_buf_fini(&token);
}

static void
takes_a_foreign_kid_for_no_hint(void **state)
{
	(void)state;
	assert_int_equal(
	    verify(forge("{\"alg\":\"HS256\",\"kid\":\"key-1\"}", PAYLOAD)), PL_OK);
	assert_int_equal(
	    verify(forge("{\"alg\":\"HS256\",\"kid\":7}", PAYLOAD)), PL_E_INVALID);
}

static void
lets_a_kid_of_ours_choose_the_key(void **state)
{
	struct pl_str token;

	(void)state;
	/* Not a kid of ours: both keys are tried. */
	token = forge("{\"alg\":\"HS256\",\"kid\":\"00000000\"}", PAYLOAD);
	assert_int_equal(verify(token), PL_OK);
	use_keys("abcdefghijklmnopqrstuvwxyz0123456789", SECRET);
	/* The kid of the first over a MAC under the second. */
	token = forge("{\"alg\":\"HS256\",\"kid\":\"011fc2994\"}", PAYLOAD);
	assert_int_equal(verify(token), PL_OK);
	token = forge("{\"alg\":\"HS256\",\"kid\":\"011fc299\"}", PAYLOAD);
	assert_int_equal(verify(token), PL_E_INVALID);
}

static void
accepts_only_hs256_to_the_letter(void **state)
{
	static const char *const headers[] = {
	    "{\"alg\":\"hs256\",\"typ\":\"JWT\"}",
	    "{\"alg\":\"Hs256\"}",
	    "{\"alg\":\"HS256 \"}",
	    "{\"alg\":\"HS384\"}",
	    "{\"alg\":\"HS512\"}",
	    "{\"alg\":\"none\"}",
	    "{\"alg\":\"NONE\"}",
	    "{\"alg\":\"\"}",
	    "{\"alg\":256}",
	    "{\"alg\":null}",
	    "{\"alg\":[\"HS256\"]}",
	    "{\"typ\":\"JWT\"}",
	    "{}",
	    "[]",
	    "\"HS256\"",
	};

	(void)state;
	assert_int_equal(verify(forge(HEADER, PAYLOAD)), PL_OK);
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
		assert_int_equal(verify(forge(headers[i], PAYLOAD)), PL_E_INVALID);
}

static void
refuses_hs384_and_hs512_with_a_right_mac(void **state)
{
	(void)state;
	assert_int_equal(verify(forge_with(EVP_sha384(), PL_STR("{\"alg\":\"HS384\"}"),
			     PL_STR(PAYLOAD), SECRET)),
	    PL_E_INVALID);
	assert_int_equal(verify(forge_with(EVP_sha512(), PL_STR("{\"alg\":\"HS512\"}"),
			     PL_STR(PAYLOAD), SECRET)),
	    PL_E_INVALID);
	assert_int_equal(
	    verify(forge_with(EVP_sha512(), PL_STR(HEADER), PL_STR(PAYLOAD), SECRET)),
	    PL_E_INVALID);
}

static void
refuses_alg_none_without_a_mac(void **state)
{
	/* {"alg":"none"}.{"userId":...} */
	struct pl_str token = forge("{\"alg\":\"none\"}", PAYLOAD);
	char copy[1024];
	size_t len = (size_t)(strrchr(token.ptr, '.') - token.ptr) + 1;

	(void)state;
	memcpy(copy, token.ptr, len);
	assert_int_equal(verify(pl_str_n(copy, len)), PL_E_INVALID);
	assert_int_equal(verify(pl_str_n(copy, len - 1)), PL_E_INVALID);
}

static void
refuses_a_mac_under_the_empty_key(void **state)
{
	(void)state;
	assert_int_equal(
	    verify(forge_with(EVP_sha256(), PL_STR(HEADER), PL_STR(PAYLOAD), "")),
	    PL_E_INVALID);
	use_keys(SECRET, "");
	assert_int_equal(
	    verify(forge_with(EVP_sha256(), PL_STR(HEADER), PL_STR(PAYLOAD), "")),
	    PL_E_INVALID);
	pl_jwt_fini();
	assert_int_equal(verify(forge(HEADER, PAYLOAD)), PL_E_INVALID);
}

static void
refuses_crit(void **state)
{
	(void)state;
	assert_int_equal(
	    verify(
		forge("{\"alg\":\"HS256\",\"crit\":[\"b64\"],\"b64\":false}", PAYLOAD)),
	    PL_E_INVALID);
	assert_int_equal(
	    verify(forge("{\"alg\":\"HS256\",\"crit\":null}", PAYLOAD)), PL_E_INVALID);
}

/* RFC 7519 §4.1.3, RFC 8725 §3.9: signed with the same secret, for another program. */
static void
refuses_a_token_for_an_audience(void **state)
{
	static const char *const audiences[] = {
	    "\"billing\"", "[\"billing\",\"chat\"]", "\"\"", "[]", "null"};

	(void)state;
	for (size_t i = 0; i < sizeof(audiences) / sizeof(audiences[0]); i++) {
		char payload[256];

		snprintf(payload, sizeof(payload),
		    CLAIMS(",\"exp\":1701296000,\"aud\":%s"), audiences[i]);
		assert_int_equal(verify(forge(HEADER, payload)), PL_E_INVALID);
	}
	assert_int_equal(
	    verify(forge(HEADER, CLAIMS(",\"exp\":1701296000,\"iss\":\"mern\""))), PL_OK);
}

static void
refuses_duplicate_members(void **state)
{
	(void)state;
	assert_int_equal(
	    verify(forge("{\"alg\":\"none\",\"alg\":\"HS256\"}", PAYLOAD)), PL_E_INVALID);
	assert_int_equal(
	    verify(forge(HEADER, CLAIMS(",\"exp\":1,\"exp\":1701296000"))), PL_E_INVALID);
	assert_int_equal(
	    verify(forge(HEADER, CLAIMS(",\"exp\":1701296000,\"userId\":\"" USER "\""))),
	    PL_E_INVALID);
}

static void
wants_an_integer_exp_in_the_future(void **state)
{
	(void)state;
	assert_int_equal(verify(forge(HEADER, CLAIMS(""))), PL_E_INVALID);
	assert_int_equal(
	    verify(forge(HEADER, CLAIMS(",\"exp\":\"1701296000\""))), PL_E_INVALID);
	assert_int_equal(
	    verify(forge(HEADER, CLAIMS(",\"exp\":1701296000.5"))), PL_E_INVALID);
	assert_int_equal(verify(forge(HEADER, CLAIMS(",\"exp\":null"))), PL_E_INVALID);
	assert_int_equal(
	    verify(forge(HEADER, CLAIMS(",\"exp\":9223372036854775808"))), PL_E_INVALID);
	assert_int_equal(
	    verify(forge(HEADER, CLAIMS(",\"exp\":9223372036854775807"))), PL_OK);
	assert_int_equal(verify(forge(HEADER, CLAIMS(",\"exp\":-1"))), PL_E_TIMEOUT);
}

static void
tells_an_expired_token_from_a_bad_one(void **state)
{
	struct pl_str token;

	(void)state;
	token = forge(HEADER, CLAIMS(",\"exp\":1700000100"));
	assert_int_equal(verify_at(token, 1700000100), PL_OK); /* leeway of 30 s */
	assert_int_equal(verify_at(token, 1700000129), PL_OK);
	assert_int_equal(verify_at(token, 1700000130), PL_E_TIMEOUT);
	token = forge_with(EVP_sha256(), PL_STR(HEADER),
	    PL_STR(CLAIMS(",\"exp\":1700000100")),
	    "another secret, not one of ours at all");
	assert_int_equal(verify_at(token, 1700000130), PL_E_INVALID);
}

static void
refuses_tokens_from_the_future(void **state)
{
	(void)state;
	assert_int_equal(verify_at(forge(HEADER, PAYLOAD), NOW - 60), PL_OK);
	assert_int_equal(verify_at(forge(HEADER, PAYLOAD), NOW - 61), PL_E_INVALID);
	assert_int_equal(
	    verify(forge(HEADER, CLAIMS(",\"exp\":1701296000,\"nbf\":1700000030"))),
	    PL_OK);
	assert_int_equal(
	    verify(forge(HEADER, CLAIMS(",\"exp\":1701296000,\"nbf\":1700000031"))),
	    PL_E_INVALID);
	assert_int_equal(
	    verify(forge(HEADER, CLAIMS(",\"exp\":1701296000,\"nbf\":\"x\""))),
	    PL_E_INVALID);
}

static void
wants_a_user_id_and_an_iat(void **state)
{
	static const char *const payloads[] = {
	    "{\"iat\":1700000000,\"exp\":1701296000}",
	    "{\"userId\":\"65a1b2c3d4e5f60718293a4\",\"iat\":1700000000,\"exp\":"
	    "1701296000}",
	    "{\"userId\":\"65a1b2c3d4e5f60718293a4g\",\"iat\":1700000000,\"exp\":"
	    "1701296000}",
	    "{\"userId\":{\"$gt\":\"\"},\"iat\":1700000000,\"exp\":1701296000}",
	    "{\"userId\":\"" USER "\",\"exp\":1701296000}",
	    "{\"userId\":\"" USER "\",\"iat\":\"1700000000\",\"exp\":1701296000}",
	    "{\"userId\":\"" USER "\",\"iat\":1700000000,\"exp\":1701296000,\"jti\":7}",
	    "{\"userId\":\"" USER
	    "\",\"iat\":1700000000,\"exp\":1701296000,\"jti\":\"\"}",
	    "[]",
	    "null",
	    "{",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(payloads) / sizeof(payloads[0]); i++)
		assert_int_equal(verify(forge(HEADER, payloads[i])), PL_E_INVALID);
}

static void
refuses_every_changed_character(void **state)
{
	struct pl_str token;
	char copy[512];

	(void)state;
	token = forge(HEADER, PAYLOAD);
	for (size_t i = 0; i < token.len; i++) {
		memcpy(copy, token.ptr, token.len);
		copy[i] = copy[i] == 'A' ? 'B' : 'A';
		assert_int_equal(verify(pl_str_n(copy, token.len)), PL_E_INVALID);
		assert_int_equal(verify(pl_str_n(token.ptr, i)), PL_E_INVALID);
	}
}

static void
refuses_other_shapes(void **state)
{
	static const char *const tokens[] = {"", ".", "..", "...", "a.b.c", "a.b",
	    MERN_TOKEN ".", MERN_TOKEN "=", " " MERN_TOKEN, MERN_TOKEN "\n",
	    "." MERN_TOKEN, MERN_TOKEN "." MERN_TOKEN, "\xff.\xff.\xff"};

	(void)state;
	for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++)
		assert_int_equal(verify(pl_str(tokens[i])), PL_E_INVALID);
}

/* With spaces inside the payload; base64url makes 4 characters of 3. */
static struct pl_str
padded_token(size_t spaces)
{
	static char payload[8192];

	memset(payload, ' ', sizeof(payload));
	memcpy(payload + spaces, PAYLOAD, sizeof(PAYLOAD));
	return forge_with(
	    EVP_sha256(), PL_STR(HEADER), pl_str_n(payload, strlen(payload)), SECRET);
}

static void
refuses_tokens_over_4_kib(void **state)
{
	struct pl_str token = padded_token(0);

	(void)state;
	for (size_t spaces = 2800; token.len <= PL_JWT_BYTES_MAX; spaces++) {
		assert_int_equal(verify(token), PL_OK);
		token = padded_token(spaces);
	}
	assert_in_range(token.len, PL_JWT_BYTES_MAX + 1, PL_JWT_BYTES_MAX + 3);
	assert_int_equal(verify(token), PL_E_INVALID);
}

static void
refuses_weak_secrets(void **state)
{
	static const char *const weak[] = {NULL, "", "secret", "CHANGEME",
	    "1234567890123456789012345678901", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	    "changemechangemechangemechangeme", "0123456789abcdef0123456789abcdef",
	    "a-string-secret-at-least-256-bits-long"};
	const char *why;

	(void)state;
	for (size_t i = 0; i < sizeof(weak) / sizeof(weak[0]); i++) {
		why = NULL;
		assert_int_equal(pl_jwt_init(weak[i], NULL, &why), PL_E_INVALID);
		assert_ptr_equal(strstr(why, "JWT_SECRET"), why);
		if (weak[i] != NULL && weak[i][0] != '\0')
			assert_null(strstr(why, weak[i]));
	}
}

/* Whoever knows it can make tokens of the past, so it must not be one that people guess. */
static void
refuses_a_weak_previous_secret(void **state)
{
	static const char *const weak[] = {"secret", "SECRET", "Secret ", "secret\n",
	    "changeme", "change-me", "my_secret", "JWT_SECRET", "your-secret-key",
	    "secret123", "password1", "123456", "0", "aaaaaa", "abcabcabc", "shhhhh",
	    "your-256-bit-secret", "a-string-secret-at-least-256-bits-long",
	    "changemechangemechangemechangeme", "0123456789abcdef0123456789abcdef"};
	static const char *const good[] = {NULL, "", "short", "abca", "Tr0ub4dor&3",
	    "secretary of state", OLD, "12345678901234567890123456789012x"};
	const char *why;

	(void)state;
	for (size_t i = 0; i < sizeof(weak) / sizeof(weak[0]); i++) {
		why = NULL;
		assert_int_equal(pl_jwt_init(SECRET, weak[i], &why), PL_E_INVALID);
		assert_ptr_equal(strstr(why, "JWT_SECRET_PREVIOUS "), why);
	}
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		use_keys(SECRET, good[i]);
}

static void
says_which_secret_a_token_is_of(void **state)
{
	struct pl_jwt_claims claims;

	(void)state;
	assert_int_equal(pl_jwt_verify(PL_STR(MERN_TOKEN), NOW, &claims), PL_OK);
	assert_true(claims.is_of_previous);
	assert_int_equal(pl_jwt_verify(forge(HEADER, PAYLOAD), NOW, &claims), PL_OK);
	assert_false(claims.is_of_previous);
	assert_string_not_equal(pl_jwt_key_id(), pl_jwt_previous_key_id());
	assert_int_equal(strlen(pl_jwt_previous_key_id()), PL_JWT_KEY_ID_LEN);
	use_keys(OLD, OLD); /* the same twice is one that signs */
	assert_int_equal(pl_jwt_verify(PL_STR(MERN_TOKEN), NOW, &claims), PL_OK);
	assert_false(claims.is_of_previous);
	assert_string_equal(pl_jwt_previous_key_id(), "");
	use_keys(SECRET, NULL);
	assert_string_equal(pl_jwt_previous_key_id(), "");
}

static void
tells_a_token_from_before_a_switch(void **state)
{
	const int64_t day = 86400;
	struct pl_jwt_claims c = {.issued_unix_s = NOW, .expires_unix_s = NOW + day};

	(void)state;
	assert_true(pl_jwt_is_from_before(&c, NOW));
	assert_true(pl_jwt_is_from_before(&c, NOW + 500 * day));
	assert_false(pl_jwt_is_from_before(&c, NOW - 1));
	c.expires_unix_s = NOW + 400 * day;
	assert_true(pl_jwt_is_from_before(&c, NOW));
	c.expires_unix_s = NOW + 400 * day + 1;
	assert_false(pl_jwt_is_from_before(&c, NOW));
	c.expires_unix_s = INT64_MAX;
	assert_false(pl_jwt_is_from_before(&c, NOW));
}

int
main(void)
{
#define TEST(name_) cmocka_unit_test_setup_teardown(name_, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(verifies_what_it_signed),
	    TEST(gives_each_token_its_own_id),
	    TEST(accepts_a_token_of_the_mern_app),
	    TEST(takes_a_short_previous_secret_to_verify_only),
	    TEST(keeps_sessions_over_a_rotation),
	    TEST(takes_a_foreign_kid_for_no_hint),
	    TEST(lets_a_kid_of_ours_choose_the_key),
	    TEST(accepts_only_hs256_to_the_letter),
	    TEST(refuses_hs384_and_hs512_with_a_right_mac),
	    TEST(refuses_alg_none_without_a_mac),
	    TEST(refuses_a_mac_under_the_empty_key),
	    TEST(refuses_crit),
	    TEST(refuses_a_token_for_an_audience),
	    TEST(refuses_duplicate_members),
	    TEST(wants_an_integer_exp_in_the_future),
	    TEST(tells_an_expired_token_from_a_bad_one),
	    TEST(refuses_tokens_from_the_future),
	    TEST(wants_a_user_id_and_an_iat),
	    TEST(refuses_every_changed_character),
	    TEST(refuses_other_shapes),
	    TEST(refuses_tokens_over_4_kib),
	    TEST(refuses_weak_secrets),
	    TEST(refuses_a_weak_previous_secret),
	    TEST(says_which_secret_a_token_is_of),
	    TEST(tells_a_token_from_before_a_switch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
