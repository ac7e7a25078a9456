/*
 * session_list: the live sessions of a user, and the mark up to which all others have
 * ended.
 *
 *   issued    10:00   10:05   10:07   10:30   10:31   11:02
 *             ended   LIVE    ended   ended   LIVE    ended
 *                                   ^ mark: 10:08
 *
 * A log-out is noted as a revocation of its token. That is kept for as long as the token
 * could be good, and every process holds it in memory. When a user has more than
 * PL_REVOCATIONS_MAX, the older ones are merged into the mark: a token from before it is
 * refused unless it is in the list. So a live session is never refused by it, whatever
 * its age, and what was merged still is.
 *
 * It holds for tokens that were listed when they were issued (claims.is_listed). A token
 * that is issued after the mark was set is never from before it: pl_session_list_open()
 * moves it on, in the same write that lists it. The list has an end, too: of more than
 * PL_SESSIONS_MAX live sessions the oldest is ended.  Pure.  Threads: any.
 */
#ifndef PL_AUTH_SESSION_LIST_H
#define PL_AUTH_SESSION_LIST_H

#include "auth/revocation.h"

#define PL_SESSIONS_MAX     100
#define PL_REVOCATIONS_MAX  100 /* of listed tokens of a user; beyond it they are merged */
#define PL_REVOCATIONS_LEFT 50  /* the newest, which stay: so not every log-out merges */
#define PL_SESSION_BYTES    (PL_JWT_ID_LEN + 3 * 8)

/* Seconds: a stored time beyond that is none of ours, and sums with it would overflow. */
#define PL_SESSION_TIME_MAX ((int64_t)1 << 40)

struct pl_session {
	uint8_t token_id[PL_JWT_ID_LEN];
	int64_t issued_unix_s;
	int64_t expires_unix_s;
	int64_t seen_unix_s;
};

struct pl_session_list {
	struct pl_oid user;
	int64_t before_unix_s;   /* the mark; 0: none */
	int64_t changed_unix_ms; /* when the store set the mark; 0: never */
	size_t count;
	struct pl_session items[PL_SESSIONS_MAX]; /* by issued, the oldest first */
};

void pl_session_list_init(struct pl_session_list *l, const struct pl_oid *user);
/* Drop what has expired by itself. */
void pl_session_list_expire(struct pl_session_list *l, int64_t now_unix_s);

/* A new session. *issued_unix_s is moved on to the second in which its token may be
 * issued. */
void pl_session_list_open(const struct pl_session_list *l,
    const uint8_t token_id[PL_JWT_ID_LEN], int64_t *issued_unix_s,
    struct pl_session *out);
/* True: the list was full, and *ended is the oldest, which has to be revoked. */
bool pl_session_list_add(struct pl_session_list *l, const struct pl_session *session,
    struct pl_session *ended) PL_MUST_CHECK;
/* The revocation that refuses a session of the list. */
void pl_session_list_revocation(const struct pl_session_list *l,
    const struct pl_session *session, struct pl_revocation *out);
/* What the revocation names has ended; one of all sets the mark, too, so that it spares
 * whoever logs in within the same second. False: it tells nothing new. */
bool pl_session_list_end(struct pl_session_list *l, const struct pl_revocation *r);

/* The session was used then. *is_new: it was not for step_s before it, and the list has
 * to be stored. False: no such session. */
bool pl_session_list_see(struct pl_session_list *l, const uint8_t token_id[PL_JWT_ID_LEN],
    int64_t seen_unix_s, int64_t step_s, bool *is_new) PL_MUST_CHECK;
/* Drop those that were last used before then, but for one. */
void pl_session_list_drop_unused(struct pl_session_list *l, int64_t then_unix_s,
    const uint8_t but_token_id[PL_JWT_ID_LEN]);

/* If count revocations, all that the user has of listed tokens, are too many, merge the
 * older ones. They come first in the array then, and may be dropped once the list is
 * stored; gives how many they are. The mark is never set further ahead than the next
 * second. */
size_t pl_session_list_merge(struct pl_session_list *l, struct pl_revocation *revocations,
    size_t count, int64_t now_unix_s);
/* Is the token from before the mark, and of no live session? */
bool pl_session_list_refuses(
    const struct pl_session_list *l, const struct pl_jwt_claims *claims);
/* When nothing in it matters any more. */
int64_t pl_session_list_expires(const struct pl_session_list *l);

/* The items as bytes, PL_SESSION_BYTES each: token id, issued, expires, seen; big-endian. */
void pl_session_list_pack(const struct pl_session_list *l, struct pl_buf *out);
/* False: they are none, and *l is as it was. */
bool pl_session_list_unpack(struct pl_session_list *l, struct pl_str bytes) PL_MUST_CHECK;

#endif
