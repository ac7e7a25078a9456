/*
 * A user's document is read, changed and written back only if what was read of it still
 * stands: of two processes that change it at once, one does it again.
 */
#include "base/mem.h"
#include "store/mongo/query.h"

#define TRIES 8 /* others were first each time: it is done later, or not at all */

static const char *const fields[] = {
    PL_USER_F_FULL_NAME, PL_USER_F_GENDER, PL_USER_F_PROFILE_PIC, PL_MONGO_F_GIVEN_PIC};

/* The one document, copied; NULL: there is none. */
static enum pl_err
load(struct pl_mongo *s, const struct pl_oid *id, bson_t **out)
{
	struct pl_find f;
	const bson_t *doc;
	enum pl_err err;

	*out = NULL;
	pl_find_start(&f, s, s->users);
	pl_mongo_put_oid(&f.filter, PL_USER_F_ID, id);
	pl_find_limit(&f, 1);
	if (pl_find_row(&f, &doc))
		*out = bson_copy(doc);
	err = pl_find_end(&f);
	if (err != PL_OK) {
		bson_destroy(*out);
		*out = NULL;
	}
	return err;
}

/* What the fields are now; of those that are not text only that they are there. */
static void
put_as_read(bson_t *selector, const bson_t *doc)
{
	bson_iter_t it;

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (!bson_iter_init_find(&it, doc, fields[i]))
			bson_append_null(selector, fields[i], -1);
		else if (BSON_ITER_HOLDS_UTF8(&it))
			bson_append_iter(selector, fields[i], -1, &it);
}

static bool
is_renamed(const struct pl_user *before, const struct pl_user *user)
{
	return strcmp(before->full_name, user->full_name) != 0;
}

static void
put_changes(bson_t *update, const struct pl_user *before, const struct pl_user *user)
{
	bson_t part;

	bson_append_document_begin(update, "$set", -1, &part);
	if (is_renamed(before, user)) {
		pl_mongo_put_str(&part, PL_USER_F_FULL_NAME, pl_str(user->full_name));
		pl_mongo_people_write(&part, user);
	}
	pl_mongo_put_str(&part, PL_USER_F_GENDER, pl_str(pl_gender_name(user->gender)));
	pl_mongo_put_str(&part, PL_USER_F_PROFILE_PIC, pl_str(user->profile_pic));
	if (user->given_pic != NULL)
		pl_mongo_put_str(&part, PL_MONGO_F_GIVEN_PIC, pl_str(user->given_pic));
	pl_mongo_put_time(&part, PL_USER_F_UPDATED_AT, user->updated_unix_ms);
	bson_append_document_end(update, &part);
	if (user->given_pic == NULL) {
		bson_append_document_begin(update, "$unset", -1, &part);
		pl_mongo_put_int(&part, PL_MONGO_F_GIVEN_PIC, 1);
		bson_append_document_end(update, &part);
	}
}

/* PL_E_CONFLICT: somebody was first. */
static enum pl_err
store(struct pl_mongo *s, const bson_t *doc, const struct pl_user *before,
    const struct pl_user *user)
{
	bson_t selector = BSON_INITIALIZER, update = BSON_INITIALIZER;
	int64_t matched = 0;
	enum pl_err err;

	pl_mongo_put_oid(&selector, PL_USER_F_ID, &user->id);
	put_as_read(&selector, doc);
	put_changes(&update, before, user);
	err = pl_mongo_update_one(s, s->users, &selector, &update, &matched);
	bson_destroy(&selector);
	bson_destroy(&update);
	return err == PL_OK && matched == 0 ? PL_E_CONFLICT : err;
}

static enum pl_err
try_to_change(struct pl_mongo *s, const struct pl_oid *id,
    void (*change)(struct pl_user *user, const void *arg), const void *arg,
    struct pl_user *out)
{
	struct pl_user before = {0}, user = {0};
	bson_t *doc;
	enum pl_err err = load(s, id, &doc);

	if (err != PL_OK)
		return err;
	if (doc == NULL || !pl_mongo_user_read(doc, &before) ||
	    !pl_mongo_user_read(doc, &user)) {
		bson_destroy(doc);
		pl_user_fini(&before);
		return PL_E_NOT_FOUND;
	}
	change(&user, arg);
	user.updated_unix_ms = s->now_unix_ms;
	err = store(s, doc, &before, &user);
	if (err == PL_OK)
		*out = user;
	else
		pl_user_fini(&user);
	pl_user_fini(&before);
	bson_destroy(doc);
	return err;
}

enum pl_err
pl_mongo_user_change(struct pl_mongo *s, const struct pl_oid *id,
    void (*change)(struct pl_user *user, const void *arg), const void *arg,
    struct pl_user *out)
{
	enum pl_err err = PL_E_CONFLICT;

	for (int i = 0; err == PL_E_CONFLICT && i < TRIES; i++)
		err = try_to_change(s, id, change, arg, out);
	return err == PL_E_CONFLICT ? PL_E_UNAVAILABLE : err;
}

static void
change_profile(struct pl_user *user, const void *arg)
{
	pl_user_change_profile(user, arg);
}

enum pl_err
pl_mongo_profile_set(struct pl_mongo *s, struct pl_write_profile *profile)
{
	return pl_mongo_user_change(
	    s, &profile->user, change_profile, &profile->change, &profile->after);
}
