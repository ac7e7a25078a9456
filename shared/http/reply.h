/*
 * reply: the answer to a request. Errors are {"error":"<text>","code":"<CODE>"}; those
 * that the contract names stand in model/problem.  Threads: the loop's.
 */
#ifndef PL_HTTP_REPLY_H
#define PL_HTTP_REPLY_H

#include "model/invalid.h"
#include "model/problem.h"
#include "http/request.h"

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
