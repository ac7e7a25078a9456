/*
 * user: an account: the rules of its fields and its JSON. Field names are mongoose's and
 * stand only here (PL_USER_F_*), for the wire and for the documents in the store alike.
 *
 *   {"_id","fullName","username","profilePic","status"}          pl_user_write()
 *   ... "statusNote"?                                             PL_USER_WITH_NOTE
 *   ... "createdAt","updatedAt" in GET /api/users                 PL_USER_WITH_TIMES
 *
 * These never write the password's hash and gender.  Threads: any.
 */
#ifndef PL_MODEL_USER_H
#define PL_MODEL_USER_H

#include "base/json.h"
#include "base/json_out.h"
#include "base/oid.h"
#include "model/invalid.h"
#include "model/status.h"

#define PL_USER_F_ID               "_id"
#define PL_USER_F_FULL_NAME        "fullName"
#define PL_USER_F_USERNAME         "username"
#define PL_USER_F_PASSWORD         "password"
#define PL_USER_F_CONFIRM_PASSWORD "confirmPassword"
#define PL_USER_F_NEW_PASSWORD     "newPassword"
#define PL_USER_F_GENDER           "gender"
#define PL_USER_F_PROFILE_PIC      "profilePic"
#define PL_USER_F_STATUS           "status"
#define PL_USER_F_NOTE             "statusNote"
#define PL_USER_F_CREATED_AT       "createdAt"
#define PL_USER_F_UPDATED_AT       "updatedAt"
#define PL_USER_F_INVITE           "invite"

#define PL_USER_PASSWORD_BYTES_MAX 1024
/* A login takes the names that MERN stored, which had no ceiling; this one only bounds
 * our work. */
#define PL_USER_LOGIN_NAME_BYTES_MAX 1024

enum pl_gender { PL_GENDER_MALE, PL_GENDER_FEMALE };

const char *pl_gender_name(enum pl_gender gender); /* "male" */
bool pl_gender_parse(struct pl_str text, enum pl_gender *out);

/* Strings are owned, NUL-terminated, valid UTF-8, without NUL inside; NULL only if it
 * says so. */
struct pl_user {
	struct pl_oid id;
	char *full_name;
	char *username;
	char *password_hash;
	char *profile_pic;
	char *note; /* NULL for none */
	/* What profile_pic was before the user had a picture of their own; NULL: they
	 * have none. */
	char *given_pic;
	enum pl_gender gender;
	enum pl_status status;
	bool is_disabled; /* by the operator: may not log in, and has no sessions */
	int64_t created_unix_ms;
	int64_t updated_unix_ms;
};

void pl_user_fini(struct pl_user *user); /* frees the strings, wipes the hash; zeroed */

/* The fields of a sign-up; slices borrowed from the JSON document. */
struct pl_signup {
	struct pl_str full_name;
	struct pl_str username;
	struct pl_str password;
	enum pl_gender gender;
};

/* PL_E_INVALID and *why for a missing field, a wrong type, a broken rule.
 * password_chars_min: PASSWORD_MIN_LENGTH. Also refused: a password equal to the
 * username. */
enum pl_err pl_signup_parse(const struct pl_json *body, unsigned password_chars_min,
    struct pl_signup *out, struct pl_invalid *why) PL_MUST_CHECK;

/* "invite" of a sign-up, borrowed; empty if it is absent or null. PL_E_INVALID and *why
 * for another type. */
enum pl_err pl_signup_invite_parse(
    const struct pl_json *body, struct pl_str *out, struct pl_invalid *why) PL_MUST_CHECK;

/* A new user of a sign-up: id, times, AVAILABLE, avatar address; takes password_hash. */
void pl_user_from_signup(struct pl_user *out, const struct pl_signup *signup,
    char *password_hash, int64_t now_unix_ms);

struct pl_login {
	struct pl_str username;
	struct pl_str password;
};

enum pl_err pl_login_parse(const struct pl_json *body, struct pl_login *out,
    struct pl_invalid *why) PL_MUST_CHECK;

/* {"password"}, by which somebody shows that an account is theirs. */
enum pl_err pl_password_parse(const struct pl_json *body, struct pl_str *password,
    struct pl_invalid *why) PL_MUST_CHECK;

/* {"status":..., "note"?:...} of POST /api/users/status/:id. */
struct pl_status_change {
	enum pl_status status;
	struct pl_str note; /* empty: none */
};

enum pl_err pl_status_change_parse(const struct pl_json *body,
    struct pl_status_change *out, struct pl_invalid *why) PL_MUST_CHECK;

/* {"fullName"?, "gender"?} of PATCH /api/auth/me. */
struct pl_profile_change {
	bool has_full_name;
	bool has_gender;
	struct pl_str full_name;
	enum pl_gender gender;
};

enum pl_err pl_profile_change_parse(const struct pl_json *body,
    struct pl_profile_change *out, struct pl_invalid *why) PL_MUST_CHECK;
/* The avatar address that a sign-up gave follows the gender; any other stays. */
void pl_user_change_profile(struct pl_user *user, const struct pl_profile_change *change);
/* Show the picture of this address; NULL: the given one again. */
void pl_user_set_picture(struct pl_user *user, const char *address);

/* {"password", "newPassword", "confirmPassword"} of POST /api/auth/password. */
struct pl_password_change {
	struct pl_str password;
	struct pl_str new_password;
};

/* The new one as at sign-up; pl_password_change_suits() has the rule that needs the user. */
enum pl_err pl_password_change_parse(const struct pl_json *body, unsigned chars_min,
    struct pl_password_change *out, struct pl_invalid *why) PL_MUST_CHECK;
/* PL_E_INVALID: the new password is the username. */
enum pl_err pl_password_change_suits(const struct pl_password_change *change,
    struct pl_str username, struct pl_invalid *why) PL_MUST_CHECK;

/* What is written besides the five fields. */
enum pl_user_with {
	PL_USER_WITH_TIMES = 1,
	PL_USER_WITH_NOTE = 2, /* if there is one */
};

void pl_user_write(struct pl_json_out *o, const struct pl_user *user, unsigned with);
/* The same inside an object that is open, where more may follow. */
void pl_user_write_fields(
    struct pl_json_out *o, const struct pl_user *user, unsigned with);

#endif
