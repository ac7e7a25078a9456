#include "admin.h"

#include <stdio.h>

#include "base/clock.h"
#include "show.h"
#include "tell.h"

void
admin_say(const char *text, const char *name)
{
	struct pl_buf line;

	pl_buf_init(&line, PL_BUF_UNLIMITED);
	(void)pl_buf_add_cstr(&line, text);
	show_text(&line, pl_str(name));
	fprintf(stderr, "parley-admin: %s\n", line.data != NULL ? line.data : "");
	pl_buf_fini(&line);
}

int
admin_fail(const char *text, enum pl_err err)
{
	fprintf(stderr, "parley-admin: %s: %s\n", text,
	    err == PL_E_UNAVAILABLE ? "the store does not answer" : pl_err_name(err));
	return ADMIN_NOT_DONE;
}

int
admin_print(const char *line)
{
	if (printf("%s\n", line) >= 0 && fflush(stdout) == 0)
		return ADMIN_DONE;
	admin_say(
	    "it could not be printed; reset-password and invite draw another", NULL);
	return ADMIN_NOT_DONE;
}

/* ---- the store ---- */

enum pl_err
admin_write(struct admin *a, struct pl_write *write, bool *again)
{
	int tries = 0;

	do
		pl_store_write(a->store, &write, 1);
	while (pl_store_try_again(write->err, &tries));
	if (again != NULL)
		*again = tries > 0;
	return write->err;
}

int
admin_find(struct admin *a, struct pl_user *out)
{
	struct pl_str name = pl_str(a->args.username);
	int tries = 0;
	enum pl_err err;

	do
		err = pl_store_user_by_username(a->store, name, out);
	while (pl_store_try_again(err, &tries));
	if (err == PL_OK)
		return ADMIN_DONE;
	if (err != PL_E_NOT_FOUND)
		return admin_fail("the user could not be read", err);
	admin_say("there is no user ", a->args.username);
	return ADMIN_NOT_DONE;
}

/* ---- sessions ---- */

/* The second before which all tokens that there are were issued. Those of this second
 * count, too, and those that a machine issued whose clock is ahead: lists of sessions
 * have them. */
static enum pl_err
find_end(struct admin *a, const struct pl_oid *user, int64_t *before_unix_s)
{
	struct pl_session_list list;
	int tries = 0;
	enum pl_err err;

	do
		err = pl_store_sessions_of(a->store, user, &list);
	while (pl_store_try_again(err, &tries));
	if (err != PL_OK)
		return err;
	*before_unix_s = pl_clock_unix_ms() / 1000 + 1;
	for (size_t i = 0; i < list.count; i++)
		if (list.items[i].issued_unix_s >= *before_unix_s)
			*before_unix_s = list.items[i].issued_unix_s + 1;
	return PL_OK;
}

int
admin_end_sessions(struct admin *a, const struct pl_user *user, const char *done)
{
	struct pl_write w = {.kind = PL_WRITE_REVOKE};
	int64_t before_unix_s;
	enum pl_err err = find_end(a, &user->id, &before_unix_s);

	if (err == PL_OK) {
		pl_revocation_of_all(&w.u.revoke, &user->id, before_unix_s);
		err = admin_write(a, &w, NULL);
	}
	if (err != PL_OK) {
		admin_say(done, user->username);
		return admin_fail("their sessions were not ended; do it again", err);
	}
	return admin_tell(a, &w.u.revoke, false, done, user->username);
}

int
admin_tell(struct admin *a, const struct pl_revocation *r, bool is_erased,
    const char *done, const char *username)
{
	admin_say(done, username);
	if (is_erased ? tell_erased(a->redis_url, r) : tell_revoked(a->redis_url, r))
		return ADMIN_DONE;
	admin_say(is_erased
		      ? "Redis is away, so no process was told. Requests are refused "
			"within 5 seconds; sockets end in USER_CHECK_MS at most"
		      : "Redis is away, so no process was told that the sessions "
			"are over. Those whose Redis is away, too, read it from "
			"the store within a second; do it again for the others, "
			"once Redis is back",
	    NULL);
	return ADMIN_NOT_TOLD;
}
