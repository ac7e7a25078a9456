/*
 * credentials: the tokens that a request brings, and which of them may count.
 *
 *   Cookie: jwt=x; jwt=<Ann>; __Host-jwt=<Bob>     1. cookies of the name COOKIE_NAME
 *   Cookie: jwt=<Ann>                              2. of the name jwt, if that is another:
 *                                                     sessions from before COOKIE_NAME was set
 *   Authorization: Bearer <Eve>                    3.
 *
 * Another application on our host, or a host beside ours under one domain, may set a
 * cookie of our name, and browsers send it beside ours in any order. So all that is not a
 * good token (empty, of another form, forged, expired) is passed over, as though it were
 * not there. The first place that holds a good one decides. If that place holds tokens of
 * two users, session/sessions judges that.
 *
 * The work is bounded: the first PL_CREDENTIALS_VERIFIED_MAX cookies that have the form
 * of a token are verified, and the rest is passed over. A cookie without that form costs
 * next to nothing, and is not counted. No token has less than 47 bytes, so the 4,000
 * bytes of cookies that the gateway lets through cannot hold that many: nobody is locked
 * out by the bound.
 * Threads: the loop's.
 */
#ifndef PL_SESSION_CREDENTIALS_H
#define PL_SESSION_CREDENTIALS_H

#include "auth/known_tokens.h"

#define PL_CREDENTIALS_VERIFIED_MAX 100
#define PL_CREDENTIALS_MAX          (PL_CREDENTIALS_VERIFIED_MAX + 1)

enum pl_credential_place {
	PL_CREDENTIAL_COOKIE,
	PL_CREDENTIAL_OLD_COOKIE,
	PL_CREDENTIAL_BEARER,
};

struct pl_credential {
	struct pl_jwt_claims claims;
	enum pl_credential_place place;
};

struct pl_credentials {
	struct pl_credential *items; /* the good ones, each once, in their order */
	size_t count;
	unsigned verified; /* cookies, good or not */
	bool has_token;    /* any token that is not empty */
	bool has_expired;  /* a token of ours that has expired */
	struct pl_known_tokens
	    *known; /* set it after pl_credentials_init(), or leave it NULL */
};

void pl_credentials_init(struct pl_credentials *c);
void pl_credentials_fini(struct pl_credentials *c);
/* Add the good tokens of one Cookie line, from cookies called name; or that of
 * Authorization. Call them in the order of places. */
void pl_credentials_add_cookies(struct pl_credentials *c, enum pl_credential_place place,
    struct pl_str name, struct pl_str header, int64_t now_unix_s);
void pl_credentials_add_bearer(
    struct pl_credentials *c, struct pl_str authorization, int64_t now_unix_s);
/* Take out those for which names() is true; the others keep their order. */
void pl_credentials_drop(struct pl_credentials *c,
    bool (*names)(const void *arg, const struct pl_jwt_claims *claims), const void *arg);
/* Does the place that decides name this user? */
bool pl_credentials_name(const struct pl_credentials *c, const struct pl_oid *user);
/* Does it name a user whom the deciding place of the other names, too? */
bool pl_credentials_meet(
    const struct pl_credentials *c, const struct pl_credentials *other);

/* The token of "Bearer <token>", the scheme in any case (RFC 9110 §11.1); empty if none
 * follows. False: no such scheme, and *token is untouched. */
bool pl_bearer_token(struct pl_str text, struct pl_str *token) PL_MUST_CHECK;

#endif
