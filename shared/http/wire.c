#include "http/wire.h"

#include <errno.h>
#include <strings.h>
#include <sys/socket.h>

#include "base/mem.h"

#define HAS_READ_ALL 0x8000 /* of connection.flags: the last recv() took all there was */
#define HEAD_BYTES   160    /* the lines that are written here, at most */

_Static_assert(
    (HAS_READ_ALL &
	(CONN_IDLE_TIMER_ACT | CONN_CLOSE_EMPTY | CONN_WS_CLOSE_SENT | CONN_IS_BUSY |
	    CONN_LOG_TLS_FAILURE | CONN_TLS_ALPN_ACME_SEEN | CONN_TLS_SNI_SEEN)) == 0,
    "a bit that kore does not use");

/* ---- reading and writing ---- */

static void
on_event(void *arg, int error)
{
	struct connection *c = arg;

	c->flags &= (u_int16_t)~HAS_READ_ALL; /* perhaps for new bytes */
	kore_connection_event(c, error);
}

bool
pl_wire_has_read_all(const struct connection *c)
{
	return (c->flags & HAS_READ_ALL) != 0;
}

/* kore takes a cleared KORE_EVENT_READ for nothing read, so the note waits for its next
 * call. */
static int
read_some(struct connection *c, size_t *count)
{
	struct netbuf *nb = c->rnb;
	size_t room = nb->b_len - nb->s_off;

	*count = 0;
	if (pl_wire_has_read_all(c)) {
		c->evt.flags &= ~KORE_EVENT_READ;
		return KORE_RESULT_OK;
	}
	if (!net_read(c, count))
		return KORE_RESULT_ERROR;
	if (*count > 0 && *count < room)
		c->flags |= HAS_READ_ALL;
	return KORE_RESULT_OK;
}

/* All that the buffer has: kore asks for 8 KiB at most, and takes more. */
static int
write_all(struct connection *c, size_t len, size_t *count)
{
	size_t left = c->snb->b_len - c->snb->s_off;

	return net_write(c, left > len ? left : len, count);
}

void
pl_wire_take(struct connection *c)
{
	c->read = read_some;
	c->write = write_all;
	c->evt.handle = on_event;
}

/* ---- answers ---- */

/* kore has sent it, or drops it with its connection. */
static int
on_sent(struct netbuf *nb)
{
	pl_mem_free(nb->buf);
	nb->buf = NULL;
	return KORE_RESULT_OK;
}

/* RFC 9112 §9.3: an HTTP/1.0 client may keep connections, but ours are gateways with 1.1. */
static bool
is_last_answer(struct http_request *req)
{
	const char *asked;

	return (req->owner->flags & CONN_CLOSE_EMPTY) != 0 ||
	       (req->flags & HTTP_VERSION_1_0) != 0 ||
	       (http_request_header(req, "connection", &asked) &&
		   strcasecmp(asked, "close") == 0);
}

static void
add_head(struct pl_buf *b, const struct http_request *req, int status, size_t len)
{
	(void)pl_buf_add_cstr(
	    b, req->flags & HTTP_VERSION_1_0 ? "HTTP/1.0 " : "HTTP/1.1 ");
	(void)pl_buf_add_number(b, (uint64_t)status);
	(void)pl_buf_add_char(b, ' ');
	(void)pl_buf_add_cstr(b, http_status_text(status));
	(void)pl_buf_add_str(b, PL_STR("\r\n"));
	if (req->owner->flags & CONN_CLOSE_EMPTY)
		(void)pl_buf_add_str(b, PL_STR("connection: close\r\n"));
	if (status < 200 || status == 204 ||
	    (req->flags & HTTP_REQUEST_NO_CONTENT_LENGTH) != 0)
		return;
	(void)pl_buf_add_str(b, PL_STR("content-length: "));
	(void)pl_buf_add_number(b, len);
	(void)pl_buf_add_str(b, PL_STR("\r\n"));
}

static void
queue(struct connection *c, struct pl_buf *b)
{
	size_t len = b->len;

	net_send_stream(c, pl_buf_take(b), len, on_sent, NULL);
}

void
pl_wire_respond(
    struct http_request *req, int status, struct pl_str headers, struct pl_str body)
{
	struct connection *c = req->owner;
	bool has_body = body.len > 0 && req->method != HTTP_METHOD_HEAD;
	struct pl_buf b;

	if (c == NULL)
		return;
	if (is_last_answer(req))
		c->flags |= CONN_CLOSE_EMPTY;
	pl_buf_init(&b, PL_BUF_UNLIMITED); /* as long as what it is made of */
	(void)pl_buf_reserve(&b, HEAD_BYTES + headers.len + (has_body ? body.len : 0));
	add_head(&b, req, status, body.len);
	(void)pl_buf_add_str(&b, headers);
	(void)pl_buf_add_str(&b, PL_STR("\r\n"));
	if (has_body)
		(void)pl_buf_add_str(&b, body);
	queue(c, &b);
	req->status = (u_int16_t)status;
	req->content_length = body.len;
	if ((c->flags & (CONN_CLOSE_EMPTY | CONN_IS_BUSY)) == 0)
		http_start_recv(c);
}
