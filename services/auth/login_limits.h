/*
 * login_limits: guessing passwords and mass sign-ups are slowed down, over all processes and
 * without locking anybody out: what counts is where the tries come from.
 *
 *   address             LIMIT_LOGIN_ADDRESS in 15 min   failed logins and all sign-ups
 *   address + account   LIMIT_LOGIN_ACCOUNT in 15 min,  failed logins
 *                       half of them at once
 *
 * Only failures of logins count, and whether one fails is known at its end: so the logins of
 * one address go one after the other, or many at once would all pass before the first one
 * counts. None waits for longer than AUTH_LIMITS_WAIT_MS behind others.  Threads: the loop's.
 */
#ifndef AUTH_LOGIN_LIMITS_H
#define AUTH_LOGIN_LIMITS_H

#include "base/list.h"
#include "limits/shared_limit.h"
#include "limits/address.h"
#include "http/request.h"

#define AUTH_LIMITS_WAITING_MAX 64 /* logins behind others of their address */
#define AUTH_LIMITS_WAIT_MS     5000
#define AUTH_LIMITS_LATE        (-1)

void auth_limits_start(void);
void auth_limits_stop(void);

/* One login: the caller's, from begin to end. */
struct auth_try {
	/* inside */
	char address[PL_ADDRESS_GROUP_MAX];
	struct pl_buf account;
	void (*on_answer)(void *arg, int64_t wait_ms);
	void *arg;
	struct pl_limit_ask ask;
	struct pl_list link;
	struct gate *gate;
	int64_t begun_mono_ms;
};

/* May it be tried? wait_ms is 0, or how long to wait: 429, or AUTH_LIMITS_LATE: 503. on_answer
 * is called once, possibly before this returns; then auth_try_end() is due. PL_E_BUSY: too many
 * wait; nothing has begun. */
enum pl_err auth_try_begin(struct auth_try *t, struct pl_request *rq,
    struct pl_str username, void (*on_answer)(void *arg, int64_t wait_ms),
    void *arg) PL_MUST_CHECK;
/* The password was wrong: has_failed. Lets the next one of the address in. */
void auth_try_end(struct auth_try *t, bool has_failed);

/* A sign-up, which counts at once; as above, and nothing to end. */
void auth_limits_take_signup(struct pl_request *rq, struct pl_limit_ask *ask);

#endif
