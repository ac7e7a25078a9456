#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "contract/mongo_databases.h"

static struct mongo_server server;

static void
end_server(void)
{
	mongo_server_fini(&server);
}

struct mongo_server *
mongo_databases_server(void)
{
	if (server.pid == 0) {
		mongo_server_init(&server, false);
		mongo_server_start(&server);
		atexit(end_server);
	}
	return &server;
}

static void
make(struct pl_store_config *out)
{
	static int made;
	char name[32];

	snprintf(name, sizeof(name), "chat%d", ++made);
	*out = (struct pl_store_config){
	    .data_dir = "not-used-with-mongodb",
	    .mongo_uri = pl_mem_strdup(mongo_server_uri(mongo_databases_server(), name)),
	};
}

void
mongo_databases_free(struct pl_store_config *config)
{
	char *uri;

	memcpy(&uri, &config->mongo_uri, sizeof(uri)); /* allocated, const only here */
	pl_mem_free(uri);
	*config = (struct pl_store_config){0};
}

static void
drop(struct pl_store_config *config)
{
	mongo_databases_run(config, "{\"dropDatabase\": 1}");
	mongo_databases_free(config);
}

const struct store_factory mongo_factory = {.make = make, .drop = drop};

static void
make_patient(struct pl_store_config *out)
{
	make(out);
	out->is_patient = true;
}

const struct store_factory mongo_patient_factory = {.make = make_patient, .drop = drop};

/* ---- past the store ---- */

static const char *
name_of(const struct pl_store_config *config)
{
	return strrchr(config->mongo_uri, '/') + 1;
}

static bson_t *
parse(const char *json)
{
	bson_error_t error;
	bson_t *doc = bson_new_from_json((const uint8_t *)json, -1, &error);

	if (doc == NULL)
		fail_msg("%s: %s", json, error.message);
	return doc;
}

void
mongo_databases_insert(
    const struct pl_store_config *config, const char *collection, const char *json)
{
	mongoc_client_t *client = mongoc_client_new(config->mongo_uri);
	mongoc_collection_t *into =
	    mongoc_client_get_collection(client, name_of(config), collection);
	bson_t *doc = parse(json);
	bson_error_t error;

	if (!mongoc_collection_insert_one(into, doc, NULL, NULL, &error))
		fail_msg("%s: %s", json, error.message);
	bson_destroy(doc);
	mongoc_collection_destroy(into);
	mongoc_client_destroy(client);
}

void
mongo_databases_run(const struct pl_store_config *config, const char *json)
{
	mongoc_client_t *client = mongoc_client_new(config->mongo_uri);
	bson_t *command = parse(json);
	bson_error_t error;

	if (!mongoc_client_command_simple(
		client, name_of(config), command, NULL, NULL, &error))
		fail_msg("%s: %s", json, error.message);
	bson_destroy(command);
	mongoc_client_destroy(client);
}

int64_t
mongo_databases_count(
    const struct pl_store_config *config, const char *collection, const char *filter)
{
	mongoc_client_t *client = mongoc_client_new(config->mongo_uri);
	mongoc_collection_t *in =
	    mongoc_client_get_collection(client, name_of(config), collection);
	bson_t *doc = parse(filter);
	bson_error_t error;
	int64_t count =
	    mongoc_collection_count_documents(in, doc, NULL, NULL, NULL, &error);

	if (count < 0)
		fail_msg("%s: %s", filter, error.message);
	bson_destroy(doc);
	mongoc_collection_destroy(in);
	mongoc_client_destroy(client);
	return count;
}

int64_t
mongo_databases_indexes(const struct pl_store_config *config, const char *collection)
{
	mongoc_client_t *client = mongoc_client_new(config->mongo_uri);
	mongoc_collection_t *in =
	    mongoc_client_get_collection(client, name_of(config), collection);
	mongoc_cursor_t *cursor = mongoc_collection_find_indexes_with_opts(in, NULL);
	int64_t count = 0;
	const bson_t *doc;

	while (mongoc_cursor_next(cursor, &doc))
		count++;
	mongoc_cursor_destroy(cursor);
	mongoc_collection_destroy(in);
	mongoc_client_destroy(client);
	return count;
}

int64_t
mongo_databases_kept_s(
    const struct pl_store_config *config, const char *collection, const char *field)
{
	mongoc_client_t *client = mongoc_client_new(config->mongo_uri);
	mongoc_collection_t *in =
	    mongoc_client_get_collection(client, name_of(config), collection);
	mongoc_cursor_t *cursor = mongoc_collection_find_indexes_with_opts(in, NULL);
	int64_t seconds = -1;
	bson_iter_t it, key;
	const bson_t *doc;

	while (mongoc_cursor_next(cursor, &doc))
		if (bson_iter_init_find(&it, doc, "key") &&
		    bson_iter_recurse(&it, &key) && bson_iter_next(&key) &&
		    strcmp(bson_iter_key(&key), field) == 0 &&
		    bson_iter_init_find(&it, doc, "expireAfterSeconds"))
			seconds = bson_iter_as_int64(&it);
	mongoc_cursor_destroy(cursor);
	mongoc_collection_destroy(in);
	mongoc_client_destroy(client);
	return seconds;
}
