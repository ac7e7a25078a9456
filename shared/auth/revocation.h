/*
 * revocation: what is refused before it expires by itself. It is known by 16 bytes, and is one of
 * two, so that store, bus and backups have one kind of record for both:
 *
 *   a token (logout)                      SHA-256 of its jti, see auth/jwt.h
 *   all of a user that were issued        the user's id, and that time in seconds,
 *   before a time (logout everywhere)     4 bytes, most significant first
 *
 * That one of a token looks like the second kind is one in 2^96.  Threads: any.
 */
#ifndef PL_AUTH_REVOCATION_H
#define PL_AUTH_REVOCATION_H

#include "auth/jwt.h"

/* How long tokens "before a time" are refused: no browser keeps a cookie for longer (RFC 6265bis
 * section 5.5), whatever lifetime the MERN app gave its tokens. */
#define PL_REVOCATION_ALL_LIFE_S (400 * 86400)

struct pl_revocation {
	uint8_t token_id[PL_JWT_ID_LEN];
	struct pl_oid user;
	int64_t
	    expires_unix_s; /* no token that it names lives longer; the record may go then */
	int64_t created_unix_ms; /* set by the store; the bus does not carry it */
};

/* Of the token that claims were read from. */
void pl_revocation_of_token(struct pl_revocation *r, const struct pl_jwt_claims *claims);
/* Of all tokens of user that were issued ahead of this second, from 0 to UINT32_MAX. */
void pl_revocation_of_all(
    struct pl_revocation *r, const struct pl_oid *user, int64_t issued_before_unix_s);
/* Which kind is it? True: all that were issued before the time given back. */
bool pl_revocation_is_of_all(
    const struct pl_revocation *r, int64_t *issued_before_unix_s) PL_MUST_CHECK;
/* Is the token of claims one of those? */
bool pl_revocation_names(
    const struct pl_revocation *r, const struct pl_jwt_claims *claims) PL_MUST_CHECK;

#endif
