#include "base/mem.h"
#include "store/sqlite/query.h"

/*
 * The messages that a user wrote or got, in their order: each of their correspondents is
 * a range of the index messages_pair for either direction, which has all that is asked
 * here; SQLite keeps the first ones of them while it looks through.
 */
static const char places[] =
    "SELECT created, id FROM ("
    "SELECT m.created, m.id FROM correspondents AS c CROSS JOIN messages AS m "
    "ON m.receiver = c.other AND m.sender = c.user AND (m.created, m.id) > (?2, ?3) "
    "WHERE c.user = ?1 UNION ALL "
    "SELECT m.created, m.id FROM correspondents AS c CROSS JOIN messages AS m "
    "ON m.receiver = c.user AND m.sender = c.other AND (m.created, m.id) > (?2, ?3) "
    "WHERE c.user = ?1 AND c.other <> ?1) "
    "ORDER BY created, id LIMIT ?4";

enum pl_err
pl_sqlite_positions_of(struct pl_store *store, const struct pl_oid *user,
    const struct pl_message_pos *pos, size_t limit, struct pl_pos_list *out)
{
	static const struct pl_message_pos before_all = {.created_unix_ms = INT64_MIN};
	struct pl_query q = pl_query_start(pl_sqlite_of(store), places);
	struct pl_pos_list list = {0};
	enum pl_err err;

	if (pos == NULL)
		pos = &before_all;
	pl_query_oid(&q, user);
	pl_query_int(&q, pos->created_unix_ms);
	pl_query_oid(&q, &pos->id);
	pl_query_int(&q, (int64_t)limit);
	while (pl_query_row(&q)) {
		list.items = pl_store_grow(list.items, list.count, sizeof(*list.items));
		list.items[list.count].created_unix_ms = pl_query_get_int(&q, 0);
		pl_query_get_oid(&q, 1, &list.items[list.count++].id);
	}
	err = pl_query_end(&q);
	if (err == PL_OK)
		*out = list;
	else
		pl_pos_list_fini(&list);
	return err;
}
