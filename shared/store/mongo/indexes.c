#include "base/log.h"
#include "base/mem.h"
#include "loop/thread.h"
#include "store/mongo/index_there.h"
#include "store/mongo/query.h"

#define NAMES_MAX       10 /* equal usernames in the log */
#define NAMES_BYTES_MAX 1000

/* The server's error numbers besides those in query.c. */
enum {
	CODE_OTHER_OPTIONS = 85,
	CODE_OTHER_KEYS = 86,
	CODE_DUPLICATE_KEY = 11000,
};

/*
 * If name is NULL the index gets the driver's own name ("senderId_1_receiverId_1"), so
 * that an index that mongoose made already is the same one. Sparse, not partial: most
 * messages have none of these fields.
 */
struct index {
	const char *keys[5]; /* NULL ends them; all ascending */
	const char *name;
	bool is_unique;
	bool is_sparse;
	bool is_of_strings;      /* of the first key */
	bool is_of_named;        /* of documents whose username is a string */
	bool is_of_changed;      /* of messages that were edited or deleted */
	int32_t expires_after_s; /* 0: never */
};

/*
 * Usernames that are strings have to be unique, no more: users of another way to log in
 * may have none. The index that mongoose makes for `unique: true` does that, or another
 * of the operator's, and is taken as it is. If there is none, the first of these that can
 * be made is made:
 *   - sparse, which a find of any program uses;
 *   - of strings alone, where several users have the username null, or the same number. Finds go
 *     by it that say that they look for a string, as pl_mongo_user_by_username() does.
 * The name is our own, so that mongoose may make its own beside it (MongoDB 5.0 and
 * later).
 */
#define USERNAMES "parley_username"
static const struct index usernames[][2] = {
    {
	{.keys = {PL_USER_F_USERNAME},
	    .name = USERNAMES,
	    .is_unique = true,
	    .is_sparse = true},
	{.keys = {NULL}},
    },
    {
	{.keys = {PL_USER_F_USERNAME},
	    .name = USERNAMES,
	    .is_unique = true,
	    .is_of_strings = true},
	{.keys = {NULL}},
    },
};
/* Of whom pages of people show; those who are due have no name, and stand there as null. */
static const struct index people[] = {
    {.keys = {PL_MONGO_P_PEOPLE_NAME, PL_USER_F_ID}, .is_of_named = true},
    {.keys = {PL_MONGO_P_PEOPLE_WORDS}, .is_of_named = true},
    {.keys = {NULL}},
};
static const struct index messages[] = {
    /* pages: one range for each direction of a conversation */
    {.keys = {PL_MESSAGE_F_SENDER, PL_MESSAGE_F_RECEIVER, PL_MESSAGE_F_CREATED_AT,
	 PL_MESSAGE_F_ID}},
    /* what one receiver missed, what all did */
    {.keys = {PL_MESSAGE_F_RECEIVER, PL_MESSAGE_F_CREATED_AT, PL_MESSAGE_F_ID}},
    {.keys = {PL_MESSAGE_F_CREATED_AT, PL_MESSAGE_F_ID}},
    /* one automatic reply to a message, one message under a key */
    {.keys = {PL_MONGO_P_IN_REPLY_TO}, .is_unique = true, .is_sparse = true},
    {.keys = {PL_MONGO_F_IDEM_KEY}, .is_unique = true, .is_sparse = true},
    /* what is due */
    {.keys = {PL_MONGO_F_IDEM_UNTIL}, .is_sparse = true},
    {.keys = {PL_MONGO_P_DEADLINE}, .is_sparse = true},
    /* changes, of all and of one user: no send writes to these */
    {.keys = {PL_MONGO_F_CHANGED_AT, PL_MESSAGE_F_ID}, .is_of_changed = true},
    {.keys = {PL_MESSAGE_F_SENDER, PL_MONGO_F_CHANGED_AT, PL_MESSAGE_F_ID},
	.is_of_changed = true},
    {.keys = {PL_MESSAGE_F_RECEIVER, PL_MONGO_F_CHANGED_AT, PL_MESSAGE_F_ID},
	.is_of_changed = true},
    {.keys = {NULL}},
};
static const struct index revocations[] = {
    {.keys = {PL_USER_F_CREATED_AT}},
    {.keys = {PL_MONGO_F_EXPIRES_AT}, .expires_after_s = PL_STORE_REVOKED_SLACK_S},
    {.keys = {PL_MONGO_F_USER}},
    {.keys = {NULL}},
};
static const struct index sessions[] = {
    {.keys = {PL_MONGO_F_CHANGED_AT}, .is_sparse = true},
    {.keys = {PL_MONGO_F_EXPIRES_AT}, .expires_after_s = PL_STORE_REVOKED_SLACK_S},
    {.keys = {NULL}},
};

static const struct index erasures[] = {
    {.keys = {PL_MONGO_F_DUE_AT}, .is_sparse = true},
    {.keys = {PL_MONGO_F_DONE_AT}, .expires_after_s = PL_ERASE_KEPT_S},
    {.keys = {NULL}},
};

static void
put_type_filter(bson_t *spec, const char *key, int type)
{
	bson_t filter;

	bson_append_document_begin(spec, "partialFilterExpression", -1, &filter);
	pl_mongo_put_type(&filter, key, type);
	bson_append_document_end(spec, &filter);
}

static void
put_options(bson_t *spec, const struct index *index)
{
	if (index->is_unique)
		bson_append_bool(spec, "unique", -1, true);
	if (index->is_sparse)
		bson_append_bool(spec, "sparse", -1, true);
	if (index->is_of_strings)
		put_type_filter(spec, index->keys[0], PL_MONGO_T_STRING);
	if (index->is_of_named)
		put_type_filter(spec, PL_USER_F_USERNAME, PL_MONGO_T_STRING);
	if (index->is_of_changed)
		put_type_filter(spec, PL_MONGO_F_CHANGED_AT, PL_MONGO_T_DATE);
	if (index->expires_after_s > 0)
		pl_mongo_put_int(spec, "expireAfterSeconds", index->expires_after_s);
}

static void
write_name(struct pl_buf *name, const struct index *index)
{
	if (index->name != NULL)
		pl_buf_add_cstr(name, index->name);
	for (size_t i = 0; index->name == NULL && index->keys[i] != NULL; i++)
		pl_buf_printf(name, "%s%s_1", i > 0 ? "_" : "", index->keys[i]);
}

static void
put_index(bson_t *list, const char *at, const struct index *index)
{
	struct pl_buf name;
	bson_t spec, key;

	pl_buf_init(&name, PL_BUF_UNLIMITED);
	write_name(&name, index);
	bson_append_document_begin(list, at, -1, &spec);
	bson_append_document_begin(&spec, "key", -1, &key);
	for (size_t i = 0; index->keys[i] != NULL; i++)
		pl_mongo_put_int(&key, index->keys[i], 1);
	bson_append_document_end(&spec, &key);
	pl_mongo_put_str(&spec, "name", pl_buf_str(&name));
	put_options(&spec, index);
	bson_append_document_end(list, &spec);
	pl_buf_fini(&name);
}

/* Is an index there that does the same under another name? One with options can only be
 * our own; and our own, by its name, is asked for again, which waits until it is
 * built. */
static bool
is_there(const struct pl_indexes *there, const struct index *index)
{
	struct pl_buf name;
	bool is = false;

	if (index->is_unique || index->is_sparse || index->is_of_named ||
	    index->is_of_changed || index->expires_after_s > 0)
		return false;
	pl_buf_init(&name, PL_BUF_UNLIMITED);
	write_name(&name, index);
	for (size_t i = 0; i < there->count; i++)
		is = is || (pl_index_is_over(there->items[i], index->keys) &&
			       pl_index_is_whole(there->items[i]) &&
			       !pl_index_is_named(there->items[i], name.data));
	pl_buf_fini(&name);
	return is;
}

/* False if all of them are there. */
static bool
put_command(bson_t *command, const char *collection, const struct index *indexes,
    const struct pl_indexes *there)
{
	uint32_t count = 0;
	bson_t list;

	pl_mongo_put_str(command, "createIndexes", pl_str(collection));
	bson_append_array_begin(command, "indexes", -1, &list);
	for (const struct index *index = indexes; index->keys[0] != NULL; index++) {
		const char *at;
		char text[16];

		if (is_there(there, index))
			continue;
		bson_uint32_to_string(count++, &at, text, sizeof(text));
		put_index(&list, at, index);
	}
	bson_append_array_end(command, &list);
	return count > 0;
}

/* ---- what stands in the way ---- */

/* {key: {op: value}} */
static void
put_condition(bson_t *doc, const char *key, const char *op, int32_t value)
{
	bson_t part;

	bson_append_document_begin(doc, key, -1, &part);
	pl_mongo_put_int(&part, op, value);
	bson_append_document_end(doc, &part);
}

/* {$match: {username: {$type: 2}}}, {$group: {_id: "$username", n: {$sum: 1}}},
 * {$match: {n: {$gt: 1}}}, {$limit: few} */
static void
put_pipeline(bson_t *pipeline)
{
	bson_t stage, part;

	bson_append_document_begin(pipeline, "0", -1, &stage);
	bson_append_document_begin(&stage, "$match", -1, &part);
	put_condition(&part, PL_USER_F_USERNAME, "$type", PL_MONGO_T_STRING);
	bson_append_document_end(&stage, &part);
	bson_append_document_end(pipeline, &stage);
	bson_append_document_begin(pipeline, "1", -1, &stage);
	bson_append_document_begin(&stage, "$group", -1, &part);
	pl_mongo_put_str(&part, "_id", PL_STR("$" PL_USER_F_USERNAME));
	put_condition(&part, "n", "$sum", 1);
	bson_append_document_end(&stage, &part);
	bson_append_document_end(pipeline, &stage);
	bson_append_document_begin(pipeline, "2", -1, &stage);
	bson_append_document_begin(&stage, "$match", -1, &part);
	put_condition(&part, "n", "$gt", 1);
	bson_append_document_end(&stage, &part);
	bson_append_document_end(pipeline, &stage);
	bson_append_document_begin(pipeline, "3", -1, &stage);
	pl_mongo_put_int(&stage, "$limit", NAMES_MAX);
	bson_append_document_end(pipeline, &stage);
}

/* "ann, bob": usernames that more than one user has; empty if the server does not say. */
static void
find_equal_names(struct pl_mongo *s, struct pl_buf *names)
{
	bson_t pipeline = BSON_INITIALIZER;
	mongoc_cursor_t *cursor;
	const bson_t *doc;
	struct pl_str name;

	put_pipeline(&pipeline);
	cursor = mongoc_collection_aggregate(
	    s->users, MONGOC_QUERY_NONE, &pipeline, NULL, NULL);
	while (mongoc_cursor_next(cursor, &doc)) {
		if (!pl_mongo_get_str(doc, "_id", &name))
			continue;
		if (names->len > 0)
			pl_buf_add_cstr(names, ", ");
		pl_buf_add_str(names, name);
	}
	mongoc_cursor_destroy(cursor);
	bson_destroy(&pipeline);
}

/* Only the operator can mend these, and gets nothing but this line of the log. */
static bool
explain_names(struct pl_mongo *s)
{
	struct pl_buf names;
	bool is_it;

	pl_buf_init(&names, NAMES_BYTES_MAX);
	find_equal_names(s, &names);
	is_it = names.len > 0;
	if (is_it)
		pl_log_error("users with the same username were found, cannot serve "
			     "until all but one of each are renamed or removed",
		    PL_L_STR("usernames", pl_buf_str(&names)));
	pl_buf_fini(&names);
	return is_it;
}

static bool
is_of_server(const bson_error_t *error, uint32_t code)
{
	return error->domain == MONGOC_ERROR_SERVER && error->code == code;
}

static bool
is_in_the_way(const bson_error_t *error)
{
	return is_of_server(error, CODE_DUPLICATE_KEY) ||
	       is_of_server(error, CODE_OTHER_OPTIONS) ||
	       is_of_server(error, CODE_OTHER_KEYS);
}

static enum pl_err
explain(struct pl_mongo *s, const char *collection, const bson_error_t *error)
{
	if (!is_in_the_way(error))
		return pl_mongo_err(s, error, "createIndexes");
	if (is_of_server(error, CODE_DUPLICATE_KEY) &&
	    strcmp(collection, PL_MONGO_USERS) == 0 && explain_names(s))
		return PL_E_CONFLICT;
	pl_log_error("an index that is needed cannot be made, cannot serve "
		     "until what stands in its way is removed",
	    PL_L_CSTR("collection", collection), PL_L_CSTR("message", error->message));
	return PL_E_CONFLICT;
}

/* ---- making ---- */

/* Does nothing if they are there. False: *error says why, or its domain is 0 and there
 * was no time. */
static bool
create(struct pl_mongo *s, const char *collection, const struct index *indexes,
    const struct pl_indexes *there, bson_error_t *error)
{
	bson_t command = BSON_INITIALIZER, reply;
	bool is_done = true;

	*error = (bson_error_t){0};
	if (put_command(&command, collection, indexes, there)) {
		is_done =
		    pl_mongo_has_time(s) &&
		    mongoc_client_write_command_with_opts(s->client,
			pl_mongo_database(s->client), &command, NULL, &reply, error);
		if (is_done || error->domain != 0)
			bson_destroy(&reply);
	}
	bson_destroy(&command);
	return is_done;
}

static enum pl_err
make(struct pl_mongo *s, mongoc_collection_t *of, const struct index *indexes)
{
	const char *name = mongoc_collection_get_name(of);
	struct pl_indexes there;
	bson_error_t error;
	enum pl_err err = pl_indexes_read(s, of, &there);

	if (err == PL_OK && !create(s, name, indexes, &there, &error))
		err = error.domain == 0 ? PL_E_UNAVAILABLE : explain(s, name, &error);
	pl_indexes_fini(&there);
	return err;
}

/* ---- usernames ---- */

/* The collation that finds in users have unless they name one, which the caller destroys;
 * NULL: none. */
static bson_t *
read_collation(struct pl_mongo *s)
{
	mongoc_database_t *database =
	    mongoc_client_get_database(s->client, pl_mongo_database(s->client));
	bson_t opts = BSON_INITIALIZER, filter, *collation = NULL;
	mongoc_cursor_t *cursor;
	bson_iter_t it, found;
	const bson_t *doc;

	bson_append_document_begin(&opts, "filter", -1, &filter);
	pl_mongo_put_str(&filter, "name", PL_STR(PL_MONGO_USERS));
	bson_append_document_end(&opts, &filter);
	cursor = mongoc_database_find_collections_with_opts(database, &opts);
	while (collation == NULL && mongoc_cursor_next(cursor, &doc)) {
		const uint8_t *data;
		uint32_t len;

		if (!bson_iter_init(&it, doc) ||
		    !bson_iter_find_descendant(&it, "options.collation", &found) ||
		    !BSON_ITER_HOLDS_DOCUMENT(&found))
			continue;
		bson_iter_document(&found, &len, &data);
		collation = bson_new_from_data(data, len);
	}
	mongoc_cursor_destroy(cursor);
	mongoc_database_destroy(database);
	bson_destroy(&opts);
	return collation;
}

/* Is an index of the operator's there that keeps usernames unique, and that finds can
 * use? */
static bool
is_apart_already(struct pl_mongo *s, const struct pl_indexes *there)
{
	bson_t *collation = NULL;
	bool is = false, has_asked = false;

	for (size_t i = 0; !is && i < there->count; i++) {
		const bson_t *index = there->items[i];

		if (!pl_index_keeps_usernames_apart(index) ||
		    pl_index_is_named(index, USERNAMES))
			continue;
		if (!has_asked && !pl_index_has_collation(index, NULL)) {
			collation = read_collation(s);
			has_asked = true;
		}
		is = pl_index_has_collation(index, collation);
	}
	if (collation != NULL)
		bson_destroy(collation);
	return is;
}

/* Our index, if it is there as one of strings alone: a sparse one could not be made. */
static size_t
first_to_try(const struct pl_indexes *there)
{
	for (size_t i = 0; i < there->count; i++)
		if (pl_index_is_named(there->items[i], USERNAMES) &&
		    pl_index_is_partial(there->items[i]))
			return 1;
	return 0;
}

static enum pl_err
make_usernames(struct pl_mongo *s)
{
	struct pl_indexes there;
	bson_error_t error = {0};
	enum pl_err err = pl_indexes_read(s, s->users, &there);
	bool is_done = err == PL_OK && is_apart_already(s, &there);

	for (size_t i = first_to_try(&there); err == PL_OK && !is_done && i < 2; i++) {
		is_done = create(s, PL_MONGO_USERS, usernames[i], &there, &error);
		if (!is_done && error.domain == 0)
			err = PL_E_UNAVAILABLE;
		else if (!is_done && (i > 0 || !is_in_the_way(&error)))
			err = explain(s, PL_MONGO_USERS, &error);
	}
	pl_indexes_fini(&there);
	return err;
}

/* ---- all ---- */

enum pl_err
pl_mongo_indexes_make_messages(struct pl_mongo *s)
{
	return make(s, s->messages, messages);
}

enum pl_err
pl_mongo_indexes_make(struct pl_mongo *s)
{
	enum pl_err err = make_usernames(s);

	if (err == PL_OK)
		err = make(s, s->users, people);
	if (err == PL_OK)
		err = pl_mongo_indexes_make_messages(s);
	if (err == PL_OK)
		err = make(s, s->revocations, revocations);
	if (err == PL_OK)
		err = make(s, s->sessions, sessions);
	if (err == PL_OK)
		err = make(s, s->erasures, erasures);
	return err;
}

/* ---- if it takes long ---- */

/*
 * On a large collection the server takes minutes, during which it serves others. A thread
 * of its own waits for it, one a process; sessions fail to open meanwhile, at once. (If
 * each try asked and hung up, the server would have as many builds waiting as there were
 * tries.)
 */
static struct {
	pthread_mutex_t lock;
	bool is_under_way;
} build = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void *
build_main(void *arg)
{
	struct pl_store *store;
	char *uri = arg;
	enum pl_err err = pl_mongo_open_patient(uri, &store);

	if (err == PL_OK) {
		pl_log_info("indexes were made");
		pl_store_close(store);
	}
	pl_mem_wipe_free(uri, strlen(uri));
	pthread_mutex_lock(&build.lock);
	build.is_under_way = false;
	pthread_mutex_unlock(&build.lock);
	return NULL;
}

static void
start_build(const char *uri)
{
	pthread_mutex_lock(&build.lock);
	if (!build.is_under_way) {
		char *copy = pl_mem_strdup(uri);

		build.is_under_way =
		    pl_thread_start_detached("store-indexes", build_main, copy);
		if (build.is_under_way)
			pl_log_info("indexes are being made, not serving until then");
		else
			pl_mem_wipe_free(copy, strlen(copy));
	}
	pthread_mutex_unlock(&build.lock);
}

static bool
is_under_way(void)
{
	bool yes;

	pthread_mutex_lock(&build.lock);
	yes = build.is_under_way;
	pthread_mutex_unlock(&build.lock);
	return yes;
}

/* Within a call's time the indexes are there or made, or the server is away, or it is
 * well and needs longer. */
enum pl_err
pl_mongo_indexes(struct pl_mongo *s, const char *uri)
{
	enum pl_err err;

	if (is_under_way())
		return PL_E_UNAVAILABLE;
	err = pl_mongo_indexes_make(s);
	if (err == PL_E_UNAVAILABLE && pl_store_ping(&s->store) == PL_OK)
		start_build(uri);
	return err;
}
