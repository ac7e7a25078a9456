#include "upgrade.h"

#include <stdbool.h>

#include <ngx_event.h>

#include "context.h"
#include "handover.h"
#include "variables.h"

/* While something is on its way, it is tried again, later each time, and then no more. */
#define TRY_AGAIN_MS 20
#define TRIES_MAX    10

/* ---- tunnels ---------------------------------------------------------------------- */

/* Nothing that either side has sent is in nginx' memory. */
static bool
is_quiet(ngx_http_request_t *r)
{
	ngx_http_upstream_t *upstream = r->upstream;
	ngx_connection_t *client = r->connection, *service = upstream->peer.connection;

	return upstream->buffer.pos == upstream->buffer.last &&
	       upstream->from_client.pos == upstream->from_client.last &&
	       r->header_in->pos == r->header_in->last && r->out == NULL &&
	       !client->buffered && !service->buffered;
}

static bool
may_go_on(ngx_http_request_t *r)
{
	ngx_connection_t *client = r->connection;
	ngx_connection_t *service =
	    r->upstream != NULL ? r->upstream->peer.connection : NULL;

	return service != NULL && r->header_sent && !client->error && !client->close &&
	       !service->error && !client->read->eof && !service->read->eof;
}

/* nginx asks for this only if it has something to write. */
static bool
is_told_of_writing(ngx_connection_t *connection)
{
	return connection->write->active ||
	       ngx_add_event(connection->write, NGX_WRITE_EVENT, NGX_CLEAR_EVENT) ==
		   NGX_OK;
}

/* The request ends as nginx ends it, but without its two connections: a connection that
 * has no request any more is not closed with one. */
static void
become_tunnel(ngx_http_request_t *r, struct context *context)
{
	struct location_conf *conf = context->conf;
	struct seat *seat = context->seat;
	ngx_connection_t *client = r->connection, *service = r->upstream->peer.connection;
	struct tunnel *tunnel;

	if (!is_told_of_writing(client) || !is_told_of_writing(service))
		return;
	conf->times.silent_ms = r->upstream->conf->read_timeout;
	conf->times.stuck_ms = r->upstream->conf->send_timeout;
	tunnel = tunnel_new(&conf->times);
	if (tunnel == NULL)
		return;
	if (seat != NULL)
		context->leaving->handler = NULL;
	r->upstream->peer.connection = NULL;
	r->main->count++; /* the proxy's own end takes one, and is not to be the last */
	ngx_http_free_request(r, 0);
	tunnel_open(tunnel, client, service, conf->zone, seat);
}

static void
try(ngx_event_t *event)
{
	ngx_connection_t *client = event->data;
	ngx_http_request_t *r = client->data;
	struct context *context = ngx_http_get_module_ctx(r, parley_tunnel_module);

	event->timedout = 0;
	if (!may_go_on(r))
		return;
	if (is_quiet(r))
		become_tunnel(r, context);
	else if (context->tries < TRIES_MAX)
		ngx_add_timer(event, (ngx_msec_t)TRY_AGAIN_MS << context->tries++);
}

static void
try_no_more(void *data)
{
	ngx_event_t *event = data;

	if (event->timer_set)
		ngx_del_timer(event);
	if (event->posted) { /* a macro of two statements */
		ngx_delete_posted_event(event);
	}
}

static bool
is_for_tunnel(ngx_http_request_t *r)
{
	return r->upstream->upgrade &&
	       r->headers_out.status == NGX_HTTP_SWITCHING_PROTOCOLS &&
	       ngx_add_conn != NULL &&
#if (NGX_HTTP_SSL)
	       r->connection->ssl == NULL && r->upstream->peer.connection->ssl == NULL &&
#endif
	       (ngx_event_flags & NGX_USE_EPOLL_EVENT) != 0;
}

/* ---- handover ---------------------------------------------------------------------- */

/* May its client be given away? Not one whose bytes nginx has to decrypt, and not one whose
 * requests came several at once: nginx ends such a connection by shutting it down. */
static bool
may_be_handed_over(ngx_http_request_t *r)
{
#if (NGX_HTTP_SSL)
	if (r->connection->ssl != NULL)
		return false;
#endif
	return r->headers_in.upgrade != NULL && !r->connection->pipeline;
}

ngx_int_t
upgrade_handover_name(
    ngx_http_request_t *r, ngx_http_variable_value_t *value, uintptr_t data)
{
	(void)data;
	*value = value_of(
	    may_be_handed_over(r) ? handover_name() : (ngx_str_t)ngx_null_string);
	return NGX_OK;
}

/* What the service has answered in place of a 101; NULL if it is an answer as any. */
static const ngx_str_t *
promise_in(ngx_http_request_t *r)
{
	static const ngx_str_t name = ngx_string("parley-handover");
	ngx_list_part_t *part;

	if (r->headers_out.status != NGX_HTTP_NO_CONTENT || !may_be_handed_over(r))
		return NULL;
	part = &r->upstream->headers_in.headers.part;
	for (; part != NULL; part = part->next) {
		const ngx_table_elt_t *headers = part->elts;

		for (ngx_uint_t i = 0; i < part->nelts; i++)
			if (headers[i].key.len == name.len &&
			    ngx_strncasecmp(headers[i].key.data, name.data, name.len) ==
				0)
				return &headers[i].value;
	}
	return NULL;
}

/* The request ends as if the 101 were out, which the service writes. Its connection is
 * closed, but only here: nothing may be shut down, or read to its end. */
static void
end_without_client(ngx_http_request_t *r)
{
	r->headers_out.status = NGX_HTTP_SWITCHING_PROTOCOLS;
	r->header_sent = 1;
	r->header_only = 1;
	r->keepalive = 0;
	r->lingering_close = 0;
	r->header_in->pos = r->header_in->last;
	r->connection->read->ready = 0;
}

static ngx_int_t
hand_over(ngx_http_request_t *r, const ngx_str_t *promise)
{
	struct context *context = context_of(r);

	if (context == NULL)
		return NGX_ERROR;
	(void)ngx_tcp_nodelay(r->connection);
	if (!handover_give(
		r->connection, r->header_in, promise, context->conf->zone, context->seat))
		return NGX_HTTP_SERVICE_UNAVAILABLE;
	if (context->seat != NULL)
		context->leaving->handler = NULL;
	end_without_client(r);
	return NGX_OK;
}

/* ---- either ------------------------------------------------------------------------ */

/* The 101 is about to be written: once this event is over, it mostly is, and the request
 * is not needed. */
static ngx_int_t
try_later(ngx_http_request_t *r)
{
	struct context *context = context_of(r);
	ngx_pool_cleanup_t *cleanup = ngx_pool_cleanup_add(r->pool, 0);

	if (context == NULL || cleanup == NULL)
		return NGX_ERROR;
	context->try.handler = try;
	context->try.data = r->connection;
	context->try.log = r->connection->log;
	context->try.cancelable = 1;
	cleanup->handler = try_no_more;
	cleanup->data = &context->try;
	ngx_post_event(&context->try, &ngx_posted_events);
	return NGX_DECLINED;
}

ngx_int_t
upgrade_take(ngx_http_request_t *r)
{
	const struct location_conf *conf =
	    ngx_http_get_module_loc_conf(r, parley_tunnel_module);
	const ngx_str_t *promise;

	if (!conf->is_tunnel || r != r->main || r->upstream == NULL)
		return NGX_DECLINED;
	promise = promise_in(r);
	if (promise != NULL)
		return hand_over(r, promise);
	return is_for_tunnel(r) ? try_later(r) : NGX_DECLINED;
}
