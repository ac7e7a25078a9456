/*
 * adopt: a run of store_adopt.h over a MongoDB, and how a document comes to a new _id.
 *
 *   a message   the new one is stored, then the old one goes: readers never miss it
 *   a user      both forms are stored in parley_adopt, {_id: the old one, old, fresh}; the old one
 *               goes; the new one comes; the entry goes. A username may be there only once.
 *
 * Every step is one write that waits for the journal of a majority, and what was read is
 * checked by the write itself.  Only store/ uses it.  Threads: the session's.
 */
#ifndef PL_STORE_MONGO_ADOPT_H
#define PL_STORE_MONGO_ADOPT_H

#include "store/mongo/query.h"
#include "store/mongo/diagnosis.h"

#define PL_MONGO_HALF_WAY "parley_adopt"

struct adopt {
	struct pl_mongo s;
	mongoc_collection_t *half_way;
	bool is_dry;
	const struct pl_adopt_calls *calls;
	struct pl_adopt_report *report;
	/* updates that are sent together */
	mongoc_bulk_operation_t *bulk;
	struct pl_adopt_tally in_bulk;
};

mongoc_collection_t *pl_adopt_home(struct adopt *a, enum pl_adopt_of of);
/* Do others have doc's new id or username? Then it is no longer mendable. */
enum pl_err pl_adopt_check_free(
    struct adopt *a, struct pl_diagnosis *s, const bson_t *doc) PL_MUST_CHECK;
/* Store doc under its new _id, with all else mended. Not *is_done: it has changed since
 * it was read, or the new _id was taken meanwhile; doc is as it was. */
enum pl_err pl_adopt_move(struct adopt *a, const struct pl_diagnosis *s,
    const bson_t *doc, bool *is_done) PL_MUST_CHECK;
/* Finish what an earlier run left in parley_adopt. */
enum pl_err pl_adopt_finish_half_way(struct adopt *a) PL_MUST_CHECK;
enum pl_err pl_adopt_count_half_way(struct adopt *a, int64_t *out) PL_MUST_CHECK;

#endif
