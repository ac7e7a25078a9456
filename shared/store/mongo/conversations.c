#include <stdlib.h>

#include "base/mem.h"
#include "store/mongo/ranges.h"

/*
 * The list of a user's conversations costs by the number of their correspondents: the
 * places of all their last messages are read, from the index (ranges.h), and only for
 * those of the page the rest. 32 bytes are kept of each correspondent meanwhile; how many
 * there may be is limited by the time of a call.
 */
#define OTHERS_AT_ONCE 200

/* ---- whose last message comes before the cursor ---- */

struct candidate {
	struct pl_oid other;
	struct pl_message_pos last;
};

struct listing {
	struct pl_mongo *s;
	const struct pl_oid *user;
	struct candidate *candidates;
	size_t count;
	struct pl_conversation_list out;
};

static int
newest_first(const void *a, const void *b)
{
	const struct candidate *left = a, *right = b;

	return pl_message_pos_compare(&right->last, &left->last);
}

static void
add_candidates(struct listing *l, const struct pl_message_pos *before,
    const struct pl_oid *others, const struct pl_message_pos *lasts, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (lasts[i].created_unix_ms == INT64_MIN ||
		    (before != NULL && pl_message_pos_compare(&lasts[i], before) >= 0))
			continue;
		l->candidates =
		    pl_store_grow(l->candidates, l->count, sizeof(*l->candidates));
		l->candidates[l->count++] = (struct candidate){others[i], lasts[i]};
	}
}

static enum pl_err
find_candidates(struct listing *l, const struct pl_message_pos *before)
{
	struct pl_oid *others = pl_mem_alloc(OTHERS_AT_ONCE * sizeof(*others));
	struct pl_message_pos *lasts = pl_mem_alloc(OTHERS_AT_ONCE * sizeof(*lasts));
	size_t count = OTHERS_AT_ONCE;
	struct pl_oid after = {{0}};
	enum pl_err err = PL_OK;
	bool is_first = true;

	while (err == PL_OK && count == OTHERS_AT_ONCE) {
		err = pl_pairs_others(l->s, l->user, is_first ? NULL : &after,
		    OTHERS_AT_ONCE, others, &count);
		if (err != PL_OK || count == 0)
			break;
		is_first = false;
		after = others[count - 1];
		err = pl_ranges_last(l->s, l->user, others, count, lasts);
		if (err == PL_OK)
			add_candidates(l, before, others, lasts, count);
	}
	pl_mem_free(others);
	pl_mem_free(lasts);
	if (err == PL_OK && l->count > 0)
		qsort(l->candidates, l->count, sizeof(*l->candidates), newest_first);
	return err;
}

/* ---- who of them is a user ---- */

static const char *const by_id[] = {PL_USER_F_ID, NULL};

/* In no order. */
static enum pl_err
read_users(struct pl_mongo *s, const struct candidate *of, size_t count,
    struct pl_user_list *out)
{
	struct pl_oid *ids = pl_mem_alloc(count * sizeof(*ids));
	const bson_t *doc;
	struct pl_find f;

	*out = (struct pl_user_list){.items = pl_mem_alloc(count * sizeof(*out->items))};
	for (size_t i = 0; i < count; i++)
		ids[i] = of[i].other;
	pl_find_start(&f, s, s->users);
	pl_mongo_put_in(&f.filter, PL_USER_F_ID, ids, count);
	pl_find_by_index(&f, by_id, 1, 1);
	pl_find_limit(&f, count);
	while (out->count < count && pl_find_row(&f, &doc))
		out->count += pl_mongo_user_read(doc, &out->items[out->count]);
	pl_mem_free(ids);
	return pl_find_end(&f);
}

/* Moves the user out of the list. */
static bool
take_user(struct pl_user_list *users, const struct pl_oid *id, struct pl_user *out)
{
	for (size_t i = 0; i < users->count; i++)
		if (users->items[i].username != NULL &&
		    pl_oid_eq(&users->items[i].id, id)) {
			*out = users->items[i];
			users->items[i] = (struct pl_user){0};
			return true;
		}
	return false;
}

/* Until the page is full; candidates[i] becomes that of out.items[i]. */
static enum pl_err
choose(struct listing *l, size_t limit)
{
	enum pl_err err = PL_OK;
	size_t at = 0;

	l->out.items = pl_mem_zalloc((limit + 1) * sizeof(*l->out.items));
	while (err == PL_OK && at < l->count && l->out.count < limit) {
		size_t want = limit - l->out.count;
		size_t count = l->count - at < want ? l->count - at : want;
		struct pl_user_list users;

		err = read_users(l->s, &l->candidates[at], count, &users);
		for (size_t end = at + count; at < end; at++) {
			struct pl_conversation *c = &l->out.items[l->out.count];

			if (take_user(&users, &l->candidates[at].other, &c->user))
				l->candidates[l->out.count++] = l->candidates[at];
		}
		pl_user_list_fini(&users);
	}
	return err;
}

/* ---- the rest of those on the page ---- */

static enum pl_err
read_lasts(struct listing *l)
{
	size_t count = l->out.count;
	struct pl_oid *ids = pl_mem_alloc((count + 1) * sizeof(*ids));
	struct pl_message_list lasts = {0};
	enum pl_err err;

	for (size_t i = 0; i < count; i++)
		ids[i] = l->candidates[i].last.id;
	err = pl_mongo_list_of(l->s, ids, count, SIZE_MAX, &lasts);
	/* They come in this order, without those that somebody has deleted meanwhile. */
	for (size_t i = 0, k = 0; err == PL_OK && i < count && k < lasts.count; i++) {
		if (!pl_oid_eq(&lasts.items[k].id, &ids[i]))
			continue;
		l->out.items[i].last = lasts.items[k];
		l->out.items[i].has_last = true;
		lasts.items[k++] = (struct pl_message){0};
	}
	pl_message_list_fini(&lasts);
	pl_mem_free(ids);
	return err;
}

/* own, theirs: the marks of both sides. */
static void
take_marks(struct pl_conversation *c, const struct pl_record_marks *own,
    const struct pl_record_marks *theirs)
{
	c->read = own->read;
	c->their_read = theirs->read;
	c->their_delivered = theirs->delivered;
}

static enum pl_err
read_marks_and_unread(struct listing *l)
{
	size_t count = l->out.count;
	struct pl_record_marks *marks = pl_mem_zalloc((2 * count + 1) * sizeof(*marks));
	unsigned *unread = pl_mem_zalloc((count + 1) * sizeof(*unread));
	enum pl_err err;

	for (size_t i = 0; i < count; i++) {
		const struct pl_oid *other = &l->out.items[i].user.id;

		marks[i].user = marks[count + i].other = *l->user;
		marks[i].other = marks[count + i].user = *other;
	}
	err = pl_marks_of(l->s, marks, 2 * count, NULL);
	if (err == PL_OK)
		err = pl_ranges_unread(l->s, marks, count, unread);
	for (size_t i = 0; err == PL_OK && i < count; i++) {
		take_marks(&l->out.items[i], &marks[i], &marks[count + i]);
		l->out.items[i].unread = unread[i];
	}
	pl_mem_free(unread);
	pl_mem_free(marks);
	return err;
}

static void
drop_without_last(struct pl_conversation_list *list)
{
	size_t kept = 0;

	for (size_t i = 0; i < list->count; i++)
		if (list->items[i].has_last)
			list->items[kept++] = list->items[i];
		else
			pl_conversation_fini(&list->items[i]);
	list->count = kept;
}

/* ---- the calls ---- */

enum pl_err
pl_mongo_conversations(struct pl_store *store, const struct pl_oid *user,
    const struct pl_message_pos *before, size_t limit, struct pl_conversation_list *out)
{
	struct listing l = {.s = pl_mongo_start(store), .user = user};
	enum pl_err err = find_candidates(&l, before);

	if (err == PL_OK)
		err = choose(&l, limit);
	if (err == PL_OK && l.out.count > 0)
		err = read_lasts(&l);
	if (err == PL_OK && l.out.count > 0)
		err = read_marks_and_unread(&l);
	pl_mem_free(l.candidates);
	if (err != PL_OK) {
		pl_conversation_list_fini(&l.out);
		return err;
	}
	drop_without_last(&l.out);
	*out = l.out;
	return PL_OK;
}

static enum pl_err
read_last(struct pl_mongo *s, const struct pl_oid *user, const struct pl_oid *other,
    struct pl_conversation *c)
{
	struct pl_message_list list;
	enum pl_err err =
	    pl_mongo_page_read(s, user, other, PL_PAGE_BEFORE, NULL, 1, &list);

	if (err != PL_OK)
		return err;
	c->has_last = list.count > 0;
	if (c->has_last) {
		c->last = list.items[0];
		list.items[0] = (struct pl_message){0};
	}
	pl_message_list_fini(&list);
	return PL_OK;
}

enum pl_err
pl_mongo_conversation(struct pl_store *store, const struct pl_oid *user,
    const struct pl_oid *other, struct pl_conversation *out)
{
	struct pl_mongo *s = pl_mongo_start(store);
	struct pl_record_marks marks[] = {
	    {.user = *user, .other = *other}, {.user = *other, .other = *user}};
	struct pl_conversation c = {0};
	enum pl_err err = pl_mongo_user_find(s, other, &c.user);

	if (err != PL_OK)
		return err;
	err = read_last(s, user, other, &c);
	if (err == PL_OK)
		err = pl_marks_of(s, marks, 2, NULL);
	if (err == PL_OK)
		err = pl_range_unread(s, &marks[0], &c.unread);
	take_marks(&c, &marks[0], &marks[1]);
	if (err == PL_OK)
		*out = c;
	else
		pl_conversation_fini(&c);
	return err;
}
