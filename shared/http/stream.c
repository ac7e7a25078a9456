#include "http/stream.h"

#include <assert.h>

#include "base/mem.h"
#include "http/exchange.h"
#include "http/reply.h"

struct pl_stream {
	struct pl_request *rq;
	void (*on_more)(struct pl_request *rq);
	struct pl_task more;
	struct pl_timer stall;
	struct netbuf *piece; /* in kore's queue */
	bool is_chunked;      /* HTTP/1.1 */
	bool is_last;         /* the connection closes after it */
};

static struct pl_stream *
stream_of(const struct pl_request *rq)
{
	return pl_exchange_of(rq)->stream;
}

static void
flush(struct connection *c)
{
	if (!net_send_flush(c))
		kore_connection_disconnect(c);
}

static void
on_task(struct pl_task *task)
{
	struct pl_stream *s = PL_CONTAINER(task, struct pl_stream, more);

	if (pl_exchange_connection(s->rq) == NULL)
		s->rq->is_gone = true;
	s->on_more(s->rq);
}

/* kore has sent the piece, or drops it with its connection. */
static int
on_piece_gone(struct netbuf *nb)
{
	struct pl_stream *s = nb->extra;

	pl_mem_free(nb->buf);
	nb->buf = NULL;
	if (s != NULL) { /* NULL: the stream has ended before */
		s->piece = NULL;
		pl_timer_stop(pl_app.loop, &s->stall);
		pl_loop_post(pl_app.loop, &s->more);
	}
	return KORE_RESULT_OK;
}

static void
on_stall(struct pl_timer *t)
{
	struct pl_stream *s = t->arg;
	struct connection *c = pl_exchange_connection(s->rq);

	if (c != NULL)
		kore_connection_disconnect(c);
}

static struct pl_stream *
stream_new(struct pl_request *rq, void (*on_more)(struct pl_request *rq))
{
	struct pl_stream *s = pl_mem_zalloc(sizeof(*s));

	s->rq = rq;
	s->on_more = on_more;
	s->more.run = on_task;
	pl_list_init(&s->more.link);
	s->stall.on_fire = on_stall;
	s->stall.arg = s;
	s->is_chunked = (pl_exchange_of(rq)->req->flags & HTTP_VERSION_1_1) != 0;
	pl_exchange_of(rq)->stream = s;
	return s;
}

static void
stream_free(struct pl_stream *s)
{
	if (s->piece != NULL)
		s->piece->extra = NULL;
	pl_timer_stop(pl_app.loop, &s->stall);
	pl_loop_unpost(pl_app.loop, &s->more);
	pl_mem_free(s);
}

bool
pl_stream_start(struct pl_request *rq, int status, const char *content_type,
    void (*on_more)(struct pl_request *rq))
{
	struct connection *c = pl_exchange_connection(rq);
	struct pl_stream *s;

	if (c == NULL || pl_str_eq(rq->method, PL_STR("HEAD"))) {
		if (c != NULL) /* RFC 9110 §8.6: the length of GET's answer, or none */
			pl_exchange_of(rq)->req->flags |= HTTP_REQUEST_NO_CONTENT_LENGTH;
		pl_reply_bytes(rq, status, content_type, PL_STR_NONE);
		return false;
	}
	s = stream_new(rq, on_more);
	pl_reply_header(rq, "content-type", content_type);
	pl_reply_header(rq, "x-content-type-options", "nosniff");
	pl_reply_header(rq, "cache-control", pl_exchange_caching(rq));
	if (s->is_chunked)
		pl_reply_header(rq, "transfer-encoding", "chunked");
	if (pl_app.is_draining)
		c->flags |= CONN_CLOSE_EMPTY;
	pl_exchange_of(rq)->req->flags |= HTTP_REQUEST_NO_CONTENT_LENGTH;
	c->flags |= CONN_IS_BUSY; /* no next request before the end of this one */
	pl_exchange_respond(pl_exchange_of(rq), status, PL_STR_NONE);
	/* kore would close when its queue runs empty, which happens between two
	 * pieces. */
	s->is_last = (c->flags & CONN_CLOSE_EMPTY) != 0;
	c->flags &= (u_int16_t)~CONN_CLOSE_EMPTY;
	flush(c);
	pl_loop_post(pl_app.loop, &s->more);
	return true;
}

void
pl_stream_write(struct pl_request *rq, struct pl_str piece)
{
	struct pl_stream *s = stream_of(rq);
	struct connection *c = pl_exchange_connection(rq);
	struct pl_buf chunk;
	size_t len;

	assert(s->piece == NULL && piece.len > 0);
	if (c == NULL) {
		pl_loop_post(pl_app.loop, &s->more);
		return;
	}
	pl_buf_init(&chunk, PL_BUF_UNLIMITED); /* the caller bounds a piece */
	if (s->is_chunked)
		pl_buf_printf(&chunk, "%zx\r\n", piece.len);
	pl_buf_add_str(&chunk, piece);
	if (s->is_chunked)
		pl_buf_add_cstr(&chunk, "\r\n");
	len = chunk.len;
	net_send_stream(c, pl_buf_take(&chunk), len, on_piece_gone, &s->piece);
	s->piece->extra = s;
	pl_timer_start(pl_app.loop, &s->stall, PL_STREAM_STALL_MS);
	flush(c);
}

void
pl_stream_end(struct pl_request *rq)
{
	struct pl_stream *s = stream_of(rq);
	struct connection *c = pl_exchange_connection(rq);
	bool is_parked = pl_exchange_of(rq)->ended == NULL;

	if (c != NULL) {
		if (s->is_chunked)
			net_send_queue(c, "0\r\n\r\n", 5);
		c->flags &= (u_int16_t)~CONN_IS_BUSY;
		if (s->is_last)
			c->flags |= CONN_CLOSE_EMPTY;
		else
			http_start_recv(c);
	}
	stream_free(s);
	pl_exchange_end(rq);
	if (c != NULL && is_parked)
		flush(c);
}

void
pl_stream_abort(struct pl_request *rq)
{
	struct connection *c = pl_exchange_connection(rq);

	stream_free(stream_of(rq));
	pl_exchange_end(rq);
	if (c != NULL)
		kore_connection_disconnect(c);
}
