#include "http/exchange.h"

#include "base/clock.h"
#include "base/mem.h"
#include "model/problem.h"
#include "ops/metrics.h"
#include "http/wire.h"

static struct pl_list in_flight = {&in_flight, &in_flight};
static size_t in_flight_count;
static uint64_t count_so_far;

static struct pl_str
method_name(int method)
{
	switch (method) {
	case HTTP_METHOD_GET:
		return PL_STR("GET");
	case HTTP_METHOD_HEAD:
		return PL_STR("HEAD");
	case HTTP_METHOD_POST:
		return PL_STR("POST");
	case HTTP_METHOD_PUT:
		return PL_STR("PUT");
	case HTTP_METHOD_PATCH:
		return PL_STR("PATCH");
	case HTTP_METHOD_DELETE:
		return PL_STR("DELETE");
	case HTTP_METHOD_OPTIONS:
		return PL_STR("OPTIONS");
	default:
		return PL_STR("?");
	}
}

/* kore 4.1.0 takes no body with DELETE: the gateway sends such a request as POST, and
 * says here what it was. */
static struct pl_str
method_of(const struct pl_request_impl *x)
{
	bool is_delete =
	    x->req->method == HTTP_METHOD_POST &&
	    pl_str_eq(pl_request_header(&x->rq, "x-method"), PL_STR("DELETE"));

	return method_name(is_delete ? HTTP_METHOD_DELETE : x->req->method);
}

static void
exchange_free(struct pl_request_impl *x)
{
	pl_list_unlink(&x->link);
	in_flight_count--;
	pl_json_free(x->json);
	pl_mem_free(x->param);
	pl_buf_fini(&x->head);
	kore_free(x->kept_head);
	if (x->kept_body != NULL)
		kore_buf_free(x->kept_body);
	pl_mem_free(x);
}

/* kore frees a request that was not answered, because its client has gone. The handler
 * may still hold slices of it, so their memory stays. */
static void
on_kore_free(struct http_request *req)
{
	struct pl_request_impl *x = req->hdlr_extra;

	req->onfree = NULL;
	x->kept_head = req->headers;
	x->kept_body = req->http_body;
	req->headers = NULL;
	req->http_body = NULL;
	x->req = NULL;
	x->rq.is_gone = true;
	if (x->rq.on_gone != NULL)
		x->rq.on_gone(&x->rq);
}

static size_t
count_headers(const struct http_request *req)
{
	const struct http_header *h;
	size_t count = 1; /* Host, which kore keeps elsewhere */

	TAILQ_FOREACH(h, &req->req_headers, list)
	count++;
	return count;
}

struct pl_request_impl *
pl_exchange_new(struct http_request *req)
{
	size_t count = count_headers(req);
	struct pl_request_impl *x =
	    pl_mem_zalloc(sizeof(*x) + count * sizeof(x->headers[0]));
	const struct http_header *h;

	x->req = req;
	x->began_mono_us = pl_clock_mono_us();
	pl_buf_init(&x->head, PL_BUF_UNLIMITED); /* our handlers bound it */
	x->headers[x->header_count++] = (struct pl_exchange_header){"host", req->host};
	TAILQ_FOREACH(h, &req->req_headers, list)
	x->headers[x->header_count++] = (struct pl_exchange_header){h->header, h->value};
	x->rq.impl = x;
	x->rq.method = method_of(x);
	x->rq.path = pl_str(req->path);
	x->rq.query = pl_str(req->query_string);
	if (req->http_body != NULL)
		x->rq.body = pl_str_n(req->http_body->data, req->http_body_length);
	pl_list_push(&in_flight, &x->link);
	in_flight_count++;
	count_so_far++;
	req->hdlr_extra = x;
	req->flags |= HTTP_REQUEST_RETAIN_EXTRA; /* ours to free */
	req->onfree = on_kore_free;
	/* kore 4.1.0 leaves the deadline of the body armed: an answer that takes long
	 * would become a 408. */
	req->owner->http_timeout = 0;
	return x;
}

struct connection *
pl_exchange_connection(const struct pl_request *rq)
{
	const struct pl_request_impl *x = pl_exchange_of(rq);

	if (x->req == NULL || x->req->owner == NULL ||
	    x->req->owner->state == CONN_STATE_DISCONNECTING)
		return NULL;
	return x->req->owner;
}

static const char *
status_class(int status)
{
	static const char *const classes[] = {"1xx", "2xx", "3xx", "4xx", "5xx"};

	if (status == 429)
		return "429";
	if (status == 503)
		return "503";
	return classes[status / 100 - 1];
}

static void
count_answer(const struct pl_request_impl *x, int status)
{
	int64_t took_us = pl_clock_mono_us() - x->began_mono_us;

	pl_metrics_count(PL_M_HTTP_REQUESTS, status_class(status), 1);
	if (x->route == NULL || !(x->route->flags & (PL_ROUTE_RAW | PL_ROUTE_ORIGIN)))
		pl_metrics_observe(PL_M_HTTP_SECONDS, NULL, took_us);
	if (x->route != NULL && x->route->counted_as != PL_M_NONE)
		pl_metrics_count(x->route->counted_as, pl_problem_outcome(status), 1);
}

void
pl_exchange_respond(struct pl_request_impl *x, int status, struct pl_str body)
{
	count_answer(x, status);
	pl_wire_respond(x->req, status, pl_buf_str(&x->head), body);
}

void
pl_exchange_end(struct pl_request *rq)
{
	struct pl_request_impl *x = pl_exchange_of(rq);
	struct http_request *req = x->req;

	if (req != NULL) {
		req->onfree = NULL;
		req->hdlr_extra = NULL;
		if (x->ended == NULL) {
			/* Parked: kore frees it at its next turn. */
			req->flags |= HTTP_REQUEST_DELETE;
			http_request_wakeup(req);
		}
	}
	if (x->ended != NULL)
		*x->ended = true;
	exchange_free(x);
}

size_t
pl_exchange_header_count(const struct pl_request_impl *x, const char *name)
{
	size_t count = 0;

	for (size_t i = 0; i < x->header_count; i++)
		if (pl_exchange_header_is(&x->headers[i], name))
			count++;
	return count;
}

size_t
pl_exchange_in_flight(void)
{
	return in_flight_count;
}

uint64_t
pl_exchange_count(void)
{
	return count_so_far;
}
