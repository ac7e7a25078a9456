/*
 * index_there: the indexes that a collection has already, whoever made them, and what
 * each is good for. An index is the document that listIndexes gives of it:
 *
 *   {key: {username: 1}, name: "username_1" [, unique] [, sparse] [, partialFilterExpression]
 *    [, collation]}
 *
 * Only store/ uses it.  Threads: the session's.
 */
#ifndef PL_STORE_MONGO_INDEX_THERE_H
#define PL_STORE_MONGO_INDEX_THERE_H

#include "store/mongo/session.h"

struct pl_indexes {
	bson_t **items;
	size_t count;
};

/* A collection that is not there has none. The caller finis *out, also on failure. */
enum pl_err pl_indexes_read(
    struct pl_mongo *s, mongoc_collection_t *of, struct pl_indexes *out) PL_MUST_CHECK;
void pl_indexes_fini(struct pl_indexes *list);

bool pl_index_is_named(const bson_t *index, const char *name);
/* Is it over exactly these keys (NULL ends them), all ascending? */
bool pl_index_is_over(const bson_t *index, const char *const *keys);
/* Does it hold every document, ordered byte by byte? */
bool pl_index_is_whole(const bson_t *index);
bool pl_index_is_partial(const bson_t *index);
/*
 * Does it refuse a second user of any username that is a string? Sparse or not; also
 * partial, if its filter leaves out no string that can be a username: by {$exists: true},
 * {$type: "string"} (also in a list of types), {$gt: ""} or {$gte: ""}.
 */
bool pl_index_keeps_usernames_apart(const bson_t *index);
/* Is its collation the one that our finds have (the collection's; NULL: none), so that
 * looking up a username can use the index? */
bool pl_index_has_collation(const bson_t *index, const bson_t *collation);
/* The field without which it refuses a second user; NULL: it refuses none for that. */
const char *pl_index_field_wanted(const bson_t *index);

#endif
