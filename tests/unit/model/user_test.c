#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "base/mem.h"
#include "model/user.h"

#define MIN 8

/* A sign-up with one field replaced; value is JSON, or NULL to leave the field out. */
static struct pl_json *
signup_with(const char *field, const char *value)
{
	static const char *const fields[][2] = {
	    {"fullName", "\"Ann Lee\""},
	    {"username", "\"ann\""},
	    {"password", "\"password123\""},
	    {"confirmPassword", "\"password123\""},
	    {"gender", "\"female\""},
	};
	struct pl_json *body = NULL;
	struct pl_buf b;

	pl_buf_init(&b, 65536);
	pl_buf_add_cstr(&b, "{\"unknown\":1");
	for (size_t i = 0; i < 5; i++) {
		bool is_it = field != NULL && strcmp(field, fields[i][0]) == 0;

		if (!is_it || value != NULL)
			pl_buf_printf(
			    &b, ",\"%s\":%s", fields[i][0], is_it ? value : fields[i][1]);
	}
	pl_buf_add_char(&b, '}');
	assert_int_equal(pl_json_parse(pl_buf_str(&b), &body, NULL), PL_OK);
	pl_buf_fini(&b);
	return body;
}

static enum pl_err
try_signup(const char *field, const char *value, struct pl_invalid *why)
{
	struct pl_json *body = signup_with(field, value);
	struct pl_signup signup;
	enum pl_err err = pl_signup_parse(body, MIN, &signup, why);

	pl_json_free(body);
	return err;
}

/* Refused, with a text that begins with the field's name. */
static void
assert_refused(const char *field, const char *value)
{
	struct pl_invalid why = {0};

	assert_int_equal(try_signup(field, value, &why), PL_E_INVALID);
	assert_string_equal(why.code, "INVALID_FIELD");
	assert_memory_equal(why.text, field, strlen(field));
}

static void
assert_accepted(const char *field, const char *value)
{
	struct pl_invalid why = {0};

	assert_int_equal(try_signup(field, value, &why), PL_OK);
}

static void
takes_a_sign_up(void **state)
{
	struct pl_json *body = signup_with(NULL, NULL);
	struct pl_invalid why;
	struct pl_signup signup;

	(void)state;
	assert_int_equal(pl_signup_parse(body, MIN, &signup, &why), PL_OK);
	assert_true(pl_str_eq(signup.full_name, PL_STR("Ann Lee")));
	assert_true(pl_str_eq(signup.username, PL_STR("ann")));
	assert_true(pl_str_eq(signup.password, PL_STR("password123")));
	assert_int_equal(signup.gender, PL_GENDER_FEMALE);
	pl_json_free(body);
}

static void
names_a_field_that_is_missing_or_of_another_type(void **state)
{
	static const char *const fields[] = {
	    "fullName", "username", "password", "confirmPassword", "gender"};
	static const char *const values[] = {
	    NULL, "null", "1", "true", "[]", "[\"ann\"]", "{}", "{\"$gt\":\"\"}"};

	(void)state;
	for (size_t f = 0; f < 5; f++)
		for (size_t v = 0; v < sizeof(values) / sizeof(values[0]); v++)
			assert_refused(fields[f], values[v]);
}

static void
refuses_a_body_that_is_no_object(void **state)
{
	struct pl_json *body = NULL;
	struct pl_invalid why;
	struct pl_signup signup;

	(void)state;
	assert_int_equal(pl_json_parse(PL_STR("[\"fullName\"]"), &body, NULL), PL_OK);
	assert_int_equal(pl_signup_parse(body, MIN, &signup, &why), PL_E_INVALID);
	pl_json_free(body);
}

/* text repeated count times as a JSON string; borrowed until the next call. */
static const char *
repeat(const char *text, size_t count)
{
	static char out[16384];
	size_t len = 1;

	out[0] = '"';
	for (size_t i = 0; i < count; i++) {
		memcpy(out + len, text, strlen(text));
		len += strlen(text);
	}
	out[len] = '"';
	out[len + 1] = '\0';
	return out;
}

static void
keeps_the_rules_of_full_names(void **state)
{
	(void)state;
	assert_accepted("fullName", repeat("\xF0\x9F\x98\x80", 100));
	assert_refused("fullName", repeat("a", 101));
	assert_refused("fullName", "\"\"");
	assert_refused("fullName", "\"Ann\\nLee\"");
	assert_refused("fullName", "\"Ann\\u0085\"");
	assert_refused("fullName", "\"Ann\\u2028\"");
}

static void
keeps_the_rules_of_usernames(void **state)
{
	(void)state;
	assert_accepted("username", repeat("\xE5\xAD\x97", 64));
	assert_refused("username", repeat("\xE5\xAD\x97", 65));
	assert_accepted("username", "\"a b\"");
	assert_refused("username", "\"\"");
	assert_refused("username", "\" ann\"");
	assert_refused("username", "\"ann \"");
	assert_refused("username", "\"ann\\u3000\"");
	assert_refused("username", "\"\\u00a0\"");
	assert_refused("username", "\"a\\tb\"");
	assert_refused("username", "\"a\\u202eb\"");
	assert_refused("username", "\"a\\u2066b\"");
	assert_refused("username", "\"a\\u200bb\"");
	assert_refused("username", "\"a\\ufeffb\"");
}

static void
assert_password(const char *json, enum pl_err expected)
{
	struct pl_json *body = NULL;
	struct pl_invalid why = {0};
	struct pl_signup signup;
	struct pl_buf b;

	pl_buf_init(&b, 65536);
	pl_buf_printf(&b,
	    "{\"fullName\":\"A\",\"username\":\"ann12345\",\"gender\":\"male\","
	    "\"password\":%s,\"confirmPassword\":%s}",
	    json, json);
	assert_int_equal(pl_json_parse(pl_buf_str(&b), &body, NULL), PL_OK);
	assert_int_equal(pl_signup_parse(body, MIN, &signup, &why), expected);
	if (expected != PL_OK)
		assert_memory_equal(why.text, "password ", 9);
	pl_json_free(body);
	pl_buf_fini(&b);
}

static void
counts_a_password_in_characters_and_bounds_it_in_bytes(void **state)
{
	(void)state;
	assert_password("\"1234567\"", PL_E_INVALID);
	assert_password("\"12345678\"", PL_OK);
	assert_password(repeat("\xF0\x9F\x98\x80", 7), PL_E_INVALID);
	assert_password(repeat("\xF0\x9F\x98\x80", 8), PL_OK);
	assert_password(repeat("\xF0\x9F\x98\x80", 64), PL_OK);
	assert_password(repeat("a", 1024), PL_OK);
	assert_password(repeat("a", 1025), PL_E_INVALID);
	assert_password("\"ann12345\"", PL_E_INVALID); /* the username */
	assert_password("\"password123\"", PL_OK);
}

static void
says_that_passwords_do_not_match(void **state)
{
	struct pl_invalid why = {0};

	(void)state;
	assert_int_equal(
	    try_signup("confirmPassword", "\"password124\"", &why), PL_E_INVALID);
	assert_string_equal(why.text, "Passwords don't match");
	assert_string_equal(why.code, "PASSWORDS_DONT_MATCH");
}

static void
knows_two_genders(void **state)
{
	(void)state;
	assert_accepted("gender", "\"male\"");
	assert_refused("gender", "\"Male\"");
	assert_refused("gender", "\"\"");
}

static void
makes_a_user_of_a_sign_up(void **state)
{
	struct pl_signup signup = {PL_STR("Ann Lee"), PL_STR("a+n n/\xC3\xA9~*"),
	    PL_STR("password123"), PL_GENDER_FEMALE};
	struct pl_json_out o;
	struct pl_user user;
	struct pl_buf b;

	(void)state;
	pl_user_from_signup(&user, &signup, pl_mem_strdup("hash"), 1769862896789);
	assert_true(pl_oid_parse(PL_STR("65a1b2c3d4e5f60718293a4b"), &user.id));
	pl_buf_init(&b, 4096);
	pl_jo_init(&o, &b);
	pl_user_write(&o, &user, 0);
	assert_string_equal(b.data,
	    "{\"_id\":\"65a1b2c3d4e5f60718293a4b\",\"fullName\":\"Ann Lee\","
	    "\"username\":\"a+n "
	    "n/\xC3\xA9~*\",\"profilePic\":\"https://avatar.iran.liara.run/"
	    "public/girl?username=a%2Bn%20n%2F%C3%A9~*\",\"status\":\"AVAILABLE\"}");
	pl_buf_clear(&b);
	pl_jo_init(&o, &b);
	user.status = PL_STATUS_BUSY;
	pl_user_write(&o, &user, PL_USER_WITH_TIMES);
	assert_non_null(strstr(b.data,
	    "\"status\":\"BUSY\",\"createdAt\":\"2026-01-31T12:34:56.789Z\","
	    "\"updatedAt\":\"2026-01-31T12:34:56.789Z\"}"));
	assert_null(strstr(b.data, "hash"));
	pl_buf_fini(&b);
	pl_user_fini(&user);
	assert_null(user.password_hash);
	pl_user_fini(NULL);
}

static enum pl_err
try_login(const char *json, struct pl_invalid *why)
{
	struct pl_json *body = NULL;
	struct pl_login login;
	enum pl_err err;

	assert_int_equal(pl_json_parse(pl_str(json), &body, NULL), PL_OK);
	err = pl_login_parse(body, &login, why);
	pl_json_free(body);
	return err;
}

static void
takes_an_old_users_login_as_it_is(void **state)
{
	struct pl_invalid why;

	(void)state;
	assert_int_equal(
	    try_login("{\"username\":\" Ann\\u200b \",\"password\":\"1\"}", &why), PL_OK);
	assert_int_equal(
	    try_login("{\"username\":{\"$gt\":\"\"},\"password\":\"1\"}", &why),
	    PL_E_INVALID);
	assert_string_equal(why.text, "username must be a string");
	assert_int_equal(try_login("{\"username\":\"ann\"}", &why), PL_E_INVALID);
	assert_string_equal(why.text, "password must be a string");
	assert_int_equal(
	    try_login("{\"username\":\"\",\"password\":\"1\"}", &why), PL_E_INVALID);
	assert_int_equal(
	    try_login("{\"username\":\"a\",\"password\":\"\"}", &why), PL_E_INVALID);
}

static enum pl_err
try_status(const char *json, struct pl_status_change *out)
{
	struct pl_json *body = NULL;
	struct pl_invalid why;
	enum pl_err err;

	assert_int_equal(pl_json_parse(pl_str(json), &body, NULL), PL_OK);
	err = pl_status_change_parse(body, out, &why);
	pl_json_free(body);
	return err;
}

static void
reads_a_change_of_status(void **state)
{
	struct pl_status_change change;
	char text[4096];

	(void)state;
	assert_int_equal(try_status("{\"status\":\"BUSY\"}", &change), PL_OK);
	assert_int_equal(change.status, PL_STATUS_BUSY);
	assert_int_equal(change.note.len, 0);
	assert_int_equal(
	    try_status("{\"status\":\"AVAILABLE\",\"note\":null}", &change), PL_OK);
	assert_int_equal(
	    try_status("{\"status\":\"BUSY\",\"note\":\"until 3\"}", &change), PL_OK);
	assert_int_equal(change.note.len, 7);
	snprintf(text, sizeof(text), "{\"status\":\"BUSY\",\"note\":%s}",
	    repeat("\xC3\xA9", 280));
	assert_int_equal(try_status(text, &change), PL_OK);
	snprintf(text, sizeof(text), "{\"status\":\"BUSY\",\"note\":%s}",
	    repeat("\xC3\xA9", 281));
	assert_int_equal(try_status(text, &change), PL_E_INVALID);
	assert_int_equal(try_status("{\"status\":\"busy\"}", &change), PL_E_INVALID);
	assert_int_equal(try_status("{\"status\":1}", &change), PL_E_INVALID);
	assert_int_equal(try_status("{}", &change), PL_E_INVALID);
	assert_int_equal(
	    try_status("{\"status\":\"BUSY\",\"note\":7}", &change), PL_E_INVALID);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(takes_a_sign_up),
	    cmocka_unit_test(names_a_field_that_is_missing_or_of_another_type),
	    cmocka_unit_test(refuses_a_body_that_is_no_object),
	    cmocka_unit_test(keeps_the_rules_of_full_names),
	    cmocka_unit_test(keeps_the_rules_of_usernames),
	    cmocka_unit_test(counts_a_password_in_characters_and_bounds_it_in_bytes),
	    cmocka_unit_test(says_that_passwords_do_not_match),
	    cmocka_unit_test(knows_two_genders),
	    cmocka_unit_test(makes_a_user_of_a_sign_up),
	    cmocka_unit_test(takes_an_old_users_login_as_it_is),
	    cmocka_unit_test(reads_a_change_of_status),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
