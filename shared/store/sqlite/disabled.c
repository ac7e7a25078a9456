/* Users whom the operator has disabled: users.disabled. */
#include "store/sqlite/query.h"

static const char set[] = "UPDATE users SET disabled = nullif(?, 0) WHERE id = ?";
static const char by_id[] = "SELECT disabled FROM users WHERE id = ?";

enum pl_err
pl_sqlite_user_disable(struct pl_sqlite *s, const struct pl_write_disabled *disabled)
{
	struct pl_query q = pl_query_start(s, set);
	int changed = 0;
	enum pl_err err;

	pl_query_int(&q, disabled->is_disabled);
	pl_query_oid(&q, &disabled->user);
	err = pl_query_run(&q, &changed);
	return err == PL_OK && changed == 0 ? PL_E_NOT_FOUND : err;
}

enum pl_err
pl_sqlite_user_is_disabled(
    struct pl_sqlite *s, const struct pl_oid *id, bool *is_disabled)
{
	struct pl_query q = pl_query_start(s, by_id);

	pl_query_oid(&q, id);
	*is_disabled = pl_query_row(&q) && pl_query_get_int(&q, 0) != 0;
	return pl_query_end(&q);
}
