#include "sockets/tcp.h"

#include <assert.h>
#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "proto/eio_queue.h"
#include "http/cork.h"
#include "http/accept.h"
#include "http/aside.h"
#include "http/exchange.h"
#include "http/reply.h"
#include "http/wire.h"
#include "sockets/handover.h"

#define PROTO_TAKEN     210 /* kore leaves connections of an unknown protocol alone */
#define READ_BYTES      65536
#define READS_MAX       16                    /* then the others get their turn */
#define QUEUE_BYTES_MAX ((size_t)1024 * 1024) /* if SEND_QUEUE_BYTES_MAX is not read */

enum socket_state {
	OPEN,
	FINISHING, /* the queue goes out, then LINGERING; what the peer sends is dropped */
	LINGERING, /* we have closed our side, and wait for the peer to close its own: with
		      unread bytes a close() would be a reset, and lose what we sent */
	CLOSING,   /* on_closed is due */
};

struct pl_tcp {
	enum socket_state state;
	struct connection *c;         /* NULL until it is handed over */
	struct pl_handover *handover; /* NULL: it came with its request */
	struct listener *listener;    /* the request's */
	const struct pl_tcp_ops *ops;
	void *arg;
	struct pl_eio_queue
	    queue;   /* what the kernel has not taken: frames, and parts of them */
	size_t sent; /* bytes sent of the queue's first */
	struct pl_timer timer; /* no progress; LINGERING: the peer's close */
	struct pl_task task;   /* read on, or close */
	struct pl_timer pause; /* started: nothing is read */
	bool is_ending;        /* the peer closed: what it sent before is still read */
};

static void on_event(void *arg, int error);

/* ---- the end ---- */

/* The last step. */
static void
end(struct pl_tcp *s)
{
	if (s->handover != NULL)
		pl_handover_end(s->handover);
	pl_timer_stop(pl_app.loop, &s->timer);
	pl_timer_stop(pl_app.loop, &s->pause);
	pl_loop_unpost(pl_app.loop, &s->task);
	pl_eio_queue_clear(&s->queue);
	s->ops->on_closed(s->arg);
	pl_mem_free(s);
}

/* Whoever closes: kore calls it from kore_connection_disconnect(). */
static void
on_disconnect(struct connection *c)
{
	struct pl_tcp *s = c->hdlr_extra;

	c->hdlr_extra = NULL; /* kore would free it */
	/* epoll goes on with a file that the gateway has not closed yet. */
	if (s->handover != NULL)
		kore_platform_disable_read(c->fd);
	pl_aside_give_back(c);
	end(s);
}

static void
disconnect(struct pl_tcp *s)
{
	if (s->c != NULL)
		kore_connection_disconnect(s->c);
	else
		end(s);
}

void
pl_tcp_close(struct pl_tcp *s)
{
	if (s->state == CLOSING)
		return;
	s->state = CLOSING;
	pl_loop_unpost(pl_app.loop, &s->task);
	pl_loop_post(pl_app.loop, &s->task);
}

static void
on_task(struct pl_task *task)
{
	struct pl_tcp *s = PL_CONTAINER(task, struct pl_tcp, task);

	if (s->state == CLOSING)
		disconnect(s);
	else if (s->c != NULL)
		on_event(s->c, 0);
}

static void
on_timer(struct pl_timer *t)
{
	disconnect(t->arg);
}

static void
linger(struct pl_tcp *s)
{
	s->state = LINGERING;
	shutdown(s->c->fd, SHUT_WR);
	pl_timer_start(pl_app.loop, &s->timer, PL_TCP_LINGER_MS);
}

static bool
is_paused(const struct pl_tcp *s)
{
	return s->state == OPEN && pl_timer_is_started(&s->pause);
}

static void
read_on(struct pl_tcp *s)
{
	pl_loop_unpost(pl_app.loop, &s->task);
	pl_loop_post(pl_app.loop, &s->task);
}

static void
on_pause_over(struct pl_timer *t)
{
	read_on(t->arg);
}

void
pl_tcp_pause(struct pl_tcp *s, int64_t ms)
{
	if (s->state == OPEN)
		pl_timer_start(pl_app.loop, &s->pause, ms);
}

void
pl_tcp_finish(struct pl_tcp *s)
{
	if (s->state != OPEN)
		return;
	if (is_paused(s))
		read_on(s);
	s->state = FINISHING;
	if (pl_tcp_queued(s) == 0 && s->c != NULL)
		linger(s);
}

/* ---- sending ---- */

size_t
pl_tcp_queued(const struct pl_tcp *s)
{
	return s->queue.bytes - s->sent;
}

static size_t
queue_limit(void)
{
	return pl_settings.send_queue_bytes_max > 0
		   ? (size_t)pl_settings.send_queue_bytes_max
		   : QUEUE_BYTES_MAX;
}

/* How much of parts the kernel takes: 0 if none now, or if the connection is yet to come;
 * -1 if it is broken. */
static ssize_t
send_parts(struct pl_tcp *s, struct iovec *parts, size_t count)
{
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = count};
	ssize_t n;

	if (s->c == NULL)
		return 0;
	do
		n = sendmsg(s->c->fd, &message, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
		s->c->evt.flags &= ~KORE_EVENT_WRITE;
		return 0;
	}
	return n;
}

static struct iovec
part_of(struct pl_str bytes)
{
	/* sendmsg() only reads; its struct serves recvmsg() too. */
	union {
		/* cppcheck-suppress unusedStructMember ; it is initialized below */
		const char *in;
		void *out;
	} base = {.in = bytes.ptr};

	return (struct iovec){base.out, bytes.len};
}

/* Queue what the kernel did not take of a part. A part that it took partly comes first in
 * the queue. */
static void
queue_rest(struct pl_tcp *s, const struct pl_tcp_part *part, size_t *taken)
{
	struct pl_str bytes = part->bytes;
	size_t skip = *taken < bytes.len ? *taken : bytes.len;
	struct pl_eio_item item = {0};

	*taken -= skip;
	if (skip == bytes.len)
		return;
	if (part->shared == NULL) {
		item.packet = pl_ref_new(bytes.ptr + skip, bytes.len - skip);
	} else {
		item.packet = pl_ref(part->shared);
		if (skip > 0)
			s->sent = skip;
	}
	pl_eio_queue_push(&s->queue, item);
}

/* As send_parts(), for what has not been queued. */
static ssize_t
send_now(struct pl_tcp *s, const struct pl_tcp_part *parts, size_t count)
{
	struct iovec list[PL_TCP_PARTS_MAX];

	assert(count <= PL_TCP_PARTS_MAX);
	for (size_t i = 0; i < count; i++)
		list[i] = part_of(parts[i].bytes);
	return send_parts(s, list, count);
}

bool
pl_tcp_send(struct pl_tcp *s, const struct pl_tcp_part *parts, size_t count)
{
	size_t before = pl_tcp_queued(s), taken = 0;

	if (s->state != OPEN)
		return false;
	if (before > queue_limit()) {
		pl_log_info("slow reader cut off", PL_L_INT("queued_bytes", before));
		pl_tcp_close(s);
		return false;
	}
	if (before == 0) {
		ssize_t n = send_now(s, parts, count);

		if (n < 0) {
			pl_tcp_close(s);
			return false;
		}
		taken = (size_t)n;
	}
	for (size_t i = 0; i < count; i++)
		queue_rest(s, &parts[i], &taken);
	if (before == 0 && pl_tcp_queued(s) > 0 && s->c != NULL)
		pl_timer_start(pl_app.loop, &s->timer, PL_TCP_STALL_MS);
	return true;
}

static uint32_t
first_of_queue(const struct pl_tcp *s, struct iovec parts[PL_TCP_PARTS_MAX])
{
	const struct pl_eio_item *item;
	uint32_t count = 0;
	size_t skip = s->sent;

	while (count < PL_TCP_PARTS_MAX &&
	       (item = pl_eio_queue_at(&s->queue, count)) != NULL) {
		parts[count++] = part_of(
		    pl_str_n(item->packet->data + skip, item->packet->len - skip));
		skip = 0;
	}
	return count;
}

static void
queue_taken(struct pl_tcp *s, size_t taken)
{
	const struct pl_eio_item *first;
	struct pl_eio_item item;

	s->sent += taken;
	while ((first = pl_eio_queue_at(&s->queue, 0)) != NULL &&
	       s->sent >= first->packet->len) {
		s->sent -= first->packet->len;
		(void)pl_eio_queue_pop(&s->queue, &item);
		pl_ref_drop(item.packet);
	}
}

/* Send what is queued; false once the connection is broken. */
static bool
flush(struct pl_tcp *s)
{
	struct iovec parts[PL_TCP_PARTS_MAX];
	size_t before = pl_tcp_queued(s);
	uint32_t count;

	while ((count = first_of_queue(s, parts)) > 0) {
		ssize_t n = send_parts(s, parts, count);

		if (n < 0)
			return false;
		if (n == 0)
			break;
		queue_taken(s, (size_t)n);
	}
	if (before == 0 || pl_tcp_queued(s) == before)
		return true;
	if (pl_tcp_queued(s) > 0) {
		pl_timer_start(pl_app.loop, &s->timer, PL_TCP_STALL_MS);
		return true;
	}
	pl_timer_stop(pl_app.loop, &s->timer);
	if (s->state == FINISHING)
		linger(s);
	else if (s->state == OPEN)
		s->ops->on_writable(s->arg);
	return true;
}

/* ---- receiving ---- */

/* Read until there is no more; false once the peer has closed or the connection is
 * broken. kore tells once of new bytes (edge-triggered), so none may be left. */
static bool
read_all(struct pl_tcp *s)
{
	static char data[READ_BYTES];

	for (int i = 0; i < READS_MAX && s->state != CLOSING && !is_paused(s); i++) {
		ssize_t n = recv(s->c->fd, data, sizeof(data), 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
			s->c->evt.flags &= ~KORE_EVENT_READ;
			return true;
		}
		if (n <= 0)
			return false;
		if (s->state == OPEN)
			s->ops->on_data(s->arg, data, (size_t)n);
		if ((size_t)n < sizeof(data) && !s->is_ending && !is_paused(s)) {
			s->c->evt.flags &= ~KORE_EVENT_READ;
			return true;
		}
	}
	if (s->state != CLOSING && !is_paused(s))
		read_on(s);
	return true;
}

static void
on_event(void *arg, int error)
{
	struct connection *c = arg;
	struct pl_tcp *s = c->hdlr_extra;
	bool is_alive = true;

	if (c->state == CONN_STATE_DISCONNECTING || s == NULL || s->state == CLOSING)
		return;
	/* Deliver bytes before the end: a last message comes together with it. */
	s->is_ending |= error != 0;
	if (c->evt.flags & KORE_EVENT_READ)
		is_alive = read_all(s);
	if (s->state == CLOSING)
		return;
	if (is_alive && (c->evt.flags & KORE_EVENT_WRITE))
		is_alive = flush(s);
	if (!is_alive && s->state != CLOSING)
		kore_connection_disconnect(c);
}

/* ---- the take-over ---- */

static int
unused_handle(struct connection *c)
{
	(void)c;
	return KORE_RESULT_OK;
}

/* From now on c is s's. */
static void
take_over(struct pl_tcp *s, struct connection *c)
{
	s->c = c;
	c->hdlr_extra = s;
	c->proto = PROTO_TAKEN;
	c->evt.handle = on_event;
	c->handle = unused_handle;
	c->disconnect = on_disconnect;
	pl_aside_keep(c);
}

static void
detach_from_http(struct connection *c)
{
	c->http_timeout = 0;
	kore_connection_stop_idletimer(c);
	if (c->rnb != NULL) {
		kore_free(c->rnb->buf);
		kore_pool_put(&nb_pool, c->rnb);
		c->rnb = NULL;
	}
}

static void
take_with_request(struct pl_tcp *s, struct pl_request *rq, struct connection *c)
{
	pl_cork_release(); /* what c has to say as HTTP goes first */
	detach_from_http(c);
	take_over(s, c);
	pl_exchange_of(rq)->req->status = HTTP_STATUS_SWITCHING_PROTOCOLS;
	pl_exchange_end(rq);
	if (pl_wire_has_read_all(c)) {
		c->evt.flags &= ~KORE_EVENT_READ;
		return;
	}
	/* kore has announced already what came early: look for it. */
	c->evt.flags |= KORE_EVENT_READ;
	pl_loop_post(pl_app.loop, &s->task);
}

/* What was queued meanwhile, such as the 101, goes out before anything is read. */
static void
on_handed_over(void *arg, int fd, char *early, size_t len)
{
	struct pl_tcp *s = arg;
	struct connection *c = fd >= 0 ? pl_accept_descriptor(s->listener, fd) : NULL;

	if (c == NULL) {
		end(s);
		return;
	}
	take_over(s, c);
	pl_timer_start(pl_app.loop, &s->timer, PL_TCP_STALL_MS);
	if (!flush(s))
		pl_tcp_close(s);
	else if (len > 0 && s->state == OPEN)
		s->ops->on_data(s->arg, early, len);
}

static void
wait_for_handover(struct pl_tcp *s, struct pl_request *rq)
{
	char text[PL_HANDOVER_TEXT_BYTES];

	pl_timer_start(pl_app.loop, &s->timer, PL_TCP_HANDOVER_MS);
	pl_handover_say(s->handover, text);
	pl_reply_header(rq, PL_HANDOVER_HEADER, text);
	pl_reply_bytes(rq, HTTP_STATUS_NO_CONTENT, NULL, PL_STR_NONE);
}

struct pl_tcp *
pl_tcp_take(struct pl_request *rq, const struct pl_tcp_ops *ops, void *arg)
{
	struct connection *c = pl_exchange_connection(rq);
	struct pl_tcp *s;

	if (c == NULL) {
		pl_exchange_end(rq);
		return NULL;
	}
	s = pl_mem_zalloc(sizeof(*s));
	s->listener = c->owner;
	s->ops = ops;
	s->arg = arg;
	s->timer.on_fire = on_timer;
	s->timer.arg = s;
	s->pause.on_fire = on_pause_over;
	s->pause.arg = s;
	s->task.run = on_task;
	pl_list_init(&s->task.link);
	if (pl_accept_has_room())
		s->handover = pl_handover_promise(
		    pl_request_header(rq, PL_HANDOVER_HEADER), on_handed_over, s);
	if (s->handover != NULL)
		wait_for_handover(s, rq);
	else
		take_with_request(s, rq, c);
	return s;
}
