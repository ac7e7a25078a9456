#include "proto/eio_session.h"

#include <assert.h>

#define LATE_MS_MAX 20 /* of a timer on a machine that is not overloaded */

/* ---- states ---- */

static void
check(const struct pl_eio_session *s)
{
	/* A WebSocket that is the transport stays attached until the session is over. */
	assert(s->state != PL_EIO_WEBSOCKET || (s->on_websocket && s->has_ws));
	assert(s->state != PL_EIO_PROBING || (!s->on_websocket && s->has_ws));
	assert(!s->owes_ws_close || s->has_ws);
	assert(!s->owes_noop || s->poll_waits);
	assert(pl_eio_session_is_open(s) == (s->reason == PL_EIO_STILL_OPEN));
	assert(s->state != PL_EIO_CLOSED || s->queue.count == 0);
}

/* The one place where the state changes. */
static void
enter(struct pl_eio_session *s, enum pl_eio_state state, int64_t due_ms)
{
	s->state = (uint8_t)state;
	s->state_due_ms = due_ms;
	s->noop_due_ms = PL_EIO_NEVER;
	if (state != PL_EIO_WEBSOCKET) /* "2probe" and "5" may come together */
		s->owes_probe_pong = false;
	switch (state) {
	case PL_EIO_POLLING:
	case PL_EIO_PROBING:
		break;
	case PL_EIO_WEBSOCKET:
		s->on_websocket = true;
		s->owes_noop = s->poll_waits;
		break;
	case PL_EIO_CLOSING:
		s->closed_between_polls = !s->on_websocket && !s->poll_waits;
		s->owes_ws_close = s->has_ws && !s->on_websocket;
		break;
	case PL_EIO_CLOSED:
		s->owes_ws_close = s->has_ws;
		pl_eio_queue_clear(&s->queue);
		break;
	}
	check(s);
}

static void
leave_open(struct pl_eio_session *s, enum pl_eio_reason reason)
{
	s->reason = (uint8_t)reason;
	s->owes_ended = true;
	s->heartbeat_due_ms = PL_EIO_NEVER;
}

/* Over at once. The reason of an earlier close() stands. */
static void
end(struct pl_eio_session *s, enum pl_eio_reason reason)
{
	if (s->state == PL_EIO_CLOSED)
		return;
	if (pl_eio_session_is_open(s))
		leave_open(s, reason);
	enter(s, PL_EIO_CLOSED, PL_EIO_NEVER);
}

void
pl_eio_session_close(
    struct pl_eio_session *s, enum pl_eio_reason reason, int64_t now_mono_ms)
{
	if (!pl_eio_session_is_open(s))
		return;
	leave_open(s, reason);
	enter(s, PL_EIO_CLOSING, now_mono_ms + s->settings->close_timeout_ms);
}

/* ---- life ---- */

static void
send_own(struct pl_eio_session *s, struct pl_ref *packet, int64_t now_mono_ms)
{
	(void)pl_eio_session_send(s, packet, false, now_mono_ms);
	pl_ref_drop(packet);
}

void
pl_eio_session_init(struct pl_eio_session *s, const struct pl_eio_settings *settings,
    const struct pl_eio_events *events, const char *sid, bool is_websocket,
    int64_t now_mono_ms)
{
	assert(strlen(sid) <= PL_EIO_SID_MAX);
	*s = (struct pl_eio_session){
	    .settings = settings,
	    .events = events,
	    .heartbeat_due_ms = now_mono_ms + settings->ping_interval_ms,
	    .payload_bytes_max = settings->max_payload_bytes,
	    .has_ws = is_websocket,
	};
	memcpy(s->sid, sid, strlen(sid) + 1);
	enter(s, is_websocket ? PL_EIO_WEBSOCKET : PL_EIO_POLLING, PL_EIO_NEVER);
	send_own(s, pl_eio_open_packet(sid, settings, is_websocket), now_mono_ms);
}

void
pl_eio_session_fini(struct pl_eio_session *s)
{
	assert(!s->is_calling_out);
	pl_eio_queue_clear(&s->queue);
	*s = (struct pl_eio_session){0};
}

/* ---- packets in ---- */

static void
call_out(
    struct pl_eio_session *s, struct pl_str data, bool is_binary, int64_t now_mono_ms)
{
	s->is_calling_out = true;
	s->events->on_message(s, data, is_binary, now_mono_ms);
	s->is_calling_out = false;
}

static void
on_pong(struct pl_eio_session *s, int64_t now_mono_ms)
{
	s->awaiting_pong = false;
	s->heartbeat_due_ms = now_mono_ms + s->settings->ping_interval_ms;
}

/* A packet that is no pong is a sign of life as well, and gives one more ping timeout. */
static void
extend_pong_wait(struct pl_eio_session *s, int64_t now_mono_ms)
{
	if (!s->awaiting_pong || s->pong_wait_extended)
		return;
	s->pong_wait_extended = true;
	s->heartbeat_due_ms = now_mono_ms + s->settings->ping_timeout_ms;
}

static void
on_packet(struct pl_eio_session *s, const struct pl_eio_packet *p, int64_t now_mono_ms)
{
	if (p->type != PL_EIO_PONG)
		extend_pong_wait(s, now_mono_ms);
	switch (p->type) {
	case PL_EIO_CLOSE:
		end(s, PL_EIO_CLIENT_CLOSE);
		break;
	case PL_EIO_PING: /* in version 4 only the server pings */
		end(s, PL_EIO_TRANSPORT_ERROR);
		break;
	case PL_EIO_PONG:
		on_pong(s, now_mono_ms);
		break;
	case PL_EIO_MESSAGE:
		call_out(s, p->data, p->is_binary, now_mono_ms);
		break;
	case PL_EIO_OPEN:
	case PL_EIO_UPGRADE:
	case PL_EIO_NOOP:
		break;
	}
}

static void
on_text(struct pl_eio_session *s, struct pl_str text, int64_t now_mono_ms)
{
	struct pl_eio_packet packet;
	struct pl_buf bytes;

	pl_buf_init(&bytes, s->payload_bytes_max);
	if (pl_eio_packet_decode(text, &bytes, &packet) == PL_OK)
		on_packet(s, &packet, now_mono_ms);
	else
		end(s, PL_EIO_PARSE_ERROR);
	pl_buf_fini(&bytes);
}

/* ---- HTTP ---- */

static enum pl_err
admit_request(struct pl_eio_session *s, bool another_is_open)
{
	assert(!s->is_calling_out);
	if (s->state == PL_EIO_CLOSED)
		return PL_E_NOT_FOUND;
	if (s->on_websocket)
		return PL_E_DENIED;
	if (another_is_open) {
		end(s, PL_EIO_TRANSPORT_ERROR);
		return PL_E_CONFLICT;
	}
	return PL_OK;
}

/* A request broke off. That does not matter to packets that go by WebSocket. */
static void
end_polling(struct pl_eio_session *s)
{
	assert(!s->is_calling_out);
	if (!s->on_websocket)
		end(s, PL_EIO_TRANSPORT_ERROR);
}

enum pl_err
pl_eio_session_poll(struct pl_eio_session *s)
{
	enum pl_err err = admit_request(s, s->poll_waits);

	if (err == PL_OK)
		s->poll_waits = true;
	return err;
}

void
pl_eio_session_poll_gone(struct pl_eio_session *s)
{
	if (!s->poll_waits)
		return;
	s->poll_waits = false;
	s->owes_noop = false;
	end_polling(s);
}

enum pl_err
pl_eio_session_post_begin(struct pl_eio_session *s)
{
	enum pl_err err = admit_request(s, s->post_is_under_way);

	if (err == PL_OK)
		s->post_is_under_way = true;
	return err;
}

void
pl_eio_session_post_gone(struct pl_eio_session *s)
{
	if (!s->post_is_under_way)
		return;
	s->post_is_under_way = false;
	end_polling(s);
}

enum pl_err
pl_eio_session_post(struct pl_eio_session *s, struct pl_str body, bool is_octet_stream,
    int64_t now_mono_ms)
{
	struct pl_str packet;
	enum pl_err err;

	assert(s->post_is_under_way && !s->is_calling_out);
	s->post_is_under_way = false;
	if (s->state == PL_EIO_CLOSED)
		return PL_E_INVALID;
	if (!body.ptr)
		body = PL_STR("");
	/* Version 4 has no binary payloads. */
	err = is_octet_stream ? PL_E_INVALID
			      : pl_eio_payload_check(body, s->payload_bytes_max);
	if (err == PL_E_INVALID)
		end(s, is_octet_stream ? PL_EIO_TRANSPORT_ERROR : PL_EIO_PARSE_ERROR);
	if (err != PL_OK)
		return err;
	while (pl_eio_session_is_open(s) && pl_eio_payload_next(&body, &packet))
		on_text(s, packet, now_mono_ms);
	return s->reason == PL_EIO_PARSE_ERROR || s->reason == PL_EIO_TRANSPORT_ERROR
		   ? PL_E_INVALID
		   : PL_OK;
}

/* ---- WebSocket ---- */

bool
pl_eio_session_ws_open(struct pl_eio_session *s, int64_t now_mono_ms)
{
	assert(!s->is_calling_out);
	if (s->state != PL_EIO_POLLING || s->has_ws)
		return false;
	s->has_ws = true;
	s->ws_is_blocked = false;
	enter(s, PL_EIO_PROBING, now_mono_ms + s->settings->upgrade_timeout_ms);
	return true;
}

size_t
pl_eio_session_ws_message_max(const struct pl_eio_session *s)
{
	if (s->on_websocket || s->payload_bytes_max < PL_EIO_PROBE_BYTES_MAX)
		return s->payload_bytes_max;
	return PL_EIO_PROBE_BYTES_MAX;
}

static void
abandon_probe(struct pl_eio_session *s)
{
	s->owes_ws_close = s->has_ws;
	enter(s, PL_EIO_POLLING, PL_EIO_NEVER);
}

static void
on_probe(struct pl_eio_session *s, int64_t now_mono_ms)
{
	s->owes_probe_pong = true;
	s->owes_noop = s->poll_waits;
	s->noop_due_ms = now_mono_ms + PL_EIO_NOOP_EVERY_MS;
}

static void
on_upgrade(struct pl_eio_session *s, int64_t now_mono_ms)
{
	enter(s, PL_EIO_WEBSOCKET, PL_EIO_NEVER);
	s->blocked_since_ms = now_mono_ms;
	/* The ping may have left on either transport: its answer gets the whole time
	 * again. */
	if (s->awaiting_pong)
		s->heartbeat_due_ms = now_mono_ms + s->settings->ping_timeout_ms;
}

static void
on_probing_text(struct pl_eio_session *s, struct pl_str text, int64_t now_mono_ms)
{
	if (pl_str_eq(text, PL_STR("2probe")))
		on_probe(s, now_mono_ms);
	else if (pl_str_starts(text, PL_STR("5")))
		on_upgrade(s, now_mono_ms);
	else
		abandon_probe(s);
}

void
pl_eio_session_ws_text(struct pl_eio_session *s, struct pl_str text, int64_t now_mono_ms)
{
	assert(!s->is_calling_out);
	if (text.len > s->payload_bytes_max)
		end(s, PL_EIO_PARSE_ERROR);
	else if (s->state == PL_EIO_PROBING)
		on_probing_text(s, text, now_mono_ms);
	else if (s->state == PL_EIO_WEBSOCKET)
		on_text(s, text, now_mono_ms);
}

void
pl_eio_session_ws_binary(
    struct pl_eio_session *s, struct pl_str bytes, int64_t now_mono_ms)
{
	struct pl_eio_packet packet = {PL_EIO_MESSAGE, true, bytes};

	assert(!s->is_calling_out);
	if (bytes.len > s->payload_bytes_max)
		end(s, PL_EIO_PARSE_ERROR);
	else if (s->state == PL_EIO_PROBING)
		abandon_probe(s);
	else if (s->state == PL_EIO_WEBSOCKET)
		on_packet(s, &packet, now_mono_ms);
}

void
pl_eio_session_ws_gone(struct pl_eio_session *s)
{
	assert(!s->is_calling_out);
	if (!s->has_ws)
		return;
	s->has_ws = false;
	s->owes_ws_close = false;
	s->ws_is_blocked = false;
	if (s->on_websocket)
		end(s, PL_EIO_TRANSPORT_CLOSE);
	else if (s->state == PL_EIO_PROBING)
		abandon_probe(s);
}

void
pl_eio_session_ws_blocked(struct pl_eio_session *s, int64_t now_mono_ms)
{
	if (!s->has_ws || s->ws_is_blocked)
		return;
	s->ws_is_blocked = true;
	s->blocked_since_ms = now_mono_ms;
}

void
pl_eio_session_ws_writable(struct pl_eio_session *s)
{
	s->ws_is_blocked = false;
}

/* ---- time ---- */

static int64_t
earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* When the oldest byte that the client did not take becomes too old. Packets that were
 * not offered to its WebSocket yet wait for us, not for the client: a server that is
 * behind puts nobody out. */
static int64_t
stall_due_ms(const struct pl_eio_session *s)
{
	const struct pl_eio_item *oldest = pl_eio_queue_at(&s->queue, 0);

	if (s->on_websocket)
		return s->ws_is_blocked
			   ? s->blocked_since_ms + s->settings->stall_timeout_ms
			   : PL_EIO_NEVER;
	return oldest ? oldest->queued_mono_ms + s->settings->stall_timeout_ms
		      : PL_EIO_NEVER;
}

int64_t
pl_eio_session_deadline(const struct pl_eio_session *s)
{
	int64_t due_ms = earlier(s->state_due_ms, s->noop_due_ms);

	if (!pl_eio_session_is_open(s))
		return due_ms;
	return earlier(earlier(due_ms, s->heartbeat_due_ms), stall_due_ms(s));
}

static void
beat(struct pl_eio_session *s, int64_t now_mono_ms)
{
	int64_t late_ms;

	if (s->awaiting_pong) {
		end(s, PL_EIO_PING_TIMEOUT);
		return;
	}
	/* Timers come a little late, and the client counts on the times it was told; but
	 * if we slept for long, it gets the whole time. */
	late_ms = earlier(now_mono_ms - s->heartbeat_due_ms, LATE_MS_MAX);
	s->awaiting_pong = true;
	s->pong_wait_extended = false;
	s->heartbeat_due_ms = now_mono_ms - late_ms + s->settings->ping_timeout_ms;
	send_own(s, pl_eio_packet_encode(PL_EIO_PING, PL_STR_NONE), now_mono_ms);
}

void
pl_eio_session_tick(struct pl_eio_session *s, int64_t now_mono_ms)
{
	assert(!s->is_calling_out);
	if (now_mono_ms >= s->state_due_ms) {
		if (s->state == PL_EIO_PROBING)
			abandon_probe(s);
		else
			end(s, PL_EIO_FORCED_CLOSE);
	}
	if (now_mono_ms >= s->noop_due_ms) {
		s->noop_due_ms = now_mono_ms + PL_EIO_NOOP_EVERY_MS;
		s->owes_noop = s->poll_waits;
	}
	if (pl_eio_session_is_open(s) && now_mono_ms >= stall_due_ms(s))
		end(s, PL_EIO_SLOW);
	if (now_mono_ms >= s->heartbeat_due_ms)
		beat(s, now_mono_ms);
}

/* ---- packets out ---- */

bool
pl_eio_session_send(
    struct pl_eio_session *s, struct pl_ref *packet, bool is_binary, int64_t now_mono_ms)
{
	if (!pl_eio_session_is_open(s))
		return false;
	pl_eio_queue_push(
	    &s->queue, (struct pl_eio_item){pl_ref(packet), now_mono_ms, is_binary});
	if (s->queue.bytes <= s->settings->queue_max_bytes)
		return true;
	end(s, PL_EIO_SLOW);
	return false;
}

static bool
poll_has_answer(const struct pl_eio_session *s)
{
	if (!s->poll_waits)
		return false;
	return !pl_eio_session_is_open(s) || s->owes_noop ||
	       (!s->on_websocket && s->queue.count > 0);
}

static void
answer_with_queue(struct pl_eio_session *s, struct pl_buf *body)
{
	struct pl_eio_item item;

	while (pl_eio_queue_pop(&s->queue, &item)) {
		pl_eio_payload_add(body, pl_ref_str(item.packet), item.is_binary);
		pl_ref_drop(item.packet);
	}
}

static void
answer_poll(struct pl_eio_session *s, struct pl_buf *body)
{
	pl_buf_clear(body);
	if (!s->on_websocket)
		answer_with_queue(s, body);
	if (body->len == 0 &&
	    (s->owes_noop || s->closed_between_polls || s->reason == PL_EIO_CLIENT_CLOSE))
		pl_eio_payload_add(body, PL_STR("6"), false);
	if (!pl_eio_session_is_open(s) && s->reason != PL_EIO_CLIENT_CLOSE)
		pl_eio_payload_add(body, PL_STR("1"), false);
	s->poll_waits = false;
	s->owes_noop = false;
	if (s->state == PL_EIO_CLOSING && !s->on_websocket)
		enter(s, PL_EIO_CLOSED, PL_EIO_NEVER);
}

/* The next message for the WebSocket; false when there is none for now. */
static bool
give_ws_message(struct pl_eio_session *s, struct pl_eio_out *out)
{
	struct pl_eio_item item;

	if (s->ws_is_blocked)
		return false;
	if (s->owes_probe_pong) {
		s->owes_probe_pong = false;
		out->message = pl_eio_packet_encode(PL_EIO_PONG, PL_STR("probe"));
		out->is_binary = false;
		return true;
	}
	if (!s->on_websocket || !pl_eio_queue_pop(&s->queue, &item))
		return false;
	out->message = item.packet;
	out->is_binary = item.is_binary;
	return true;
}

static uint16_t
close_code(enum pl_eio_reason reason)
{
	switch (reason) {
	case PL_EIO_SHUTDOWN:
		return 1001; /* going away */
	case PL_EIO_TRANSPORT_ERROR:
	case PL_EIO_PARSE_ERROR:
		return 1002; /* protocol error */
	case PL_EIO_PING_TIMEOUT:
	case PL_EIO_SLOW:
	case PL_EIO_OVER_BUDGET:
		return 1008; /* policy */
	default:
		return 1000;
	}
}

enum pl_eio_action
pl_eio_session_next(struct pl_eio_session *s, struct pl_eio_out *out)
{
	assert(!s->is_calling_out);
	check(s);
	if (poll_has_answer(s)) {
		answer_poll(s, &out->body);
		return PL_EIO_POLL_ANSWER;
	}
	if (give_ws_message(s, out))
		return PL_EIO_WS_SEND;
	if (s->state == PL_EIO_CLOSING && s->on_websocket && !s->ws_is_blocked)
		enter(s, PL_EIO_CLOSED, PL_EIO_NEVER);
	if (s->owes_ws_close) {
		s->owes_ws_close = false;
		s->has_ws = false;
		s->ws_is_blocked = false;
		out->ws_code = close_code(s->reason);
		return PL_EIO_WS_CLOSE;
	}
	if (s->owes_ended) {
		s->owes_ended = false;
		out->reason = s->reason;
		return PL_EIO_ENDED;
	}
	return s->state == PL_EIO_CLOSED ? PL_EIO_FREE : PL_EIO_WAIT;
}

const char *
pl_eio_reason_name(enum pl_eio_reason reason)
{
	static const char *const names[] = {
	    [PL_EIO_STILL_OPEN] = "still_open",
	    [PL_EIO_CLIENT_CLOSE] = "client_close",
	    [PL_EIO_TRANSPORT_CLOSE] = "transport_close",
	    [PL_EIO_TRANSPORT_ERROR] = "transport_error",
	    [PL_EIO_PING_TIMEOUT] = "ping_timeout",
	    [PL_EIO_PARSE_ERROR] = "parse_error",
	    [PL_EIO_SLOW] = "slow",
	    [PL_EIO_OVER_BUDGET] = "over_budget",
	    [PL_EIO_FORCED_CLOSE] = "forced_close",
	    [PL_EIO_SHUTDOWN] = "shutdown",
	};

	return (size_t)reason < sizeof(names) / sizeof(names[0]) ? names[reason]
								 : "unknown";
}
