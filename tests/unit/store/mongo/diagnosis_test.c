/* What is wrong with one document, and what would be right. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "store/mongo/diagnosis.h"

#define A   "{\"$oid\": \"65a000000000000000000001\"}"
#define DAY "{\"$date\": \"2024-01-31T12:00:00.123Z\"}"
#define MS  INT64_C(1706702400123)

static bson_t *
parse(const char *json)
{
	bson_error_t error;
	bson_t *doc = bson_new_from_json((const uint8_t *)json, -1, &error);

	if (doc == NULL)
		fail_msg("%s: %s", json, error.message);
	return doc;
}

/* The message that is right but for the field, which has value. */
static bson_t *
message_with(const char *field, const char *value)
{
	static const char *const right[][2] = {{"_id", A}, {"senderId", A},
	    {"receiverId", A}, {"message", "\"hi\""}, {"createdAt", DAY}};
	struct pl_buf json;
	bson_t *doc;

	pl_buf_init(&json, PL_BUF_UNLIMITED);
	(void)pl_buf_add_cstr(&json, "{\"x\": 1");
	for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++)
		if (strcmp(right[i][0], field) != 0)
			(void)pl_buf_printf(
			    &json, ", \"%s\": %s", right[i][0], right[i][1]);
	if (value != NULL)
		(void)pl_buf_printf(&json, ", \"%s\": %s", field, value);
	(void)pl_buf_add_cstr(&json, "}");
	doc = parse(json.data);
	pl_buf_fini(&json);
	return doc;
}

/* createdAt of the mended document; -1: it is left. */
static int64_t
time_for(const char *value)
{
	bson_t *doc = message_with("createdAt", value), mended = BSON_INITIALIZER;
	struct pl_diagnosis s;
	int64_t ms = -1;

	assert_true(pl_diagnosis_make(doc, PL_ADOPT_MESSAGES, &s));
	assert_false(s.is_served);
	if (s.is_mendable) {
		pl_diagnosis_mend(&s, doc, &mended);
		assert_true(pl_mongo_get_time(&mended, "createdAt", &ms));
		assert_true(bson_has_field(&mended, "x"));
	}
	pl_diagnosis_fini(&s);
	bson_destroy(&mended);
	bson_destroy(doc);
	return ms;
}

static void
reads_times_that_can_mean_one_moment_only(void **state)
{
	(void)state;
	assert_int_equal(time_for(NULL), INT64_C(0x65a00000) * 1000);
	assert_int_equal(time_for("null"), INT64_C(0x65a00000) * 1000);
	assert_int_equal(time_for("\"\""), INT64_C(0x65a00000) * 1000);
	assert_int_equal(time_for("\"2024-01-31T12:00:00.123Z\""), MS);
	assert_int_equal(time_for("1706702400123"), MS);
	assert_int_equal(time_for("1706702400123.9"), MS);
	assert_int_equal(time_for("{\"$numberDecimal\": \"1706702400123\"}"), MS);
	assert_int_equal(time_for("{\"$numberDecimal\": \"1.706702400123E+12\"}"), MS);
	assert_int_equal(time_for("\"1706702400123\""), MS);
	assert_int_equal(time_for("1706702400"), MS - 123);
	assert_int_equal(time_for("1706702400.123"), MS);
	assert_int_equal(
	    time_for("{\"$timestamp\": {\"t\": 1706702400, \"i\": 1}}"), MS - 123);
	assert_int_equal(time_for("946684800000"), INT64_C(946684800000));
	assert_int_equal(time_for("4102444799999"), INT64_C(4102444799999));
}

static void
guesses_no_time(void **state)
{
	static const char *const values[] = {"\"yesterday\"", "0", "17", "-1706702400123",
	    "946684799", "4102444800", "946684799999", "4102444800000",
	    "{\"$numberDouble\": \"NaN\"}", "{\"$numberDouble\": \"Infinity\"}",
	    "{\"$numberDecimal\": \"NaN\"}", "true", "{}", "[" DAY "]", A,
	    "{\"$timestamp\": {\"t\": 0, \"i\": 0}}", "\"2024-01-31T12:00:00\""};

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		if (time_for(values[i]) != -1)
			fail_msg("%s", values[i]);
}

/* What a user of this username is called then; NULL: he is left. */
static const char *
name_for(const char *value)
{
	static char name[64];
	char json[256];
	struct pl_diagnosis s;
	struct pl_str text;
	bson_t *doc;
	bool is_mended;

	snprintf(json, sizeof(json), "{\"_id\": " A ", \"username\": %s}", value);
	doc = parse(json);
	assert_true(pl_diagnosis_make(doc, PL_ADOPT_USERS, &s));
	is_mended = s.is_mendable;
	if (is_mended) {
		assert_true(pl_mongo_get_str(&s.set, "username", &text));
		snprintf(name, sizeof(name), "%.*s", (int)text.len, text.ptr);
	}
	pl_diagnosis_fini(&s);
	bson_destroy(doc);
	return is_mended ? name : NULL;
}

static void
writes_numbers_as_people_do(void **state)
{
	(void)state;
	assert_string_equal(name_for("12"), "12");
	assert_string_equal(name_for("-3"), "-3");
	assert_string_equal(name_for("{\"$numberLong\": \"9223372036854775807\"}"),
	    "9223372036854775807");
	assert_string_equal(name_for("{\"$numberDouble\": \"12.0\"}"), "12");
	assert_string_equal(name_for("{\"$numberDouble\": \"-0.0\"}"), "0");
	assert_string_equal(name_for("0.1"), "0.1");
	assert_string_equal(name_for("1234567.125"), "1234567.125");
	assert_string_equal(name_for("{\"$numberDecimal\": \"0012\"}"), "12");
	assert_null(name_for("1e300"));
	assert_null(name_for("1e-9"));
	assert_null(name_for("{\"$numberDouble\": \"NaN\"}"));
	assert_null(name_for("{\"$numberDecimal\": \"1E+40\"}"));
	assert_null(name_for("null"));
	assert_null(name_for("[\"ann\"]"));
	assert_null(name_for("true"));
}

static void
takes_ids_of_24_digits_and_no_others(void **state)
{
	static const char *const fields[] = {"_id", "senderId", "receiverId"};
	static const char *const bad[] = {"\"ann\"", "\"65a00000000000000000000\"",
	    "\"65a0000000000000000000011\"", "\"65a00000000000000000000g\"", "7", "null",
	    "[" A "]", "{\"_id\": " A "}"};

	(void)state;
	for (size_t f = 0; f < 3; f++)
		for (size_t i = 0; i <= sizeof(bad) / sizeof(bad[0]); i++) {
			bool is_good = i == sizeof(bad) / sizeof(bad[0]);
			bson_t *doc = message_with(
			    fields[f], is_good ? "\"65A000000000000000000ABC\"" : bad[i]);
			struct pl_diagnosis s;

			assert_true(pl_diagnosis_make(doc, PL_ADOPT_MESSAGES, &s));
			assert_int_equal(s.is_mendable, is_good);
			assert_false(s.is_served);
			pl_diagnosis_fini(&s);
			bson_destroy(doc);
		}
}

static void
finds_nothing_wrong_with_what_is_served(void **state)
{
	static const char *const values[] = {"\"hi\"", "\"\""};
	struct pl_diagnosis s;
	bson_t *doc;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		doc = message_with("message", values[i]);
		assert_false(pl_diagnosis_make(doc, PL_ADOPT_MESSAGES, &s));
		bson_destroy(doc);
	}
	doc = parse("{\"_id\": " A ", \"username\": \"ann\", \"createdAt\": \"once\"}");
	assert_false(pl_diagnosis_make(doc, PL_ADOPT_USERS, &s));
	bson_destroy(doc);
	doc = parse(
	    "{\"_id\": " A ", \"username\": \"ann\", \"createdAt\": 1706702400123}");
	assert_true(pl_diagnosis_make(doc, PL_ADOPT_USERS, &s));
	assert_true(s.is_served && s.is_mendable);
	pl_diagnosis_fini(&s);
	bson_destroy(doc);
}

static void
shows_any_id_in_one_line(void **state)
{
	static const char *const cases[][2] = {
	    {"{\"_id\": " A "}", "65a000000000000000000001"},
	    {"{\"_id\": \"ann\"}", "\"ann\""},
	    {"{\"_id\": \"a\\nb\"}", "\"a\\nb\""},
	    {"{\"_id\": \"a\\u202eb\"}", "(not printable)"},
	    {"{\"_id\": 7}", "7"},
	    {"{\"_id\": {\"a\": 1}}", "{ \"a\" : 1 }"},
	    {"{}", "(none)"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bson_t *doc = parse(cases[i][0]);
		struct pl_buf out;

		pl_buf_init(&out, PL_BUF_UNLIMITED);
		pl_diagnosis_show_id(doc, &out);
		assert_string_equal(out.data, cases[i][1]);
		pl_buf_fini(&out);
		bson_destroy(doc);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_times_that_can_mean_one_moment_only),
	    cmocka_unit_test(guesses_no_time),
	    cmocka_unit_test(writes_numbers_as_people_do),
	    cmocka_unit_test(takes_ids_of_24_digits_and_no_others),
	    cmocka_unit_test(finds_nothing_wrong_with_what_is_served),
	    cmocka_unit_test(shows_any_id_in_one_line),
	};

	return cmocka_run_group_tests_name("mongo_diagnosis", tests, NULL, NULL);
}
