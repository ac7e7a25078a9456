#include "base/mem.h"
#include "store/sqlite/query.h"

/*
 * Who has blocked whom. A send looks in the statement that reads its receiver anyway,
 * inside its transaction and so under the one write lock: a block that is committed holds
 * for every send after it, of whichever process, and none is under way meanwhile. Nothing
 * has to be told.
 *
 * users.blocks is there in the row of whoever has blocked somebody, or was. Without it
 * the send costs what it did, a column of a row that is read; only with it the two are
 * looked for.
 */
static const char receiver[] =
    "SELECT status, blocks IS NOT NULL, CASE WHEN blocks IS NULL THEN 0 ELSE "
    "EXISTS (SELECT 1 FROM blocks WHERE user = ?1 AND other = ?2) OR "
    "EXISTS (SELECT 1 FROM blocks WHERE user = ?2 AND other = ?1) END "
    "FROM users WHERE id = ?2";
static const char is_blocked_sql[] =
    "SELECT 1 FROM blocks WHERE user = ?1 AND other = ?2 UNION ALL "
    "SELECT 1 FROM blocks WHERE user = ?2 AND other = ?1 LIMIT 1";
static const char page[] = "SELECT user, other, created FROM blocks "
			   "WHERE user = ? AND other > ? ORDER BY other LIMIT ?";
static const char is_there_sql[] = "SELECT 1 FROM blocks WHERE user = ? AND other = ?";
static const char count_sql[] = "SELECT count(*) FROM blocks WHERE user = ?";
static const char put[] = "INSERT INTO blocks (user, other, created) VALUES (?, ?, ?) "
			  "ON CONFLICT DO NOTHING";
static const char flag_set[] =
    "UPDATE users SET blocks = 1 WHERE id IN (?, ?) AND blocks IS NULL";
static const char flag_clear[] =
    "UPDATE users SET blocks = NULL WHERE id IN (?, ?) "
    "AND NOT EXISTS (SELECT 1 FROM blocks AS b WHERE b.user = users.id) "
    "AND NOT EXISTS (SELECT 1 FROM blocks AS b WHERE b.other = users.id)";
static const char drop[] = "DELETE FROM blocks WHERE user = ? AND other = ?";

/* ---- reads ---- */

enum pl_err
pl_sqlite_receiver(struct pl_sqlite *s, const struct pl_oid *from,
    const struct pl_oid *to, enum pl_status *status, bool *is_blocked, bool *has_blocks)
{
	struct pl_query q = pl_query_start(s, receiver);
	enum pl_err err;
	bool is_found;

	pl_query_oid(&q, from);
	pl_query_oid(&q, to);
	is_found = pl_query_row(&q);
	if (is_found) {
		if (!pl_status_parse(pl_query_get_text(&q, 0), status))
			pl_query_spoil(&q);
		*has_blocks = pl_query_get_int(&q, 1) != 0;
		*is_blocked = pl_query_get_int(&q, 2) != 0;
	}
	err = pl_query_end(&q);
	return err == PL_OK && !is_found ? PL_E_NOT_FOUND : err;
}

enum pl_err
pl_sqlite_is_blocked(
    struct pl_sqlite *s, const struct pl_oid *a, const struct pl_oid *b, bool *is_blocked)
{
	struct pl_query q = pl_query_start(s, is_blocked_sql);

	pl_query_oid(&q, a);
	pl_query_oid(&q, b);
	*is_blocked = pl_query_row(&q);
	return pl_query_end(&q);
}

enum pl_err
pl_sqlite_may_write(
    struct pl_store *store, const struct pl_oid *from, const struct pl_oid *to)
{
	enum pl_status status;
	bool is_blocked = false, has_blocks;
	enum pl_err err = pl_sqlite_receiver(
	    pl_sqlite_of(store), from, to, &status, &is_blocked, &has_blocks);

	return err == PL_OK && is_blocked ? PL_E_DENIED : err;
}

enum pl_err
pl_sqlite_blocks_page(struct pl_store *store, const struct pl_oid *user,
    const struct pl_oid *after, size_t limit, struct pl_block_list *out)
{
	struct pl_query q = pl_query_start(pl_sqlite_of(store), page);
	struct pl_block_list list = {0};
	enum pl_err err;

	pl_query_oid(&q, user);
	pl_query_blob(
	    &q, after ? (const char *)after->bytes : "", after ? PL_OID_LEN : 0);
	pl_query_int(&q, (int64_t)limit);
	while (pl_query_row(&q)) {
		struct pl_block *block;

		list.items = pl_store_grow(list.items, list.count, sizeof(*list.items));
		block = &list.items[list.count++];
		pl_query_get_oid(&q, 0, &block->user);
		pl_query_get_oid(&q, 1, &block->other);
		block->created_unix_ms = pl_query_get_int(&q, 2);
	}
	err = pl_query_end(&q);
	if (err == PL_OK)
		*out = list;
	else
		pl_block_list_fini(&list);
	return err;
}

/* ---- writes ---- */

static enum pl_err
is_there(struct pl_sqlite *s, const struct pl_write_block *block, bool *is)
{
	struct pl_query q = pl_query_start(s, is_there_sql);

	pl_query_oid(&q, &block->user);
	pl_query_oid(&q, &block->other);
	*is = pl_query_row(&q);
	return pl_query_end(&q);
}

static enum pl_err
count_of(struct pl_sqlite *s, const struct pl_oid *user, size_t *count)
{
	struct pl_query q = pl_query_start(s, count_sql);

	pl_query_oid(&q, user);
	if (pl_query_row(&q))
		*count = (size_t)pl_query_get_int(&q, 0);
	return pl_query_end(&q);
}

static enum pl_err
run_for_both(struct pl_sqlite *s, const char *sql, const struct pl_oid *user,
    const struct pl_oid *other)
{
	struct pl_query q = pl_query_start(s, sql);

	pl_query_oid(&q, user);
	pl_query_oid(&q, other);
	return pl_query_run(&q, NULL);
}

enum pl_err
pl_sqlite_block_put(struct pl_sqlite *s, const struct pl_block *block)
{
	struct pl_query q = pl_query_start(s, put);
	int changed = 0;
	enum pl_err err;

	pl_query_oid(&q, &block->user);
	pl_query_oid(&q, &block->other);
	pl_query_int(&q, block->created_unix_ms);
	err = pl_query_run(&q, &changed);
	if (err == PL_OK && changed == 0)
		return PL_E_CONFLICT;
	return err == PL_OK ? run_for_both(s, flag_set, &block->user, &block->other)
			    : err;
}

static enum pl_err
block_drop(struct pl_sqlite *s, const struct pl_write_block *block)
{
	enum pl_err err = run_for_both(s, drop, &block->user, &block->other);

	return err == PL_OK ? run_for_both(s, flag_clear, &block->user, &block->other)
			    : err;
}

static enum pl_err
block_add(struct pl_sqlite *s, const struct pl_write_block *block)
{
	struct pl_block row = {block->user, block->other, s->now_unix_ms};
	size_t count = 0;
	enum pl_err err = count_of(s, &block->user, &count);

	if (err == PL_OK && count >= block->limit)
		err = PL_E_TOO_BIG;
	return err == PL_OK ? pl_sqlite_block_put(s, &row) : err;
}

enum pl_err
pl_sqlite_block(struct pl_sqlite *s, struct pl_write_block *block)
{
	enum pl_status status;
	bool is = false;
	enum pl_err err = is_there(s, block, &is);

	if (err == PL_OK && is)
		return block->is_blocked ? PL_OK : block_drop(s, block);
	if (err == PL_OK)
		err = pl_sqlite_user_status(s, &block->other, &status);
	return err == PL_OK && block->is_blocked ? block_add(s, block) : err;
}
