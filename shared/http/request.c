#include "ops/settings.h"
#include "http/exchange.h"
#include "http/reply.h"

struct pl_str
pl_request_header_next(const struct pl_request *rq, const char *name, size_t *it)
{
	const struct pl_request_impl *x = pl_exchange_of(rq);

	while (*it < x->header_count) {
		const struct pl_exchange_header *h = &x->headers[(*it)++];

		if (pl_exchange_header_is(h, name))
			return pl_str_trim(pl_str(h->value));
	}
	return PL_STR_NONE;
}

struct pl_str
pl_request_header(const struct pl_request *rq, const char *name)
{
	size_t it = 0;

	return pl_request_header_next(rq, name, &it);
}

bool
pl_request_header_repeats(const struct pl_request *rq, const char *name)
{
	return pl_exchange_header_count(pl_exchange_of(rq), name) > 1;
}

/* Without a gateway: the other end of the connection. */
static struct pl_str
peer_address(struct pl_request_impl *x)
{
	const struct connection *c = pl_exchange_connection(&x->rq);

	if (x->peer[0] == '\0' && c != NULL) {
		if (c->family == AF_INET)
			inet_ntop(
			    AF_INET, &c->addr.ipv4.sin_addr, x->peer, sizeof(x->peer));
		else if (c->family == AF_INET6)
			inet_ntop(
			    AF_INET6, &c->addr.ipv6.sin6_addr, x->peer, sizeof(x->peer));
	}
	return pl_str(x->peer);
}

struct pl_str
pl_request_client_address(const struct pl_request *rq)
{
	struct pl_str rest = pl_request_header(rq, "x-forwarded-for");
	struct pl_str part, last = PL_STR_NONE;

	/* The last one is what the gateway itself saw. */
	while (pl_str_split(&rest, ',', &part))
		last = pl_str_trim(part);
	return last.len > 0 ? last : peer_address(pl_exchange_of(rq));
}

bool
pl_request_is_https(const struct pl_request *rq)
{
	return pl_str_eq_nocase(
	    pl_request_header(rq, "x-forwarded-proto"), PL_STR("https"));
}

struct pl_str
pl_request_id(const struct pl_request *rq)
{
	return pl_request_header(rq, "x-request-id");
}

const struct pl_trace *
pl_request_trace(const struct pl_request *rq)
{
	struct pl_trace *trace = &pl_exchange_of(rq)->trace;

	if (pl_trace_is_none(trace) &&
	    !pl_trace_parse(pl_request_header(rq, "traceparent"), trace))
		pl_trace_new(trace);
	return trace;
}

static bool
is_json(struct pl_str content_type)
{
	struct pl_str type;

	return pl_str_split(&content_type, ';', &type) &&
	       pl_str_eq_nocase(pl_str_trim(type), PL_STR("application/json"));
}

/* Nothing, called something all the same, by a page whose origin has been found good. */
static bool
is_nothing_of_known_page(const struct pl_request *rq)
{
	return rq->body.len == 0 && pl_request_header(rq, "origin").len > 0;
}

bool
pl_request_is_no_form(struct pl_request *rq)
{
	struct pl_str type = pl_request_header(rq, "content-type");

	if (type.len == 0 || is_json(type) || is_nothing_of_known_page(rq))
		return true;
	pl_reply_problem(rq, PL_PROBLEM_NOT_JSON);
	return false;
}

const struct pl_json *
pl_request_json(struct pl_request *rq)
{
	struct pl_request_impl *x = pl_exchange_of(rq);
	const char *why = NULL;

	if (x->json != NULL)
		return x->json; /* asked again */
	if (!is_json(pl_request_header(rq, "content-type"))) {
		pl_reply_problem(rq, PL_PROBLEM_NOT_JSON);
		return NULL;
	}
	if (rq->body.len > (size_t)pl_settings.body_bytes_max) {
		pl_reply_problem(rq, PL_PROBLEM_TOO_BIG);
		return NULL;
	}
	if (pl_json_parse(rq->body, &x->json, &why) != PL_OK ||
	    pl_json_type(x->json) != PL_JSON_OBJECT) {
		pl_reply_problem(rq, PL_PROBLEM_BAD_JSON);
		return NULL;
	}
	return x->json;
}

bool
pl_request_oid(struct pl_request *rq, struct pl_oid *out)
{
	if (pl_oid_parse(rq->param, out))
		return true;
	pl_reply_problem(rq, PL_PROBLEM_BAD_ID);
	return false;
}
