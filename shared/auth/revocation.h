/*
 * revocation: a token, or many, refused before they expire by themselves. It has an id of
 * 16 bytes, in one of four forms, so that store, bus and backups have one kind of record
 * for all:
 *
 *   a token (logout)                      SHA-256 of its jti, see auth/jwt.h
 *   all of a user that were issued        the user's id, and that time in seconds,
 *   before a time (logout everywhere)     4 bytes, most significant first
 *   those of them that no list has        the user's id with each bit turned over,
 *   (another password; the listed ones    and that time
 *   have revocations of their own)
 *   all that a secret signs after its     "parleyke", and the name of the
 *   switch, which is when this was made   secret, 8 hex digits; of no user
 *
 * The id of a token looks like another form once in 2^64.  Threads: any.
 */
#ifndef PL_AUTH_REVOCATION_H
#define PL_AUTH_REVOCATION_H

#include "auth/jwt.h"

/* How long tokens "before a time" are refused: no browser keeps a cookie for longer (RFC
 * 6265bis section 5.5), whatever lifetime the MERN app gave its tokens. */
#define PL_REVOCATION_ALL_LIFE_S PL_JWT_PREVIOUS_LIFE_S
/* That of a secret is never forgotten, or its switch would be made once more. */
#define PL_REVOCATION_KEY_EXPIRES_UNIX_S INT64_C(4102444800) /* the year 2100 */

struct pl_revocation {
	uint8_t token_id[PL_JWT_ID_LEN];
	struct pl_oid user;
	int64_t
	    issued_unix_s; /* its token's, if that is listed, else 0; not on the bus */
	int64_t
	    expires_unix_s; /* no token that it names lives longer; then the record may be dropped */
	int64_t created_unix_ms; /* set by the store; the bus does not carry it */
};

/* The revocation of the token that claims were read from. */
void pl_revocation_of_token(struct pl_revocation *r, const struct pl_jwt_claims *claims);
/* The revocation of all tokens of user that were issued before this second, 0 to
 * UINT32_MAX. */
void pl_revocation_of_all(
    struct pl_revocation *r, const struct pl_oid *user, int64_t issued_before_unix_s);
/* The same of those alone that no list has (claims.is_listed): a version that does not
 * know it takes it for that of a token that nobody has. */
void pl_revocation_of_unlisted(
    struct pl_revocation *r, const struct pl_oid *user, int64_t issued_before_unix_s);
/* The revocation of all tokens of the secret of that name (pl_jwt_key_id()) that are
 * issued from now on. */
void pl_revocation_of_key(struct pl_revocation *r, const char *key_id);
bool pl_revocation_is_of_key(const struct pl_revocation *r) PL_MUST_CHECK;
/* Which form is it? True: it names all that were issued before the time given back. */
bool pl_revocation_is_of_all(
    const struct pl_revocation *r, int64_t *issued_before_unix_s) PL_MUST_CHECK;
bool pl_revocation_is_of_unlisted(
    const struct pl_revocation *r, int64_t *issued_before_unix_s) PL_MUST_CHECK;
/* Of these two forms the last one of a user says it all. True: r is one, and the ids of
 * the earlier ones are from first on and below its own. */
bool pl_revocation_replaces(
    const struct pl_revocation *r, uint8_t first[PL_JWT_ID_LEN]) PL_MUST_CHECK;
/* Does it name the token of claims? */
bool pl_revocation_names(
    const struct pl_revocation *r, const struct pl_jwt_claims *claims) PL_MUST_CHECK;

#endif
