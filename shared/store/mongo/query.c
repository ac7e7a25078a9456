#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/mongo/query.h"

/* The server's numbers, mongodb/mongo src/mongo/base/error_codes.yml. */
enum {
	CODE_HOST_UNREACHABLE = 6,
	CODE_HOST_NOT_FOUND = 7,
	CODE_MAX_TIME_EXPIRED = 50,
	CODE_WRITE_CONCERN_TIMEOUT = 64,
	CODE_NETWORK_TIMEOUT = 89,
	CODE_SHUTDOWN = 91,
	CODE_CANNOT_SATISFY_WRITE_CONCERN = 100,
	CODE_PRIMARY_STEPPED_DOWN = 189,
	CODE_EXCEEDED_TIME_LIMIT = 262,
	CODE_SOCKET = 9001,
	CODE_NOT_PRIMARY = 10107,
	CODE_DUPLICATE_KEY = 11000,
	CODE_INTERRUPTED_AT_SHUTDOWN = 11600,
	CODE_INTERRUPTED = 11601,
	CODE_INTERRUPTED_BY_STATE_CHANGE = 11602,
	CODE_NOT_PRIMARY_NO_SECONDARY_OK = 13435,
	CODE_NOT_PRIMARY_OR_SECONDARY = 13436,
	CODE_OUT_OF_DISK_SPACE = 14031,
};

/* ---- errors ---- */

static enum pl_err
err_of_code(uint32_t code)
{
	switch (code) {
	case CODE_HOST_UNREACHABLE:
	case CODE_HOST_NOT_FOUND:
	case CODE_MAX_TIME_EXPIRED:
	case CODE_WRITE_CONCERN_TIMEOUT:
	case CODE_NETWORK_TIMEOUT:
	case CODE_SHUTDOWN:
	case CODE_CANNOT_SATISFY_WRITE_CONCERN:
	case CODE_PRIMARY_STEPPED_DOWN:
	case CODE_EXCEEDED_TIME_LIMIT:
	case CODE_SOCKET:
	case CODE_NOT_PRIMARY:
	case CODE_INTERRUPTED_AT_SHUTDOWN:
	case CODE_INTERRUPTED:
	case CODE_INTERRUPTED_BY_STATE_CHANGE:
	case CODE_NOT_PRIMARY_NO_SECONDARY_OK:
	case CODE_NOT_PRIMARY_OR_SECONDARY:
		return PL_E_UNAVAILABLE;
	case CODE_DUPLICATE_KEY:
		return PL_E_CONFLICT;
	case CODE_OUT_OF_DISK_SPACE:
		return PL_E_FULL;
	default:
		return PL_E_IO;
	}
}

enum pl_err
pl_mongo_err_of(const bson_error_t *error)
{
	switch (error->domain) {
	case MONGOC_ERROR_CLIENT:
	case MONGOC_ERROR_STREAM:
	case MONGOC_ERROR_SCRAM:
	case MONGOC_ERROR_SASL:
	case MONGOC_ERROR_SERVER_SELECTION:
	case MONGOC_ERROR_WRITE_CONCERN:
		return PL_E_UNAVAILABLE;
	case MONGOC_ERROR_SERVER:
		return err_of_code(error->code);
	default:
		return PL_E_IO;
	}
}

enum pl_err
pl_mongo_err(struct pl_mongo *s, const bson_error_t *error, const char *what)
{
	enum pl_err err = pl_mongo_err_of(error);

	s->is_lost = s->is_lost || err == PL_E_UNAVAILABLE;
	if (err != PL_E_CONFLICT) /* which would name what somebody typed */
		pl_log_error_sampled("database failed, the call was given up",
		    PL_L_CSTR("what", what), PL_L_ERR(err),
		    PL_L_INT("domain", error->domain), PL_L_INT("code", error->code),
		    PL_L_CSTR("message", error->message));
	return err;
}

bool
pl_mongo_has_time(struct pl_mongo *s)
{
	int64_t now = pl_clock_mono_ms(), passed = now - s->looked_mono_ms;

	if (s->is_lost)
		return false;
	s->begin_ms -= passed < PL_MONGO_STEP_MS ? passed : PL_MONGO_STEP_MS;
	s->looked_mono_ms = now;
	if (s->begin_ms >= 0)
		return true;
	pl_log_warn_sampled("database was too slow, the call was given up");
	return false;
}

/* ---- finding ---- */

void
pl_find_start(struct pl_find *f, struct pl_mongo *s, mongoc_collection_t *in)
{
	*f = (struct pl_find){.session = s, .in = in};
	bson_init(&f->filter);
	bson_init(&f->opts);
	pl_mongo_put_int(&f->opts, "maxTimeMS",
	    s->is_patient ? PL_MONGO_PATIENT_SERVER_MS : PL_MONGO_SERVER_MS);
}

void
pl_find_by_index(struct pl_find *f, const char *const *keys, size_t order_count, int way)
{
	size_t count = 0;
	bson_t part;

	while (keys[count] != NULL)
		count++;
	bson_append_document_begin(&f->opts, "sort", -1, &part);
	for (size_t i = count - order_count; i < count; i++)
		pl_mongo_put_int(&part, keys[i], way);
	bson_append_document_end(&f->opts, &part);
	bson_append_document_begin(&f->opts, "hint", -1, &part);
	for (size_t i = 0; i < count; i++)
		pl_mongo_put_int(&part, keys[i], 1);
	bson_append_document_end(&f->opts, &part);
}

/* All rows come in the first answer, so that nothing stays open at the server. */
void
pl_find_limit(struct pl_find *f, size_t limit)
{
	bson_append_int64(&f->opts, "limit", -1, (int64_t)limit);
	pl_mongo_put_int(
	    &f->opts, "batchSize", limit < INT32_MAX ? (int32_t)limit : INT32_MAX);
}

void
pl_find_only(struct pl_find *f, const char *const *fields)
{
	bson_t part;

	bson_append_document_begin(&f->opts, "projection", -1, &part);
	for (size_t i = 0; fields[i] != NULL; i++)
		pl_mongo_put_int(&part, fields[i], 1);
	bson_append_document_end(&f->opts, &part);
}

void
pl_find_majority(struct pl_find *f)
{
	mongoc_read_concern_t *rc = mongoc_read_concern_new();

	mongoc_read_concern_set_level(rc, MONGOC_READ_CONCERN_LEVEL_MAJORITY);
	(void)mongoc_read_concern_append(rc, &f->opts);
	mongoc_read_concern_destroy(rc);
}

void
pl_find_type(struct pl_find *f, const char *key, int type)
{
	pl_mongo_put_type(&f->filter, key, type);
}

enum pl_err
pl_mongo_cursor_end(
    struct pl_mongo *s, mongoc_cursor_t *cursor, enum pl_err err, const char *what)
{
	bson_error_t error;

	if (err == PL_OK && mongoc_cursor_error(cursor, &error))
		err = pl_mongo_err(s, &error, what);
	mongoc_cursor_destroy(cursor);
	return err;
}

bool
pl_find_row(struct pl_find *f, const bson_t **doc)
{
	bson_error_t error;

	if (f->err != PL_OK)
		return false;
	if (f->cursor == NULL && !pl_mongo_has_time(f->session)) {
		f->err = PL_E_UNAVAILABLE;
		return false;
	}
	if (f->cursor == NULL)
		f->cursor =
		    mongoc_collection_find_with_opts(f->in, &f->filter, &f->opts, NULL);
	if (mongoc_cursor_next(f->cursor, doc))
		return true;
	if (mongoc_cursor_error(f->cursor, &error))
		f->err = pl_mongo_err(f->session, &error, "find");
	return false;
}

enum pl_err
pl_find_end(struct pl_find *f)
{
	enum pl_err err = f->err;

	if (f->cursor != NULL)
		mongoc_cursor_destroy(f->cursor);
	bson_destroy(&f->filter);
	bson_destroy(&f->opts);
	*f = (struct pl_find){0};
	return err;
}

/* ---- writing ---- */

static void
fill(enum pl_err *errs, size_t count, enum pl_err err)
{
	for (size_t i = 0; i < count; i++)
		errs[i] = err;
}

static bool
has_elements(const bson_t *reply, const char *key)
{
	bson_iter_t it, list;

	return bson_iter_init_find(&it, reply, key) && BSON_ITER_HOLDS_ARRAY(&it) &&
	       bson_iter_recurse(&it, &list) && bson_iter_next(&list);
}

/* One of writeErrors: {index, code, errmsg}. */
static bool
read_refusal(bson_iter_t *at, size_t count, size_t *index, enum pl_err *err)
{
	bson_iter_t it;
	uint32_t code = 0;
	bool has_index = false;

	if (!BSON_ITER_HOLDS_DOCUMENT(at) || !bson_iter_recurse(at, &it))
		return false;
	while (bson_iter_next(&it)) {
		if (strcmp(bson_iter_key(&it), "index") == 0) {
			*index = (size_t)bson_iter_as_int64(&it);
			has_index = *index < count;
		} else if (strcmp(bson_iter_key(&it), "code") == 0) {
			code = (uint32_t)bson_iter_as_int64(&it);
		}
	}
	*err = err_of_code(code);
	return has_index;
}

/* Gives how many were refused one by one; the errs of the others stay. */
static size_t
note_refusals(const bson_t *reply, size_t count, enum pl_err *errs)
{
	bson_iter_t it, list;
	size_t refused = 0;

	if (!bson_iter_init_find(&it, reply, "writeErrors") ||
	    !bson_iter_recurse(&it, &list))
		return 0;
	while (bson_iter_next(&list)) {
		enum pl_err err;
		size_t index;

		if (!read_refusal(&list, count, &index, &err))
			continue;
		if (err != PL_E_CONFLICT)
			pl_log_error_sampled("document was not stored", PL_L_ERR(err));
		errs[index] = err;
		refused++;
	}
	return refused;
}

/* If every document is accounted for and a majority has what was stored, those that were
 * not refused are stored. Else they may or may not be: the answer got lost, or came in
 * part. */
static void
sort_out(struct pl_mongo *s, const bson_t *reply, const bson_error_t *error, size_t count,
    enum pl_err *errs)
{
	int64_t inserted = 0;
	enum pl_err err;
	size_t refused;

	fill(errs, count, PL_OK);
	refused = note_refusals(reply, count, errs);
	(void)pl_mongo_get_int(reply, "insertedCount", &inserted);
	/* mongo-java-server 1.47 counts those that a unique index refused as inserted. */
	if (refused > 0 && (size_t)inserted + refused >= count &&
	    !has_elements(reply, "writeConcernErrors"))
		return;
	err = pl_mongo_err(s, error, "insert");
	fill(errs, count, err == PL_E_CONFLICT ? PL_E_UNAVAILABLE : err);
	(void)note_refusals(reply, count, errs);
}

void
pl_mongo_insert(struct pl_mongo *s, mongoc_collection_t *into, bson_t **docs,
    size_t count, enum pl_err *errs)
{
	bson_error_t error = {0};
	const bson_t **list;
	bson_t opts, reply;

	if (count == 0)
		return;
	if (!pl_mongo_has_time(s)) {
		fill(errs, count, PL_E_UNAVAILABLE);
		return;
	}
	list = pl_mem_alloc(count * sizeof(*list));
	for (size_t i = 0; i < count; i++)
		list[i] = docs[i];
	bson_init(&opts);
	bson_append_bool(&opts, "ordered", -1, false);
	/* The driver would refuse all if it dislikes one. */
	bson_append_bool(&opts, "validate", -1, false);
	if (mongoc_collection_insert_many(into, list, count, &opts, &reply, &error))
		fill(errs, count, PL_OK);
	else
		sort_out(s, &reply, &error, count, errs);
	bson_destroy(&reply);
	bson_destroy(&opts);
	pl_mem_free(list);
}

/* mongoc_collection_update_one() or its like. */
typedef bool update_call(mongoc_collection_t *in, const bson_t *selector,
    const bson_t *update, const bson_t *opts, bson_t *reply, bson_error_t *error);

static enum pl_err
update_by(update_call *call, struct pl_mongo *s, mongoc_collection_t *in,
    const bson_t *selector, const bson_t *update, int64_t *matched)
{
	bson_error_t error = {0};
	int64_t count = 0;
	bson_t reply;
	bool is_done;

	if (!pl_mongo_has_time(s))
		return PL_E_UNAVAILABLE;
	is_done = call(in, selector, update, NULL, &reply, &error);
	if (is_done)
		(void)pl_mongo_get_int(&reply, "matchedCount", &count);
	bson_destroy(&reply);
	if (!is_done)
		return pl_mongo_err(s, &error, "update");
	if (matched != NULL)
		*matched = count;
	return PL_OK;
}

enum pl_err
pl_mongo_update_one(struct pl_mongo *s, mongoc_collection_t *in, const bson_t *selector,
    const bson_t *update, int64_t *matched)
{
	return update_by(mongoc_collection_update_one, s, in, selector, update, matched);
}

enum pl_err
pl_mongo_unset_all(struct pl_mongo *s, mongoc_collection_t *in, const bson_t *selector,
    const char *const *fields)
{
	bson_t update = BSON_INITIALIZER, unset;
	enum pl_err err;

	bson_append_document_begin(&update, "$unset", -1, &unset);
	for (size_t i = 0; fields[i] != NULL; i++)
		pl_mongo_put_int(&unset, fields[i], 1);
	bson_append_document_end(&update, &unset);
	err = update_by(mongoc_collection_update_many, s, in, selector, &update, NULL);
	bson_destroy(&update);
	return err;
}

enum pl_err
pl_mongo_delete_many(struct pl_mongo *s, mongoc_collection_t *in, const bson_t *selector)
{
	bson_error_t error = {0};

	if (!pl_mongo_has_time(s))
		return PL_E_UNAVAILABLE;
	return mongoc_collection_delete_many(in, selector, NULL, NULL, &error)
		   ? PL_OK
		   : pl_mongo_err(s, &error, "delete");
}
