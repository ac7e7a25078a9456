#include "http/reply.h"

#include <stdio.h>

#include "base/json_out.h"
#include "base/log.h"
#include "http/cork.h"
#include "http/exchange.h"

#define HEAD_BYTES 256 /* at first */

/* ---- sending -------------------------------------------------------------------------- */

void
pl_reply_header(struct pl_request *rq, const char *name, const char *value)
{
	struct pl_buf *head = &pl_exchange_of(rq)->head;

	if (pl_exchange_connection(rq) == NULL)
		return;
	if (head->data == NULL)
		(void)pl_buf_reserve(head, HEAD_BYTES);
	(void)pl_buf_add_cstr(head, name);
	(void)pl_buf_add_str(head, PL_STR(": "));
	(void)pl_buf_add_cstr(head, value);
	(void)pl_buf_add_str(head, PL_STR("\r\n"));
}

static void
log_failure(const struct pl_request *rq, int status)
{
	pl_log_warn_sampled("request failed", PL_L_REQUEST(rq),
	    PL_L_STR("method", rq->method), PL_L_STR("path", rq->path),
	    PL_L_INT("status", status));
}

void
pl_reply_bytes(
    struct pl_request *rq, int status, const char *content_type, struct pl_str body)
{
	struct pl_request_impl *x = pl_exchange_of(rq);
	struct connection *c = pl_exchange_connection(rq);
	bool is_in_handler = x->ended != NULL;

	if (status >= 500 && status != 503) /* in a flood a 503 is no news */
		log_failure(rq, status);
	if (c != NULL) {
		if (content_type != NULL)
			pl_reply_header(rq, "content-type", content_type);
		pl_reply_header(rq, "x-content-type-options", "nosniff");
		pl_reply_header(rq, "cache-control", pl_exchange_caching(rq));
		if (pl_app.is_draining)
			c->flags |= CONN_CLOSE_EMPTY;
		pl_exchange_respond(x, status, body);
	}
	pl_exchange_end(rq);
	if (c != NULL)
		pl_cork_hold(c, is_in_handler);
}

void
pl_reply_json(struct pl_request *rq, int status, struct pl_str body)
{
	pl_reply_bytes(rq, status, "application/json", body);
}

static void
reply_error(struct pl_request *rq, int status, const char *code, const char *text)
{
	struct pl_json_out o;
	struct pl_buf body;

	pl_buf_init(&body, 4096);
	pl_jo_init(&o, &body);
	pl_jo_object(&o);
	pl_jo_key(&o, "error");
	pl_jo_cstr(&o, text);
	pl_jo_key(&o, "code");
	pl_jo_cstr(&o, code);
	pl_jo_end_object(&o);
	pl_reply_json(rq, status, pl_buf_str(&body));
	pl_buf_fini(&body);
}

/* RFC 9110 §15.5.2: a 401 says how to authenticate; in the words of RFC 6750 §3. */
static void
add_challenge(struct pl_request *rq, enum pl_problem problem)
{
	if (problem == PL_PROBLEM_NO_TOKEN)
		pl_reply_header(rq, "www-authenticate", "Bearer");
	else if (problem == PL_PROBLEM_BAD_TOKEN || problem == PL_PROBLEM_AMBIGUOUS)
		pl_reply_header(rq, "www-authenticate", "Bearer error=\"invalid_token\"");
}

void
pl_reply_problem(struct pl_request *rq, enum pl_problem problem)
{
	const struct pl_problem_row *row = pl_problem_row(problem);

	if (problem == PL_PROBLEM_BUSY)
		pl_reply_header(rq, "retry-after", "1");
	if (problem == PL_PROBLEM_CODING) /* RFC 9110 §12.5.3 */
		pl_reply_header(rq, "accept-encoding", "identity");
	add_challenge(rq, problem);
	reply_error(rq, row->status, row->code, row->text);
}

void
pl_reply_retry(struct pl_request *rq, enum pl_problem problem, int64_t wait_ms)
{
	const struct pl_problem_row *row = pl_problem_row(problem);
	char seconds[24];

	snprintf(seconds, sizeof(seconds), "%lld", (long long)pl_problem_wait_s(wait_ms));
	pl_reply_header(rq, "retry-after", seconds);
	reply_error(rq, row->status, row->code, row->text);
}

void
pl_reply_invalid(struct pl_request *rq, const struct pl_invalid *why)
{
	reply_error(rq, 400, why->code, why->text);
}

void
pl_reply_err(struct pl_request *rq, enum pl_err err)
{
	pl_reply_problem(rq, pl_problem_of(err));
}
