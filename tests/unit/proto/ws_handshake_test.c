/* RFC 6455 §4.2.1 and §4.2.2. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "proto/ws_handshake.h"

/* The request of §1.2. */
static struct pl_ws_request
good(void)
{
	return (struct pl_ws_request){
	    .method = PL_STR("GET"),
	    .http_major = 1,
	    .http_minor = 1,
	    .host = PL_STR("server.example.com"),
	    .upgrade = PL_STR("websocket"),
	    .connection = PL_STR("Upgrade"),
	    .key = PL_STR("dGhlIHNhbXBsZSBub25jZQ=="),
	    .version = PL_STR("13"),
	};
}

static void
accepts_the_request_of_the_rfc(void **state)
{
	struct pl_ws_request rq = good();
	struct pl_buf out;

	(void)state;
	assert_int_equal(pl_ws_handshake_check(&rq), PL_WS_HS_ACCEPTED);
	assert_int_equal(pl_ws_handshake_status(PL_WS_HS_ACCEPTED), 101);
	pl_buf_init(&out, 512);
	assert_int_equal(pl_ws_handshake_answer(&out, &rq), PL_OK);
	assert_string_equal(out.data,
	    "HTTP/1.1 101 Switching Protocols\r\n"
	    "Upgrade: websocket\r\n"
	    "Connection: Upgrade\r\n"
	    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n");
	pl_buf_fini(&out);
}

static void
accepts_what_real_clients_send(void **state)
{
	struct pl_ws_request rq = good();

	(void)state;
	rq.connection = PL_STR("keep-alive, Upgrade"); /* Firefox */
	rq.upgrade = PL_STR("WebSocket");
	rq.version = PL_STR(" 13\t");
	rq.key = PL_STR(" AQIDBAUGBwgJCgsMDQ4PEC== "); /* spare bits set */
	assert_int_equal(pl_ws_handshake_check(&rq), PL_WS_HS_ACCEPTED);
	rq.key = PL_STR("+/09AZazAZ09/+AZazAZ0w==");
	assert_int_equal(pl_ws_handshake_check(&rq), PL_WS_HS_ACCEPTED);
	rq.http_major = 2;
	rq.http_minor = 0;
	rq.upgrade = PL_STR("h2c, websocket");
	rq.connection = PL_STR(" ,UPGRADE,, close");
	assert_int_equal(pl_ws_handshake_check(&rq), PL_WS_HS_ACCEPTED);
}

static void
check_accept_value(struct pl_str key, const char *want)
{
	struct pl_ws_request rq = good();
	struct pl_buf out;

	rq.key = key;
	pl_buf_init(&out, 512);
	assert_int_equal(pl_ws_handshake_answer(&out, &rq), PL_OK);
	assert_non_null(strstr(out.data, want));
	pl_buf_fini(&out);
}

static void
the_accept_value_is_the_hash_of_key_and_guid(void **state) /* §4.2.2 */
{
	(void)state;
	check_accept_value(PL_STR("x3JJHMbDL1EzLkh9GBhXDw=="),
	    "\r\nSec-WebSocket-Accept: HSmrc0sMlYUkAGmm5OPpG2HaGWk=\r\n\r\n");
	check_accept_value(PL_STR(" dGhlIHNhbXBsZSBub25jZQ==\t"),
	    "\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n");
}

static void
refuses_other_methods(void **state) /* 1. */
{
	static const char *const methods[] = {
	    "POST", "HEAD", "get", "GETX", "CONNECT", ""};
	struct pl_ws_request rq = good();

	(void)state;
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		rq.method = pl_str(methods[i]);
		assert_int_equal(pl_ws_handshake_check(&rq), PL_WS_HS_NOT_GET);
	}
}

static void
refuses_http_before_1_1(void **state) /* 1. */
{
	struct pl_ws_request rq = good();

	(void)state;
	rq.http_minor = 0;
	assert_int_equal(pl_ws_handshake_check(&rq), PL_WS_HS_OLD_HTTP);
	rq.http_major = 0;
	rq.http_minor = 9;
	assert_int_equal(pl_ws_handshake_check(&rq), PL_WS_HS_OLD_HTTP);
}

static void
refuses_a_request_without_host(void **state) /* 2. */
{
	struct pl_ws_request rq = good();

	(void)state;
	rq.host = PL_STR_NONE;
	assert_int_equal(pl_ws_handshake_check(&rq), PL_WS_HS_NO_HOST);
	rq.host = PL_STR(" ");
	assert_int_equal(pl_ws_handshake_check(&rq), PL_WS_HS_NO_HOST);
}

static void
refuses_a_missing_or_other_upgrade(void **state) /* 3. */
{
	static const char *const values[] = {
	    NULL, "", "h2c", "websockets", "web socket", "websocket/13"};
	struct pl_ws_request rq = good();

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		rq.upgrade = pl_str(values[i]);
		assert_int_equal(pl_ws_handshake_check(&rq), PL_WS_HS_NO_UPGRADE);
	}
}

static void
refuses_a_connection_list_without_upgrade(void **state) /* 4. */
{
	static const char *const values[] = {NULL, "", "close", "keep-alive", "Upgrades",
	    "keep-alive Upgrade", "\"Upgrade\""};
	struct pl_ws_request rq = good();

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		rq.connection = pl_str(values[i]);
		assert_int_equal(pl_ws_handshake_check(&rq), PL_WS_HS_NO_CONNECTION);
	}
}

static void
refuses_a_key_that_is_not_one_of_16_bytes(void **state) /* 5. */
{
	static const char *const keys[] = {
	    NULL, "", "dGhlIHNhbXBsZSBub25jZQ", /* no padding */
	    "dGhlIHNhbXBsZSBub25j",             /* 15 bytes */
	    "dGhlIHNhbXBsZSBub25jZWE=",         /* 17 bytes */
	    "dGhlIHNhbXBsZSBub25jZWVl", /* 18 bytes, and as many characters as 16 have */
	    "dGhlIHNhbXBsZSBub25jZ===", /* 24 characters */
	    "dGhlIHNhbXBsZSBub25j*Q==", "dGhlIHNhbXBsZSBub25j-Q==", /* the URL alphabet */
	    "dGhlIHNhbXBsZSBub25j_Q==", "dGhlIHNhbXBsZSBub25jZQ=x",
	    "dGhlIHNhbXBs ZSBub25jZ==",
	    "dGhlIHNhbXBsZSBub25jZQ==, dGhlIHNhbXBsZSBub25jZQ==", /* two, joined */
	};
	struct pl_ws_request rq = good();

	(void)state;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		rq.key = pl_str(keys[i]);
		assert_int_equal(pl_ws_handshake_check(&rq), PL_WS_HS_BAD_KEY);
	}
	rq = good();
	rq.key_repeated = true;
	assert_int_equal(pl_ws_handshake_check(&rq), PL_WS_HS_BAD_KEY);
}

static void
refuses_another_version(void **state) /* 6., §4.4 */
{
	static const char *const versions[] = {
	    NULL, "", "8", "12", "14", "013", "13, 8", "+13"};
	struct pl_ws_request rq = good();

	(void)state;
	for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
		rq.version = pl_str(versions[i]);
		assert_int_equal(pl_ws_handshake_check(&rq), PL_WS_HS_BAD_VERSION);
	}
}

static void
a_refusal_is_never_a_101(void **state)
{
	struct pl_ws_request rq = {0}; /* no header at all */

	(void)state;
	for (int v = PL_WS_HS_NOT_GET; v <= PL_WS_HS_BAD_VERSION; v++) {
		enum pl_ws_handshake verdict = (enum pl_ws_handshake)v;

		assert_int_equal(
		    pl_ws_handshake_status(verdict), v < PL_WS_HS_NO_UPGRADE ? 400 : 426);
		assert_true(strlen(pl_ws_handshake_text(verdict)) > 0);
	}
	assert_int_equal(pl_ws_handshake_check(&rq), PL_WS_HS_NOT_GET);
}

/* What is accepted of what is offered; NULL: nothing. */
static void
check_protocol(struct pl_str offered, const char *accepted)
{
	static const char name[] = "\r\nSec-WebSocket-Protocol: ";
	struct pl_ws_request rq = good();
	struct pl_buf out;
	const char *at;

	rq.protocols = offered;
	assert_int_equal(pl_ws_handshake_check(&rq), PL_WS_HS_ACCEPTED);
	pl_buf_init(&out, 512);
	assert_int_equal(pl_ws_handshake_answer(&out, &rq), PL_OK);
	at = strstr(out.data, name);
	assert_true((at != NULL) == (accepted != NULL));
	if (accepted != NULL) {
		at += sizeof(name) - 1;
		assert_int_equal(strncmp(at, accepted, strlen(accepted)), 0);
		assert_string_equal(at + strlen(accepted), "\r\n\r\n");
	}
	pl_buf_fini(&out);
}

static void
accepts_the_first_protocol_that_is_offered(void **state)
{
	static const char longest[] =
	    "abcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~ABCDEFGHIJKLM";
	static const char longer[] =
	    "abcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~ABCDEFGHIJKLMN";

	(void)state;
	check_protocol(PL_STR("chat"), "chat");
	check_protocol(PL_STR("chat, superchat"), "chat"); /* RFC 6455 §1.2 */
	check_protocol(PL_STR("\tv2.stomp ,x"), "v2.stomp");
	assert_int_equal(sizeof(longest) - 1, PL_WS_PROTOCOL_MAX);
	check_protocol(pl_str(longest), longest);
	check_protocol(pl_str(longer), NULL);
	check_protocol(PL_STR_NONE, NULL);
	check_protocol(PL_STR(""), NULL);
	check_protocol(PL_STR(",chat"), NULL);
	check_protocol(PL_STR("a b"), NULL);
	check_protocol(PL_STR("a\"b"), NULL);
	check_protocol(PL_STR("a/1, b"), NULL);
	check_protocol(PL_STR("caf\xC3\xA9"), NULL);
}

static void
the_request_has_its_id_back_unless_it_is_longer_than_an_id(void **state)
{
	char id[PL_WS_REQUEST_ID_MAX + 2] = "an-id";

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct pl_ws_request rq = good();
		struct pl_buf out;

		rq.request_id = pl_str(id);
		pl_buf_init(&out, 512);
		assert_int_equal(pl_ws_handshake_answer(&out, &rq), PL_OK);
		assert_true((strstr(out.data, "\r\nX-Request-Id: ") != NULL) == (i < 2));
		assert_true((strstr(out.data, id) != NULL) == (i < 2));
		assert_string_equal(out.data + out.len - 4, "\r\n\r\n");
		pl_buf_fini(&out);
		memset(id, 'x', PL_WS_REQUEST_ID_MAX + (size_t)i);
	}
}

static void
an_answer_that_does_not_fit_is_too_big(void **state)
{
	struct pl_ws_request rq = good();
	struct pl_buf out;

	(void)state;
	pl_buf_init(&out, 100);
	assert_int_equal(pl_ws_handshake_answer(&out, &rq), PL_E_TOO_BIG);
	assert_int_equal(out.len, 0);
	pl_buf_fini(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(accepts_the_request_of_the_rfc),
	    cmocka_unit_test(the_request_has_its_id_back_unless_it_is_longer_than_an_id),
	    cmocka_unit_test(accepts_what_real_clients_send),
	    cmocka_unit_test(the_accept_value_is_the_hash_of_key_and_guid),
	    cmocka_unit_test(refuses_other_methods),
	    cmocka_unit_test(refuses_http_before_1_1),
	    cmocka_unit_test(refuses_a_request_without_host),
	    cmocka_unit_test(refuses_a_missing_or_other_upgrade),
	    cmocka_unit_test(refuses_a_connection_list_without_upgrade),
	    cmocka_unit_test(refuses_a_key_that_is_not_one_of_16_bytes),
	    cmocka_unit_test(refuses_another_version),
	    cmocka_unit_test(a_refusal_is_never_a_101),
	    cmocka_unit_test(accepts_the_first_protocol_that_is_offered),
	    cmocka_unit_test(an_answer_that_does_not_fit_is_too_big),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
