#include "eio_rig.h"

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

/* The client reckons from the times it was told; but who slept does not blame it. */
static void
a_ping_that_goes_out_late_does_not_put_its_timeout_off_by_more_than_it_must(void **state)
{
	struct rig r;

	(void)state;
	start_websocket(&r);
	advance(&r, 25000 + 3);
	check_trace(&r, "ws<2>");
	advance_to_deadline(&r, 20000 - 3);
	check_trace(&r, "close<1008> ended<ping_timeout> free");
	stop(&r);
	start_websocket(&r);
	advance(&r, 25000 + 8000);
	check_trace(&r, "ws<2>");
	advance_to_deadline(&r, 20000 - 20);
	check_trace(&r, "close<1008> ended<ping_timeout> free");
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
	pl_eio_session_ws_blocked(&r.session, r.now);
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
	pl_eio_session_ws_blocked(&r.session, r.now);
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
	pl_eio_session_ws_blocked(&r.session, r.now);
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
	pl_eio_session_ws_blocked(&r.session, r.now);
	advance(&r, 2000);
	send_text(&r, "4b");
	advance_to_deadline(&r, 8000);
	check_trace(&r, "close<1008> ended<slow> free");
	stop(&r);
}

static void
what_a_websocket_was_not_offered_yet_waits_for_us_and_ends_nothing(void **state)
{
	struct rig r;

	(void)state;
	start_websocket(&r);
	send_text(&r, "4a");
	r.now += 11000;
	pl_eio_session_tick(&r.session, r.now);
	check_trace(&r, "ws<4a>");
	pl_eio_session_ws_blocked(&r.session, r.now);
	advance(&r, 9000);
	pl_eio_session_ws_blocked(&r.session, r.now); /* it still is */
	check_trace(&r, "");
	advance_to_deadline(&r, 1000);
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
	pl_eio_session_ws_blocked(&r.session, r.now);
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
	    cmocka_unit_test(a_ping_goes_out_each_interval_after_a_pong),
	    cmocka_unit_test(no_pong_within_the_timeout_ends_the_session),
	    cmocka_unit_test(
		a_ping_that_goes_out_late_does_not_put_its_timeout_off_by_more_than_it_must),
	    cmocka_unit_test(pings_go_through_polling_too),
	    cmocka_unit_test(another_packet_than_a_pong_buys_more_time_once),
	    cmocka_unit_test(an_unasked_pong_only_puts_the_next_ping_off),
	    cmocka_unit_test(a_ping_from_the_client_ends_the_session),
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
	    cmocka_unit_test(
		what_a_websocket_was_not_offered_yet_waits_for_us_and_ends_nothing),
	    cmocka_unit_test(a_probe_that_blocked_does_not_count_as_stalled_later),
	    cmocka_unit_test(an_idle_session_is_small_and_has_no_heap),
	    cmocka_unit_test(one_packet_is_shared_by_many_sessions),
	    cmocka_unit_test(every_reason_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
