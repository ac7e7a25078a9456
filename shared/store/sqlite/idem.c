#include "store/sqlite/query.h"

static const char find[] =
    "SELECT " PL_SQLITE_MESSAGE_COLUMNS " FROM idem_keys AS k CROSS JOIN messages AS m "
    "ON m.id = k.message WHERE k.sender = ? AND k.idem_key = ? AND k.created > ?";
/* The same key may still be there from more than 24 h ago, in the way of the unique
 * (sender, idem_key). */
static const char keep[] = "INSERT OR REPLACE INTO idem_keys "
			   "(sender, idem_key, message, created) VALUES (?, ?, ?, ?)";
static const char purge[] =
    "DELETE FROM idem_keys WHERE (sender, idem_key) IN (SELECT sender, idem_key "
    "FROM idem_keys WHERE created <= ? ORDER BY created LIMIT ?)";

enum pl_err
pl_sqlite_idem_find(struct pl_sqlite *s, const struct pl_oid *sender, struct pl_str key,
    struct pl_message *out)
{
	struct pl_query q = pl_query_start(s, find);
	struct pl_message m = {0};
	bool is_found;
	enum pl_err err;

	pl_query_oid(&q, sender);
	pl_query_text(&q, key);
	pl_query_int(&q, s->now_unix_ms - PL_STORE_IDEM_KEPT_MS);
	is_found = pl_query_row(&q);
	if (is_found)
		pl_sqlite_message_read(&q, 0, &m);
	err = pl_query_end(&q);
	if (err == PL_OK && !is_found)
		err = PL_E_NOT_FOUND;
	if (err == PL_OK)
		*out = m;
	else
		pl_message_fini(&m);
	return err;
}

enum pl_err
pl_sqlite_idem_keep(struct pl_sqlite *s, struct pl_str key, const struct pl_message *m)
{
	struct pl_query q = pl_query_start(s, keep);

	pl_query_oid(&q, &m->sender);
	pl_query_text(&q, key);
	pl_query_oid(&q, &m->id);
	pl_query_int(&q, s->now_unix_ms);
	return pl_query_run(&q, NULL);
}

enum pl_err
pl_sqlite_idem_purge(struct pl_sqlite *s, int limit, int *dropped)
{
	struct pl_query q = pl_query_start(s, purge);

	pl_query_int(&q, s->now_unix_ms - PL_STORE_IDEM_KEPT_MS);
	pl_query_int(&q, limit);
	return pl_query_run(&q, dropped);
}
