#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "support/json_write.h"

static struct pl_json *
parse(const char *text)
{
	struct pl_json *root = NULL;
	const char *why = NULL;

	if (pl_json_parse(pl_str(text), &root, &why) != PL_OK)
		fail_msg("%s: %s", text, why);
	assert_null(why);
	return root;
}

static void
check_refused(struct pl_str text, const char *reason)
{
	struct pl_json *root = (struct pl_json *)&text;
	const char *why = "";

	assert_int_equal(pl_json_parse(text, &root, &why), PL_E_INVALID);
	assert_string_equal(why, reason);
	assert_ptr_equal(root, &text);
	assert_int_equal(pl_json_parse(text, &root, NULL), PL_E_INVALID);
}

static void
reads_every_type(void **state)
{
	struct pl_json *o =
	    parse(" {\"n\":null,\"t\":true,\"f\":false,\"i\":-42,\"r\":1.5,"
		  "\"s\":\"a\\u00e4\\ud83d\\ude00\\n\",\"a\":[1,2],\"o\":{}}\r\n");
	struct pl_str s;
	int64_t i;
	double r;
	bool b;

	(void)state;
	assert_int_equal(pl_json_type(o), PL_JSON_OBJECT);
	assert_int_equal(pl_json_length(o), 8);
	assert_int_equal(pl_json_type(pl_json_get(o, "n")), PL_JSON_NULL);
	assert_true(pl_json_bool(pl_json_get(o, "t"), &b) && b);
	assert_true(pl_json_bool(pl_json_get(o, "f"), &b) && !b);
	assert_int_equal(pl_json_type(pl_json_get(o, "f")), PL_JSON_BOOL);
	assert_true(pl_json_int(pl_json_get(o, "i"), &i) && i == -42);
	assert_true(pl_json_real(pl_json_get(o, "i"), &r) && r == -42.0);
	assert_true(pl_json_real(pl_json_get(o, "r"), &r) && r == 1.5);
	assert_int_equal(pl_json_type(pl_json_get(o, "r")), PL_JSON_REAL);
	assert_true(pl_json_str(pl_json_get(o, "s"), &s));
	assert_true(pl_str_eq(s, PL_STR("a\xC3\xA4\xF0\x9F\x98\x80\n")));
	assert_int_equal(pl_json_length(pl_json_get(o, "a")), 2);
	assert_true(pl_json_int(pl_json_at(pl_json_get(o, "a"), 1), &i) && i == 2);
	assert_null(pl_json_at(pl_json_get(o, "a"), 2));
	assert_int_equal(pl_json_type(pl_json_get(o, "o")), PL_JSON_OBJECT);
	pl_json_free(o);
}

static void
reads_a_bare_value(void **state)
{
	struct pl_json *v = parse("\"x\"");
	struct pl_str s;
	int64_t i;

	(void)state;
	assert_true(pl_json_str(v, &s) && pl_str_eq(s, PL_STR("x")));
	pl_json_free(v);
	v = parse("9223372036854775807");
	assert_true(pl_json_int(v, &i) && i == INT64_MAX);
	pl_json_free(v);
	v = parse("null");
	assert_int_equal(pl_json_type(v), PL_JSON_NULL);
	pl_json_free(v);
}

static void
says_no_to_the_absent_and_to_other_types(void **state)
{
	struct pl_json *o = parse("{\"$gt\":\"\",\"one\":1.0}");
	struct pl_str s = PL_STR("before");
	int64_t i = 7;
	double r = 7;
	bool b = true;

	(void)state;
	assert_int_equal(pl_json_type(NULL), PL_JSON_ABSENT);
	assert_null(pl_json_get(NULL, "a"));
	assert_null(pl_json_get(o, "a"));
	assert_null(pl_json_at(NULL, 0));
	assert_null(pl_json_at(o, 0));
	assert_null(pl_json_get(pl_json_get(o, "one"), "a"));
	assert_int_equal(pl_json_length(NULL), 0);
	assert_int_equal(pl_json_length(pl_json_get(o, "$gt")), 0);
	assert_false(pl_json_str(o, &s) || pl_json_str(NULL, &s));
	assert_false(pl_json_int(o, &i) || pl_json_int(pl_json_get(o, "one"), &i));
	assert_false(pl_json_real(o, &r) || pl_json_real(NULL, &r));
	assert_false(pl_json_bool(o, &b) || pl_json_bool(NULL, &b));
	assert_true(pl_str_eq(s, PL_STR("before")) && i == 7 && r == 7 && b);
	pl_json_free(o);
	pl_json_free(NULL);
}

static void
walks_an_object_in_order(void **state)
{
	struct pl_json *o = parse("{\"b\":1,\"a\":2,\"\":3}"), *value;
	static const char *const keys[] = {"b", "a", ""};
	struct pl_str key;
	void *it = NULL;
	int64_t n;

	(void)state;
	for (int i = 0; i < 3; i++) {
		assert_true(pl_json_each(o, &it, &key, &value));
		assert_true(pl_str_eq(key, pl_str(keys[i])));
		assert_true(pl_json_int(value, &n) && n == i + 1);
	}
	assert_false(pl_json_each(o, &it, &key, &value));
	it = NULL;
	assert_false(pl_json_each(NULL, &it, &key, &value));
	assert_false(pl_json_each(value, &it, &key, &value));
	pl_json_free(o);
}

static void
refuses_bad_text_with_a_reason(void **state)
{
	(void)state;
	check_refused(PL_STR(""), "empty");
	check_refused(PL_STR_NONE, "empty");
	check_refused(PL_STR(" "), "not valid JSON");
	check_refused(PL_STR("{\"a\":"), "not valid JSON");
	check_refused(PL_STR("\"abc"), "not valid JSON");
	check_refused(PL_STR("\"abc\\"), "not valid JSON");
	check_refused(PL_STR("{}{}"), "bytes after the value");
	check_refused(PL_STR("{} x"), "bytes after the value");
	check_refused(PL_STR("\xEF\xBB\xBF{}"), "byte order mark");
	check_refused(PL_STR("{}\0"), "NUL character");
	check_refused(PL_STR("\"\0\""), "NUL character");
	check_refused(PL_STR("\"\\u0000\""), "NUL character");
	check_refused(PL_STR("{\"a\\u0000b\":1}"), "NUL character");
	check_refused(PL_STR("{\"a\":1,\"a\":2}"), "duplicate key");
	check_refused(PL_STR("{\"a\":1,\"\\u0061\":2}"), "duplicate key");
	check_refused(PL_STR("[{\"a\":1,\"b\":2,\"a\":1}]"), "duplicate key");
	check_refused(PL_STR("9223372036854775808"), "number out of range");
	check_refused(PL_STR("-9223372036854775809"), "number out of range");
	check_refused(PL_STR("1e400"), "number out of range");
	check_refused(PL_STR("\"\xFF\""), "invalid UTF-8");
	check_refused(PL_STR("\"\xC3\""), "invalid UTF-8");
	check_refused(PL_STR("\"\xED\xA0\x80\""), "invalid UTF-8");
	check_refused(PL_STR("\xFF"), "invalid UTF-8");
}

static void
refuses_what_only_looks_like_json(void **state)
{
	static const char *const bad[] = {"{'a':1}", "{a:1}", "[1,]", "{\"a\":1,}",
	    "[,1]", "01", "+1", ".5", "1.", "1e", "0x10", "-", "NaN", "Infinity",
	    "-Infinity", "undefined", "True", "nul", "// c\n1", "[1]]", "\"\\x\"",
	    "\"\\ud800\"", "\"\\ud800x\"", "\"\\ud800\\u0041\"", "\"\\udc00\"",
	    "\"\\u12g4\"", "\"a\nb\"", "\"\t\"", "{\"a\" 1}", "[1 2]", "]", "}", "\v1",
	    "\xC2\xA0 1"};
	struct pl_json *root;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		const char *why = NULL;

		if (pl_json_parse(pl_str(bad[i]), &root, &why) == PL_OK)
			fail_msg("took %s", bad[i]);
		assert_non_null(why);
	}
}

/* depth times open, then core, then depth times close. */
static enum pl_err
parse_nested(
    int depth, const char *open, const char *core, const char *close, const char **why)
{
	static char text[400000];
	struct pl_json *root = NULL;
	enum pl_err err;
	char *at = text;

	for (int i = 0; i < depth; i++)
		at = stpcpy(at, open);
	at = stpcpy(at, core);
	for (int i = 0; i < depth; i++)
		at = stpcpy(at, close);
	err = pl_json_parse(pl_str(text), &root, why);
	pl_json_free(root);
	return err;
}

static void
refuses_deep_nesting(void **state)
{
	const char *why = NULL;

	(void)state;
	assert_int_equal(parse_nested(PL_JSON_DEPTH_MAX, "[", "", "]", &why), PL_OK);
	assert_int_equal(
	    parse_nested(PL_JSON_DEPTH_MAX, "{\"a\":", "1", "}", &why), PL_OK);
	assert_int_equal(
	    parse_nested(PL_JSON_DEPTH_MAX + 1, "[", "", "]", &why), PL_E_INVALID);
	assert_string_equal(why, "nested too deeply");
	assert_int_equal(
	    parse_nested(PL_JSON_DEPTH_MAX + 1, "{\"a\":", "1", "}", &why), PL_E_INVALID);
	assert_string_equal(why, "nested too deeply");
	assert_int_equal(parse_nested(100000, "[", "", "]", &why), PL_E_INVALID);
	assert_string_equal(why, "nested too deeply");
}

/* One array of `count` values, which has as many marks: its own bracket, and the commas. */
static enum pl_err
parse_values(enum pl_err (*read)(struct pl_str, struct pl_json **, const char **),
    const char *value, size_t count, const char **why)
{
	size_t len = strlen(value) + 1;
	char *text = malloc(count * len + 2), *at = text;
	struct pl_json *root = NULL;
	enum pl_err err;

	for (size_t i = 0; i < count; i++) {
		*at++ = i == 0 ? '[' : ',';
		at = stpcpy(at, value);
	}
	strcpy(at, "]");
	err = read(pl_str(text), &root, why);
	assert_int_equal(pl_json_length(root), err == PL_OK ? count : 0);
	pl_json_free(root);
	free(text);
	return err;
}

static void
refuses_too_many_values(void **state)
{
	const char *why = NULL;

	(void)state;
	assert_int_equal(
	    parse_values(pl_json_parse, "1", PL_JSON_MARKS_MAX, &why), PL_OK);
	assert_int_equal(
	    parse_values(pl_json_parse, "\",[{\"", PL_JSON_MARKS_MAX, &why), PL_OK);
	assert_int_equal(
	    parse_values(pl_json_parse_script, "{}", PL_JSON_MARKS_MAX / 2, &why), PL_OK);
	assert_int_equal(
	    parse_values(pl_json_parse, "1", PL_JSON_MARKS_MAX + 1, &why), PL_E_INVALID);
	assert_string_equal(why, "too many values");
	why = NULL;
	assert_int_equal(
	    parse_values(pl_json_parse_script, "{}", 330000, &why), PL_E_INVALID);
	assert_string_equal(why, "too many values");
}

static void
counts_no_brackets_in_strings(void **state)
{
	const char *why = NULL;

	(void)state;
	assert_int_equal(
	    parse_nested(1, "[", "\"[[[[[[[[[[[[[[[[[[\\\"[[[[\\\\\"", "]", &why), PL_OK);
	assert_int_equal(parse_nested(40, "", "[\"]\",{},{},[],[[]]]", "", &why), PL_OK);
	assert_int_equal(
	    parse_nested(PL_JSON_DEPTH_MAX, "[", "\"\\\\\",[]", "]", &why), PL_E_INVALID);
	assert_string_equal(why, "nested too deeply");
}

static void
refuses_every_cut_of_a_document(void **state)
{
	static const char text[] =
	    "{\"a\":[1.5e3,\"\\u00e4\xC3\xA4\",null],\"b\":{\"c\":true}}";
	struct pl_json *root = NULL;

	(void)state;
	for (size_t len = 0; len < sizeof(text) - 1; len++)
		assert_int_equal(
		    pl_json_parse(pl_str_n(text, len), &root, NULL), PL_E_INVALID);
	assert_int_equal(pl_json_parse(PL_STR(text), &root, NULL), PL_OK);
	pl_json_free(root);
}

static void
writes_what_it_read(void **state)
{
	static const char text[] =
	    "{\"a\":[1,-2.5,\"\xC3\xA4\\\"\\n\",null,true,[],{}],\"0\":\"\"}";
	struct pl_json *root = NULL;
	struct pl_buf out;

	(void)state;
	pl_buf_init(&out, PL_BUF_UNLIMITED);
	assert_int_equal(pl_json_parse(PL_STR(text), &root, NULL), PL_OK);
	json_write(root, &out);
	assert_string_equal(out.data, text);
	pl_buf_clear(&out);
	json_write(pl_json_get(root, "0"), &out);
	json_write(pl_json_get(root, "absent"), &out);
	assert_string_equal(out.data, "\"\"null");
	pl_buf_fini(&out);
	pl_json_free(root);
}

static void
a_script_s_document_may_hold_what_a_script_writes(void **state)
{
	struct pl_json *v = NULL;
	char deep[2 * PL_JSON_SCRIPT_DEPTH_MAX + 3];
	struct pl_str s;
	double r;

	(void)state;
	assert_int_equal(pl_json_parse_script(
			     PL_STR("[\"a\\u0000b\",100000000000000000000,1]"), &v, NULL),
	    PL_OK);
	assert_true(pl_json_str(pl_json_at(v, 0), &s));
	assert_true(pl_str_eq(s, PL_STR("a\0b")));
	assert_true(pl_json_real(pl_json_at(v, 1), &r) && r == 1e20);
	assert_true(pl_json_real(pl_json_at(v, 2), &r) && r == 1.0);
	pl_json_free(v);
	for (size_t depth = PL_JSON_SCRIPT_DEPTH_MAX;
	     depth <= PL_JSON_SCRIPT_DEPTH_MAX + 1; depth++) {
		const char *why = NULL;
		enum pl_err err;

		memset(deep, '[', depth);
		memset(deep + depth, ']', depth);
		v = NULL;
		err = pl_json_parse_script(pl_str_n(deep, 2 * depth), &v, &why);
		assert_int_equal(
		    err, depth <= PL_JSON_SCRIPT_DEPTH_MAX ? PL_OK : PL_E_INVALID);
		if (err != PL_OK)
			assert_string_equal(why, "nested too deeply");
		pl_json_free(v);
	}
	assert_int_equal(pl_json_parse_script(PL_STR("[1e999]"), &v, NULL), PL_E_INVALID);
	assert_int_equal(
	    pl_json_parse_script(PL_STR("{\"\\ud800\":1}"), &v, NULL), PL_E_INVALID);
}

/* What text, an array of one string, holds; "" if it is refused. */
static const char *
read_as_a_script(const char *text, size_t *len)
{
	static char held[64];
	struct pl_json *v = NULL;
	struct pl_str s = PL_STR_NONE;

	*len = 0;
	if (pl_json_parse_script(pl_str(text), &v, NULL) != PL_OK)
		return "";
	assert_true(pl_json_str(pl_json_at(v, 0), &s));
	assert_in_range(s.len, 0, sizeof(held) - 1);
	memcpy(held, s.ptr, s.len);
	*len = s.len;
	pl_json_free(v);
	return held;
}

static void
a_lone_surrogate_of_a_script_is_read_as_nul(void **state)
{
	static const struct {
		const char *text;
		struct pl_str held;
	} rows[] = {
	    {"[\"\\ud800\"]", PL_STR("\0")},
	    {"[\"a\\uDFFFb\"]", PL_STR("a\0b")},
	    {"[\"\\ud800\\ud83d\\ude00\"]", PL_STR("\0\xF0\x9F\x98\x80")},
	    {"[\"\\ude00\\ud83d\"]", PL_STR("\0\0")},
	    {"[\"\\\\ud800\\ud800\"]", PL_STR("\\ud800\0")},
	    {"[\"\\ud800\\n\",100000000000000000000]", PL_STR("\0\n")},
	    {"[\"\\ud800\"", PL_STR("")},
	    {"[\"\\ud80\"]", PL_STR("")},
	    {"[\"\\ud800", PL_STR("")},
	    {"[\"\\", PL_STR("")},
	};
	size_t len;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *held = read_as_a_script(rows[i].text, &len);

		assert_true(pl_str_eq(pl_str_n(held, len), rows[i].held));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_every_type),
	    cmocka_unit_test(reads_a_bare_value),
	    cmocka_unit_test(says_no_to_the_absent_and_to_other_types),
	    cmocka_unit_test(walks_an_object_in_order),
	    cmocka_unit_test(refuses_bad_text_with_a_reason),
	    cmocka_unit_test(refuses_what_only_looks_like_json),
	    cmocka_unit_test(refuses_deep_nesting),
	    cmocka_unit_test(refuses_too_many_values),
	    cmocka_unit_test(counts_no_brackets_in_strings),
	    cmocka_unit_test(refuses_every_cut_of_a_document),
	    cmocka_unit_test(writes_what_it_read),
	    cmocka_unit_test(a_script_s_document_may_hold_what_a_script_writes),
	    cmocka_unit_test(a_lone_surrogate_of_a_script_is_read_as_nul),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
