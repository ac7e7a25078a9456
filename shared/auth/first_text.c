#include <sodium.h>

#include "auth/first_text.h"

#define LABEL "parley: the first text of a message"

struct key {
	bool is_set;
	unsigned char bytes[crypto_auth_hmacsha256_BYTES];
};

static struct key current, previous;

/* Tokens are signed by the secret itself, texts by what is made of it. */
static void
key_set(struct key *key, const char *secret)
{
	crypto_auth_hmacsha256_state hmac;

	if (secret == NULL || secret[0] == '\0')
		return;
	crypto_auth_hmacsha256_init(&hmac, (const unsigned char *)secret, strlen(secret));
	crypto_auth_hmacsha256_update(
	    &hmac, (const unsigned char *)LABEL, sizeof(LABEL) - 1);
	crypto_auth_hmacsha256_final(&hmac, key->bytes);
	sodium_memzero(&hmac, sizeof(hmac));
	key->is_set = true;
}

void
pl_first_text_init(const char *secret, const char *previous_secret)
{
	pl_first_text_fini();
	key_set(&current, secret);
	key_set(&previous, previous_secret);
}

void
pl_first_text_fini(void)
{
	sodium_memzero(&current, sizeof(current));
	sodium_memzero(&previous, sizeof(previous));
}

static struct pl_first_text
make(const struct key *key, const struct pl_oid *message, struct pl_str text)
{
	struct pl_first_text made = {.is_kept = key->is_set};
	unsigned char mac[crypto_auth_hmacsha256_BYTES];
	crypto_auth_hmacsha256_state hmac;

	if (!key->is_set)
		return made;
	crypto_auth_hmacsha256_init(&hmac, key->bytes, sizeof(key->bytes));
	crypto_auth_hmacsha256_update(&hmac, message->bytes, PL_OID_LEN);
	crypto_auth_hmacsha256_update(&hmac, (const unsigned char *)text.ptr, text.len);
	crypto_auth_hmacsha256_final(&hmac, mac);
	memcpy(made.mac, mac, PL_FIRST_TEXT_LEN);
	return made;
}

struct pl_first_text
pl_first_text_of(const struct pl_oid *message, struct pl_str text)
{
	return make(&current, message, text);
}

static bool
is_by(const struct key *key, const struct pl_first_text *kept,
    const struct pl_oid *message, struct pl_str text)
{
	struct pl_first_text made = make(key, message, text);

	return made.is_kept && sodium_memcmp(made.mac, kept->mac, PL_FIRST_TEXT_LEN) == 0;
}

bool
pl_first_text_may_be(
    const struct pl_first_text *kept, const struct pl_oid *message, struct pl_str text)
{
	return !kept->is_kept || is_by(&current, kept, message, text) ||
	       is_by(&previous, kept, message, text);
}
