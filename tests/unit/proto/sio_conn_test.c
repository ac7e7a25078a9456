#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/list.h"
#include "base/mem.h"
#include "proto/sio_conn.h"
#include "support/eio_trace.h"

/* "§" is a section of socket.io-protocol v5. Where the text is silent, the cases come from
 * reading socket.io 4.8. The traces are explained in support/eio_trace.h; besides:
 *   connect<0 {...}>  event<0 12 [...]>  ack<0 1 [...]>  disconnect<0>
 * with the namespace's number, the ack id if any, the payload, and part<#..> for each
 * attachment. */

#define T0   1000000 /* ms, the time a rig starts at */
#define MAIN 0
#define ROOM 1

#define CLOSED_AS_PARSE_ERROR "close<1002> ended<parse_error> free"

struct rig {
	struct pl_sio_conn conn;
	struct eio_trace trace;
	int64_t now;
	bool decides_later;
	bool echoes;
};

static struct rig *
rig_of(struct pl_sio_conn *c)
{
	return PL_CONTAINER(c, struct rig, conn);
}

static void
note(struct rig *r, const char *word, unsigned ns, int64_t ack_id, struct pl_str payload)
{
	struct pl_buf text;

	pl_buf_init(&text, PL_BUF_UNLIMITED);
	(void)pl_buf_printf(&text, "%u", ns);
	if (ack_id != PL_SIO_NO_ACK)
		(void)pl_buf_printf(&text, " %lld", (long long)ack_id);
	if (payload.len > 0)
		(void)pl_buf_printf(&text, " %.*s", (int)payload.len, payload.ptr);
	eio_trace_note(&r->trace, word, pl_buf_str(&text), false);
	pl_buf_fini(&text);
}

static void
on_connect(struct pl_sio_conn *c, unsigned ns, const struct pl_json *auth, int64_t now)
{
	struct rig *r = rig_of(c);
	struct pl_str token = PL_STR_NONE;

	(void)pl_json_str(pl_json_get(auth, "token"), &token);
	note(r, "connect", ns, PL_SIO_NO_ACK, token);
	if (!r->decides_later)
		assert_true(pl_sio_conn_accept(c, ns, "id", NULL, now));
}

static void
note_packet(struct rig *r, const char *word, const struct pl_sio_event *ev)
{
	note(r, word, ev->ns, ev->ack_id, ev->payload);
	for (unsigned i = 0; i < ev->attachment_count; i++)
		eio_trace_note(&r->trace, "part", pl_ref_str(ev->attachments[i]), true);
}

static void
on_event(struct pl_sio_conn *c, const struct pl_sio_event *ev, int64_t now)
{
	struct rig *r = rig_of(c);
	struct pl_buf args;

	note_packet(r, "event", ev);
	assert_int_equal(pl_json_type(ev->args), PL_JSON_ARRAY);
	if (!r->echoes || ev->ack_id == PL_SIO_NO_ACK)
		return;
	pl_buf_init(&args, PL_BUF_UNLIMITED);
	(void)pl_buf_add_char(&args, '[');
	(void)pl_buf_add_str(&args, pl_sio_event_args(ev->payload));
	(void)pl_buf_add_char(&args, ']');
	assert_true(pl_sio_conn_send_ack(c, ev->ns, ev->ack_id, pl_buf_str(&args),
	    ev->attachments, ev->attachment_count, now));
	pl_buf_fini(&args);
}

static void
on_ack(struct pl_sio_conn *c, const struct pl_sio_event *ack, int64_t now)
{
	(void)now;
	note_packet(rig_of(c), "ack", ack);
}

static void
on_disconnect(struct pl_sio_conn *c, unsigned ns, int64_t now)
{
	(void)now;
	note(rig_of(c), "disconnect", ns, PL_SIO_NO_ACK, PL_STR_NONE);
}

static const struct pl_sio_app app = {
    .on_connect = on_connect,
    .on_event = on_event,
    .on_ack = on_ack,
    .on_disconnect = on_disconnect,
};

static const struct pl_sio_settings settings = {
    .eio = PL_EIO_SETTINGS_DEFAULT,
    .connect_timeout_ms = 20000, /* before the first ping */
    .stranger_bytes_max = PL_SIO_STRANGER_BYTES_MAX,
    .binary_timeout_ms = 10000,
    .namespaces = {"/", "/room"},
    .namespace_count = 2,
};

static enum pl_eio_action
next(void *machine, struct pl_eio_out *out)
{
	return pl_sio_conn_next(machine, out);
}

static void
check_trace(struct rig *r, const char *expected)
{
	eio_trace_pull(&r->trace, next, &r->conn);
	assert_string_equal(eio_trace_take(&r->trace), expected);
}

static void
start(struct rig *r)
{
	*r = (struct rig){.now = T0};
	eio_trace_init(&r->trace);
	pl_sio_conn_init(&r->conn, &settings, &app, "s1", true, r->now);
	eio_trace_pull(&r->trace, next, &r->conn);
	assert_memory_equal(eio_trace_take(&r->trace), "ws<0{", 5);
}

static void
text(struct rig *r, const char *packet)
{
	pl_eio_session_ws_text(&r->conn.eio, pl_str(packet), r->now);
}

static void
binary(struct rig *r, struct pl_str bytes)
{
	pl_eio_session_ws_binary(&r->conn.eio, bytes, r->now);
}

static void
start_in(struct rig *r)
{
	start(r);
	text(r, "40");
	check_trace(r, "connect<0> ws<40{\"sid\":\"id\"}>");
}

static void
stop(struct rig *r)
{
	pl_sio_conn_fini(&r->conn);
	eio_trace_fini(&r->trace);
}

static void
advance_to_deadline(struct rig *r, int64_t ms)
{
	assert_int_equal(pl_sio_conn_deadline(&r->conn) - r->now, ms);
	r->now += ms - 1;
	pl_sio_conn_tick(&r->conn, r->now);
	check_trace(r, "");
	r->now++;
	pl_sio_conn_tick(&r->conn, r->now);
}

/* ---- strangers ---- */

/* A CONNECT of len bytes, with the packet's digits. */
static struct pl_str
long_connect(size_t len)
{
	static char packet[20000];

	memset(packet, 'x', len);
	memcpy(packet, "40{\"a\":\"", 8);
	memcpy(packet + len - 2, "\"}", 2);
	return pl_str_n(packet, len);
}

static void
says(struct rig *r, size_t len, const char *expected)
{
	pl_eio_session_ws_text(&r->conn.eio, long_connect(len), r->now);
	check_trace(r, expected);
}

static void
a_stranger_may_say_16_kib_at_once(void **state)
{
	struct rig r;

	(void)state;
	start(&r);
	assert_int_equal(pl_eio_session_ws_message_max(&r.conn.eio), 16384);
	says(&r, 16384, "connect<0> ws<40{\"sid\":\"id\"}>");
	assert_int_equal(pl_eio_session_ws_message_max(&r.conn.eio), 1000000);
	stop(&r);
	start(&r);
	says(&r, 16385, CLOSED_AS_PARSE_ERROR);
	stop(&r);
}

static void
who_was_let_in_may_say_all_until_it_leaves(void **state)
{
	struct rig r;

	(void)state;
	start_in(&r);
	text(&r, "40/room,");
	text(&r, "41");
	check_trace(&r, "connect<1> disconnect<0> ws<40/room,{\"sid\":\"id\"}>");
	assert_int_equal(pl_eio_session_ws_message_max(&r.conn.eio), 1000000);
	text(&r, "41/room,");
	check_trace(&r, "disconnect<1>");
	assert_int_equal(pl_eio_session_ws_message_max(&r.conn.eio), 16384);
	stop(&r);
}

static void
who_still_asks_is_a_stranger(void **state)
{
	struct rig r;

	(void)state;
	start(&r);
	r.decides_later = true;
	text(&r, "40");
	check_trace(&r, "connect<0>");
	assert_int_equal(pl_eio_session_ws_message_max(&r.conn.eio), 16384);
	assert_true(pl_sio_conn_accept(&r.conn, MAIN, "id", NULL, r.now));
	assert_int_equal(pl_eio_session_ws_message_max(&r.conn.eio), 1000000);
	stop(&r);
}

static void
a_stranger_may_post_16_kib_at_once(void **state)
{
	struct pl_str packet = long_connect(16385);
	struct rig r = {.now = T0};

	(void)state;
	eio_trace_init(&r.trace);
	pl_sio_conn_init(&r.conn, &settings, &app, "s1", false, r.now);
	assert_int_equal(pl_eio_session_post_begin(&r.conn.eio), PL_OK);
	assert_int_equal(
	    pl_eio_session_post(&r.conn.eio, packet, false, r.now), PL_E_TOO_BIG);
	check_trace(&r, "");
	assert_int_equal(pl_eio_session_post_begin(&r.conn.eio), PL_OK);
	assert_int_equal(
	    pl_eio_session_post(&r.conn.eio, PL_STR("40"), false, r.now), PL_OK);
	assert_int_equal(pl_eio_session_post_begin(&r.conn.eio), PL_OK);
	assert_int_equal(pl_eio_session_post(&r.conn.eio, packet, false, r.now),
	    PL_E_INVALID); /* taken, and a second CONNECT */
	stop(&r);
}

/* ---- § Connection to a namespace ---- */

static void
a_client_connects_to_the_main_namespace(void **state)
{
	struct rig r;

	(void)state;
	start(&r);
	assert_false(pl_sio_conn_is_in(&r.conn, MAIN));
	text(&r, "40{\"token\":\"123\"}");
	check_trace(&r, "connect<0 123> ws<40{\"sid\":\"id\"}>");
	assert_true(pl_sio_conn_is_in(&r.conn, MAIN));
	assert_false(pl_sio_conn_is_in(&r.conn, ROOM));
	stop(&r);
}

static void
a_client_connects_to_several_namespaces(void **state)
{
	struct rig r;

	(void)state;
	start(&r);
	text(&r, "40/room,{\"token\":\"a\"}");
	text(&r, "40");
	check_trace(&r, "connect<1 a> connect<0> "
			"ws<40/room,{\"sid\":\"id\"}> ws<40{\"sid\":\"id\"}>");
	text(&r, "42[\"a\"]");
	text(&r, "42/room,[\"b\"]");
	check_trace(&r, "event<0 [\"a\"]> event<1 [\"b\"]>");
	stop(&r);
}

static void
an_unknown_namespace_is_refused_and_the_connection_stays(void **state)
{
	struct rig r;

	(void)state;
	start(&r);
	text(&r, "40/x");
	text(&r, "40/__proto__,{}");
	check_trace(&r, "ws<44/x,{\"message\":\"Invalid namespace\"}> "
			"ws<44/__proto__,{\"message\":\"Invalid namespace\"}>");
	text(&r, "40");
	check_trace(&r, "connect<0> ws<40{\"sid\":\"id\"}>");
	stop(&r);
}

static void
the_application_may_answer_later_with_a_pid(void **state)
{
	struct rig r;

	(void)state;
	start(&r);
	r.decides_later = true;
	text(&r, "40");
	check_trace(&r, "connect<0>");
	assert_true(pl_sio_conn_accept(&r.conn, MAIN, "id", "secret", r.now));
	check_trace(&r, "ws<40{\"sid\":\"id\",\"pid\":\"secret\"}>");
	assert_false(pl_sio_conn_accept(&r.conn, MAIN, "id", NULL, r.now));
	assert_false(pl_sio_conn_refuse(&r.conn, MAIN, "no", PL_STR_NONE, r.now));
	check_trace(&r, "");
	stop(&r);
}

static void
a_refused_client_may_try_again(void **state)
{
	struct rig r;

	(void)state;
	start(&r);
	r.decides_later = true;
	text(&r, "40/room,");
	assert_true(pl_sio_conn_refuse(
	    &r.conn, ROOM, "Unauthorized", PL_STR("{\"code\":\"NO_TOKEN\"}"), r.now));
	text(&r, "40");
	assert_true(pl_sio_conn_refuse(&r.conn, MAIN, "a\"b", PL_STR_NONE, r.now));
	check_trace(&r, "connect<1> connect<0> "
			"ws<44/room,{\"message\":\"Unauthorized\","
			"\"data\":{\"code\":\"NO_TOKEN\"}}> "
			"ws<44{\"message\":\"a\\\"b\"}>");
	text(&r, "40");
	assert_true(pl_sio_conn_accept(&r.conn, MAIN, "id", NULL, r.now));
	check_trace(&r, "connect<0> ws<40{\"sid\":\"id\"}>");
	stop(&r);
}

static void
an_answer_after_the_connection_ended_is_harmless(void **state)
{
	struct rig r;

	(void)state;
	start(&r);
	r.decides_later = true;
	text(&r, "40");
	pl_eio_session_ws_gone(&r.conn.eio);
	assert_false(pl_sio_conn_accept(&r.conn, MAIN, "id", NULL, r.now));
	assert_false(pl_sio_conn_refuse(&r.conn, MAIN, "no", PL_STR_NONE, r.now));
	check_trace(&r, "connect<0> ended<transport_close> free");
	stop(&r);
}

/* "If the server does not receive a CONNECT packet first, then it MUST close the
 * connection immediately." */
static void
any_packet_before_connect_ends_the_connection(void **state)
{
	static const char *const packets[] = {"42[\"a\"]", "41", "43[]", "430[]",
	    "44{\"message\":\"x\"}", "451-[\"a\",{\"_placeholder\":true,\"num\":0}]",
	    "461-1[{\"_placeholder\":true,\"num\":0}]", "42/x,[\"a\"]"};
	struct rig r;

	(void)state;
	for (size_t i = 0; i < sizeof(packets) / sizeof(*packets); i++) {
		start(&r);
		text(&r, packets[i]);
		check_trace(&r, CLOSED_AS_PARSE_ERROR);
		stop(&r);
	}
}

static void
packets_before_the_application_answered_end_the_connection(void **state)
{
	static const char *const packets[] = {"42[\"a\"]", "41", "40"};
	struct rig r;

	(void)state;
	for (size_t i = 0; i < sizeof(packets) / sizeof(*packets); i++) {
		start(&r);
		r.decides_later = true;
		text(&r, "40");
		text(&r, packets[i]);
		check_trace(&r, "connect<0> " CLOSED_AS_PARSE_ERROR);
		stop(&r);
	}
}

static void
a_second_connect_ends_the_connection(void **state)
{
	struct rig r;

	(void)state;
	start_in(&r);
	text(&r, "40");
	check_trace(&r, CLOSED_AS_PARSE_ERROR);
	stop(&r);
}

static void
no_connect_within_the_timeout_ends_the_connection(void **state)
{
	struct rig r;

	(void)state;
	start(&r);
	advance_to_deadline(&r, 20000);
	check_trace(&r, "close<1000> ended<forced_close> free");
	assert_true(pl_sio_conn_deadline(&r.conn) == PL_EIO_NEVER);
	pl_sio_conn_tick(&r.conn, r.now + 100000);
	check_trace(&r, "free");
	stop(&r);
}

static void
only_an_accepted_connect_stops_the_timeout(void **state)
{
	struct rig r;

	(void)state;
	start(&r);
	r.decides_later = true;
	text(&r, "40/x");
	text(&r, "40");
	eio_trace_pull(&r.trace, next, &r.conn);
	(void)eio_trace_take(&r.trace);
	advance_to_deadline(&r, 20000);
	check_trace(&r, "close<1000> ended<forced_close> free");
	stop(&r);

	start_in(&r);
	assert_int_equal(pl_sio_conn_deadline(&r.conn) - r.now, 25000); /* the ping */
	stop(&r);
}

/* ---- § Sending and receiving data ---- */

static void
events_come_with_name_arguments_and_text(void **state)
{
	struct rig r;

	(void)state;
	start_in(&r);
	text(&r, "42[\"message\",1,\"2\",{\"3\":[true]}]");
	text(&r, "42[7,\"a\"]");
	check_trace(
	    &r, "event<0 [\"message\",1,\"2\",{\"3\":[true]}]> event<0 [7,\"a\"]>");
	stop(&r);
}

static void
one_encoded_event_goes_to_many_connections(void **state)
{
	struct pl_sio_packet p = {.type = PL_SIO_EVENT,
	    .ack_id = PL_SIO_NO_ACK,
	    .payload = PL_STR("[\"bar\"]")};
	struct pl_ref *event = pl_sio_packet_encode(&p);
	struct rig a, b, c;

	(void)state;
	start_in(&a);
	start_in(&b);
	start(&c);
	assert_true(pl_sio_conn_send(&a.conn, MAIN, event, a.now));
	assert_true(pl_sio_conn_send(&b.conn, MAIN, event, b.now));
	assert_false(pl_sio_conn_send(&b.conn, ROOM, event, b.now));
	assert_false(pl_sio_conn_send(&c.conn, MAIN, event, c.now));
	assert_int_equal(event->owners, 3);
	check_trace(&a, "ws<42[\"bar\"]>");
	check_trace(&b, "ws<42[\"bar\"]>");
	check_trace(&c, "");
	assert_int_equal(event->owners, 1);
	pl_ref_drop(event);
	stop(&a);
	stop(&b);
	stop(&c);
}

/* "The payload is mandatory and MUST be a non-empty array. If that's not the case, then
 * the receiver MUST close the connection." */
static void
an_event_or_ack_without_payload_ends_the_connection(void **state)
{
	static const char *const packets[] = {
	    "42", "4212", "43", "431", "451-", "461-", "42[]", "42{}"};
	struct rig r;

	(void)state;
	for (size_t i = 0; i < sizeof(packets) / sizeof(*packets); i++) {
		start_in(&r);
		text(&r, packets[i]);
		check_trace(&r, CLOSED_AS_PARSE_ERROR);
		stop(&r);
	}
}

/* socket.io CVE-2024-38355: one bad packet was an exception nobody caught. */
static void
cve_2024_38355_a_bad_packet_ends_only_its_connection(void **state)
{
	static const char *const packets[] = {"4", "4abc", "47", "42[\"a\"",
	    "42[\"connect\"]", "42[\"disconnecting\"]", "42[\"error\",",
	    "44{\"message\":\"x\"}", "44\"x\"", "42{\"toString\":\"foo\"}",
	    "42abc[\"message\"]", "45[\"a\"]", "40[]", "41{}"};
	struct rig r;

	(void)state;
	for (size_t i = 0; i < sizeof(packets) / sizeof(*packets); i++) {
		start_in(&r);
		text(&r, packets[i]);
		check_trace(&r, CLOSED_AS_PARSE_ERROR);
		stop(&r);
	}
}

static void
a_bad_packet_in_a_post_ends_the_connection_through_the_get(void **state)
{
	struct rig r = {.now = T0};

	(void)state;
	eio_trace_init(&r.trace);
	pl_sio_conn_init(&r.conn, &settings, &app, "s1", false, r.now);
	assert_int_equal(pl_eio_session_poll(&r.conn.eio), PL_OK);
	eio_trace_pull(&r.trace, next, &r.conn);
	(void)eio_trace_take(&r.trace);
	assert_int_equal(pl_eio_session_poll(&r.conn.eio), PL_OK);
	assert_int_equal(pl_eio_session_post_begin(&r.conn.eio), PL_OK);
	assert_int_equal(pl_eio_session_post(&r.conn.eio,
			     PL_STR("40\x1e"
				    "42[\"a\"]\x1e"
				    "4abc\x1e"
				    "42[\"b\"]"),
			     false, r.now),
	    PL_E_INVALID);
	check_trace(&r, "connect<0> event<0 [\"a\"]> poll<40{\"sid\":\"id\"}|1> "
			"ended<parse_error> free");
	stop(&r);
}

/* ---- § Acknowledgement ---- */

static void
an_event_with_an_id_is_acknowledged_under_it(void **state)
{
	struct rig r;

	(void)state;
	start_in(&r);
	r.echoes = true;
	text(&r, "4212[\"foo\",1,\"2\"]");
	text(&r, "420[\"foo\"]");
	check_trace(&r, "event<0 12 [\"foo\",1,\"2\"]> event<0 0 [\"foo\"]> "
			"ws<4312[1,\"2\"]> ws<430[]>");
	stop(&r);
}

static void
acknowledgements_work_in_other_namespaces_and_with_binary(void **state)
{
	struct rig r;

	(void)state;
	start(&r);
	r.echoes = true;
	text(&r, "40/room,");
	check_trace(&r, "connect<1> ws<40/room,{\"sid\":\"id\"}>");
	text(&r, "451-/room,7[\"tellme\",{\"_placeholder\":true,\"num\":0}]");
	binary(&r, PL_STR("\1\2"));
	check_trace(&r, "event<1 7 [\"tellme\",{\"_placeholder\":true,\"num\":0}]> "
			"part<#0102> ws<461-/room,7[{\"_placeholder\":true,\"num\":0}]> "
			"ws<#0102>");
	stop(&r);
}

static void
acks_for_ids_that_were_asked_for_reach_the_application(void **state)
{
	struct rig r;

	(void)state;
	start_in(&r);
	assert_int_equal(pl_sio_conn_ack_id(&r.conn), 0);
	assert_int_equal(pl_sio_conn_ack_id(&r.conn), 1);
	text(&r, "431[\"bar\"]");
	text(&r, "461-0[{\"_placeholder\":true,\"num\":0}]");
	binary(&r, PL_STR("\7"));
	check_trace(&r, "ack<0 1 [\"bar\"]> ack<0 0 [{\"_placeholder\":true,\"num\":0}]> "
			"part<#07>");
	stop(&r);
}

static void
acks_nobody_asked_for_are_stepped_over(void **state)
{
	struct rig r;

	(void)state;
	start_in(&r);
	text(&r, "430[\"bar\"]");
	text(&r, "43[\"bar\"]");
	text(&r, "439007199254740991[]");
	check_trace(&r, "");
	assert_true(pl_sio_conn_is_in(&r.conn, MAIN));
	stop(&r);
}

static void
acks_are_stepped_over_where_the_application_wants_none(void **state)
{
	static const struct pl_sio_app deaf = {.on_connect = on_connect,
	    .on_event = on_event,
	    .on_disconnect = on_disconnect};
	struct rig r;

	(void)state;
	start_in(&r);
	r.conn.app = &deaf;
	assert_int_equal(pl_sio_conn_ack_id(&r.conn), 0);
	text(&r, "430[\"bar\"]");
	check_trace(&r, "");
	assert_true(pl_sio_conn_is_in(&r.conn, MAIN));
	stop(&r);
}

/* ---- sending ---- */

static void
a_packet_the_queue_does_not_take_ends_the_connection_without_its_attachments(void **state)
{
	size_t len = settings.eio.queue_max_bytes;
	char *bytes = pl_mem_zalloc(len);
	struct pl_ref *big = pl_ref_new(bytes, len);
	struct pl_ref *parts[] = {pl_ref_new("\1", 1), big};
	struct rig r;

	(void)state;
	start_in(&r);
	assert_false(pl_sio_conn_send_ack(&r.conn, MAIN, 1,
	    PL_STR("[{\"_placeholder\":true,\"num\":0}]"), &big, 1, r.now));
	check_trace(&r, "close<1008> ended<slow> free");
	assert_false(pl_sio_conn_is_in(&r.conn, MAIN));
	assert_false(pl_sio_conn_send(&r.conn, MAIN, parts[0], r.now));
	assert_false(pl_sio_conn_send_binary(&r.conn, MAIN, parts[0], parts, 2, r.now));
	assert_int_equal(parts[0]->owners, 1);
	assert_int_equal(big->owners, 1);
	check_trace(&r, "free");
	stop(&r);
	pl_ref_drop(parts[0]);
	pl_ref_drop(big);
	pl_mem_free(bytes);
}

static void
nothing_goes_to_a_namespace_that_was_left(void **state)
{
	struct pl_ref *packet = pl_ref_new("42/room,[\"a\"]", 14);
	struct rig r;

	(void)state;
	start_in(&r);
	assert_false(pl_sio_conn_send(&r.conn, ROOM, packet, r.now));
	check_trace(&r, "");
	pl_ref_drop(packet);
	stop(&r);
}

/* ---- § Disconnection from a namespace ---- */

static void
a_client_leaves_a_namespace_and_may_come_again(void **state)
{
	struct rig r;

	(void)state;
	start_in(&r);
	text(&r, "40/room,");
	text(&r, "41");
	check_trace(&r, "connect<1> disconnect<0> ws<40/room,{\"sid\":\"id\"}>");
	text(&r, "42/room,[\"a\"]");
	text(&r, "40");
	check_trace(&r, "event<1 [\"a\"]> connect<0> ws<40{\"sid\":\"id\"}>");
	stop(&r);
}

static void
events_after_a_disconnect_end_the_connection(void **state)
{
	struct rig r;

	(void)state;
	start_in(&r);
	text(&r, "41");
	text(&r, "42[\"a\"]");
	check_trace(&r, "disconnect<0> " CLOSED_AS_PARSE_ERROR);
	stop(&r);
}

static void
a_client_in_no_namespace_any_more_has_the_timeout_again(void **state)
{
	struct rig r;

	(void)state;
	start_in(&r);
	r.now += 5000;
	text(&r, "41");
	check_trace(&r, "disconnect<0>");
	/* The ping comes as well, and its stall is not looked for here. */
	r.now += 20000;
	pl_sio_conn_tick(&r.conn, r.now);
	check_trace(&r, "ws<2> close<1000> ended<forced_close> free");
	stop(&r);
}

static void
the_application_puts_a_client_out_with_41(void **state)
{
	struct rig r;

	(void)state;
	start_in(&r);
	text(&r, "40/room,");
	check_trace(&r, "connect<1> ws<40/room,{\"sid\":\"id\"}>");
	pl_sio_conn_disconnect(&r.conn, MAIN, r.now);
	pl_sio_conn_disconnect(&r.conn, MAIN, r.now);
	pl_sio_conn_disconnect(&r.conn, ROOM, r.now);
	check_trace(&r, "ws<41> ws<41/room,>");
	assert_false(pl_sio_conn_is_in(&r.conn, MAIN));
	stop(&r);
}

static void
a_close_for_shutdown_sends_1001_and_never_41(void **state)
{
	struct rig r;

	(void)state;
	start_in(&r);
	pl_sio_conn_close(&r.conn, PL_EIO_SHUTDOWN, r.now);
	check_trace(&r, "close<1001> ended<shutdown> free");
	stop(&r);
}

static void
a_client_that_is_heard_out_says_goodbye_once_and_nothing_else(void **state)
{
	static const char *const dropped[] = {"", "1", "2", "4", "40", "41/other,",
	    "42[\"a\"]", "44", "451-[]", "4\xff", "41{}x"};
	struct rig r;

	(void)state;
	start_in(&r);
	pl_sio_conn_close(&r.conn, PL_EIO_SHUTDOWN, r.now);
	check_trace(&r, "close<1001> ended<shutdown> free");
	for (size_t i = 0; i < sizeof(dropped) / sizeof(dropped[0]); i++)
		pl_sio_conn_hear_out(&r.conn, pl_str(dropped[i]), r.now);
	check_trace(&r, "free");
	pl_sio_conn_hear_out(&r.conn, PL_STR("41"), r.now);
	check_trace(&r, "disconnect<0> free");
	pl_sio_conn_hear_out(&r.conn, PL_STR("41"), r.now);
	check_trace(&r, "free");
	stop(&r);
}

/* ---- binary ---- */

static void
a_binary_event_waits_for_all_its_attachments(void **state)
{
	struct rig r;

	(void)state;
	start_in(&r);
	text(&r, "452-[\"baz\",{\"_placeholder\":true,\"num\":0},"
		 "{\"_placeholder\":true,\"num\":1}]");
	check_trace(&r, "");
	binary(&r, PL_STR("\1\2"));
	check_trace(&r, "");
	binary(&r, PL_STR("\3\4"));
	check_trace(&r, "event<0 [\"baz\",{\"_placeholder\":true,\"num\":0},"
			"{\"_placeholder\":true,\"num\":1}]> part<#0102> part<#0304>");
	assert_null(r.conn.pending);
	text(&r, "42[\"a\"]");
	check_trace(&r, "event<0 [\"a\"]>");
	stop(&r);
}

static void
attachments_may_be_empty_and_come_in_base64(void **state)
{
	struct rig r;

	(void)state;
	start_in(&r);
	text(&r, "452-[\"a\"]");
	binary(&r, PL_STR(""));
	text(&r, "b");
	check_trace(&r, "event<0 [\"a\"]> part<#> part<#>");
	text(&r, "451-[\"a\"]");
	text(&r, "bAQID");
	check_trace(&r, "event<0 [\"a\"]> part<#010203>");
	stop(&r);
}

static void
text_while_binary_is_pending_ends_the_connection(void **state)
{
	struct rig r;

	(void)state;
	start_in(&r);
	text(&r, "452-[\"a\"]");
	binary(&r, PL_STR("\1"));
	text(&r, "42[\"a\"]");
	assert_null(r.conn.pending);
	check_trace(&r, CLOSED_AS_PARSE_ERROR);
	stop(&r);
}

static void
binary_while_none_is_pending_ends_the_connection(void **state)
{
	struct rig r;

	(void)state;
	start_in(&r);
	binary(&r, PL_STR("\1"));
	check_trace(&r, CLOSED_AS_PARSE_ERROR);
	stop(&r);
	start(&r);
	text(&r, "bAQID");
	check_trace(&r, CLOSED_AS_PARSE_ERROR);
	stop(&r);
}

/* socketioxide GHSA-55mf: attachments were kept for clients that had not connected. */
static void
ghsa_55mf_binary_before_connect_is_refused_unheld(void **state)
{
	struct rig r;

	(void)state;
	start(&r);
	text(&r, "4510-[\"a\"]");
	assert_null(r.conn.pending);
	check_trace(&r, CLOSED_AS_PARSE_ERROR);
	stop(&r);
	start_in(&r);
	text(&r, "451-/room,[\"a\"]");
	assert_null(r.conn.pending);
	check_trace(&r, CLOSED_AS_PARSE_ERROR);
	stop(&r);
}

static void
a_pending_binary_packet_is_freed_after_10_s_of_silence(void **state)
{
	struct rig r;

	(void)state;
	start_in(&r);
	text(&r, "4510-[\"a\"]");
	assert_non_null(r.conn.pending);
	advance_to_deadline(&r, 10000);
	assert_null(r.conn.pending);
	check_trace(&r, CLOSED_AS_PARSE_ERROR);
	stop(&r);
}

static void
a_ping_that_is_due_before_is_not_put_off_by_a_pending_packet(void **state)
{
	struct rig r;

	(void)state;
	start_in(&r);
	r.now += 16000;
	text(&r, "4510-[\"a\"]");
	advance_to_deadline(&r, 9000);
	check_trace(&r, "ws<2>");
	stop(&r);
}

static void
each_attachment_gives_10_s_more(void **state)
{
	struct rig r;

	(void)state;
	start_in(&r);
	text(&r, "4510-[\"a\"]");
	r.now += 9000;
	binary(&r, PL_STR("\1"));
	advance_to_deadline(&r, 10000);
	check_trace(&r, CLOSED_AS_PARSE_ERROR);
	stop(&r);
}

static void
a_packet_and_its_attachments_have_max_payload_together(void **state)
{
	size_t len = settings.eio.max_payload_bytes - strlen("52-[\"a\"]");
	char *bytes = pl_mem_zalloc(len);
	struct rig r;

	(void)state;
	start_in(&r);
	text(&r, "452-[\"a\"]");
	binary(&r, pl_str_n(bytes, len));
	assert_non_null(r.conn.pending);
	binary(&r, PL_STR("\1"));
	assert_null(r.conn.pending);
	check_trace(&r, CLOSED_AS_PARSE_ERROR);
	stop(&r);
	pl_mem_free(bytes);
}

static void
a_connection_that_ends_frees_its_pending_packet(void **state)
{
	struct rig r;

	(void)state;
	start_in(&r);
	text(&r, "452-[\"a\"]");
	binary(&r, PL_STR("\1"));
	pl_eio_session_ws_gone(&r.conn.eio);
	check_trace(&r, "ended<transport_close> free");
	assert_null(r.conn.pending);
	stop(&r);
	start_in(&r);
	text(&r, "452-[\"a\"]");
	binary(&r, PL_STR("\1"));
	stop(&r); /* also without being told */
}

static void
a_packet_completed_after_we_put_the_client_out_is_dropped(void **state)
{
	struct rig r;

	(void)state;
	start_in(&r);
	text(&r, "451-[\"a\"]");
	pl_sio_conn_disconnect(&r.conn, MAIN, r.now);
	binary(&r, PL_STR("\1"));
	check_trace(&r, "ws<41>");
	assert_true(pl_eio_session_is_open(&r.conn.eio));
	stop(&r);
}

/* ---- memory, and the whole ---- */

static void
an_idle_connection_is_small_and_has_no_heap(void **state)
{
	struct rig r;

	(void)state;
	assert_true(sizeof(struct pl_sio_conn) <= 256);
	start_in(&r);
	assert_null(r.conn.pending);
	assert_null(r.conn.eio.queue.items);
	stop(&r);
}

static void
the_defaults_are_those_of_the_reference(void **state)
{
	struct pl_sio_settings s = PL_SIO_SETTINGS_DEFAULT;

	(void)state;
	assert_int_equal(s.eio.ping_interval_ms, 25000);
	assert_int_equal(s.eio.ping_timeout_ms, 20000);
	assert_int_equal(s.eio.upgrade_timeout_ms, 10000);
	assert_int_equal(s.eio.max_payload_bytes, 1000000);
	assert_int_equal(s.connect_timeout_ms, 45000);
	assert_string_equal(s.namespaces[0], "/");
}

/* § Sample session, from the upgrade on. */
static void
the_sample_session_runs_as_written(void **state)
{
	struct rig r = {.now = T0, .echoes = true};

	(void)state;
	eio_trace_init(&r.trace);
	pl_sio_conn_init(&r.conn, &settings, &app, "s1", false, r.now);
	assert_int_equal(pl_eio_session_poll(&r.conn.eio), PL_OK);
	eio_trace_pull(&r.trace, next, &r.conn);
	(void)eio_trace_take(&r.trace);
	assert_int_equal(pl_eio_session_post_begin(&r.conn.eio), PL_OK);
	assert_int_equal(
	    pl_eio_session_post(&r.conn.eio, PL_STR("40"), false, r.now), PL_OK);
	assert_int_equal(pl_eio_session_poll(&r.conn.eio), PL_OK);
	check_trace(&r, "connect<0> poll<40{\"sid\":\"id\"}>");
	assert_true(pl_eio_session_ws_open(&r.conn.eio, r.now));
	text(&r, "2probe");
	text(&r, "5");
	text(&r, "42[\"hello\"]");
	text(&r, "40/room,");
	text(&r, "42/room,1[\"tellme\"]");
	text(&r, "1");
	check_trace(&r, "event<0 [\"hello\"]> connect<1> event<1 1 [\"tellme\"]> "
			"close<1000> ended<client_close> free");
	stop(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_stranger_may_say_16_kib_at_once),
	    cmocka_unit_test(who_was_let_in_may_say_all_until_it_leaves),
	    cmocka_unit_test(who_still_asks_is_a_stranger),
	    cmocka_unit_test(a_stranger_may_post_16_kib_at_once),
	    cmocka_unit_test(a_client_connects_to_the_main_namespace),
	    cmocka_unit_test(a_client_connects_to_several_namespaces),
	    cmocka_unit_test(an_unknown_namespace_is_refused_and_the_connection_stays),
	    cmocka_unit_test(the_application_may_answer_later_with_a_pid),
	    cmocka_unit_test(a_refused_client_may_try_again),
	    cmocka_unit_test(an_answer_after_the_connection_ended_is_harmless),
	    cmocka_unit_test(any_packet_before_connect_ends_the_connection),
	    cmocka_unit_test(packets_before_the_application_answered_end_the_connection),
	    cmocka_unit_test(a_second_connect_ends_the_connection),
	    cmocka_unit_test(no_connect_within_the_timeout_ends_the_connection),
	    cmocka_unit_test(only_an_accepted_connect_stops_the_timeout),
	    cmocka_unit_test(events_come_with_name_arguments_and_text),
	    cmocka_unit_test(one_encoded_event_goes_to_many_connections),
	    cmocka_unit_test(an_event_or_ack_without_payload_ends_the_connection),
	    cmocka_unit_test(cve_2024_38355_a_bad_packet_ends_only_its_connection),
	    cmocka_unit_test(a_bad_packet_in_a_post_ends_the_connection_through_the_get),
	    cmocka_unit_test(an_event_with_an_id_is_acknowledged_under_it),
	    cmocka_unit_test(acknowledgements_work_in_other_namespaces_and_with_binary),
	    cmocka_unit_test(acks_for_ids_that_were_asked_for_reach_the_application),
	    cmocka_unit_test(acks_nobody_asked_for_are_stepped_over),
	    cmocka_unit_test(acks_are_stepped_over_where_the_application_wants_none),
	    cmocka_unit_test(
		a_packet_the_queue_does_not_take_ends_the_connection_without_its_attachments),
	    cmocka_unit_test(nothing_goes_to_a_namespace_that_was_left),
	    cmocka_unit_test(a_client_leaves_a_namespace_and_may_come_again),
	    cmocka_unit_test(events_after_a_disconnect_end_the_connection),
	    cmocka_unit_test(a_client_in_no_namespace_any_more_has_the_timeout_again),
	    cmocka_unit_test(the_application_puts_a_client_out_with_41),
	    cmocka_unit_test(a_close_for_shutdown_sends_1001_and_never_41),
	    cmocka_unit_test(
		a_client_that_is_heard_out_says_goodbye_once_and_nothing_else),
	    cmocka_unit_test(a_binary_event_waits_for_all_its_attachments),
	    cmocka_unit_test(attachments_may_be_empty_and_come_in_base64),
	    cmocka_unit_test(text_while_binary_is_pending_ends_the_connection),
	    cmocka_unit_test(binary_while_none_is_pending_ends_the_connection),
	    cmocka_unit_test(ghsa_55mf_binary_before_connect_is_refused_unheld),
	    cmocka_unit_test(a_pending_binary_packet_is_freed_after_10_s_of_silence),
	    cmocka_unit_test(
		a_ping_that_is_due_before_is_not_put_off_by_a_pending_packet),
	    cmocka_unit_test(each_attachment_gives_10_s_more),
	    cmocka_unit_test(a_packet_and_its_attachments_have_max_payload_together),
	    cmocka_unit_test(a_connection_that_ends_frees_its_pending_packet),
	    cmocka_unit_test(a_packet_completed_after_we_put_the_client_out_is_dropped),
	    cmocka_unit_test(an_idle_connection_is_small_and_has_no_heap),
	    cmocka_unit_test(the_defaults_are_those_of_the_reference),
	    cmocka_unit_test(the_sample_session_runs_as_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
