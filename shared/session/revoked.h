/*
 * revoked: the revocations that this process knows of, until their tokens expire by
 * themselves.
 *
 *   by token   one that logged out
 *   by user    all from before a time, and those that no list has: of several times the last
 *              counts; and the list of
 *              sessions, if the store merged revocations into its mark
 *              (auth/session_list.h)
 *
 * The bus tells of each log-out, and not of merging. So a process that has heard of more
 * than PL_REVOCATIONS_MAX of a user (pl_revoked_is_crowded()) asks the store. What it had
 * heard before it asked, and what is not in the answer, it drops.  Threads: the loop's.
 */
#ifndef PL_SESSION_REVOKED_H
#define PL_SESSION_REVOKED_H

#include "auth/session_list.h"
#include "base/map.h"

struct pl_revoked {
	struct pl_map tokens; /* by 16 bytes */
	struct pl_map users;
	uint64_t clock; /* counts what is added */
	bool is_crowded;
};

void pl_revoked_init(struct pl_revoked *set);
void pl_revoked_fini(struct pl_revoked *set);
/* True if it is new, and names tokens that may still be good. */
bool pl_revoked_add(struct pl_revoked *set, const struct pl_revocation *r);
bool pl_revoked_has(const struct pl_revoked *set, const struct pl_jwt_claims *claims);
/* The first second whose tokens of user are not revoked by their time: 0 for most. */
int64_t pl_revoked_valid_after(const struct pl_revoked *set, const struct pl_oid *user);
/* Has a user got more than is merged? Says so once, and again when there are as many
 * more. */
bool pl_revoked_is_crowded(struct pl_revoked *set);
/* The list as the store has it. After it, all that is left of the user's revocations must
 * be added; then pl_revoked_settle() drops those that were known at that clock and were
 * not added. True: the mark is new. */
bool pl_revoked_merge(
    struct pl_revoked *set, const struct pl_session_list *list, uint64_t clock);
void pl_revoked_settle(struct pl_revoked *set, const struct pl_oid *user);
/* Drop what expired before then. */
void pl_revoked_forget(struct pl_revoked *set, int64_t then_unix_s);

#endif
