/*
 * correspondents: who writes with whom, and how far each has come. A collection of our
 * own, parley_correspondents, with one document for each side of a pair; to oneself there
 * is one:
 *
 *   {_id: <12 bytes user, 12 bytes other> [, read: {at, id}] [, delivered: {at, id}]}
 *
 * So all of a user's are one range of the index over _id, and no other index is needed. A
 * mark is the place of a message: its createdAt and _id. `read` counts as delivered, too;
 * only what is delivered beyond it is in `delivered`.
 *
 * A pair is there before its first message is stored, so that no crash hides a
 * conversation. If that fails, the message is stored all the same; the next one, or the
 * fill (fill.h), repairs it. A session remembers the pairs that it has seen there: a
 * message after the first adds neither a read nor a write.
 * Only store/ uses it.  Threads: the session's.
 */
#ifndef PL_STORE_MONGO_CORRESPONDENTS_H
#define PL_STORE_MONGO_CORRESPONDENTS_H

#include "store/mongo/query.h"

#define PL_MONGO_CORRESPONDENTS "parley_correspondents"
#define PL_MONGO_F_READ         "read"
#define PL_MONGO_F_DELIVERED    "delivered"
/* Of a mark. */
#define PL_MONGO_F_AT "at"
#define PL_MONGO_F_ID "id"

/* Its bytes are the _id. */
struct pl_pair {
	struct pl_oid user;
	struct pl_oid other;
};
_Static_assert(sizeof(struct pl_pair) == 2 * PL_OID_LEN, "a pair has no padding");

void pl_pair_put(bson_t *doc, const char *key, const struct pl_pair *pair);
/* By its _id. False: the document is of no pair. */
bool pl_pair_get(const bson_t *doc, struct pl_pair *out);

/* Both sides of each pair are there afterwards; those that the session knows to be there
 * are not looked at. *added (may be NULL) counts the documents that were not there. */
enum pl_err pl_pairs_note(struct pl_mongo *s, const struct pl_pair *pairs, size_t count,
    size_t *added) PL_MUST_CHECK;
/* The same before messages that are about to be stored, and that must not fail because of
 * it: what goes wrong is logged, and left to the next message of the pair, or to the
 * fill. */
void pl_pairs_expect(struct pl_mongo *s, const struct pl_pair *pairs, size_t count);
/* The session knows no pairs from here on. */
void pl_pairs_forget(struct pl_mongo *s);

/* The others of user with an id above after (NULL: from the start), at most limit, by id. */
enum pl_err pl_pairs_others(struct pl_mongo *s, const struct pl_oid *user,
    const struct pl_oid *after, size_t limit, struct pl_oid *others,
    size_t *count) PL_MUST_CHECK;

/* False: doc is of no pair. Marks that are not set are 0; delivered is never before read. */
bool pl_marks_read(const bson_t *doc, struct pl_record_marks *out);
/* marks: user and other are given; the marks are filled in, 0 if there is no document.
 * *is_there (may be NULL): there was one at least. */
enum pl_err pl_marks_of(struct pl_mongo *s, struct pl_record_marks *marks, size_t count,
    bool *is_there) PL_MUST_CHECK;
/* {key: {at, id}} */
void pl_mark_put(bson_t *doc, const char *key, const struct pl_message_pos *mark);

#endif
