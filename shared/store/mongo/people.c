/*
 * people: finding users by the beginnings of their words, in the order of their names. A
 * user's own document has both, folded (base/fold), so that they come and go with it,
 * whoever copies, restores or deletes it, and mongoose passes them over:
 *
 *   parleyPeople: {name: "aisha garcia", words: ["aisha", "garcia"]}
 *
 * A document without it is due: it is of another program, or of an older version. Those
 * are found by the index of names, where they stand as null. Who renames a user removes
 * the field or sets it; a page that meets a stale one mends it. After a change of
 * base/fold the field needs another name.
 */
#include "base/fold.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/mongo/query.h"
#include "store/store_people.h"

static const char *const by_name[] = {PL_MONGO_P_PEOPLE_NAME, PL_USER_F_ID, NULL};

/* The greatest character, and no letter: no word goes on with it. */
#define LAST_CHAR "\xf4\x8f\xbf\xbf"

/* ---- the field ----------------------------------------------------------------------- */

static void
fold_name(struct pl_str full_name, struct pl_buf *out)
{
	pl_buf_init(out, PL_BUF_UNLIMITED); /* pl_fold_name() bounds it */
	pl_fold_name(full_name, out);
}

void
pl_mongo_people_write(bson_t *doc, const struct pl_user *user)
{
	struct pl_fold_words words = {0};
	struct pl_buf name;
	bson_t people, list;

	fold_name(pl_str(user->full_name), &name);
	pl_fold_words(pl_str(user->full_name), &words);
	pl_fold_words(pl_str(user->username), &words);
	pl_fold_words_sort(&words);
	bson_append_document_begin(doc, PL_MONGO_F_PEOPLE, -1, &people);
	pl_mongo_put_str(&people, "name", pl_buf_str(&name));
	bson_append_array_begin(&people, "words", -1, &list);
	for (size_t i = 0; i < words.count; i++) {
		const char *at;
		char text[16];

		bson_uint32_to_string((uint32_t)i, &at, text, sizeof(text));
		pl_mongo_put_str(&list, at, pl_str(words.items[i]));
	}
	bson_append_array_end(&people, &list);
	bson_append_document_end(doc, &people);
	pl_fold_words_fini(&words);
	pl_buf_fini(&name);
}

/* ---- those who are due --------------------------------------------------------------- */

/* Set the field, unless the user was renamed since doc was read. */
static void
add_update(mongoc_bulk_operation_t *bulk, const bson_t *doc, const struct pl_user *user)
{
	bson_t selector = BSON_INITIALIZER, update = BSON_INITIALIZER, set;
	bson_iter_t it;

	pl_mongo_put_oid(&selector, PL_USER_F_ID, &user->id);
	if (bson_iter_init_find(&it, doc, PL_USER_F_USERNAME))
		bson_append_iter(&selector, PL_USER_F_USERNAME, -1, &it);
	if (bson_iter_init_find(&it, doc, PL_USER_F_FULL_NAME) &&
	    BSON_ITER_HOLDS_UTF8(&it))
		bson_append_iter(&selector, PL_USER_F_FULL_NAME, -1, &it);
	bson_append_document_begin(&update, "$set", -1, &set);
	pl_mongo_people_write(&set, user);
	bson_append_document_end(&update, &set);
	(void)mongoc_bulk_operation_update_one_with_opts(
	    bulk, &selector, &update, NULL, NULL);
	bson_destroy(&update);
	bson_destroy(&selector);
}

static enum pl_err
execute(struct pl_mongo *s, mongoc_bulk_operation_t *bulk)
{
	bson_error_t error = {0};
	bson_t reply;
	bool is_done;

	if (!pl_mongo_has_time(s))
		return PL_E_UNAVAILABLE;
	is_done = mongoc_bulk_operation_execute(bulk, &reply, &error) != 0;
	bson_destroy(&reply);
	return is_done ? PL_OK : pl_mongo_err(s, &error, "update");
}

static mongoc_bulk_operation_t *
bulk_new(struct pl_mongo *s)
{
	bson_t opts = BSON_INITIALIZER;
	mongoc_bulk_operation_t *bulk;

	bson_append_bool(&opts, "ordered", -1, false);
	bulk = mongoc_collection_create_bulk_operation_with_opts(s->users, &opts);
	bson_destroy(&opts);
	return bulk;
}

enum pl_err
pl_mongo_people_fill(struct pl_store *store, size_t limit, size_t *filled)
{
	struct pl_mongo *s = pl_mongo_start(store);
	mongoc_bulk_operation_t *bulk = bulk_new(s);
	struct pl_user user;
	struct pl_find f;
	const bson_t *doc;
	enum pl_err err;

	*filled = 0;
	pl_find_start(&f, s, s->users);
	bson_append_null(&f.filter, PL_MONGO_P_PEOPLE_NAME, -1);
	pl_find_type(&f, PL_USER_F_USERNAME, PL_MONGO_T_STRING);
	pl_find_type(&f, PL_USER_F_ID, PL_MONGO_T_OID);
	pl_find_by_index(&f, by_name, 0, 1);
	pl_find_limit(&f, limit);
	while (pl_find_row(&f, &doc))
		if (pl_mongo_user_read(doc, &user)) {
			add_update(bulk, doc, &user);
			pl_user_fini(&user);
			++*filled;
		}
	err = pl_find_end(&f);
	if (err == PL_OK && *filled > 0)
		err = execute(s, bulk);
	mongoc_bulk_operation_destroy(bulk);
	return err;
}

/* ---- filters ------------------------------------------------------------------------- */

/* {parleyPeople.words: {$elemMatch: {$gte: word, $lt: ...}}} */
static void
put_word(bson_t *doc, const char *word)
{
	bson_t is, range;
	struct pl_buf end;

	pl_buf_init(&end, PL_BUF_UNLIMITED);
	(void)pl_buf_printf(&end, "%s" LAST_CHAR, word);
	bson_append_document_begin(doc, PL_MONGO_P_PEOPLE_WORDS, -1, &is);
	bson_append_document_begin(&is, "$elemMatch", -1, &range);
	pl_mongo_put_str(&range, "$gte", pl_str(word));
	pl_mongo_put_str(&range, "$lt", pl_buf_str(&end));
	bson_append_document_end(&is, &range);
	bson_append_document_end(doc, &is);
	pl_buf_fini(&end);
}

static void
put_words(bson_t *filter, const struct pl_fold_words *words)
{
	bson_t all, one;

	if (words->count == 0)
		return;
	bson_append_array_begin(filter, "$and", -1, &all);
	for (size_t i = 0; i < words->count; i++) {
		const char *at;
		char text[16];

		bson_uint32_to_string((uint32_t)i, &at, text, sizeof(text));
		bson_append_document_begin(&all, at, -1, &one);
		put_word(&one, words->items[i]);
		bson_append_document_end(&all, &one);
	}
	bson_append_array_end(filter, &all);
}

/* {key: {op: text}} */
static void
put_compared(bson_t *doc, const char *key, const char *op, struct pl_str text)
{
	bson_t is;

	bson_append_document_begin(doc, key, -1, &is);
	pl_mongo_put_str(&is, op, text);
	bson_append_document_end(doc, &is);
}

/* Names that are strings from this one on: null is none. */
static void
put_place(bson_t *filter, struct pl_str name, const struct pl_oid *after)
{
	bson_t either, one, is;

	put_compared(filter, PL_MONGO_P_PEOPLE_NAME, "$gte", name);
	if (after == NULL)
		return;
	bson_append_array_begin(filter, "$or", -1, &either);
	bson_append_document_begin(&either, "0", -1, &one);
	put_compared(&one, PL_MONGO_P_PEOPLE_NAME, "$gt", name);
	bson_append_document_end(&either, &one);
	bson_append_document_begin(&either, "1", -1, &one);
	bson_append_document_begin(&one, PL_USER_F_ID, -1, &is);
	pl_mongo_put_oid(&is, "$gt", after);
	bson_append_document_end(&one, &is);
	bson_append_document_end(&either, &one);
	bson_append_array_end(filter, &either);
}

/* ---- pages --------------------------------------------------------------------------- */

/* The server chooses: a rare word goes by the index of words, a frequent one by the
 * names. */
static void
put_order(bson_t *opts)
{
	bson_t sort;

	bson_append_document_begin(opts, "sort", -1, &sort);
	pl_mongo_put_int(&sort, PL_MONGO_P_PEOPLE_NAME, 1);
	pl_mongo_put_int(&sort, PL_USER_F_ID, 1);
	bson_append_document_end(opts, &sort);
}

static bool
is_stale(const bson_t *doc, const struct pl_user *user)
{
	bson_t fresh = BSON_INITIALIZER;
	bson_iter_t stored, wanted;
	bool is = true;

	pl_mongo_people_write(&fresh, user);
	if (bson_iter_init_find(&stored, doc, PL_MONGO_F_PEOPLE) &&
	    bson_iter_init_find(&wanted, &fresh, PL_MONGO_F_PEOPLE) &&
	    BSON_ITER_HOLDS_DOCUMENT(&stored)) {
		const uint8_t *a, *b;
		uint32_t a_len, b_len;

		bson_iter_document(&stored, &a_len, &a);
		bson_iter_document(&wanted, &b_len, &b);
		is = a_len != b_len || memcmp(a, b, a_len) != 0;
	}
	bson_destroy(&fresh);
	return is;
}

/* Adds the user of doc to list; to stale, too, if they were renamed. */
static void
add_found(const bson_t *doc, struct pl_user_list *list, mongoc_bulk_operation_t *stale,
    size_t *stale_count)
{
	struct pl_user *user;

	list->items = pl_store_grow(list->items, list->count, sizeof(*list->items));
	user = &list->items[list->count];
	if (!pl_mongo_user_read(doc, user))
		return;
	list->count++;
	if (!is_stale(doc, user))
		return;
	add_update(stale, doc, user);
	++*stale_count;
}

static enum pl_err
read_page(struct pl_mongo *s, struct pl_find *f, struct pl_user_list *list)
{
	mongoc_bulk_operation_t *stale = bulk_new(s);
	size_t stale_count = 0;
	const bson_t *doc;
	enum pl_err err;

	while (pl_find_row(f, &doc))
		add_found(doc, list, stale, &stale_count);
	err = pl_find_end(f);
	if (err == PL_OK && stale_count > 0 && execute(s, stale) != PL_OK)
		pl_log_warn_sampled("renamed users were left for the next page");
	mongoc_bulk_operation_destroy(stale);
	return err;
}

static enum pl_err
find_page(struct pl_mongo *s, const struct pl_fold_words *words, struct pl_str name,
    const struct pl_oid *after, size_t limit, struct pl_user_list *out)
{
	struct pl_user_list list = {0};
	struct pl_find f;
	enum pl_err err;

	pl_find_start(&f, s, s->users);
	put_place(&f.filter, name, after);
	put_words(&f.filter, words);
	pl_find_type(&f, PL_USER_F_USERNAME, PL_MONGO_T_STRING);
	pl_find_type(&f, PL_USER_F_ID, PL_MONGO_T_OID);
	if (words->count == 0)
		pl_find_by_index(&f, by_name, 2, 1);
	else
		put_order(&f.opts);
	pl_find_limit(&f, limit);
	err = read_page(s, &f, &list);
	if (err == PL_OK)
		*out = list;
	else
		pl_user_list_fini(&list);
	return err;
}

static enum pl_err
name_of(struct pl_store *store, const struct pl_oid *id, struct pl_buf *name)
{
	struct pl_user user;
	enum pl_err err = pl_mongo_user_by_id(store, id, &user);

	if (err != PL_OK)
		return err;
	pl_fold_name(pl_str(user.full_name), name);
	pl_user_fini(&user);
	return PL_OK;
}

enum pl_err
pl_mongo_people_page(struct pl_store *store, struct pl_str query,
    const struct pl_oid *after, size_t limit, struct pl_user_list *out)
{
	struct pl_fold_words words = {0};
	struct pl_buf name;
	size_t filled;
	enum pl_err err;

	if (pl_mongo_people_fill(store, PL_STORE_PEOPLE_FILL, &filled) != PL_OK)
		pl_log_warn_sampled("people who are due were not filled in, a page goes "
				    "without them");
	pl_buf_init(&name, PL_BUF_UNLIMITED); /* pl_fold_name() bounds it */
	err = after != NULL ? name_of(store, after, &name) : PL_OK;
	if (err == PL_OK) {
		pl_store_query_words(query, &words);
		err = find_page(
		    pl_mongo_start(store), &words, pl_buf_str(&name), after, limit, out);
	}
	pl_fold_words_fini(&words);
	pl_buf_fini(&name);
	return err;
}

/* Other programs change users, and the server counts no changes. */
enum pl_err
pl_mongo_users_tag(struct pl_store *s, uint8_t tag[PL_STORE_TAG_LEN])
{
	(void)s;
	(void)tag;
	return PL_E_NOT_FOUND;
}
