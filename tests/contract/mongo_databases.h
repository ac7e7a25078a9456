/*
 * mongo_databases: empty databases on one stand-in for MongoDB, and a look inside them
 * past the store, for the tests of what only the Mongo back end promises.
 */
#ifndef TESTS_CONTRACT_MONGO_DATABASES_H
#define TESTS_CONTRACT_MONGO_DATABASES_H

#include <mongoc/mongoc.h>

#include "contract/store_contract.h"
#include "support/mongo_server.h"

/* The server starts with the first database, and ends with the program. */
extern const struct store_factory mongo_factory;
/* The same with a tool's patience (struct pl_store_config), for what has to be right
 * however long the machine stands still. */
extern const struct store_factory mongo_patient_factory;
struct mongo_server *mongo_databases_server(void);
/* Frees an allocated mongo_uri. */
void mongo_databases_free(struct pl_store_config *config);

/* Insert a document, in (relaxed or canonical extended) JSON, as another program would. */
void mongo_databases_insert(
    const struct pl_store_config *config, const char *collection, const char *json);
/* Run a command, in JSON; asserts that it worked. */
void mongo_databases_run(const struct pl_store_config *config, const char *json);
/* How many documents a filter finds. */
int64_t mongo_databases_count(
    const struct pl_store_config *config, const char *collection, const char *filter);

/* With the one over _id. */
int64_t mongo_databases_indexes(
    const struct pl_store_config *config, const char *collection);
/* For how long the server keeps what has a date in field; -1: for ever. */
int64_t mongo_databases_kept_s(
    const struct pl_store_config *config, const char *collection, const char *field);

#endif
