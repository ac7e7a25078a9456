#include <string.h>

#include "base/mem.h"
#include "store/sqlite/query.h"

/*
 * Who has written with whom: the two rows of a pair are made with its first message, in
 * the same transaction, and never go. A session remembers pairs whose rows are there, so
 * that a message after the first costs neither a read nor a write.
 */
enum { KNOWN_PAIRS = 8192 }; /* 192 KiB, of a session that writes; a power of two */

struct pair {
	struct pl_oid low, high;
};

struct pl_sqlite_known {
	struct pair pairs[KNOWN_PAIRS];
};

static const char row_is_there[] =
    "SELECT 1 FROM correspondents WHERE user = ? AND other = ?";
static const char row_put[] =
    "INSERT INTO correspondents (user, other) VALUES (?, ?) ON CONFLICT DO NOTHING";
static const char marks_find[] =
    "SELECT read_at, read_id, delivered_at, delivered_id FROM correspondents "
    "WHERE user = ? AND other = ?";
static const char marks_set[] =
    "UPDATE correspondents SET read_at = ?, read_id = ?, delivered_at = ?, "
    "delivered_id = ? WHERE user = ? AND other = ?";

/* ---- pairs ---- */

static struct pair
pair_of(const struct pl_oid *a, const struct pl_oid *b)
{
	return pl_oid_compare(a, b) <= 0 ? (struct pair){*a, *b} : (struct pair){*b, *a};
}

/* Ids that follow each other go to places that do. Who chooses them badly costs a
 * look-up. */
static size_t
place_of(const struct pl_oid *low, const struct pl_oid *high)
{
	uint64_t a, b;

	memcpy(&a, low->bytes + PL_OID_LEN - sizeof(a), sizeof(a));
	memcpy(&b, high->bytes + PL_OID_LEN - sizeof(b), sizeof(b));
	a = (a ^ (b << 23 | b >> 41)) * UINT64_C(0x9e3779b97f4a7c15);
	return (size_t)(a >> 51) % KNOWN_PAIRS;
}

static enum pl_err
put_row(struct pl_sqlite *s, const struct pl_oid *user, const struct pl_oid *other)
{
	struct pl_query q = pl_query_start(s, row_put);

	pl_query_oid(&q, user);
	pl_query_oid(&q, other);
	return pl_query_run(&q, NULL);
}

static enum pl_err
find_row(struct pl_sqlite *s, const struct pl_oid *user, const struct pl_oid *other,
    bool *is_there)
{
	struct pl_query q = pl_query_start(s, row_is_there);

	pl_query_oid(&q, user);
	pl_query_oid(&q, other);
	*is_there = pl_query_row(&q);
	return pl_query_end(&q);
}

static struct pair *
known_place(struct pl_sqlite *s, const struct pair *pair)
{
	if (s->known == NULL)
		s->known = pl_mem_zalloc(sizeof(*s->known));
	return &s->known->pairs[place_of(&pair->low, &pair->high)];
}

enum pl_err
pl_sqlite_pair_is_listed(
    struct pl_sqlite *s, const struct pl_oid *a, const struct pl_oid *b, bool *is_listed)
{
	struct pair pair = pair_of(a, b), *known = known_place(s, &pair);
	enum pl_err err;

	*is_listed =
	    pl_oid_eq(&known->low, &pair.low) && pl_oid_eq(&known->high, &pair.high);
	if (*is_listed)
		return PL_OK;
	err = find_row(s, &pair.low, &pair.high, is_listed);
	if (err == PL_OK && *is_listed)
		*known = pair;
	return err;
}

enum pl_err
pl_sqlite_pair(struct pl_sqlite *s, const struct pl_oid *a, const struct pl_oid *b)
{
	bool is_listed = false;
	enum pl_err err = pl_sqlite_pair_is_listed(s, a, b, &is_listed);

	if (err != PL_OK || is_listed)
		return err;
	err = put_row(s, a, b);
	if (err == PL_OK)
		err = put_row(s, b, a);
	if (err == PL_OK) {
		struct pair pair = pair_of(a, b);

		*known_place(s, &pair) = pair;
	}
	return err;
}

void
pl_sqlite_pairs_forget(struct pl_sqlite *s)
{
	pl_mem_free(s->known);
	s->known = NULL;
}

/* ---- marks ---- */

static void
read_mark(struct pl_query *q, int first, struct pl_message_pos *out)
{
	*out = (struct pl_message_pos){0};
	if (pl_query_is_null(q, first))
		return;
	out->created_unix_ms = pl_query_get_int(q, first);
	pl_query_get_oid(q, first + 1, &out->id);
}

void
pl_sqlite_marks_read(struct pl_query *q, int first, struct pl_record_marks *out)
{
	read_mark(q, first, &out->read);
	read_mark(q, first + 2, &out->delivered);
}

enum pl_err
pl_sqlite_marks_of(struct pl_sqlite *s, struct pl_record_marks *marks)
{
	struct pl_query q = pl_query_start(s, marks_find);

	marks->read = marks->delivered = (struct pl_message_pos){0};
	pl_query_oid(&q, &marks->user);
	pl_query_oid(&q, &marks->other);
	if (pl_query_row(&q))
		pl_sqlite_marks_read(&q, 0, marks);
	return pl_query_end(&q);
}

static void
bind_mark(struct pl_query *q, const struct pl_message_pos *mark)
{
	if (mark->created_unix_ms == 0) {
		pl_query_null(q);
		pl_query_null(q);
		return;
	}
	pl_query_int(q, mark->created_unix_ms);
	pl_query_oid(q, &mark->id);
}

enum pl_err
pl_sqlite_marks_set(struct pl_sqlite *s, const struct pl_record_marks *marks)
{
	enum pl_err err = pl_sqlite_pair(s, &marks->user, &marks->other);
	struct pl_query q;

	if (err != PL_OK)
		return err;
	q = pl_query_start(s, marks_set);
	bind_mark(&q, &marks->read);
	bind_mark(&q, &marks->delivered);
	pl_query_oid(&q, &marks->user);
	pl_query_oid(&q, &marks->other);
	return pl_query_run(&q, NULL);
}

static bool
move(struct pl_message_pos *mark, const struct pl_message_pos *to)
{
	if (pl_message_pos_compare(mark, to) >= 0)
		return false;
	*mark = *to;
	return true;
}

enum pl_err
pl_sqlite_mark(struct pl_sqlite *s, struct pl_write_mark *mark)
{
	struct pl_record_marks marks = {.user = mark->reader, .other = mark->writer};
	bool read_moved = false, delivered_moved = false;
	struct pl_message_pos to;
	enum pl_err err = pl_sqlite_message_pos(
	    &s->store, &mark->reader, &mark->writer, &mark->up_to, &to);

	if (err == PL_OK)
		err = pl_sqlite_marks_of(s, &marks);
	if (err != PL_OK)
		return err;
	delivered_moved = move(&marks.delivered, &to);
	if (mark->is_read)
		read_moved = move(&marks.read, &to);
	if (delivered_moved || read_moved)
		err = pl_sqlite_marks_set(s, &marks);
	if (err == PL_OK)
		err = pl_sqlite_unread(s, &marks, &mark->unread);
	if (err == PL_OK)
		err = pl_sqlite_is_blocked(
		    s, &mark->reader, &mark->writer, &mark->is_blocked);
	mark->moved = mark->is_read ? read_moved : delivered_moved;
	mark->pos = mark->is_read ? marks.read : marks.delivered;
	return err;
}

enum pl_err
pl_sqlite_correspondents(struct pl_store *store, const struct pl_oid *user,
    const struct pl_oid *after, size_t limit, struct pl_oid *ids, size_t *count)
{
	static const char sql[] = "SELECT other FROM correspondents WHERE user = ? "
				  "AND other > ? ORDER BY other LIMIT ?";
	struct pl_query q = pl_query_start(pl_sqlite_of(store), sql);

	*count = 0;
	pl_query_oid(&q, user);
	pl_query_blob(&q, after != NULL ? (const void *)after->bytes : "",
	    after != NULL ? PL_OID_LEN : 0);
	pl_query_int(&q, (int64_t)limit);
	while (*count < limit && pl_query_row(&q))
		pl_query_get_oid(&q, 0, &ids[(*count)++]);
	return pl_query_end(&q);
}

enum pl_err
pl_sqlite_correspondents_count(
    struct pl_sqlite *s, const struct pl_oid *user, size_t most, size_t *count)
{
	static const char sql[] = "SELECT count(*) FROM "
				  "(SELECT 1 FROM correspondents WHERE user = ? LIMIT ?)";
	struct pl_query q = pl_query_start(s, sql);

	*count = 0;
	pl_query_oid(&q, user);
	pl_query_int(&q, (int64_t)most);
	if (pl_query_row(&q))
		*count = (size_t)pl_query_get_int(&q, 0);
	return pl_query_end(&q);
}
