#include "support/fake/http.h"

#include <assert.h>
#include <stdio.h>

#include "base/mem.h"

struct pl_app pl_app;

static struct fake_request *
of(const struct pl_request *rq)
{
	return rq->arg; /* no handler of a test sets its own */
}

/* ---- the request ---- */

struct fake_request *
fake_request_new(const char *param, const char *body)
{
	struct fake_request *r = pl_mem_zalloc(sizeof(*r));

	r->param = pl_mem_strdup(param != NULL ? param : "");
	r->body = pl_mem_strdup(body);
	r->rq.param = pl_str(r->param);
	r->rq.body = pl_str(r->body);
	r->rq.arg = r;
	pl_trace_new(&r->trace);
	pl_buf_init(&r->answer.body, PL_BUF_UNLIMITED);
	return r;
}

void
fake_request_free(struct fake_request *r)
{
	pl_mem_free(r->param);
	pl_mem_free(r->body);
	pl_json_free(r->json);
	pl_buf_fini(&r->answer.body);
	pl_mem_free(r);
}

static void
put(struct fake_header *headers, size_t *count, const char *name, const char *value)
{
	assert(*count < FAKE_HEADERS_MAX);
	snprintf(headers[*count].name, sizeof(headers->name), "%s", name);
	snprintf(headers[*count].value, sizeof(headers->value), "%s", value);
	++*count;
}

void
fake_request_add(struct fake_request *r, const char *name, const char *value)
{
	put(r->headers, &r->header_count, name, value);
}

struct fake_request *
fake_request_from(const char *address, const char *body)
{
	struct fake_request *r = fake_request_new(NULL, body);

	fake_request_add(r, "x-forwarded-for", address);
	return r;
}

struct pl_str
pl_request_header(const struct pl_request *rq, const char *name)
{
	const struct fake_request *r = of(rq);

	for (size_t i = 0; i < r->header_count; i++)
		if (strcmp(r->headers[i].name, name) == 0)
			return pl_str(r->headers[i].value);
	return PL_STR_NONE;
}

bool
pl_request_header_repeats(const struct pl_request *rq, const char *name)
{
	const struct fake_request *r = of(rq);
	size_t count = 0;

	for (size_t i = 0; i < r->header_count; i++)
		count += strcmp(r->headers[i].name, name) == 0;
	return count > 1;
}

struct pl_str
pl_request_client_address(const struct pl_request *rq)
{
	return pl_request_header(rq, "x-forwarded-for");
}

bool
pl_request_is_https(const struct pl_request *rq)
{
	return pl_str_eq(pl_request_header(rq, "x-forwarded-proto"), PL_STR("https"));
}

struct pl_str
pl_request_id(const struct pl_request *rq)
{
	return pl_request_header(rq, "x-request-id");
}

const struct pl_trace *
pl_request_trace(const struct pl_request *rq)
{
	return &of(rq)->trace;
}

bool
pl_request_oid(struct pl_request *rq, struct pl_oid *out)
{
	if (pl_oid_parse(rq->param, out))
		return true;
	pl_reply_problem(rq, PL_PROBLEM_BAD_ID);
	return false;
}

const struct pl_json *
pl_request_json(struct pl_request *rq)
{
	if (pl_json_parse(rq->body, &of(rq)->json, NULL) == PL_OK)
		return of(rq)->json;
	pl_reply_problem(rq, PL_PROBLEM_BAD_JSON);
	return NULL;
}

bool
pl_request_is_no_form(struct pl_request *rq)
{
	struct pl_str type = pl_request_header(rq, "content-type");

	if (type.len == 0 || pl_str_eq(type, PL_STR("application/json")) ||
	    (rq->body.len == 0 && pl_request_header(rq, "origin").len > 0))
		return true;
	pl_reply_problem(rq, PL_PROBLEM_NOT_JSON);
	return false;
}

/* ---- the answer ---- */

static struct fake_request *
answer(struct pl_request *rq, enum fake_answer kind)
{
	struct fake_request *r = of(rq);

	assert(r->answer.kind == FAKE_UNANSWERED);
	r->answer.kind = kind;
	return r;
}

void
pl_reply_header(struct pl_request *rq, const char *name, const char *value)
{
	struct fake_request *r = of(rq);

	assert(r->answer.kind == FAKE_UNANSWERED);
	put(r->answer.headers, &r->answer.header_count, name, value);
}

const char *
fake_answer_header_at(const struct fake_request *r, const char *name, size_t index)
{
	for (size_t i = 0; i < r->answer.header_count; i++)
		if (strcmp(r->answer.headers[i].name, name) == 0 && index-- == 0)
			return r->answer.headers[i].value;
	return NULL;
}

const char *
fake_answer_header(const struct fake_request *r, const char *name)
{
	return fake_answer_header_at(r, name, 0);
}

void
pl_reply_json(struct pl_request *rq, int status, struct pl_str body)
{
	struct fake_request *r = answer(rq, FAKE_JSON);

	r->answer.status = status;
	pl_buf_add_str(&r->answer.body, body);
}

void
pl_reply_problem(struct pl_request *rq, enum pl_problem problem)
{
	answer(rq, FAKE_PROBLEM)->answer.problem = problem;
}

void
pl_reply_retry(struct pl_request *rq, enum pl_problem problem, int64_t wait_ms)
{
	struct fake_request *r = answer(rq, FAKE_RETRY);

	r->answer.problem = problem;
	r->answer.wait_ms = wait_ms;
}

void
pl_reply_invalid(struct pl_request *rq, const struct pl_invalid *why)
{
	struct fake_request *r = answer(rq, FAKE_INVALID);

	snprintf(r->answer.code, sizeof(r->answer.code), "%s", why->code);
}

void
pl_reply_err(struct pl_request *rq, enum pl_err err)
{
	answer(rq, FAKE_ERR)->answer.err = err;
}
