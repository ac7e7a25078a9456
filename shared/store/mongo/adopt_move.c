#include "store/mongo/adopt.h"

#define F_OLD   "old"
#define F_FRESH "fresh"

mongoc_collection_t *
pl_adopt_home(struct adopt *a, enum pl_adopt_of of)
{
	return of == PL_ADOPT_USERS ? a->s.users : a->s.messages;
}

/* ---- commands ---- */

static enum pl_err
insert(struct adopt *a, mongoc_collection_t *into, bson_t *doc)
{
	enum pl_err err;

	(void)pl_mongo_start(&a->s.store);
	pl_mongo_insert(&a->s, into, &doc, 1, &err);
	return err;
}

static enum pl_err delete (
    struct adopt *a, mongoc_collection_t *from, const bson_t *selector, bool *is_gone) {
	bson_error_t error; int64_t count = 0; enum pl_err err = PL_OK; bson_t reply;

	if (!mongoc_collection_delete_one(from, selector, NULL, &reply, &error))
	    err = pl_mongo_err(&a->s, &error, "delete");
	else(void) pl_mongo_get_int(&reply, "deletedCount", &count);
	*is_gone = count > 0;
	bson_destroy(&reply);
	return err;
}

/* Only as it was read. */
static enum pl_err
delete_seen(struct adopt *a, mongoc_collection_t *from, const bson_t *doc, bool *is_gone)
{
	bson_t selector = BSON_INITIALIZER;
	enum pl_err err;

	pl_diagnosis_put_all_seen(&selector, doc);
	err = delete (a, from, &selector, is_gone);
	bson_destroy(&selector);
	return err;
}

/* The first document that the filter finds, which the caller destroys; NULL: none. Takes
 * the filter. */
static enum pl_err
find_first(struct adopt *a, mongoc_collection_t *in, bson_t *filter, bson_t **found)
{
	bson_t opts = BSON_INITIALIZER;
	mongoc_cursor_t *cursor;
	const bson_t *doc;
	enum pl_err err;

	*found = NULL;
	bson_append_int64(&opts, "limit", -1, 1);
	cursor = mongoc_collection_find_with_opts(in, filter, &opts, NULL);
	if (mongoc_cursor_next(cursor, &doc))
		*found = bson_copy(doc);
	err = pl_mongo_cursor_end(&a->s, cursor, PL_OK, "find");
	bson_destroy(&opts);
	bson_destroy(filter);
	return err;
}

static enum pl_err
find_by_id(
    struct adopt *a, mongoc_collection_t *in, const struct pl_oid *id, bson_t **found)
{
	bson_t filter = BSON_INITIALIZER;

	pl_mongo_put_oid(&filter, PL_USER_F_ID, id);
	return find_first(a, in, &filter, found);
}

/* ---- is it free? ---- */

/* {username: {$in: [number, string]}, _id: {$ne: its own}}: two users with the numbers 7
 * and 7.0 would get the same string, so neither gets it. */
static enum pl_err
check_name(struct adopt *a, struct pl_diagnosis *s, const bson_t *doc)
{
	bson_t filter = BSON_INITIALIZER, in, list, *other;
	bson_iter_t number, string, id;
	enum pl_err err;

	if (!pl_diagnosis_has(s, PL_ADOPT_USERNAME, PL_ADOPT_NUMBER) ||
	    !bson_iter_init_find(&number, doc, PL_USER_F_USERNAME) ||
	    !bson_iter_init_find(&string, &s->set, PL_USER_F_USERNAME) ||
	    !bson_iter_init_find(&id, doc, PL_USER_F_ID))
		return PL_OK;
	bson_append_document_begin(&filter, PL_USER_F_USERNAME, -1, &in);
	bson_append_array_begin(&in, "$in", -1, &list);
	bson_append_iter(&list, "0", -1, &number);
	bson_append_iter(&list, "1", -1, &string);
	bson_append_array_end(&in, &list);
	bson_append_document_end(&filter, &in);
	bson_append_document_begin(&filter, PL_USER_F_ID, -1, &in);
	bson_append_iter(&in, "$ne", -1, &id);
	bson_append_document_end(&filter, &in);
	err = find_first(a, a->s.users, &filter, &other);
	if (other != NULL) {
		pl_diagnosis_note_taken(s, PL_ADOPT_USERNAME);
		bson_destroy(other);
	}
	return err;
}

/* The document that has the new _id already may be this very one, from a run that was
 * broken off. */
static enum pl_err
check_id(struct adopt *a, struct pl_diagnosis *s, const bson_t *doc)
{
	bson_t mended = BSON_INITIALIZER, *other;
	enum pl_err err = find_by_id(a, pl_adopt_home(a, s->of), &s->new_id, &other);

	pl_diagnosis_mend(s, doc, &mended);
	if (other != NULL) {
		if (!bson_equal(other, &mended))
			pl_diagnosis_note_taken(s, PL_ADOPT_ID);
		bson_destroy(other);
	}
	bson_destroy(&mended);
	return err;
}

enum pl_err
pl_adopt_check_free(struct adopt *a, struct pl_diagnosis *s, const bson_t *doc)
{
	enum pl_err err = PL_OK;

	if (s->is_mendable && s->of == PL_ADOPT_USERS)
		err = check_name(a, s, doc);
	if (err == PL_OK && s->is_mendable && s->has_new_id)
		err = check_id(a, s, doc);
	return err;
}

/* ---- a new _id ---- */

/* PL_E_CONFLICT: something else, or nothing, has the _id of doc. */
static enum pl_err
is_same_there(struct adopt *a, const bson_t *doc)
{
	bson_t selector = BSON_INITIALIZER, *there;
	enum pl_err err;

	pl_diagnosis_put_seen(&selector, doc, PL_MESSAGE_F_ID);
	err = find_first(a, a->s.messages, &selector, &there);
	if (err == PL_OK && (there == NULL || !bson_equal(there, doc)))
		err = PL_E_CONFLICT;
	if (there != NULL)
		bson_destroy(there);
	return err;
}

/* A message: the new one is stored, then the old one goes. If the old one has changed
 * since it was read, the new one goes instead. */
static enum pl_err
move_message(struct adopt *a, const bson_t *doc, bson_t *fresh, bool *is_done)
{
	enum pl_err err = insert(a, a->s.messages, fresh);
	bool is_gone;

	if (err == PL_E_CONFLICT)
		err = is_same_there(a, fresh);
	if (err != PL_OK)
		return err == PL_E_CONFLICT ? PL_OK : err;
	err = delete_seen(a, a->s.messages, doc, is_done);
	if (err == PL_OK && !*is_done)
		err = delete_seen(a, a->s.messages, fresh, &is_gone);
	return err;
}

static enum pl_err
forget_half_way(struct adopt *a, const bson_t *entry)
{
	bson_t selector = BSON_INITIALIZER;
	enum pl_err err;
	bool is_gone;

	pl_diagnosis_put_seen(&selector, entry, PL_USER_F_ID);
	err = delete (a, a->half_way, &selector, &is_gone);
	bson_destroy(&selector);
	return err;
}

/* {_id, old, fresh}, which the caller destroys. */
static bson_t *
entry_of(const bson_t *doc, const bson_t *fresh)
{
	bson_t *entry = bson_new();
	bson_iter_t id;

	if (bson_iter_init_find(&id, doc, PL_USER_F_ID))
		bson_append_iter(entry, PL_USER_F_ID, -1, &id);
	bson_append_document(entry, F_OLD, -1, doc);
	bson_append_document(entry, F_FRESH, -1, fresh);
	return entry;
}

/* The old form is gone: the new one takes its place, or, if that is taken, the old one
 * comes back. */
static enum pl_err
arrive(struct adopt *a, bson_t *old, bson_t *fresh, const bson_t *entry, bool *is_done)
{
	enum pl_err err = insert(a, a->s.users, fresh);

	*is_done = err == PL_OK;
	if (err == PL_E_CONFLICT)
		err = insert(a, a->s.users, old);
	return err == PL_OK ? forget_half_way(a, entry) : err;
}

/* A user: an index may allow the username only once. */
static enum pl_err
move_user(struct adopt *a, bson_t *doc, bson_t *fresh, bool *is_done)
{
	bson_t *entry = entry_of(doc, fresh);
	enum pl_err err = insert(a, a->half_way, entry);
	bool is_gone = false;

	if (err == PL_OK)
		err = delete_seen(a, a->s.users, doc, &is_gone);
	if (err == PL_OK)
		err = is_gone ? arrive(a, doc, fresh, entry, is_done)
			      : forget_half_way(a, entry);
	bson_destroy(entry);
	return err;
}

enum pl_err
pl_adopt_move(
    struct adopt *a, const struct pl_diagnosis *s, const bson_t *doc, bool *is_done)
{
	bson_t *old = bson_copy(doc), *fresh = bson_new();
	enum pl_err err;

	*is_done = false;
	pl_diagnosis_mend(s, doc, fresh);
	err = s->of == PL_ADOPT_USERS ? move_user(a, old, fresh, is_done)
				      : move_message(a, old, fresh, is_done);
	bson_destroy(fresh);
	bson_destroy(old);
	return err;
}

/* ---- where an earlier run was broken off ---- */

static bool
get_document(const bson_t *entry, const char *key, bson_t **out)
{
	const uint8_t *data;
	bson_iter_t it;
	uint32_t len;

	if (!bson_iter_init_find(&it, entry, key) || !BSON_ITER_HOLDS_DOCUMENT(&it))
		return false;
	bson_iter_document(&it, &len, &data);
	*out = bson_new_from_data(data, len);
	return *out != NULL;
}

static enum pl_err
is_in_users(struct adopt *a, const bson_t *doc, bool *is)
{
	bson_t selector = BSON_INITIALIZER, *found;
	enum pl_err err;

	pl_diagnosis_put_seen(&selector, doc, PL_USER_F_ID);
	err = find_first(a, a->s.users, &selector, &found);
	*is = found != NULL;
	if (found != NULL)
		bson_destroy(found);
	return err;
}

/* If either form is there, nothing is to do. If neither is, the new one comes. */
static enum pl_err
finish_entry(struct adopt *a, const bson_t *entry)
{
	bson_t *old = NULL, *fresh = NULL;
	bool is_there = false, is_done = false;
	enum pl_err err = PL_E_INVALID;

	if (get_document(entry, F_OLD, &old) && get_document(entry, F_FRESH, &fresh))
		err = is_in_users(a, old, &is_there);
	if (err == PL_OK && !is_there)
		err = is_in_users(a, fresh, &is_there);
	if (err == PL_OK && is_there)
		err = forget_half_way(a, entry);
	else if (err == PL_OK)
		err = arrive(a, old, fresh, entry, &is_done);
	if (old != NULL)
		bson_destroy(old);
	if (fresh != NULL)
		bson_destroy(fresh);
	return err;
}

enum pl_err
pl_adopt_finish_half_way(struct adopt *a)
{
	for (;;) {
		bson_t all = BSON_INITIALIZER, *entry;
		enum pl_err err = find_first(a, a->half_way, &all, &entry);

		if (err != PL_OK || entry == NULL)
			return err;
		err = finish_entry(a, entry);
		bson_destroy(entry);
		if (err != PL_OK)
			return err;
	}
}

enum pl_err
pl_adopt_count_half_way(struct adopt *a, int64_t *out)
{
	bson_t all = BSON_INITIALIZER;
	bson_error_t error;
	int64_t count = mongoc_collection_count_documents(
	    a->half_way, &all, NULL, NULL, NULL, &error);

	bson_destroy(&all);
	if (count < 0)
		return pl_mongo_err(&a->s, &error, "count");
	*out = count;
	return PL_OK;
}
