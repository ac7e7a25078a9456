/*
 * login_limits: guessing passwords and signing up in masses is slow, over all processes.
 * Nobody is locked out, because a try counts against the address that it comes from.
 *
 *   address             LIMIT_LOGIN_ADDRESS in 15 min   failed logins and all sign-ups
 *   address + account   LIMIT_LOGIN_ACCOUNT in 15 min,  failed logins
 *                       half of them at once
 *
 * Only a login that fails counts, and that is known at its end. So the logins of one
 * address go one after the other; else many at once would pass before the first has
 * counted. A login that has waited for AUTH_LIMITS_WAIT_MS is given up.
 * Threads: the loop's.
 */
#ifndef AUTH_LOGIN_LIMITS_H
#define AUTH_LOGIN_LIMITS_H

#include "base/list.h"
#include "limits/shared_limit.h"
#include "limits/address.h"
#include "http/request.h"

#define AUTH_LIMITS_WAITING_MAX 64 /* logins, over all addresses */
#define AUTH_LIMITS_WAIT_MS     5000
#define AUTH_LIMITS_LATE        (-1)

void auth_limits_start(void);
void auth_limits_stop(void);

/* One login: the caller's, from auth_try_begin() to auth_try_end(). */
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

/* May it be tried? on_answer is called once, possibly before this returns, and then
 * auth_try_end() is due. PL_E_BUSY: too many wait, and nothing has begun.
 *   wait_ms  0                  yes
 *            above 0            not before so long: 429
 *            AUTH_LIMITS_LATE   it has waited too long for others: 503 */
enum pl_err auth_try_begin(struct auth_try *t, struct pl_request *rq,
    struct pl_str username, void (*on_answer)(void *arg, int64_t wait_ms),
    void *arg) PL_MUST_CHECK;
/* Lets the next login of the address in. has_failed, which counts: a wrong password. */
void auth_try_end(struct auth_try *t, bool has_failed);

/* A sign-up counts at once. ask hears how long to wait; nothing is to be ended. */
void auth_limits_take_signup(struct pl_request *rq, struct pl_limit_ask *ask);

#endif
