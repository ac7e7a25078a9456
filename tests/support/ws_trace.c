#include "support/ws_trace.h"

#include <stdio.h>

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

void
ws_trace_feed(struct ws_trace *t, const void *data, size_t len, size_t piece)
{
	struct pl_ws_input in;
	struct pl_ws_event ev;
	uint8_t *bytes;

	for (const char *at = data, *end = at + len; at < end; at += in.len) {
		in.len = (size_t)(end - at) < piece ? (size_t)(end - at) : piece;
		bytes = pl_mem_alloc(in.len);
		memcpy(bytes, at, in.len);
		in.data = bytes;
		piece = in.len;
		while (pl_ws_conn_next(&t->conn, &in, t->now_mono_ms, &ev))
			write_event(&t->events, &ev);
		in.len = piece;
		pl_mem_free(bytes);
	}
}
