#include "http/reply.h"

#include <stdio.h>

#include "base/json_out.h"
#include "base/log.h"
#include "http/exchange.h"

/* ---- the table ------------------------------------------------------------------------ */

static const struct {
	int status;
	const char *code;
	const char
	    *text; /* front ends show some of these: see the contract before a change */
} problems[] = {
    [PL_PROBLEM_NO_TOKEN] = {401, "NO_TOKEN", "Unauthorized - No Token Provided"},
    [PL_PROBLEM_BAD_TOKEN] = {401, "BAD_TOKEN", "Unauthorized - Invalid Token"},
    [PL_PROBLEM_AMBIGUOUS] = {401, "AMBIGUOUS_SESSION",
	"Unauthorized - Sessions Of Two Users, Log Out First"},
    [PL_PROBLEM_BAD_LOGIN] = {400, "BAD_LOGIN", "Invalid username or password"},
    [PL_PROBLEM_USERNAME_TAKEN] = {400, "USERNAME_TAKEN", "Username already exists"},
    [PL_PROBLEM_NO_USER] = {404, "USER_NOT_FOUND", "User not found"},
    [PL_PROBLEM_NO_ROUTE] = {404, "NOT_FOUND", "Not found"},
    [PL_PROBLEM_NO_SESSION] = {404, "NO_SESSION", "You have no such session"},
    [PL_PROBLEM_NOT_YOURS] = {403, "FORBIDDEN", "You can only change your own status"},
    [PL_PROBLEM_ORIGIN] = {403, "BAD_ORIGIN", "This origin may not use the API"},
    [PL_PROBLEM_OFFLINE] = {403, "OFFLINE",
	"You are offline. Connect or log in again to chat."},
    [PL_PROBLEM_RECIPIENT_OFFLINE] = {409, "RECIPIENT_OFFLINE",
	"The recipient is offline"},
    [PL_PROBLEM_BAD_ID] = {400, "BAD_ID", "id must be 24 hexadecimal digits"},
    [PL_PROBLEM_BAD_MESSAGE] = {400, "BAD_MESSAGE",
	"upTo must be the _id of a message of this conversation"},
    [PL_PROBLEM_BAD_JSON] = {400, "BAD_JSON", "The body must be one valid JSON object"},
    [PL_PROBLEM_BAD_REQUEST] = {400, "BAD_REQUEST", "Bad request"},
    [PL_PROBLEM_NOT_JSON] = {415, "NOT_JSON", "Content-Type must be application/json"},
    [PL_PROBLEM_CODING] = {415, "UNSUPPORTED_ENCODING",
	"The body must be sent as it is, without Content-Encoding"},
    [PL_PROBLEM_METHOD] = {405, "METHOD_NOT_ALLOWED", "Method not allowed"},
    [PL_PROBLEM_TOO_BIG] = {413, "TOO_LARGE", "The request body is too large"},
    [PL_PROBLEM_TOO_MANY] = {429, "TOO_MANY_REQUESTS",
	"Too many requests, try again later"},
    [PL_PROBLEM_QUOTA] = {429, "QUOTA",
	"You have sent as much as one user may send in a day"},
    [PL_PROBLEM_IDEMPOTENCY] = {422, "IDEMPOTENCY_KEY_REUSED",
	"Idempotency-Key was used with another body"},
    [PL_PROBLEM_HEADERS] = {431, "TOO_MANY_HEADERS", "Too many request headers"},
    [PL_PROBLEM_BUSY] = {503, "UNAVAILABLE", "Service unavailable, try again"},
    [PL_PROBLEM_FULL] = {507, "STORAGE_FULL", "No storage left"},
    [PL_PROBLEM_INTERNAL] = {500, "INTERNAL", "Internal server error"},
};

/* ---- sending -------------------------------------------------------------------------- */

void
pl_reply_header(struct pl_request *rq, const char *name, const char *value)
{
	if (pl_exchange_connection(rq) != NULL)
		http_response_header(pl_exchange_of(rq)->req, name, value);
}

/* What the request published leaves before its answer does. Else a client that has the
 * 201 and sends again, through another process, could overtake itself. */
static void
flush_bus(void)
{
	if (pl_app.redis != NULL)
		pl_redis_flush(pl_app.redis);
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
	bool is_parked = x->ended == NULL;

	if (status >= 500 && status != 503) /* in a flood a 503 is no news */
		log_failure(rq, status);
	flush_bus();
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
	/* In its handler kore does this itself. */
	if (c != NULL && is_parked && !net_send_flush(c))
		kore_connection_disconnect(c);
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
	if (problem == PL_PROBLEM_BUSY)
		pl_reply_header(rq, "retry-after", "1");
	if (problem == PL_PROBLEM_CODING) /* RFC 9110 §12.5.3 */
		pl_reply_header(rq, "accept-encoding", "identity");
	add_challenge(rq, problem);
	reply_error(
	    rq, problems[problem].status, problems[problem].code, problems[problem].text);
}

void
pl_reply_retry(struct pl_request *rq, enum pl_problem problem, int64_t wait_ms)
{
	char seconds[24];

	snprintf(seconds, sizeof(seconds), "%lld",
	    (long long)(wait_ms > 1000 ? (wait_ms + 999) / 1000 : 1));
	pl_reply_header(rq, "retry-after", seconds);
	reply_error(
	    rq, problems[problem].status, problems[problem].code, problems[problem].text);
}

void
pl_reply_invalid(struct pl_request *rq, const struct pl_invalid *why)
{
	reply_error(rq, 400, why->code, why->text);
}

void
pl_reply_err(struct pl_request *rq, enum pl_err err)
{
	switch (err) {
	case PL_E_UNAVAILABLE:
	case PL_E_TIMEOUT:
	case PL_E_BUSY:
	case PL_E_CANCELLED:
		pl_reply_problem(rq, PL_PROBLEM_BUSY);
		break;
	case PL_E_FULL:
		pl_reply_problem(rq, PL_PROBLEM_FULL);
		break;
	default:
		pl_reply_problem(rq, PL_PROBLEM_INTERNAL);
		break;
	}
}
