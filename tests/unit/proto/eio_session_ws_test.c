#include "eio_rig.h"

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

/* "A client MUST NOT open more than one WebSocket connection per session. Should it
 * happen, the server MUST close the WebSocket connection." */
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
	assert_int_equal(pl_eio_session_ws_message_max(&r.session), 1000);
	pl_eio_session_set_payload_max(&r.session, 9999);
	assert_int_equal(pl_eio_session_ws_message_max(&r.session), 1024);
	ws_text(&r, "2probe");
	check_trace(&r, "poll<6> ws<3probe>");
	ws_text(&r, "5");
	assert_int_equal(pl_eio_session_ws_message_max(&r.session), 9999);
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
a_get_that_breaks_off_after_the_upgrade_does_not_matter(void **state)
{
	struct rig r;

	(void)state;
	start_probing(&r);
	assert_int_equal(pl_eio_session_poll(&r.session), PL_OK);
	ws_text(&r, "5");
	pl_eio_session_poll_gone(&r.session);
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

/* Until then two WebSockets of one session could be there, and the second take the Close. */
static void
another_websocket_is_refused_until_the_first_one_was_closed(void **state)
{
	struct rig r;

	(void)state;
	start_probing(&r);
	ws_text(&r, "4hello");
	assert_false(pl_eio_session_ws_open(&r.session, r.now));
	check_trace(&r, "close<1000>");
	assert_true(pl_eio_session_ws_open(&r.session, r.now));
	ws_text(&r, "2probe");
	check_trace(&r, "ws<3probe>");
	stop(&r);
}

static void
a_close_right_at_the_upgrade_reaches_the_waiting_get_and_the_websocket(void **state)
{
	struct rig r;

	(void)state;
	start_probing(&r);
	ws_text(&r, "2probe");
	check_trace(&r, "ws<3probe>");
	poll_waits(&r);
	send_text(&r, "4hi");
	ws_text(&r, "5");
	pl_eio_session_close(&r.session, PL_EIO_FORCED_CLOSE, r.now);
	check_trace(&r, "poll<6|1> ws<4hi> close<1000> ended<forced_close> free");
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
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
	    cmocka_unit_test(a_get_that_breaks_off_after_the_upgrade_does_not_matter),
	    cmocka_unit_test(another_packet_on_the_probe_closes_only_the_websocket),
	    cmocka_unit_test(another_websocket_is_refused_until_the_first_one_was_closed),
	    cmocka_unit_test(
		a_close_right_at_the_upgrade_reaches_the_waiting_get_and_the_websocket),
	    cmocka_unit_test(an_upgrade_unfinished_after_10_s_closes_only_the_websocket),
	    cmocka_unit_test(a_probe_that_breaks_off_leaves_the_session_on_polling),
	    cmocka_unit_test(a_session_that_ends_while_probing_closes_the_websocket),
	    cmocka_unit_test(an_unanswered_ping_still_counts_after_the_upgrade),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
