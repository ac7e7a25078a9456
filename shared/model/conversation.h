/*
 * conversation: what a user sees of all that they and one other wrote to each other; its
 * JSON.
 *
 *   {"user":{user, "statusNote"?}, "lastMessage":{message}|null, "unread":0..100,
 *    "readUpTo":"<_id>"|null, "theirReadUpTo":"<_id>"|null, "theirDeliveredUpTo":"<_id>"|null}
 *
 * A mark says how far one has come: all messages up to that one, in the order of
 * messages, are read or delivered. It only moves forward, and what is read is
 * delivered.  Threads: any.
 */
#ifndef PL_MODEL_CONVERSATION_H
#define PL_MODEL_CONVERSATION_H

#include "base/json.h"
#include "model/invalid.h"
#include "model/message.h"
#include "model/user.h"

#define PL_CONVERSATION_F_USER            "user"
#define PL_CONVERSATION_F_LAST            "lastMessage"
#define PL_CONVERSATION_F_UNREAD          "unread"
#define PL_CONVERSATION_F_READ            "readUpTo"
#define PL_CONVERSATION_F_THEIR_READ      "theirReadUpTo"
#define PL_CONVERSATION_F_THEIR_DELIVERED "theirDeliveredUpTo"

#define PL_MARK_F_UP_TO "upTo"

#define PL_UNREAD_MAX 100 /* as many or more */

/* created_unix_ms 0: there is none. */
struct pl_conversation {
	struct pl_user user; /* the other */
	bool has_last;
	struct pl_message last;
	unsigned unread;                       /* written by the other, beyond read */
	struct pl_message_pos read;            /* how far the one who asks has read */
	struct pl_message_pos their_read;      /* how far the other has */
	struct pl_message_pos their_delivered; /* what reached a client of the other's */
};

/* {"upTo": "<_id>"}, of a mark; body may be anything. False, and why, if it is something
 * else. */
bool pl_mark_parse(const struct pl_json *body, struct pl_oid *up_to,
    struct pl_invalid *why) PL_MUST_CHECK;

void pl_conversation_fini(struct pl_conversation *c);
void pl_conversation_write(struct pl_json_out *o, const struct pl_conversation *c);

#endif
