/* Users whom the operator has disabled: their documents have PL_MONGO_F_DISABLED. */
#include "store/mongo/query.h"

enum pl_err
pl_mongo_user_disable(struct pl_mongo *s, const struct pl_write_disabled *disabled)
{
	bson_t selector = BSON_INITIALIZER, update = BSON_INITIALIZER, part;
	int64_t matched = 0;
	enum pl_err err;

	pl_mongo_put_oid(&selector, PL_USER_F_ID, &disabled->user);
	bson_append_document_begin(
	    &update, disabled->is_disabled ? "$set" : "$unset", -1, &part);
	bson_append_bool(&part, PL_MONGO_F_DISABLED, -1, true);
	bson_append_document_end(&update, &part);
	err = pl_mongo_update_one(s, s->users, &selector, &update, &matched);
	bson_destroy(&selector);
	bson_destroy(&update);
	return err == PL_OK && matched == 0 ? PL_E_NOT_FOUND : err;
}

static bool
has_hash(const bson_t *doc, const char *hash)
{
	bson_iter_t it;
	uint32_t len;

	return bson_iter_init_find(&it, doc, PL_USER_F_PASSWORD) &&
	       BSON_ITER_HOLDS_UTF8(&it) && strcmp(bson_iter_utf8(&it, &len), hash) == 0;
}

enum pl_err
pl_mongo_user_may_begin(struct pl_mongo *s, const struct pl_write_session *session)
{
	static const char *const only[] = {PL_MONGO_F_DISABLED, PL_USER_F_PASSWORD, NULL};
	const char *hash = session->password_hash;
	bool is_disabled = false, is_same = hash == NULL;
	struct pl_find f;
	const bson_t *doc;
	enum pl_err err;

	pl_find_start(&f, s, s->users);
	pl_mongo_put_oid(&f.filter, PL_USER_F_ID, &session->user);
	pl_find_only(&f, only);
	pl_find_limit(&f, 1);
	while (pl_find_row(&f, &doc)) {
		is_disabled = pl_mongo_disabled_read(doc);
		is_same = is_same || has_hash(doc, hash);
	}
	err = pl_find_end(&f);
	if (err == PL_OK && is_disabled)
		err = PL_E_NOT_FOUND;
	return err == PL_OK && !is_same ? PL_E_CONFLICT : err;
}
