/* handlers: the routes of auth, one a file, and what two of them share. */
#ifndef AUTH_HANDLERS_H
#define AUTH_HANDLERS_H

#include "auth/revocation.h"
#include "model/user.h"
#include "http/request.h"

void auth_signup_post(struct pl_request *rq);
void auth_login_post(struct pl_request *rq);
void auth_logout_post(struct pl_request *rq);
void auth_logout_all_post(struct pl_request *rq);
void auth_me_get(struct pl_request *rq);
void auth_me_patch(struct pl_request *rq);
void auth_settings_get(struct pl_request *rq);
void auth_avatar_put(struct pl_request *rq);
void auth_avatar_delete(struct pl_request *rq);
void auth_password_post(struct pl_request *rq);
void auth_me_delete(struct pl_request *rq);
void auth_erase_start(void);
void auth_erase_stop(void);
/* struct pl_service's on_erasing.  Threads: any. */
void auth_erasing(const struct pl_revocation *r);
void auth_erased(const struct pl_oid *user); /* its on_erased; likewise */
void auth_sessions_get(struct pl_request *rq);
void auth_session_delete(struct pl_request *rq);

/* The answer to a good sign-up or login: the user, who counts as online from then on, and
 * the cookie of a new session. */
void auth_reply_session(struct pl_request *rq, int status, const struct pl_user *user);
/* The same of a log-in whose password was right for user->password_hash. If the user has
 * another one by now, or is gone, again(rq) answers instead; if they are disabled, 403. */
void auth_reply_login(struct pl_request *rq, const struct pl_user *user,
    void (*again)(struct pl_request *rq));
void auth_reply_user(struct pl_request *rq, int status, const struct pl_user *user);
/* 200 with the caller, as the store has them. */
void auth_reply_unchanged(struct pl_request *rq);

#endif
