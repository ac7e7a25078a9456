#include "proto/sio_conn.h"

#include <assert.h>

#include "base/json_out.h"
#include "base/list.h"
#include "base/mem.h"

/* A binary packet of which not all attachments have come. It holds no parsed JSON, which
 * takes many times the memory of its text. */
struct pl_sio_pending {
	struct pl_ref *text;
	size_t bytes; /* of text and attachments */
	int64_t due_ms;
	unsigned ns;
	unsigned expected;
	unsigned count;
	struct pl_ref *attachments[PL_SIO_ATTACHMENTS_MAX];
};

static void on_message(
    struct pl_eio_session *s, struct pl_str data, bool is_binary, int64_t now_mono_ms);

static const struct pl_eio_events eio_events = {.on_message = on_message};

/* ---- life ---- */

/* After each change of c->in. */
static void
limit_payload(struct pl_sio_conn *c)
{
	size_t all = c->settings->eio.max_payload_bytes;
	size_t stranger = c->settings->stranger_bytes_max;

	pl_eio_session_set_payload_max(&c->eio, c->in || stranger > all ? all : stranger);
}

void
pl_sio_conn_init(struct pl_sio_conn *c, const struct pl_sio_settings *settings,
    const struct pl_sio_app *app, const char *sid, bool is_websocket, int64_t now_mono_ms)
{
	assert(settings->namespace_count <= PL_SIO_NAMESPACES_MAX);
	*c = (struct pl_sio_conn){
	    .settings = settings,
	    .app = app,
	    .connect_due_ms = now_mono_ms + settings->connect_timeout_ms,
	};
	pl_eio_session_init(
	    &c->eio, &settings->eio, &eio_events, sid, is_websocket, now_mono_ms);
	limit_payload(c);
}

static void
drop_pending(struct pl_sio_conn *c)
{
	struct pl_sio_pending *p = c->pending;

	c->pending = NULL;
	if (!p)
		return;
	for (unsigned i = 0; i < p->count; i++)
		pl_ref_drop(p->attachments[i]);
	pl_ref_drop(p->text);
	pl_mem_free(p);
}

void
pl_sio_conn_fini(struct pl_sio_conn *c)
{
	drop_pending(c);
	pl_eio_session_fini(&c->eio);
	*c = (struct pl_sio_conn){0};
}

void
pl_sio_conn_close(struct pl_sio_conn *c, enum pl_eio_reason reason, int64_t now_mono_ms)
{
	pl_eio_session_close(&c->eio, reason, now_mono_ms);
}

static void
fail(struct pl_sio_conn *c, int64_t now_mono_ms)
{
	drop_pending(c);
	pl_sio_conn_close(c, PL_EIO_PARSE_ERROR, now_mono_ms);
}

void
pl_sio_conn_tick(struct pl_sio_conn *c, int64_t now_mono_ms)
{
	pl_eio_session_tick(&c->eio, now_mono_ms);
	if (!pl_eio_session_is_open(&c->eio))
		return;
	if (c->pending && now_mono_ms >= c->pending->due_ms)
		fail(c, now_mono_ms);
	else if (now_mono_ms >= c->connect_due_ms)
		pl_sio_conn_close(c, PL_EIO_FORCED_CLOSE, now_mono_ms);
}

int64_t
pl_sio_conn_deadline(const struct pl_sio_conn *c)
{
	int64_t due_ms = pl_eio_session_deadline(&c->eio);

	if (!pl_eio_session_is_open(&c->eio))
		return due_ms;
	if (c->connect_due_ms < due_ms)
		due_ms = c->connect_due_ms;
	if (c->pending && c->pending->due_ms < due_ms)
		due_ms = c->pending->due_ms;
	return due_ms;
}

enum pl_eio_action
pl_sio_conn_next(struct pl_sio_conn *c, struct pl_eio_out *out)
{
	enum pl_eio_action action = pl_eio_session_next(&c->eio, out);

	if (action == PL_EIO_ENDED)
		drop_pending(c);
	return action;
}

/* ---- namespaces ---- */

enum place { OUT, ASKING, IN };

/* The one place where a namespace's state changes. */
static void
move(struct pl_sio_conn *c, unsigned ns, enum place to, int64_t now_mono_ms)
{
	uint8_t bit = (uint8_t)(1u << ns);

	c->asking = (uint8_t)(c->asking & ~bit);
	c->in = (uint8_t)(c->in & ~bit);
	if (to == ASKING)
		c->asking |= bit;
	if (to == IN)
		c->in |= bit;
	limit_payload(c);
	if (c->in)
		c->connect_due_ms = PL_EIO_NEVER;
	else if (c->connect_due_ms == PL_EIO_NEVER)
		c->connect_due_ms = now_mono_ms + c->settings->connect_timeout_ms;
}

static enum place
where(const struct pl_sio_conn *c, unsigned ns)
{
	if (c->in >> ns & 1)
		return IN;
	return c->asking >> ns & 1 ? ASKING : OUT;
}

static bool
find_namespace(const struct pl_sio_conn *c, struct pl_str name, unsigned *ns)
{
	for (unsigned i = 0; i < c->settings->namespace_count; i++)
		if (pl_str_eq(name, pl_str(c->settings->namespaces[i]))) {
			*ns = i;
			return true;
		}
	return false;
}

static struct pl_str
namespace_name(const struct pl_sio_conn *c, unsigned ns)
{
	assert(ns < c->settings->namespace_count);
	return pl_str(c->settings->namespaces[ns]);
}

static void
send_packet(struct pl_sio_conn *c, const struct pl_sio_packet *p, int64_t now_mono_ms)
{
	struct pl_ref *packet = pl_sio_packet_encode(p);

	(void)pl_eio_session_send(&c->eio, packet, false, now_mono_ms);
	pl_ref_drop(packet);
}

static void
send_error(struct pl_sio_conn *c, struct pl_str nsp, const char *message,
    struct pl_str data, int64_t now_mono_ms)
{
	struct pl_sio_packet p = {
	    .type = PL_SIO_CONNECT_ERROR, .nsp = nsp, .ack_id = PL_SIO_NO_ACK};
	struct pl_json_out o;
	struct pl_buf json;

	pl_buf_init(&json, PL_BUF_UNLIMITED);
	pl_jo_init(&o, &json);
	pl_jo_object(&o);
	pl_jo_key(&o, "message");
	pl_jo_cstr(&o, message);
	if (data.len > 0) {
		pl_jo_key(&o, "data");
		pl_jo_raw(&o, data);
	}
	pl_jo_end_object(&o);
	p.payload = pl_buf_str(&json);
	send_packet(c, &p, now_mono_ms);
	pl_buf_fini(&json);
}

bool
pl_sio_conn_accept(struct pl_sio_conn *c, unsigned ns, const char *sid, const char *pid,
    int64_t now_mono_ms)
{
	struct pl_sio_packet p = {.type = PL_SIO_CONNECT,
	    .nsp = namespace_name(c, ns),
	    .ack_id = PL_SIO_NO_ACK};
	struct pl_json_out o;
	struct pl_buf json;

	if (!pl_eio_session_is_open(&c->eio) || where(c, ns) != ASKING)
		return false;
	move(c, ns, IN, now_mono_ms);
	pl_buf_init(&json, PL_BUF_UNLIMITED);
	pl_jo_init(&o, &json);
	pl_jo_object(&o);
	pl_jo_key(&o, "sid");
	pl_jo_cstr(&o, sid);
	if (pid) {
		pl_jo_key(&o, "pid");
		pl_jo_cstr(&o, pid);
	}
	pl_jo_end_object(&o);
	p.payload = pl_buf_str(&json);
	send_packet(c, &p, now_mono_ms);
	pl_buf_fini(&json);
	return pl_sio_conn_is_in(c, ns);
}

bool
pl_sio_conn_refuse(struct pl_sio_conn *c, unsigned ns, const char *message,
    struct pl_str data, int64_t now_mono_ms)
{
	if (!pl_eio_session_is_open(&c->eio) || where(c, ns) != ASKING)
		return false;
	move(c, ns, OUT, now_mono_ms);
	send_error(c, namespace_name(c, ns), message, data, now_mono_ms);
	return true;
}

void
pl_sio_conn_disconnect(struct pl_sio_conn *c, unsigned ns, int64_t now_mono_ms)
{
	struct pl_sio_packet p = {.type = PL_SIO_DISCONNECT,
	    .nsp = namespace_name(c, ns),
	    .ack_id = PL_SIO_NO_ACK};

	if (!pl_sio_conn_is_in(c, ns))
		return;
	move(c, ns, OUT, now_mono_ms);
	send_packet(c, &p, now_mono_ms);
}

/* ---- packets in ---- */

/* A whole event or acknowledgement. The decoder has checked that an event has a name. */
static void
deliver(struct pl_sio_conn *c, unsigned ns, const struct pl_sio_packet *p,
    struct pl_ref *const *attachments, int64_t now_mono_ms)
{
	struct pl_sio_event ev = {
	    .ns = ns,
	    .ack_id = p->ack_id,
	    .args = p->json,
	    .payload = p->payload,
	    .attachments = attachments,
	    .attachment_count = p->attachments,
	};

	if (p->type == PL_SIO_EVENT || p->type == PL_SIO_BINARY_EVENT) {
		(void)pl_json_str(pl_json_at(p->json, 0), &ev.name);
		c->app->on_event(c, &ev, now_mono_ms);
	} else if (c->app->on_ack && ev.ack_id >= 0 && ev.ack_id < c->next_ack_id) {
		c->app->on_ack(c, &ev, now_mono_ms);
	}
}

static void
await_attachments(struct pl_sio_conn *c, unsigned ns, const struct pl_sio_packet *p,
    struct pl_str text, int64_t now_mono_ms)
{
	c->pending = pl_mem_zalloc(sizeof(*c->pending));
	c->pending->text = pl_ref_new(text.ptr, text.len);
	c->pending->bytes = text.len;
	c->pending->due_ms = now_mono_ms + c->settings->binary_timeout_ms;
	c->pending->ns = ns;
	c->pending->expected = p->attachments;
}

static void
on_connect(struct pl_sio_conn *c, const struct pl_sio_packet *p, int64_t now_mono_ms)
{
	unsigned ns;

	if (!find_namespace(c, p->nsp, &ns)) {
		send_error(c, p->nsp, "Invalid namespace", PL_STR_NONE, now_mono_ms);
		return;
	}
	if (where(c, ns) != OUT) {
		fail(c, now_mono_ms);
		return;
	}
	move(c, ns, ASKING, now_mono_ms);
	c->app->on_connect(c, ns, p->json, now_mono_ms);
}

static void
on_packet(struct pl_sio_conn *c, const struct pl_sio_packet *p, struct pl_str text,
    int64_t now_mono_ms)
{
	unsigned ns;

	if (p->type == PL_SIO_CONNECT) {
		on_connect(c, p, now_mono_ms);
		return;
	}
	/* A CONNECT_ERROR is the server's to send; and only DISCONNECT may lack JSON. */
	if (!find_namespace(c, p->nsp, &ns) || where(c, ns) != IN ||
	    p->type == PL_SIO_CONNECT_ERROR ||
	    (p->type != PL_SIO_DISCONNECT && !p->json)) {
		fail(c, now_mono_ms);
	} else if (p->type == PL_SIO_DISCONNECT) {
		move(c, ns, OUT, now_mono_ms);
		c->app->on_disconnect(c, ns, now_mono_ms);
	} else if (p->attachments > 0) {
		await_attachments(c, ns, p, text, now_mono_ms);
	} else {
		deliver(c, ns, p, NULL, now_mono_ms);
	}
}

static void
on_text(struct pl_sio_conn *c, struct pl_str text, int64_t now_mono_ms)
{
	struct pl_sio_packet p;

	if (c->pending || pl_sio_packet_decode(text, &p, NULL) != PL_OK) {
		fail(c, now_mono_ms);
		return;
	}
	on_packet(c, &p, text, now_mono_ms);
	pl_sio_packet_fini(&p);
}

void
pl_sio_conn_hear_out(struct pl_sio_conn *c, struct pl_str text, int64_t now_mono_ms)
{
	struct pl_sio_packet p;
	unsigned ns;

	if (!pl_str_starts(text, PL_STR("4")))
		return; /* no message of Engine.IO's */
	if (pl_sio_packet_decode(pl_str_n(text.ptr + 1, text.len - 1), &p, NULL) != PL_OK)
		return;
	if (p.type == PL_SIO_DISCONNECT && find_namespace(c, p.nsp, &ns) &&
	    where(c, ns) == IN) {
		move(c, ns, OUT, now_mono_ms);
		c->app->on_disconnect(c, ns, now_mono_ms);
	}
	pl_sio_packet_fini(&p);
}

/* All attachments are there. Our side may have left the namespace meanwhile. */
static void
finish_binary(struct pl_sio_conn *c, int64_t now_mono_ms)
{
	struct pl_sio_pending *pending = c->pending;
	struct pl_sio_packet p = {0};
	enum pl_err err = pl_sio_packet_decode(pl_ref_str(pending->text), &p, NULL);

	assert(err == PL_OK); /* as when its text came */
	(void)err;
	if (where(c, pending->ns) == IN)
		deliver(c, pending->ns, &p, pending->attachments, now_mono_ms);
	pl_sio_packet_fini(&p);
}

static void
on_binary(struct pl_sio_conn *c, struct pl_str bytes, int64_t now_mono_ms)
{
	struct pl_sio_pending *p = c->pending;

	if (!p || p->bytes + bytes.len > c->settings->eio.max_payload_bytes) {
		fail(c, now_mono_ms);
		return;
	}
	p->attachments[p->count++] = pl_ref_new(bytes.ptr, bytes.len);
	p->bytes += bytes.len;
	p->due_ms = now_mono_ms + c->settings->binary_timeout_ms;
	if (p->count < p->expected)
		return;
	finish_binary(c, now_mono_ms);
	drop_pending(c);
}

static void
on_message(
    struct pl_eio_session *s, struct pl_str data, bool is_binary, int64_t now_mono_ms)
{
	struct pl_sio_conn *c = PL_CONTAINER(s, struct pl_sio_conn, eio);

	if (is_binary)
		on_binary(c, data, now_mono_ms);
	else
		on_text(c, data, now_mono_ms);
}

/* ---- sending ---- */

bool
pl_sio_conn_send(
    struct pl_sio_conn *c, unsigned ns, struct pl_ref *packet, int64_t now_mono_ms)
{
	return pl_sio_conn_is_in(c, ns) &&
	       pl_eio_session_send(&c->eio, packet, false, now_mono_ms);
}

bool
pl_sio_conn_send_binary(struct pl_sio_conn *c, unsigned ns, struct pl_ref *packet,
    struct pl_ref *const *attachments, unsigned count, int64_t now_mono_ms)
{
	bool sent = pl_sio_conn_send(c, ns, packet, now_mono_ms);

	for (unsigned i = 0; sent && i < count; i++)
		sent = pl_eio_session_send(&c->eio, attachments[i], true, now_mono_ms);
	return sent;
}

bool
pl_sio_conn_send_ack(struct pl_sio_conn *c, unsigned ns, int64_t ack_id,
    struct pl_str args, struct pl_ref *const *attachments, unsigned count,
    int64_t now_mono_ms)
{
	struct pl_sio_packet p = {
	    .type = count > 0 ? PL_SIO_BINARY_ACK : PL_SIO_ACK,
	    .attachments = count,
	    .nsp = namespace_name(c, ns),
	    .ack_id = ack_id,
	    .payload = args,
	};
	struct pl_ref *packet = pl_sio_packet_encode(&p);
	bool sent =
	    pl_sio_conn_send_binary(c, ns, packet, attachments, count, now_mono_ms);

	pl_ref_drop(packet);
	return sent;
}

int64_t
pl_sio_conn_ack_id(struct pl_sio_conn *c)
{
	return c->next_ack_id++;
}
