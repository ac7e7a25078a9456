#include "store/mongo/blocks.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

static const char *const by_id[] = {PL_MESSAGE_F_ID, NULL};

/* ---- documents ---- */

bool
pl_blocks_flag(const bson_t *user)
{
	bson_iter_t it;

	return bson_iter_init_find(&it, user, PL_MONGO_F_BLOCKS) &&
	       BSON_ITER_HOLDS_BOOL(&it) && bson_iter_bool(&it);
}

bool
pl_block_read(const bson_t *doc, struct pl_block *out)
{
	struct pl_pair pair;

	if (!pl_pair_get(doc, &pair) ||
	    !pl_mongo_get_time(doc, PL_MONGO_F_AT, &out->created_unix_ms))
		return false;
	out->user = pair.user;
	out->other = pair.other;
	return true;
}

void
pl_block_write(bson_t *doc, const struct pl_block *block)
{
	struct pl_pair pair = {block->user, block->other};

	pl_pair_put(doc, PL_MESSAGE_F_ID, &pair);
	pl_mongo_put_time(doc, PL_MONGO_F_AT, block->created_unix_ms);
}

/* ---- looks ---- */

/* {_id: {$in: [each pair, both ways]}} */
static void
put_both_ways(bson_t *filter, const struct pl_pair *pairs, size_t count)
{
	bson_t in, list;

	bson_append_document_begin(filter, PL_MESSAGE_F_ID, -1, &in);
	bson_append_array_begin(&in, "$in", -1, &list);
	for (size_t i = 0; i < 2 * count; i++) {
		const struct pl_pair *p = &pairs[i / 2];
		struct pl_pair back = {p->other, p->user};
		const char *at;
		char text[16];

		bson_uint32_to_string((uint32_t)i, &at, text, sizeof(text));
		pl_pair_put(&list, at, i % 2 == 0 ? p : &back);
	}
	bson_append_array_end(&in, &list);
	bson_append_document_end(filter, &in);
}

static bool
is_of(const struct pl_pair *a, const struct pl_pair *b)
{
	return (pl_oid_eq(&a->user, &b->user) && pl_oid_eq(&a->other, &b->other)) ||
	       (pl_oid_eq(&a->user, &b->other) && pl_oid_eq(&a->other, &b->user));
}

enum pl_err
pl_blocks_between(struct pl_mongo *s, const struct pl_pair *pairs, size_t count, bool *is)
{
	struct pl_pair found;
	const bson_t *doc;
	struct pl_find f;

	memset(is, 0, count * sizeof(*is));
	if (count == 0)
		return PL_OK;
	pl_find_start(&f, s, s->blocks);
	put_both_ways(&f.filter, pairs, count);
	pl_find_by_index(&f, by_id, 1, 1);
	pl_find_limit(&f, 2 * count);
	while (pl_find_row(&f, &doc))
		for (size_t i = 0; i < count && pl_pair_get(doc, &found); i++)
			is[i] = is[i] || is_of(&pairs[i], &found);
	return pl_find_end(&f);
}

/* ---- taking back ---- */

static enum pl_err
look_again(
    struct pl_mongo *s, const struct pl_blocks_fresh *fresh, size_t count, bool *is)
{
	struct pl_pair *pairs = pl_mem_alloc(count * sizeof(*pairs));
	enum pl_err err;

	for (size_t i = 0; i < count; i++)
		pairs[i] = fresh[i].pair;
	err = pl_blocks_between(s, pairs, count, is);
	pl_mem_free(pairs);
	return err;
}

static enum pl_err
delete_messages(struct pl_mongo *s, const struct pl_oid *ids, size_t count)
{
	bson_t selector = BSON_INITIALIZER;
	enum pl_err err;

	pl_mongo_put_in(&selector, PL_MESSAGE_F_ID, ids, count);
	err = pl_mongo_delete_many(s, s->messages, &selector);
	bson_destroy(&selector);
	return err;
}

static void
delete_blocked(
    struct pl_mongo *s, const struct pl_blocks_fresh *fresh, size_t count, const bool *is)
{
	struct pl_oid *ids = pl_mem_alloc(count * sizeof(*ids));
	size_t id_count = 0;
	enum pl_err err;

	for (size_t i = 0; i < count; i++)
		if (is[i])
			ids[id_count++] = fresh[i].message;
	err = id_count > 0 ? delete_messages(s, ids, id_count) : PL_OK;
	for (size_t i = 0; i < count; i++)
		if (is[i])
			*fresh[i].err = err == PL_OK ? PL_E_DENIED : err;
	pl_mem_free(ids);
}

void
pl_blocks_take_back(struct pl_mongo *s, int64_t looked_mono_ms,
    const struct pl_blocks_fresh *fresh, size_t count)
{
	enum pl_err err;
	bool *is;

	if (count == 0 || pl_clock_mono_ms() - looked_mono_ms < PL_BLOCKS_FRESH_MS)
		return;
	is = pl_mem_alloc(count * sizeof(*is));
	err = look_again(s, fresh, count, is);
	if (err == PL_OK)
		delete_blocked(s, fresh, count, is);
	for (size_t i = 0; err != PL_OK && i < count; i++)
		*fresh[i].err = err;
	pl_mem_free(is);
}

/* ---- reads ---- */

enum pl_err
pl_mongo_may_write(
    struct pl_store *store, const struct pl_oid *from, const struct pl_oid *to)
{
	static const char *const fields[] = {PL_MONGO_F_BLOCKS, NULL};
	struct pl_mongo *s = pl_mongo_start(store);
	bool is_found = false, has_flag = false, is_blocked = false;
	struct pl_pair pair = {*from, *to};
	const bson_t *doc;
	struct pl_find f;
	enum pl_err err;

	pl_find_start(&f, s, s->users);
	pl_mongo_put_oid(&f.filter, PL_USER_F_ID, to);
	pl_find_only(&f, fields);
	pl_find_limit(&f, 1);
	if (pl_find_row(&f, &doc)) {
		is_found = true;
		has_flag = pl_blocks_flag(doc);
	}
	err = pl_find_end(&f);
	if (err == PL_OK && !is_found)
		err = PL_E_NOT_FOUND;
	if (err == PL_OK && has_flag)
		err = pl_blocks_between(s, &pair, 1, &is_blocked);
	return err == PL_OK && is_blocked ? PL_E_DENIED : err;
}

/* {_id: {$gt or $gte: from, $lte: the last one of user's}} */
static void
put_range(bson_t *filter, const struct pl_oid *user, const struct pl_oid *after)
{
	struct pl_pair first = {.user = *user}, last = {.user = *user};
	bson_t bounds;

	memset(&last.other, 0xff, sizeof(last.other));
	if (after != NULL)
		first.other = *after;
	bson_append_document_begin(filter, PL_MESSAGE_F_ID, -1, &bounds);
	pl_pair_put(&bounds, after != NULL ? "$gt" : "$gte", &first);
	pl_pair_put(&bounds, "$lte", &last);
	bson_append_document_end(filter, &bounds);
}

enum pl_err
pl_mongo_blocks_page(struct pl_store *store, const struct pl_oid *user,
    const struct pl_oid *after, size_t limit, struct pl_block_list *out)
{
	struct pl_mongo *s = pl_mongo_start(store);
	struct pl_block_list list = {0};
	const bson_t *doc;
	struct pl_find f;
	enum pl_err err;

	pl_find_start(&f, s, s->blocks);
	put_range(&f.filter, user, after);
	pl_find_by_index(&f, by_id, 1, 1);
	pl_find_limit(&f, limit);
	while (pl_find_row(&f, &doc)) {
		list.items = pl_store_grow(list.items, list.count, sizeof(*list.items));
		list.count += pl_block_read(doc, &list.items[list.count]);
	}
	err = pl_find_end(&f);
	if (err == PL_OK)
		*out = list;
	else
		pl_block_list_fini(&list);
	return err;
}

/* ---- writes ---- */

static enum pl_err
set_flag(struct pl_mongo *s, const struct pl_oid *user)
{
	bson_t selector = BSON_INITIALIZER, update = BSON_INITIALIZER, set;
	enum pl_err err;

	pl_mongo_put_oid(&selector, PL_USER_F_ID, user);
	bson_append_document_begin(&update, "$set", -1, &set);
	bson_append_bool(&set, PL_MONGO_F_BLOCKS, -1, true);
	bson_append_document_end(&update, &set);
	err = pl_mongo_update_one(s, s->users, &selector, &update, NULL);
	bson_destroy(&selector);
	bson_destroy(&update);
	return err;
}

enum pl_err
pl_blocks_set_flags(struct pl_mongo *s, const struct pl_block *block)
{
	enum pl_err err = set_flag(s, &block->user);

	return err == PL_OK ? set_flag(s, &block->other) : err;
}

static enum pl_err
count_of(struct pl_mongo *s, const struct pl_oid *user, int64_t *count)
{
	bson_t filter = BSON_INITIALIZER;
	bson_error_t error = {0};

	if (!pl_mongo_has_time(s))
		return PL_E_UNAVAILABLE;
	put_range(&filter, user, NULL);
	*count = mongoc_collection_count_documents(
	    s->blocks, &filter, NULL, NULL, NULL, &error);
	bson_destroy(&filter);
	return *count >= 0 ? PL_OK : pl_mongo_err(s, &error, "count");
}

/* Who is a conflict is blocked already: a majority has it (send.c). */
static enum pl_err
insert(struct pl_mongo *s, const struct pl_block *block)
{
	bson_t *doc = bson_new();
	enum pl_err err;

	pl_block_write(doc, block);
	pl_mongo_insert(s, s->blocks, &doc, 1, &err);
	bson_destroy(doc);
	return err == PL_E_CONFLICT ? PL_OK : err;
}

/* Several processes that do this for one user at once may go beyond the limit by as many. */
static enum pl_err
add(struct pl_mongo *s, struct pl_write_block *w, bool is_there)
{
	struct pl_block block = {w->user, w->other, s->now_unix_ms};
	int64_t count = 0;
	enum pl_err err = is_there ? PL_OK : count_of(s, &w->user, &count);

	if (err == PL_OK && count >= (int64_t)w->limit)
		err = PL_E_TOO_BIG;
	if (err == PL_OK)
		err = pl_blocks_set_flags(s, &block);
	if (err == PL_OK)
		err = insert(s, &block);
	if (err == PL_OK)
		w->settle_ms = PL_BLOCKS_SETTLE_MS;
	return err;
}

static enum pl_err
drop(struct pl_mongo *s, const struct pl_write_block *w)
{
	struct pl_pair pair = {w->user, w->other};
	bson_t selector = BSON_INITIALIZER;
	enum pl_err err;

	pl_pair_put(&selector, PL_MESSAGE_F_ID, &pair);
	err = pl_mongo_delete_many(s, s->blocks, &selector);
	bson_destroy(&selector);
	return err;
}

static enum pl_err
find(struct pl_mongo *s, const struct pl_write_block *w, bool *is_there)
{
	struct pl_pair pair = {w->user, w->other};
	const bson_t *doc;
	struct pl_find f;

	pl_find_start(&f, s, s->blocks);
	pl_pair_put(&f.filter, PL_MESSAGE_F_ID, &pair);
	pl_find_limit(&f, 1);
	*is_there = pl_find_row(&f, &doc);
	return pl_find_end(&f);
}

/* One that is there is stored again all the same: whoever stored it may have had no
 * answer yet, for want of a majority. */
enum pl_err
pl_mongo_block(struct pl_mongo *s, struct pl_write_block *w)
{
	struct pl_user other = {0};
	bool is_there = false;
	enum pl_err err = find(s, w, &is_there);

	if (err == PL_OK && !is_there) {
		err = pl_mongo_user_find(s, &w->other, &other);
		pl_user_fini(&other);
	}
	if (err != PL_OK)
		return err;
	return w->is_blocked ? add(s, w, is_there) : drop(s, w);
}
