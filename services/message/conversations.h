/*
 * conversations: with whom the caller writes, the newest last message first, and what
 * waits there unread.
 *
 *   GET /api/conversations?limit=1..100&before=<cursor>    a page; Link: rel="next" names the next
 *   GET /api/conversations/:id                             the one with that user
 *
 * The cursor is the place of a page's last entry, and to clients a word.  Threads: the
 * loop's.
 */
#ifndef MESSAGE_CONVERSATIONS_H
#define MESSAGE_CONVERSATIONS_H

#include "http/request.h"

#define CONVERSATIONS_LIMIT_MAX 100
#define CONVERSATIONS_LIMIT     30 /* if none is given */

void message_conversations_get(struct pl_request *rq);
void message_conversation_get(struct pl_request *rq);

#endif
