/*
 * query: finds, inserts and updates, with their deadlines and their errors.
 *
 *   struct pl_find f = ...;            pl_find_start(&f, s, s->users);
 *   what to find                       pl_mongo_put_oid(&f.filter, "_id", id);
 *   how                                pl_find_by_index(&f, keys, 2, 1);
 *                                      pl_find_limit(&f, 10);
 *   each document                      while (pl_find_row(&f, &doc)) ...
 *   the end, always                    err = pl_find_end(&f);
 *
 * Errors: PL_E_UNAVAILABLE if the server is away, slow, or no longer the primary (it may
 * still have done what it was told), PL_E_FULL, PL_E_IO; each is logged here. Only store/
 * uses it.  Threads: the session's.
 */
#ifndef PL_STORE_MONGO_QUERY_H
#define PL_STORE_MONGO_QUERY_H

#include "store/mongo/documents.h"
#include "store/mongo/session.h"

/* False if the call has spent its time, or met an outage: the command must not begin. */
bool pl_mongo_has_time(struct pl_mongo *s) PL_MUST_CHECK;
/* What an error of the driver means. */
enum pl_err pl_mongo_err_of(const bson_error_t *error);
/* The same for a command in a call; logs it. */
enum pl_err pl_mongo_err(struct pl_mongo *s, const bson_error_t *error, const char *what);

struct pl_find {
	struct pl_mongo *session;
	mongoc_collection_t *in;
	bson_t filter;
	bson_t opts;
	mongoc_cursor_t *cursor; /* NULL until the first row is asked for */
	enum pl_err err;
};

void pl_find_start(struct pl_find *f, struct pl_mongo *s, mongoc_collection_t *in);
/* By the index over these keys (NULL ends them), which is named so that the server need
 * not choose; way: 1 up, -1 down. The order is that of the last count keys. */
void pl_find_by_index(
    struct pl_find *f, const char *const *keys, size_t order_count, int way);
void pl_find_limit(struct pl_find *f, size_t limit);
/* Return only these fields, and _id; NULL ends them. */
void pl_find_only(struct pl_find *f, const char *const *fields);
/* Return only what no failover takes back. */
void pl_find_majority(struct pl_find *f);
/* {key: {$type: type}} */
void pl_find_type(struct pl_find *f, const char *key, int type);
/* The next document, good until the next call; false at the end and after a failure. */
bool pl_find_row(struct pl_find *f, const bson_t **doc);
/* Frees it; PL_OK: all rows came. */
enum pl_err pl_find_end(struct pl_find *f) PL_MUST_CHECK;

/* For a cursor of the caller's own: frees it. Returns err, or, if that is PL_OK, how the
 * cursor ended, logged as a failure of `what`; PL_OK: all rows came. */
enum pl_err pl_mongo_cursor_end(struct pl_mongo *s, mongoc_cursor_t *cursor,
    enum pl_err err, const char *what) PL_MUST_CHECK;

/* Insert docs, each regardless of the others. errs: PL_OK; PL_E_CONFLICT: a unique index
 * has it; PL_E_UNAVAILABLE: it may or may not be stored; or why it is not. */
void pl_mongo_insert(struct pl_mongo *s, mongoc_collection_t *into, bson_t **docs,
    size_t count, enum pl_err *errs);
/* Update the one document that selector finds; *matched (may be NULL) counts it. */
enum pl_err pl_mongo_update_one(struct pl_mongo *s, mongoc_collection_t *in,
    const bson_t *selector, const bson_t *update, int64_t *matched) PL_MUST_CHECK;
/* Take these fields (NULL ends them) off all documents that selector finds. */
enum pl_err pl_mongo_unset_all(struct pl_mongo *s, mongoc_collection_t *in,
    const bson_t *selector, const char *const *fields) PL_MUST_CHECK;
/* Delete all that selector finds. */
enum pl_err pl_mongo_delete_many(
    struct pl_mongo *s, mongoc_collection_t *in, const bson_t *selector) PL_MUST_CHECK;

#endif
