#include <pthread.h>
#include <signal.h>

#include "base/log.h"
#include "base/mem.h"
#include "store/mongo_query.h"

#define NAMES_MAX       10 /* equal usernames in the log */
#define NAMES_BYTES_MAX 1000

/* The server's numbers besides those in mongo_query.c. */
enum {
	CODE_OTHER_OPTIONS = 85,
	CODE_OTHER_KEYS = 86,
	CODE_DUPLICATE_KEY = 11000,
};

/*
 * Names are the driver's own ("senderId_1_receiverId_1"), so that an index that mongoose made
 * already is the same one. Sparse, not partial: most messages have none of these fields.
 */
struct index {
	const char *keys[5]; /* NULL ends them; all ascending */
	bool is_unique;
	bool is_sparse;
	int32_t expires_after_s; /* 0: never */
};

static const struct index users[] = {
    {.keys = {PL_USER_F_USERNAME}, .is_unique = true},
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
    {.keys = {NULL}},
};
static const struct index revocations[] = {
    {.keys = {PL_USER_F_CREATED_AT}},
    {.keys = {PL_MONGO_F_EXPIRES_AT}, .expires_after_s = PL_STORE_REVOKED_SLACK_S},
    {.keys = {NULL}},
};

static void
put_index(bson_t *list, const char *at, const struct index *index)
{
	struct pl_buf name;
	bson_t spec, key;

	pl_buf_init(&name, PL_BUF_UNLIMITED);
	bson_append_document_begin(list, at, -1, &spec);
	bson_append_document_begin(&spec, "key", -1, &key);
	for (size_t i = 0; index->keys[i] != NULL; i++) {
		pl_mongo_put_int(&key, index->keys[i], 1);
		pl_buf_printf(&name, "%s%s_1", i > 0 ? "_" : "", index->keys[i]);
	}
	bson_append_document_end(&spec, &key);
	pl_mongo_put_str(&spec, "name", pl_buf_str(&name));
	if (index->is_unique)
		bson_append_bool(&spec, "unique", -1, true);
	if (index->is_sparse)
		bson_append_bool(&spec, "sparse", -1, true);
	if (index->expires_after_s > 0)
		pl_mongo_put_int(&spec, "expireAfterSeconds", index->expires_after_s);
	bson_append_document_end(list, &spec);
	pl_buf_fini(&name);
}

static void
put_command(bson_t *command, const char *collection, const struct index *indexes)
{
	bson_t list;

	pl_mongo_put_str(command, "createIndexes", pl_str(collection));
	bson_append_array_begin(command, "indexes", -1, &list);
	for (uint32_t i = 0; indexes[i].keys[0] != NULL; i++) {
		const char *at;
		char text[16];

		bson_uint32_to_string(i, &at, text, sizeof(text));
		put_index(&list, at, &indexes[i]);
	}
	bson_append_array_end(command, &list);
}

/* ---- what stands in the way ---- */

/* {$group: {_id: "$username", n: {$sum: 1}}}, {$match: {n: {$gt: 1}}}, {$limit: few} */
static void
put_pipeline(bson_t *pipeline)
{
	bson_t stage, part, inner;

	bson_append_document_begin(pipeline, "0", -1, &stage);
	bson_append_document_begin(&stage, "$group", -1, &part);
	pl_mongo_put_str(&part, "_id", PL_STR("$" PL_USER_F_USERNAME));
	bson_append_document_begin(&part, "n", -1, &inner);
	pl_mongo_put_int(&inner, "$sum", 1);
	bson_append_document_end(&part, &inner);
	bson_append_document_end(&stage, &part);
	bson_append_document_end(pipeline, &stage);
	bson_append_document_begin(pipeline, "1", -1, &stage);
	bson_append_document_begin(&stage, "$match", -1, &part);
	bson_append_document_begin(&part, "n", -1, &inner);
	pl_mongo_put_int(&inner, "$gt", 1);
	bson_append_document_end(&part, &inner);
	bson_append_document_end(&stage, &part);
	bson_append_document_end(pipeline, &stage);
	bson_append_document_begin(pipeline, "2", -1, &stage);
	pl_mongo_put_int(&stage, "$limit", NAMES_MAX);
	bson_append_document_end(pipeline, &stage);
}

/* "ann, bob": usernames that more than one user has; empty where the server does not say. */
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
			name = PL_STR("(none)");
		if (names->len > 0)
			pl_buf_add_cstr(names, ", ");
		pl_buf_add_str(names, name);
	}
	mongoc_cursor_destroy(cursor);
	bson_destroy(&pipeline);
}

/* Nobody but the operator can mend these; the log's line is all that he gets. */
static enum pl_err
explain(struct pl_mongo *s, const char *collection, const bson_error_t *error)
{
	struct pl_buf names;

	if (error->domain == MONGOC_ERROR_SERVER && error->code == CODE_DUPLICATE_KEY &&
	    strcmp(collection, PL_MONGO_USERS) == 0) {
		pl_buf_init(&names, NAMES_BYTES_MAX);
		find_equal_names(s, &names);
		pl_log_error("users with the same username were found, cannot serve "
			     "until all but one of each are renamed or removed",
		    PL_L_STR("usernames", pl_buf_str(&names)));
		pl_buf_fini(&names);
		return PL_E_CONFLICT;
	}
	if (error->domain == MONGOC_ERROR_SERVER &&
	    (error->code == CODE_DUPLICATE_KEY || error->code == CODE_OTHER_OPTIONS ||
		error->code == CODE_OTHER_KEYS)) {
		pl_log_error("an index that is needed cannot be made, cannot serve "
			     "until what stands in its way is removed",
		    PL_L_CSTR("collection", collection),
		    PL_L_CSTR("message", error->message));
		return PL_E_CONFLICT;
	}
	return pl_mongo_err(s, error, "createIndexes");
}

/* ---- making ---- */

/* Does nothing where they are there. */
static enum pl_err
make(struct pl_mongo *s, const char *collection, const struct index *indexes)
{
	bson_t command = BSON_INITIALIZER, reply;
	bson_error_t error = {0};
	enum pl_err err = PL_OK;

	if (!pl_mongo_has_time(s))
		return PL_E_UNAVAILABLE;
	put_command(&command, collection, indexes);
	if (!mongoc_client_write_command_with_opts(
		s->client, pl_mongo_database(s->client), &command, NULL, &reply, &error))
		err = explain(s, collection, &error);
	bson_destroy(&reply);
	bson_destroy(&command);
	return err;
}

enum pl_err
pl_mongo_indexes_make(struct pl_mongo *s)
{
	enum pl_err err = make(s, PL_MONGO_USERS, users);

	if (err == PL_OK)
		err = make(s, PL_MONGO_MESSAGES, messages);
	if (err == PL_OK)
		err = make(s, PL_MONGO_REVOCATIONS, revocations);
	return err;
}

/* ---- where it takes long ---- */

/*
 * On a large collection the server takes minutes, during which it serves others. A thread of
 * its own waits for it, one a process; sessions fail to open meanwhile, at once. (Were each to
 * ask and hang up, the server would have as many waiting as there were tries.)
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

static bool
start_thread(char *uri)
{
	sigset_t all, old;
	pthread_t thread;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	error = pthread_create(&thread, NULL, build_main, uri);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (error == 0)
		pthread_detach(thread);
	return error == 0;
}

static void
start_build(const char *uri)
{
	pthread_mutex_lock(&build.lock);
	if (!build.is_under_way) {
		char *copy = pl_mem_strdup(uri);

		build.is_under_way = start_thread(copy);
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

/* Within a call's time they are there or made, or the server is away, or it is well and needs
 * longer. */
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
