#include "store/sqlite/query.h"

static const char update[] =
    "UPDATE users SET full_name = ?, gender = ?, profile_pic = ?, given_pic = ?, "
    "updated = ? WHERE id = ?";

enum pl_err
pl_sqlite_user_update(struct pl_sqlite *s, struct pl_user *user)
{
	struct pl_query q = pl_query_start(s, update);

	user->updated_unix_ms = s->now_unix_ms;
	pl_query_text(&q, pl_str(user->full_name));
	pl_query_text(&q, pl_str(pl_gender_name(user->gender)));
	pl_query_text(&q, pl_str(user->profile_pic));
	if (user->given_pic != NULL)
		pl_query_text(&q, pl_str(user->given_pic));
	else
		pl_query_null(&q);
	pl_query_int(&q, user->updated_unix_ms);
	pl_query_oid(&q, &user->id);
	return pl_query_run(&q, NULL);
}

/* Nobody else writes between the look and the change: a batch has the write lock. */
enum pl_err
pl_sqlite_profile_set(struct pl_sqlite *s, struct pl_write_profile *profile)
{
	struct pl_user *user = &profile->after;
	enum pl_err err = pl_sqlite_user_by_id(&s->store, &profile->user, user);

	if (err != PL_OK)
		return err;
	pl_user_change_profile(user, &profile->change);
	err = pl_sqlite_user_update(s, user);
	if (err == PL_OK && profile->change.has_full_name)
		err = pl_sqlite_people_put(
		    s, &user->id, pl_str(user->full_name), pl_str(user->username));
	return err;
}
