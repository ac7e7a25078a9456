/*
 * fuzz_ws: WebSocket frames from the wire.
 *
 *   byte 0   bit 0: we are the client    bit 1: small limits    bit 2: we close half way
 *   byte 1   the piece size of one run, and where another is cut in two
 *   then     the peer's bytes
 *
 * However the bytes are cut, the events are the same; and what we send is free of faults
 * to our own other end, with at most one Close, which is last.
 */
#include <assert.h>

#include "support/ws_trace.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct script {
	struct pl_ws_conf conf;
	bool closes; /* after the first half of the bytes */
	struct pl_str first;
	struct pl_str second;
};

/* The other end reads what was sent. */
static void
check_sent(const struct ws_trace *t, const struct script *s)
{
	struct pl_ws_conf conf = s->conf;
	struct ws_trace peer;

	conf.role = conf.role == PL_WS_SERVER ? PL_WS_CLIENT : PL_WS_SERVER;
	conf.controls_per_s = UINT32_MAX;
	ws_trace_init(&peer, &conf);
	ws_trace_feed(&peer, t->sent.data, t->sent.len, t->sent.len);
	assert(peer.fault == PL_WS_FINE);
	if (t->conn.state == PL_WS_CLOSED)
		assert(peer.conn.state == PL_WS_CLOSED);
	ws_trace_feed(&peer, "\xff", 1, 1); /* nothing was held back half way */
	assert(peer.conn.state == PL_WS_CLOSED);
	ws_trace_fini(&peer);
}

/* The events in out; piece: as for ws_trace_feed(). */
static void
run(const struct script *s, size_t cut, size_t piece, struct pl_buf *out)
{
	struct ws_trace t;
	size_t sent;

	ws_trace_init(&t, &s->conf);
	ws_trace_feed(&t, s->first.ptr, s->first.len, piece);
	if (s->closes)
		pl_ws_conn_close(&t.conn, PL_WS_CODE_GOING_AWAY, PL_STR("bye"));
	ws_trace_feed(&t, s->second.ptr, cut, piece);
	ws_trace_feed(&t, s->second.ptr + cut, s->second.len - cut, piece);
	check_sent(&t, s);
	if (t.conn.state == PL_WS_CLOSED) {
		assert(t.conn.pending == NULL);
		sent = t.sent.len;
		assert(!pl_ws_conn_is_open(&t.conn));
		pl_ws_conn_close(&t.conn, PL_WS_CODE_NORMAL, PL_STR_NONE);
		assert(t.sent.len == sent);
	}
	*out = t.events;
	t.events = (struct pl_buf){0};
	ws_trace_fini(&t);
}

static void
check_run(const struct script *s, size_t cut, size_t piece, const struct pl_buf *want)
{
	struct pl_buf events;

	run(s, cut, piece, &events);
	assert(pl_str_eq(pl_buf_str(&events), pl_buf_str(want)));
	pl_buf_fini(&events);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct script s = {.conf = ws_trace_conf};
	struct pl_buf events;
	size_t half;

	if (size < 3)
		return 0;
	s.conf.role = data[0] & 1 ? PL_WS_CLIENT : PL_WS_SERVER;
	s.closes = (data[0] & 4) != 0;
	if (data[0] & 2) {
		s.conf.message_limit_bytes = 100;
		s.conf.fragments_limit = 3;
		s.conf.controls_per_s = 4;
	}
	half = s.closes ? (size - 2) / 2 : 0;
	s.first = pl_str_n(data + 2, half);
	s.second = pl_str_n(data + 2 + half, size - 2 - half);
	run(&s, 0, size, &events);
	check_run(&s, 0, 1, &events);
	check_run(&s, 0, data[1] + 1u, &events);
	check_run(&s, data[1] % (s.second.len + 1), size, &events);
	pl_buf_fini(&events);
	return 0;
}
