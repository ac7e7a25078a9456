/*
 * eio_rig: a session with a clock and a trace, for the tests of eio_session.
 *
 * "§" is a section of engine.io-protocol v4. Where the text is silent, the cases come
 * from reading engine.io 6.6. The traces are explained in support/eio_trace.h.
 */
#ifndef TESTS_UNIT_PROTO_EIO_RIG_H
#define TESTS_UNIT_PROTO_EIO_RIG_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/list.h"
#include "base/mem.h"
#include "proto/eio_session.h"
#include "support/eio_trace.h"

#define OPEN                                                                             \
	"0{\"sid\":\"s1\",\"upgrades\":[\"websocket\"],\"pingInterval\":25000,"          \
	"\"pingTimeout\":20000,\"maxPayload\":1000}"
#define OPEN_WS                                                                          \
	"0{\"sid\":\"s1\",\"upgrades\":[],\"pingInterval\":25000,"                       \
	"\"pingTimeout\":20000,\"maxPayload\":1000}"
#define T0 1000000 /* ms, the time a rig starts at */

struct rig {
	struct pl_eio_session session;
	struct eio_trace trace;
	int64_t now;
	bool echoes; /* on_message sends it back */
	bool closes; /* on_message closes */
};

static inline void
on_message(
    struct pl_eio_session *s, struct pl_str data, bool is_binary, int64_t now_mono_ms)
{
	struct rig *r = PL_CONTAINER(s, struct rig, session);
	struct pl_ref *packet;

	assert_int_equal(now_mono_ms, r->now);
	eio_trace_note(&r->trace, "got", data, is_binary);
	if (r->echoes) {
		packet = is_binary ? pl_ref_new(data.ptr, data.len)
				   : pl_eio_packet_encode(PL_EIO_MESSAGE, data);
		assert_true(pl_eio_session_send(s, packet, is_binary, now_mono_ms));
		pl_ref_drop(packet);
	}
	if (r->closes)
		pl_eio_session_close(s, PL_EIO_FORCED_CLOSE, now_mono_ms);
}

static const struct pl_eio_events events = {.on_message = on_message};
static struct pl_eio_settings settings = PL_EIO_SETTINGS_DEFAULT;

static inline enum pl_eio_action
next(void *machine, struct pl_eio_out *out)
{
	return pl_eio_session_next(machine, out);
}

static inline void
check_trace(struct rig *r, const char *expected)
{
	eio_trace_pull(&r->trace, next, &r->session);
	assert_string_equal(eio_trace_take(&r->trace), expected);
}

static inline void
start(struct rig *r, bool is_websocket)
{
	settings = (struct pl_eio_settings)PL_EIO_SETTINGS_DEFAULT;
	settings.max_payload_bytes = 1000;
	settings.queue_max_bytes = 2000;
	*r = (struct rig){.now = T0};
	eio_trace_init(&r->trace);
	pl_eio_session_init(&r->session, &settings, &events, "s1", is_websocket, r->now);
}

static inline void
poll_waits(struct rig *r)
{
	assert_int_equal(pl_eio_session_poll(&r->session), PL_OK);
	check_trace(r, "");
}

/* A polling session whose handshake is over, with no GET waiting. */
static inline void
start_polling(struct rig *r)
{
	start(r, false);
	assert_int_equal(pl_eio_session_poll(&r->session), PL_OK);
	check_trace(r, "poll<" OPEN ">");
}

static inline void
start_websocket(struct rig *r)
{
	start(r, true);
	check_trace(r, "ws<" OPEN_WS ">");
}

static inline void
stop(struct rig *r)
{
	pl_eio_session_fini(&r->session);
	assert_int_equal(r->session.state, 0);
	eio_trace_fini(&r->trace);
}

static inline void
send_text(struct rig *r, const char *text)
{
	struct pl_ref *packet = pl_ref_new(text, strlen(text));

	assert_true(pl_eio_session_send(&r->session, packet, false, r->now));
	pl_ref_drop(packet);
}

static inline void
send_bytes(struct rig *r, struct pl_str bytes)
{
	struct pl_ref *packet = pl_ref_new(bytes.ptr, bytes.len);

	assert_true(pl_eio_session_send(&r->session, packet, true, r->now));
	pl_ref_drop(packet);
}

static inline enum pl_err
post(struct rig *r, const char *body)
{
	enum pl_err err = pl_eio_session_post_begin(&r->session);

	if (err != PL_OK)
		return err;
	return pl_eio_session_post(&r->session, pl_str(body), false, r->now);
}

static inline void
ws_text(struct rig *r, const char *text)
{
	pl_eio_session_ws_text(&r->session, pl_str(text), r->now);
}

static inline void
advance(struct rig *r, int64_t ms)
{
	r->now += ms;
	pl_eio_session_tick(&r->session, r->now);
}

/* Nothing happens a millisecond before the deadline, which is ms away. */
static inline void
advance_to_deadline(struct rig *r, int64_t ms)
{
	assert_int_equal(pl_eio_session_deadline(&r->session) - r->now, ms);
	advance(r, ms - 1);
	check_trace(r, "");
	advance(r, 1);
}

static inline void
start_probing(struct rig *r)
{
	start_polling(r);
	assert_true(pl_eio_session_ws_open(&r->session, r->now));
	check_trace(r, "");
}

static inline void
upgrade(struct rig *r)
{
	start_probing(r);
	ws_text(r, "2probe");
	check_trace(r, "ws<3probe>");
	ws_text(r, "5");
	check_trace(r, "");
}

#endif
