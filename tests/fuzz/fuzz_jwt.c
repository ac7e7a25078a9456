/*
 * fuzz_jwt: session tokens. The input is a token as it comes; or, after an 's', a header,
 * a newline and a payload, which get a right MAC here, so that what lies behind it is
 * reached.
 */
#include <assert.h>
#include <sodium.h>

#include "auth/jwt.h"
#include "base/base64.h"

#define SECRET "Zk3vQp8sWm1nRt6yXc4bHd9fJg2aLe7u"
#define NOW    1700000000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
sign(struct pl_buf *token, const uint8_t *data, size_t size)
{
	const uint8_t *newline = memchr(data, '\n', size);
	size_t header_len = newline != NULL ? (size_t)(newline - data) : size;
	uint8_t mac[crypto_auth_hmacsha256_BYTES];
	crypto_auth_hmacsha256_state st;

	(void)pl_base64url_encode(token, data, header_len);
	(void)pl_buf_add_char(token, '.');
	if (newline != NULL)
		(void)pl_base64url_encode(token, newline + 1, size - header_len - 1);
	crypto_auth_hmacsha256_init(&st, (const uint8_t *)SECRET, sizeof(SECRET) - 1);
	crypto_auth_hmacsha256_update(&st, (const uint8_t *)token->data, token->len);
	crypto_auth_hmacsha256_final(&st, mac);
	(void)pl_buf_add_char(token, '.');
	(void)pl_base64url_encode(token, mac, sizeof(mac));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool is_ready;
	struct pl_jwt_claims claims;
	struct pl_buf token;
	const char *why;

	if (!is_ready)
		is_ready = pl_jwt_init(SECRET, NULL, &why) == PL_OK;
	assert(is_ready);
	pl_buf_init(&token, PL_BUF_UNLIMITED);
	if (size > 0 && data[0] == 's')
		sign(&token, data + 1, size - 1);
	else
		(void)pl_buf_add(&token, data, size);
	if (pl_jwt_verify(pl_buf_str(&token), NOW, &claims) == PL_OK) {
		assert(data[0] == 's');
		assert(token.len <= PL_JWT_BYTES_MAX);
		assert(claims.expires_unix_s > NOW - 30);
		assert(claims.issued_unix_s <= NOW + 60);
	}
	pl_buf_fini(&token);
	return 0;
}
