/*
 * ranges: the ends of many ranges of messages, by few commands. A range is one direction
 * of a conversation: one range of the index over pairs.
 *
 * A find gives one range only, and a user may have thousands of correspondents. So one
 * command names up to PL_RANGES_MAX of them, each in a $lookup of its own, whose bounds
 * are constants:
 *
 *   parley_correspondents.aggregate([{$match: {_id: <one document>}},
 *       {$lookup: {from: "messages", let: {}, as: "r0", pipeline: [
 *           {$match: {senderId, receiverId, createdAt, ...}}, {$sort}, {$limit: 1}, ...]}},
 *       {$lookup: ... as: "r1"}, ...])
 *
 * The server walks the index for each, from the end on, whatever stands in other
 * documents. (By
 * $let and $expr a single document with an array for a senderId would turn each into a walk over
 * all messages; and $unionWith, which would need no document to begin with, is not there
 * in the stand-in of the tests.) Only store/ uses it.  Threads: the session's.
 */
#ifndef PL_STORE_MONGO_RANGES_H
#define PL_STORE_MONGO_RANGES_H

#include "store/mongo/correspondents.h"

#define PL_RANGES_MAX 40 /* of one command; MongoDB takes 1,000 stages, and has 1.4 s */

/* The places of the last messages between user and each of others, who are their
 * correspondents; created_unix_ms INT64_MIN: there is none that can be read. */
enum pl_err pl_ranges_last(struct pl_mongo *s, const struct pl_oid *user,
    const struct pl_oid *others, size_t count,
    struct pl_message_pos *lasts) PL_MUST_CHECK;
/* How many messages marks[i].other wrote to marks[i].user after the read mark, up to
 * PL_UNREAD_MAX; of what one writes to oneself nothing is unread. All are correspondents. */
enum pl_err pl_ranges_unread(struct pl_mongo *s, const struct pl_record_marks *marks,
    size_t count, unsigned *unread) PL_MUST_CHECK;
/* The same of one, by a find, whether they are correspondents or not. */
enum pl_err pl_range_unread(struct pl_mongo *s, const struct pl_record_marks *marks,
    unsigned *unread) PL_MUST_CHECK;

#endif
