/*
 * Erasing a user: the note, and the steps that follow from it (store_erase.h). A stage
 * ends when nothing is left for it:
 *
 *   SWEEP   what they wrote, receiver by receiver, as an index has it
 *   SETTLE  nothing, until whoever had something of theirs under way is done; then the
 *           same sweep, and whoever takes it to its end tells so before it takes the next
 *           step
 *   AGAIN   nothing, until those who tell have read the pairs; then what is newer than the
 *           note is swept, and if that is nothing the pairs go, and it is done; else the
 *           second sweep goes on from there, and is told again
 *
 * The note is stored first: of what follows all may be done twice.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "store/mongo/correspondents.h"
#include "store/mongo/erase_impl.h"

static const char *const by_deadline[] = {PL_MONGO_P_DEADLINE, NULL};

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
	pl_mongo_put_int(doc, PL_ERASE_F_STAGE, PL_ERASE_SWEEP);
	bson_append_int64(doc, PL_ERASE_F_WORKER, -1, 0);
	pl_mongo_put_time(doc, PL_MONGO_F_LEASE_UNTIL, 0);
}

static enum pl_err
begin_anew(struct pl_mongo *s, mongoc_collection_t *erasures, const bson_t *selector)
{
	bson_t update = BSON_INITIALIZER, part;
	bson_error_t error = {0};
	bool is_done;

	bson_append_document_begin(&update, "$set", -1, &part);
	pl_mongo_put_time(&part, PL_MONGO_F_DUE_AT, pl_clock_unix_ms());
	pl_mongo_put_int(&part, PL_ERASE_F_STAGE, PL_ERASE_SWEEP);
	pl_mongo_put_time(&part, PL_MONGO_F_LEASE_UNTIL, 0);
	bson_append_document_end(&update, &part);
	bson_append_document_begin(&update, "$unset", -1, &part);
	pl_mongo_put_int(&part, PL_MONGO_F_DONE_AT, 1);
	pl_mongo_put_int(&part, PL_ERASE_F_AT, 1);
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

/* ---- the user ------------------------------------------------------------------------- */

/* The first words go with the user, so that most people's are gone when they are told so. */
static enum pl_err
sweep_first(struct pl_mongo *s, const struct pl_oid *user)
{
	struct pl_erase_step step = {.user = *user};
	struct pl_erasing e = {.s = s,
	    .step = &step,
	    .user = *user,
	    .from_unix_ms = INT64_MIN,
	    .until_mono_ms = pl_clock_mono_ms() + PL_ERASE_MS};
	bool is_done;

	return pl_erasing_sweep(&e, &is_done);
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
drop_jobs(struct pl_erasing *e, bool *is_done)
{
	static const char *const id[] = {PL_MESSAGE_F_ID, NULL};
	static const char *const job[] = {PL_MONGO_F_JOB, NULL};
	struct pl_oid ids[PL_ERASE_MONGO_ROWS];
	struct pl_find f;
	const bson_t *doc;
	size_t count = 0;
	enum pl_err err;

	pl_find_start(&f, e->s, e->s->messages);
	pl_mongo_put_oid(&f.filter, PL_MESSAGE_F_RECEIVER, &e->user);
	pl_mongo_put_bound(&f.filter, PL_MONGO_P_DEADLINE, "$lte", INT64_MAX);
	pl_find_by_index(&f, by_deadline, 1, 1);
	pl_find_only(&f, id);
	pl_find_limit(&f, PL_ERASE_MONGO_ROWS);
	while (count < PL_ERASE_MONGO_ROWS && pl_find_row(&f, &doc))
		count += pl_mongo_get_oid(doc, PL_MESSAGE_F_ID, &ids[count]);
	err = pl_find_end(&f);
	if (err == PL_OK && count > 0)
		err = pl_erasing_unset(e->s, ids, count, job);
	*is_done = count < PL_ERASE_MONGO_ROWS;
	return err;
}

/* What else there is of them. A collection of another noun is dropped from here. */
static enum pl_err
drop_else(struct pl_erasing *e, bool *is_done)
{
	enum pl_err err = drop_user(e->s, &e->user);

	if (err == PL_OK)
		err = drop_blocks(e->s, &e->user);
	return err == PL_OK ? drop_jobs(e, is_done) : err;
}

static enum pl_err
drop_pairs(struct pl_erasing *e, bool *is_done)
{
	struct pl_oid others[PL_ERASE_MONGO_ROWS];
	bson_t selector = BSON_INITIALIZER, in, list;
	size_t count = 0;
	enum pl_err err =
	    pl_pairs_others(e->s, &e->user, NULL, PL_ERASE_MONGO_ROWS, others, &count);

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
	*is_done = count < PL_ERASE_MONGO_ROWS;
	return err;
}

/* ---- steps --------------------------------------------------------------------------- */

static void
end_first_sweep(struct pl_erasing *e)
{
	e->step->is_swept = true;
	e->stage = PL_ERASE_SETTLE;
	e->has_receiver = false;
	e->due_unix_ms = pl_clock_unix_ms() + e->step->settle_ms;
}

/* If this worker has not told so, it does, and comes back; so does another one, if this
 * one is killed before. Until then the place stays. */
static void
end_second_sweep(struct pl_erasing *e)
{
	if (!pl_oid_eq(&e->step->told, &e->user)) {
		e->step->is_swept_again = true;
		return;
	}
	e->step->told = (struct pl_oid){0};
	e->stage = PL_ERASE_AGAIN;
	e->has_receiver = false;
	e->due_unix_ms = pl_clock_unix_ms() + e->step->tell_ms;
}

static enum pl_err
end_sweep(struct pl_erasing *e)
{
	bool is_done;
	enum pl_err err;

	if (e->stage != PL_ERASE_AGAIN) {
		if (e->stage == PL_ERASE_SWEEP)
			end_first_sweep(e);
		else
			end_second_sweep(e);
		return PL_OK;
	}
	err = drop_pairs(e, &is_done);
	if (err == PL_OK && is_done) {
		e->step->state = PL_ERASE_DONE;
		e->has_receiver = false;
	}
	return err;
}

static enum pl_err
work(struct pl_erasing *e)
{
	bool is_done = true;
	enum pl_err err = PL_OK;

	if (!e->has_receiver)
		err = drop_else(e, &is_done);
	if (err == PL_OK && is_done)
		err = pl_erasing_sweep(e, &is_done);
	if (e->stage == PL_ERASE_AGAIN && e->step->texts > 0)
		e->stage = PL_ERASE_SETTLE; /* for the pairs have to be told of them */
	return err == PL_OK && is_done ? end_sweep(e) : err;
}

enum pl_err
pl_mongo_erase_step(struct pl_store *store, struct pl_erase_step *step)
{
	struct pl_erasing e = {.s = pl_mongo_start(store),
	    .step = step,
	    .until_mono_ms = pl_clock_mono_ms() + PL_ERASE_MS};
	bool is_found = false, is_ours = false;
	enum pl_err err;

	e.s->now_unix_ms = pl_clock_unix_ms();
	err = pl_erasing_find(&e, &is_found);
	if (err == PL_OK && is_found)
		err = pl_erasing_claim(&e, &is_ours);
	if (err != PL_OK || !is_ours)
		return err;
	step->user = e.user;
	step->state = PL_ERASE_GOES_ON;
	step->is_first = e.stage == PL_ERASE_SWEEP && !e.has_receiver;
	err = work(&e);
	return err == PL_OK ? pl_erasing_save(&e) : err;
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
