/* parley-admin add, reset-password: users by a password of the operator's, or one that is
 * drawn. */
#include <stdio.h>
#include <time.h>

#include "admin.h"
#include "auth/password.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/json_out.h"
#include "base/mem.h"
#include "base/typable.h"
#include "base/utf8.h"
#include "secret.h"

/* 100 bits, and more if PASSWORD_MIN_LENGTH asks for more characters, of which there are
 * at most 64. */
#define DRAWN_GROUPS      5
#define DRAWN_GROUPS_MOST 13
#define RESET_TRIES       5
#define LATE_S            2 /* more than a check of a password takes */

/* Draw one into *out, which secret_fini() wipes. */
static void
draw(const struct admin *a, struct pl_buf *out)
{
	size_t groups = DRAWN_GROUPS;
	char text[PL_TYPABLE_LEN(DRAWN_GROUPS_MOST) + 1];

	while (
	    PL_TYPABLE_LEN(groups) < a->password_chars_min && groups < DRAWN_GROUPS_MOST)
		groups++;
	pl_typable_draw(text, groups);
	pl_buf_init(out, sizeof(text));
	(void)pl_buf_add_cstr(out, text);
	memset(text, 0, sizeof(text));
	__asm__ volatile("" : : "r"(text) : "memory"); /* or it would be left out */
}

/* ---- add ---- */

/* Stands for a full name that is not given, until the username, which it becomes, was
 * judged. */
#define NO_NAME "-"

/* The form of a sign-up, so that its rules hold here, too. */
static enum pl_err
parse_form(const struct admin *a, struct pl_str password, struct pl_json **body,
    struct pl_signup *form, struct pl_invalid *why)
{
	struct pl_json_out o;
	struct pl_buf text;
	enum pl_err err;

	pl_buf_init(&text, PL_BUF_UNLIMITED);
	pl_jo_init(&o, &text);
	pl_jo_object(&o);
	pl_jo_key(&o, PL_USER_F_FULL_NAME);
	pl_jo_cstr(&o, a->args.name != NULL ? a->args.name : NO_NAME);
	pl_jo_key(&o, PL_USER_F_USERNAME);
	pl_jo_cstr(&o, a->args.username);
	pl_jo_key(&o, PL_USER_F_GENDER);
	pl_jo_cstr(&o, a->args.gender);
	pl_jo_key(&o, PL_USER_F_PASSWORD);
	pl_jo_str(&o, password);
	pl_jo_key(&o, PL_USER_F_CONFIRM_PASSWORD);
	pl_jo_str(&o, password);
	pl_jo_end_object(&o);
	err = pl_json_parse(pl_buf_str(&text), body, NULL);
	pl_mem_wipe_free(text.data, text.cap);
	if (err != PL_OK) {
		pl_invalid_set(why, "BAD_JSON", "the password holds a NUL");
		return PL_E_INVALID;
	}
	err = pl_signup_parse(*body, a->password_chars_min, form, why);
	if (err == PL_OK && a->args.name == NULL)
		form->full_name = form->username;
	return err;
}

static int
insert(struct admin *a, const struct pl_signup *form, char *hash, struct pl_oid *id)
{
	struct pl_write w = {.kind = PL_WRITE_USER};
	struct pl_user user, found;
	bool again;
	enum pl_err err;

	pl_user_from_signup(&user, form, hash, pl_clock_unix_ms());
	*id = user.id;
	w.u.user = &user;
	err = admin_write(a, &w, &again);
	if (err == PL_E_CONFLICT && again &&
	    pl_store_user_by_id(a->store, &user.id, &found) == PL_OK) {
		pl_user_fini(&found); /* a try whose answer was lost has stored it */
		err = PL_OK;
	}
	pl_user_fini(&user);
	if (err == PL_OK)
		return ADMIN_DONE;
	if (err != PL_E_CONFLICT)
		return admin_fail("the user was not added", err);
	admin_say("there is already a user ", a->args.username);
	return ADMIN_NOT_DONE;
}

static int
add(struct admin *a, struct pl_str password)
{
	char hex[PL_OID_HEX_LEN + 1], *hash;
	struct pl_json *body = NULL;
	struct pl_invalid why;
	struct pl_signup form;
	struct pl_oid id;
	int status;

	if (!pl_utf8_is_valid(password)) {
		admin_say("the password is not UTF-8", NULL);
		return ADMIN_NOT_DONE;
	}
	if (parse_form(a, password, &body, &form, &why) != PL_OK) {
		admin_say(why.text, NULL);
		pl_json_free(body);
		return ADMIN_NOT_DONE;
	}
	hash = password_hash(form.password);
	status = hash != NULL ? insert(a, &form, hash, &id)
			      : admin_fail("the password", PL_E_UNAVAILABLE);
	pl_json_free(body);
	if (status != ADMIN_DONE)
		return status;
	pl_oid_format(&id, hex);
	fprintf(stderr, "parley-admin: added, _id %s\n", hex);
	return ADMIN_DONE;
}

int
admin_add(struct admin *a)
{
	struct pl_buf drawn;
	int status;

	if (a->password.len > 0)
		return add(a, pl_buf_str(&a->password));
	draw(a, &drawn);
	status = add(a, pl_buf_str(&drawn));
	if (status == ADMIN_DONE)
		status = admin_print(drawn.data);
	secret_fini(&drawn);
	return status;
}

/* ---- reset-password ---- */

/* PL_E_CONFLICT: somebody else changed it meanwhile. */
static enum pl_err
set_once(struct admin *a, const struct pl_user *user, const char *hash)
{
	struct pl_write w = {.kind = PL_WRITE_PASSWORD,
	    .u.password = {
		.user = user->id, .old_hash = user->password_hash, .new_hash = hash}};

	if (strcmp(user->password_hash, hash) == 0)
		return PL_OK; /* a try whose answer was lost has stored it */
	return admin_write(a, &w, NULL);
}

/* A log-in with the old password that was under way may have begun a session since.
 * Nobody knows the new one yet, so that any session is one of these. */
static int
end_late_sessions(struct admin *a, const struct pl_user *user, int status)
{
	const struct timespec wait = {.tv_sec = LATE_S};
	struct pl_session_list list;

	nanosleep(&wait, NULL);
	if (pl_store_sessions_of(a->store, &user->id, &list) == PL_OK && list.count == 0)
		return status;
	return admin_end_sessions(a, user, "ended what began meanwhile: ");
}

/* *user is read again each time, and is the caller's. */
static int
set(struct admin *a, const char *hash, struct pl_user *user)
{
	enum pl_err err = PL_E_CONFLICT;

	for (int i = 0; err == PL_E_CONFLICT && i < RESET_TRIES; i++) {
		pl_user_fini(user);
		if (admin_find(a, user) != ADMIN_DONE)
			return ADMIN_NOT_DONE;
		err = set_once(a, user, hash);
	}
	return err == PL_OK ? ADMIN_DONE : admin_fail("the password is as it was", err);
}

static int
reset(struct admin *a, struct pl_str password)
{
	struct pl_user user = {0};
	char *hash;
	int status = admin_find(a, &user);

	if (status != ADMIN_DONE)
		return status;
	hash = password_hash(password);
	status = hash != NULL ? set(a, hash, &user)
			      : admin_fail("the password", PL_E_UNAVAILABLE);
	if (status == ADMIN_DONE)
		status = admin_end_sessions(a, &user, "has a new password: ");
	if (status == ADMIN_DONE || status == ADMIN_NOT_TOLD)
		status = end_late_sessions(a, &user, status);
	if (hash != NULL)
		pl_mem_wipe_free(hash, strlen(hash));
	pl_user_fini(&user);
	return status;
}

/* It is printed whatever became of the sessions: the old one is gone. */
int
admin_reset_password(struct admin *a)
{
	struct pl_buf drawn;
	int status;

	draw(a, &drawn);
	status = reset(a, pl_buf_str(&drawn));
	if (status == ADMIN_DONE || status == ADMIN_NOT_TOLD)
		if (admin_print(drawn.data) != ADMIN_DONE)
			status = ADMIN_NOT_DONE;
	secret_fini(&drawn);
	return status;
}
