/*
 * account: what the routes that change one's own account share: how often one user may
 * change it, over all processes, and who is told.  Threads: the loop's.
 */
#ifndef AUTH_ACCOUNT_H
#define AUTH_ACCOUNT_H

#include "limits/shared_limit.h"
#include "model/user.h"
#include "http/request.h"

void account_start(void);
void account_stop(void);

enum account_limit {
	ACCOUNT_PROFILE, /* LIMIT_PROFILE_PER_MINUTE */
	ACCOUNT_AVATARS, /* LIMIT_AVATARS_PER_MINUTE */
};

/* May the caller of rq do it once more? ask is the owner's, with its first two members
 * set; it is answered once, possibly before this returns. */
void account_take(
    enum account_limit limit, const struct pl_request *rq, struct pl_limit_ask *ask);
/* The user looks like that now: tell who watches them, and answer with it. */
void account_reply_updated(struct pl_request *rq, const struct pl_user *user);
/* A write failed: no such user (the token's user is gone), or err itself. */
void account_reply_err(struct pl_request *rq, enum pl_err err);

#endif
