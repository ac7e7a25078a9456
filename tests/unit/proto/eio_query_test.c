#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "proto/eio_query.h"

/* The order of the checks is that of engine.io 6.6, Server.verify(). */

static void
check_accepts(const char *query, bool is_get, bool is_upgrade, const char *sid)
{
	struct pl_eio_query q;

	assert_int_equal(
	    pl_eio_query_parse(pl_str(query), is_get, is_upgrade, &q), PL_EIO_NO_ERROR);
	assert_int_equal(q.is_websocket, is_upgrade);
	assert_string_equal(q.sid, sid);
	assert_true(q.is_coherent);
}

static void
check_get_refused(const char *query, enum pl_eio_error error)
{
	struct pl_eio_query q = {.sid = "untouched"};

	assert_int_equal(pl_eio_query_parse(pl_str(query), true, false, &q), error);
	assert_string_equal(q.sid, "untouched");
}

static void
accepts_the_requests_of_the_protocol_text(void **state)
{
	(void)state;
	check_accepts("EIO=4&transport=polling", true, false, "");
	check_accepts("EIO=4&transport=polling&t=N8hyd6w", true, false, "");
	check_accepts("EIO=4&transport=polling&t=x&sid=lv_VI97HAXpY6yYWAAAC", true, false,
	    "lv_VI97HAXpY6yYWAAAC");
	check_accepts("sid=abc&transport=polling&EIO=4", false, false, "abc");
	check_accepts("EIO=4&transport=websocket", true, true, "");
	check_accepts("EIO=4&transport=websocket&sid=abc", true, true, "abc");
	check_accepts("userId=7&EIO=4&transport=polling&sid=", true, false, "");
}

static void
refuses_a_transport_that_is_not_served(void **state)
{
	(void)state;
	check_get_refused("", PL_EIO_UNKNOWN_TRANSPORT);
	check_get_refused("EIO=4", PL_EIO_UNKNOWN_TRANSPORT);
	check_get_refused("EIO=4&transport=", PL_EIO_UNKNOWN_TRANSPORT);
	check_get_refused("EIO=4&transport=abc", PL_EIO_UNKNOWN_TRANSPORT);
	check_get_refused("EIO=4&transport=webtransport", PL_EIO_UNKNOWN_TRANSPORT);
	check_get_refused("EIO=4&transport=Polling", PL_EIO_UNKNOWN_TRANSPORT);
	check_get_refused("EIO=4&transport=constructor", PL_EIO_UNKNOWN_TRANSPORT);
}

static void
refuses_any_version_but_4(void **state)
{
	(void)state;
	check_get_refused("transport=polling", PL_EIO_BAD_VERSION);
	check_get_refused("EIO=3&transport=polling", PL_EIO_BAD_VERSION);
	check_get_refused("EIO=abc&transport=polling", PL_EIO_BAD_VERSION);
	check_get_refused("EIO=44&transport=polling", PL_EIO_BAD_VERSION);
}

static void
asks_the_version_of_a_handshake_only(void **state)
{
	(void)state;
	check_accepts("EIO=3&transport=polling&sid=abc", true, false, "abc");
	check_accepts("transport=websocket&sid=abc", true, true, "abc");
}

static void
refuses_a_handshake_that_is_no_get(void **state)
{
	struct pl_eio_query q;

	(void)state;
	assert_int_equal(
	    pl_eio_query_parse(PL_STR("EIO=4&transport=polling"), false, false, &q),
	    PL_EIO_BAD_METHOD);
}

static void
refuses_a_transport_that_does_not_fit_the_request(void **state)
{
	struct pl_eio_query q;

	(void)state;
	check_get_refused("EIO=4&transport=websocket", PL_EIO_BAD_REQUEST);
	assert_int_equal(
	    pl_eio_query_parse(PL_STR("EIO=4&transport=polling"), true, true, &q),
	    PL_EIO_BAD_REQUEST);
}

/* Whether it is there comes first: a session that is unknown is said to be. */
static void
leaves_a_session_s_unfit_transport_to_who_knows_the_session(void **state)
{
	struct pl_eio_query q;

	(void)state;
	assert_int_equal(pl_eio_query_parse(PL_STR("EIO=4&transport=websocket&sid=abc"),
			     true, false, &q),
	    PL_EIO_NO_ERROR);
	assert_string_equal(q.sid, "abc");
	assert_false(q.is_coherent);
	assert_int_equal(
	    pl_eio_query_parse(PL_STR("EIO=4&transport=polling&sid=abc"), true, true, &q),
	    PL_EIO_NO_ERROR);
	assert_false(q.is_coherent);
}

static void
refuses_a_parameter_given_twice(void **state)
{
	(void)state;
	check_get_refused(
	    "EIO=4&transport=polling&transport=polling", PL_EIO_UNKNOWN_TRANSPORT);
	check_get_refused("EIO=4&EIO=4&transport=polling", PL_EIO_BAD_VERSION);
	check_get_refused("EIO=4&transport=polling&sid=a&sid=b", PL_EIO_BAD_REQUEST);
}

static void
a_sid_that_cannot_be_one_of_ours_is_unknown(void **state)
{
	(void)state;
	check_get_refused("EIO=4&transport=polling&sid=abcdefghijklmnopqrstuvwxyz0123456",
	    PL_EIO_UNKNOWN_SID);
	check_get_refused("EIO=4&transport=polling&sid=a%00b", PL_EIO_UNKNOWN_SID);
	check_get_refused("EIO=4&transport=polling&sid=%00", PL_EIO_UNKNOWN_SID);
	check_get_refused("EIO=4&transport=polling&sid=%zz", PL_EIO_BAD_REQUEST);
}

static void
the_longest_sid_fits(void **state)
{
	char sid[PL_EIO_SID_MAX + 1] = "", query[128];

	(void)state;
	memset(sid, 's', PL_EIO_SID_MAX);
	(void)snprintf(query, sizeof(query), "EIO=4&transport=polling&sid=%s", sid);
	check_accepts(query, true, false, sid);
}

static void
each_error_has_its_status_and_body(void **state)
{
	static const char *const bodies[] = {
	    "{\"code\":0,\"message\":\"Transport unknown\"}",
	    "{\"code\":1,\"message\":\"Session ID unknown\"}",
	    "{\"code\":2,\"message\":\"Bad handshake method\"}",
	    "{\"code\":3,\"message\":\"Bad request\"}",
	    "{\"code\":4,\"message\":\"Forbidden\"}",
	    "{\"code\":5,\"message\":\"Unsupported protocol version\"}",
	};

	(void)state;
	for (int i = 0; i <= PL_EIO_BAD_VERSION; i++) {
		assert_string_equal(pl_eio_error_body((enum pl_eio_error)i), bodies[i]);
		assert_int_equal(pl_eio_error_status((enum pl_eio_error)i),
		    i == PL_EIO_FORBIDDEN ? 403 : 400);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(accepts_the_requests_of_the_protocol_text),
	    cmocka_unit_test(refuses_a_transport_that_is_not_served),
	    cmocka_unit_test(refuses_any_version_but_4),
	    cmocka_unit_test(asks_the_version_of_a_handshake_only),
	    cmocka_unit_test(refuses_a_handshake_that_is_no_get),
	    cmocka_unit_test(refuses_a_transport_that_does_not_fit_the_request),
	    cmocka_unit_test(leaves_a_session_s_unfit_transport_to_who_knows_the_session),
	    cmocka_unit_test(refuses_a_parameter_given_twice),
	    cmocka_unit_test(a_sid_that_cannot_be_one_of_ours_is_unknown),
	    cmocka_unit_test(the_longest_sid_fits),
	    cmocka_unit_test(each_error_has_its_status_and_body),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
