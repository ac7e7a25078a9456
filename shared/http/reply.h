/*
 * reply: the answer to a request. Errors are {"error":"<text>","code":"<CODE>"}; every
 * error that the contract names is in one table in reply.c.  Threads: the loop's.
 */
#ifndef PL_HTTP_REPLY_H
#define PL_HTTP_REPLY_H

#include "model/invalid.h"
#include "http/request.h"

enum pl_problem {
	PL_PROBLEM_NO_TOKEN,          /* 401 Unauthorized - No Token Provided */
	PL_PROBLEM_BAD_TOKEN,         /* 401 Unauthorized - Invalid Token */
	PL_PROBLEM_AMBIGUOUS,         /* 401 AMBIGUOUS_SESSION */
	PL_PROBLEM_BAD_LOGIN,         /* 400 Invalid username or password */
	PL_PROBLEM_USERNAME_TAKEN,    /* 400 Username already exists */
	PL_PROBLEM_NO_USER,           /* 404 User not found */
	PL_PROBLEM_NO_SESSION,        /* 404 NO_SESSION */
	PL_PROBLEM_NO_ROUTE,          /* 404 */
	PL_PROBLEM_NOT_YOURS,         /* 403 */
	PL_PROBLEM_ORIGIN,            /* 403 */
	PL_PROBLEM_OFFLINE,           /* 403 OFFLINE */
	PL_PROBLEM_RECIPIENT_OFFLINE, /* 409 */
	PL_PROBLEM_BAD_ID,            /* 400 */
	PL_PROBLEM_BAD_MESSAGE,       /* 400 BAD_MESSAGE */
	PL_PROBLEM_BAD_JSON,          /* 400 */
	PL_PROBLEM_BAD_REQUEST,       /* 400 */
	PL_PROBLEM_NOT_JSON,          /* 415 */
	PL_PROBLEM_CODING,            /* 415; Content-Encoding */
	PL_PROBLEM_METHOD,            /* 405; Allow is set by the router */
	PL_PROBLEM_TOO_BIG,           /* 413 */
	PL_PROBLEM_TOO_MANY,          /* 429; give pl_reply_retry() */
	PL_PROBLEM_QUOTA,             /* 429 QUOTA; give pl_reply_retry() */
	PL_PROBLEM_IDEMPOTENCY,       /* 422 */
	PL_PROBLEM_HEADERS,           /* 431 */
	PL_PROBLEM_BUSY,              /* 503, Retry-After: 1 */
	PL_PROBLEM_FULL,              /* 507 */
	PL_PROBLEM_INTERNAL,          /* 500 */
};

/* Adds a header to the answer that will follow; value is copied. */
void pl_reply_header(struct pl_request *rq, const char *name, const char *value);
/* body: JSON, copied. */
void pl_reply_json(struct pl_request *rq, int status, struct pl_str body);
void pl_reply_bytes(
    struct pl_request *rq, int status, const char *content_type, struct pl_str body);
void pl_reply_problem(struct pl_request *rq, enum pl_problem problem);
/* The problem, with Retry-After: wait_ms in whole seconds, rounded up. */
void pl_reply_retry(struct pl_request *rq, enum pl_problem problem, int64_t wait_ms);
void pl_reply_invalid(struct pl_request *rq, const struct pl_invalid *why); /* 400 */
/* Answer for a failed store call: PL_E_UNAVAILABLE, _TIMEOUT, _BUSY, _CANCELLED 503 with
 * Retry-After, _FULL 507, else 500. */
void pl_reply_err(struct pl_request *rq, enum pl_err err);

#endif
