#include <string.h>

#include "store/sqlite/query.h"
#include "store/sqlite/recent.h"

static const char rows_after[] = "SELECT seq, sender, receiver FROM messages "
				 "WHERE seq > ?1 AND (sender = ?2 OR receiver = ?2) "
				 "ORDER BY seq DESC";
static const char row_of[] = "SELECT sender, receiver FROM messages WHERE seq = ?";
static const char shares[] =
    "SELECT chunk, entries FROM recent "
    "WHERE bucket = ? AND chunk BETWEEN ? AND ? ORDER BY chunk DESC";

/* More are not counted: that is where a walk ends at the latest. */
enum { OTHERS_MAX = 2000 };

static void
visit(struct pl_sqlite_walk *w, int64_t row, const struct pl_oid *sender,
    const struct pl_oid *receiver)
{
	bool is_sender = pl_oid_eq(sender, &w->user);

	if (!is_sender && !pl_oid_eq(receiver, &w->user))
		return; /* of somebody with the same hash */
	if (!w->visit(w->arg, row, is_sender ? receiver : sender))
		w->is_enough = true;
}

/* What is not noted yet: all after first. */
static enum pl_err
walk_tail(struct pl_sqlite_walk *w, int64_t first)
{
	struct pl_query q = pl_query_start(w->session, rows_after);

	pl_query_int(&q, first);
	pl_query_oid(&q, &w->user);
	while (!w->is_enough && pl_query_row(&q)) {
		struct pl_oid sender, receiver;

		pl_query_get_oid(&q, 1, &sender);
		pl_query_get_oid(&q, 2, &receiver);
		visit(w, pl_query_get_int(&q, 0), &sender, &receiver);
	}
	return pl_query_end(&q);
}

static enum pl_err
walk_row(struct pl_sqlite_walk *w, int64_t row)
{
	struct pl_query q = pl_query_start(w->session, row_of);

	pl_query_int(&q, row);
	if (pl_query_row(&q)) {
		struct pl_oid sender, receiver;

		pl_query_get_oid(&q, 0, &sender);
		pl_query_get_oid(&q, 1, &receiver);
		visit(w, row, &sender, &receiver);
	}
	return pl_query_end(&q);
}

static enum pl_err
count_more_others(struct pl_sqlite_walk *w)
{
	size_t most = 4 * w->others < OTHERS_MAX ? 4 * w->others : OTHERS_MAX;
	enum pl_err err =
	    pl_sqlite_correspondents_count(w->session, &w->user, most, &w->others);

	w->has_no_more_others = w->others < most || most == OTHERS_MAX;
	return err;
}

/* Whether there are enough correspondents for what has been looked at. */
static enum pl_err
find_whether_over(struct pl_sqlite_walk *w, bool *is_over)
{
	size_t needed = w->entries > 2 * w->chunks ? 2 * w->entries : 4 * w->chunks;
	enum pl_err err = PL_OK;

	if (w->others < needed && !w->has_no_more_others)
		err = count_more_others(w);
	*is_over = w->others < needed;
	return err;
}

static enum pl_err
walk_share(struct pl_sqlite_walk *w, const uint8_t hash[4], int64_t first_row,
    struct pl_str entries, bool *is_over)
{
	enum pl_err err = PL_OK;

	for (size_t at = 0;
	     err == PL_OK && !w->is_enough && at + PL_SQLITE_RECENT_ENTRY <= entries.len;
	     at += PL_SQLITE_RECENT_ENTRY) {
		const uint8_t *entry = (const uint8_t *)entries.ptr + at;
		int64_t row = first_row + (entry[4] << 8 | entry[5]);

		if (row <= w->after_row)
			break; /* as all that follow */
		if (memcmp(entry, hash, 4) != 0 || row > w->up_to)
			continue;
		w->entries++;
		err = find_whether_over(w, is_over);
		if (*is_over)
			break;
		if (err == PL_OK)
			err = walk_row(w, row);
	}
	return err;
}

static enum pl_err
walk_chunks(struct pl_sqlite_walk *w)
{
	struct pl_sqlite_recent_key key = pl_sqlite_recent_key(&w->user);
	struct pl_query q = pl_query_start(w->session, shares);
	enum pl_err err = PL_OK, ended;
	bool is_over = false;

	pl_query_int(&q, key.bucket);
	pl_query_int(&q, w->after_row / PL_SQLITE_RECENT_CHUNK);
	pl_query_int(&q, w->up_to / PL_SQLITE_RECENT_CHUNK);
	while (err == PL_OK && !w->is_enough && !is_over && pl_query_row(&q)) {
		int64_t first = pl_query_get_int(&q, 0) * PL_SQLITE_RECENT_CHUNK;

		w->chunks++;
		err = find_whether_over(w, &is_over);
		if (err == PL_OK && !is_over)
			err = walk_share(
			    w, key.hash, first, pl_query_get_bytes(&q, 1), &is_over);
	}
	ended = pl_query_end(&q);
	w->is_whole = !is_over && !w->is_enough;
	return err != PL_OK ? err : ended;
}

enum pl_err
pl_sqlite_recent_walk(struct pl_sqlite_walk *w)
{
	int64_t last, first;
	enum pl_err err = pl_sqlite_recent_up_to(w->session, &w->up_to, &last);

	w->is_enough = w->is_whole = w->has_no_more_others = false;
	w->entries = w->chunks = 0;
	first = w->up_to > w->after_row ? w->up_to : w->after_row;
	if (err != PL_OK || last - first > PL_SQLITE_RECENT_TAIL_MAX)
		return err;
	err = walk_tail(w, first);
	return err == PL_OK && !w->is_enough ? walk_chunks(w) : err;
}
