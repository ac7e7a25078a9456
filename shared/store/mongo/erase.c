/*
 * Erasing a user: the note, and the steps that follow from it (store_erase.h). A stage ends when
 * nothing is left for it:
 *
 *   SWEEP   what they wrote, receiver by receiver, as an index has it
 *   SETTLE  nothing, until whoever had something of theirs under way is done
 *   AGAIN   the same sweep, and then the pairs; then it is done
 *
 * The note is stored first: of what follows all may be done twice.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "store/mongo/correspondents.h"

#define NOTES_AT_ONCE 16 /* others may have the first ones */
/* Fewer than of SQLite: each is written into half a dozen indexes, and one command has its time. */
#define ROWS 32
_Static_assert(ROWS <= PL_ERASE_ROWS, "a step is not longer than it says");

/* Stored. */
enum stage { SWEEP = 0, SETTLE = 2, AGAIN = 3 };

#define F_STAGE       "stage"
#define F_WORKER      "worker"
#define F_LEASE_UNTIL PL_MONGO_F_LEASE_UNTIL
#define F_AT          "at"
#define F_RECEIVER    "receiver"
#define P_RECEIVER    F_AT "." F_RECEIVER
#define P_CREATED     F_AT "." PL_MESSAGE_F_CREATED_AT
#define P_ID          F_AT "." PL_MONGO_F_ID

static const char *const by_due[] = {PL_MONGO_F_DUE_AT, NULL};
static const char *const by_deadline[] = {PL_MONGO_P_DEADLINE, NULL};
static const char *const by_pair[] = {PL_MESSAGE_F_SENDER, PL_MESSAGE_F_RECEIVER,
    PL_MESSAGE_F_CREATED_AT, PL_MESSAGE_F_ID, NULL};

/* Of a message: its sender's key, and a reply that is owed to them. */
static const char *const own_fields[] = {PL_MONGO_F_IDEM_KEY, PL_MONGO_F_IDEM_UNTIL,
    PL_MONGO_F_FIRST_TEXT, PL_MONGO_F_JOB, NULL};

struct erasing {
	struct pl_mongo *s;
	struct pl_erase_step *step;
	struct pl_oid user;
	enum stage stage;
	int64_t noted_unix_ms;
	int64_t lease_until_ms; /* as it was found */
	int64_t worker;
	bool has_receiver;      /* the sweep has come to them, */
	struct pl_oid receiver; /* and to this place */
	struct pl_message_pos at;
	int64_t until_mono_ms;
	size_t rows;
};

/* ---- the note ------------------------------------------------------------------------ */

static enum pl_err
check_hash(struct pl_mongo *s, const struct pl_write_erase *erase)
{
	struct pl_user user = {0};
	enum pl_err err = pl_mongo_user_find(s, &erase->user, &user);

	if (err == PL_OK && erase->password_hash != NULL &&
	    strcmp(user.password_hash, erase->password_hash) != 0)
		err = PL_E_CONFLICT;
	pl_user_fini(&user);
	return err;
}

void
pl_mongo_erasure_write(bson_t *doc, const struct pl_record_erasure *erasure)
{
	pl_mongo_put_oid(doc, PL_USER_F_ID, &erasure->user);
	pl_mongo_put_time(doc, PL_MONGO_F_NOTED_AT, erasure->noted_unix_ms);
	pl_mongo_put_time(doc, PL_MONGO_F_DUE_AT, erasure->noted_unix_ms);
	pl_mongo_put_int(doc, F_STAGE, SWEEP);
	bson_append_int64(doc, F_WORKER, -1, 0);
	pl_mongo_put_time(doc, F_LEASE_UNTIL, 0);
}

static enum pl_err
begin_anew(struct pl_mongo *s, mongoc_collection_t *erasures, const bson_t *selector)
{
	bson_t update = BSON_INITIALIZER, part;
	bson_error_t error = {0};
	bool is_done;

	bson_append_document_begin(&update, "$set", -1, &part);
	pl_mongo_put_time(&part, PL_MONGO_F_DUE_AT, pl_clock_unix_ms());
	pl_mongo_put_int(&part, F_STAGE, SWEEP);
	pl_mongo_put_time(&part, F_LEASE_UNTIL, 0);
	bson_append_document_end(&update, &part);
	bson_append_document_begin(&update, "$unset", -1, &part);
	pl_mongo_put_int(&part, PL_MONGO_F_DONE_AT, 1);
	pl_mongo_put_int(&part, F_AT, 1);
	bson_append_document_end(&update, &part);
	is_done = pl_mongo_has_time(s) && mongoc_collection_update_many(erasures,
					      selector, &update, NULL, NULL, &error);
	bson_destroy(&update);
	if (is_done)
		return PL_OK;
	return error.domain == 0 ? PL_E_UNAVAILABLE : pl_mongo_err(s, &error, "update");
}

enum pl_err
pl_mongo_erasures_begin_anew(struct pl_mongo *s, mongoc_collection_t *erasures)
{
	bson_t all = BSON_INITIALIZER;
	enum pl_err err = begin_anew(s, erasures, &all);

	bson_destroy(&all);
	return err;
}

/* If there is one, done or not, the user has come back by a copy. */
static enum pl_err
put_note(struct pl_mongo *s, const struct pl_oid *user)
{
	struct pl_record_erasure erasure = {*user, s->now_unix_ms};
	bson_t *doc = bson_new(), selector = BSON_INITIALIZER;
	enum pl_err err;

	pl_mongo_erasure_write(doc, &erasure);
	pl_mongo_insert(s, s->erasures, &doc, 1, &err);
	pl_mongo_put_oid(&selector, PL_USER_F_ID, user);
	if (err == PL_E_CONFLICT)
		err = begin_anew(s, s->erasures, &selector);
	bson_destroy(&selector);
	bson_destroy(doc);
	return err;
}

static enum pl_err
drop_user(struct pl_mongo *s, const struct pl_oid *user)
{
	bson_t selector = BSON_INITIALIZER;
	enum pl_err err;

	pl_mongo_put_oid(&selector, PL_USER_F_ID, user);
	err = pl_mongo_delete_many(s, s->users, &selector);
	if (err == PL_OK)
		err = pl_mongo_delete_many(s, s->sessions, &selector);
	if (err == PL_OK)
		err = pl_mongo_delete_many(s, s->avatars, &selector);
	bson_destroy(&selector);
	return err;
}

/* Whom they had blocked. Who had blocked them keeps an id that says nothing to anybody. */
static enum pl_err
drop_blocks(struct pl_mongo *s, const struct pl_oid *user)
{
	struct pl_pair first = {.user = *user}, last = {.user = *user};
	bson_t selector = BSON_INITIALIZER, range;
	enum pl_err err;

	memset(last.other.bytes, 0xff, PL_OID_LEN);
	bson_append_document_begin(&selector, PL_MESSAGE_F_ID, -1, &range);
	pl_pair_put(&range, "$gte", &first);
	pl_pair_put(&range, "$lte", &last);
	bson_append_document_end(&selector, &range);
	err = pl_mongo_delete_many(s, s->blocks, &selector);
	bson_destroy(&selector);
	return err;
}

/* ---- whose turn it is ---------------------------------------------------------------- */

static bool
get_descendant(const bson_t *doc, const char *path, bson_iter_t *out)
{
	bson_iter_t it;

	return bson_iter_init(&it, doc) && bson_iter_find_descendant(&it, path, out);
}

static void
read_place(const bson_t *doc, struct erasing *e)
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

/* False: it is none, or another worker has it. A lease that ends too late is from before the clock
 * was set back. */
static bool
read_note(const bson_t *doc, struct erasing *e)
{
	int64_t stage = SWEEP, now = e->s->now_unix_ms;

	e->worker = 0;
	if (!pl_mongo_get_oid(doc, PL_USER_F_ID, &e->user) ||
	    !pl_mongo_get_time(doc, PL_MONGO_F_NOTED_AT, &e->noted_unix_ms) ||
	    !pl_mongo_get_time(doc, F_LEASE_UNTIL, &e->lease_until_ms))
		return false;
	(void)pl_mongo_get_int(doc, F_STAGE, &stage);
	(void)pl_mongo_get_int(doc, F_WORKER, &e->worker);
	e->stage = (enum stage)stage;
	read_place(doc, e);
	return e->worker == (int64_t)e->step->worker || e->lease_until_ms <= now ||
	       e->lease_until_ms > now + e->step->lease_ms;
}

static enum pl_err
find_note(struct erasing *e, bool *is_found)
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

static enum pl_err
claim(struct erasing *e, bool *is_ours)
{
	bson_t selector = BSON_INITIALIZER, update = BSON_INITIALIZER, set;
	int64_t matched = 0;
	enum pl_err err;

	pl_mongo_put_oid(&selector, PL_USER_F_ID, &e->user);
	bson_append_int64(&selector, F_WORKER, -1, e->worker);
	pl_mongo_put_time(&selector, F_LEASE_UNTIL, e->lease_until_ms);
	bson_append_document_begin(&update, "$set", -1, &set);
	bson_append_int64(&set, F_WORKER, -1, (int64_t)e->step->worker);
	pl_mongo_put_time(&set, F_LEASE_UNTIL, e->s->now_unix_ms + e->step->lease_ms);
	bson_append_document_end(&update, &set);
	err = pl_mongo_update_one(e->s, e->s->erasures, &selector, &update, &matched);
	bson_destroy(&update);
	bson_destroy(&selector);
	*is_ours = matched > 0;
	return err;
}

static void
put_progress(struct erasing *e, bson_t *set)
{
	bson_t at;

	pl_mongo_put_int(set, F_STAGE, e->stage);
	if (e->stage == SETTLE)
		pl_mongo_put_time(
		    set, PL_MONGO_F_DUE_AT, e->noted_unix_ms + e->step->settle_ms);
	if (e->has_receiver) {
		bson_append_document_begin(set, F_AT, -1, &at);
		pl_mongo_put_oid(&at, F_RECEIVER, &e->receiver);
		pl_mongo_put_time(&at, PL_MESSAGE_F_CREATED_AT, e->at.created_unix_ms);
		pl_mongo_put_oid(&at, PL_MONGO_F_ID, &e->at.id);
		bson_append_document_end(set, &at);
	} else {
		bson_append_null(set, F_AT, -1);
	}
	if (e->step->state == PL_ERASE_DONE)
		pl_mongo_put_time(set, PL_MONGO_F_DONE_AT, e->s->now_unix_ms);
}

/* A worker that has lost it to another changes nothing. */
static enum pl_err
save_note(struct erasing *e)
{
	bson_t selector = BSON_INITIALIZER, update = BSON_INITIALIZER, part;
	enum pl_err err;

	pl_mongo_put_oid(&selector, PL_USER_F_ID, &e->user);
	bson_append_int64(&selector, F_WORKER, -1, (int64_t)e->step->worker);
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

/* ---- the sweep ----------------------------------------------------------------------- */

static bool
has_room(const struct erasing *e)
{
	return e->rows < ROWS && pl_clock_mono_ms() < e->until_mono_ms;
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
put_deletion(const struct erasing *e, bson_t *update)
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
delete_live(struct erasing *e, const struct rows *rows)
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

static enum pl_err
unset(
    struct pl_mongo *s, const struct pl_oid *ids, size_t count, const char *const *fields)
{
	bson_t selector = BSON_INITIALIZER;
	enum pl_err err;

	pl_mongo_put_in(&selector, PL_MESSAGE_F_ID, ids, count);
	err = pl_mongo_unset_all(s, s->messages, &selector, fields);
	bson_destroy(&selector);
	return err;
}

static bool
is_deleted(const bson_t *doc)
{
	bson_iter_t it;

	return bson_iter_init_find(&it, doc, PL_MESSAGE_F_DELETED_AT) &&
	       !BSON_ITER_HOLDS_NULL(&it);
}

static void
note_row(struct erasing *e, struct rows *rows, const bson_t *doc)
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
read_rows(struct erasing *e, size_t most, struct rows *rows)
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
sweep_receiver(struct erasing *e, bool *is_more)
{
	size_t most = ROWS - e->rows;
	struct rows rows;
	enum pl_err err = read_rows(e, most, &rows);

	*is_more = rows.count == most;
	e->rows += rows.count;
	if (err == PL_OK && rows.live_count > 0)
		err = pl_mongo_has_time(e->s) ? delete_live(e, &rows) : PL_E_UNAVAILABLE;
	if (err == PL_OK && rows.marked_count > 0)
		err = unset(e->s, rows.marked, rows.marked_count, own_fields);
	return err;
}

static enum pl_err
find_receiver(struct erasing *e, bool *is_found)
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
	e->at = (struct pl_message_pos){.created_unix_ms = INT64_MIN};
	return pl_find_end(&f);
}

/* *is_done: nothing that they wrote is left, as far as this sweep knows. */
static enum pl_err
sweep(struct erasing *e, bool *is_done)
{
	bool is_more = false, is_found = true;
	enum pl_err err = PL_OK;

	if (e->has_receiver)
		err = sweep_receiver(e, &is_more);
	while (err == PL_OK && !is_more && is_found && has_room(e)) {
		err = find_receiver(e, &is_found);
		if (err == PL_OK && is_found)
			err = sweep_receiver(e, &is_more);
	}
	*is_done = !is_found;
	return err;
}

/* ---- the user ------------------------------------------------------------------------- */

/* The first words go with the user, so that most people's are gone when they are told so. */
static enum pl_err
sweep_first(struct pl_mongo *s, const struct pl_oid *user)
{
	struct pl_erase_step step = {.user = *user};
	struct erasing e = {.s = s,
	    .step = &step,
	    .user = *user,
	    .until_mono_ms = pl_clock_mono_ms() + PL_ERASE_MS};
	bool is_done;

	return sweep(&e, &is_done);
}

enum pl_err
pl_mongo_erase(struct pl_mongo *s, struct pl_write_erase *erase)
{
	struct pl_write revoke = {.kind = PL_WRITE_REVOKE, .u.revoke = erase->revocation};
	struct pl_write *one = &revoke;
	enum pl_err err = check_hash(s, erase);

	if (err == PL_OK)
		err = put_note(s, &erase->user);
	if (err == PL_OK)
		err = drop_user(s, &erase->user);
	if (err != PL_OK)
		return err;
	pl_mongo_revokes(s, &one, 1);
	erase->revocation = revoke.u.revoke;
	return revoke.err == PL_OK ? sweep_first(s, &erase->user) : revoke.err;
}

/* ---- the rest ------------------------------------------------------------------------ */

/* Replies in their name, which are owed to what others wrote. */
static enum pl_err
drop_jobs(struct erasing *e, bool *is_done)
{
	static const char *const id[] = {PL_MESSAGE_F_ID, NULL};
	static const char *const job[] = {PL_MONGO_F_JOB, NULL};
	struct pl_oid ids[ROWS];
	struct pl_find f;
	const bson_t *doc;
	size_t count = 0;
	enum pl_err err;

	pl_find_start(&f, e->s, e->s->messages);
	pl_mongo_put_oid(&f.filter, PL_MESSAGE_F_RECEIVER, &e->user);
	pl_mongo_put_bound(&f.filter, PL_MONGO_P_DEADLINE, "$lte", INT64_MAX);
	pl_find_by_index(&f, by_deadline, 1, 1);
	pl_find_only(&f, id);
	pl_find_limit(&f, ROWS);
	while (count < ROWS && pl_find_row(&f, &doc))
		count += pl_mongo_get_oid(doc, PL_MESSAGE_F_ID, &ids[count]);
	err = pl_find_end(&f);
	if (err == PL_OK && count > 0)
		err = unset(e->s, ids, count, job);
	*is_done = count < ROWS;
	return err;
}

/* What else there is of them. A collection of another noun is dropped from here. */
static enum pl_err
drop_else(struct erasing *e, bool *is_done)
{
	enum pl_err err = drop_user(e->s, &e->user);

	if (err == PL_OK)
		err = drop_blocks(e->s, &e->user);
	return err == PL_OK ? drop_jobs(e, is_done) : err;
}

static enum pl_err
drop_pairs(struct erasing *e, bool *is_done)
{
	struct pl_oid others[ROWS];
	bson_t selector = BSON_INITIALIZER, in, list;
	size_t count = 0;
	enum pl_err err = pl_pairs_others(e->s, &e->user, NULL, ROWS, others, &count);

	bson_append_document_begin(&selector, PL_MESSAGE_F_ID, -1, &in);
	bson_append_array_begin(&in, "$in", -1, &list);
	for (size_t i = 0; i < 2 * count; i++) {
		const struct pl_oid *other = &others[i / 2];
		struct pl_pair pair = i % 2 == 0 ? (struct pl_pair){e->user, *other}
						 : (struct pl_pair){*other, e->user};
		const char *at;
		char text[16];

		bson_uint32_to_string((uint32_t)i, &at, text, sizeof(text));
		pl_pair_put(&list, at, &pair);
	}
	bson_append_array_end(&in, &list);
	bson_append_document_end(&selector, &in);
	if (err == PL_OK && count > 0)
		err = pl_mongo_delete_many(e->s, e->s->correspondents, &selector);
	bson_destroy(&selector);
	*is_done = count < ROWS;
	return err;
}

/* ---- steps --------------------------------------------------------------------------- */

static enum pl_err
work(struct erasing *e)
{
	bool is_done = true;
	enum pl_err err = PL_OK;

	if (!e->has_receiver)
		err = drop_else(e, &is_done);
	if (err == PL_OK && is_done)
		err = sweep(e, &is_done);
	if (err == PL_OK && is_done && e->stage == AGAIN)
		err = drop_pairs(e, &is_done);
	if (err != PL_OK || !is_done)
		return err;
	e->step->is_swept = e->stage == SWEEP;
	if (e->stage == AGAIN)
		e->step->state = PL_ERASE_DONE;
	else
		e->stage = SETTLE;
	e->has_receiver = false;
	return PL_OK;
}

enum pl_err
pl_mongo_erase_step(struct pl_store *store, struct pl_erase_step *step)
{
	struct erasing e = {.s = pl_mongo_start(store),
	    .step = step,
	    .until_mono_ms = pl_clock_mono_ms() + PL_ERASE_MS};
	bool is_found = false, is_ours = false;
	enum pl_err err;

	e.s->now_unix_ms = pl_clock_unix_ms();
	err = find_note(&e, &is_found);
	if (err == PL_OK && is_found)
		err = claim(&e, &is_ours);
	if (err != PL_OK || !is_ours)
		return err;
	step->user = e.user;
	step->state = PL_ERASE_GOES_ON;
	step->is_first = e.stage == SWEEP && !e.has_receiver;
	if (e.stage == SETTLE) /* it is due */
		e.stage = AGAIN;
	else
		err = work(&e);
	return err == PL_OK ? save_note(&e) : err;
}

enum pl_err
pl_mongo_erasures(struct pl_store *store, size_t *count)
{
	struct pl_mongo *s = pl_mongo_start(store);
	bson_t filter = BSON_INITIALIZER, bound;
	bson_error_t error = {0};
	int64_t found;

	bson_append_document_begin(&filter, PL_MONGO_F_DUE_AT, -1, &bound);
	bson_append_bool(&bound, "$exists", -1, true);
	bson_append_document_end(&filter, &bound);
	found = mongoc_collection_count_documents(
	    s->erasures, &filter, NULL, NULL, NULL, &error);
	bson_destroy(&filter);
	if (found < 0)
		return pl_mongo_err(s, &error, "count");
	*count = (size_t)found;
	return PL_OK;
}
