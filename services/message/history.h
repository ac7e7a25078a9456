/*
 * history: GET /api/messages/:id, the conversation of the caller with :id, oldest first.
 *
 *   ?limit=1..200             the last ones
 *   ?limit=..&before=<_id>    the last ones before that message
 *   ?limit=..&after=<_id>     the first ones after it
 *   (no limit)                all of them, written out page by page
 *
 * With a limit, Link names the neighbouring pages that exist: rel="prev" the older,
 * rel="next" the newer one.  Threads: the loop's.
 */
#ifndef MESSAGE_HISTORY_H
#define MESSAGE_HISTORY_H

#include "http/request.h"

#define HISTORY_LIMIT_MAX   200
#define HISTORY_PAGE_COUNT  200 /* messages read at once */
#define HISTORY_SMALL_COUNT 50  /* may be read on the loop; what a front end asks for */

void message_history_get(struct pl_request *rq);

#endif
