/*
 * fuzz_sio: Socket.IO from the wire. The input is first one packet, for the decoder
 * alone; then lines for a connection, each a message as it comes in a WebSocket:
 *
 *   t<text>   b<bytes>   T<digits>  time goes by, in ms   n  next() until it waits
 */
#include <assert.h>
#include <stdlib.h>

#include "base/utf8.h"
#include "proto/sio_conn.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct pl_sio_settings settings = {
    .eio = {.ping_interval_ms = 1000,
	.ping_timeout_ms = 500,
	.upgrade_timeout_ms = 400,
	.close_timeout_ms = 700,
	.stall_timeout_ms = 600,
	.max_payload_bytes = 4096,
	.queue_max_bytes = 16384},
    .connect_timeout_ms = 900,
    .stranger_bytes_max = PL_SIO_STRANGER_BYTES_MAX,
    .binary_timeout_ms = 300,
    .namespaces = {"/", "/a", "/later"},
    .namespace_count = 3,
};

static void
on_connect(struct pl_sio_conn *c, unsigned ns, const struct pl_json *auth, int64_t now)
{
	if (ns == 2)
		return;
	if (pl_json_get(auth, "no"))
		(void)pl_sio_conn_refuse(c, ns, "no", PL_STR("{}"), now);
	else
		(void)pl_sio_conn_accept(c, ns, "sid", "pid", now);
}

/* Acknowledges with what came, or leaves where the event says so. */
static void
on_event(struct pl_sio_conn *c, const struct pl_sio_event *ev, int64_t now)
{
	struct pl_buf args;

	if (pl_str_eq(ev->name, PL_STR("leave")))
		pl_sio_conn_disconnect(c, ev->ns, now);
	if (pl_str_eq(ev->name, PL_STR("close")))
		pl_sio_conn_close(c, PL_EIO_FORCED_CLOSE, now);
	if (ev->ack_id == PL_SIO_NO_ACK)
		return;
	pl_buf_init(&args, PL_BUF_UNLIMITED);
	(void)pl_buf_add_char(&args, '[');
	(void)pl_buf_add_str(&args, pl_sio_event_args(ev->payload));
	(void)pl_buf_add_char(&args, ']');
	(void)pl_sio_conn_send_ack(c, ev->ns, ev->ack_id, pl_buf_str(&args),
	    ev->attachments, ev->attachment_count, now);
	pl_buf_fini(&args);
}

static void
on_disconnect(struct pl_sio_conn *c, unsigned ns, int64_t now)
{
	(void)now;
	assert(!pl_sio_conn_is_in(c, ns));
}

static const struct pl_sio_app app = {
    .on_connect = on_connect,
    .on_event = on_event,
    .on_ack = on_event,
    .on_disconnect = on_disconnect,
};

static void
pull(struct pl_sio_conn *c, struct pl_eio_out *out)
{
	enum pl_eio_action action;

	do {
		action = pl_sio_conn_next(c, out);
		if (action == PL_EIO_WS_SEND)
			pl_ref_drop(out->message);
	} while (action != PL_EIO_WAIT && action != PL_EIO_FREE);
}

static void
run_line(struct pl_sio_conn *c, struct pl_str line, int64_t *now, struct pl_eio_out *out)
{
	struct pl_str arg = pl_str_n(line.ptr + 1, line.len - 1);
	uint64_t ms;

	if (line.ptr[0] == 't' && pl_utf8_is_valid(arg))
		pl_eio_session_ws_text(&c->eio, arg, *now);
	else if (line.ptr[0] == 'b')
		pl_eio_session_ws_binary(&c->eio, arg, *now);
	else if (line.ptr[0] == 'T' && pl_str_to_u64(arg, 100000, &ms))
		pl_sio_conn_tick(c, *now += (int64_t)ms);
	else if (line.ptr[0] == 'n')
		pull(c, out);
}

static void
run_script(struct pl_str script)
{
	struct pl_sio_conn c;
	struct pl_eio_out out;
	struct pl_str line;
	int64_t now = 1;

	pl_buf_init(&out.body, PL_BUF_UNLIMITED);
	pl_sio_conn_init(&c, &settings, &app, "sid", true, now);
	while (pl_str_split(&script, '\n', &line))
		if (line.len > 0)
			run_line(&c, line, &now, &out);
	pull(&c, &out);
	pl_sio_conn_fini(&c);
	pl_buf_fini(&out.body);
}

/* Each placeholder stands for one of the attachments, by a whole number. */
static void
check_placeholders(const struct pl_json *v, unsigned attachments)
{
	struct pl_json *member;
	struct pl_str key;
	void *it = NULL;
	double num = -1;
	bool yes = false;

	if (pl_json_type(v) == PL_JSON_ARRAY)
		for (size_t i = 0; i < pl_json_length(v); i++)
			check_placeholders(pl_json_at(v, i), attachments);
	if (pl_json_type(v) != PL_JSON_OBJECT)
		return;
	if (pl_json_bool(pl_json_get(v, "_placeholder"), &yes) && yes) {
		assert(pl_json_real(pl_json_get(v, "num"), &num));
		assert(num == 0 || (num >= 1 && (unsigned)num < attachments));
		assert(num == (unsigned)num);
		return;
	}
	while (pl_json_each(v, &it, &key, &member))
		check_placeholders(member, attachments);
}

/* An event's arguments are all of its array but the name. */
static void
check_args(const struct pl_sio_packet *p)
{
	struct pl_json *args;
	struct pl_buf text;

	pl_buf_init(&text, PL_BUF_UNLIMITED);
	(void)pl_buf_add_char(&text, '[');
	(void)pl_buf_add_str(&text, pl_sio_event_args(p->payload));
	(void)pl_buf_add_char(&text, ']');
	if (pl_json_parse_script(pl_buf_str(&text), &args, NULL) != PL_OK)
		abort();
	assert(pl_json_length(args) + 1 == pl_json_length(p->json));
	pl_json_free(args);
	pl_buf_fini(&text);
}

/* What decodes, encodes to what decodes to the same. */
static void
run_packet(struct pl_str text)
{
	struct pl_sio_packet a, b;
	struct pl_ref *packet;

	if (pl_sio_packet_decode(text, &a, NULL) != PL_OK)
		return;
	assert(pl_sio_event_args(a.payload).len <= a.payload.len);
	assert((a.attachments > 0) ==
	       (a.type == PL_SIO_BINARY_EVENT || a.type == PL_SIO_BINARY_ACK));
	assert(
	    a.attachments <= PL_SIO_ATTACHMENTS_MAX && a.nsp.len <= PL_SIO_NAMESPACE_MAX);
	if (a.json != NULL && (a.type == PL_SIO_EVENT || a.type == PL_SIO_BINARY_EVENT))
		check_args(&a);
	if (a.attachments > 0)
		check_placeholders(a.json, a.attachments);
	packet = pl_sio_packet_encode(&a);
	text = pl_str_n(packet->data + 1, packet->len - 1);
	if (pl_sio_packet_decode(text, &b, NULL) != PL_OK)
		abort();
	assert(
	    a.type == b.type && a.attachments == b.attachments && a.ack_id == b.ack_id);
	assert(pl_str_eq(a.nsp, b.nsp) && pl_str_eq(a.payload, b.payload));
	pl_sio_packet_fini(&a);
	pl_sio_packet_fini(&b);
	pl_ref_drop(packet);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	run_packet(pl_str_n(data, size));
	run_script(pl_str_n(data, size));
	return 0;
}
