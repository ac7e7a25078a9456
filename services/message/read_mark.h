/*
 * read_mark: POST /api/messages/read/:id {"upTo": "<_id>"}: the caller has read the
 * conversation with
 * :id up to that message, whichever of the two wrote it.
 *
 *   200 {"success":true,"upTo":"<_id>","unread":n}    where the mark is now, perhaps further
 *   400 BAD_MESSAGE                                   upTo is no message of the two
 *
 * The mark only moves forward. When it does, :id's sockets get messagesRead, and the
 * caller's others conversationRead. The bus may lose these: the next mark tells as much,
 * and so does GET /api/conversations.  Threads: the loop's.
 */
#ifndef MESSAGE_READ_MARK_H
#define MESSAGE_READ_MARK_H

#include "http/request.h"

#define READ_MARKS_BURST_S   15     /* so many seconds' worth of marks at once */
#define READ_MARKS_USERS_MAX 100000 /* whose rate is remembered at once */

void read_mark_start(void);
void read_mark_stop(void);
void message_read_post(struct pl_request *rq);

#endif
