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

/* A user who is not there is not disabled. */
enum pl_err
pl_mongo_user_is_disabled(struct pl_mongo *s, const struct pl_oid *id, bool *is_disabled)
{
	static const char *const only[] = {PL_MONGO_F_DISABLED, NULL};
	struct pl_find f;
	const bson_t *doc;

	*is_disabled = false;
	pl_find_start(&f, s, s->users);
	pl_mongo_put_oid(&f.filter, PL_USER_F_ID, id);
	pl_find_only(&f, only);
	pl_find_limit(&f, 1);
	while (pl_find_row(&f, &doc))
		*is_disabled = pl_mongo_disabled_read(doc);
	return pl_find_end(&f);
}
