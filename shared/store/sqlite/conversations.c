#include "base/mem.h"
#include "store/sqlite/query.h"
#include "store/sqlite/recent.h"

/*
 * A list of conversations looks up the last message of each of the user's correspondents,
 * one step in the index messages_pair for each direction, and reads those that are
 * listed. If rows lie in the order of messages, one statement gives the row of each.
 *
 * Of a user with many correspondents the newest rows are walked first (recent.h): who is
 * met there is met with their last message. If those do not make a page, which happens if
 * one of many has written all that is new, the walk gives up, and the steps are taken.
 */
enum { WALK_FACTOR = 4 }; /* correspondents for each conversation that is asked for */

#define LAST_ROW(receiver, sender)                                                       \
	"ifnull((SELECT seq FROM messages WHERE receiver = " receiver                    \
	" AND sender = " sender " ORDER BY created DESC, id DESC LIMIT 1), 0)"

static const char last_rows[] = "SELECT other, max(" LAST_ROW(
    "?1", "other") ", " LAST_ROW("other", "?1") ") "
						"FROM correspondents WHERE user = ?1";
static const char others_of[] = "SELECT other FROM correspondents WHERE user = ?";
static const char last_one_way[] =
    "SELECT created, id FROM messages WHERE receiver = ? AND sender = ? "
    "ORDER BY created DESC, id DESC LIMIT 1";
/* Both are counted in an index alone, the deleted ones in one that has no others. */
static const char unread[] =
    "WITH deleted (n) AS (SELECT count(*) FROM messages WHERE deleted IS NOT NULL "
    "AND receiver = ?1 AND sender = ?2 AND (created, id) > (?3, ?4)) "
    "SELECT count(*) - (SELECT n FROM deleted) FROM (SELECT 1 FROM messages "
    "WHERE receiver = ?1 AND sender = ?2 AND (created, id) > (?3, ?4) "
    "LIMIT ?5 + (SELECT n FROM deleted))";

/* One of a user's correspondents, and their last message. */
struct candidate {
	struct pl_oid other;
	int64_t row;                /* 0: it is known by its place */
	struct pl_message_pos last; /* created_unix_ms 0: none */
};

/* A heap, the newest on top. */
struct candidates {
	struct candidate *items;
	size_t count;
};

static struct candidate *
add(struct candidates *all)
{
	all->items = pl_store_grow(all->items, all->count, sizeof(*all->items));
	all->items[all->count] = (struct candidate){0};
	return &all->items[all->count++];
}

/* ---- last messages, by row ---- */

/* At the row of before, or ahead of it. */
static enum pl_err
find_by_row(struct pl_sqlite *s, const struct pl_oid *user,
    const struct pl_message_pos *before, struct candidates *all)
{
	int64_t end = INT64_MAX;
	enum pl_err err = before != NULL ? pl_sqlite_row_at(s, before, &end) : PL_OK;
	struct pl_query q;

	if (err != PL_OK)
		return err;
	q = pl_query_start(s, last_rows);
	pl_query_oid(&q, user);
	while (pl_query_row(&q)) {
		int64_t row = pl_query_get_int(&q, 1);
		struct candidate *c;

		if (row == 0 || row > end)
			continue;
		c = add(all);
		c->row = row;
		pl_query_get_oid(&q, 0, &c->other);
	}
	return pl_query_end(&q);
}

/* ---- last messages, by place ---- */

static enum pl_err
find_last_one_way(struct pl_sqlite *s, const struct pl_oid *receiver,
    const struct pl_oid *sender, struct pl_message_pos *newest)
{
	struct pl_query q = pl_query_start(s, last_one_way);
	struct pl_message_pos pos = {0};

	pl_query_oid(&q, receiver);
	pl_query_oid(&q, sender);
	if (pl_query_row(&q)) {
		pos.created_unix_ms = pl_query_get_int(&q, 0);
		pl_query_get_oid(&q, 1, &pos.id);
	}
	if (pl_message_pos_compare(newest, &pos) < 0)
		*newest = pos;
	return pl_query_end(&q);
}

static enum pl_err
find_last(struct pl_sqlite *s, const struct pl_oid *user, struct candidate *c)
{
	enum pl_err err;

	c->last = (struct pl_message_pos){0};
	err = find_last_one_way(s, user, &c->other, &c->last);
	if (err == PL_OK && !pl_oid_eq(user, &c->other))
		err = find_last_one_way(s, &c->other, user, &c->last);
	return err;
}

static enum pl_err
find_others(struct pl_sqlite *s, const struct pl_oid *user, struct candidates *all)
{
	struct pl_query q = pl_query_start(s, others_of);

	pl_query_oid(&q, user);
	while (pl_query_row(&q))
		pl_query_get_oid(&q, 0, &add(all)->other);
	return pl_query_end(&q);
}

static enum pl_err
find_by_place(struct pl_sqlite *s, const struct pl_oid *user,
    const struct pl_message_pos *before, struct candidates *all)
{
	enum pl_err err = find_others(s, user, all);
	size_t kept = 0;

	for (size_t i = 0; err == PL_OK && i < all->count; i++) {
		struct candidate c = all->items[i];

		err = find_last(s, user, &c);
		if (c.last.created_unix_ms != 0 &&
		    (before == NULL || pl_message_pos_compare(&c.last, before) < 0))
			all->items[kept++] = c;
	}
	all->count = kept;
	return err;
}

/* ---- those who are met in the newest rows ---- */

struct meeting {
	struct candidates all; /* row 0: not before the cursor */
	size_t listed, wanted;
	int64_t end; /* the last row that is listed */
};

/* Returns whether more are wanted. */
static bool
meet(void *arg, int64_t row, const struct pl_oid *other)
{
	struct meeting *m = arg;
	struct candidate *c;

	for (size_t i = 0; i < m->all.count; i++)
		if (pl_oid_eq(&m->all.items[i].other, other))
			return true;
	c = add(&m->all);
	c->other = *other;
	if (row <= m->end) {
		c->row = row;
		m->listed++;
	}
	return m->listed < m->wanted;
}

static void
keep_listed(struct candidates *all)
{
	size_t kept = 0;

	for (size_t i = 0; i < all->count; i++)
		if (all->items[i].row != 0)
			all->items[kept++] = all->items[i];
	all->count = kept;
}

/* *is_whole: there is nobody else. */
static enum pl_err
walk(struct pl_sqlite *s, const struct pl_oid *user, size_t others, struct meeting *m,
    bool *is_whole)
{
	struct pl_sqlite_walk w = {.session = s,
	    .user = *user,
	    .after_row = INT64_MIN,
	    .others = others,
	    .visit = meet,
	    .arg = m};
	enum pl_err err = pl_sqlite_recent_walk(&w);

	*is_whole = w.is_whole;
	return err;
}

/* ---- the heap ---- */

static bool
is_newer(const struct candidate *a, const struct candidate *b)
{
	return a->row != b->row ? a->row > b->row
				: pl_message_pos_compare(&a->last, &b->last) > 0;
}

static void
sink(struct candidates *all, size_t at)
{
	for (;;) {
		size_t newest = at;

		for (size_t k = 2 * at + 1; k <= 2 * at + 2 && k < all->count; k++)
			if (is_newer(&all->items[k], &all->items[newest]))
				newest = k;
		if (newest == at)
			return;
		struct candidate c = all->items[at];

		all->items[at] = all->items[newest];
		all->items[newest] = c;
		at = newest;
	}
}

static void
make_heap(struct candidates *all)
{
	for (size_t i = all->count / 2; i-- > 0;)
		sink(all, i);
}

static struct candidate
take_newest(struct candidates *all)
{
	struct candidate top = all->items[0];

	all->items[0] = all->items[--all->count];
	sink(all, 0);
	return top;
}

/* ---- one conversation ---- */

/* Nothing came after the mark. */
static bool
is_all_read(const struct pl_record_marks *own, const struct pl_conversation *c)
{
	struct pl_message_pos last = {c->last.created_unix_ms, c->last.id};

	return pl_message_pos_compare(&own->read, &last) >= 0;
}

enum pl_err
pl_sqlite_unread(
    struct pl_sqlite *s, const struct pl_record_marks *marks, unsigned *count)
{
	struct pl_query q;

	*count = 0;
	if (pl_oid_eq(&marks->user, &marks->other))
		return PL_OK; /* who wrote it knows it */
	q = pl_query_start(s, unread);
	pl_query_oid(&q, &marks->user);
	pl_query_oid(&q, &marks->other);
	pl_query_int(&q, marks->read.created_unix_ms);
	pl_query_oid(&q, &marks->read.id);
	pl_query_int(&q, PL_UNREAD_MAX);
	if (pl_query_row(&q))
		*count = (unsigned)pl_query_get_int(&q, 0);
	return pl_query_end(&q);
}

/* After the last message. */
static enum pl_err
read_marks(struct pl_sqlite *s, const struct pl_oid *user, struct pl_conversation *out)
{
	struct pl_record_marks own = {.user = *user, .other = out->user.id};
	struct pl_record_marks theirs = {.user = out->user.id, .other = *user};
	enum pl_err err = pl_sqlite_marks_of(s, &own);

	if (err == PL_OK && !is_all_read(&own, out))
		err = pl_sqlite_unread(s, &own, &out->unread);
	if (err == PL_OK)
		err = pl_sqlite_marks_of(s, &theirs);
	out->read = own.read;
	out->their_read = theirs.read;
	out->their_delivered = theirs.delivered;
	return err;
}

static enum pl_err
read_last(struct pl_sqlite *s, const struct candidate *c, struct pl_conversation *out)
{
	enum pl_err err = PL_OK;

	if (c->row != 0)
		err = pl_sqlite_message_by_row(s, c->row, &out->last);
	else if (c->last.created_unix_ms != 0)
		err = pl_sqlite_message_by_id(s, &c->last.id, &out->last);
	else
		return PL_OK;
	out->has_last = err == PL_OK;
	return err == PL_E_NOT_FOUND ? PL_E_IO
				     : err; /* the index names what is not there */
}

/* PL_E_NOT_FOUND: the other is no user. */
static enum pl_err
read_one(struct pl_sqlite *s, const struct pl_oid *user, const struct candidate *c,
    struct pl_conversation *out)
{
	struct pl_conversation one = {0};
	enum pl_err err = pl_sqlite_user_by_id(&s->store, &c->other, &one.user);

	if (err != PL_OK)
		return err;
	err = read_last(s, c, &one);
	if (err == PL_OK)
		err = read_marks(s, user, &one);
	if (err == PL_OK)
		*out = one;
	else
		pl_conversation_fini(&one);
	return err;
}

/* ---- reads ---- */

static bool
comes_before(const struct pl_conversation *c, const struct pl_message_pos *before)
{
	struct pl_message_pos last = {c->last.created_unix_ms, c->last.id};

	return before == NULL || pl_message_pos_compare(&last, before) < 0;
}

static enum pl_err
list_newest(struct pl_sqlite *s, const struct pl_oid *user, struct candidates *all,
    const struct pl_message_pos *before, size_t limit, struct pl_conversation_list *out)
{
	enum pl_err err = PL_OK;

	make_heap(all);
	while (err == PL_OK && all->count > 0 && out->count < limit) {
		struct candidate c = take_newest(all);
		struct pl_conversation one;

		err = read_one(s, user, &c, &one);
		if (err == PL_OK && comes_before(&one, before)) {
			out->items =
			    pl_store_grow(out->items, out->count, sizeof(*out->items));
			out->items[out->count++] = one;
		} else if (err == PL_OK) {
			pl_conversation_fini(&one);
		}
		if (err == PL_E_NOT_FOUND)
			err = PL_OK;
	}
	return err;
}

/* *is_done: the page is there. Else nothing is. */
static enum pl_err
list_recent(struct pl_sqlite *s, const struct pl_oid *user,
    const struct pl_message_pos *before, size_t limit, struct pl_conversation_list *out,
    bool *is_done)
{
	/* Some may be users no more. */
	struct meeting m = {.wanted = limit + limit / 8 + 1, .end = INT64_MAX};
	size_t others = 0;
	enum pl_err err =
	    pl_sqlite_correspondents_count(s, user, WALK_FACTOR * limit, &others);

	if (err != PL_OK || others < WALK_FACTOR * limit)
		return err;
	if (before != NULL)
		err = pl_sqlite_row_at(s, before, &m.end);
	if (err == PL_OK)
		err = walk(s, user, others, &m, is_done);
	keep_listed(&m.all);
	if (err == PL_OK && (*is_done || m.listed >= limit))
		err = list_newest(s, user, &m.all, before, limit, out);
	pl_mem_free(m.all.items);
	*is_done |= err == PL_OK && out->count == limit;
	if (!*is_done)
		pl_conversation_list_fini(out);
	return err;
}

static enum pl_err
list_all(struct pl_sqlite *s, const struct pl_oid *user,
    const struct pl_message_pos *before, size_t limit, struct pl_conversation_list *out)
{
	struct candidates all = {0};
	enum pl_err err = s->has_order_index ? find_by_place(s, user, before, &all)
					     : find_by_row(s, user, before, &all);

	if (err == PL_OK)
		err = list_newest(s, user, &all, before, limit, out);
	pl_mem_free(all.items);
	return err;
}

static enum pl_err
read_list(struct pl_sqlite *s, const struct pl_oid *user,
    const struct pl_message_pos *before, size_t limit, struct pl_conversation_list *out)
{
	bool is_done = false;
	enum pl_err err = PL_OK;

	if (!s->has_order_index)
		err = list_recent(s, user, before, limit, out, &is_done);
	return err != PL_OK || is_done ? err : list_all(s, user, before, limit, out);
}

enum pl_err
pl_sqlite_conversations(struct pl_store *store, const struct pl_oid *user,
    const struct pl_message_pos *before, size_t limit, struct pl_conversation_list *out)
{
	struct pl_sqlite *s = pl_sqlite_of(store);
	struct pl_conversation_list list = {0};
	enum pl_err err = pl_sqlite_moment_begin(s);

	if (err != PL_OK)
		return err;
	err = pl_sqlite_moment_end(s, read_list(s, user, before, limit, &list));
	if (err == PL_OK)
		*out = list;
	else
		pl_conversation_list_fini(&list);
	return err;
}

enum pl_err
pl_sqlite_conversation(struct pl_store *store, const struct pl_oid *user,
    const struct pl_oid *other, struct pl_conversation *out)
{
	struct pl_sqlite *s = pl_sqlite_of(store);
	struct candidate c = {.other = *other};
	struct pl_conversation one = {0};
	enum pl_err err = pl_sqlite_moment_begin(s);

	if (err != PL_OK)
		return err;
	err = find_last(s, user, &c);
	if (err == PL_OK)
		err = read_one(s, user, &c, &one);
	err = pl_sqlite_moment_end(s, err);
	if (err == PL_OK)
		*out = one;
	else
		pl_conversation_fini(&one);
	return err;
}
