/* RFC 6455 §5 and §7.4 in literal bytes. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "proto/ws_frame.h"

#define BYTES(literal) (const uint8_t *)(literal), sizeof(literal) - 1

static enum pl_ws_verdict
parse(enum pl_ws_role role, const uint8_t *data, size_t len)
{
	struct pl_ws_header h;

	return pl_ws_header_parse(role, data, len, &h);
}

/* The header is found with all its bytes, and with each fewer there is MORE to come. */
static struct pl_ws_header
parse_good(enum pl_ws_role role, const uint8_t *data, size_t len)
{
	struct pl_ws_header h = {0};

	for (size_t n = 0; n < len; n++)
		assert_int_equal(parse(role, data, n), PL_WS_MORE);
	assert_int_equal(pl_ws_header_parse(role, data, len, &h), PL_WS_FINE);
	assert_int_equal(h.size, len);
	return h;
}

static void
reads_the_headers_of_the_rfc(void **state)
{
	struct pl_ws_header h;

	(void)state;
	h = parse_good(PL_WS_CLIENT, BYTES("\x81\x05")); /* §5.7: unmasked "Hello" */
	assert_true(h.fin && !h.masked && h.opcode == PL_WS_TEXT && h.len == 5);
	h = parse_good(PL_WS_SERVER, BYTES("\x81\x85\x37\xfa\x21\x3d")); /* masked */
	assert_true(h.fin && h.masked && h.opcode == PL_WS_TEXT && h.len == 5);
	assert_memory_equal(h.mask, "\x37\xfa\x21\x3d", 4);
	h = parse_good(PL_WS_CLIENT, BYTES("\x01\x03")); /* "Hel", then "lo" */
	assert_true(!h.fin && h.opcode == PL_WS_TEXT && h.len == 3);
	h = parse_good(PL_WS_CLIENT, BYTES("\x80\x02"));
	assert_true(h.fin && h.opcode == PL_WS_CONTINUATION && h.len == 2);
	h = parse_good(PL_WS_CLIENT, BYTES("\x89\x05"));
	assert_true(h.fin && h.opcode == PL_WS_PING && h.len == 5);
	h = parse_good(PL_WS_SERVER, BYTES("\x8a\x85\x37\xfa\x21\x3d"));
	assert_true(h.fin && h.opcode == PL_WS_PONG && h.len == 5);
	h = parse_good(PL_WS_CLIENT, BYTES("\x82\x7e\x01\x00"));
	assert_true(h.opcode == PL_WS_BINARY && h.len == 256);
	h = parse_good(PL_WS_CLIENT, BYTES("\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00"));
	assert_true(h.opcode == PL_WS_BINARY && h.len == 65536);
}

static void
rejects_each_reserved_bit_in_the_first_byte(void **state) /* §5.2 */
{
	(void)state;
	assert_int_equal(parse(PL_WS_SERVER, BYTES("\xc1")), PL_WS_BAD_RSV);
	assert_int_equal(parse(PL_WS_SERVER, BYTES("\xa1")), PL_WS_BAD_RSV);
	assert_int_equal(parse(PL_WS_SERVER, BYTES("\x91")), PL_WS_BAD_RSV);
	assert_int_equal(parse(PL_WS_SERVER, BYTES("\x41")), PL_WS_BAD_RSV);
	assert_int_equal(parse(PL_WS_CLIENT, BYTES("\xf9")), PL_WS_BAD_RSV);
}

static void
rejects_each_reserved_opcode_in_the_first_byte(void **state) /* §5.2 */
{
	(void)state;
	for (unsigned opcode = 0; opcode < 16; opcode++) {
		uint8_t byte = (uint8_t)(0x80 | opcode);
		bool known = opcode <= 2 || (opcode >= 8 && opcode <= 10);

		assert_int_equal(
		    parse(PL_WS_SERVER, &byte, 1), known ? PL_WS_MORE : PL_WS_BAD_OPCODE);
	}
}

static void
rejects_fragmented_control_frames(void **state) /* §5.5 */
{
	(void)state;
	assert_int_equal(parse(PL_WS_SERVER, BYTES("\x08")), PL_WS_BAD_CONTROL);
	assert_int_equal(parse(PL_WS_SERVER, BYTES("\x09")), PL_WS_BAD_CONTROL);
	assert_int_equal(parse(PL_WS_SERVER, BYTES("\x0a")), PL_WS_BAD_CONTROL);
}

static void
rejects_control_frames_over_125_bytes(void **state) /* §5.5 */
{
	(void)state;
	assert_int_equal(parse(PL_WS_SERVER, BYTES("\x89\xfd")), PL_WS_MORE);
	assert_int_equal(parse(PL_WS_SERVER, BYTES("\x89\xfe")), PL_WS_BAD_CONTROL);
	assert_int_equal(parse(PL_WS_SERVER, BYTES("\x88\xff")), PL_WS_BAD_CONTROL);
	assert_int_equal(parse(PL_WS_CLIENT, BYTES("\x8a\x7e")), PL_WS_BAD_CONTROL);
}

static void
a_client_must_mask_and_a_server_must_not(void **state) /* §5.1 */
{
	(void)state;
	assert_int_equal(parse(PL_WS_SERVER, BYTES("\x81\x00")), PL_WS_BAD_MASK);
	assert_int_equal(parse(PL_WS_CLIENT, BYTES("\x81\x80")), PL_WS_BAD_MASK);
	assert_int_equal(parse(PL_WS_CLIENT, BYTES("\x81\x00")), PL_WS_FINE);
}

static void
rejects_lengths_that_are_not_the_shortest(void **state) /* §5.2 */
{
	(void)state;
	assert_int_equal(
	    parse(PL_WS_CLIENT, BYTES("\x82\x7e\x00\x00")), PL_WS_BAD_LENGTH);
	assert_int_equal(
	    parse(PL_WS_CLIENT, BYTES("\x82\x7e\x00\x7d")), PL_WS_BAD_LENGTH);
	assert_int_equal(parse(PL_WS_CLIENT, BYTES("\x82\x7e\x00\x7e")), PL_WS_FINE);
	assert_int_equal(
	    parse(PL_WS_CLIENT, BYTES("\x82\x7f\0\0\0\0\0\0\0\x05")), PL_WS_BAD_LENGTH);
	assert_int_equal(
	    parse(PL_WS_CLIENT, BYTES("\x82\x7f\0\0\0\0\0\0\xff\xff")), PL_WS_BAD_LENGTH);
	assert_int_equal(
	    parse(PL_WS_CLIENT, BYTES("\x82\x7f\0\0\0\0\0\x01\0\0")), PL_WS_FINE);
}

static void
rejects_a_length_whose_top_bit_is_set_at_once(void **state) /* §5.2 */
{
	(void)state;
	assert_int_equal(parse(PL_WS_CLIENT, BYTES("\x82\x7f\x80")), PL_WS_BAD_LENGTH);
	assert_int_equal(
	    parse(PL_WS_CLIENT, BYTES("\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff")),
	    PL_WS_BAD_LENGTH);
	assert_int_equal(
	    parse(PL_WS_CLIENT, BYTES("\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff")),
	    PL_WS_FINE);
}

static void
what_is_encoded_reads_back_the_same(void **state)
{
	static const uint64_t lengths[] = {
	    0, 1, 125, 126, 127, 65535, 65536, 1000000, UINT32_MAX, INT64_MAX};
	static const uint8_t mask[] = {1, 2, 3, 4};
	uint8_t bytes[PL_WS_HEADER_MAX];
	struct pl_ws_header h;
	size_t size;

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		size = pl_ws_header_encode(bytes, PL_WS_BINARY, true, lengths[i], NULL);
		h = parse_good(PL_WS_CLIENT, bytes, size);
		assert_true(h.fin && h.opcode == PL_WS_BINARY && h.len == lengths[i]);
		size = pl_ws_header_encode(bytes, PL_WS_TEXT, false, lengths[i], mask);
		h = parse_good(PL_WS_SERVER, bytes, size);
		assert_true(!h.fin && h.opcode == PL_WS_TEXT && h.len == lengths[i]);
		assert_memory_equal(h.mask, mask, sizeof(mask));
	}
}

static void
encodes_the_frames_of_the_rfc(void **state) /* §5.7 */
{
	static const uint8_t mask[] = {0x37, 0xfa, 0x21, 0x3d};
	struct pl_buf out;

	(void)state;
	pl_buf_init(&out, 18);
	assert_int_equal(
	    pl_ws_frame_encode(&out, PL_WS_TEXT, PL_STR("Hello"), NULL), PL_OK);
	assert_int_equal(
	    pl_ws_frame_encode(&out, PL_WS_TEXT, PL_STR("Hello"), mask), PL_OK);
	assert_int_equal(out.len, 18);
	assert_memory_equal(
	    out.data, "\x81\x05Hello\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", 18);
	assert_int_equal(
	    pl_ws_frame_encode(&out, PL_WS_PING, PL_STR_NONE, NULL), PL_E_TOO_BIG);
	assert_int_equal(out.len, 18);
	pl_buf_fini(&out);
}

static void
masks_at_every_length_offset_and_alignment(void **state) /* §5.3 */
{
	static const uint8_t mask[] = {0x11, 0x22, 0x44, 0x88};
	uint8_t bytes[64];

	(void)state;
	for (size_t len = 0; len <= 40; len++)
		for (size_t at = 0; at < 8; at++)
			for (uint64_t offset = 0; offset < 9; offset++) {
				memset(bytes, 0xA5, sizeof(bytes));
				pl_ws_mask(bytes + at, len, mask, offset);
				for (size_t i = 0; i < sizeof(bytes); i++) {
					bool in = i >= at && i < at + len;
					uint8_t key = mask[(i - at + offset) % 4];

					assert_int_equal(bytes[i], 0xA5 ^ (in ? key : 0));
				}
			}
}

static bool
close_code_is_taken(unsigned code)
{
	char body[2] = {(char)(code >> 8), (char)code};
	struct pl_str reason;
	uint16_t got;

	if (pl_ws_close_parse(pl_str_n(body, 2), &got, &reason) != PL_WS_FINE)
		return false;
	assert_int_equal(got, code);
	return true;
}

static void
knows_which_close_codes_may_be_sent(void **state) /* §7.4 */
{
	static const uint16_t good[] = {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010,
	    1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999};
	static const uint16_t bad[] = {
	    0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(close_code_is_taken(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(close_code_is_taken(bad[i]));
}

static void
takes_a_close_body_apart(void **state) /* §5.5.1 */
{
	struct pl_str reason;
	uint16_t code;

	(void)state;
	assert_int_equal(pl_ws_close_parse(PL_STR(""), &code, &reason), PL_WS_FINE);
	assert_int_equal(code, PL_WS_CODE_NONE);
	assert_int_equal(reason.len, 0);
	assert_int_equal(
	    pl_ws_close_parse(PL_STR("\x03\xe8"), &code, &reason), PL_WS_FINE);
	assert_int_equal(code, 1000);
	assert_int_equal(pl_ws_close_parse(PL_STR("\x0f\xa0"
						  "b\xc3\xbf"),
			     &code, &reason),
	    PL_WS_FINE);
	assert_int_equal(code, 4000);
	assert_true(pl_str_eq(reason, PL_STR("b\xc3\xbf")));
}

static void
refuses_bad_close_bodies(void **state) /* §5.5.1, §7.4.1 */
{
	struct pl_str reason;
	uint16_t code = 7;

	(void)state;
	assert_int_equal(
	    pl_ws_close_parse(PL_STR("\x03"), &code, &reason), PL_WS_BAD_CLOSE);
	assert_int_equal(
	    pl_ws_close_parse(PL_STR("\x03\xed"), &code, &reason), PL_WS_BAD_CLOSE);
	assert_int_equal(
	    pl_ws_close_parse(PL_STR("\x03\xe8\xc3"), &code, &reason), PL_WS_BAD_UTF8);
	assert_int_equal(code, 7);
}

static void
cuts_a_long_close_reason_between_characters(void **state)
{
	uint8_t out[PL_WS_CONTROL_MAX];
	char reason[130];

	(void)state;
	assert_int_equal(pl_ws_close_encode(out, 1001, PL_STR("bye")), 5);
	assert_memory_equal(out,
	    "\x03\xe9"
	    "bye",
	    5);
	assert_int_equal(pl_ws_close_encode(out, PL_WS_CODE_NONE, PL_STR_NONE), 0);
	memset(reason, 'x', sizeof(reason));
	assert_int_equal(
	    pl_ws_close_encode(out, 1000, pl_str_n(reason, sizeof(reason))), 125);
	memcpy(reason + 121, "\xe2\x82\xac", 3); /* a euro sign across the limit */
	assert_int_equal(
	    pl_ws_close_encode(out, 1000, pl_str_n(reason, sizeof(reason))), 2 + 121);
	memcpy(reason + 120, "\xe2\x82\xac", 3); /* and one that just fits */
	assert_int_equal(pl_ws_close_encode(out, 1000, pl_str_n(reason, 123)), 125);
}

static void
each_fault_has_its_close_code(void **state) /* §7.4.1 */
{
	(void)state;
	for (int v = PL_WS_FINE; v <= PL_WS_BAD_CONTROL_RATE; v++)
		assert_true(strlen(pl_ws_verdict_text((enum pl_ws_verdict)v)) > 0);
	for (int v = PL_WS_BAD_RSV; v <= PL_WS_BAD_CLOSE; v++)
		assert_int_equal(pl_ws_verdict_code((enum pl_ws_verdict)v), 1002);
	assert_int_equal(pl_ws_verdict_code(PL_WS_BAD_UTF8), 1007);
	assert_int_equal(pl_ws_verdict_code(PL_WS_BAD_SIZE), 1009);
	assert_int_equal(pl_ws_verdict_code(PL_WS_BAD_FRAGMENTS), 1008);
	assert_int_equal(pl_ws_verdict_code(PL_WS_BAD_CONTROL_RATE), 1008);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_the_headers_of_the_rfc),
	    cmocka_unit_test(rejects_each_reserved_bit_in_the_first_byte),
	    cmocka_unit_test(rejects_each_reserved_opcode_in_the_first_byte),
	    cmocka_unit_test(rejects_fragmented_control_frames),
	    cmocka_unit_test(rejects_control_frames_over_125_bytes),
	    cmocka_unit_test(a_client_must_mask_and_a_server_must_not),
	    cmocka_unit_test(rejects_lengths_that_are_not_the_shortest),
	    cmocka_unit_test(rejects_a_length_whose_top_bit_is_set_at_once),
	    cmocka_unit_test(what_is_encoded_reads_back_the_same),
	    cmocka_unit_test(encodes_the_frames_of_the_rfc),
	    cmocka_unit_test(masks_at_every_length_offset_and_alignment),
	    cmocka_unit_test(knows_which_close_codes_may_be_sent),
	    cmocka_unit_test(takes_a_close_body_apart),
	    cmocka_unit_test(refuses_bad_close_bodies),
	    cmocka_unit_test(cuts_a_long_close_reason_between_characters),
	    cmocka_unit_test(each_fault_has_its_close_code),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
