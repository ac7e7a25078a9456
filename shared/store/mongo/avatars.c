/*
 * Users' own pictures: a document each, beside those of users, which are read whole for
 * lists. So two documents change for one picture: its bytes first, then the address that
 * shows them; if a picture is dropped, the other way round. A process that dies in
 * between leaves the address of before, which shows the picture that is there, or bytes
 * that no address leads to, which the next change replaces.
 */
#include "base/mem.h"
#include "store/mongo/query.h"

bool
pl_mongo_avatar_read(const bson_t *doc, struct pl_avatar *out)
{
	struct pl_avatar avatar;
	bson_subtype_t subtype;
	const uint8_t *bytes;
	struct pl_str type;
	bson_iter_t it;
	uint32_t len;

	if (!pl_mongo_get_oid(doc, PL_USER_F_ID, &avatar.user) ||
	    !pl_mongo_get_str(doc, PL_MONGO_F_TYPE, &type) ||
	    !pl_avatar_type_parse(type, &avatar.type) ||
	    !bson_iter_init_find(&it, doc, PL_MONGO_F_BYTES) ||
	    !BSON_ITER_HOLDS_BINARY(&it))
		return false;
	bson_iter_binary(&it, &subtype, &len, &bytes);
	avatar.bytes = pl_mem_strndup((const char *)bytes, len);
	avatar.len = len;
	*out = avatar;
	return true;
}

void
pl_mongo_avatar_write(bson_t *doc, const struct pl_avatar *avatar)
{
	pl_mongo_put_str(doc, PL_MONGO_F_TYPE, pl_str(pl_avatar_type_name(avatar->type)));
	bson_append_binary(doc, PL_MONGO_F_BYTES, -1, BSON_SUBTYPE_BINARY,
	    (const uint8_t *)avatar->bytes, (uint32_t)avatar->len);
}

enum pl_err
pl_mongo_avatar(struct pl_store *store, const struct pl_oid *user, struct pl_avatar *out)
{
	struct pl_mongo *s = pl_mongo_start(store);
	struct pl_avatar avatar = {0};
	bool is_found = false;
	struct pl_find f;
	const bson_t *doc;
	enum pl_err err;

	pl_find_start(&f, s, s->avatars);
	pl_mongo_put_oid(&f.filter, PL_USER_F_ID, user);
	pl_find_limit(&f, 1);
	if (pl_find_row(&f, &doc))
		is_found = pl_mongo_avatar_read(doc, &avatar);
	err = pl_find_end(&f);
	if (err == PL_OK && !is_found)
		err = PL_E_NOT_FOUND;
	if (err == PL_OK)
		*out = avatar;
	else
		pl_avatar_fini(&avatar);
	return err;
}

/* ---- writes ---- */

static enum pl_err
insert(struct pl_mongo *s, const struct pl_avatar *avatar)
{
	bson_t *doc = bson_new();
	enum pl_err err;

	pl_mongo_put_oid(doc, PL_USER_F_ID, &avatar->user);
	pl_mongo_avatar_write(doc, avatar);
	pl_mongo_insert(s, s->avatars, &doc, 1, &err);
	bson_destroy(doc);
	return err;
}

/* PL_E_NOT_FOUND: the user has none. */
static enum pl_err
replace(struct pl_mongo *s, const struct pl_avatar *avatar)
{
	bson_t selector = BSON_INITIALIZER, update = BSON_INITIALIZER, fields;
	int64_t matched = 0;
	enum pl_err err;

	pl_mongo_put_oid(&selector, PL_USER_F_ID, &avatar->user);
	bson_append_document_begin(&update, "$set", -1, &fields);
	pl_mongo_avatar_write(&fields, avatar);
	bson_append_document_end(&update, &fields);
	err = pl_mongo_update_one(s, s->avatars, &selector, &update, &matched);
	bson_destroy(&selector);
	bson_destroy(&update);
	return err == PL_OK && matched == 0 ? PL_E_NOT_FOUND : err;
}

static enum pl_err
keep(struct pl_mongo *s, const struct pl_avatar *avatar)
{
	enum pl_err err = replace(s, avatar);

	if (err == PL_E_NOT_FOUND)
		err = insert(s, avatar);
	if (err == PL_E_CONFLICT) /* another process was first */
		err = replace(s, avatar);
	return err == PL_E_NOT_FOUND ? PL_E_UNAVAILABLE : err;
}

static enum pl_err
drop_bytes(struct pl_mongo *s, const struct pl_oid *user)
{
	bson_t selector = BSON_INITIALIZER;
	enum pl_err err;

	pl_mongo_put_oid(&selector, PL_USER_F_ID, user);
	err = pl_mongo_delete_many(s, s->avatars, &selector);
	bson_destroy(&selector);
	return err;
}

static void
set_picture(struct pl_user *user, const void *address)
{
	pl_user_set_picture(user, address);
}

static enum pl_err
set(struct pl_mongo *s, struct pl_write_avatar *w)
{
	struct pl_str bytes = pl_str_n(w->avatar->bytes, w->avatar->len);
	struct pl_digest digest;
	bool exists = false;
	char *address;
	enum pl_err err = pl_mongo_users_exist(&s->store, &w->user, 1, &exists);

	if (err == PL_OK)
		err = exists ? keep(s, w->avatar) : PL_E_NOT_FOUND;
	if (err != PL_OK)
		return err;
	pl_avatar_digest(bytes, &digest);
	address = pl_avatar_address(&w->user, &digest);
	err = pl_mongo_user_change(s, &w->user, set_picture, address, &w->after);
	pl_mem_free(address);
	if (err == PL_E_NOT_FOUND && drop_bytes(s, &w->user) != PL_OK)
		err = PL_E_UNAVAILABLE;
	return err;
}

enum pl_err
pl_mongo_avatar_set(struct pl_mongo *s, struct pl_write_avatar *w)
{
	enum pl_err err;

	if (w->avatar != NULL)
		return set(s, w);
	err = pl_mongo_user_change(s, &w->user, set_picture, NULL, &w->after);
	return err == PL_OK ? drop_bytes(s, &w->user) : err;
}
