/*
 * store_records: all that a store keeps, record by record, to copy it from one back end
 * to another. A record is copied as it is, with its id and its times. Expired ones (keys
 * after 24 h, revocations of expired tokens, invites) are not copied. Nobody else should
 * write meanwhile.
 *
 *   kind         is known by           and may not collide with another in
 *   user         id                    username
 *   message      id                    inReplyTo
 *   idem         sender, key
 *   job          message
 *   revocation   token id
 *   sessions     user
 *   marks        user, other
 *   invite       code id
 *   avatar       user
 *   block        user, other
 *   erasure      user
 *
 * A message's idem and job can only come after it, and so do the marks of its two; an
 * avatar after its user. What a message says of who writes to whom is not copied: storing
 * the message tells it anew. See store.h for failures and threads.
 */
#ifndef PL_STORE_STORE_RECORDS_H
#define PL_STORE_STORE_RECORDS_H

#include "auth/first_text.h"
#include "store/store.h"

enum pl_record_kind { /* in the order to copy them */
	PL_RECORD_USER,
	PL_RECORD_MESSAGE,
	PL_RECORD_IDEM,
	PL_RECORD_JOB,
	PL_RECORD_REVOCATION,
	PL_RECORD_SESSIONS,
	PL_RECORD_MARKS,
	PL_RECORD_INVITE,
	PL_RECORD_AVATAR,
	PL_RECORD_BLOCK,
	PL_RECORD_ERASURE,
	PL_RECORD_KINDS,
};

const char *pl_record_kind_name(enum pl_record_kind kind); /* "users" */

enum pl_record_outcome {
	PL_RECORD_ADDED,
	PL_RECORD_SAME,    /* was there, equal in all that this back end keeps */
	PL_RECORD_DIFFERS, /* something else is in its place: left as it was */
};

/* An Idempotency-Key and the message that was stored under it. */
struct pl_record_idem {
	struct pl_oid sender;
	struct pl_oid message;
	char *key; /* owned */
	int64_t created_unix_ms;
	struct pl_first_text first_text; /* of a message that has changed */
};

/* A reply that is owed; no lease is in force on it. */
struct pl_record_job {
	struct pl_oid message;
	int64_t deadline_unix_ms;
	int64_t attempt; /* claims until now */
	struct pl_trace trace;
};

/* How far user has come in the conversation with other; no record if neither mark is set.
 * An import adds it if the user has no mark there yet. */
struct pl_record_marks {
	struct pl_oid user;
	struct pl_oid other;
	struct pl_message_pos read; /* created_unix_ms 0: none */
	struct pl_message_pos delivered;
};

/* An erasure that is not done (store_erase.h); in the copy it begins anew. */
struct pl_record_erasure {
	struct pl_oid user;
	int64_t noted_unix_ms;
};

struct pl_record {
	enum pl_record_kind kind;
	enum pl_record_outcome outcome; /* of an import */
	union {
		struct pl_user user;
		struct pl_message message;
		struct pl_record_idem idem;
		struct pl_record_job job;
		struct pl_revocation revocation;
		struct pl_session_list *sessions; /* owned */
		struct pl_record_marks marks;
		struct pl_invite invite;
		struct pl_avatar avatar;
		struct pl_block block;
		struct pl_record_erasure erasure;
	} u;
};

struct pl_record_list {
	struct pl_record *items;
	size_t count;
};
void pl_record_list_fini(struct pl_record_list *list);

/* At most limit records of a kind, after the last one of the page before (NULL: from the
 * start), in an order of this back end's own. Fewer than limit: there are no more. */
enum pl_err pl_store_export(struct pl_store *s, enum pl_record_kind kind,
    const struct pl_record *after, size_t limit,
    struct pl_record_list *out) PL_MUST_CHECK;
/* Store those of count records of one kind that are missing, and say of each what became
 * of it. */
enum pl_err pl_store_import(
    struct pl_store *s, struct pl_record *records, size_t count) PL_MUST_CHECK;
/* Does old have all that new has? Compares what both back ends keep. */
bool pl_record_is_same(const struct pl_record *old, const struct pl_record *fresh);

#endif
