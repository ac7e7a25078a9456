#include "base/log.h"
#include "store/mongo_query.h"

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

/* Does nothing where they are there. */
static enum pl_err
make(struct pl_mongo *s, const char *collection, const struct index *indexes)
{
	bson_t command = BSON_INITIALIZER, list, reply;
	bson_error_t error = {0};
	enum pl_err err = PL_OK;

	pl_mongo_put_str(&command, "createIndexes", pl_str(collection));
	bson_append_array_begin(&command, "indexes", -1, &list);
	for (uint32_t i = 0; indexes[i].keys[0] != NULL; i++) {
		const char *at;
		char text[16];

		bson_uint32_to_string(i, &at, text, sizeof(text));
		put_index(&list, at, &indexes[i]);
	}
	bson_append_array_end(&command, &list);
	if (!pl_mongo_has_time(s))
		err = PL_E_UNAVAILABLE;
	else if (mongoc_client_write_command_with_opts(s->client,
		     pl_mongo_database(s->client), &command, NULL, &reply, &error))
		bson_destroy(&reply);
	else {
		bson_destroy(&reply);
		err = pl_mongo_err(&error, "createIndexes");
	}
	bson_destroy(&command);
	return err;
}

enum pl_err
pl_mongo_indexes(struct pl_mongo *s)
{
	enum pl_err err = make(s, PL_MONGO_USERS, users);

	if (err == PL_OK)
		err = make(s, PL_MONGO_MESSAGES, messages);
	if (err == PL_OK)
		err = make(s, PL_MONGO_REVOCATIONS, revocations);
	return err;
}
