#include "store/mongo/adopt.h"

#include "store/mongo/correspondents.h"
#include "store/mongo/fill.h"
#include "store/mongo/index_there.h"

#define BATCH_DOCUMENTS 200

/* ---- saying it ---- */

static void
add_tally(struct pl_adopt_tally *to, const struct pl_adopt_tally *more)
{
	to->documents += more->documents;
	for (size_t field = 0; field < PL_ADOPT_FIELDS; field++)
		for (size_t fault = 0; fault < PL_ADOPT_FAULTS; fault++)
			to->by_kind[field][fault] += more->by_kind[field][fault];
}

static void
add_kinds(struct pl_adopt_tally *tally, const struct pl_diagnosis *s, bool is_mended)
{
	tally->documents++;
	for (size_t i = 0; i < s->count; i++)
		if (s->faults[i].is_mended == is_mended)
			tally->by_kind[s->faults[i].field][s->faults[i].fault]++;
}

/* Report all that is wrong with it; what can be mended only if that is asked for. */
static void
name_document(const struct pl_adopt_calls *calls, const struct pl_diagnosis *s,
    const bson_t *doc, bool with_mendable)
{
	struct pl_buf id, why;

	pl_buf_init(&id, PL_BUF_UNLIMITED);
	pl_buf_init(&why, PL_BUF_UNLIMITED);
	pl_diagnosis_show_id(doc, &id);
	for (size_t i = 0; i < s->count; i++) {
		const struct pl_diagnosis_fault *fault = &s->faults[i];

		if (fault->is_mended && !with_mendable)
			continue;
		if (why.len > 0)
			(void)pl_buf_add_cstr(&why, ", ");
		pl_adopt_describe(&why, fault->field, fault->fault, !fault->is_mended);
	}
	calls->left(calls->arg, s->of, id.data, why.data);
	pl_buf_fini(&why);
	pl_buf_fini(&id);
}

static void
leave(struct adopt *a, const struct pl_diagnosis *s, const bson_t *doc)
{
	if (!a->is_dry)
		return; /* the look at the end reports it */
	add_kinds(&a->report->left[s->of], s, false);
	name_document(a->calls, s, doc, false);
}

/* ---- other fields ---- */

/* Update the fields of doc that are in set to their new values, if they still have the
 * old ones. */
static void
put_update(
    const struct pl_diagnosis *s, const bson_t *doc, bson_t *selector, bson_t *update)
{
	bson_iter_t it;

	pl_diagnosis_put_seen(selector, doc, PL_USER_F_ID);
	if (bson_iter_init(&it, &s->set))
		while (bson_iter_next(&it))
			pl_diagnosis_put_seen(selector, doc, bson_iter_key(&it));
	bson_append_document(update, "$set", -1, &s->set);
}

static void
drop_bulk(struct adopt *a)
{
	if (a->bulk != NULL)
		mongoc_bulk_operation_destroy(a->bulk);
	a->bulk = NULL;
	a->in_bulk = (struct pl_adopt_tally){0};
}

/* What others changed since we looked does not match, and a name may have been taken: the
 * look at the end reports that. */
static enum pl_err
flush(struct adopt *a, enum pl_adopt_of of)
{
	int64_t matched = 0;
	bson_error_t error;
	enum pl_err err = PL_OK;
	bson_t reply;

	if (a->bulk == NULL)
		return PL_OK;
	if (mongoc_bulk_operation_execute(a->bulk, &reply, &error) == 0)
		err = pl_mongo_err(&a->s, &error, "update");
	(void)pl_mongo_get_int(&reply, "nMatched", &matched);
	bson_destroy(&reply);
	if (err == PL_E_CONFLICT)
		err = PL_OK;
	if (err == PL_OK) {
		a->in_bulk.documents = matched;
		add_tally(&a->report->mended[of], &a->in_bulk);
	}
	drop_bulk(a);
	return err;
}

static enum pl_err
update(struct adopt *a, const struct pl_diagnosis *s, const bson_t *doc)
{
	bson_t selector = BSON_INITIALIZER, change = BSON_INITIALIZER,
	       opts = BSON_INITIALIZER;
	bson_error_t error;
	bool is_added;

	bson_append_bool(&opts, "ordered", -1, false);
	if (a->bulk == NULL)
		a->bulk = mongoc_collection_create_bulk_operation_with_opts(
		    pl_adopt_home(a, s->of), &opts);
	put_update(s, doc, &selector, &change);
	is_added = mongoc_bulk_operation_update_one_with_opts(
	    a->bulk, &selector, &change, NULL, &error);
	bson_destroy(&selector);
	bson_destroy(&change);
	bson_destroy(&opts);
	if (!is_added)
		return pl_mongo_err(&a->s, &error, "update");
	add_kinds(&a->in_bulk, s, true);
	return a->in_bulk.documents == BATCH_DOCUMENTS ? flush(a, s->of) : PL_OK;
}

/* ---- one document ---- */

static enum pl_err
move(struct adopt *a, const struct pl_diagnosis *s, const bson_t *doc)
{
	bool is_done;
	enum pl_err err = pl_adopt_move(a, s, doc, &is_done);

	if (err == PL_OK && is_done)
		add_kinds(&a->report->mended[s->of], s, true);
	return err;
}

static enum pl_err
handle(struct adopt *a, enum pl_adopt_of of, const bson_t *doc)
{
	struct pl_diagnosis s;
	enum pl_err err;

	if (!pl_diagnosis_make(doc, of, &s))
		return PL_OK;
	err = pl_adopt_check_free(a, &s, doc);
	if (err != PL_OK)
		; /* broken off */
	else if (!s.is_mendable)
		leave(a, &s, doc);
	else if (a->is_dry)
		add_kinds(&a->report->mended[of], &s, true);
	else
		err = s.has_new_id ? move(a, &s, doc) : update(a, &s, doc);
	pl_diagnosis_fini(&s);
	return err;
}

/* ---- equal usernames ---- */

static bool
are_names_apart(struct adopt *a, enum pl_err *err)
{
	struct pl_indexes there;
	bool are = false;

	(void)pl_mongo_start(&a->s.store);
	*err = pl_indexes_read(&a->s, a->s.users, &there);
	for (size_t i = 0; i < there.count; i++)
		are = are || pl_index_keeps_usernames_apart(there.items[i]);
	pl_indexes_fini(&there);
	return are;
}

static void
leave_equal(struct adopt *a, const bson_t *doc)
{
	struct pl_diagnosis s = {.of = PL_ADOPT_USERS, .count = 1};

	s.faults[0] =
	    (struct pl_diagnosis_fault){PL_ADOPT_USERNAME, PL_ADOPT_TAKEN, false};
	leave(a, &s, doc);
}

/* In the order of their names: only the name before has to be remembered. */
static void
compare_names(struct adopt *a, mongoc_cursor_t *cursor)
{
	bson_t *last = NULL;
	bool is_named = false;
	const bson_t *doc;

	while (mongoc_cursor_next(cursor, &doc)) {
		struct pl_str name, before;
		bool is_equal = last != NULL &&
				pl_mongo_get_str(doc, PL_USER_F_USERNAME, &name) &&
				pl_mongo_get_str(last, PL_USER_F_USERNAME, &before) &&
				pl_str_eq(name, before);

		if (is_equal && !is_named)
			leave_equal(a, last);
		if (is_equal)
			leave_equal(a, doc);
		is_named = is_equal;
		if (last != NULL)
			bson_destroy(last);
		last = bson_copy(doc);
	}
	if (last != NULL)
		bson_destroy(last);
}

/* If an index keeps usernames unique there are none; else all are read, sorted by the
 * server. */
static enum pl_err
name_equal(struct adopt *a)
{
	bson_t filter = BSON_INITIALIZER, opts = BSON_INITIALIZER, part;
	mongoc_cursor_t *cursor;
	enum pl_err err;

	if (are_names_apart(a, &err) || err != PL_OK)
		return err;
	bson_append_document_begin(&filter, PL_USER_F_USERNAME, -1, &part);
	pl_mongo_put_int(&part, "$type", PL_MONGO_T_STRING);
	bson_append_document_end(&filter, &part);
	for (int i = 0; i < 2; i++) {
		bson_append_document_begin(
		    &opts, i == 0 ? "sort" : "projection", -1, &part);
		pl_mongo_put_int(&part, PL_USER_F_USERNAME, 1);
		bson_append_document_end(&opts, &part);
	}
	bson_append_bool(&opts, "allowDiskUse", -1, true); /* MongoDB 4.4 and later */
	cursor = mongoc_collection_find_with_opts(a->s.users, &filter, &opts, NULL);
	compare_names(a, cursor);
	err = pl_mongo_cursor_end(&a->s, cursor, PL_OK, "find");
	bson_destroy(&opts);
	bson_destroy(&filter);
	return err;
}

/* ---- all of them ---- */

/* Each document that may have a fault; one cursor, whatever the types of its keys. */
static enum pl_err
walk(struct pl_mongo *s, mongoc_collection_t *in, enum pl_adopt_of of,
    enum pl_err (*each)(void *arg, enum pl_adopt_of of, const bson_t *doc), void *arg)
{
	bson_t filter = BSON_INITIALIZER, opts = BSON_INITIALIZER;
	mongoc_cursor_t *cursor;
	enum pl_err err = PL_OK;
	const bson_t *doc;

	pl_diagnosis_put_filter(&filter, of);
	pl_mongo_put_int(&opts, "batchSize", BATCH_DOCUMENTS);
	cursor = mongoc_collection_find_with_opts(in, &filter, &opts, NULL);
	while (err == PL_OK && mongoc_cursor_next(cursor, &doc))
		err = each(arg, of, doc);
	err = pl_mongo_cursor_end(s, cursor, err, "find");
	bson_destroy(&opts);
	bson_destroy(&filter);
	return err;
}

static enum pl_err
on_document(void *arg, enum pl_adopt_of of, const bson_t *doc)
{
	return handle(arg, of, doc);
}

static enum pl_err
pass_once(struct adopt *a)
{
	enum pl_err err = a->is_dry ? pl_adopt_count_half_way(a, &a->report->half_way)
				    : pl_adopt_finish_half_way(a);

	for (enum pl_adopt_of of = 0; err == PL_OK && of < PL_ADOPT_COLLECTIONS; of++) {
		err = walk(&a->s, pl_adopt_home(a, of), of, on_document, a);
		if (err == PL_OK)
			err = flush(a, of);
	}
	if (err == PL_OK && a->is_dry)
		err = name_equal(a);
	drop_bulk(a);
	return err;
}

/* From the start again if the server was away: what was done before is not found
 * again. */
static enum pl_err
pass(struct adopt *a, bool is_dry, struct pl_adopt_report *report)
{
	int tries = 0;
	enum pl_err err;

	a->is_dry = is_dry;
	a->report = report;
	do {
		if (is_dry)
			*report = (struct pl_adopt_report){0};
		err = pass_once(a);
	} while (pl_store_try_again(err, &tries));
	return err;
}

/* ---- a run ---- */

static enum pl_err
open_session(const char *uri, struct pl_mongo *s)
{
	enum pl_err err = pl_mongo_client_new(uri, PL_MONGO_BUILD_MS, &s->client);
	const char *database;

	if (err != PL_OK)
		return err;
	database = pl_mongo_database(s->client);
	s->users = mongoc_client_get_collection(s->client, database, PL_MONGO_USERS);
	s->messages =
	    mongoc_client_get_collection(s->client, database, PL_MONGO_MESSAGES);
	s->correspondents =
	    mongoc_client_get_collection(s->client, database, PL_MONGO_CORRESPONDENTS);
	return PL_OK;
}

static void
close_session(struct pl_mongo *s)
{
	mongoc_collection_destroy(s->users);
	mongoc_collection_destroy(s->messages);
	mongoc_collection_destroy(s->correspondents);
	mongoc_client_destroy(s->client);
}

/* A look at everything after the changes says what is left. */
enum pl_err
pl_mongo_adopt(const struct pl_store_config *config, bool is_dry,
    const struct pl_adopt_calls *calls, struct pl_adopt_report *out)
{
	struct adopt a = {.s.is_patient = true, .calls = calls};
	struct pl_adopt_report behind = {0};
	enum pl_err err = open_session(config->mongo_uri, &a.s);

	if (err != PL_OK)
		return err;
	a.half_way = mongoc_client_get_collection(
	    a.s.client, pl_mongo_database(a.s.client), PL_MONGO_HALF_WAY);
	err = pass(&a, is_dry, out);
	if (err == PL_OK && !is_dry) {
		err = pass(&a, true, &behind);
		memcpy(out->left, behind.left, sizeof(out->left));
		out->again = behind.half_way;
		for (enum pl_adopt_of of = 0; of < PL_ADOPT_COLLECTIONS; of++)
			out->again += behind.mended[of].documents;
	}
	/* Also of a run that was broken off before: its messages are as old as they say. */
	if (err == PL_OK && !is_dry) {
		(void)pl_mongo_start(&a.s.store);
		err = pl_mongo_fill_again(&a.s);
	}
	mongoc_collection_destroy(a.half_way);
	close_session(&a.s);
	return err;
}

/* ---- naming them ---- */

struct naming {
	const struct pl_adopt_calls *calls;
	int64_t *count;
};

static enum pl_err
on_unservable(void *arg, enum pl_adopt_of of, const bson_t *doc)
{
	struct naming *n = arg;
	struct pl_diagnosis s;

	if (!pl_diagnosis_make(doc, of, &s))
		return PL_OK;
	if (!s.is_served) {
		name_document(n->calls, &s, doc, true);
		++*n->count;
	}
	pl_diagnosis_fini(&s);
	return PL_OK;
}

/* Users whom a run that was broken off left in parley_adopt; they may be missing in their
 * own collection. */
static enum pl_err
name_half_way(struct pl_mongo *s, struct naming *n)
{
	bson_t all = BSON_INITIALIZER, opts = BSON_INITIALIZER;
	mongoc_collection_t *in = mongoc_client_get_collection(
	    s->client, pl_mongo_database(s->client), PL_MONGO_HALF_WAY);
	mongoc_cursor_t *cursor = mongoc_collection_find_with_opts(in, &all, &opts, NULL);
	const bson_t *doc;
	enum pl_err err;

	for (; mongoc_cursor_next(cursor, &doc); ++*n->count) {
		struct pl_buf id;

		pl_buf_init(&id, PL_BUF_UNLIMITED);
		pl_diagnosis_show_id(doc, &id);
		n->calls->left(n->calls->arg, PL_ADOPT_USERS, id.data,
		    "half-way to a new _id, in " PL_MONGO_HALF_WAY);
		pl_buf_fini(&id);
	}
	err = pl_mongo_cursor_end(s, cursor, PL_OK, "find");
	mongoc_collection_destroy(in);
	bson_destroy(&opts);
	bson_destroy(&all);
	return err;
}

enum pl_err
pl_mongo_name_unservable(const struct pl_store_config *config,
    const struct pl_adopt_calls *calls, int64_t *count)
{
	struct naming n = {.calls = calls, .count = count};
	struct pl_mongo s = {.is_patient = true};
	enum pl_err err = open_session(config->mongo_uri, &s);

	if (err != PL_OK)
		return err;
	err = walk(&s, s.users, PL_ADOPT_USERS, on_unservable, &n);
	if (err == PL_OK)
		err = walk(&s, s.messages, PL_ADOPT_MESSAGES, on_unservable, &n);
	if (err == PL_OK)
		err = name_half_way(&s, &n);
	close_session(&s);
	return err;
}
