#include "store/sqlite/query.h"

static const char find[] =
    "SELECT " PL_SQLITE_MESSAGE_COLUMNS
    ", k.first_text FROM idem_keys AS k CROSS JOIN messages AS m "
    "ON m.id = k.message WHERE k.sender = ? AND k.idem_key = ? AND k.created > ?";
/* The same key may still be there from more than 24 h ago, in the way of the unique
 * (sender, idem_key). */
static const char keep[] = "INSERT OR REPLACE INTO idem_keys "
			   "(sender, idem_key, message, created) VALUES (?, ?, ?, ?)";
/* A key is as old as its message, so it is found without an index over messages, which
 * sends would have to write. */
static const char keep_first_text[] =
    "UPDATE idem_keys INDEXED BY idem_keys_created SET first_text = ? "
    "WHERE created = ? AND sender = ? AND message = ?";
static const char purge[] =
    "DELETE FROM idem_keys WHERE (sender, idem_key) IN (SELECT sender, idem_key "
    "FROM idem_keys WHERE created <= ? ORDER BY created LIMIT ?)";

enum pl_err
pl_sqlite_idem_find(struct pl_sqlite *s, const struct pl_oid *sender, struct pl_str key,
    struct pl_message *out, struct pl_first_text *kept)
{
	struct pl_query q = pl_query_start(s, find);
	struct pl_first_text first_text = {0};
	struct pl_message m = {0};
	bool is_found;
	enum pl_err err;

	pl_query_oid(&q, sender);
	pl_query_text(&q, key);
	pl_query_int(&q, s->now_unix_ms - PL_STORE_IDEM_KEPT_MS);
	is_found = pl_query_row(&q);
	if (is_found) {
		pl_sqlite_message_read(&q, 0, &m);
		pl_sqlite_first_text_read(&q, PL_SQLITE_MESSAGE_WIDTH, &first_text);
	}
	err = pl_query_end(&q);
	if (err == PL_OK && !is_found)
		err = PL_E_NOT_FOUND;
	if (err != PL_OK) {
		pl_message_fini(&m);
		return err;
	}
	*out = m;
	*kept = first_text;
	return PL_OK;
}

enum pl_err
pl_sqlite_idem_keep(struct pl_sqlite *s, struct pl_str key, const struct pl_message *m)
{
	struct pl_query q = pl_query_start(s, keep);

	pl_query_oid(&q, &m->sender);
	pl_query_text(&q, key);
	pl_query_oid(&q, &m->id);
	pl_query_int(&q, m->created_unix_ms);
	return pl_query_run(&q, NULL);
}

void
pl_sqlite_first_text_read(struct pl_query *q, int column, struct pl_first_text *out)
{
	*out = (struct pl_first_text){.is_kept = !pl_query_is_null(q, column)};
	if (out->is_kept)
		pl_query_get_blob(q, column, out->mac, PL_FIRST_TEXT_LEN);
}

enum pl_err
pl_sqlite_first_text_keep(struct pl_sqlite *s, const struct pl_message *m,
    const struct pl_first_text *first_text)
{
	struct pl_query q;

	if (!first_text->is_kept)
		return PL_OK;
	q = pl_query_start(s, keep_first_text);
	pl_query_blob(&q, first_text->mac, PL_FIRST_TEXT_LEN);
	pl_query_int(&q, m->created_unix_ms);
	pl_query_oid(&q, &m->sender);
	pl_query_oid(&q, &m->id);
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
