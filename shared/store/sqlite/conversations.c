#include "base/mem.h"
#include "store/sqlite/query.h"

/*
 * A list of conversations looks up the last message of each of the user's correspondents, two
 * steps in the index messages_pair, and reads those that are listed.
 */
static const char others_of[] = "SELECT other FROM correspondents WHERE user = ?";
static const char last_one_way[] =
    "SELECT created, id FROM messages WHERE receiver = ? AND sender = ? "
    "ORDER BY created DESC, id DESC LIMIT 1";
static const char unread[] = "SELECT 1 FROM messages WHERE receiver = ? AND sender = ? "
			     "AND (created, id) > (?, ?) LIMIT ?";

/* One of a user's correspondents, and the place of their last message. */
struct candidate {
	struct pl_oid other;
	struct pl_message_pos last; /* created_unix_ms 0: none */
};

/* A heap, the newest on top. */
struct candidates {
	struct candidate *items;
	size_t count;
};

/* ---- last messages ---- */

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
	while (pl_query_row(&q)) {
		all->items = pl_store_grow(all->items, all->count, sizeof(*all->items));
		pl_query_get_oid(&q, 0, &all->items[all->count++].other);
	}
	return pl_query_end(&q);
}

/* Those whose last messages come before a place. */
static enum pl_err
find_candidates(struct pl_sqlite *s, const struct pl_oid *user,
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

/* ---- the heap ---- */

static void
sink(struct candidates *all, size_t at)
{
	for (;;) {
		size_t newest = at;

		for (size_t k = 2 * at + 1; k <= 2 * at + 2 && k < all->count; k++)
			if (pl_message_pos_compare(
				&all->items[k].last, &all->items[newest].last) > 0)
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
	while (pl_query_row(&q))
		(*count)++;
	return pl_query_end(&q);
}

static enum pl_err
read_marks(struct pl_sqlite *s, const struct pl_oid *user, struct pl_conversation *out)
{
	struct pl_record_marks own = {.user = *user, .other = out->user.id};
	struct pl_record_marks theirs = {.user = out->user.id, .other = *user};
	enum pl_err err = pl_sqlite_marks_of(s, &own);

	if (err == PL_OK)
		err = pl_sqlite_unread(s, &own, &out->unread);
	if (err == PL_OK)
		err = pl_sqlite_marks_of(s, &theirs);
	out->read = own.read;
	out->their_read = theirs.read;
	out->their_delivered = theirs.delivered;
	return err;
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
	err = read_marks(s, user, &one);
	if (err == PL_OK && c->last.created_unix_ms != 0) {
		err = pl_sqlite_message_by_id(s, &c->last.id, &one.last);
		one.has_last = err == PL_OK;
		if (err == PL_E_NOT_FOUND)
			err = PL_E_IO; /* the index names what is not there */
	}
	if (err == PL_OK)
		*out = one;
	else
		pl_conversation_fini(&one);
	return err;
}

/* ---- reads ---- */

static enum pl_err
read_list(struct pl_sqlite *s, const struct pl_oid *user,
    const struct pl_message_pos *before, size_t limit, struct pl_conversation_list *out)
{
	struct candidates all = {0};
	enum pl_err err = find_candidates(s, user, before, &all);

	make_heap(&all);
	while (err == PL_OK && all.count > 0 && out->count < limit) {
		struct candidate c = take_newest(&all);

		out->items = pl_store_grow(out->items, out->count, sizeof(*out->items));
		err = read_one(s, user, &c, &out->items[out->count]);
		out->count += err == PL_OK;
		if (err == PL_E_NOT_FOUND)
			err = PL_OK;
	}
	pl_mem_free(all.items);
	return err;
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
	enum pl_err err = pl_sqlite_moment_begin(s);

	if (err != PL_OK)
		return err;
	err = find_last(s, user, &c);
	if (err == PL_OK)
		err = read_one(s, user, &c, out);
	return pl_sqlite_moment_end(s, err);
}
