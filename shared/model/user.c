#include "base/hex.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "model/name.h"
#include "model/user.h"

#define AVATAR_BOY  "https://avatar.iran.liara.run/public/boy?username="
#define AVATAR_GIRL "https://avatar.iran.liara.run/public/girl?username="

const char *
pl_gender_name(enum pl_gender gender)
{
	return gender == PL_GENDER_FEMALE ? "female" : "male";
}

bool
pl_gender_parse(struct pl_str text, enum pl_gender *out)
{
	if (pl_str_eq(text, PL_STR("male")))
		*out = PL_GENDER_MALE;
	else if (pl_str_eq(text, PL_STR("female")))
		*out = PL_GENDER_FEMALE;
	else
		return false;
	return true;
}

void
pl_user_fini(struct pl_user *user)
{
	if (user == NULL)
		return;
	pl_mem_free(user->full_name);
	pl_mem_free(user->username);
	if (user->password_hash != NULL)
		pl_mem_wipe_free(user->password_hash, strlen(user->password_hash));
	pl_mem_free(user->profile_pic);
	pl_mem_free(user->note);
	pl_mem_free(user->given_pic);
	*user = (struct pl_user){0};
}

/* ---- rules ---- */

static enum pl_err
refuse(struct pl_invalid *why, const char *field, const char *rule)
{
	pl_invalid_set(why, "INVALID_FIELD", "%s %s", field, rule);
	return PL_E_INVALID;
}

static enum pl_err
get_string(const struct pl_json *body, const char *field, struct pl_str *out,
    struct pl_invalid *why)
{
	if (!pl_json_str(pl_json_get(body, field), out))
		return refuse(why, field, "must be a string");
	return PL_OK;
}

static enum pl_err
check_name(const char *field, const char *fault, struct pl_invalid *why)
{
	return fault == NULL ? PL_OK : refuse(why, field, fault);
}

static enum pl_err
check_password_len(
    const char *field, struct pl_str password, unsigned chars_min, struct pl_invalid *why)
{
	if (password.len > PL_USER_PASSWORD_BYTES_MAX)
		return refuse(why, field, "must be at most 1024 bytes long");
	if (password.len == 0 || pl_utf8_count(password) < chars_min) {
		pl_invalid_set(why, "INVALID_FIELD",
		    "%s must be at least %u characters long", field, chars_min);
		return PL_E_INVALID;
	}
	return PL_OK;
}

static enum pl_err
check_password(struct pl_str password, unsigned chars_min, struct pl_str username,
    struct pl_invalid *why)
{
	if (check_password_len(PL_USER_F_PASSWORD, password, chars_min, why) != PL_OK)
		return PL_E_INVALID;
	if (pl_str_eq(password, username))
		return refuse(why, PL_USER_F_PASSWORD, "must not be the username");
	return PL_OK;
}

enum pl_err
pl_signup_parse(const struct pl_json *body, unsigned password_chars_min,
    struct pl_signup *out, struct pl_invalid *why)
{
	struct pl_str confirm, gender;
	struct pl_signup found;

	if (get_string(body, PL_USER_F_FULL_NAME, &found.full_name, why) != PL_OK ||
	    get_string(body, PL_USER_F_USERNAME, &found.username, why) != PL_OK ||
	    get_string(body, PL_USER_F_PASSWORD, &found.password, why) != PL_OK ||
	    get_string(body, PL_USER_F_CONFIRM_PASSWORD, &confirm, why) != PL_OK ||
	    get_string(body, PL_USER_F_GENDER, &gender, why) != PL_OK ||
	    check_name(PL_USER_F_FULL_NAME, pl_full_name_fault(found.full_name), why) !=
		PL_OK ||
	    check_name(PL_USER_F_USERNAME, pl_username_fault(found.username), why) !=
		PL_OK)
		return PL_E_INVALID;
	if (!pl_str_eq(found.password, confirm)) {
		pl_invalid_set(why, "PASSWORDS_DONT_MATCH", "Passwords don't match");
		return PL_E_INVALID;
	}
	if (check_password(found.password, password_chars_min, found.username, why) !=
	    PL_OK)
		return PL_E_INVALID;
	if (!pl_gender_parse(gender, &found.gender))
		return refuse(why, PL_USER_F_GENDER, "must be male or female");
	*out = found;
	return PL_OK;
}

enum pl_err
pl_signup_invite_parse(
    const struct pl_json *body, struct pl_str *out, struct pl_invalid *why)
{
	const struct pl_json *invite = pl_json_get(body, PL_USER_F_INVITE);
	struct pl_str found = PL_STR_NONE;

	if (pl_json_type(invite) != PL_JSON_ABSENT &&
	    pl_json_type(invite) != PL_JSON_NULL && !pl_json_str(invite, &found))
		return refuse(why, PL_USER_F_INVITE, "must be a string");
	*out = found;
	return PL_OK;
}

/* One that was chosen before may break today's rules; only its size is bounded. */
static enum pl_err
check_old_password(struct pl_str password, struct pl_invalid *why)
{
	if (password.len == 0 || password.len > PL_USER_PASSWORD_BYTES_MAX)
		return refuse(why, PL_USER_F_PASSWORD, "must be 1 to 1024 bytes long");
	return PL_OK;
}

/* An old user's name, too. */
enum pl_err
pl_login_parse(const struct pl_json *body, struct pl_login *out, struct pl_invalid *why)
{
	struct pl_login found;

	if (get_string(body, PL_USER_F_USERNAME, &found.username, why) != PL_OK ||
	    get_string(body, PL_USER_F_PASSWORD, &found.password, why) != PL_OK)
		return PL_E_INVALID;
	if (found.username.len == 0 || found.username.len > PL_USER_LOGIN_NAME_BYTES_MAX)
		return refuse(why, PL_USER_F_USERNAME, "must be 1 to 1024 bytes long");
	if (check_old_password(found.password, why) != PL_OK)
		return PL_E_INVALID;
	*out = found;
	return PL_OK;
}

static enum pl_err
get_gender(const struct pl_json *body, enum pl_gender *out, struct pl_invalid *why)
{
	struct pl_str text;

	if (get_string(body, PL_USER_F_GENDER, &text, why) != PL_OK)
		return PL_E_INVALID;
	return pl_gender_parse(text, out)
		   ? PL_OK
		   : refuse(why, PL_USER_F_GENDER, "must be male or female");
}

static bool
has(const struct pl_json *body, const char *field)
{
	return pl_json_type(pl_json_get(body, field)) != PL_JSON_ABSENT;
}

enum pl_err
pl_profile_change_parse(
    const struct pl_json *body, struct pl_profile_change *out, struct pl_invalid *why)
{
	struct pl_profile_change found = {.has_full_name = has(body, PL_USER_F_FULL_NAME),
	    .has_gender = has(body, PL_USER_F_GENDER)};

	if (found.has_full_name &&
	    (get_string(body, PL_USER_F_FULL_NAME, &found.full_name, why) != PL_OK ||
		check_name(PL_USER_F_FULL_NAME, pl_full_name_fault(found.full_name),
		    why) != PL_OK))
		return PL_E_INVALID;
	if (found.has_gender && get_gender(body, &found.gender, why) != PL_OK)
		return PL_E_INVALID;
	*out = found;
	return PL_OK;
}

enum pl_err
pl_password_change_parse(const struct pl_json *body, unsigned chars_min,
    struct pl_password_change *out, struct pl_invalid *why)
{
	struct pl_password_change found;
	struct pl_str confirm;

	if (get_string(body, PL_USER_F_PASSWORD, &found.password, why) != PL_OK ||
	    get_string(body, PL_USER_F_NEW_PASSWORD, &found.new_password, why) != PL_OK ||
	    get_string(body, PL_USER_F_CONFIRM_PASSWORD, &confirm, why) != PL_OK)
		return PL_E_INVALID;
	if (check_old_password(found.password, why) != PL_OK)
		return PL_E_INVALID;
	if (!pl_str_eq(found.new_password, confirm)) {
		pl_invalid_set(why, "PASSWORDS_DONT_MATCH", "Passwords don't match");
		return PL_E_INVALID;
	}
	if (check_password_len(
		PL_USER_F_NEW_PASSWORD, found.new_password, chars_min, why) != PL_OK)
		return PL_E_INVALID;
	*out = found;
	return PL_OK;
}

enum pl_err
pl_password_change_suits(const struct pl_password_change *change, struct pl_str username,
    struct pl_invalid *why)
{
	return pl_str_eq(change->new_password, username)
		   ? refuse(why, PL_USER_F_NEW_PASSWORD, "must not be the username")
		   : PL_OK;
}

enum pl_err
pl_password_parse(
    const struct pl_json *body, struct pl_str *password, struct pl_invalid *why)
{
	struct pl_str found;

	if (get_string(body, PL_USER_F_PASSWORD, &found, why) != PL_OK ||
	    check_old_password(found, why) != PL_OK)
		return PL_E_INVALID;
	*password = found;
	return PL_OK;
}

enum pl_err
pl_status_change_parse(
    const struct pl_json *body, struct pl_status_change *out, struct pl_invalid *why)
{
	const struct pl_json *note = pl_json_get(body, "note");
	struct pl_status_change found = {.note = PL_STR_NONE};
	struct pl_str status;

	if (get_string(body, PL_USER_F_STATUS, &status, why) != PL_OK)
		return PL_E_INVALID;
	if (!pl_status_parse(status, &found.status))
		return refuse(why, PL_USER_F_STATUS, "must be AVAILABLE or BUSY");
	if (pl_json_type(note) != PL_JSON_ABSENT && pl_json_type(note) != PL_JSON_NULL) {
		if (!pl_json_str(note, &found.note))
			return refuse(why, "note", "must be a string");
		if (pl_utf8_count(found.note) > PL_STATUS_NOTE_CHARS_MAX)
			return refuse(why, "note", "must be at most 280 characters long");
	}
	*out = found;
	return PL_OK;
}

/* ---- a new user ---- */

static char *
avatar_address(enum pl_gender gender, struct pl_str username)
{
	struct pl_buf b;

	pl_buf_init(&b, PL_BUF_UNLIMITED);
	pl_buf_add_cstr(&b, gender == PL_GENDER_FEMALE ? AVATAR_GIRL : AVATAR_BOY);
	pl_percent_add(&b, username);
	return pl_buf_take(&b);
}

void
pl_user_from_signup(struct pl_user *out, const struct pl_signup *signup,
    char *password_hash, int64_t now_unix_ms)
{
	*out = (struct pl_user){
	    .full_name = pl_mem_strndup(signup->full_name.ptr, signup->full_name.len),
	    .username = pl_mem_strndup(signup->username.ptr, signup->username.len),
	    .password_hash = password_hash,
	    .profile_pic = avatar_address(signup->gender, signup->username),
	    .gender = signup->gender,
	    .status = PL_STATUS_AVAILABLE,
	    .created_unix_ms = now_unix_ms,
	    .updated_unix_ms = now_unix_ms,
	};
	pl_oid_new(&out->id);
}

/* ---- changes ---- */

static void
set_gender(struct pl_user *user, enum pl_gender gender)
{
	char **given = user->given_pic != NULL ? &user->given_pic : &user->profile_pic;
	char *drawn = avatar_address(user->gender, pl_str(user->username));

	if (pl_str_eq(pl_str(*given), pl_str(drawn))) {
		pl_mem_free(*given);
		*given = avatar_address(gender, pl_str(user->username));
	}
	pl_mem_free(drawn);
	user->gender = gender;
}

void
pl_user_change_profile(struct pl_user *user, const struct pl_profile_change *change)
{
	if (change->has_full_name) {
		pl_mem_free(user->full_name);
		user->full_name =
		    pl_mem_strndup(change->full_name.ptr, change->full_name.len);
	}
	if (change->has_gender)
		set_gender(user, change->gender);
}

void
pl_user_set_picture(struct pl_user *user, const char *address)
{
	if (address == NULL && user->given_pic == NULL)
		return;
	if (address == NULL) {
		pl_mem_free(user->profile_pic);
		user->profile_pic = user->given_pic;
		user->given_pic = NULL;
		return;
	}
	if (user->given_pic == NULL)
		user->given_pic = user->profile_pic;
	else
		pl_mem_free(user->profile_pic);
	user->profile_pic = pl_mem_strdup(address);
}

void
pl_user_write_fields(struct pl_json_out *o, const struct pl_user *user, unsigned with)
{
	pl_jo_key(o, PL_USER_F_ID);
	pl_jo_oid(o, &user->id);
	pl_jo_key(o, PL_USER_F_FULL_NAME);
	pl_jo_cstr(o, user->full_name);
	pl_jo_key(o, PL_USER_F_USERNAME);
	pl_jo_cstr(o, user->username);
	pl_jo_key(o, PL_USER_F_PROFILE_PIC);
	pl_jo_cstr(o, user->profile_pic);
	pl_jo_key(o, PL_USER_F_STATUS);
	pl_jo_cstr(o, pl_status_name(user->status));
	if ((with & PL_USER_WITH_NOTE) && user->note) {
		pl_jo_key(o, PL_USER_F_NOTE);
		pl_jo_cstr(o, user->note);
	}
	if (with & PL_USER_WITH_TIMES) {
		pl_jo_key(o, PL_USER_F_CREATED_AT);
		pl_jo_time(o, user->created_unix_ms);
		pl_jo_key(o, PL_USER_F_UPDATED_AT);
		pl_jo_time(o, user->updated_unix_ms);
	}
}

void
pl_user_write(struct pl_json_out *o, const struct pl_user *user, unsigned with)
{
	pl_jo_object(o);
	pl_user_write_fields(o, user, with);
	pl_jo_end_object(o);
}
