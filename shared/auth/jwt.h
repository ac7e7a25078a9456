/*
 * jwt: session tokens. The only caller of libjwt, because libjwt alone accepts too much
 * (expired tokens, HS384/512, `crit`, duplicate members, an empty key).
 *
 * A token is HS256 over {"userId","iat","exp","jti"}; its header also has "kid", the
 * first 8 hex digits of SHA-256(secret). Accepted (RFC 8725 §3.1): alg exactly "HS256",
 * MAC right under JWT_SECRET or JWT_SECRET_PREVIOUS in constant time, exp an integer in
 * the future (30 s leeway), iat at most 60 s ahead, nbf honoured if present, userId 24
 * hex digits, no `crit`, no `aud` (RFC 7519 §4.1.3: neither we nor the MERN app set one),
 * no duplicate member, at most 4 KiB. `jti` may be missing: the MERN app sets none.
 *
 * A secret is left because others know it, or may guess it. So of the tokens under
 * JWT_SECRET_PREVIOUS only those count that were issued before the switch and are over
 * soon after it: pl_jwt_is_from_before(). The store keeps when the switch was, and
 * session/sessions asks it.
 * Threads: pl_jwt_init() once at start, then any.
 */
#ifndef PL_AUTH_JWT_H
#define PL_AUTH_JWT_H

#include "base/buf.h"
#include "base/oid.h"

#define PL_JWT_BYTES_MAX  4096
#define PL_JWT_ID_LEN     16
#define PL_JWT_SECRET_MIN 32
#define PL_JWT_LIFETIME_S 1296000 /* 15 days */
#define PL_JWT_LEEWAY_S   30      /* how far the clocks of two machines may differ */
/* A jti of so many random bytes, in hex, says that its session is listed. Ours were
 * shorter before there were lists, and still are if the store could not list one. */
#define PL_JWT_LISTED_BYTES 18
#define PL_JWT_KEY_ID_LEN   8 /* hex digits of a secret's name, "kid" */
/* No token from before a switch is good for longer after it, because no browser keeps a
 * cookie for longer. */
#define PL_JWT_PREVIOUS_LIFE_S (400 * 86400)

struct pl_jwt_claims {
	struct pl_oid user;
	int64_t issued_unix_s;
	int64_t expires_unix_s;
	/* The id by which a revocation names it (auth/revocation.h): the first 16 bytes
	 * of SHA-256 of jti, or, if there is none, of the signed part of the token. */
	uint8_t token_id[PL_JWT_ID_LEN];
	bool is_of_previous; /* signed with JWT_SECRET_PREVIOUS */
	bool is_listed;      /* the store listed its session first (session_list.h) */
};

/* What names a session before it has a token: a jti, NUL-terminated, and what follows of
 * it. */
struct pl_jwt_name {
	char jti[2 * PL_JWT_LISTED_BYTES + 1];
	uint8_t token_id[PL_JWT_ID_LEN];
};

/* PL_E_INVALID for a weak secret (too short, well known, a short pattern repeated); *why
 * is then a constant sentence that names the variable and never its value. previous may
 * be NULL, and may be short, but not weak in the other ways. Both are copied. */
enum pl_err pl_jwt_init(
    const char *secret, const char *previous, const char **why) PL_MUST_CHECK;
void pl_jwt_fini(void); /* wipes the keys */
/* The names of the secrets. "": there is none, or the previous one is the same. */
const char *pl_jwt_key_id(void);
const char *pl_jwt_previous_key_id(void);

void pl_jwt_draw_name(struct pl_jwt_name *name);
/* The token of a session that is listed under that name, into out; fills *claims with
 * what it says. */
enum pl_err pl_jwt_sign_listed(const struct pl_oid *user, const struct pl_jwt_name *name,
    int64_t issued_unix_s, struct pl_buf *out,
    struct pl_jwt_claims *claims) PL_MUST_CHECK;
/* The same of one that is in no list. */
enum pl_err pl_jwt_sign(const struct pl_oid *user, int64_t now_unix_s, struct pl_buf *out,
    struct pl_jwt_claims *claims) PL_MUST_CHECK;

/* PL_E_INVALID: not one of our tokens. PL_E_TIMEOUT: it was, and has expired. */
enum pl_err pl_jwt_verify(
    struct pl_str token, int64_t now_unix_s, struct pl_jwt_claims *claims) PL_MUST_CHECK;
/* Could pl_jwt_verify() accept it? Looks at its length and its three parts alone, and
 * costs next to nothing: it sorts out most of what is no token. */
bool pl_jwt_has_form(struct pl_str token);
/* Does it say that it was issued before the secrets were switched, and is it over soon
 * after? */
bool pl_jwt_is_from_before(const struct pl_jwt_claims *claims, int64_t switch_unix_s);
/* Has a token that was good expired since? */
bool pl_jwt_is_over(const struct pl_jwt_claims *claims, int64_t now_unix_s);

#endif
