#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "model/message.h"

static struct pl_message
sample(void)
{
	struct pl_oid a, b;
	struct pl_message m;

	assert_true(pl_oid_parse(PL_STR("65a1b2c3d4e5f60718293a4b"), &a));
	assert_true(pl_oid_parse(PL_STR("65a1b2c3d4e5f60718293a4c"), &b));
	pl_message_init(&m, &a, &b, PL_STR(" hi \"\xC3\xA9\" "), 1769862896789);
	assert_true(pl_oid_parse(PL_STR("65a1b2c3d4e5f60718293a4d"), &m.id));
	return m;
}

static void
assert_json(const struct pl_message *m, const char *expected)
{
	struct pl_json_out o;
	struct pl_buf b;

	pl_buf_init(&b, 4096);
	pl_jo_init(&o, &b);
	pl_message_write(&o, m);
	assert_string_equal(b.data, expected);
	pl_buf_fini(&b);
}

#define JSON_START                                                                       \
	"{\"senderId\":\"65a1b2c3d4e5f60718293a4b\","                                    \
	"\"receiverId\":\"65a1b2c3d4e5f60718293a4c\",\"message\":\" hi "                 \
	"\\\"\xC3\xA9\\\" \","                                                           \
	"\"_id\":\"65a1b2c3d4e5f60718293a4d\",\"createdAt\":\"2026-01-31T12:34:56."      \
	"789Z\","                                                                        \
	"\"updatedAt\":\"2026-01-31T12:34:56.789Z\",\"__v\":0"

static void
writes_the_contracts_json(void **state)
{
	struct pl_message m = sample();

	(void)state;
	assert_json(&m, JSON_START "}");
	m.reply_kind = PL_REPLY_FALLBACK;
	m.in_reply_to = m.sender;
	assert_json(&m, JSON_START ",\"autoReply\":{\"kind\":\"fallback\","
				   "\"inReplyTo\":\"65a1b2c3d4e5f60718293a4b\"}}");
	m.reply_kind = PL_REPLY_NONE;
	m.edited_unix_ms = 1769862896790;
	assert_json(&m, JSON_START ",\"editedAt\":\"2026-01-31T12:34:56.790Z\"}");
	m.deleted_unix_ms = 1769862896791;
	assert_json(&m, JSON_START ",\"editedAt\":\"2026-01-31T12:34:56.790Z\","
				   "\"deletedAt\":\"2026-01-31T12:34:56.791Z\"}");
	assert_int_equal(pl_message_changed(&m), m.deleted_unix_ms);
	pl_message_fini(&m);
	assert_null(m.text);
	pl_message_fini(NULL);
}

static void
names_the_kinds_of_replies(void **state)
{
	enum pl_reply_kind kind;

	(void)state;
	assert_null(pl_reply_kind_name(PL_REPLY_NONE));
	for (int k = PL_REPLY_LLM; k <= PL_REPLY_FALLBACK; k++) {
		assert_true(pl_reply_kind_parse(
		    pl_str(pl_reply_kind_name((enum pl_reply_kind)k)), &kind));
		assert_int_equal(kind, k);
	}
	assert_false(pl_reply_kind_parse(PL_STR("LLM"), &kind));
}

static enum pl_err
try_parse(const char *json, struct pl_invalid *why)
{
	struct pl_json *body = NULL;
	struct pl_str text;
	enum pl_err err;

	assert_int_equal(pl_json_parse(pl_str(json), &body, NULL), PL_OK);
	err = pl_message_parse(body, 10, &text, why);
	pl_json_free(body);
	return err;
}

static void
takes_text_within_its_bounds(void **state)
{
	struct pl_invalid why;

	(void)state;
	assert_int_equal(try_parse("{\"message\":\" a \"}", &why), PL_OK);
	assert_int_equal(try_parse("{\"message\":\"1234567890\"}", &why), PL_OK);
	assert_int_equal(try_parse("{\"message\":\"12345678901\"}", &why), PL_E_INVALID);
	assert_string_equal(why.text, "message must be 1 to 10 bytes of UTF-8 long");
	assert_int_equal(try_parse("{\"message\":\"\"}", &why), PL_E_INVALID);
	assert_int_equal(
	    try_parse("{\"message\":\" \\n\\t\\u3000\"}", &why), PL_E_INVALID);
	assert_string_equal(
	    why.text, "message must not be only white space or invisible characters");
	assert_int_equal(
	    try_parse("{\"message\":\"\\u200b\\u3164\\u2800\"}", &why), PL_E_INVALID);
	assert_int_equal(try_parse("{\"message\":\"\\u202e\"}", &why), PL_E_INVALID);
	assert_int_equal(
	    try_parse("{\"message\":\"\\udb40\\udd00\"}", &why), PL_E_INVALID);
	assert_int_equal(try_parse("{\"message\":\"\\u200f\\u202e.\"}", &why), PL_OK);
	assert_int_equal(try_parse("{\"message\":\"\\u2764\\ufe0f\"}", &why), PL_OK);
	assert_int_equal(try_parse("{\"message\":{\"$gt\":\"\"}}", &why), PL_E_INVALID);
	assert_int_equal(try_parse("{}", &why), PL_E_INVALID);
	assert_string_equal(why.text, "message must be a string");
	assert_int_equal(try_parse("[1]", &why), PL_E_INVALID);
}

static void
keeps_a_place_through_its_text(void **state)
{
	static const int64_t times[] = {0, 1, 9, 16, 1769862896789, INT64_MAX};

	(void)state;
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		struct pl_message_pos pos = {.created_unix_ms = times[i]}, back;
		char text[PL_MESSAGE_POS_LEN + 1];

		pl_oid_new(&pos.id);
		pl_message_pos_format(&pos, text);
		assert_true(pl_message_pos_parse(pl_str(text), &back));
		assert_int_equal(back.created_unix_ms, pos.created_unix_ms);
		assert_true(pl_oid_eq(&back.id, &pos.id));
	}
}

static void
writes_a_place_in_lower_hex_without_zeros_ahead(void **state)
{
	static const struct {
		int64_t time;
		const char *text;
	} places[] = {
	    {0, "0-65a1b2c3d4e5f60718293a4b"},
	    {15, "f-65a1b2c3d4e5f60718293a4b"},
	    {16, "10-65a1b2c3d4e5f60718293a4b"},
	    {1769862896789, "19c140c9c95-65a1b2c3d4e5f60718293a4b"},
	    {INT64_MAX, "7fffffffffffffff-65a1b2c3d4e5f60718293a4b"},
	    {INT64_MIN, "8000000000000000-65a1b2c3d4e5f60718293a4b"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		struct pl_message_pos pos = {.created_unix_ms = places[i].time};
		char text[PL_MESSAGE_POS_LEN + 1];

		assert_true(pl_oid_parse(PL_STR("65a1b2c3d4e5f60718293a4b"), &pos.id));
		pl_message_pos_format(&pos, text);
		assert_string_equal(text, places[i].text);
	}
}

static void
refuses_any_other_text_as_a_place(void **state)
{
	static const char *const texts[] = {"", "-", "1-", "-65a1b2c3d4e5f60718293a4b",
	    "65a1b2c3d4e5f60718293a4b", "g-65a1b2c3d4e5f60718293a4b",
	    "01-65a1b2c3d4e5f60718293a4b", "A-65a1b2c3d4e5f60718293a4b",
	    "1-65A1b2c3d4e5f60718293a4b", "1-65a1b2c3d4e5f60718293a4g",
	    "1_65a1b2c3d4e5f60718293a4b", "1-65a1b2c3d4e5f60718293a4",
	    "--1-65a1b2c3d4e5f6071829", "8000000000000000-65a1b2c3d4e5f60718293a4b",
	    "10000000000000000-65a1b2c3d4e5f60718293a4b", "1-65a1b2c3d4e5f60718293a4b ",
	    "../../../../../../etc/passwd........"};
	struct pl_message_pos pos;

	(void)state;
	assert_true(pl_message_pos_parse(PL_STR("1-65a1b2c3d4e5f60718293a4b"), &pos));
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_false(pl_message_pos_parse(pl_str(texts[i]), &pos));
	assert_false(pl_message_pos_parse(PL_STR_NONE, &pos));
	assert_false(pl_message_pos_parse(PL_STR("1\0-65a1b2c3d4e5f60718293a4b"), &pos));
}

static void
compares_places(void **state)
{
	static const char *const in_order[] = {"1-65a1b2c3d4e5f60718293a4b",
	    "1-65a1b2c3d4e5f60718293a4c", "2-000000000000000000000000",
	    "10-000000000000000000000000"};
	struct pl_message_pos a, b;

	(void)state;
	for (int i = 0; i < 4; i++) {
		for (int k = 0; k < 4; k++) {
			int sign = (i > k) - (i < k), found;

			assert_true(pl_message_pos_parse(pl_str(in_order[i]), &a));
			assert_true(pl_message_pos_parse(pl_str(in_order[k]), &b));
			found = pl_message_pos_compare(&a, &b);
			assert_int_equal((found > 0) - (found < 0), sign);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(writes_the_contracts_json),
	    cmocka_unit_test(names_the_kinds_of_replies),
	    cmocka_unit_test(takes_text_within_its_bounds),
	    cmocka_unit_test(keeps_a_place_through_its_text),
	    cmocka_unit_test(writes_a_place_in_lower_hex_without_zeros_ahead),
	    cmocka_unit_test(refuses_any_other_text_as_a_place),
	    cmocka_unit_test(compares_places),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
