#include <jwt.h>
#include <sodium.h>
#include <stdlib.h>

#include "auth/jwt.h"
#include "auth/jwt_secret.h"
#include "base/base64.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/random.h"

#define ISSUED_AHEAD_S 60
#define MAC_LEN        crypto_auth_hmacsha256_BYTES

struct key {
	unsigned char *secret; /* NULL: not set */
	size_t len;
	char id[PL_JWT_KEY_ID_LEN + 1]; /* the first hex digits of SHA-256(secret) */
};

static struct key current, previous;

/* ---- keys ---- */

static void
key_set(struct key *key, const char *secret)
{
	unsigned char hash[crypto_hash_sha256_BYTES];

	key->len = strlen(secret);
	key->secret = pl_mem_alloc(key->len);
	memcpy(key->secret, secret, key->len);
	crypto_hash_sha256(hash, key->secret, key->len);
	sodium_bin2hex(key->id, sizeof(key->id), hash, PL_JWT_KEY_ID_LEN / 2);
}

static void
key_wipe(struct key *key)
{
	pl_mem_wipe_free(key->secret, key->len);
	*key = (struct key){0};
}

enum pl_err
pl_jwt_init(const char *secret, const char *previous_secret, const char **why)
{
	const char *fault = pl_jwt_secret_fault(secret);

	if (fault == NULL)
		fault = pl_jwt_secret_previous_fault(previous_secret);
	if (fault == NULL && sodium_init() < 0)
		fault = "the random number generator does not start";
	if (fault != NULL) {
		*why = fault;
		return PL_E_INVALID;
	}
	pl_jwt_fini();
	key_set(&current, secret);
	if (previous_secret != NULL && previous_secret[0] != '\0')
		key_set(&previous, previous_secret);
	return PL_OK;
}

void
pl_jwt_fini(void)
{
	key_wipe(&current);
	key_wipe(&previous);
}

const char *
pl_jwt_key_id(void)
{
	return current.id;
}

const char *
pl_jwt_previous_key_id(void)
{
	return strcmp(previous.id, current.id) != 0 ? previous.id : "";
}

static void
token_id_of(struct pl_str what, uint8_t out[PL_JWT_ID_LEN])
{
	unsigned char hash[crypto_hash_sha256_BYTES];

	crypto_hash_sha256(hash, (const unsigned char *)what.ptr, what.len);
	memcpy(out, hash, PL_JWT_ID_LEN);
}

/* ---- signing ---- */

/* libjwt adds "typ" and "alg" itself. */
static bool
fill_token(jwt_t *jwt, const struct pl_jwt_claims *claims, const char *jti)
{
	char user[PL_OID_HEX_LEN + 1];

	pl_oid_format(&claims->user, user);
	return jwt_set_alg(jwt, JWT_ALG_HS256, current.secret, (int)current.len) == 0 &&
	       jwt_add_header(jwt, "kid", current.id) == 0 &&
	       jwt_add_grant(jwt, "userId", user) == 0 &&
	       jwt_add_grant_int(jwt, "iat", claims->issued_unix_s) == 0 &&
	       jwt_add_grant_int(jwt, "exp", claims->expires_unix_s) == 0 &&
	       jwt_add_grant(jwt, "jti", jti) == 0;
}

/* made, under the name jti. */
static enum pl_err
sign(struct pl_jwt_claims *made, const char *jti, struct pl_buf *out)
{
	enum pl_err err = PL_E_IO;
	char *token = NULL;
	jwt_t *jwt = NULL;

	made->expires_unix_s = made->issued_unix_s + PL_JWT_LIFETIME_S;
	if (current.secret == NULL || jwt_new(&jwt) != 0)
		goto done;
	if (fill_token(jwt, made, jti))
		token = jwt_encode_str(jwt);
	if (token == NULL)
		goto done;
	err = pl_buf_add_cstr(out, token);
done:
	free(token); /* not pl_mem_free(): libjwt allocated it */
	jwt_free(jwt);
	return err;
}

void
pl_jwt_draw_name(struct pl_jwt_name *name)
{
	unsigned char random[PL_JWT_LISTED_BYTES];

	pl_random_bytes(random, sizeof(random));
	sodium_bin2hex(name->jti, sizeof(name->jti), random, sizeof(random));
	token_id_of(pl_str(name->jti), name->token_id);
}

enum pl_err
pl_jwt_sign_listed(const struct pl_oid *user, const struct pl_jwt_name *name,
    int64_t issued_unix_s, struct pl_buf *out, struct pl_jwt_claims *claims)
{
	struct pl_jwt_claims made = {
	    .user = *user, .issued_unix_s = issued_unix_s, .is_listed = true};
	enum pl_err err;

	memcpy(made.token_id, name->token_id, PL_JWT_ID_LEN);
	err = sign(&made, name->jti, out);
	if (err == PL_OK)
		*claims = made;
	return err;
}

enum pl_err
pl_jwt_sign(const struct pl_oid *user, int64_t now_unix_s, struct pl_buf *out,
    struct pl_jwt_claims *claims)
{
	struct pl_jwt_claims made = {.user = *user, .issued_unix_s = now_unix_s};
	unsigned char random[PL_JWT_ID_LEN];
	char jti[2 * PL_JWT_ID_LEN + 1];
	enum pl_err err;

	pl_random_bytes(random, sizeof(random));
	sodium_bin2hex(jti, sizeof(jti), random, sizeof(random));
	token_id_of(pl_str(jti), made.token_id);
	err = sign(&made, jti, out);
	if (err == PL_OK)
		*claims = made;
	return err;
}

/* ---- verifying ---- */

struct parts {
	struct pl_str header;
	struct pl_str payload;
	struct pl_str mac;
	struct pl_str signed_part; /* header.payload */
};

static bool
split_token(struct pl_str token, struct parts *out)
{
	struct pl_str rest = token;

	if (!pl_str_split(&rest, '.', &out->header) ||
	    !pl_str_split(&rest, '.', &out->payload) ||
	    !pl_str_split(&rest, '.', &out->mac) || rest.ptr != NULL)
		return false;
	out->signed_part = pl_str_n(token.ptr, out->header.len + 1 + out->payload.len);
	return out->header.len > 0 && out->payload.len > 0;
}

/* The object that base64url text holds, read by strict rules; NULL if it is none. */
static struct pl_json *
decode_object(struct pl_str text)
{
	struct pl_json *object = NULL;
	struct pl_buf json;

	pl_buf_init(&json, PL_JWT_BYTES_MAX);
	if (pl_base64url_decode(&json, text) == PL_OK &&
	    pl_json_parse(pl_buf_str(&json), &object, NULL) == PL_OK &&
	    pl_json_type(object) != PL_JSON_OBJECT) {
		pl_json_free(object);
		object = NULL;
	}
	pl_buf_fini(&json);
	return object;
}

static bool
mac_has_form(struct pl_str text)
{
	struct pl_buf mac;
	bool ok;

	pl_buf_init(&mac, MAC_LEN);
	ok = pl_base64url_decode(&mac, text) == PL_OK && mac.len == MAC_LEN;
	pl_buf_fini(&mac);
	return ok;
}

/* libjwt compares in constant time since 1.10.2-1+deb12u1 (CVE-2024-25189); token ends in
 * a NUL. The key is never empty: with an empty one libjwt believes a forged "alg":"none". */
static bool
mac_is_right(const char *token, const struct key *key)
{
	jwt_t *jwt = NULL;
	bool ok;

	if (key->secret == NULL || key->len == 0)
		return false;
	ok = jwt_decode(&jwt, token, key->secret, (int)key->len) == 0 &&
	     jwt_get_alg(jwt) == JWT_ALG_HS256;
	jwt_free(jwt);
	return ok;
}

/* RFC 7515 §4.1: what the header must and must not say; *key_id is empty if it has
 * none. */
static bool
check_header(const struct pl_json *header, struct pl_str *key_id)
{
	const struct pl_json *kid = pl_json_get(header, "kid");
	struct pl_str alg;

	*key_id = PL_STR_NONE;
	return pl_json_str(pl_json_get(header, "alg"), &alg) &&
	       pl_str_eq(alg, PL_STR("HS256")) && pl_json_get(header, "crit") == NULL &&
	       (kid == NULL || pl_json_str(kid, key_id));
}

/* The key of ours that signed it, or NULL. A kid that names one of our keys decides; any
 * other kid is somebody else's, and is ignored. */
static const struct key *
find_signer(const char *token, struct pl_str key_id)
{
	if (pl_str_eq(key_id, pl_str(current.id)))
		return mac_is_right(token, &current) ? &current : NULL;
	if (previous.secret != NULL && pl_str_eq(key_id, pl_str(previous.id)))
		return mac_is_right(token, &previous) ? &previous : NULL;
	if (mac_is_right(token, &current))
		return &current;
	return mac_is_right(token, &previous) ? &previous : NULL;
}

static bool
read_token_id(
    const struct pl_json *payload, struct pl_str signed_part, struct pl_jwt_claims *out)
{
	const struct pl_json *member = pl_json_get(payload, "jti");
	struct pl_str jti = PL_STR_NONE;

	if (member != NULL && (!pl_json_str(member, &jti) || jti.len == 0))
		return false;
	token_id_of(member != NULL ? jti : signed_part, out->token_id);
	out->is_listed = jti.len == 2 * (size_t)PL_JWT_LISTED_BYTES;
	return true;
}

static enum pl_err
read_claims(const struct pl_json *payload, struct pl_str signed_part, int64_t now_unix_s,
    struct pl_jwt_claims *out)
{
	const struct pl_json *nbf = pl_json_get(payload, "nbf");
	int64_t not_before = 0;
	struct pl_str user;

	/* It is meant for others: we have no name that could stand there. */
	if (pl_json_get(payload, "aud") != NULL)
		return PL_E_INVALID;
	if (!pl_json_str(pl_json_get(payload, "userId"), &user) ||
	    !pl_oid_parse(user, &out->user) ||
	    !pl_json_int(pl_json_get(payload, "iat"), &out->issued_unix_s) ||
	    !pl_json_int(pl_json_get(payload, "exp"), &out->expires_unix_s) ||
	    (nbf != NULL && !pl_json_int(nbf, &not_before)) ||
	    !read_token_id(payload, signed_part, out))
		return PL_E_INVALID;
	if (out->issued_unix_s > now_unix_s + ISSUED_AHEAD_S ||
	    not_before > now_unix_s + PL_JWT_LEEWAY_S)
		return PL_E_INVALID;
	return pl_jwt_is_over(out, now_unix_s) ? PL_E_TIMEOUT : PL_OK;
}

static bool
split_form(struct pl_str token, struct parts *out)
{
	return token.len > 0 && token.len <= PL_JWT_BYTES_MAX &&
	       split_token(token, out) && mac_has_form(out->mac);
}

bool
pl_jwt_has_form(struct pl_str token)
{
	struct parts parts;

	return split_form(token, &parts);
}

bool
pl_jwt_is_from_before(const struct pl_jwt_claims *claims, int64_t switch_unix_s)
{
	return claims->issued_unix_s <= switch_unix_s &&
	       claims->expires_unix_s - PL_JWT_PREVIOUS_LIFE_S <= switch_unix_s;
}

bool
pl_jwt_is_over(const struct pl_jwt_claims *claims, int64_t now_unix_s)
{
	return claims->expires_unix_s <= now_unix_s - PL_JWT_LEEWAY_S;
}

enum pl_err
pl_jwt_verify(struct pl_str token, int64_t now_unix_s, struct pl_jwt_claims *claims)
{
	struct pl_json *header = NULL, *payload = NULL;
	struct pl_jwt_claims found = {0};
	const struct key *signer;
	char copy[PL_JWT_BYTES_MAX + 1];
	struct parts parts;
	struct pl_str key_id;
	enum pl_err err = PL_E_INVALID;

	if (!split_form(token, &parts))
		return PL_E_INVALID;
	header = decode_object(parts.header);
	payload = decode_object(parts.payload);
	if (header == NULL || payload == NULL || !check_header(header, &key_id))
		goto done;
	memcpy(copy, token.ptr, token.len);
	copy[token.len] = '\0';
	signer = find_signer(copy, key_id);
	if (signer == NULL)
		goto done;
	found.is_of_previous = signer == &previous;
	err = read_claims(payload, parts.signed_part, now_unix_s, &found);
	if (err == PL_OK)
		*claims = found;
done:
	pl_json_free(payload);
	pl_json_free(header);
	return err;
}
