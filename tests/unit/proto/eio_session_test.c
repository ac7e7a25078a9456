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

/* "§" is a section of engine.io-protocol v4. Where the text is silent, the cases come from
 * reading engine.io 6.6. The traces are explained in support/eio_trace.h. */

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

static void
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

static enum pl_eio_action
next(void *machine, struct pl_eio_out *out)
{
	return pl_eio_session_next(machine, out);
}

static void
check_trace(struct rig *r, const char *expected)
{
	eio_trace_pull(&r->trace, next, &r->session);
	assert_string_equal(eio_trace_take(&r->trace), expected);
}

static void
start(struct rig *r, bool is_websocket)
{
	settings = (struct pl_eio_settings)PL_EIO_SETTINGS_DEFAULT;
	settings.max_payload_bytes = 1000;
	settings.queue_max_bytes = 2000;
	*r = (struct rig){.now = T0};
	eio_trace_init(&r->trace);
	pl_eio_session_init(&r->session, &settings, &events, "s1", is_websocket, r->now);
}

static void
poll_waits(struct rig *r)
{
	assert_int_equal(pl_eio_session_poll(&r->session), PL_OK);
	check_trace(r, "");
}

/* A polling session whose handshake is over, with no GET waiting. */
static void
start_polling(struct rig *r)
{
	start(r, false);
	assert_int_equal(pl_eio_session_poll(&r->session), PL_OK);
	check_trace(r, "poll<" OPEN ">");
}

static void
start_websocket(struct rig *r)
{
	start(r, true);
	check_trace(r, "ws<" OPEN_WS ">");
}

static void
stop(struct rig *r)
{
	pl_eio_session_fini(&r->session);
	assert_int_equal(r->session.state, 0);
	eio_trace_fini(&r->trace);
}

static void
send_text(struct rig *r, const char *text)
{
	struct pl_ref *packet = pl_ref_new(text, strlen(text));

	assert_true(pl_eio_session_send(&r->session, packet, false, r->now));
	pl_ref_drop(packet);
}

static void
send_bytes(struct rig *r, struct pl_str bytes)
{
	struct pl_ref *packet = pl_ref_new(bytes.ptr, bytes.len);

	assert_true(pl_eio_session_send(&r->session, packet, true, r->now));
	pl_ref_drop(packet);
}

static enum pl_err
post(struct rig *r, const char *body)
{
	enum pl_err err = pl_eio_session_post_begin(&r->session);

	if (err != PL_OK)
		return err;
	return pl_eio_session_post(&r->session, pl_str(body), false, r->now);
}

static void
ws_text(struct rig *r, const char *text)
{
	pl_eio_session_ws_text(&r->session, pl_str(text), r->now);
}

static void
advance(struct rig *r, int64_t ms)
{
	r->now += ms;
	pl_eio_session_tick(&r->session, r->now);
}

/* Nothing happens a millisecond before the deadline, which is ms away. */
static void
advance_to_deadline(struct rig *r, int64_t ms)
{
	assert_int_equal(pl_eio_session_deadline(&r->session) - r->now, ms);
	advance(r, ms - 1);
	check_trace(r, "");
	advance(r, 1);
}

static void
start_probing(struct rig *r)
{
	start_polling(r);
	assert_true(pl_eio_session_ws_open(&r->session, r->now));
	check_trace(r, "");
}

static void
upgrade(struct rig *r)
{
	start_probing(r);
	ws_text(r, "2probe");
	check_trace(r, "ws<3probe>");
	ws_text(r, "5");
	check_trace(r, "");
}

/* ---- handshake ---- */

static void
the_first_get_is_answered_with_the_open_packet(void **state)
{
	struct rig r;

	(void)state;
	start_polling(&r);
	assert_true(pl_eio_session_is_open(&r.session));
	stop(&r);
}

static void
what_is_sent_at_once_goes_with_the_open_packet(void **state)
{
	struct rig r;

	(void)state;
	start(&r, false);
	send_text(&r, "4hi");
	assert_int_equal(pl_eio_session_poll(&r.session), PL_OK);
	check_trace(&r, "poll<" OPEN "|4hi>");
	stop(&r);
}

static void
a_session_that_begins_on_a_websocket_is_offered_no_upgrade(void **state)
{
	struct rig r;

	(void)state;
	start_websocket(&r);
	stop(&r);
}

/* ---- polling: § HTTP long-polling ---- */

static void
a_get_waits_until_there_is_a_packet(void **state)
{
	struct rig r;

	(void)state;
	start_polling(&r);
	poll_waits(&r);
	send_text(&r, "4hello");
	check_trace(&r, "poll<4hello>");
	stop(&r);
}

static void
a_get_takes_all_that_is_queued_with_binary_in_base64(void **state)
{
	struct rig r;

	(void)state;
	start_polling(&r);
	send_text(&r, "4hello");
	send_bytes(&r, PL_STR("\1\2\3\4"));
	send_text(&r, "4world");
	check_trace(&r, "");
	assert_int_equal(pl_eio_session_poll(&r.session), PL_OK);
	check_trace(&r, "poll<4hello|bAQIDBA==|4world>");
	stop(&r);
}

static void
a_post_delivers_each_message_in_order(void **state)
{
	struct rig r;

	(void)state;
	start_polling(&r);
	assert_int_equal(post(&r, "4hello\x1e"
				  "bAQIDBA==\x1e"
				  "6\x1e"
				  "4\x1e"
				  "4€"),
	    PL_OK);
	check_trace(&r, "got<hello> got<#01020304> got<> got<€>");
	stop(&r);
}

static void
an_echo_of_a_post_answers_the_waiting_get(void **state)
{
	struct rig r;

	(void)state;
	start_polling(&r);
	r.echoes = true;
	poll_waits(&r);
	assert_int_equal(post(&r, "4a\x1e"
				  "bAAE="),
	    PL_OK);
	check_trace(&r, "got<a> got<#0001> poll<4a|bAAE=>");
	stop(&r);
}

/* "MUST return an HTTP 400 error status and close the session." */
static void
a_second_get_is_refused_and_ends_the_session(void **state)
{
	struct rig r;

	(void)state;
	start_polling(&r);
	poll_waits(&r);
	assert_int_equal(pl_eio_session_poll(&r.session), PL_E_CONFLICT);
	check_trace(&r, "poll<1> ended<transport_error> free");
	assert_int_equal(pl_eio_session_poll(&r.session), PL_E_NOT_FOUND);
	stop(&r);
}

static void
a_second_post_is_refused_and_ends_the_session(void **state)
{
	struct rig r;

	(void)state;
	start_polling(&r);
	poll_waits(&r);
	assert_int_equal(pl_eio_session_post_begin(&r.session), PL_OK);
	assert_int_equal(pl_eio_session_post_begin(&r.session), PL_E_CONFLICT);
	check_trace(&r, "poll<1> ended<transport_error> free");
	assert_int_equal(
	    pl_eio_session_post(&r.session, PL_STR("4a"), false, r.now), PL_E_INVALID);
	check_trace(&r, "free");
	assert_int_equal(post(&r, "4a"), PL_E_NOT_FOUND);
	stop(&r);
}

static void
a_get_that_breaks_off_ends_the_session(void **state)
{
	struct rig r;

	(void)state;
	start_polling(&r);
	pl_eio_session_poll_gone(&r.session);
	check_trace(&r, "");
	poll_waits(&r);
	pl_eio_session_poll_gone(&r.session);
	check_trace(&r, "ended<transport_error> free");
	stop(&r);
}

static void
a_post_that_breaks_off_ends_the_session(void **state)
{
	struct rig r;

	(void)state;
	start_polling(&r);
	pl_eio_session_post_gone(&r.session);
	check_trace(&r, "");
	poll_waits(&r);
	assert_int_equal(pl_eio_session_post_begin(&r.session), PL_OK);
	pl_eio_session_post_gone(&r.session);
	check_trace(&r, "poll<1> ended<transport_error> free");
	stop(&r);
}

static void
a_post_above_max_payload_is_refused_and_the_session_stays(void **state)
{
	char body[1002] = "4";
	struct rig r;

	(void)state;
	memset(body + 1, 'x', 1000);
	start_polling(&r);
	assert_int_equal(post(&r, body), PL_E_TOO_BIG);
	check_trace(&r, "");
	assert_int_equal(post(&r, "4a"), PL_OK);
	check_trace(&r, "got<a>");
	stop(&r);
}

static void
an_octet_stream_ends_the_session(void **state)
{
	struct rig r;

	(void)state;
	start_polling(&r);
	assert_int_equal(pl_eio_session_post_begin(&r.session), PL_OK);
	assert_int_equal(
	    pl_eio_session_post(&r.session, PL_STR("4a"), true, r.now), PL_E_INVALID);
	check_trace(&r, "ended<transport_error> free");
	stop(&r);
}

static void
check_bad_post(struct pl_str body)
{
	struct rig r;

	start_polling(&r);
	poll_waits(&r);
	assert_int_equal(pl_eio_session_post_begin(&r.session), PL_OK);
	assert_int_equal(
	    pl_eio_session_post(&r.session, body, false, r.now), PL_E_INVALID);
	check_trace(&r, "poll<1> ended<parse_error> free");
	stop(&r);
}

/* engine.io CVE-2020-36048, -2022-21676, -2022-41940, -2023-31125: one request that took
 * the server's memory, or crashed it. */
static void
cve_2022_21676_a_body_that_is_no_packet_ends_only_its_session(void **state)
{
	char many[2 * 257];

	(void)state;
	check_bad_post(PL_STR("abc"));
	check_bad_post(PL_STR(""));
	check_bad_post(PL_STR_NONE);
	check_bad_post(PL_STR("\x1e"));
	check_bad_post(PL_STR("b====="));
	check_bad_post(PL_STR("4\xff"));
	check_bad_post(PL_STR("4\xed\xb0\x80"));
	for (size_t i = 0; i < sizeof(many); i++)
		many[i] = i % 2 ? PL_EIO_SEPARATOR : '4';
	check_bad_post(pl_str_n(many, sizeof(many) - 1));
}

static void
messages_before_a_bad_packet_are_delivered_and_none_behind_it(void **state)
{
	struct rig r;

	(void)state;
	start_polling(&r);
	assert_int_equal(post(&r, "4a\x1ez\x1e"
				  "4b"),
	    PL_E_INVALID);
	check_trace(&r, "got<a> ended<parse_error> free");
	stop(&r);
}

/* The GET is answered with a noop, not with a close: the client knows already. */
static void
a_posted_close_packet_ends_the_session_and_the_waiting_get(void **state)
{
	struct rig r;

	(void)state;
	start_polling(&r);
	poll_waits(&r);
	assert_int_equal(post(&r, "4a\x1e"
				  "1\x1e"
				  "4b"),
	    PL_OK);
	check_trace(&r, "got<a> poll<6> ended<client_close> free");
	assert_int_equal(pl_eio_session_poll(&r.session), PL_E_NOT_FOUND);
	stop(&r);
}

/* ---- heartbeat: § Heartbeat ---- */

static void
a_ping_goes_out_each_interval_after_a_pong(void **state)
{
	struct rig r;

	(void)state;
	start_websocket(&r);
	advance_to_deadline(&r, 25000);
	check_trace(&r, "ws<2>");
	advance(&r, 300);
	ws_text(&r, "3");
	advance_to_deadline(&r, 25000);
	check_trace(&r, "ws<2>");
	stop(&r);
}

static void
no_pong_within_the_timeout_ends_the_session(void **state)
{
	struct rig r;

	(void)state;
	start_websocket(&r);
	advance_to_deadline(&r, 25000);
	check_trace(&r, "ws<2>");
	advance_to_deadline(&r, 20000);
	check_trace(&r, "close<1008> ended<ping_timeout> free");
	assert_true(pl_eio_session_deadline(&r.session) == PL_EIO_NEVER);
	stop(&r);
}

static void
pings_go_through_polling_too(void **state)
{
	struct rig r;

	(void)state;
	start_polling(&r);
	poll_waits(&r);
	advance_to_deadline(&r, 25000);
	check_trace(&r, "poll<2>");
	assert_int_equal(post(&r, "3"), PL_OK);
	poll_waits(&r);
	advance_to_deadline(&r, 25000);
	check_trace(&r, "poll<2>");
	poll_waits(&r);
	advance_to_deadline(&r, 20000);
	check_trace(&r, "poll<1> ended<ping_timeout> free");
	stop(&r);
}

static void
another_packet_than_a_pong_buys_more_time_once(void **state)
{
	struct rig r;

	(void)state;
	start_websocket(&r);
	advance(&r, 25000);
	check_trace(&r, "ws<2>");
	advance(&r, 15000);
	ws_text(&r, "4a");
	check_trace(&r, "got<a>");
	assert_int_equal(pl_eio_session_deadline(&r.session) - r.now, 20000);
	advance(&r, 15000);
	ws_text(&r, "4b");
	check_trace(&r, "got<b>");
	advance_to_deadline(&r, 5000);
	check_trace(&r, "close<1008> ended<ping_timeout> free");
	stop(&r);
}

static void
an_unasked_pong_only_puts_the_next_ping_off(void **state)
{
	struct rig r;

	(void)state;
	start_websocket(&r);
	advance(&r, 10000);
	ws_text(&r, "3");
	advance_to_deadline(&r, 25000);
	check_trace(&r, "ws<2>");
	stop(&r);
}

/* "The ping packets are now sent by the server" (§ From v3 to v4). */
static void
a_ping_from_the_client_ends_the_session(void **state)
{
	struct rig r;

	(void)state;
	start_websocket(&r);
	ws_text(&r, "2");
	check_trace(&r, "close<1002> ended<transport_error> free");
	stop(&r);
	start_polling(&r);
	assert_int_equal(post(&r, "2probe"), PL_E_INVALID);
	check_trace(&r, "ended<transport_error> free");
	stop(&r);
}

/* ---- WebSocket: § WebSocket ---- */

static void
each_packet_is_one_websocket_message(void **state)
{
	struct rig r;

	(void)state;
	start_websocket(&r);
	r.echoes = true;
	ws_text(&r, "4hello");
	pl_eio_session_ws_binary(&r.session, PL_STR("\1\2\3\4"), r.now);
	ws_text(&r, "4");
	check_trace(&r, "got<hello> got<#01020304> got<> "
			"ws<4hello> ws<#01020304> ws<4>");
	stop(&r);
}

static void
open_upgrade_and_noop_packets_are_stepped_over(void **state)
{
	struct rig r;

	(void)state;
	start_websocket(&r);
	ws_text(&r, "0{}");
	ws_text(&r, "5");
	ws_text(&r, "6");
	check_trace(&r, "");
	stop(&r);
}

static void
a_text_that_is_no_packet_ends_the_session(void **state)
{
	static const char *const bad[] = {"", "abc", "7", "b=", "\x1e"};
	struct rig r;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		start_websocket(&r);
		ws_text(&r, bad[i]);
		check_trace(&r, "close<1002> ended<parse_error> free");
		stop(&r);
	}
}

static void
a_message_above_max_payload_ends_the_session(void **state)
{
	char text[1002] = "4";
	struct rig r;

	(void)state;
	memset(text + 1, 'x', 1000);
	start_websocket(&r);
	pl_eio_session_ws_text(&r.session, pl_str_n(text, 1000), r.now);
	assert_memory_equal(eio_trace_take(&r.trace), "got<xxx", 7);
	pl_eio_session_ws_text(&r.session, pl_str_n(text, 1001), r.now);
	check_trace(&r, "close<1002> ended<parse_error> free");
	stop(&r);
	start_websocket(&r);
	pl_eio_session_ws_binary(&r.session, pl_str_n(text, 1001), r.now);
	check_trace(&r, "close<1002> ended<parse_error> free");
	pl_eio_session_ws_binary(&r.session, pl_str_n(text, 1001), r.now);
	check_trace(&r, "free");
	stop(&r);
}

static void
a_close_packet_on_a_websocket_ends_the_session(void **state)
{
	struct rig r;

	(void)state;
	start_websocket(&r);
	ws_text(&r, "1");
	check_trace(&r, "close<1000> ended<client_close> free");
	ws_text(&r, "4late");
	check_trace(&r, "free");
	stop(&r);
}

static void
a_websocket_that_ends_ends_the_session(void **state)
{
	struct rig r;

	(void)state;
	start_websocket(&r);
	send_text(&r, "4unsent");
	pl_eio_session_ws_gone(&r.session);
	check_trace(&r, "ended<transport_close> free");
	pl_eio_session_ws_gone(&r.session);
	check_trace(&r, "free");
	stop(&r);
}

static void
http_requests_of_a_websocket_session_are_refused_and_harmless(void **state)
{
	struct rig r;

	(void)state;
	start_websocket(&r);
	assert_int_equal(pl_eio_session_poll(&r.session), PL_E_DENIED);
	assert_int_equal(pl_eio_session_post_begin(&r.session), PL_E_DENIED);
	check_trace(&r, "");
	stop(&r);
}

/* "A client MUST NOT open more than one WebSocket connection per session. Should it happen,
 * the server MUST close the WebSocket connection." */
static void
a_second_websocket_is_refused_and_harmless(void **state)
{
	struct rig r;

	(void)state;
	start_websocket(&r);
	assert_false(pl_eio_session_ws_open(&r.session, r.now));
	check_trace(&r, "");
	stop(&r);
	start_probing(&r);
	assert_false(pl_eio_session_ws_open(&r.session, r.now));
	ws_text(&r, "2probe");
	check_trace(&r, "ws<3probe>");
	stop(&r);
	upgrade(&r);
	assert_false(pl_eio_session_ws_open(&r.session, r.now));
	check_trace(&r, "");
	stop(&r);
}

/* ---- upgrade: § Upgrade ---- */

static void
a_probe_is_answered_and_the_waiting_get_gets_a_noop(void **state)
{
	struct rig r;

	(void)state;
	start_polling(&r);
	poll_waits(&r);
	assert_true(pl_eio_session_ws_open(&r.session, r.now));
	check_trace(&r, "");
	ws_text(&r, "2probe");
	check_trace(&r, "poll<6> ws<3probe>");
	ws_text(&r, "5");
	send_text(&r, "4by websocket");
	check_trace(&r, "ws<4by websocket>");
	ws_text(&r, "4hello");
	check_trace(&r, "got<hello>");
	stop(&r);
}

static void
a_probe_and_an_upgrade_at_once_are_answered_in_order(void **state)
{
	struct rig r;

	(void)state;
	start_probing(&r);
	send_text(&r, "4hi");
	ws_text(&r, "2probe");
	ws_text(&r, "5");
	check_trace(&r, "ws<3probe> ws<4hi>");
	stop(&r);
}

static void
what_is_queued_while_probing_is_not_lost(void **state)
{
	struct rig r;

	(void)state;
	start_probing(&r);
	send_text(&r, "4one");
	ws_text(&r, "2probe");
	check_trace(&r, "ws<3probe>");
	send_bytes(&r, PL_STR("\2"));
	ws_text(&r, "5");
	check_trace(&r, "ws<4one> ws<#02>");
	stop(&r);
}

static void
polling_goes_on_until_the_upgrade(void **state)
{
	struct rig r;

	(void)state;
	start_probing(&r);
	poll_waits(&r);
	send_text(&r, "4by polling");
	check_trace(&r, "poll<4by polling>");
	assert_int_equal(post(&r, "4hello"), PL_OK);
	check_trace(&r, "got<hello>");
	ws_text(&r, "2probe");
	check_trace(&r, "ws<3probe>");
	poll_waits(&r);
	send_text(&r, "4still by polling");
	check_trace(&r, "poll<4still by polling>");
	stop(&r);
}

static void
a_get_after_the_probe_gets_a_noop_within_100_ms(void **state)
{
	struct rig r;

	(void)state;
	start_probing(&r);
	ws_text(&r, "2probe");
	check_trace(&r, "ws<3probe>");
	poll_waits(&r);
	advance_to_deadline(&r, 100);
	check_trace(&r, "poll<6>");
	advance_to_deadline(&r, 100);
	check_trace(&r, "");
	poll_waits(&r);
	advance_to_deadline(&r, 100);
	check_trace(&r, "poll<6>");
	stop(&r);
}

static void
a_get_that_waits_at_the_upgrade_gets_a_noop(void **state)
{
	struct rig r;

	(void)state;
	start_probing(&r);
	ws_text(&r, "2probe");
	check_trace(&r, "ws<3probe>");
	poll_waits(&r);
	ws_text(&r, "5");
	check_trace(&r, "poll<6>");
	stop(&r);
}

static void
after_the_upgrade_http_requests_are_refused(void **state)
{
	struct rig r;

	(void)state;
	upgrade(&r);
	assert_int_equal(pl_eio_session_poll(&r.session), PL_E_DENIED);
	assert_int_equal(post(&r, "4a"), PL_E_DENIED);
	check_trace(&r, "");
	ws_text(&r, "4a");
	check_trace(&r, "got<a>");
	stop(&r);
}

static void
a_post_under_way_at_the_upgrade_is_still_taken(void **state)
{
	struct rig r;

	(void)state;
	start_probing(&r);
	assert_int_equal(pl_eio_session_post_begin(&r.session), PL_OK);
	ws_text(&r, "2probe");
	ws_text(&r, "5");
	check_trace(&r, "ws<3probe>");
	assert_int_equal(
	    pl_eio_session_post(&r.session, PL_STR("4a"), false, r.now), PL_OK);
	check_trace(&r, "got<a>");
	assert_int_equal(pl_eio_session_post_begin(&r.session), PL_E_DENIED);
	stop(&r);
}

static void
requests_that_break_off_after_the_upgrade_do_not_matter(void **state)
{
	struct rig r;

	(void)state;
	start_probing(&r);
	assert_int_equal(pl_eio_session_poll(&r.session), PL_OK);
	assert_int_equal(pl_eio_session_post_begin(&r.session), PL_OK);
	ws_text(&r, "5");
	pl_eio_session_poll_gone(&r.session);
	pl_eio_session_post_gone(&r.session);
	check_trace(&r, "");
	assert_true(pl_eio_session_is_open(&r.session));
	stop(&r);
}

static void
another_packet_on_the_probe_closes_only_the_websocket(void **state)
{
	static const char *const wrong[] = {
	    "2", "2prob", "2probe2", "3probe", "4hello", "1", "6", "", "abc", "bAQID"};
	struct rig r;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		start_probing(&r);
		ws_text(&r, wrong[i]);
		check_trace(&r, "close<1000>");
		poll_waits(&r);
		send_text(&r, "4hi");
		check_trace(&r, "poll<4hi>");
		stop(&r);
	}
	start_probing(&r);
	pl_eio_session_ws_binary(&r.session, PL_STR("2probe"), r.now);
	check_trace(&r, "close<1000>");
	assert_true(pl_eio_session_is_open(&r.session));
	stop(&r);
}

static void
an_upgrade_unfinished_after_10_s_closes_only_the_websocket(void **state)
{
	struct rig r;

	(void)state;
	start_probing(&r);
	advance_to_deadline(&r, 10000);
	check_trace(&r, "close<1000>");
	assert_true(pl_eio_session_ws_open(&r.session, r.now));
	ws_text(&r, "2probe");
	check_trace(&r, "ws<3probe>");
	ws_text(&r, "5");
	ws_text(&r, "4hello");
	check_trace(&r, "got<hello>");
	stop(&r);
}

static void
a_probe_that_breaks_off_leaves_the_session_on_polling(void **state)
{
	struct rig r;

	(void)state;
	start_probing(&r);
	ws_text(&r, "2probe");
	pl_eio_session_ws_gone(&r.session);
	check_trace(&r, "");
	poll_waits(&r);
	send_text(&r, "4hi");
	check_trace(&r, "poll<4hi>");
	assert_true(pl_eio_session_ws_open(&r.session, r.now));
	stop(&r);
}

static void
a_session_that_ends_while_probing_closes_the_websocket(void **state)
{
	struct rig r;

	(void)state;
	start_probing(&r);
	ws_text(&r, "2probe");
	assert_int_equal(post(&r, "1"), PL_OK);
	check_trace(&r, "close<1000> ended<client_close> free");
	stop(&r);
}

static void
an_unanswered_ping_still_counts_after_the_upgrade(void **state)
{
	struct rig r;

	(void)state;
	start_polling(&r);
	poll_waits(&r);
	advance(&r, 25000);
	check_trace(&r, "poll<2>");
	assert_true(pl_eio_session_ws_open(&r.session, r.now));
	advance(&r, 5000);
	ws_text(&r, "5");
	advance_to_deadline(&r, 20000);
	check_trace(&r, "close<1008> ended<ping_timeout> free");
	stop(&r);
}

/* ---- closing ---- */

static void
closing_answers_the_waiting_get_with_a_close_packet(void **state)
{
	struct rig r;

	(void)state;
	start_polling(&r);
	poll_waits(&r);
	pl_eio_session_close(&r.session, PL_EIO_FORCED_CLOSE, r.now);
	check_trace(&r, "poll<1> ended<forced_close> free");
	stop(&r);
}

static void
closing_between_two_gets_answers_the_next_with_noop_and_close(void **state)
{
	struct rig r;

	(void)state;
	start_polling(&r);
	pl_eio_session_close(&r.session, PL_EIO_FORCED_CLOSE, r.now);
	check_trace(&r, "ended<forced_close>");
	assert_int_equal(post(&r, "4ignored"), PL_OK);
	check_trace(&r, "");
	assert_int_equal(pl_eio_session_poll(&r.session), PL_OK);
	check_trace(&r, "poll<6|1> free");
	stop(&r);
}

static void
closing_lets_what_is_queued_go_out_first(void **state)
{
	struct rig r;

	(void)state;
	start_polling(&r);
	send_text(&r, "4last words");
	pl_eio_session_close(&r.session, PL_EIO_FORCED_CLOSE, r.now);
	check_trace(&r, "ended<forced_close>");
	assert_int_equal(pl_eio_session_poll(&r.session), PL_OK);
	check_trace(&r, "poll<4last words|1> free");
	stop(&r);

	start_websocket(&r);
	send_text(&r, "4last words");
	pl_eio_session_close(&r.session, PL_EIO_FORCED_CLOSE, r.now);
	check_trace(&r, "ws<4last words> close<1000> ended<forced_close> free");
	stop(&r);
}

static void
closing_waits_30_s_for_a_get_and_no_longer(void **state)
{
	struct rig r;

	(void)state;
	start_polling(&r);
	send_text(&r, "4last words");
	pl_eio_session_close(&r.session, PL_EIO_FORCED_CLOSE, r.now);
	check_trace(&r, "ended<forced_close>");
	advance_to_deadline(&r, 30000);
	check_trace(&r, "free");
	stop(&r);
}

static void
nothing_comes_or_goes_while_closing(void **state)
{
	struct pl_ref *packet = pl_ref_new("4a", 2);
	struct rig r;

	(void)state;
	start_websocket(&r);
	pl_eio_session_ws_blocked(&r.session);
	pl_eio_session_close(&r.session, PL_EIO_SHUTDOWN, r.now);
	check_trace(&r, "ended<shutdown>");
	ws_text(&r, "4a");
	ws_text(&r, "abc");
	pl_eio_session_ws_binary(&r.session, PL_STR("a"), r.now);
	assert_false(pl_eio_session_send(&r.session, packet, false, r.now));
	assert_int_equal(packet->owners, 1);
	pl_eio_session_close(&r.session, PL_EIO_FORCED_CLOSE, r.now);
	check_trace(&r, "");
	pl_eio_session_ws_writable(&r.session);
	check_trace(&r, "close<1001> free");
	pl_ref_drop(packet);
	stop(&r);
}

static void
a_transport_that_ends_while_closing_finishes_it(void **state)
{
	struct rig r;

	(void)state;
	start_websocket(&r);
	send_text(&r, "4a");
	pl_eio_session_close(&r.session, PL_EIO_FORCED_CLOSE, r.now);
	pl_eio_session_ws_gone(&r.session);
	check_trace(&r, "ended<forced_close> free");
	stop(&r);

	start_polling(&r);
	poll_waits(&r);
	pl_eio_session_close(&r.session, PL_EIO_FORCED_CLOSE, r.now);
	pl_eio_session_poll_gone(&r.session);
	check_trace(&r, "ended<forced_close> free");
	stop(&r);
}

static void
closing_while_probing_drops_the_probe(void **state)
{
	struct rig r;

	(void)state;
	start_probing(&r);
	pl_eio_session_close(&r.session, PL_EIO_SHUTDOWN, r.now);
	check_trace(&r, "close<1001> ended<shutdown>");
	assert_int_equal(pl_eio_session_poll(&r.session), PL_OK);
	check_trace(&r, "poll<6|1> free");
	stop(&r);
}

static void
a_callback_may_close_and_the_rest_of_the_post_is_dropped(void **state)
{
	struct rig r;

	(void)state;
	start_polling(&r);
	r.echoes = r.closes = true;
	poll_waits(&r);
	assert_int_equal(post(&r, "4a\x1e"
				  "4b"),
	    PL_OK);
	check_trace(&r, "got<a> poll<4a|1> ended<forced_close> free");
	stop(&r);
}

/* ---- a slow client: requirements W7 ---- */

static void
a_blocked_websocket_gets_nothing_until_it_is_writable(void **state)
{
	struct rig r;

	(void)state;
	start_websocket(&r);
	pl_eio_session_ws_blocked(&r.session);
	send_text(&r, "4a");
	send_text(&r, "4b");
	check_trace(&r, "");
	assert_int_equal(
	    pl_eio_session_unsent(&r.session), 2 * (2 + PL_EIO_QUEUE_ITEM_COST));
	pl_eio_session_ws_writable(&r.session);
	check_trace(&r, "ws<4a> ws<4b>");
	assert_int_equal(pl_eio_session_unsent(&r.session), 0);
	stop(&r);
}

static void
a_queue_above_its_limit_ends_the_session_and_is_freed(void **state)
{
	struct pl_ref *packet;
	char data[900];
	struct rig r;

	(void)state;
	memset(data, '4', sizeof(data));
	packet = pl_ref_new(data, sizeof(data));
	start_websocket(&r);
	pl_eio_session_ws_blocked(&r.session);
	assert_true(pl_eio_session_send(&r.session, packet, false, r.now));
	assert_true(pl_eio_session_send(&r.session, packet, false, r.now));
	assert_int_equal(packet->owners, 3);
	assert_false(pl_eio_session_send(&r.session, packet, false, r.now));
	assert_int_equal(packet->owners, 1);
	check_trace(&r, "close<1008> ended<slow> free");
	pl_ref_drop(packet);
	stop(&r);
}

static void
a_flood_of_tiny_packets_meets_the_limit_too(void **state)
{
	struct pl_ref *packet = pl_ref_new("4", 1);
	struct rig r;
	int sent = 0;

	(void)state;
	start_polling(&r);
	while (pl_eio_session_send(&r.session, packet, false, r.now))
		sent++;
	assert_int_equal(sent, 2000 / (1 + PL_EIO_QUEUE_ITEM_COST));
	check_trace(&r, "ended<slow> free");
	pl_ref_drop(packet);
	stop(&r);
}

static void
a_queued_byte_older_than_10_s_ends_the_session(void **state)
{
	struct rig r;

	(void)state;
	start_polling(&r);
	send_text(&r, "4a");
	advance(&r, 6000);
	send_text(&r, "4b");
	advance_to_deadline(&r, 4000);
	check_trace(&r, "ended<slow> free");
	stop(&r);
}

static void
a_websocket_blocked_for_10_s_ends_the_session(void **state)
{
	struct rig r;

	(void)state;
	start_websocket(&r);
	advance(&r, 5000);
	send_text(&r, "4a");
	check_trace(&r, "ws<4a>");
	pl_eio_session_ws_blocked(&r.session);
	advance(&r, 2000);
	send_text(&r, "4b");
	advance_to_deadline(&r, 8000);
	check_trace(&r, "close<1008> ended<slow> free");
	stop(&r);
}

static void
a_probe_that_blocked_does_not_count_as_stalled_later(void **state)
{
	struct rig r;

	(void)state;
	start_probing(&r);
	ws_text(&r, "2probe");
	check_trace(&r, "ws<3probe>");
	pl_eio_session_ws_blocked(&r.session);
	ws_text(&r, "5");
	advance(&r, 1);
	check_trace(&r, "");
	assert_true(pl_eio_session_is_open(&r.session));
	stop(&r);
}

/* ---- memory ---- */

static void
an_idle_session_is_small_and_has_no_heap(void **state)
{
	struct rig r;

	(void)state;
	assert_true(sizeof(struct pl_eio_session) <= 160);
	upgrade(&r);
	send_text(&r, "4a");
	check_trace(&r, "ws<4a>");
	assert_null(r.session.queue.items);
	stop(&r);
}

static void
one_packet_is_shared_by_many_sessions(void **state)
{
	struct pl_ref *packet = pl_ref_new("4hi", 3);
	struct rig a, b;

	(void)state;
	start_websocket(&a);
	start_polling(&b);
	assert_true(pl_eio_session_send(&a.session, packet, false, a.now));
	assert_true(pl_eio_session_send(&b.session, packet, false, b.now));
	assert_int_equal(packet->owners, 3);
	check_trace(&a, "ws<4hi>");
	assert_int_equal(packet->owners, 2);
	stop(&b); /* a session may be freed at any time */
	assert_int_equal(packet->owners, 1);
	pl_ref_drop(packet);
	stop(&a);
}

static void
every_reason_has_a_name(void **state)
{
	(void)state;
	assert_string_equal(pl_eio_reason_name(PL_EIO_STILL_OPEN), "still_open");
	assert_string_equal(pl_eio_reason_name(PL_EIO_SHUTDOWN), "shutdown");
	assert_string_equal(pl_eio_reason_name((enum pl_eio_reason)99), "unknown");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_first_get_is_answered_with_the_open_packet),
	    cmocka_unit_test(what_is_sent_at_once_goes_with_the_open_packet),
	    cmocka_unit_test(a_session_that_begins_on_a_websocket_is_offered_no_upgrade),
	    cmocka_unit_test(a_get_waits_until_there_is_a_packet),
	    cmocka_unit_test(a_get_takes_all_that_is_queued_with_binary_in_base64),
	    cmocka_unit_test(a_post_delivers_each_message_in_order),
	    cmocka_unit_test(an_echo_of_a_post_answers_the_waiting_get),
	    cmocka_unit_test(a_second_get_is_refused_and_ends_the_session),
	    cmocka_unit_test(a_second_post_is_refused_and_ends_the_session),
	    cmocka_unit_test(a_get_that_breaks_off_ends_the_session),
	    cmocka_unit_test(a_post_that_breaks_off_ends_the_session),
	    cmocka_unit_test(a_post_above_max_payload_is_refused_and_the_session_stays),
	    cmocka_unit_test(an_octet_stream_ends_the_session),
	    cmocka_unit_test(
		cve_2022_21676_a_body_that_is_no_packet_ends_only_its_session),
	    cmocka_unit_test(
		messages_before_a_bad_packet_are_delivered_and_none_behind_it),
	    cmocka_unit_test(a_posted_close_packet_ends_the_session_and_the_waiting_get),
	    cmocka_unit_test(a_ping_goes_out_each_interval_after_a_pong),
	    cmocka_unit_test(no_pong_within_the_timeout_ends_the_session),
	    cmocka_unit_test(pings_go_through_polling_too),
	    cmocka_unit_test(another_packet_than_a_pong_buys_more_time_once),
	    cmocka_unit_test(an_unasked_pong_only_puts_the_next_ping_off),
	    cmocka_unit_test(a_ping_from_the_client_ends_the_session),
	    cmocka_unit_test(each_packet_is_one_websocket_message),
	    cmocka_unit_test(open_upgrade_and_noop_packets_are_stepped_over),
	    cmocka_unit_test(a_text_that_is_no_packet_ends_the_session),
	    cmocka_unit_test(a_message_above_max_payload_ends_the_session),
	    cmocka_unit_test(a_close_packet_on_a_websocket_ends_the_session),
	    cmocka_unit_test(a_websocket_that_ends_ends_the_session),
	    cmocka_unit_test(
		http_requests_of_a_websocket_session_are_refused_and_harmless),
	    cmocka_unit_test(a_second_websocket_is_refused_and_harmless),
	    cmocka_unit_test(a_probe_is_answered_and_the_waiting_get_gets_a_noop),
	    cmocka_unit_test(a_probe_and_an_upgrade_at_once_are_answered_in_order),
	    cmocka_unit_test(what_is_queued_while_probing_is_not_lost),
	    cmocka_unit_test(polling_goes_on_until_the_upgrade),
	    cmocka_unit_test(a_get_after_the_probe_gets_a_noop_within_100_ms),
	    cmocka_unit_test(a_get_that_waits_at_the_upgrade_gets_a_noop),
	    cmocka_unit_test(after_the_upgrade_http_requests_are_refused),
	    cmocka_unit_test(a_post_under_way_at_the_upgrade_is_still_taken),
	    cmocka_unit_test(requests_that_break_off_after_the_upgrade_do_not_matter),
	    cmocka_unit_test(another_packet_on_the_probe_closes_only_the_websocket),
	    cmocka_unit_test(an_upgrade_unfinished_after_10_s_closes_only_the_websocket),
	    cmocka_unit_test(a_probe_that_breaks_off_leaves_the_session_on_polling),
	    cmocka_unit_test(a_session_that_ends_while_probing_closes_the_websocket),
	    cmocka_unit_test(an_unanswered_ping_still_counts_after_the_upgrade),
	    cmocka_unit_test(closing_answers_the_waiting_get_with_a_close_packet),
	    cmocka_unit_test(
		closing_between_two_gets_answers_the_next_with_noop_and_close),
	    cmocka_unit_test(closing_lets_what_is_queued_go_out_first),
	    cmocka_unit_test(closing_waits_30_s_for_a_get_and_no_longer),
	    cmocka_unit_test(nothing_comes_or_goes_while_closing),
	    cmocka_unit_test(a_transport_that_ends_while_closing_finishes_it),
	    cmocka_unit_test(closing_while_probing_drops_the_probe),
	    cmocka_unit_test(a_callback_may_close_and_the_rest_of_the_post_is_dropped),
	    cmocka_unit_test(a_blocked_websocket_gets_nothing_until_it_is_writable),
	    cmocka_unit_test(a_queue_above_its_limit_ends_the_session_and_is_freed),
	    cmocka_unit_test(a_flood_of_tiny_packets_meets_the_limit_too),
	    cmocka_unit_test(a_queued_byte_older_than_10_s_ends_the_session),
	    cmocka_unit_test(a_websocket_blocked_for_10_s_ends_the_session),
	    cmocka_unit_test(a_probe_that_blocked_does_not_count_as_stalled_later),
	    cmocka_unit_test(an_idle_session_is_small_and_has_no_heap),
	    cmocka_unit_test(one_packet_is_shared_by_many_sessions),
	    cmocka_unit_test(every_reason_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
