/* Users whom the operator has disabled: users.disabled. */
#include "store/sqlite/query.h"

static const char set[] = "UPDATE users SET disabled = nullif(?, 0) WHERE id = ?";
static const char by_id[] = "SELECT disabled, password_hash FROM users WHERE id = ?";

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
pl_sqlite_user_may_begin(struct pl_sqlite *s, const struct pl_write_session *session)
{
	struct pl_query q = pl_query_start(s, by_id);
	const char *hash = session->password_hash;
	bool is_disabled = false, is_same = hash == NULL;
	enum pl_err err;

	pl_query_oid(&q, &session->user);
	if (pl_query_row(&q)) {
		is_disabled = pl_query_get_int(&q, 0) != 0;
		is_same = is_same || pl_str_eq(pl_query_get_text(&q, 1), pl_str(hash));
	}
	err = pl_query_end(&q);
	if (err == PL_OK && is_disabled)
		err = PL_E_NOT_FOUND;
	return err == PL_OK && !is_same ? PL_E_CONFLICT : err;
}
