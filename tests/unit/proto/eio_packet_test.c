#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "proto/eio_handshake.h"
#include "proto/eio_packet.h"
#include "proto/eio_queue.h"

/* Sections named "§" below are those of engine.io-protocol v4. */

static void
check_decodes(const char *text, enum pl_eio_type type, bool is_binary, struct pl_str data)
{
	struct pl_eio_packet p;
	struct pl_buf bytes;

	pl_buf_init(&bytes, 1000);
	assert_int_equal(pl_eio_packet_decode(pl_str(text), &bytes, &p), PL_OK);
	assert_int_equal(p.type, type);
	assert_int_equal(p.is_binary, is_binary);
	assert_true(pl_str_eq(p.data, data));
	pl_buf_fini(&bytes);
}

static void
check_refuses(struct pl_str text)
{
	struct pl_eio_packet p = {PL_EIO_NOOP, false, PL_STR("untouched")};
	struct pl_buf bytes;

	pl_buf_init(&bytes, 1000);
	assert_int_equal(pl_eio_packet_decode(text, &bytes, &p), PL_E_INVALID);
	assert_true(pl_str_eq(p.data, PL_STR("untouched")));
	pl_buf_fini(&bytes);
}

/* § Protocol: the list of packet types. */
static void
decodes_each_of_the_seven_types(void **state)
{
	(void)state;
	check_decodes("0{\"sid\":\"x\"}", PL_EIO_OPEN, false, PL_STR("{\"sid\":\"x\"}"));
	check_decodes("1", PL_EIO_CLOSE, false, PL_STR(""));
	check_decodes("2probe", PL_EIO_PING, false, PL_STR("probe"));
	check_decodes("3", PL_EIO_PONG, false, PL_STR(""));
	check_decodes("4hello", PL_EIO_MESSAGE, false, PL_STR("hello"));
	check_decodes("5", PL_EIO_UPGRADE, false, PL_STR(""));
	check_decodes("6", PL_EIO_NOOP, false, PL_STR(""));
}

static void
a_message_may_be_empty_and_may_be_any_text(void **state)
{
	(void)state;
	check_decodes("4", PL_EIO_MESSAGE, false, PL_STR(""));
	check_decodes("4€ 😀", PL_EIO_MESSAGE, false, PL_STR("€ 😀"));
	check_decodes("4bAQID", PL_EIO_MESSAGE, false, PL_STR("bAQID"));
}

/* § Packet encoding, HTTP long-polling: the example. */
static void
decodes_base64_after_b_as_a_binary_message(void **state)
{
	(void)state;
	check_decodes("bAQIDBA==", PL_EIO_MESSAGE, true, PL_STR("\1\2\3\4"));
	check_decodes("bAAA=", PL_EIO_MESSAGE, true, PL_STR("\0\0"));
	check_decodes("b", PL_EIO_MESSAGE, true, PL_STR(""));
}

static void
refuses_the_empty_packet_and_unknown_types(void **state)
{
	(void)state;
	check_refuses(PL_STR(""));
	check_refuses(PL_STR("7"));
	check_refuses(PL_STR("9hello"));
	check_refuses(PL_STR("/"));
	check_refuses(PL_STR("abc"));
	check_refuses(PL_STR("B"));
	check_refuses(PL_STR(" 4hello"));
	check_refuses(PL_STR("\0"));
	check_refuses(PL_STR("\xff"));
}

static void
refuses_base64_that_is_not_canonical(void **state)
{
	(void)state;
	check_refuses(PL_STR("bAQID="));
	check_refuses(PL_STR("bAQIDBA"));
	check_refuses(PL_STR("bAQ ID"));
	check_refuses(PL_STR("bAQIDBB=="));
	check_refuses(PL_STR("b*"));
}

static void
binary_beyond_the_limit_is_too_big(void **state)
{
	struct pl_eio_packet p;
	struct pl_buf bytes;

	(void)state;
	pl_buf_init(&bytes, 3);
	assert_int_equal(pl_eio_packet_decode(PL_STR("bAQID"), &bytes, &p), PL_OK);
	assert_int_equal(
	    pl_eio_packet_decode(PL_STR("bAQIDBA=="), &bytes, &p), PL_E_TOO_BIG);
	pl_buf_fini(&bytes);
}

static void
check_encodes(enum pl_eio_type type, struct pl_str data, const char *text)
{
	struct pl_ref *packet = pl_eio_packet_encode(type, data);

	assert_string_equal(packet->data, text);
	assert_int_equal(packet->len, strlen(text));
	pl_ref_drop(packet);
}

static void
encodes_the_type_digit_before_the_data(void **state)
{
	(void)state;
	check_encodes(PL_EIO_MESSAGE, PL_STR("hello"), "4hello");
	check_encodes(PL_EIO_PONG, PL_STR("probe"), "3probe");
	check_encodes(PL_EIO_PING, PL_STR_NONE, "2");
}

static void
check_splits(struct pl_str body, const char *const *packets, size_t count)
{
	struct pl_str rest = body, packet;

	for (size_t i = 0; i < count; i++) {
		assert_true(pl_eio_payload_next(&rest, &packet));
		assert_true(pl_str_eq(packet, pl_str(packets[i])));
	}
	assert_false(pl_eio_payload_next(&rest, &packet));
	assert_false(pl_eio_payload_next(&rest, &packet));
}

#define CHECK_SPLITS(body, ...)                                                          \
	check_splits(PL_STR(body), (const char *const[]){__VA_ARGS__},                   \
	    sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

/* § Packet encoding, HTTP long-polling: the first example, then what JavaScript's split()
 * makes of empty pieces. */
static void
splits_a_payload_at_each_record_separator(void **state)
{
	(void)state;
	CHECK_SPLITS("4hello\x1e"
		     "2\x1e"
		     "4world",
	    "4hello", "2", "4world");
	CHECK_SPLITS("4hello", "4hello");
	CHECK_SPLITS("", "");
	CHECK_SPLITS("4a\x1e", "4a", "");
	CHECK_SPLITS("\x1e\x1e", "", "", "");
}

static void
joins_packets_with_binary_in_base64(void **state)
{
	struct pl_buf body;

	(void)state;
	pl_buf_init(&body, 1000);
	pl_eio_payload_add(&body, PL_STR("4hello"), false);
	pl_eio_payload_add(&body, PL_STR("\1\2\3\4"), true);
	pl_eio_payload_add(&body, PL_STR("2"), false);
	assert_true(pl_str_eq(pl_buf_str(&body), PL_STR("4hello\x1e"
							"bAQIDBA==\x1e"
							"2")));
	pl_buf_fini(&body);
}

static void
a_payload_may_have_256_packets_and_no_more(void **state)
{
	char body[2 * (PL_EIO_PAYLOAD_PACKETS_MAX + 1)];
	size_t len = sizeof(body) - 1;

	(void)state;
	for (size_t i = 0; i < len; i++)
		body[i] = i % 2 ? PL_EIO_SEPARATOR : '6';
	assert_int_equal(pl_eio_payload_check(pl_str_n(body, len), 1000), PL_E_INVALID);
	assert_int_equal(pl_eio_payload_check(pl_str_n(body, len - 2), 1000), PL_OK);
}

static void
a_payload_may_have_max_bytes_and_no_more(void **state)
{
	(void)state;
	assert_int_equal(pl_eio_payload_check(PL_STR("4hello"), 6), PL_OK);
	assert_int_equal(pl_eio_payload_check(PL_STR("4hello!"), 6), PL_E_TOO_BIG);
}

static void
a_payload_must_be_utf8(void **state)
{
	(void)state;
	assert_int_equal(pl_eio_payload_check(PL_STR("4\xc3\xa9"), 10), PL_OK);
	assert_int_equal(pl_eio_payload_check(PL_STR("4\xc3"), 10), PL_E_INVALID);
	assert_int_equal(pl_eio_payload_check(PL_STR("4\xed\xa0\x80"), 10), PL_E_INVALID);
}

/* engine.io CVE-2020-36048: many tiny packets in one body made memory explode. */
static void
cve_2020_36048_a_million_separators_are_refused_unparsed(void **state)
{
	size_t len = 1000000;
	char *body = pl_mem_alloc(len);

	(void)state;
	memset(body, PL_EIO_SEPARATOR, len);
	assert_int_equal(pl_eio_payload_check(pl_str_n(body, len), len), PL_E_INVALID);
	pl_mem_free(body);
}

/* § Handshake: the example, and the upgrades of each transport. */
static void
the_open_packet_tells_sid_upgrades_and_settings(void **state)
{
	static const struct pl_eio_settings settings = PL_EIO_SETTINGS_DEFAULT;
	struct pl_ref *packet =
	    pl_eio_open_packet("lv_VI97HAXpY6yYWAAAC", &settings, false);

	(void)state;
	assert_string_equal(packet->data,
	    "0{\"sid\":\"lv_VI97HAXpY6yYWAAAC\",\"upgrades\":[\"websocket\"],"
	    "\"pingInterval\":25000,\"pingTimeout\":20000,\"maxPayload\":1000000}");
	pl_ref_drop(packet);
	packet = pl_eio_open_packet("a", &settings, true);
	assert_string_equal(packet->data,
	    "0{\"sid\":\"a\",\"upgrades\":[],\"pingInterval\":25000,"
	    "\"pingTimeout\":20000,\"maxPayload\":1000000}");
	pl_ref_drop(packet);
}

/* CVE-2017-16031 (predictable ids) is the class. */
static void
cve_2017_16031_a_sid_is_its_prefix_and_128_random_bits(void **state)
{
	char a[PL_EIO_SID_MAX + 1], b[PL_EIO_SID_MAX + 1];

	(void)state;
	pl_eio_sid_new("p1", a);
	pl_eio_sid_new("p1", b);
	assert_int_equal(strlen(a), 2 + 22);
	assert_int_equal(strlen(b), 2 + 22);
	assert_memory_equal(a, "p1", 2);
	assert_string_not_equal(a, b);
	assert_int_equal(strspn(a, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				   "0123456789-_"),
	    24);
}

static void
the_queue_keeps_the_order_through_growth_and_wrapping(void **state)
{
	struct pl_eio_queue q = {0};
	struct pl_eio_item item;
	int64_t pushed = 0, popped = 0;

	(void)state;
	for (int round = 0; round < 40; round++) {
		for (int i = 0; i < 3; i++) {
			item = (struct pl_eio_item){pl_ref_new("ab", 2), pushed++, false};
			pl_eio_queue_push(&q, item);
		}
		for (int i = 0; i < 2; i++) {
			for (uint32_t at = 0; at < q.count; at++)
				assert_int_equal(
				    pl_eio_queue_at(&q, at)->queued_mono_ms, popped + at);
			assert_null(pl_eio_queue_at(&q, q.count));
			assert_true(pl_eio_queue_pop(&q, &item));
			assert_int_equal(item.queued_mono_ms, popped++);
			pl_ref_drop(item.packet);
		}
		assert_int_equal(q.bytes, q.count * (2 + PL_EIO_QUEUE_ITEM_COST));
	}
	pl_eio_queue_clear(&q);
	assert_null(q.items);
	assert_int_equal(q.bytes, 0);
	assert_null(pl_eio_queue_at(&q, 0));
	assert_false(pl_eio_queue_pop(&q, &item));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(decodes_each_of_the_seven_types),
	    cmocka_unit_test(a_message_may_be_empty_and_may_be_any_text),
	    cmocka_unit_test(decodes_base64_after_b_as_a_binary_message),
	    cmocka_unit_test(refuses_the_empty_packet_and_unknown_types),
	    cmocka_unit_test(refuses_base64_that_is_not_canonical),
	    cmocka_unit_test(binary_beyond_the_limit_is_too_big),
	    cmocka_unit_test(encodes_the_type_digit_before_the_data),
	    cmocka_unit_test(splits_a_payload_at_each_record_separator),
	    cmocka_unit_test(joins_packets_with_binary_in_base64),
	    cmocka_unit_test(a_payload_may_have_256_packets_and_no_more),
	    cmocka_unit_test(a_payload_may_have_max_bytes_and_no_more),
	    cmocka_unit_test(a_payload_must_be_utf8),
	    cmocka_unit_test(cve_2020_36048_a_million_separators_are_refused_unparsed),
	    cmocka_unit_test(the_open_packet_tells_sid_upgrades_and_settings),
	    cmocka_unit_test(cve_2017_16031_a_sid_is_its_prefix_and_128_random_bits),
	    cmocka_unit_test(the_queue_keeps_the_order_through_growth_and_wrapping),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
