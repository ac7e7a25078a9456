/*
 * change: a message's sender takes back a word, or all of it.
 *
 *   PATCH  /api/messages/message/:id {"message"}    200 message, with editedAt
 *   DELETE /api/messages/message/:id                200 message, with deletedAt and no text; again: the same
 *
 *   403  FORBIDDEN: somebody else wrote it. Of a PATCH also AUTO_REPLY, TOO_LATE
 *   404  MESSAGE_NOT_FOUND        410  DELETED, of a PATCH
 *
 * A PATCH obeys the text's rules, the rate, the quota and the room on the disk as a send
 * does, a DELETE the rate. The sockets of both people get messageUpdated or
 * messageDeleted {message}, but for the one that X-Socket-Id names; the answer waits for
 * the bus, so that what one person does comes in its order.
 * Threads: the loop's.
 */
#ifndef MESSAGE_CHANGE_H
#define MESSAGE_CHANGE_H

#include "http/request.h"

void message_change_patch(struct pl_request *rq);
void message_change_delete(struct pl_request *rq);

#endif
