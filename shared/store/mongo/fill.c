#include "store/mongo/fill.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/mongo/correspondents.h"
#include "store/mongo/erase_impl.h"

#define PAIRS_AT_ONCE 500
#define SAVED_EVERY   5000 /* messages, at most */
#define F_IS_WHOLE    "isWhole"
#define ID_FILLED     "filled"

struct fill {
	struct pl_mongo *s;
	/* as stored */
	bool is_begun;
	bool is_whole;
	int64_t at_unix_ms;
	/* of this walk */
	int64_t now_unix_ms;
	struct pl_pair pairs[PAIRS_AT_ONCE]; /* seen, and not noted yet */
	size_t pair_count;
	size_t added; /* documents */
	int64_t messages;
};

/* ---- how far it has come ---- */

static enum pl_err
load(struct fill *f)
{
	struct pl_find find;
	const bson_t *doc;
	bson_iter_t it;

	f->at_unix_ms = INT64_MIN;
	pl_find_start(&find, f->s, f->s->correspondents);
	pl_mongo_put_str(&find.filter, PL_MESSAGE_F_ID, PL_STR(ID_FILLED));
	pl_find_limit(&find, 1);
	while (pl_find_row(&find, &doc)) {
		f->is_begun = pl_mongo_get_time(doc, PL_MONGO_F_AT, &f->at_unix_ms);
		f->is_whole = f->is_begun && bson_iter_init_find(&it, doc, F_IS_WHOLE) &&
			      bson_iter_as_bool(&it);
	}
	return pl_find_end(&find);
}

static enum pl_err
make_document(struct fill *f)
{
	bson_t *doc = bson_new();
	enum pl_err err;

	pl_mongo_put_str(doc, PL_MESSAGE_F_ID, PL_STR(ID_FILLED));
	pl_mongo_put_time(doc, PL_MONGO_F_AT, f->at_unix_ms);
	pl_mongo_insert(f->s, f->s->correspondents, &doc, 1, &err);
	bson_destroy(doc);
	f->is_begun = err == PL_OK || err == PL_E_CONFLICT;
	return f->is_begun ? PL_OK : err;
}

/* Only forward: another process may be further. If somebody has dropped the document
 * meanwhile, all is to be walked over again, and this changes nothing. */
static enum pl_err
save(struct fill *f, bool is_whole)
{
	bson_t selector = BSON_INITIALIZER, update = BSON_INITIALIZER, part;
	enum pl_err err = PL_OK;

	if (!f->is_begun)
		err = make_document(f);
	pl_mongo_put_str(&selector, PL_MESSAGE_F_ID, PL_STR(ID_FILLED));
	bson_append_document_begin(&update, "$max", -1, &part);
	pl_mongo_put_time(&part, PL_MONGO_F_AT, f->at_unix_ms);
	bson_append_document_end(&update, &part);
	if (is_whole) {
		bson_append_document_begin(&update, "$set", -1, &part);
		bson_append_bool(&part, F_IS_WHOLE, -1, true);
		bson_append_document_end(&update, &part);
	}
	if (err == PL_OK)
		err = pl_mongo_update_one(
		    f->s, f->s->correspondents, &selector, &update, NULL);
	bson_destroy(&selector);
	bson_destroy(&update);
	return err;
}

/* ---- those who were erased ---- */

/* Those of the pairs' users whose pairs an erasure drops now, or has dropped. */
static enum pl_err
find_erased(struct fill *f, struct pl_oid *erased, size_t *count)
{
	/* A pair is two ids, without padding. */
	const struct pl_oid *ids = (const struct pl_oid *)(const void *)f->pairs;
	int64_t due_unix_ms, now_unix_ms = pl_clock_unix_ms();
	struct pl_find find;
	const bson_t *doc;

	*count = 0;
	pl_find_start(&find, f->s, f->s->erasures);
	pl_mongo_put_in(&find.filter, PL_USER_F_ID, ids, 2 * f->pair_count);
	pl_mongo_put_int(&find.filter, PL_ERASE_F_STAGE, PL_ERASE_AGAIN);
	pl_find_limit(&find, 2 * f->pair_count);
	while (*count < 2 * f->pair_count && pl_find_row(&find, &doc))
		if (!pl_mongo_get_time(doc, PL_MONGO_F_DUE_AT, &due_unix_ms) ||
		    due_unix_ms <= now_unix_ms)
			*count += pl_mongo_get_oid(doc, PL_USER_F_ID, &erased[*count]);
	return pl_find_end(&find);
}

static bool
is_of(const struct pl_pair *pair, const struct pl_oid *users, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (pl_oid_eq(&pair->user, &users[i]) ||
		    pl_oid_eq(&pair->other, &users[i]))
			return true;
	return false;
}

static void
put_side(
    bson_t *list, uint32_t *at, const struct pl_oid *user, const struct pl_oid *other)
{
	struct pl_pair side = {*user, *other};
	const char *key;
	char text[16];

	bson_uint32_to_string((*at)++, &key, text, sizeof(text));
	pl_pair_put(list, key, &side);
}

static enum pl_err
drop_pairs_of(struct fill *f, const struct pl_oid *users, size_t count)
{
	bson_t selector = BSON_INITIALIZER, in, list;
	uint32_t at = 0;
	enum pl_err err;

	bson_append_document_begin(&selector, PL_MESSAGE_F_ID, -1, &in);
	bson_append_array_begin(&in, "$in", -1, &list);
	for (size_t i = 0; i < f->pair_count; i++) {
		const struct pl_pair *pair = &f->pairs[i];

		if (!is_of(pair, users, count))
			continue;
		put_side(&list, &at, &pair->user, &pair->other);
		put_side(&list, &at, &pair->other, &pair->user);
	}
	bson_append_array_end(&in, &list);
	bson_append_document_end(&selector, &in);
	err = pl_mongo_delete_many(f->s, f->s->correspondents, &selector);
	bson_destroy(&selector);
	return err;
}

/* An erasure that drops its pairs later takes those that were just noted along; of one
 * that has done so before, this finds the note, and takes them back. */
static enum pl_err
drop_erased(struct fill *f)
{
	struct pl_oid *erased = pl_mem_alloc(2 * f->pair_count * sizeof(*erased));
	size_t count;
	enum pl_err err = find_erased(f, erased, &count);

	if (err == PL_OK && count > 0)
		err = drop_pairs_of(f, erased, count);
	pl_mem_free(erased);
	return err;
}

/* ---- the walk ---- */

static enum pl_err
note(struct fill *f)
{
	size_t added = 0;
	enum pl_err err;

	(void)pl_mongo_start(&f->s->store);
	err = pl_pairs_note(f->s, f->pairs, f->pair_count, &added);
	if (err == PL_OK && added > 0)
		err = drop_erased(f);
	f->added += added;
	f->pair_count = 0;
	return err;
}

/* A message from the future must not make us pass over those of today. */
static enum pl_err
take(struct fill *f, const bson_t *doc)
{
	int64_t created_unix_ms;
	struct pl_pair pair;
	enum pl_err err = PL_OK;

	if (pl_mongo_get_time(doc, PL_MESSAGE_F_CREATED_AT, &created_unix_ms))
		f->at_unix_ms =
		    created_unix_ms < f->now_unix_ms ? created_unix_ms : f->now_unix_ms;
	if (pl_mongo_get_oid(doc, PL_MESSAGE_F_SENDER, &pair.user) &&
	    pl_mongo_get_oid(doc, PL_MESSAGE_F_RECEIVER, &pair.other))
		f->pairs[f->pair_count++] = pair;
	if (f->pair_count == PAIRS_AT_ONCE)
		err = note(f);
	if (err == PL_OK && ++f->messages % SAVED_EVERY == 0)
		err = note(f);
	if (err == PL_OK && f->messages % SAVED_EVERY == 0)
		err = save(f, false);
	return err;
}

static void
put_order(bson_t *opts, const char *option)
{
	bson_t part;

	bson_append_document_begin(opts, option, -1, &part);
	pl_mongo_put_int(&part, PL_MESSAGE_F_CREATED_AT, 1);
	pl_mongo_put_int(&part, PL_MESSAGE_F_ID, 1);
	bson_append_document_end(opts, &part);
}

static void
put_fields(bson_t *opts)
{
	bson_t part;

	bson_append_document_begin(opts, "projection", -1, &part);
	pl_mongo_put_int(&part, PL_MESSAGE_F_SENDER, 1);
	pl_mongo_put_int(&part, PL_MESSAGE_F_RECEIVER, 1);
	pl_mongo_put_int(&part, PL_MESSAGE_F_CREATED_AT, 1);
	bson_append_document_end(opts, &part);
}

/* By one cursor: a server sorts or seeks once. A bound that is a Date finds Dates only. */
static enum pl_err
walk(struct fill *f)
{
	bson_t filter = BSON_INITIALIZER, opts = BSON_INITIALIZER;
	int64_t from = f->at_unix_ms;
	mongoc_cursor_t *cursor;
	enum pl_err err = PL_OK;
	const bson_t *doc;

	/* There is no time yet if no message had one. */
	if (f->is_whole && from > INT64_MIN + PL_FILL_OVERLAP_MS)
		from -= PL_FILL_OVERLAP_MS;
	pl_mongo_put_bound(&filter, PL_MESSAGE_F_CREATED_AT, "$gte", from);
	put_order(&opts, "sort");
	put_order(&opts, "hint");
	put_fields(&opts);
	pl_mongo_put_int(&opts, "batchSize", SAVED_EVERY);
	cursor = mongoc_collection_find_with_opts(f->s->messages, &filter, &opts, NULL);
	while (err == PL_OK && mongoc_cursor_next(cursor, &doc))
		err = take(f, doc);
	err = pl_mongo_cursor_end(f->s, cursor, err, "fill");
	bson_destroy(&filter);
	bson_destroy(&opts);
	if (err == PL_OK)
		err = note(f);
	return err;
}

static void
say_end(const struct fill *f)
{
	if (!f->is_whole)
		pl_log_info("conversations of messages that were there are listed",
		    PL_L_INT("messages", f->messages),
		    PL_L_INT("correspondents", (int64_t)f->added));
	else if (f->added > 0)
		pl_log_info("conversations that another program began were listed",
		    PL_L_INT("correspondents", (int64_t)f->added));
}

static enum pl_err
has_messages(struct pl_mongo *s, bool *has)
{
	struct pl_find find;
	const bson_t *doc;

	*has = false;
	pl_find_start(&find, s, s->messages);
	pl_find_limit(&find, 1);
	while (pl_find_row(&find, &doc))
		*has = true;
	return pl_find_end(&find);
}

/* A database without messages stays as it is. */
static enum pl_err
begin(struct fill *f, bool *is_nothing)
{
	enum pl_err err = load(f);
	bool has = true;

	if (err == PL_OK && !f->is_begun)
		err = has_messages(f->s, &has);
	*is_nothing = !has;
	if (err != PL_OK || f->is_whole || !has)
		return err;
	/* The collection may have been dropped since. */
	pl_pairs_forget(f->s);
	pl_log_info(f->is_begun
			? "messages are looked through for conversations, from where it "
			  "ended last time"
			: "messages are looked through for conversations, which are "
			  "listed as they are found");
	return PL_OK;
}

enum pl_err
pl_mongo_fill(struct pl_mongo *s)
{
	struct fill *f = pl_mem_zalloc(sizeof(*f));
	bool is_nothing = false;
	enum pl_err err;

	f->s = pl_mongo_start(&s->store);
	f->now_unix_ms = pl_clock_unix_ms();
	err = begin(f, &is_nothing);
	if (err == PL_OK && !is_nothing) {
		err = walk(f);
		if (err == PL_OK)
			err = save(f, true);
		if (err == PL_OK)
			say_end(f);
	}
	pl_mem_free(f);
	return err;
}

enum pl_err
pl_mongo_fill_again(struct pl_mongo *s)
{
	bson_t selector = BSON_INITIALIZER;
	enum pl_err err;

	pl_mongo_put_str(&selector, PL_MESSAGE_F_ID, PL_STR(ID_FILLED));
	err = pl_mongo_delete_many(s, s->correspondents, &selector);
	bson_destroy(&selector);
	return err;
}
