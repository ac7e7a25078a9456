#include "http/dispatch.h"

#include <strings.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "proto/http_origin.h"
#include "http/cork.h"
#include "http/exchange.h"
#include "http/ops.h"
#include "http/reply.h"
#include "http/router.h"
#include "session/sessions.h"

/* The headers that our routes take, and those that tracing and fetch wrappers add to
 * every request: a preflight that refused one of them would stop the request. */
#define CORS_HEADERS                                                                     \
	"Content-Type, Authorization, Idempotency-Key, X-Socket-Id, X-Request-Id, "      \
	"X-Requested-With, If-None-Match, Traceparent, Tracestate, Baggage, "            \
	"Sentry-Trace"
#define CORS_EXPOSED   "Link, ETag, Retry-After, Idempotent-Replayed"
#define CORS_MAX_AGE_S "600"

/* ---- guards --------------------------------------------------------------------------- */

/* kore 4.1.0 reads the body of such a request as the next request: through a gateway, one
 * client could then prepare another's answer. */
static bool
has_hidden_body(const struct pl_request_impl *x)
{
	struct pl_str length = pl_request_header(&x->rq, "content-length");

	if (pl_exchange_header_count(x, "transfer-encoding") > 0 ||
	    pl_request_header_repeats(&x->rq, "content-length"))
		return true;
	return (x->req->flags & HTTP_REQUEST_EXPECT_BODY) == 0 &&
	       x->req->http_body == NULL && length.ptr != NULL &&
	       !pl_str_eq(length, PL_STR("0"));
}

static void
refuse_and_close(struct pl_request_impl *x, enum pl_problem problem)
{
	x->req->owner->flags |= CONN_CLOSE_EMPTY;
	pl_reply_problem(&x->rq, problem);
}

static bool
pass_guards(struct pl_request_impl *x)
{
	if (pl_app.store == NULL && !pl_service.is_bare)
		refuse_and_close(x, PL_PROBLEM_BUSY); /* the worker ends */
	else if (has_hidden_body(x))
		refuse_and_close(x, PL_PROBLEM_BAD_REQUEST);
	else if (x->header_count > PL_EXCHANGE_HEADERS_MAX)
		refuse_and_close(x, PL_PROBLEM_HEADERS);
	else
		return true;
	return false;
}

/* ---- origin --------------------------------------------------------------------------- */

static enum pl_http_origin
check_origin(const struct pl_request_impl *x)
{
	struct pl_str scheme = pl_request_header(&x->rq, "x-forwarded-proto");
	struct pl_http_origin_rq rq = {
	    .origin = pl_request_header(&x->rq, "origin"),
	    .repeated = pl_request_header_repeats(&x->rq, "origin"),
	    .scheme = scheme.ptr != NULL ? scheme : PL_STR("http"),
	    .host = pl_request_header(&x->rq, "host"),
	};

	return pl_http_origin_check(&rq, pl_str(pl_settings.allowed_origins));
}

static void
add_cors_headers(struct pl_request *rq, enum pl_http_origin origin)
{
	char *name;

	if (pl_settings.allowed_origins == NULL)
		return;
	pl_reply_header(rq, "vary", "Origin");
	if (origin != PL_ORIGIN_LISTED)
		return;
	name = pl_mem_strndup(
	    pl_request_header(rq, "origin").ptr, pl_request_header(rq, "origin").len);
	pl_reply_header(rq, "access-control-allow-origin", name);
	pl_reply_header(rq, "access-control-allow-credentials", "true");
	pl_reply_header(rq, "access-control-expose-headers", CORS_EXPOSED);
	pl_mem_free(name);
}

static bool
changes_state(const struct pl_request *rq)
{
	return !pl_str_eq(rq->method, PL_STR("GET")) &&
	       !pl_str_eq(rq->method, PL_STR("HEAD"));
}

/* Browsers send cookies with requests from any site. So a request that changes something
 * must come from a page of ours, from a listed origin, or from no page at all. */
static bool
may_change(const struct pl_request *rq, enum pl_http_origin origin)
{
	struct pl_str site = pl_request_header(rq, "sec-fetch-site");

	if (origin == PL_ORIGIN_REFUSED)
		return false;
	return origin == PL_ORIGIN_LISTED ||
	       !pl_str_eq_nocase(site, PL_STR("cross-site"));
}

/* ---- session -------------------------------------------------------------------------- */

static void
on_verdict(void *arg, enum pl_session_verdict verdict, const struct pl_jwt_claims *claims)
{
	struct pl_request *rq = arg;
	const struct pl_route *route = pl_exchange_of(rq)->route;

	if (rq->is_gone) {
		pl_exchange_end(rq);
		return;
	}
	switch (verdict) {
	case PL_SESSION_OK:
		rq->claims = *claims;
		if (route->flags & PL_ROUTE_SEEN)
			pl_online_seen(pl_app.online, &rq->claims.user);
		route->handle(rq);
		break;
	case PL_SESSION_NO_TOKEN:
		pl_reply_problem(rq, PL_PROBLEM_NO_TOKEN);
		break;
	case PL_SESSION_BAD_TOKEN:
	case PL_SESSION_EXPIRED:
		pl_reply_problem(rq, PL_PROBLEM_BAD_TOKEN);
		break;
	case PL_SESSION_AMBIGUOUS:
		pl_reply_problem(rq, PL_PROBLEM_AMBIGUOUS);
		break;
	case PL_SESSION_UNKNOWN:
		pl_reply_problem(rq, PL_PROBLEM_BUSY);
		break;
	}
}

/* From all its Cookie lines: HTTP/2 and some proxies split one, and kore does not join
 * them. */
static void
add_cookies(struct pl_credentials *c, const struct pl_request *rq,
    enum pl_credential_place place, const char *name, int64_t now_s)
{
	struct pl_str line;

	for (size_t it = 0; (line = pl_request_header_next(rq, "cookie", &it)).ptr;)
		pl_credentials_add_cookies(c, place, pl_str(name), line, now_s);
}

void
pl_request_credentials(const struct pl_request *rq, struct pl_credentials *out)
{
	int64_t now_s = pl_clock_unix_ms() / 1000;

	pl_credentials_init(out);
	out->known = pl_sessions_known_tokens(pl_app.sessions);
	add_cookies(out, rq, PL_CREDENTIAL_COOKIE, pl_settings.cookie_name, now_s);
	if (strcmp(pl_settings.cookie_name, "jwt") != 0)
		add_cookies(out, rq, PL_CREDENTIAL_OLD_COOKIE, "jwt", now_s);
	pl_credentials_add_bearer(out, pl_request_header(rq, "authorization"), now_s);
	pl_sessions_drop_revoked(pl_app.sessions, out);
}

static void
authenticate(struct pl_request *rq)
{
	struct pl_credentials c;

	pl_request_credentials(rq, &c);
	pl_sessions_choose(pl_app.sessions, &c, on_verdict, rq);
	pl_credentials_fini(&c);
}

/* ---- codings -------------------------------------------------------------------------- */

/* RFC 9110 §8.4: a list; "identity" and empty elements count as no coding. */
static bool
has_coding(struct pl_str list)
{
	struct pl_str part;

	while (pl_str_split(&list, ',', &part)) {
		part = pl_str_trim(part);
		if (part.len > 0 && !pl_str_eq_nocase(part, PL_STR("identity")))
			return true;
	}
	return false;
}

/* We decode nothing: a small body that grows to gigabytes is an old trick. */
static bool
has_coded_body(const struct pl_request *rq)
{
	struct pl_str line;

	if (rq->body.len == 0)
		return false;
	for (size_t it = 0;
	     (line = pl_request_header_next(rq, "content-encoding", &it)).ptr;)
		if (has_coding(line))
			return true;
	return false;
}

/* ---- the way -------------------------------------------------------------------------- */

static void
reply_options(struct pl_request *rq, enum pl_http_origin origin, const char *allow)
{
	pl_reply_header(rq, "allow", allow);
	if (origin == PL_ORIGIN_LISTED) {
		pl_reply_header(rq, "access-control-allow-methods", allow);
		pl_reply_header(rq, "access-control-allow-headers", CORS_HEADERS);
		pl_reply_header(rq, "access-control-max-age", CORS_MAX_AGE_S);
	}
	pl_reply_bytes(rq, 204, NULL, PL_STR_NONE);
}

static void
set_param(struct pl_request_impl *x, struct pl_str raw)
{
	size_t len;

	x->param = pl_mem_alloc(raw.len + 1);
	/* A parameter with a bad escape stays as it is, and is no id. */
	x->rq.param =
	    pl_router_decode(raw, x->param, &len) ? pl_str_n(x->param, len) : raw;
}

static void
run_route(struct pl_request_impl *x, enum pl_http_origin origin)
{
	struct pl_request *rq = &x->rq;
	unsigned flags = x->route->flags;

	/* No same-origin policy guards WebSockets: a page that can read can act, too. */
	if (((flags & PL_ROUTE_ORIGIN) && origin == PL_ORIGIN_REFUSED) ||
	    (!(flags & PL_ROUTE_RAW) && changes_state(rq) && !may_change(rq, origin)))
		pl_reply_problem(rq, PL_PROBLEM_ORIGIN);
	else if (has_coded_body(rq))
		pl_reply_problem(rq, PL_PROBLEM_CODING);
	else if (flags & PL_ROUTE_AUTH)
		authenticate(rq);
	else
		x->route->handle(rq);
}

static void
route_request(struct pl_request_impl *x)
{
	enum pl_http_origin origin = check_origin(x);
	struct pl_request *rq = &x->rq;
	struct pl_route_match match;

	add_cors_headers(rq, origin);
	switch (pl_router_match(
	    pl_service.routes, pl_service.route_count, rq->method, rq->path, &match)) {
	case PL_ROUTE_FOUND:
		x->route = match.route;
		set_param(x, match.param);
		run_route(x, origin);
		break;
	case PL_ROUTE_NO_METHOD:
		if (pl_str_eq(rq->method, PL_STR("OPTIONS"))) {
			reply_options(rq, origin, match.allow);
			break;
		}
		pl_reply_header(rq, "allow", match.allow);
		pl_reply_problem(rq, PL_PROBLEM_METHOD);
		break;
	case PL_ROUTE_NO_PATH:
		pl_reply_problem(rq, PL_PROBLEM_NO_ROUTE);
		break;
	}
}

/* Does kore's walk over what it has read come to next? It chooses the next one before it
 * handles a request: what comes onto its list meanwhile is of another walk, perhaps. */
static bool
is_handled_next(const struct http_request *next)
{
	return next != NULL && (next->flags & HTTP_REQUEST_COMPLETE) != 0 &&
	       (next->flags & HTTP_REQUEST_DELETE) == 0 && next->hdlr != NULL;
}

int
pl_dispatch(struct http_request *req)
{
	const struct http_request *next = TAILQ_NEXT(req, list);
	struct pl_request_impl *x = pl_exchange_new(req);
	bool ended = false;

	x->ended = &ended;
	if (pass_guards(x) && (pl_service.is_bare || !pl_ops_handle(&x->rq)))
		route_request(x);
	if (!is_handled_next(next) || pl_cork_is_over())
		pl_cork_release();
	if (ended)
		return KORE_RESULT_OK;
	x->ended = NULL;
	http_request_sleep(req);
	return KORE_RESULT_RETRY;
}
