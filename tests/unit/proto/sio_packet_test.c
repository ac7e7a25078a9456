#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "proto/sio_packet.h"

/* Sections named "§" below are those of socket.io-protocol v5. */

struct expected {
	const char *text;
	enum pl_sio_type type;
	unsigned attachments;
	const char *nsp;
	int64_t ack_id;
	const char *payload;
};

static void
check_decodes(const struct expected *e)
{
	struct pl_sio_packet p;

	assert_int_equal(pl_sio_packet_decode(pl_str(e->text), &p, NULL), PL_OK);
	assert_int_equal(p.type, e->type);
	assert_int_equal(p.attachments, e->attachments);
	assert_true(pl_str_eq(p.nsp, pl_str(e->nsp)));
	assert_int_equal(p.ack_id, e->ack_id);
	assert_true(pl_str_eq(p.payload, pl_str(e->payload)));
	assert_int_equal(p.json != NULL, p.payload.len > 0);
	pl_sio_packet_fini(&p);
}

static void
check_refuses(struct pl_str text, const char *reason)
{
	struct pl_sio_packet p = {.attachments = 77};
	const char *why = NULL;

	assert_int_equal(pl_sio_packet_decode(text, &p, &why), PL_E_INVALID);
	assert_int_equal(p.attachments, 77);
	assert_non_null(why);
	if (reason)
		assert_string_equal(why, reason);
	assert_int_equal(pl_sio_packet_decode(text, &p, NULL), PL_E_INVALID);
}

/* Each packet that §§ Packet encoding and Sample session spell out, and neighbours. */
static const struct expected good[] = {
    {"0", PL_SIO_CONNECT, 0, "/", -1, ""},
    {"0{\"token\":\"123\"}", PL_SIO_CONNECT, 0, "/", -1, "{\"token\":\"123\"}"},
    {"0/admin,", PL_SIO_CONNECT, 0, "/admin", -1, ""},
    {"0/admin", PL_SIO_CONNECT, 0, "/admin", -1, ""},
    {"0/admin,{\"sid\":\"o\"}", PL_SIO_CONNECT, 0, "/admin", -1, "{\"sid\":\"o\"}"},
    {"1", PL_SIO_DISCONNECT, 0, "/", -1, ""},
    {"1/admin,", PL_SIO_DISCONNECT, 0, "/admin", -1, ""},
    {"2[\"foo\"]", PL_SIO_EVENT, 0, "/", -1, "[\"foo\"]"},
    {"2/admin,[\"bar\"]", PL_SIO_EVENT, 0, "/admin", -1, "[\"bar\"]"},
    {"212[\"foo\"]", PL_SIO_EVENT, 0, "/", 12, "[\"foo\"]"},
    {"2/admin,1[\"tellme\"]", PL_SIO_EVENT, 0, "/admin", 1, "[\"tellme\"]"},
    {"2[1,2]", PL_SIO_EVENT, 0, "/", -1, "[1,2]"},
    {"2[1.5]", PL_SIO_EVENT, 0, "/", -1, "[1.5]"},
    {"2[\"\"]", PL_SIO_EVENT, 0, "/", -1, "[\"\"]"},
    {"3/admin,13[\"bar\"]", PL_SIO_ACK, 0, "/admin", 13, "[\"bar\"]"},
    {"312[]", PL_SIO_ACK, 0, "/", 12, "[]"},
    {"3[]", PL_SIO_ACK, 0, "/", -1, "[]"},
    {"4{\"message\":\"Not authorized\"}", PL_SIO_CONNECT_ERROR, 0, "/", -1,
	"{\"message\":\"Not authorized\"}"},
    {"4\"no\"", PL_SIO_CONNECT_ERROR, 0, "/", -1, "\"no\""},
    {"51-[\"baz\",{\"_placeholder\":true,\"num\":0}]", PL_SIO_BINARY_EVENT, 1, "/", -1,
	"[\"baz\",{\"_placeholder\":true,\"num\":0}]"},
    {"52-/admin,[\"baz\",{\"_placeholder\":true,\"num\":0},"
     "{\"_placeholder\":true,\"num\":1}]",
	PL_SIO_BINARY_EVENT, 2, "/admin", -1,
	"[\"baz\",{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1}]"},
    {"61-15[\"bar\",{\"_placeholder\":true,\"num\":0}]", PL_SIO_BINARY_ACK, 1, "/", 15,
	"[\"bar\",{\"_placeholder\":true,\"num\":0}]"},
    {"61-/admin,1[{\"_placeholder\":true,\"num\":0}]", PL_SIO_BINARY_ACK, 1, "/admin", 1,
	"[{\"_placeholder\":true,\"num\":0}]"},
};

static void
decodes_the_packets_of_the_protocol_text(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		check_decodes(&good[i]);
}

/* socket.io-parser asks for a payload's shape only where there is one. */
static void
every_type_decodes_without_a_payload(void **state)
{
	static const struct expected bare[] = {
	    {"2", PL_SIO_EVENT, 0, "/", -1, ""},
	    {"3", PL_SIO_ACK, 0, "/", -1, ""},
	    {"37", PL_SIO_ACK, 0, "/", 7, ""},
	    {"4", PL_SIO_CONNECT_ERROR, 0, "/", -1, ""},
	    {"51-", PL_SIO_BINARY_EVENT, 1, "/", -1, ""},
	    {"61-/x,3", PL_SIO_BINARY_ACK, 1, "/x", 3, ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bare) / sizeof(*bare); i++)
		check_decodes(&bare[i]);
}

static void
refuses_unknown_types(void **state)
{
	(void)state;
	check_refuses(PL_STR(""), "unknown packet type");
	check_refuses(PL_STR("7"), "unknown packet type");
	check_refuses(PL_STR("abc"), "unknown packet type");
	check_refuses(PL_STR(" "), "unknown packet type");
	check_refuses(PL_STR("-1"), "unknown packet type");
	check_refuses(PL_STR("\0"), "unknown packet type");
}

static void
refuses_payloads_that_do_not_suit_the_type(void **state)
{
	(void)state;
	check_refuses(PL_STR("0[]"), "invalid payload");
	check_refuses(PL_STR("0\"token\""), "invalid payload");
	check_refuses(PL_STR("0null"), "invalid payload");
	check_refuses(PL_STR("1{}"), "invalid payload");
	check_refuses(PL_STR("1[]"), "invalid payload");
	check_refuses(PL_STR("2{}"), "invalid payload");
	check_refuses(PL_STR("2\"foo\""), "invalid payload");
	check_refuses(PL_STR("2[]"), "invalid payload");
	check_refuses(PL_STR("2[null]"), "invalid payload");
	check_refuses(PL_STR("2[true]"), "invalid payload");
	check_refuses(PL_STR("2[[]]"), "invalid payload");
	check_refuses(PL_STR("3{}"), "invalid payload");
	check_refuses(PL_STR("4[]"), "invalid payload");
	check_refuses(PL_STR("4null"), "invalid payload");
	check_refuses(PL_STR("51-{}"), "invalid payload");
	check_refuses(PL_STR("61-{}"), "invalid payload");
}

static void
refuses_what_is_not_json_or_too_strange(void **state)
{
	(void)state;
	check_refuses(PL_STR("2[\"foo\""), NULL);
	check_refuses(PL_STR("2[\"foo\"]x"), NULL);
	check_refuses(PL_STR("2[\"foo\",]"), NULL);
	check_refuses(PL_STR("2abc[\"foo\"]"), NULL);
	check_refuses(PL_STR("2[\"foo\",{\"a\":1,\"a\":2}]"), "duplicate key");
	check_refuses(PL_STR("2[\"a\",{\"\\u0000\":1}]"), "NUL character");
	check_refuses(PL_STR("2[\"a\",1e999]"), "number out of range");
	check_refuses(PL_STR("2[\"a\",{\"\\ud800\":1}]"), NULL);
	check_refuses(PL_STR("2[\"\xff\"]"), NULL);
	check_refuses(PL_STR("2\0[\"foo\"]"), NULL);
}

static void
takes_what_stringify_writes_of_odd_values(void **state)
{
	static const char *const texts[] = {
	    "2[\"\\u0000\"]",
	    "2[\"a\",100000000000000000000]",
	    "2[\"a\",[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]",
	    "51-[\"a\",100000000000000000000,{\"_placeholder\":true,\"num\":0}]",
	};
	struct pl_sio_packet p;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_int_equal(pl_sio_packet_decode(pl_str(texts[i]), &p, NULL), PL_OK);
		pl_sio_packet_fini(&p);
	}
}

static void
refuses_white_space_before_the_payload(void **state)
{
	(void)state;
	check_refuses(PL_STR("2 [\"foo\"]"), "invalid payload");
	check_refuses(PL_STR("2\n[\"foo\"]"), "invalid payload");
	check_refuses(PL_STR("21 [\"foo\"]"), "invalid payload");
}

static void
refuses_the_reserved_event_names_however_spelled(void **state)
{
	static const char *const names[] = {"connect", "connect_error", "disconnect",
	    "disconnecting", "newListener", "removeListener", "\\u0063onnect"};
	char text[64];

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		(void)snprintf(text, sizeof(text), "2[\"%s\",1]", names[i]);
		check_refuses(pl_str(text), "invalid payload");
		(void)snprintf(text, sizeof(text), "51-[\"%s\",1]", names[i]);
		check_refuses(pl_str(text), "invalid payload");
	}
	check_decodes(&(struct expected){
	    "2[\"Connect\"]", PL_SIO_EVENT, 0, "/", -1, "[\"Connect\"]"});
	check_decodes(&(struct expected){
	    "3[\"connect\"]", PL_SIO_ACK, 0, "/", -1, "[\"connect\"]"});
}

static void
ack_ids_go_up_to_the_greatest_safe_integer(void **state)
{
	(void)state;
	check_decodes(&(struct expected){"29007199254740991[\"a\"]", PL_SIO_EVENT, 0, "/",
	    INT64_C(9007199254740991), "[\"a\"]"});
	check_decodes(
	    &(struct expected){"2007[\"a\"]", PL_SIO_EVENT, 0, "/", 7, "[\"a\"]"});
	check_refuses(PL_STR("29007199254740992[\"a\"]"), "ack id too big");
	check_refuses(PL_STR("299999999999999999999999999[\"a\"]"), "ack id too big");
	check_refuses(PL_STR("2-1[\"a\"]"), "invalid payload");
	check_refuses(PL_STR("21.5[\"a\"]"), "invalid payload");
	check_refuses(PL_STR("21e3[\"a\"]"), "invalid payload");
}

static void
namespaces_end_at_the_first_comma_and_have_128_bytes(void **state)
{
	char text[PL_SIO_NAMESPACE_MAX + 8] = "0/";

	(void)state;
	check_decodes(
	    &(struct expected){"0/a?b=1,", PL_SIO_CONNECT, 0, "/a?b=1", -1, ""});
	check_decodes(&(struct expected){"0/,", PL_SIO_CONNECT, 0, "/", -1, ""});
	memset(text + 2, 'n', PL_SIO_NAMESPACE_MAX - 1);
	check_decodes(&(struct expected){text, PL_SIO_CONNECT, 0, text + 1, -1, ""});
	text[2 + PL_SIO_NAMESPACE_MAX - 1] = 'n';
	check_refuses(pl_str(text), "namespace too long");
}

static void
a_namespace_of_a_megabyte_is_refused(void **state)
{
	size_t len = 1000000;
	char *text = pl_mem_alloc(len);

	(void)state;
	memset(text, '/', len);
	text[0] = '0';
	check_refuses(pl_str_n(text, len), "namespace too long");
	pl_mem_free(text);
}

/* socket.io-parser CVE-2026-33151: a header could announce any number of attachments. */
static void
cve_2026_33151_more_than_ten_attachments_are_refused(void **state)
{
	(void)state;
	check_decodes(&(struct expected){
	    "510-[\"a\"]", PL_SIO_BINARY_EVENT, 10, "/", -1, "[\"a\"]"});
	check_refuses(PL_STR("511-[\"a\"]"), "too many attachments");
	check_refuses(PL_STR("599999999999999999999999-[\"a\"]"), "too many attachments");
}

static void
refuses_attachment_counts_that_are_no_plain_number(void **state)
{
	(void)state;
	check_refuses(PL_STR("5"), "illegal attachments");
	check_refuses(PL_STR("51"), "illegal attachments");
	check_refuses(PL_STR("5-[\"a\"]"), "illegal attachments");
	check_refuses(PL_STR("50-[\"a\"]"), "illegal attachments");
	check_refuses(PL_STR("5-1-[\"a\"]"), "illegal attachments");
	check_refuses(PL_STR("51.5-[\"a\"]"), "illegal attachments");
	check_refuses(PL_STR("51e0-[\"a\"]"), "illegal attachments");
	check_refuses(PL_STR("5x-[\"a\"]"), "illegal attachments");
	check_refuses(PL_STR("51[\"a\"]"), "illegal attachments");
	check_refuses(PL_STR("6[\"a\"]"), "illegal attachments");
}

/* socket.io-parser CVE-2022-2421: a placeholder's num was used unchecked as an index. */
static void
cve_2022_2421_placeholders_must_be_indexes_of_attachments(void **state)
{
	static const char *const nums[] = {
	    "1", "-1", "\"0\"", "\"splice\"", "0.5", "null", "[0]", "{}", "99999999999"};
	char text[128];

	(void)state;
	for (size_t i = 0; i < sizeof(nums) / sizeof(*nums); i++) {
		(void)snprintf(text, sizeof(text),
		    "51-[\"a\",[{\"b\":{\"_placeholder\":true,\"num\":%s}}]]", nums[i]);
		check_refuses(pl_str(text), "illegal attachments");
	}
	check_refuses(
	    PL_STR("51-[\"a\",{\"_placeholder\":true}]"), "illegal attachments");
}

static void
placeholders_may_repeat_and_others_are_plain_objects(void **state)
{
	static const char twice[] = "51-[\"a\",{\"_placeholder\":true,\"num\":0},"
				    "{\"_placeholder\":true,\"num\":0}]";
	static const char no_placeholder[] = "51-[\"a\",{\"_placeholder\":1,\"num\":7}]";
	static const char not_binary[] = "2[\"a\",{\"_placeholder\":true,\"num\":7}]";

	(void)state;
	check_decodes(&(struct expected){
	    twice, PL_SIO_BINARY_EVENT, 1, "/", -1, strchr(twice, '[')});
	check_decodes(&(struct expected){no_placeholder, PL_SIO_BINARY_EVENT, 1, "/", -1,
	    strchr(no_placeholder, '[')});
	check_decodes(&(struct expected){
	    not_binary, PL_SIO_EVENT, 0, "/", -1, strchr(not_binary, '[')});
}

/* socket.io-parser CVE-2023-32695: an event name that is an object, made to be called. */
static void
cve_2023_32695_an_event_name_is_a_string_or_a_number(void **state)
{
	(void)state;
	check_refuses(PL_STR("2[{\"toString\":\"foo\"}]"), "invalid payload");
	check_refuses(PL_STR("2[\"__proto__"), NULL);
	check_refuses(
	    PL_STR("51-[{\"_placeholder\":true,\"num\":0}]"), "invalid payload");
}

/* socket.io-parser CVE-2020-36049: a big packet took time with the square of its size. */
static void
cve_2020_36049_a_packet_of_a_megabyte_takes_linear_time(void **state)
{
	size_t len = 1000000;
	char *text = pl_mem_alloc(len);
	struct pl_sio_packet p;

	(void)state;
	memset(text, '1', len);
	text[0] = '2';
	check_refuses(pl_str_n(text, len), "ack id too big");
	text[0] = '5';
	check_refuses(pl_str_n(text, len), "illegal attachments");
	memset(text, 'x', len);
	memcpy(text, "2[\"a\",\"", 7);
	memcpy(text + len - 2, "\"]", 2);
	assert_int_equal(pl_sio_packet_decode(pl_str_n(text, len), &p, NULL), PL_OK);
	assert_int_equal(p.payload.len, len - 1);
	pl_sio_packet_fini(&p);
	pl_mem_free(text);
}

static void
encodes_what_it_decodes_byte_for_byte(void **state)
{
	struct pl_sio_packet p;
	struct pl_ref *packet;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		if (strcmp(good[i].text, "0/admin") == 0)
			continue; /* the comma is left out there */
		assert_int_equal(
		    pl_sio_packet_decode(pl_str(good[i].text), &p, NULL), PL_OK);
		packet = pl_sio_packet_encode(&p);
		assert_int_equal(packet->data[0], '4');
		assert_string_equal(packet->data + 1, good[i].text);
		pl_ref_drop(packet);
		pl_sio_packet_fini(&p);
	}
}

static void
every_prefix_of_a_packet_gives_a_verdict_and_no_crash(void **state)
{
	struct pl_sio_packet p;
	char *copy;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		for (size_t len = 0; len <= strlen(good[i].text); len++) {
			/* An exact copy, for the sanitizer to see a byte too far. */
			copy = pl_mem_alloc(len + 1);
			memcpy(copy + 1, good[i].text, len);
			if (pl_sio_packet_decode(pl_str_n(copy + 1, len), &p, NULL) ==
			    PL_OK)
				pl_sio_packet_fini(&p);
			pl_mem_free(copy);
		}
}

static void
an_events_arguments_come_out_as_they_came_in(void **state)
{
	static const char *const cases[][2] = {
	    {"[\"hello\",1,\"2\"]", "1,\"2\""},
	    {"[\"hello\"]", ""},
	    {"[1]", ""},
	    {"[1.5,[],{}]", "[],{}"},
	    {"[ \"a\\\"],\\\\\" , {\"b\":[1, 2]} ] ", "{\"b\":[1, 2]}"},
	    {"[1 ,2]", "2"},
	    {"[   ]", ""},
	    {"[\"a\",\"]\"]", "\"]\""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_true(pl_str_eq(
		    pl_sio_event_args(pl_str(cases[i][0])), pl_str(cases[i][1])));
	assert_int_equal(pl_sio_event_args(PL_STR_NONE).len, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(decodes_the_packets_of_the_protocol_text),
	    cmocka_unit_test(every_type_decodes_without_a_payload),
	    cmocka_unit_test(refuses_unknown_types),
	    cmocka_unit_test(refuses_payloads_that_do_not_suit_the_type),
	    cmocka_unit_test(refuses_what_is_not_json_or_too_strange),
	    cmocka_unit_test(takes_what_stringify_writes_of_odd_values),
	    cmocka_unit_test(refuses_white_space_before_the_payload),
	    cmocka_unit_test(refuses_the_reserved_event_names_however_spelled),
	    cmocka_unit_test(ack_ids_go_up_to_the_greatest_safe_integer),
	    cmocka_unit_test(namespaces_end_at_the_first_comma_and_have_128_bytes),
	    cmocka_unit_test(a_namespace_of_a_megabyte_is_refused),
	    cmocka_unit_test(cve_2026_33151_more_than_ten_attachments_are_refused),
	    cmocka_unit_test(refuses_attachment_counts_that_are_no_plain_number),
	    cmocka_unit_test(cve_2022_2421_placeholders_must_be_indexes_of_attachments),
	    cmocka_unit_test(placeholders_may_repeat_and_others_are_plain_objects),
	    cmocka_unit_test(cve_2023_32695_an_event_name_is_a_string_or_a_number),
	    cmocka_unit_test(cve_2020_36049_a_packet_of_a_megabyte_takes_linear_time),
	    cmocka_unit_test(encodes_what_it_decodes_byte_for_byte),
	    cmocka_unit_test(every_prefix_of_a_packet_gives_a_verdict_and_no_crash),
	    cmocka_unit_test(an_events_arguments_come_out_as_they_came_in),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
