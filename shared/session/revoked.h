/*
 * revoked: the revocations that this process knows of, until their tokens expire by
 * themselves. Of several times of one user ("all before a time") the last counts.
 * Threads: the loop's.
 */
#ifndef PL_SESSION_REVOKED_H
#define PL_SESSION_REVOKED_H

#include "auth/revocation.h"
#include "base/map.h"

struct pl_revoked {
	struct pl_map entries; /* by token, 16 bytes, or by user, 12 */
};

void pl_revoked_init(struct pl_revoked *set);
void pl_revoked_fini(struct pl_revoked *set);
/* True if it is new, and names tokens that may still be good. */
bool pl_revoked_add(struct pl_revoked *set, const struct pl_revocation *r);
bool pl_revoked_has(const struct pl_revoked *set, const struct pl_jwt_claims *claims);
/* The first second whose tokens of user are not revoked by their time: 0 for most. */
int64_t pl_revoked_valid_after(const struct pl_revoked *set, const struct pl_oid *user);
/* Drop what expired before then. */
void pl_revoked_forget(struct pl_revoked *set, int64_t then_unix_s);

#endif
