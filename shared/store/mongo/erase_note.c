/* Whose turn an erasure is, and how far it has come: its document. */
#include "store/mongo/correspondents.h"
#include "store/mongo/erase_impl.h"

#define NOTES_AT_ONCE 16 /* others may have the first ones */
/* What came after the note is looked for from so long before it on: mongoose sets
 * createdAt, then waits up to 30 s for a server. */
#define OVERLAP_MS 60000

#define F_RECEIVER "receiver"
#define P_RECEIVER PL_ERASE_F_AT "." F_RECEIVER
#define P_CREATED  PL_ERASE_F_AT "." PL_MESSAGE_F_CREATED_AT
#define P_ID       PL_ERASE_F_AT "." PL_MONGO_F_ID

static const char *const by_due[] = {PL_MONGO_F_DUE_AT, NULL};

static bool
get_descendant(const bson_t *doc, const char *path, bson_iter_t *out)
{
	bson_iter_t it;

	return bson_iter_init(&it, doc) && bson_iter_find_descendant(&it, path, out);
}

static void
read_place(const bson_t *doc, struct pl_erasing *e)
{
	bson_iter_t receiver, created, id;

	e->has_receiver = get_descendant(doc, P_RECEIVER, &receiver) &&
			  get_descendant(doc, P_CREATED, &created) &&
			  get_descendant(doc, P_ID, &id) &&
			  BSON_ITER_HOLDS_OID(&receiver) && BSON_ITER_HOLDS_OID(&id) &&
			  BSON_ITER_HOLDS_DATE_TIME(&created);
	if (!e->has_receiver)
		return;
	memcpy(e->receiver.bytes, bson_iter_oid(&receiver)->bytes, PL_OID_LEN);
	memcpy(e->at.id.bytes, bson_iter_oid(&id)->bytes, PL_OID_LEN);
	e->at.created_unix_ms = bson_iter_date_time(&created);
}

/* False: it is none, or another worker has it. A lease that ends too late is from before
 * the clock was set back. */
static bool
read_note(const bson_t *doc, struct pl_erasing *e)
{
	int64_t stage = PL_ERASE_SWEEP, now = e->s->now_unix_ms;

	e->worker = 0;
	if (!pl_mongo_get_oid(doc, PL_USER_F_ID, &e->user) ||
	    !pl_mongo_get_time(doc, PL_MONGO_F_LEASE_UNTIL, &e->lease_until_ms))
		return false;
	(void)pl_mongo_get_int(doc, PL_ERASE_F_STAGE, &stage);
	(void)pl_mongo_get_int(doc, PL_ERASE_F_WORKER, &e->worker);
	e->stage = (enum pl_erase_stage)stage;
	read_place(doc, e);
	e->from_unix_ms = INT64_MIN;
	if (e->stage == PL_ERASE_AGAIN &&
	    pl_mongo_get_time(doc, PL_MONGO_F_NOTED_AT, &e->from_unix_ms))
		e->from_unix_ms -= OVERLAP_MS;
	return e->worker == (int64_t)e->step->worker || e->lease_until_ms <= now ||
	       e->lease_until_ms > now + e->step->lease_ms;
}

enum pl_err
pl_erasing_find(struct pl_erasing *e, bool *is_found)
{
	struct pl_find f;
	const bson_t *doc;

	*is_found = false;
	pl_find_start(&f, e->s, e->s->erasures);
	pl_mongo_put_bound(&f.filter, PL_MONGO_F_DUE_AT, "$lte", e->s->now_unix_ms);
	pl_find_by_index(&f, by_due, 1, 1);
	pl_find_limit(&f, NOTES_AT_ONCE);
	while (!*is_found && pl_find_row(&f, &doc))
		*is_found = read_note(doc, e);
	return pl_find_end(&f);
}

enum pl_err
pl_erasing_claim(struct pl_erasing *e, bool *is_ours)
{
	bson_t selector = BSON_INITIALIZER, update = BSON_INITIALIZER, set;
	int64_t matched = 0;
	enum pl_err err;

	pl_mongo_put_oid(&selector, PL_USER_F_ID, &e->user);
	bson_append_int64(&selector, PL_ERASE_F_WORKER, -1, e->worker);
	pl_mongo_put_time(&selector, PL_MONGO_F_LEASE_UNTIL, e->lease_until_ms);
	bson_append_document_begin(&update, "$set", -1, &set);
	bson_append_int64(&set, PL_ERASE_F_WORKER, -1, (int64_t)e->step->worker);
	pl_mongo_put_time(
	    &set, PL_MONGO_F_LEASE_UNTIL, e->s->now_unix_ms + e->step->lease_ms);
	bson_append_document_end(&update, &set);
	err = pl_mongo_update_one(e->s, e->s->erasures, &selector, &update, &matched);
	bson_destroy(&update);
	bson_destroy(&selector);
	*is_ours = matched > 0;
	return err;
}

static void
put_progress(struct pl_erasing *e, bson_t *set)
{
	bson_t at;

	pl_mongo_put_int(set, PL_ERASE_F_STAGE, e->stage);
	if (e->due_unix_ms != 0)
		pl_mongo_put_time(set, PL_MONGO_F_DUE_AT, e->due_unix_ms);
	if (e->has_receiver) {
		bson_append_document_begin(set, PL_ERASE_F_AT, -1, &at);
		pl_mongo_put_oid(&at, F_RECEIVER, &e->receiver);
		pl_mongo_put_time(&at, PL_MESSAGE_F_CREATED_AT, e->at.created_unix_ms);
		pl_mongo_put_oid(&at, PL_MONGO_F_ID, &e->at.id);
		bson_append_document_end(set, &at);
	} else {
		bson_append_null(set, PL_ERASE_F_AT, -1);
	}
	if (e->step->state == PL_ERASE_DONE)
		pl_mongo_put_time(set, PL_MONGO_F_DONE_AT, e->s->now_unix_ms);
}

/* A worker that has lost it to another changes nothing. */
enum pl_err
pl_erasing_save(struct pl_erasing *e)
{
	bson_t selector = BSON_INITIALIZER, update = BSON_INITIALIZER, part;
	enum pl_err err;

	pl_mongo_put_oid(&selector, PL_USER_F_ID, &e->user);
	bson_append_int64(&selector, PL_ERASE_F_WORKER, -1, (int64_t)e->step->worker);
	bson_append_document_begin(&update, "$set", -1, &part);
	put_progress(e, &part);
	bson_append_document_end(&update, &part);
	if (e->step->state == PL_ERASE_DONE) {
		bson_append_document_begin(&update, "$unset", -1, &part);
		pl_mongo_put_int(&part, PL_MONGO_F_DUE_AT, 1);
		bson_append_document_end(&update, &part);
	}
	err = pl_mongo_update_one(e->s, e->s->erasures, &selector, &update, NULL);
	bson_destroy(&update);
	bson_destroy(&selector);
	return err;
}
