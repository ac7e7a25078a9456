/*
 * known_tokens: tokens that were verified before. One that comes again, as a session's
 * does with each request, is compared with what is known, byte by byte, and not verified
 * anew. All that changes with time is looked at each time: whether it has expired here,
 * whether it is revoked in session/.
 *
 * Only good tokens are known, so nobody fills the table without as many sessions. It
 * keeps the PL_KNOWN_TOKENS_MAX that were used last, none longer than
 * PL_KNOWN_TOKEN_BYTES_MAX. A table belongs to the secrets of pl_jwt_init(): make another
 * after that.  Threads: one at a time.
 */
#ifndef PL_AUTH_KNOWN_TOKENS_H
#define PL_AUTH_KNOWN_TOKENS_H

#include "auth/jwt.h"

#define PL_KNOWN_TOKENS_MAX      4096
#define PL_KNOWN_TOKEN_BYTES_MAX 512 /* ours have less than 300 */

struct pl_known_tokens;

struct pl_known_tokens *pl_known_tokens_new(void);
void pl_known_tokens_free(struct pl_known_tokens *k); /* NULL is fine; wipes them */
/* As pl_jwt_verify(). k may be NULL: then it is that. */
enum pl_err pl_known_tokens_verify(struct pl_known_tokens *k, struct pl_str token,
    int64_t now_unix_s, struct pl_jwt_claims *claims) PL_MUST_CHECK;

#endif
