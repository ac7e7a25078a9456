/*
 * fuzz_eio: Engine.IO from the wire. The input is first a payload and a query string, and
 * then a script, one input of a session a line:
 *
 *   g  GET       G  GET gone       w  WebSocket    x  gone        t<text>    b<bytes>
 *   p<body>      P  POST gone      B  blocked      W  writable    T<digits>  time, in ms
 *   s<packet>    S<bytes>  the application sends   c  it closes   n  next() until it waits
 */
#include <assert.h>

#include "base/utf8.h"
#include "proto/eio_query.h"
#include "proto/eio_session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct pl_eio_settings settings = {
    .ping_interval_ms = 1000,
    .ping_timeout_ms = 500,
    .upgrade_timeout_ms = 400,
    .close_timeout_ms = 700,
    .stall_timeout_ms = 600,
    .max_payload_bytes = 4096,
    .queue_max_bytes = 4096,
};

/* Echoes, but for messages that ask it to close. */
static void
on_message(
    struct pl_eio_session *s, struct pl_str data, bool is_binary, int64_t now_mono_ms)
{
	struct pl_ref *packet = is_binary ? pl_ref_new(data.ptr, data.len)
					  : pl_eio_packet_encode(PL_EIO_MESSAGE, data);

	if (pl_str_starts(data, PL_STR("close")))
		pl_eio_session_close(s, PL_EIO_FORCED_CLOSE, now_mono_ms);
	(void)pl_eio_session_send(s, packet, is_binary, now_mono_ms);
	pl_ref_drop(packet);
}

static const struct pl_eio_events events = {.on_message = on_message};

static void
pull(struct pl_eio_session *s, struct pl_eio_out *out)
{
	enum pl_eio_action action;
	unsigned actions = 0;

	do {
		action = pl_eio_session_next(s, out);
		if (action == PL_EIO_WS_SEND)
			pl_ref_drop(out->message);
		assert(++actions < 1000);
	} while (action != PL_EIO_WAIT && action != PL_EIO_FREE);
	assert(!out->body.overflowed);
}

static void
send_line(struct pl_eio_session *s, struct pl_str arg, bool is_binary, int64_t now)
{
	struct pl_ref *packet = pl_ref_new(arg.ptr, arg.len);

	(void)pl_eio_session_send(s, packet, is_binary, now);
	pl_ref_drop(packet);
}

static void
post(struct pl_eio_session *s, struct pl_str arg, int64_t now)
{
	if (pl_eio_session_post_begin(s) == PL_OK && arg.len != 1)
		(void)!pl_eio_session_post(s, arg, false, now);
}

static void
run_line(
    struct pl_eio_session *s, struct pl_str line, int64_t *now, struct pl_eio_out *out)
{
	struct pl_str arg = pl_str_n(line.ptr + 1, line.len - 1);
	uint64_t ms;

	switch (line.ptr[0]) {
	case 'g':
		(void)!pl_eio_session_poll(s);
		break;
	case 'G':
		pl_eio_session_poll_gone(s);
		break;
	case 'p':
		post(s, arg, *now);
		break;
	case 'w':
		(void)!pl_eio_session_ws_open(s, *now);
		break;
	case 'x':
		pl_eio_session_ws_gone(s);
		break;
	case 't':
		if (pl_utf8_is_valid(arg))
			pl_eio_session_ws_text(s, arg, *now);
		break;
	case 'b':
		pl_eio_session_ws_binary(s, arg, *now);
		break;
	case 'B':
		pl_eio_session_ws_blocked(s, *now);
		break;
	case 'W':
		pl_eio_session_ws_writable(s);
		break;
	case 'T':
		if (pl_str_to_u64(arg, 100000, &ms))
			*now += (int64_t)ms;
		pl_eio_session_tick(s, *now);
		assert(pl_eio_session_deadline(s) > *now);
		break;
	case 's':
	case 'S':
		send_line(s, arg, line.ptr[0] == 'S', *now);
		break;
	case 'c':
		pl_eio_session_close(s, PL_EIO_SHUTDOWN, *now);
		break;
	case 'n':
		pull(s, out);
		break;
	}
	assert(s->queue.bytes <= settings.queue_max_bytes);
}

static void
run_script(struct pl_str script, bool is_websocket)
{
	struct pl_eio_session s;
	struct pl_eio_out out;
	struct pl_str line;
	int64_t now = 1;

	pl_buf_init(&out.body, 2 * settings.queue_max_bytes);
	pl_eio_session_init(&s, &settings, &events, "sid", is_websocket, now);
	while (pl_str_split(&script, '\n', &line))
		if (line.len > 0)
			run_line(&s, line, &now, &out);
	pull(&s, &out);
	pl_eio_session_fini(&s);
	pl_buf_fini(&out.body);
}

static void
run_payload(struct pl_str body)
{
	struct pl_eio_packet p;
	struct pl_str packet;
	struct pl_buf bytes;

	pl_buf_init(&bytes, settings.max_payload_bytes);
	if (pl_eio_payload_check(body, settings.max_payload_bytes) == PL_OK)
		while (pl_eio_payload_next(&body, &packet))
			(void)!pl_eio_packet_decode(packet, &bytes, &p);
	pl_buf_fini(&bytes);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pl_str input = pl_str_n(data, size);
	struct pl_eio_query query;

	run_payload(input);
	(void)pl_eio_query_parse(input, true, false, &query);
	run_script(input, false);
	run_script(input, true);
	return 0;
}
