/*
 * fake http: a request and its answer, for tests of services: stands in for http/, which
 * needs kore. The handler that the test calls finds what it asks for, and what it answers
 * stays here.
 *
 *   struct fake_request *r = fake_request_new("0123...", "{\"message\":\"hi\"}");
 *   message_send_post(&r->rq);
 *   assert_int_equal(r->answer.status, 201);
 *   fake_request_free(r);
 *
 * A request is answered once: a second answer ends the test. pl_app is here, too, and
 * belongs to the test.  Threads: the test's.
 */
#ifndef PL_TESTS_FAKE_HTTP_H
#define PL_TESTS_FAKE_HTTP_H

#include "http/reply.h"
#include "http/service.h"

#define FAKE_HEADERS_MAX 8

struct fake_header {
	char name[32];
	char value[512];
};

/* By which call it was answered. */
enum fake_answer {
	FAKE_UNANSWERED,
	FAKE_JSON,
	FAKE_PROBLEM,
	FAKE_RETRY,
	FAKE_INVALID,
	FAKE_ERR,
};

struct fake_request {
	struct pl_request rq;
	struct fake_header headers[FAKE_HEADERS_MAX]; /* as they came */
	size_t header_count;
	char *param, *body; /* what rq borrows */
	struct pl_json *json;
	struct pl_trace trace;
	struct {
		enum fake_answer kind;
		int status;              /* JSON */
		struct pl_buf body;      /* JSON */
		enum pl_problem problem; /* PROBLEM, RETRY */
		int64_t wait_ms;         /* RETRY */
		char code[64];           /* INVALID */
		enum pl_err err;         /* ERR */
		struct fake_header headers[FAKE_HEADERS_MAX];
		size_t header_count;
	} answer;
};

/* param: what stands for ":id", or NULL. Both are copied. */
struct fake_request *fake_request_new(const char *param, const char *body);
/* One that the gateway got from this address. */
struct fake_request *fake_request_from(const char *address, const char *body);
void fake_request_free(struct fake_request *r);
void fake_request_add(struct fake_request *r, const char *name, const char *value);
/* A header of the answer; NULL: it has none. Of several of one name the first, or any. */
const char *fake_answer_header(const struct fake_request *r, const char *name);
const char *fake_answer_header_at(
    const struct fake_request *r, const char *name, size_t index);

#endif
