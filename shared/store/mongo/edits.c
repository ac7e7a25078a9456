#include "base/mem.h"
#include "store/mongo/blocks.h"
#include "store/mongo/idem.h"

/*
 * A change reads the message, decides, and writes if nobody has changed it meanwhile,
 * which its changedAt tells; else it begins anew. So of two at once the later one has
 * seen the other.
 */
#define TRIES 8 /* as many others change the same message at this moment */

/* ---- writes ---- */

/* *has_key: it has an Idempotency-Key. */
static enum pl_err
find(struct pl_mongo *s, const struct pl_oid *id, struct pl_message *out, bool *has_key)
{
	bool is_found = false;
	const bson_t *doc;
	struct pl_find f;
	enum pl_err err;

	pl_find_start(&f, s, s->messages);
	pl_mongo_put_oid(&f.filter, PL_MESSAGE_F_ID, id);
	pl_find_limit(&f, 1);
	while (!is_found && pl_find_row(&f, &doc)) {
		is_found = pl_mongo_message_read(doc, out);
		*has_key = bson_has_field(doc, PL_MONGO_F_IDEM_KEY);
	}
	err = pl_find_end(&f);
	if (err == PL_OK)
		return is_found ? PL_OK : PL_E_NOT_FOUND;
	if (is_found)
		pl_message_fini(out);
	return err;
}

/* The message as it was when it last changed. A changedAt that is no Date is another
 * program's. */
static void
put_unchanged(
    bson_t *selector, const struct pl_oid *id, int64_t changed_unix_ms, bool is_edit)
{
	bson_t is, none;

	pl_mongo_put_oid(selector, PL_MESSAGE_F_ID, id);
	if (is_edit) /* an erasure at the same millisecond has deleted it */
		bson_append_null(selector, PL_MESSAGE_F_DELETED_AT, -1);
	if (changed_unix_ms != 0) {
		pl_mongo_put_time(selector, PL_MONGO_F_CHANGED_AT, changed_unix_ms);
		return;
	}
	bson_append_document_begin(selector, PL_MONGO_F_CHANGED_AT, -1, &is);
	bson_append_document_begin(&is, "$not", -1, &none);
	pl_mongo_put_int(&none, "$type", PL_MONGO_T_DATE);
	bson_append_document_end(&is, &none);
	bson_append_document_end(selector, &is);
}

static void
put_update(
    bson_t *update, const struct pl_message *m, const struct pl_first_text *first_text)
{
	bson_t part;

	bson_append_document_begin(update, "$set", -1, &part);
	pl_mongo_put_str(&part, PL_MESSAGE_F_TEXT, pl_str_n(m->text, m->text_len));
	pl_mongo_put_time(&part, PL_MONGO_F_CHANGED_AT, pl_message_changed(m));
	pl_mongo_put_time(&part, PL_MESSAGE_F_UPDATED_AT, m->updated_unix_ms);
	if (m->deleted_unix_ms != 0)
		pl_mongo_put_time(&part, PL_MESSAGE_F_DELETED_AT, m->deleted_unix_ms);
	else
		pl_mongo_put_time(&part, PL_MESSAGE_F_EDITED_AT, m->edited_unix_ms);
	pl_first_text_write(&part, first_text);
	bson_append_document_end(update, &part);
	if (m->deleted_unix_ms == 0)
		return;
	bson_append_document_begin(update, "$unset", -1, &part);
	pl_mongo_put_str(&part, PL_MONGO_F_JOB, PL_STR(""));
	bson_append_document_end(update, &part);
}

/* *is_done: it was as before until now. */
static enum pl_err
store_change(struct pl_mongo *s, const struct pl_message *m,
    const struct pl_first_text *first_text, int64_t before_unix_ms, bool *is_done)
{
	bson_t selector = BSON_INITIALIZER, update = BSON_INITIALIZER;
	int64_t matched = 0;
	enum pl_err err;

	put_unchanged(&selector, &m->id, before_unix_ms, m->deleted_unix_ms == 0);
	put_update(&update, m, first_text);
	err = pl_mongo_update_one(s, s->messages, &selector, &update, &matched);
	bson_destroy(&selector);
	bson_destroy(&update);
	*is_done = err == PL_OK && matched == 1;
	return err;
}

/* Words may be taken back, but not exchanged for others. */
static enum pl_err
refuse_blocked(struct pl_mongo *s, struct pl_write *w, const struct pl_message *m)
{
	struct pl_pair pair = {m->sender, m->receiver};
	bool is_blocked = false;
	enum pl_err err = PL_OK;

	if (w->kind == PL_WRITE_EDIT)
		err = pl_blocks_between(s, &pair, 1, &is_blocked);
	if (err != PL_OK || !is_blocked)
		return err;
	w->u.change.refusal = PL_CHANGE_BLOCKED;
	return PL_E_CONFLICT;
}

/* m: as it was read. */
static enum pl_err
try(struct pl_mongo *s, struct pl_write *w, struct pl_message *m, bool has_key,
    bool *is_done)
{
	struct pl_first_text first_text = {0};
	int64_t before_unix_ms = pl_message_changed(m);
	enum pl_err err;

	if (has_key)
		first_text = pl_store_first_text(m, s->now_unix_ms);
	err = pl_store_change(w, m, s->now_unix_ms);
	if (err == PL_OK)
		err = refuse_blocked(s, w, m);
	*is_done = err == PL_OK && !w->u.change.changed;
	if (err != PL_OK || *is_done)
		return err;
	return store_change(s, m, &first_text, before_unix_ms, is_done);
}

enum pl_err
pl_mongo_change(struct pl_mongo *s, struct pl_write *w)
{
	for (int i = 0; i < TRIES; i++) {
		struct pl_message m;
		bool has_key, is_done;
		enum pl_err err = find(s, &w->u.change.message_id, &m, &has_key);

		if (err != PL_OK)
			return err;
		err = try(s, w, &m, has_key, &is_done);
		if (is_done) {
			w->u.change.message = m;
			return PL_OK;
		}
		pl_message_fini(&m);
		if (err != PL_OK)
			return err;
	}
	return PL_E_UNAVAILABLE;
}

/* ---- reads ---- */

/* (changedAt, _id) after pos. */
static void
put_place(bson_t *filter, const struct pl_message_pos *pos)
{
	bson_t is, none, item, bound;

	bson_append_document_begin(filter, PL_MONGO_F_CHANGED_AT, -1, &is);
	pl_mongo_put_int(&is, "$type", PL_MONGO_T_DATE); /* as the index says it */
	pl_mongo_put_time(&is, "$gte", pos->created_unix_ms);
	bson_append_document_end(filter, &is);
	bson_append_array_begin(filter, "$nor", -1, &none);
	bson_append_document_begin(&none, "0", -1, &item);
	pl_mongo_put_time(&item, PL_MONGO_F_CHANGED_AT, pos->created_unix_ms);
	bson_append_document_begin(&item, PL_MESSAGE_F_ID, -1, &bound);
	pl_mongo_put_oid(&bound, "$lte", &pos->id);
	bson_append_document_end(&item, &bound);
	bson_append_document_end(&none, &item);
	bson_append_array_end(filter, &none);
}

/* Of all; of those that user, as key says, has sent or received. */
static enum pl_err
read_one_way(struct pl_mongo *s, const char *key, const struct pl_oid *user,
    const struct pl_message_pos *after, size_t limit, struct pl_pos_list *out)
{
	const char *const keys[] = {
	    key != NULL ? key : PL_MONGO_F_CHANGED_AT,
	    key != NULL ? PL_MONGO_F_CHANGED_AT : PL_MESSAGE_F_ID,
	    key != NULL ? PL_MESSAGE_F_ID : NULL,
	    NULL,
	};
	static const char *const place[] = {PL_MONGO_F_CHANGED_AT, NULL};
	struct pl_message_pos at;
	const bson_t *doc;
	struct pl_find f;

	pl_find_start(&f, s, s->messages);
	if (key != NULL)
		pl_mongo_put_oid(&f.filter, key, user);
	put_place(&f.filter, after);
	pl_find_only(&f, place);
	pl_find_by_index(&f, keys, 2, 1);
	pl_find_limit(&f, limit);
	while (pl_find_row(&f, &doc)) {
		if (!pl_mongo_get_oid(doc, PL_MESSAGE_F_ID, &at.id) ||
		    !pl_mongo_get_time(doc, PL_MONGO_F_CHANGED_AT, &at.created_unix_ms))
			continue;
		out->items = pl_store_grow(out->items, out->count, sizeof(*out->items));
		out->items[out->count++] = at;
	}
	return pl_find_end(&f);
}

static enum pl_err
read_of_user(struct pl_mongo *s, const struct pl_oid *user,
    const struct pl_message_pos *after, size_t limit, struct pl_pos_list *out)
{
	struct pl_pos_list to = {0}, from = {0};
	enum pl_err err = read_one_way(s, PL_MESSAGE_F_RECEIVER, user, after, limit, &to);

	if (err == PL_OK)
		err = read_one_way(s, PL_MESSAGE_F_SENDER, user, after, limit, &from);
	if (err == PL_OK)
		pl_pos_list_merge(&to, &from, limit, out);
	pl_pos_list_fini(&to);
	pl_pos_list_fini(&from);
	return err;
}

enum pl_err
pl_mongo_changes(struct pl_store *store, const struct pl_oid *user,
    const struct pl_message_pos *after, size_t limit, struct pl_pos_list *out)
{
	static const struct pl_message_pos before_all = {.created_unix_ms = INT64_MIN};
	struct pl_mongo *s = pl_mongo_start(store);
	struct pl_pos_list list = {0};
	enum pl_err err;

	if (after == NULL)
		after = &before_all;
	err = user != NULL ? read_of_user(s, user, after, limit, &list)
			   : read_one_way(s, NULL, NULL, after, limit, &list);
	if (err == PL_OK)
		*out = list;
	else
		pl_pos_list_fini(&list);
	return err;
}
