#include "auth/revocation.h"

#include <assert.h>
#include <string.h>

#define TIME_LEN     4
#define KEY_MARK     "parleyke"
#define KEY_MARK_LEN (sizeof(KEY_MARK) - 1)
static_assert(KEY_MARK_LEN + PL_JWT_KEY_ID_LEN == PL_JWT_ID_LEN, "so does a secret");
static_assert(PL_OID_LEN + TIME_LEN == PL_JWT_ID_LEN, "a user and a time make an id");

void
pl_revocation_of_token(struct pl_revocation *r, const struct pl_jwt_claims *claims)
{
	*r = (struct pl_revocation){.user = claims->user,
	    .issued_unix_s = claims->is_listed ? claims->issued_unix_s : 0,
	    .expires_unix_s = claims->expires_unix_s};
	memcpy(r->token_id, claims->token_id, PL_JWT_ID_LEN);
}

/* all: 0; those that no list has: 0xff */
static void
of_user_before(struct pl_revocation *r, const struct pl_oid *user, uint8_t turned,
    int64_t issued_before_unix_s)
{
	/* cppcheck-suppress ctuuninitvar ; an address in it, which is not read */
	uint8_t *time = r->token_id + PL_OID_LEN;

	assert(issued_before_unix_s >= 0 && issued_before_unix_s <= UINT32_MAX);
	*r = (struct pl_revocation){.user = *user,
	    .expires_unix_s = issued_before_unix_s + PL_REVOCATION_ALL_LIFE_S};
	for (int i = 0; i < PL_OID_LEN; i++)
		r->token_id[i] = user->bytes[i] ^ turned;
	for (int i = 0; i < TIME_LEN; i++)
		time[i] = (uint8_t)(issued_before_unix_s >> (8 * (TIME_LEN - 1 - i)));
}

static bool
is_of_user_before(
    const struct pl_revocation *r, uint8_t turned, int64_t *issued_before_unix_s)
{
	const uint8_t *time = r->token_id + PL_OID_LEN;

	for (int i = 0; i < PL_OID_LEN; i++)
		if (r->token_id[i] != (r->user.bytes[i] ^ turned))
			return false;
	*issued_before_unix_s = 0;
	for (int i = 0; i < TIME_LEN; i++)
		*issued_before_unix_s = *issued_before_unix_s << 8 | time[i];
	return true;
}

void
pl_revocation_of_all(
    struct pl_revocation *r, const struct pl_oid *user, int64_t issued_before_unix_s)
{
	of_user_before(r, user, 0, issued_before_unix_s);
}

void
pl_revocation_of_unlisted(
    struct pl_revocation *r, const struct pl_oid *user, int64_t issued_before_unix_s)
{
	of_user_before(r, user, 0xff, issued_before_unix_s);
}

void
pl_revocation_of_key(struct pl_revocation *r, const char *key_id)
{
	*r = (struct pl_revocation){.expires_unix_s = PL_REVOCATION_KEY_EXPIRES_UNIX_S};
	memcpy(r->token_id, KEY_MARK, KEY_MARK_LEN);
	memcpy(r->token_id + KEY_MARK_LEN, key_id, strnlen(key_id, PL_JWT_KEY_ID_LEN));
}

bool
pl_revocation_is_of_key(const struct pl_revocation *r)
{
	return memcmp(r->token_id, KEY_MARK, KEY_MARK_LEN) == 0;
}

bool
pl_revocation_is_of_all(const struct pl_revocation *r, int64_t *issued_before_unix_s)
{
	return is_of_user_before(r, 0, issued_before_unix_s);
}

bool
pl_revocation_is_of_unlisted(const struct pl_revocation *r, int64_t *issued_before_unix_s)
{
	return is_of_user_before(r, 0xff, issued_before_unix_s);
}

bool
pl_revocation_replaces(const struct pl_revocation *r, uint8_t first[PL_JWT_ID_LEN])
{
	int64_t before;

	if (!pl_revocation_is_of_all(r, &before) &&
	    !pl_revocation_is_of_unlisted(r, &before))
		return false;
	memcpy(first, r->token_id, PL_OID_LEN);
	memset(first + PL_OID_LEN, 0, TIME_LEN);
	return true;
}

bool
pl_revocation_names(const struct pl_revocation *r, const struct pl_jwt_claims *claims)
{
	int64_t before;

	if (pl_revocation_is_of_all(r, &before))
		return pl_oid_eq(&claims->user, &r->user) &&
		       claims->issued_unix_s < before;
	if (pl_revocation_is_of_unlisted(r, &before))
		return pl_oid_eq(&claims->user, &r->user) && !claims->is_listed &&
		       claims->issued_unix_s < before;
	return memcmp(claims->token_id, r->token_id, PL_JWT_ID_LEN) == 0;
}
