/*
 * message: what one user wrote to another; its rules, its JSON, its place in the order.
 *
 *   {"senderId","receiverId","message","_id","createdAt","updatedAt","__v":0
 *    [,"autoReply":{"kind":"llm"|"fallback","inReplyTo":"<_id>"}]
 *    [,"editedAt"] [,"deletedAt"]}
 *
 * The text of a message that was edited is the latest one, of a deleted one it is "".
 * Each change of a message is later than the one before it: of two that tell of one
 * message, who keeps the later one is right.
 *
 * Order within a conversation is (createdAt, _id) everywhere: live, replay and history.
 * Threads: any.
 */
#ifndef PL_MODEL_MESSAGE_H
#define PL_MODEL_MESSAGE_H

#include "base/json.h"
#include "base/json_out.h"
#include "base/oid.h"
#include "model/invalid.h"

#define PL_MESSAGE_F_ID "_id"
/* An automatic reply to a BUSY user's message is due this long after its createdAt. */
#define PL_REPLY_WITHIN_MS 10000

#define PL_MESSAGE_F_SENDER      "senderId"
#define PL_MESSAGE_F_RECEIVER    "receiverId"
#define PL_MESSAGE_F_TEXT        "message"
#define PL_MESSAGE_F_CREATED_AT  "createdAt"
#define PL_MESSAGE_F_UPDATED_AT  "updatedAt"
#define PL_MESSAGE_F_VERSION     "__v"
#define PL_MESSAGE_F_AUTO_REPLY  "autoReply"
#define PL_MESSAGE_F_EDITED_AT   "editedAt"
#define PL_MESSAGE_F_DELETED_AT  "deletedAt"
#define PL_MESSAGE_F_KIND        "kind"
#define PL_MESSAGE_F_IN_REPLY_TO "inReplyTo"

enum pl_reply_kind { PL_REPLY_NONE, PL_REPLY_LLM, PL_REPLY_FALLBACK };

const char *pl_reply_kind_name(
    enum pl_reply_kind kind); /* "llm", "fallback"; NULL for none */
bool pl_reply_kind_parse(struct pl_str text, enum pl_reply_kind *out);

struct pl_message {
	struct pl_oid id;
	struct pl_oid sender;
	struct pl_oid receiver;
	char *text; /* owned, text_len bytes of valid UTF-8 and a NUL */
	size_t text_len;
	int64_t created_unix_ms;
	int64_t updated_unix_ms;
	int64_t edited_unix_ms;  /* 0: never */
	int64_t deleted_unix_ms; /* 0: it is there; else text is "" */
	enum pl_reply_kind reply_kind;
	struct pl_oid in_reply_to; /* if reply_kind is not PL_REPLY_NONE */
};

/* When it was last edited or deleted; 0: never. */
static inline int64_t
pl_message_changed(const struct pl_message *m)
{
	return m->deleted_unix_ms != 0 ? m->deleted_unix_ms : m->edited_unix_ms;
}

void pl_message_fini(struct pl_message *m);
/* A fresh message: id and times set, text copied. */
void pl_message_init(struct pl_message *m, const struct pl_oid *sender,
    const struct pl_oid *receiver, struct pl_str text, int64_t now_unix_ms);

/* {"message": text} of a send: 1..text_bytes_max bytes, something visible in them, kept
 * as it came. *text is borrowed from body. */
enum pl_err pl_message_parse(const struct pl_json *body, size_t text_bytes_max,
    struct pl_str *text, struct pl_invalid *why) PL_MUST_CHECK;

/* What most take without the text: for who reserves room. */
#define PL_MESSAGE_JSON_BYTES 260
void pl_message_write(struct pl_json_out *o, const struct pl_message *m);

/* A place in the order, from which pages and recovery go on. */
struct pl_message_pos {
	int64_t created_unix_ms;
	struct pl_oid id;
};

/* As memcmp(). */
static inline int
pl_message_pos_compare(const struct pl_message_pos *a, const struct pl_message_pos *b)
{
	if (a->created_unix_ms != b->created_unix_ms)
		return a->created_unix_ms < b->created_unix_ms ? -1 : 1;
	return pl_oid_compare(&a->id, &b->id);
}

/* The place of a message's change in the order in which its two hear of things: when it
 * was, and an id that no message has. */
struct pl_message_pos pl_message_change_pos(
    const struct pl_oid *id, int64_t changed_unix_ms);

/* As a recovery offset and page cursor: "<created, hex>-<id, hex>", at most
 * PL_MESSAGE_POS_LEN characters. Parse is strict and takes any bytes. */
#define PL_MESSAGE_POS_LEN 41
void pl_message_pos_format(
    const struct pl_message_pos *pos, char out[PL_MESSAGE_POS_LEN + 1]);
bool pl_message_pos_parse(struct pl_str text, struct pl_message_pos *out);

#endif
