/*
 * login_limits: guessing passwords, and signing up or logging in in masses, is slow, over
 * all processes. Nobody is locked out, because a try counts against the address that it
 * comes from.
 *
 *   address             LIMIT_LOGIN_ADDRESS in 15 min   failed logins and all sign-ups
 *   address + account   LIMIT_LOGIN_ACCOUNT in 15 min,  failed logins
 *                       half of them at once
 *   address + account   AUTH_LIMITS_RIGHT times that    logins that were right
 *   everywhere          AUTH_LIMITS_SIGNUPS times       sign-ups
 *                       LIMIT_LOGIN_ADDRESS
 *
 * Whether a login fails is known at its end. So the tries of one address go one after the
 * other; else many at once would pass before the first has counted, and all would hash at
 * once. A try that has waited for AUTH_LIMITS_WAIT_MS is given up. A sign-up counts when
 * it begins.
 * Threads: the loop's.
 */
#ifndef AUTH_LOGIN_LIMITS_H
#define AUTH_LOGIN_LIMITS_H

#include "base/list.h"
#include "limits/shared_limit.h"
#include "limits/address.h"
#include "http/request.h"

#define AUTH_LIMITS_WAITING_MAX 64 /* tries, over all addresses */
#define AUTH_LIMITS_WAIT_MS     5000
#define AUTH_LIMITS_LATE        (-1)
#define AUTH_LIMITS_RIGHT       10
#define AUTH_LIMITS_SIGNUPS     100

void auth_limits_start(void);
void auth_limits_stop(void);

/* One login or sign-up: the caller's, from auth_try_begin() to auth_try_end(). */
struct auth_try {
	/* inside */
	char address[PL_ADDRESS_GROUP_MAX];
	struct pl_buf account; /* empty: a sign-up */
	void (*on_answer)(void *arg, int64_t wait_ms);
	void *arg;
	struct pl_limit_ask ask;
	struct pl_list link;
	struct gate *gate;
	int64_t begun_mono_ms;
};

enum auth_outcome {
	AUTH_TRY_NEITHER, /* it came to no check, or is a sign-up */
	AUTH_TRY_RIGHT,
	AUTH_TRY_WRONG,
};

/* May it be tried? on_answer is called once, possibly before this returns, and then
 * auth_try_end() is due. PL_E_BUSY: too many wait, and nothing has begun. The username of
 * a sign-up is empty.
 *   wait_ms  0                  yes
 *            above 0            not before so long: 429
 *            AUTH_LIMITS_LATE   it has waited too long for others: 503 */
enum pl_err auth_try_begin(struct auth_try *t, struct pl_request *rq,
    struct pl_str username, void (*on_answer)(void *arg, int64_t wait_ms),
    void *arg) PL_MUST_CHECK;
/* Lets the next try of the address in. */
void auth_try_end(struct auth_try *t, enum auth_outcome outcome);

#endif
