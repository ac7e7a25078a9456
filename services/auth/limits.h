/*
 * limits: guessing passwords and mass sign-ups are slowed down, over all processes and
 * without locking anybody out: what counts is where the tries come from.
 *
 *   address             LIMIT_LOGIN_ADDRESS in 15 min   failed logins and all sign-ups
 *   address + account   LIMIT_LOGIN_ACCOUNT in 15 min,  failed logins
 *                       half of them at once
 *
 * Threads: the loop's.
 */
#ifndef AUTH_LIMITS_H
#define AUTH_LIMITS_H

#include "web/request.h"

void auth_limits_start(void);
void auth_limits_stop(void);

/* May rq try? wait_ms is 0, or how long to wait: 429. on_answer is called once, possibly
 * before this returns. */
void auth_limits_ask_login(struct pl_request *rq, struct pl_str username,
    void (*on_answer)(void *arg, int64_t wait_ms), void *arg);
void auth_limits_login_failed(struct pl_request *rq, struct pl_str username);
/* As ask_login, and counts. */
void auth_limits_take_signup(
    struct pl_request *rq, void (*on_answer)(void *arg, int64_t wait_ms), void *arg);

#endif
