/*
 * export: GET /api/auth/export, all that is the caller's, as one JSON document:
 *
 *   {"user": {profile, "statusNote"?, "createdAt", "updatedAt", "gender"},
 *    "messages": [every one that they wrote or got, in order],
 *    "blocks": [user, ...],
 *    "readMarks": [{"userId", "readUpTo": "<_id>"|null, "deliveredUpTo": "<_id>"|null}, ...]}
 *
 * It is written piece by piece (http/long_read), so that a long one takes no more memory
 * than a short one, and counts as a long read of its user. Who has one under way waits
 * for its end: 429; and so does who had LIMIT_EXPORTS_PER_HOUR of them. If the store
 * fails in the middle the connection is cut: what came is no JSON.  Threads: the loop's.
 */
#ifndef AUTH_EXPORT_H
#define AUTH_EXPORT_H

#include "http/request.h"

void auth_export_start(void);
void auth_export_stop(void);
void auth_export_get(struct pl_request *rq);

#endif
