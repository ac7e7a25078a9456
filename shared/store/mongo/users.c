#include <stdlib.h>

#include "base/mem.h"
#include "store/mongo/query.h"

static const char *const by_id[] = {PL_USER_F_ID, NULL};

/* ---- reads ---- */

/* The one user that f finds. */
static enum pl_err
read_one(struct pl_find *f, struct pl_user *out)
{
	struct pl_user user = {0};
	bool is_found = false;
	const bson_t *doc;
	enum pl_err err;

	pl_find_limit(f, 1);
	if (pl_find_row(f, &doc))
		is_found = pl_mongo_user_read(doc, &user);
	err = pl_find_end(f);
	if (err == PL_OK && !is_found)
		err = PL_E_NOT_FOUND;
	if (err == PL_OK)
		*out = user;
	else
		pl_user_fini(&user);
	return err;
}

enum pl_err
pl_mongo_user_find(struct pl_mongo *s, const struct pl_oid *id, struct pl_user *out)
{
	struct pl_find f;

	pl_find_start(&f, s, s->users);
	pl_mongo_put_oid(&f.filter, PL_USER_F_ID, id);
	return read_one(&f, out);
}

enum pl_err
pl_mongo_user_by_id(struct pl_store *store, const struct pl_oid *id, struct pl_user *out)
{
	return pl_mongo_user_find(pl_mongo_start(store), id, out);
}

enum pl_err
pl_mongo_user_by_username(
    struct pl_store *store, struct pl_str username, struct pl_user *out)
{
	struct pl_mongo *s = pl_mongo_start(store);
	struct pl_find f;
	bson_t is;

	pl_find_start(&f, s, s->users);
	bson_append_document_begin(&f.filter, PL_USER_F_USERNAME, -1, &is);
	pl_mongo_put_str(&is, "$eq", username);
	/* The type is said, so that the server can use an index of strings alone. */
	pl_mongo_put_int(&is, "$type", PL_MONGO_T_STRING);
	bson_append_document_end(&f.filter, &is);
	return read_one(&f, out);
}

static int
compare_ids(const void *a, const void *b)
{
	return pl_oid_compare(a, b);
}

/* A document that another program spoilt counts as there: it can be mended, and its user
 * is not gone. */
enum pl_err
pl_mongo_users_there(
    struct pl_mongo *s, const struct pl_oid *ids, size_t count, bool *exist)
{
	static const char *const nothing_more[] = {PL_USER_F_ID, NULL};
	struct pl_oid found[PL_STORE_IDS_MAX];
	size_t found_count = 0;
	struct pl_find f;
	const bson_t *doc;
	enum pl_err err;

	pl_find_start(&f, s, s->users);
	pl_mongo_put_in(&f.filter, PL_USER_F_ID, ids, count);
	pl_find_only(&f, nothing_more);
	pl_find_by_index(&f, by_id, 1, 1);
	pl_find_limit(&f, count);
	while (found_count < count && pl_find_row(&f, &doc))
		found_count += pl_mongo_get_oid(doc, PL_USER_F_ID, &found[found_count]);
	err = pl_find_end(&f);
	for (size_t i = 0; i < count && err == PL_OK; i++)
		/* cppcheck-suppress uninitvar ; the first found_count are filled */
		exist[i] = bsearch(&ids[i], found, found_count, sizeof(*found),
			       compare_ids) != NULL;
	return err;
}

enum pl_err
pl_mongo_users_exist(
    struct pl_store *store, const struct pl_oid *ids, size_t count, bool *exist)
{
	return pl_mongo_users_there(pl_mongo_start(store), ids, count, exist);
}

/* All that f finds and that can be read. */
static enum pl_err
read_list(struct pl_find *f, struct pl_user_list *out)
{
	struct pl_user_list list = {0};
	const bson_t *doc;
	enum pl_err err;

	while (pl_find_row(f, &doc)) {
		list.items = pl_store_grow(list.items, list.count, sizeof(*list.items));
		list.count += pl_mongo_user_read(doc, &list.items[list.count]);
	}
	err = pl_find_end(f);
	if (err == PL_OK)
		*out = list;
	else
		pl_user_list_fini(&list);
	return err;
}

static int
compare_id_with_user(const void *id, const void *user)
{
	const struct pl_user *u = user;

	return pl_oid_compare(id, &u->id);
}

/* Move the users of some, which are by id, into *out, in the order of ids. */
static void
take_in_order(struct pl_user_list *out, struct pl_user_list *some,
    const struct pl_oid *ids, size_t count)
{
	*out = (struct pl_user_list){.items = pl_mem_alloc(count * sizeof(*out->items))};
	for (size_t i = 0; i < count && some->count > 0; i++) {
		const struct pl_user *user = bsearch(&ids[i], some->items, some->count,
		    sizeof(*some->items), compare_id_with_user);

		if (user != NULL)
			out->items[out->count++] = *user;
	}
	pl_mem_free(some->items); /* their strings have moved */
}

enum pl_err
pl_mongo_users_of(struct pl_store *store, const struct pl_oid *ids, size_t count,
    struct pl_user_list *out)
{
	struct pl_mongo *s = pl_mongo_start(store);
	struct pl_user_list some;
	struct pl_find f;
	enum pl_err err;

	pl_find_start(&f, s, s->users);
	pl_mongo_put_in(&f.filter, PL_USER_F_ID, ids, count);
	pl_find_by_index(&f, by_id, 1, 1);
	pl_find_limit(&f, count);
	err = read_list(&f, &some);
	if (err == PL_OK)
		take_in_order(out, &some, ids, count);
	return err;
}

static int
compare_id_with_state(const void *id, const void *state)
{
	const struct pl_user_state *s = state;

	return pl_oid_compare(id, &s->id);
}

/* As take_in_order(). */
static void
take_states_in_order(struct pl_user_state_list *out, struct pl_user_state_list *some,
    const struct pl_oid *ids, size_t count)
{
	*out = (struct pl_user_state_list){
	    .items = pl_mem_alloc(count * sizeof(*out->items))};
	for (size_t i = 0; i < count && some->count > 0; i++) {
		const struct pl_user_state *state = bsearch(&ids[i], some->items,
		    some->count, sizeof(*some->items), compare_id_with_state);

		if (state != NULL)
			out->items[out->count++] = *state;
	}
	pl_mem_free(some->items); /* their notes have moved */
}

enum pl_err
pl_mongo_user_states(struct pl_store *store, const struct pl_oid *ids, size_t count,
    struct pl_user_state_list *out)
{
	struct pl_mongo *s = pl_mongo_start(store);
	struct pl_user_state_list some = {
	    .items = pl_mem_alloc(count * sizeof(*some.items))};
	const bson_t *doc;
	struct pl_find f;
	enum pl_err err;

	pl_find_start(&f, s, s->users);
	pl_mongo_put_in(&f.filter, PL_USER_F_ID, ids, count);
	pl_find_only(&f, pl_mongo_user_state_fields);
	pl_find_by_index(&f, by_id, 1, 1);
	pl_find_limit(&f, count);
	while (some.count < count && pl_find_row(&f, &doc))
		some.count += pl_mongo_user_state_read(doc, &some.items[some.count]);
	err = pl_find_end(&f);
	if (err == PL_OK)
		take_states_in_order(out, &some, ids, count);
	else
		pl_user_state_list_fini(&some);
	return err;
}

/* Only documents that can be read, so that a page is short only at the end. */
enum pl_err
pl_mongo_users_page(struct pl_store *store, const struct pl_oid *after, size_t limit,
    struct pl_user_list *out)
{
	static const struct pl_oid none;
	struct pl_mongo *s = pl_mongo_start(store);
	struct pl_find f;
	bson_t above;

	pl_find_start(&f, s, s->users);
	bson_append_document_begin(&f.filter, PL_USER_F_ID, -1, &above);
	pl_mongo_put_oid(&above, after ? "$gt" : "$gte", after ? after : &none);
	bson_append_document_end(&f.filter, &above);
	pl_find_type(&f, PL_USER_F_USERNAME, PL_MONGO_T_STRING);
	pl_find_by_index(&f, by_id, 1, 1);
	pl_find_limit(&f, limit);
	return read_list(&f, out);
}

/* ---- writes ---- */

void
pl_mongo_users_insert(struct pl_mongo *s, struct pl_write *const *writes, size_t count)
{
	bson_t **docs = pl_mem_alloc(count * sizeof(*docs));
	enum pl_err *errs = pl_mem_alloc(count * sizeof(*errs));

	for (size_t i = 0; i < count; i++) {
		docs[i] = bson_new();
		pl_mongo_user_write(docs[i], writes[i]->u.user);
	}
	pl_mongo_insert(s, s->users, docs, count, errs);
	for (size_t i = 0; i < count; i++) {
		writes[i]->err = errs[i];
		bson_destroy(docs[i]);
	}
	pl_mem_free(errs);
	pl_mem_free(docs);
}

/* selector and update belong to us from here. */
static enum pl_err
update_user(struct pl_mongo *s, bson_t *selector, bson_t *update, enum pl_err none)
{
	int64_t matched = 0;
	enum pl_err err = pl_mongo_update_one(s, s->users, selector, update, &matched);

	bson_destroy(selector);
	bson_destroy(update);
	return err == PL_OK && matched == 0 ? none : err;
}

enum pl_err
pl_mongo_user_set_status(struct pl_mongo *s, const struct pl_oid *id,
    enum pl_status status, struct pl_str note)
{
	bson_t selector = BSON_INITIALIZER, update = BSON_INITIALIZER, part;

	pl_mongo_put_oid(&selector, PL_USER_F_ID, id);
	bson_append_document_begin(&update, "$set", -1, &part);
	pl_mongo_put_str(&part, PL_USER_F_STATUS, pl_str(pl_status_name(status)));
	pl_mongo_put_time(&part, PL_USER_F_UPDATED_AT, s->now_unix_ms);
	if (note.len > 0)
		pl_mongo_put_str(&part, PL_USER_F_NOTE, note);
	bson_append_document_end(&update, &part);
	if (note.len == 0) {
		bson_append_document_begin(&update, "$unset", -1, &part);
		pl_mongo_put_int(&part, PL_USER_F_NOTE, 1);
		bson_append_document_end(&update, &part);
	}
	return update_user(s, &selector, &update, PL_E_NOT_FOUND);
}

enum pl_err
pl_mongo_user_set_password(struct pl_mongo *s, const struct pl_oid *id,
    const char *old_hash, const char *new_hash)
{
	bson_t selector = BSON_INITIALIZER, update = BSON_INITIALIZER, part;

	pl_mongo_put_oid(&selector, PL_USER_F_ID, id);
	pl_mongo_put_str(&selector, PL_USER_F_PASSWORD, pl_str(old_hash));
	bson_append_document_begin(&update, "$set", -1, &part);
	pl_mongo_put_str(&part, PL_USER_F_PASSWORD, pl_str(new_hash));
	bson_append_document_end(&update, &part);
	return update_user(s, &selector, &update, PL_E_CONFLICT);
}
