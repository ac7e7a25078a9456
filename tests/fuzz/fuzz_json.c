/*
 * fuzz_json: bodies of requests. The input is one body, read strictly and as
 * JSON.stringify() writes; what is read comes out again as it went in, both ways the
 * same, and what the model takes keeps the rules of its fields.
 */
#include <stdlib.h>

#include "base/utf8.h"
#include "model/message.h"
#include "model/user.h"
#include "support/json_write.h"

#define TEXT_BYTES_MAX     40
#define PASSWORD_CHARS_MIN 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool is_so)
{
	if (!is_so)
		abort();
}

static void
must_be_text(struct pl_str s, size_t bytes_max)
{
	must(s.len > 0 && s.len <= bytes_max && pl_utf8_is_valid(s));
	must(memchr(s.ptr, '\0', s.len) == NULL);
}

/* Every value is one, no deeper than it may be, and text is UTF-8. */
static void
walk(const struct pl_json *v, unsigned depth, bool is_strict)
{
	struct pl_json *member;
	struct pl_str text;
	void *it = NULL;

	must(pl_json_type(v) != PL_JSON_ABSENT);
	if (pl_json_str(v, &text)) {
		must(pl_utf8_is_valid(text));
		must(!is_strict || memchr(text.ptr, '\0', text.len) == NULL);
	}
	if (pl_json_type(v) == PL_JSON_ARRAY || pl_json_type(v) == PL_JSON_OBJECT)
		must(depth < (is_strict ? PL_JSON_DEPTH_MAX : PL_JSON_SCRIPT_DEPTH_MAX));
	if (pl_json_type(v) == PL_JSON_ARRAY)
		for (size_t i = 0; i < pl_json_length(v); i++)
			walk(pl_json_at(v, i), depth + 1, is_strict);
	if (pl_json_type(v) == PL_JSON_OBJECT)
		while (pl_json_each(v, &it, &text, &member)) {
			must(pl_utf8_is_valid(text));
			walk(member, depth + 1, is_strict);
		}
}

/* Written, read and written again, it is the same. */
static void
check_writing(const struct pl_json *v)
{
	struct pl_buf once, twice;
	struct pl_json *again;

	pl_buf_init(&once, PL_BUF_UNLIMITED);
	pl_buf_init(&twice, PL_BUF_UNLIMITED);
	json_write(v, &once);
	must(pl_json_parse(pl_buf_str(&once), &again, NULL) == PL_OK);
	json_write(again, &twice);
	must(pl_str_eq(pl_buf_str(&once), pl_buf_str(&twice)));
	pl_json_free(again);
	pl_buf_fini(&once);
	pl_buf_fini(&twice);
}

/* Strictly a body may have been read by json_plain, as script it was read by jansson. */
static void
must_be_the_same(const struct pl_json *strict, const struct pl_json *script)
{
	struct pl_buf one, other;

	pl_buf_init(&one, PL_BUF_UNLIMITED);
	pl_buf_init(&other, PL_BUF_UNLIMITED);
	json_write(strict, &one);
	json_write(script, &other);
	must(pl_str_eq(pl_buf_str(&one), pl_buf_str(&other)));
	pl_buf_fini(&one);
	pl_buf_fini(&other);
}

/* A refusal says why; an accepted body fills its struct. */
static bool
is_taken(enum pl_err err, const struct pl_invalid *why)
{
	if (err == PL_OK)
		return true;
	must(why->code != NULL && memchr(why->text, '\0', sizeof(why->text)) != NULL);
	must(why->text[0] != '\0' && pl_utf8_is_valid(pl_str(why->text)));
	return false;
}

static void
try_signup(const struct pl_json *body)
{
	struct pl_invalid why = {0};
	struct pl_signup s;
	struct pl_str confirmed;

	if (!is_taken(pl_signup_parse(body, PASSWORD_CHARS_MIN, &s, &why), &why))
		return;
	must_be_text(s.full_name, 4 * 100);
	must_be_text(s.username, 4 * 64);
	must_be_text(s.password, PL_USER_PASSWORD_BYTES_MAX);
	must(pl_utf8_count(s.full_name) <= 100 && pl_utf8_count(s.username) <= 64);
	must(pl_utf8_count(s.password) >= PASSWORD_CHARS_MIN);
	must(!pl_str_eq(s.password, s.username));
	must(pl_json_str(pl_json_get(body, PL_USER_F_CONFIRM_PASSWORD), &confirmed));
	must(pl_str_eq(confirmed, s.password));
	must(s.gender == PL_GENDER_MALE || s.gender == PL_GENDER_FEMALE);
}

static void
try_login(const struct pl_json *body)
{
	struct pl_invalid why = {0};
	struct pl_login l;

	if (!is_taken(pl_login_parse(body, &l, &why), &why))
		return;
	must_be_text(l.username, PL_USER_LOGIN_NAME_BYTES_MAX);
	must_be_text(l.password, PL_USER_PASSWORD_BYTES_MAX);
}

static void
try_profile(const struct pl_json *body)
{
	struct pl_invalid why = {0};
	struct pl_profile_change c;
	struct pl_str given;

	if (!is_taken(pl_profile_change_parse(body, &c, &why), &why))
		return;
	must(c.has_full_name ||
	     pl_json_type(pl_json_get(body, PL_USER_F_FULL_NAME)) == PL_JSON_ABSENT);
	must(!c.has_gender || c.gender == PL_GENDER_MALE || c.gender == PL_GENDER_FEMALE);
	if (!c.has_full_name)
		return;
	must_be_text(c.full_name, 4 * 100);
	must(pl_utf8_count(c.full_name) <= 100);
	must(pl_json_str(pl_json_get(body, PL_USER_F_FULL_NAME), &given));
	must(pl_str_eq(c.full_name, given));
}

static void
try_passwords(const struct pl_json *body)
{
	struct pl_password_change c;
	struct pl_invalid why = {0};
	struct pl_str old, confirmed;
	bool has_old = is_taken(pl_password_parse(body, &old, &why), &why);

	if (has_old)
		must_be_text(old, PL_USER_PASSWORD_BYTES_MAX);
	if (!is_taken(pl_password_change_parse(body, PASSWORD_CHARS_MIN, &c, &why), &why))
		return;
	must(has_old && pl_str_eq(old, c.password));
	must_be_text(c.new_password, PL_USER_PASSWORD_BYTES_MAX);
	must(pl_utf8_count(c.new_password) >= PASSWORD_CHARS_MIN);
	must(pl_json_str(pl_json_get(body, PL_USER_F_CONFIRM_PASSWORD), &confirmed));
	must(pl_str_eq(confirmed, c.new_password));
}

static void
try_status(const struct pl_json *body)
{
	struct pl_status_change change = {0};
	struct pl_invalid why = {0};
	struct pl_str name;

	if (!is_taken(pl_status_change_parse(body, &change, &why), &why))
		return;
	must(pl_json_str(pl_json_get(body, PL_USER_F_STATUS), &name));
	must(pl_str_eq(name, pl_str(pl_status_name(change.status))));
	must(pl_utf8_is_valid(change.note));
	must(pl_utf8_count(change.note) <= PL_STATUS_NOTE_CHARS_MAX);
}

static void
try_message(const struct pl_json *body)
{
	struct pl_invalid why = {0};
	struct pl_str text, given;

	if (!is_taken(pl_message_parse(body, TEXT_BYTES_MAX, &text, &why), &why))
		return;
	must_be_text(text, TEXT_BYTES_MAX);
	must(pl_json_str(pl_json_get(body, PL_MESSAGE_F_TEXT), &given));
	must(pl_str_eq(text, given));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pl_str text = pl_str_n(data, size);
	struct pl_json *strict, *script = NULL;
	const char *why = NULL;
	bool is_script = pl_json_parse_script(text, &script, NULL) == PL_OK;

	if (is_script)
		walk(script, 0, false);
	if (pl_json_parse(text, &strict, &why) != PL_OK) {
		must(why != NULL && why[0] != '\0');
		pl_json_free(script);
		return 0;
	}
	must(is_script);
	must_be_the_same(strict, script);
	walk(strict, 0, true);
	check_writing(strict);
	try_signup(strict);
	try_login(strict);
	try_profile(strict);
	try_passwords(strict);
	try_status(strict);
	try_message(strict);
	pl_json_free(strict);
	pl_json_free(script);
	return 0;
}
