#include "eio_rig.h"

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
a_post_that_breaks_off_untaken_ends_the_session(void **state)
{
	struct rig r;

	(void)state;
	start_polling(&r);
	pl_eio_session_post_gone(&r.session); /* none is under way */
	check_trace(&r, "");
	assert_int_equal(pl_eio_session_post_begin(&r.session), PL_OK);
	pl_eio_session_post_gone(&r.session);
	check_trace(&r, "ended<transport_error> free");
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_get_waits_until_there_is_a_packet),
	    cmocka_unit_test(a_get_takes_all_that_is_queued_with_binary_in_base64),
	    cmocka_unit_test(a_post_delivers_each_message_in_order),
	    cmocka_unit_test(an_echo_of_a_post_answers_the_waiting_get),
	    cmocka_unit_test(a_second_get_is_refused_and_ends_the_session),
	    cmocka_unit_test(a_second_post_is_refused_and_ends_the_session),
	    cmocka_unit_test(a_post_that_breaks_off_untaken_ends_the_session),
	    cmocka_unit_test(a_get_that_breaks_off_ends_the_session),
	    cmocka_unit_test(a_post_above_max_payload_is_refused_and_the_session_stays),
	    cmocka_unit_test(an_octet_stream_ends_the_session),
	    cmocka_unit_test(
		cve_2022_21676_a_body_that_is_no_packet_ends_only_its_session),
	    cmocka_unit_test(
		messages_before_a_bad_packet_are_delivered_and_none_behind_it),
	    cmocka_unit_test(a_posted_close_packet_ends_the_session_and_the_waiting_get),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
