#include "support/ws_trace.h"

#include "base/mem.h"

const struct pl_ws_conf ws_trace_conf = {
    .role = PL_WS_SERVER,
    .message_limit_bytes = PL_WS_MESSAGE_LIMIT_BYTES,
    .fragments_limit = PL_WS_FRAGMENTS_LIMIT,
    .controls_per_s = PL_WS_CONTROLS_PER_S,
    .send = ws_trace_send,
};

void
ws_trace_send(void *owner, struct pl_str head, struct pl_str payload)
{
	struct ws_trace *t = owner;

	pl_buf_add_str(&t->sent, head);
	pl_buf_add_str(&t->sent, payload);
}

void
ws_trace_init(struct ws_trace *t, const struct pl_ws_conf *conf)
{
	*t = (struct ws_trace){.now_mono_ms = 5000};
	pl_buf_init(&t->events, PL_BUF_UNLIMITED);
	pl_buf_init(&t->sent, PL_BUF_UNLIMITED);
	pl_buf_add_cstr(&t->events, ""); /* never NULL, so that it compares as a string */
	pl_ws_conn_init(&t->conn, conf, t);
}

void
ws_trace_fini(struct ws_trace *t)
{
	pl_ws_conn_fini(&t->conn);
	pl_buf_fini(&t->events);
	pl_buf_fini(&t->sent);
}

static void
write_event(struct pl_buf *out, const struct pl_ws_event *ev)
{
	static const char *const names[] = {
	    "text", "binary", "ping", "pong", "close", "fault"};

	pl_buf_printf(out, "%s%s(", out->len ? " " : "", names[ev->kind]);
	if (ev->kind == PL_WS_EV_CLOSE || ev->kind == PL_WS_EV_FAULT)
		pl_buf_printf(out, "%u,", ev->code);
	if (ev->kind == PL_WS_EV_BINARY)
		for (size_t i = 0; i < ev->data.len; i++)
			pl_buf_printf(out, "%02x", (unsigned char)ev->data.ptr[i]);
	else
		pl_buf_add_str(out, ev->data);
	pl_buf_add_char(out, ')');
}

/* One read's bytes, and all that comes of them. */
static void
feed_piece(struct ws_trace *t, const void *data, size_t len)
{
	uint8_t *bytes = pl_mem_alloc(len);
	struct pl_ws_input in = {bytes, len};
	struct pl_ws_event ev;

	memcpy(bytes, data, len);
	while (pl_ws_conn_next(&t->conn, &in, t->now_mono_ms, &ev)) {
		write_event(&t->events, &ev);
		if (ev.kind == PL_WS_EV_FAULT)
			t->fault = ev.fault;
	}
	pl_mem_free(bytes);
}

void
ws_trace_feed(struct ws_trace *t, const void *data, size_t len, size_t piece)
{
	const char *at = data;

	while (len > 0) {
		if (piece > len)
			piece = len;
		feed_piece(t, at, piece);
		at += piece;
		len -= piece;
	}
}
