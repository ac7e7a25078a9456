/* The sweep: what the user wrote becomes deleted messages, step by step. */
#include "base/clock.h"
#include "store/mongo/erase_impl.h"

#define ROWS PL_ERASE_MONGO_ROWS

static const char *const by_pair[] = {PL_MESSAGE_F_SENDER, PL_MESSAGE_F_RECEIVER,
    PL_MESSAGE_F_CREATED_AT, PL_MESSAGE_F_ID, NULL};

/* Of a message: its sender's key, and a reply that is owed to them. */
static const char *const own_fields[] = {PL_MONGO_F_IDEM_KEY, PL_MONGO_F_IDEM_UNTIL,
    PL_MONGO_F_FIRST_TEXT, PL_MONGO_F_JOB, NULL};

enum pl_err
pl_erasing_unset(
    struct pl_mongo *s, const struct pl_oid *ids, size_t count, const char *const *fields)
{
	bson_t selector = BSON_INITIALIZER;
	enum pl_err err;

	pl_mongo_put_in(&selector, PL_MESSAGE_F_ID, ids, count);
	err = pl_mongo_unset_all(s, s->messages, &selector, fields);
	bson_destroy(&selector);
	return err;
}

/* The first look of a step is taken however late it is, or with a server that is far away
 * no step would get any further. */
static bool
has_room(const struct pl_erasing *e, bool is_first)
{
	return e->rows < ROWS && (is_first || pl_clock_mono_ms() < e->until_mono_ms);
}

/* What a step has to do. */
struct rows {
	struct pl_oid live[ROWS]; /* not deleted yet */
	size_t live_count;
	struct pl_oid marked[ROWS]; /* deleted, with a key or a reply that is owed */
	size_t marked_count;
	size_t count; /* all that were read */
};

/* With their keys, and the replies that are owed to them. */
static void
put_deletion(const struct pl_erasing *e, bson_t *update)
{
	int64_t now = e->s->now_unix_ms;
	bson_t part;

	bson_append_document_begin(update, "$set", -1, &part);
	pl_mongo_put_str(&part, PL_MESSAGE_F_TEXT, PL_STR(""));
	pl_mongo_put_time(&part, PL_MESSAGE_F_DELETED_AT, now);
	pl_mongo_put_time(&part, PL_MONGO_F_CHANGED_AT, now);
	pl_mongo_put_time(&part, PL_MESSAGE_F_UPDATED_AT, now);
	bson_append_document_end(update, &part);
	bson_append_document_begin(update, "$unset", -1, &part);
	for (size_t i = 0; own_fields[i] != NULL; i++)
		pl_mongo_put_int(&part, own_fields[i], 1);
	bson_append_document_end(update, &part);
}

/* What another process has deleted meanwhile stays as it is. */
static enum pl_err
delete_live(struct pl_erasing *e, const struct rows *rows)
{
	bson_t selector = BSON_INITIALIZER, update = BSON_INITIALIZER, reply;
	bson_error_t error = {0};
	int64_t matched = 0;
	bool is_done;

	pl_mongo_put_in(&selector, PL_MESSAGE_F_ID, rows->live, rows->live_count);
	bson_append_null(&selector, PL_MESSAGE_F_DELETED_AT, -1);
	put_deletion(e, &update);
	is_done = mongoc_collection_update_many(
	    e->s->messages, &selector, &update, NULL, &reply, &error);
	if (is_done)
		(void)pl_mongo_get_int(&reply, "matchedCount", &matched);
	bson_destroy(&reply);
	bson_destroy(&update);
	bson_destroy(&selector);
	e->step->texts += (size_t)matched;
	return is_done ? PL_OK : pl_mongo_err(e->s, &error, "update");
}

static bool
is_deleted(const bson_t *doc)
{
	bson_iter_t it;

	return bson_iter_init_find(&it, doc, PL_MESSAGE_F_DELETED_AT) &&
	       !BSON_ITER_HOLDS_NULL(&it);
}

static void
note_row(struct pl_erasing *e, struct rows *rows, const bson_t *doc)
{
	struct pl_message_pos at;

	if (!pl_mongo_get_oid(doc, PL_MESSAGE_F_ID, &at.id) ||
	    !pl_mongo_get_time(doc, PL_MESSAGE_F_CREATED_AT, &at.created_unix_ms))
		return;
	e->at = at;
	rows->count++;
	if (!is_deleted(doc))
		rows->live[rows->live_count++] = at.id;
	else if (bson_has_field(doc, PL_MONGO_F_IDEM_KEY) ||
		 bson_has_field(doc, PL_MONGO_F_JOB))
		rows->marked[rows->marked_count++] = at.id;
}

static enum pl_err
read_rows(struct pl_erasing *e, size_t most, struct rows *rows)
{
	static const char *const fields[] = {PL_MESSAGE_F_CREATED_AT,
	    PL_MESSAGE_F_DELETED_AT, PL_MONGO_F_IDEM_KEY, PL_MONGO_F_JOB, NULL};
	struct pl_find f;
	const bson_t *doc;

	*rows = (struct rows){0};
	pl_find_start(&f, e->s, e->s->messages);
	pl_mongo_put_oid(&f.filter, PL_MESSAGE_F_SENDER, &e->user);
	pl_mongo_put_oid(&f.filter, PL_MESSAGE_F_RECEIVER, &e->receiver);
	pl_mongo_put_place(&f.filter, true, &e->at);
	pl_find_type(&f, PL_MESSAGE_F_ID, PL_MONGO_T_OID);
	pl_find_only(&f, fields);
	pl_find_by_index(&f, by_pair, 2, 1);
	pl_find_limit(&f, most);
	while (rows->count < most && pl_find_row(&f, &doc))
		note_row(e, rows, doc);
	return pl_find_end(&f);
}

/* What they wrote to the receiver, from where the sweep is; *is_more: not all of it. */
static enum pl_err
sweep_receiver(struct pl_erasing *e, bool *is_more)
{
	size_t most = ROWS - e->rows;
	struct rows rows;
	enum pl_err err = read_rows(e, most, &rows);

	*is_more = rows.count == most;
	e->rows += rows.count;
	if (err == PL_OK && rows.live_count > 0)
		err = pl_mongo_has_time(e->s) ? delete_live(e, &rows) : PL_E_UNAVAILABLE;
	if (err == PL_OK && rows.marked_count > 0)
		err = pl_erasing_unset(e->s, rows.marked, rows.marked_count, own_fields);
	return err;
}

static enum pl_err
find_receiver(struct pl_erasing *e, bool *is_found)
{
	static const char *const receiver[] = {PL_MESSAGE_F_RECEIVER, NULL};
	struct pl_find f;
	const bson_t *doc;
	bson_t after;

	*is_found = false;
	pl_find_start(&f, e->s, e->s->messages);
	pl_mongo_put_oid(&f.filter, PL_MESSAGE_F_SENDER, &e->user);
	if (e->has_receiver) {
		bson_append_document_begin(&f.filter, PL_MESSAGE_F_RECEIVER, -1, &after);
		pl_mongo_put_oid(&after, "$gt", &e->receiver);
		bson_append_document_end(&f.filter, &after);
	} else {
		pl_find_type(&f, PL_MESSAGE_F_RECEIVER, PL_MONGO_T_OID);
	}
	pl_find_only(&f, receiver);
	pl_find_by_index(&f, by_pair, 3, 1);
	pl_find_limit(&f, 1);
	while (!*is_found && pl_find_row(&f, &doc))
		*is_found = pl_mongo_get_oid(doc, PL_MESSAGE_F_RECEIVER, &e->receiver);
	e->has_receiver = e->has_receiver || *is_found;
	e->at = (struct pl_message_pos){.created_unix_ms = e->from_unix_ms};
	return pl_find_end(&f);
}

/* *is_done: nothing that they wrote is left, as far as this sweep knows. */
enum pl_err
pl_erasing_sweep(struct pl_erasing *e, bool *is_done)
{
	bool is_more = false, is_found = true, is_first = true;
	enum pl_err err = PL_OK;

	if (e->has_receiver)
		err = sweep_receiver(e, &is_more);
	while (err == PL_OK && !is_more && is_found && has_room(e, is_first)) {
		err = find_receiver(e, &is_found);
		is_first = false;
		if (err == PL_OK && is_found)
			err = sweep_receiver(e, &is_more);
	}
	*is_done = !is_found;
	return err;
}
