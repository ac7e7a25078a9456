/*
 * problem: every error that the contract names: its status, code and text, in one table,
 * for answers to requests (http/reply) and acknowledgements alike.  Threads: any.
 */
#ifndef PL_MODEL_PROBLEM_H
#define PL_MODEL_PROBLEM_H

#include <stdint.h>

#include "base/err.h"

enum pl_problem {
	PL_PROBLEM_NO_TOKEN,          /* 401 Unauthorized - No Token Provided */
	PL_PROBLEM_BAD_TOKEN,         /* 401 Unauthorized - Invalid Token */
	PL_PROBLEM_AMBIGUOUS,         /* 401 AMBIGUOUS_SESSION */
	PL_PROBLEM_BAD_LOGIN,         /* 400 Invalid username or password */
	PL_PROBLEM_BAD_PASSWORD,      /* 403 BAD_PASSWORD */
	PL_PROBLEM_USERNAME_TAKEN,    /* 400 Username already exists */
	PL_PROBLEM_NO_USER,           /* 404 User not found */
	PL_PROBLEM_NO_SESSION,        /* 404 NO_SESSION */
	PL_PROBLEM_NO_ROUTE,          /* 404 */
	PL_PROBLEM_NO_AVATAR,         /* 404 NO_AVATAR */
	PL_PROBLEM_BAD_IMAGE,         /* 400 BAD_IMAGE */
	PL_PROBLEM_IMAGE_SIDES,       /* 400 IMAGE_TOO_LARGE */
	PL_PROBLEM_NOT_YOURS,         /* 403 */
	PL_PROBLEM_NO_MESSAGE,        /* 404 MESSAGE_NOT_FOUND */
	PL_PROBLEM_NOT_YOUR_MESSAGE,  /* 403 FORBIDDEN */
	PL_PROBLEM_AUTO_REPLY,        /* 403 AUTO_REPLY */
	PL_PROBLEM_TOO_LATE,          /* 403 TOO_LATE */
	PL_PROBLEM_DELETED,           /* 410 DELETED */
	PL_PROBLEM_ORIGIN,            /* 403 */
	PL_PROBLEM_OFFLINE,           /* 403 OFFLINE */
	PL_PROBLEM_INVITE_NEEDED,     /* 403 INVITE_NEEDED */
	PL_PROBLEM_SIGNUP_CLOSED,     /* 403 SIGNUP_CLOSED */
	PL_PROBLEM_DISABLED,          /* 403 DISABLED */
	PL_PROBLEM_RECIPIENT_OFFLINE, /* 409 */
	PL_PROBLEM_BLOCKED,           /* 403 BLOCKED */
	PL_PROBLEM_BLOCKS_ONESELF,    /* 400 BLOCKS_ONESELF */
	PL_PROBLEM_BLOCKS_MANY,       /* 409 TOO_MANY_BLOCKS */
	PL_PROBLEM_BAD_ID,            /* 400 */
	PL_PROBLEM_BAD_MESSAGE,       /* 400 BAD_MESSAGE */
	PL_PROBLEM_BAD_JSON,          /* 400 */
	PL_PROBLEM_BAD_REQUEST,       /* 400 */
	PL_PROBLEM_NOT_JSON,          /* 415 */
	PL_PROBLEM_CODING,            /* 415; Content-Encoding */
	PL_PROBLEM_METHOD,            /* 405; Allow is set by the router */
	PL_PROBLEM_TOO_BIG,           /* 413 */
	PL_PROBLEM_TOO_MANY,          /* 429; with a time to wait */
	PL_PROBLEM_QUOTA,             /* 429 QUOTA; with a time to wait */
	PL_PROBLEM_IDEMPOTENCY,       /* 422 */
	PL_PROBLEM_HEADERS,           /* 431 */
	PL_PROBLEM_BUSY,              /* 503; to be tried again after a second */
	PL_PROBLEM_FULL,              /* 507 */
	PL_PROBLEM_INTERNAL,          /* 500 */
};

struct pl_problem_row {
	int status;
	const char *code;
	/* Front ends show some of these: see the contract before a change. */
	const char *text;
};

const struct pl_problem_row *pl_problem_row(enum pl_problem problem);
/* Of a failed store call: PL_E_UNAVAILABLE, _TIMEOUT, _BUSY, _CANCELLED 503, _FULL 507,
 * else 500. */
enum pl_problem pl_problem_of(enum pl_err err);
/* wait_ms in whole seconds, rounded up, at least 1: for Retry-After. */
int64_t pl_problem_wait_s(int64_t wait_ms);
/* As metrics call an answer of that status: "ok", "refused", "limited", "failed". */
const char *pl_problem_outcome(int status);

#endif
