#include <ngx_event.h>

#include "tunnel.h"

/* As nginx' lingering_timeout and lingering_time. */
#define LINGER_SILENT_MS 5000
#define LINGER_MS        30000
/* Reads of one event; then others have their turn. */
#define READS_AT_ONCE 16

/* Of one event: a worker has one at a time. */
static u_char bytes[TUNNEL_BYTES];

/* One direction. */
struct lane {
	ngx_connection_t *from, *to;
	u_char *kept; /* what to did not take yet, from at on; NULL: nothing */
	uint16_t at, bytes;
};

struct tunnel {
	struct lane down; /* service to client */
	struct lane up;   /* client to service */
	const struct tunnel_times *times;
	ngx_msec_t lingers_until; /* 0: open */
	ngx_shm_zone_t *zone;     /* of seat */
	struct seat *seat;        /* NULL: none */
};

static void on_read(ngx_event_t *event);
static void on_write(ngx_event_t *event);

static void
end(struct tunnel *tunnel)
{
	if (tunnel->down.from != NULL)
		ngx_close_connection(tunnel->down.from);
	ngx_close_connection(tunnel->down.to);
	if (tunnel->down.kept != NULL)
		ngx_free(tunnel->down.kept);
	if (tunnel->up.kept != NULL)
		ngx_free(tunnel->up.kept);
	if (tunnel->seat != NULL)
		seats_leave(tunnel->zone, tunnel->seat);
#if (NGX_STAT_STUB)
	(void)ngx_atomic_fetch_add(ngx_stat_active, -1);
#endif
	ngx_free(tunnel);
}

/* The service has ended, and the client has all that came of it. */
static void
linger(struct tunnel *tunnel)
{
	ngx_connection_t *client = tunnel->down.to;

	ngx_close_connection(tunnel->down.from);
	tunnel->down.from = tunnel->up.to = NULL;
	if (client->write->timer_set)
		ngx_del_timer(client->write);
	if (ngx_shutdown_socket(client->fd, NGX_WRITE_SHUTDOWN) == -1) {
		end(tunnel);
		return;
	}
	tunnel->lingers_until = ngx_current_msec + LINGER_MS;
	ngx_add_timer(client->read, LINGER_SILENT_MS);
	/* What came before is read now: no event tells of it again. */
	ngx_post_event(client->read, &ngx_posted_events);
}

static void
drop_read(struct tunnel *tunnel)
{
	ngx_connection_t *client = tunnel->down.to;
	ssize_t count = NGX_AGAIN;

	for (int i = 0; i < READS_AT_ONCE && client->read->ready; i++) {
		count = client->recv(client, bytes, sizeof(bytes));
		if (count <= 0)
			break;
	}
	if (count == 0 || count == NGX_ERROR ||
	    (ngx_msec_int_t)(tunnel->lingers_until - ngx_current_msec) <= 0) {
		end(tunnel);
		return;
	}
	ngx_add_timer(client->read, LINGER_SILENT_MS);
	if (client->read->ready) {
		ngx_post_event(client->read, &ngx_posted_next_events);
	}
}

/* Write what was kept. NGX_AGAIN if some of it still is. */
static ngx_int_t
write_kept(struct lane *lane)
{
	ssize_t count =
	    lane->to->send(lane->to, lane->kept + lane->at, lane->bytes - lane->at);

	if (count == NGX_ERROR || count == NGX_AGAIN)
		return count;
	lane->at += (uint16_t)count;
	if (lane->at < lane->bytes)
		return NGX_AGAIN;
	ngx_free(lane->kept);
	lane->kept = NULL;
	if (lane->to->write->timer_set)
		ngx_del_timer(lane->to->write);
	return NGX_OK;
}

static ngx_int_t
keep(struct lane *lane, const u_char *rest, size_t count, ngx_msec_t stuck_ms)
{
	lane->kept = ngx_alloc(count, lane->to->log);
	if (lane->kept == NULL)
		return NGX_ERROR;
	ngx_memcpy(lane->kept, rest, count);
	lane->at = 0;
	lane->bytes = (uint16_t)count;
	ngx_add_timer(lane->to->write, stuck_ms);
	return NGX_AGAIN;
}

/* One piece. NGX_DONE if its source has ended, NGX_AGAIN if there is nothing to do. */
static ngx_int_t
pass_once(struct lane *lane, ngx_msec_t stuck_ms)
{
	ssize_t count, sent;

	if (lane->kept != NULL)
		return write_kept(lane);
	if (!lane->from->read->ready)
		return NGX_AGAIN;
	count = lane->from->recv(lane->from, bytes, sizeof(bytes));
	if (count == NGX_AGAIN)
		return NGX_AGAIN;
	if (count <= 0)
		return NGX_DONE;
	sent = lane->to->send(lane->to, bytes, (size_t)count);
	if (sent == NGX_ERROR)
		return NGX_ERROR;
	if (sent == NGX_AGAIN)
		sent = 0;
	return sent == count ? NGX_OK
			     : keep(lane, bytes + sent, (size_t)(count - sent), stuck_ms);
}

static void
pass(struct tunnel *tunnel, struct lane *lane)
{
	ngx_int_t rc = NGX_OK;

	for (int i = 0; i < READS_AT_ONCE && rc == NGX_OK; i++)
		rc = pass_once(lane, tunnel->times->stuck_ms);
	if (rc == NGX_OK) {
		ngx_post_event(lane->from->read, &ngx_posted_next_events);
	} else if (rc == NGX_DONE && lane == &tunnel->down) {
		linger(tunnel);
	} else if (rc != NGX_AGAIN) {
		end(tunnel);
	}
}

static void
on_read(ngx_event_t *event)
{
	ngx_connection_t *connection = event->data;
	struct tunnel *tunnel = connection->data;

	/* close: nginx' worker has waited for its sockets long enough. */
	if (event->timedout || connection->close) {
		end(tunnel);
	} else if (tunnel->lingers_until != 0) {
		drop_read(tunnel);
	} else if (connection == tunnel->down.from) {
		ngx_add_timer(event, tunnel->times->silent_ms);
		pass(tunnel, &tunnel->down);
	} else {
		pass(tunnel, &tunnel->up);
	}
}

/* As reset_timedout_connection: the kernel is not to keep what nobody takes. */
static void
reset_at_end(ngx_connection_t *connection)
{
	struct linger at_once = {.l_onoff = 1, .l_linger = 0};

	(void)setsockopt(
	    connection->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}

static void
on_write(ngx_event_t *event)
{
	ngx_connection_t *connection = event->data;
	struct tunnel *tunnel = connection->data;
	struct lane *lane = connection == tunnel->down.to ? &tunnel->down : &tunnel->up;

	if (event->timedout) {
		reset_at_end(connection);
		end(tunnel);
	} else if (lane->kept != NULL) {
		pass(tunnel, lane);
	}
}

/* Nothing of it is the request's any more, whose end has freed what these pointed to. */
static void
adopt(ngx_connection_t *connection, struct tunnel *tunnel)
{
	ngx_pool_t *pool = connection->pool;

	connection->data = tunnel;
	connection->pool = NULL;
	connection->buffer = NULL;
	connection->sockaddr = connection->local_sockaddr = NULL;
	connection->addr_text = (ngx_str_t)ngx_null_string;
	connection->proxy_protocol = NULL;
	connection->destroyed = 0;
	connection->log = ngx_cycle->log;
	connection->log_error = NGX_ERROR_INFO; /* that a peer is gone is no news */
	connection->read->log = connection->write->log = connection->log;
	connection->read->handler = on_read;
	connection->write->handler = on_write;
	if (connection->read->timer_set)
		ngx_del_timer(connection->read);
	if (connection->write->timer_set)
		ngx_del_timer(connection->write);
	if (pool != NULL)
		ngx_destroy_pool(pool);
	/* What came meanwhile: no event tells of it again. */
	if (connection->read->ready) {
		ngx_post_event(connection->read, &ngx_posted_events);
	}
}

struct tunnel *
tunnel_new(const struct tunnel_times *times)
{
	struct tunnel *tunnel = ngx_calloc(sizeof(*tunnel), ngx_cycle->log);

	if (tunnel != NULL)
		tunnel->times = times;
	return tunnel;
}

void
tunnel_open(struct tunnel *tunnel, ngx_connection_t *client, ngx_connection_t *service,
    ngx_shm_zone_t *zone, struct seat *seat)
{
	tunnel->zone = zone;
	tunnel->seat = seat;
	tunnel->down.to = tunnel->up.from = client;
	tunnel->down.from = tunnel->up.to = service;
	adopt(service, tunnel); /* first: its pool's log is in the client's */
	adopt(client, tunnel);
	ngx_add_timer(service->read, tunnel->times->silent_ms);
}
