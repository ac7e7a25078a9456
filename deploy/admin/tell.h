/*
 * tell: what was changed in the store, told to the running processes over Redis, in the
 * words of bus/events.h.
 *
 * Redis may be away, and there may be no processes: the store has it. While their Redis
 * is away, too, they read revocations from the store every second.
 */
#ifndef PARLEY_ADMIN_TELL_H
#define PARLEY_ADMIN_TELL_H

#include "auth/revocation.h"

#define TELL_MS 3000 /* then Redis is taken for away */

/* The tokens that r names are refused from now on; its user is not online any more.
 * False: nobody was told. */
bool tell_revoked(const char *redis_url, const struct pl_revocation *r) PL_MUST_CHECK;
/* The same, and all that the user had written is gone. */
bool tell_erased(const char *redis_url, const struct pl_revocation *r) PL_MUST_CHECK;

#endif
