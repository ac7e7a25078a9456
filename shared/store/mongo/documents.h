/*
 * documents: the documents of the collections, as mongoose has them, and what we
 * add to them. Names of fields are the model's (PL_USER_F_*, PL_MESSAGE_F_*) and these.
 *
 *   users        {_id, fullName, username, password, gender, profilePic, status, createdAt,
 *                 updatedAt, __v [, statusNote] [, parleyPeople: {name, words}]
 *                 [, parleyDisabled: true] [, parleyGivenPic]}
 *                 [, parleyBlocks: true]}   blocks.h
 *   messages     {_id, senderId, receiverId, message, createdAt, updatedAt, __v
 *                 [, autoReply: {kind, inReplyTo}]
 *                 [, editedAt] [, deletedAt] [, changedAt: the later of both]
 *                 [, idemKey: "<senderId>:<key>", idemUntil [, idemText: <bytes>]]
 *                 [, replyJob: {deadline, leaseUntil, attempt [, trace]}]   until it is done}
 *   revocations  {_id: <token id>, userId, createdAt, expiresAt [, issuedAt]}
 *   parley_sessions  {_id: <user id>, mark, expiresAt, live: <bytes>, version [, changedAt]}
 *   parley_correspondents  correspondents.h
 *   parley_invites         invites.c
 *   parley_avatars   {_id: <user id>, type: "image/png", bytes}
 *   parley_blocks          blocks.h
 *   parley_erasures  {_id: <user id>, notedAt, dueAt (until it is done), stage, worker, leaseUntil
 *                     [, at: {receiver, createdAt, id}] [, doneAt]}   erase.c
 *
 * Reading takes what any program may have stored: unknown fields are passed over, missing
 * optional ones get a default, and a document without a required one is refused. Every
 * value is written by its type; a client's text is never a key or an operator.
 * Threads: any.
 */
#ifndef PL_STORE_MONGO_DOCUMENTS_H
#define PL_STORE_MONGO_DOCUMENTS_H

#include <bson/bson.h>

#include "store/store.h"

#define PL_MONGO_USERS       "users"
#define PL_MONGO_MESSAGES    "messages"
#define PL_MONGO_REVOCATIONS "revocations"
#define PL_MONGO_SESSIONS    "parley_sessions" /* "sessions" is connect-mongo's */
#define PL_MONGO_INVITES     "parley_invites"
#define PL_MONGO_AVATARS     "parley_avatars"
#define PL_MONGO_ERASURES    "parley_erasures"

#define PL_MONGO_F_IDEM_KEY     "idemKey"
#define PL_MONGO_F_IDEM_UNTIL   "idemUntil"
#define PL_MONGO_F_FIRST_TEXT   "idemText"
#define PL_MONGO_F_JOB          "replyJob"
#define PL_MONGO_F_DEADLINE     "deadline"
#define PL_MONGO_F_LEASE_UNTIL  "leaseUntil"
#define PL_MONGO_F_ATTEMPT      "attempt"
#define PL_MONGO_F_TRACE        "trace"
#define PL_MONGO_F_USER         "userId"
#define PL_MONGO_F_EXPIRES_AT   "expiresAt"
#define PL_MONGO_F_ISSUED_AT    "issuedAt"
#define PL_MONGO_F_CHANGED_AT   "changedAt"
#define PL_MONGO_F_MARK         "mark"
#define PL_MONGO_F_LIVE         "live"
#define PL_MONGO_F_LIST_VERSION "version"
#define PL_MONGO_F_PEOPLE       "parleyPeople"
#define PL_MONGO_F_DISABLED     "parleyDisabled"
#define PL_MONGO_F_GIVEN_PIC    "parleyGivenPic"
#define PL_MONGO_F_TYPE         "type"
#define PL_MONGO_F_BYTES        "bytes"
#define PL_MONGO_F_NOTED_AT     "notedAt"
#define PL_MONGO_F_DUE_AT       "dueAt"
#define PL_MONGO_F_DONE_AT      "doneAt"
/* Paths into subdocuments. */
#define PL_MONGO_P_IN_REPLY_TO  PL_MESSAGE_F_AUTO_REPLY "." PL_MESSAGE_F_IN_REPLY_TO
#define PL_MONGO_P_PEOPLE_NAME  PL_MONGO_F_PEOPLE ".name"
#define PL_MONGO_P_PEOPLE_WORDS PL_MONGO_F_PEOPLE ".words"
#define PL_MONGO_P_DEADLINE     PL_MONGO_F_JOB "." PL_MONGO_F_DEADLINE
#define PL_MONGO_P_LEASE_UNTIL  PL_MONGO_F_JOB "." PL_MONGO_F_LEASE_UNTIL
#define PL_MONGO_P_ATTEMPT      PL_MONGO_F_JOB "." PL_MONGO_F_ATTEMPT
#define PL_MONGO_P_TRACE        PL_MONGO_F_JOB "." PL_MONGO_F_TRACE

/* BSON's numbers of types, for $type. */
enum {
	PL_MONGO_T_STRING = 2,
	PL_MONGO_T_ARRAY = 4,
	PL_MONGO_T_OID = 7,
	PL_MONGO_T_DATE = 9,
};

/* ---- values, by their type ---- */
void pl_mongo_put_oid(bson_t *doc, const char *key, const struct pl_oid *oid);
void pl_mongo_put_str(bson_t *doc, const char *key, struct pl_str text);
void pl_mongo_put_time(bson_t *doc, const char *key, int64_t unix_ms);
void pl_mongo_put_int(bson_t *doc, const char *key, int32_t value);
/* {key: {op: time}}; op: "$lte" and the like. */
void pl_mongo_put_bound(bson_t *doc, const char *key, const char *op, int64_t unix_ms);
/* {key: {$type: type}} */
void pl_mongo_put_type(bson_t *doc, const char *key, int type);
/* {key: {$in: ids}} */
void pl_mongo_put_in(
    bson_t *doc, const char *key, const struct pl_oid *ids, size_t count);
/* False if the field is absent or of another type. */
bool pl_mongo_get_oid(const bson_t *doc, const char *key, struct pl_oid *out);
/* Borrowed from doc; U+FFFD in place of bytes that are not UTF-8. */
bool pl_mongo_get_str(const bson_t *doc, const char *key, struct pl_str *out);
bool pl_mongo_get_time(const bson_t *doc, const char *key, int64_t *out);
/* key may lead into subdocuments, by dots. */
bool pl_mongo_get_int(const bson_t *doc, const char *key, int64_t *out);

/* An ObjectId begins with the time of its making. */
int64_t pl_mongo_time_of(const struct pl_oid *id);

/* ---- whole documents ---- */

/* False, and nothing to fini: it has no _id or no username of the right type. */
bool pl_mongo_user_read(const bson_t *doc, struct pl_user *out);
/* The same of a document that has at least the fields which these names list. */
extern const char *const pl_mongo_user_state_fields[];
bool pl_mongo_user_state_read(const bson_t *doc, struct pl_user_state *out);
void pl_mongo_user_write(bson_t *doc, const struct pl_user *user);
/* Only the field by which user is found (people.c). Whoever writes a name writes it, too. */
void pl_mongo_people_write(bson_t *doc, const struct pl_user *user);
/* Has the operator disabled the user? */
bool pl_mongo_disabled_read(const bson_t *doc);
/* AVAILABLE if there is no status, or one that we do not know. */
enum pl_status pl_mongo_user_status_read(const bson_t *doc);

/* False, and nothing to fini: an id, the text or createdAt is missing or of another type. */
bool pl_mongo_message_read(const bson_t *doc, struct pl_message *out);
/* Without idemKey and replyJob. */
void pl_mongo_message_write(bson_t *doc, const struct pl_message *m);
/* attempt: claims until now. No lease is in force. */
void pl_mongo_job_write(
    bson_t *doc, int64_t deadline_unix_ms, int32_t attempt, const struct pl_trace *trace);
/* False if it has no job. */
bool pl_mongo_job_read(const bson_t *doc, int64_t *deadline_unix_ms, int64_t *attempt,
    struct pl_trace *trace);

/* A filter, as $nor and by type: only documents from which a message can be read. */
void pl_mongo_put_readable(bson_t *filter);

bool pl_mongo_revocation_read(const bson_t *doc, struct pl_revocation *out);
void pl_mongo_revocation_write(bson_t *doc, const struct pl_revocation *r);

/* False, and nothing to fini: it is no picture. */
bool pl_mongo_avatar_read(const bson_t *doc, struct pl_avatar *out);
/* Without _id. */
void pl_mongo_avatar_write(bson_t *doc, const struct pl_avatar *avatar);

/* False: it is none of ours. */
bool pl_mongo_invite_read(const bson_t *doc, struct pl_invite *out);
void pl_mongo_invite_write(bson_t *doc, const struct pl_invite *invite);

/* False: it is none of ours. */
bool pl_mongo_list_read(const bson_t *doc, struct pl_session_list *out);
/* Without _id. */
void pl_mongo_list_write(bson_t *doc, const struct pl_session_list *l, int64_t version);

#endif
