/*
 * sessions: which tokens are good. A token is checked by auth/jwt, then against the
 * revoked ones (all unexpired revocations are held in memory: read from the store at
 * start, then told by the bus, and read again after every gap and about every second: who
 * revoked one may have died before the bus had it), then its user must exist (asked of
 * the store, remembered for a few seconds), and its session must not have been idle for
 * too long (session/last_use). A user whom the operator has disabled counts as one who is
 * gone; all their tokens are revoked besides, so that this is known within a second. Of
 * tokens under JWT_SECRET_PREVIOUS only those from before the switch are good; the store
 * keeps its time. Threads: the loop's.
 */
#ifndef PL_SESSION_SESSIONS_H
#define PL_SESSION_SESSIONS_H

#include "bus/events.h"
#include "bus/bus.h"
#include "store/store_async.h"
#include "session/credentials.h"

struct pl_sessions;

enum pl_session_verdict {
	PL_SESSION_OK,
	PL_SESSION_NO_TOKEN,
	PL_SESSION_BAD_TOKEN, /* forged, malformed, revoked, or of a user who is gone */
	PL_SESSION_EXPIRED,   /* by its time, or idle for SESSION_IDLE_SECONDS */
	PL_SESSION_AMBIGUOUS, /* good tokens of two users, and nothing says whose request it is */
	PL_SESSION_UNKNOWN, /* the store did not answer: 503, never a yes */
};

struct pl_sessions *pl_sessions_new(
    struct pl_loop *loop, struct pl_store_async *store, struct pl_bus *bus);
/* Call it after the store was freed: no call to the store may be under way any more. */
void pl_sessions_free(struct pl_sessions *ss);
/* Are all revocations known, and the time of the switch? They are not before the first
 * read, nor long after the last one while the bus is away; then no token passes. For
 * /readyz. */
bool pl_sessions_are_current(const struct pl_sessions *ss);

/* The tokens that this process verified already; the sessions'. */
struct pl_known_tokens *pl_sessions_known_tokens(struct pl_sessions *ss);
/* Check a token. on_verdict is called once, possibly before this returns; claims are NULL
 * unless PL_SESSION_OK. */
void pl_sessions_check(struct pl_sessions *ss, struct pl_str token,
    void (*on_verdict)(
	void *arg, enum pl_session_verdict verdict, const struct pl_jwt_claims *claims),
    void *arg);
/* Whose session do these credentials name? That of the first token that passes the same
 * check; others are passed over. Then its place is searched for a second user. As above;
 * c is copied. */
void pl_sessions_choose(struct pl_sessions *ss, const struct pl_credentials *c,
    void (*on_verdict)(
	void *arg, enum pl_session_verdict verdict, const struct pl_jwt_claims *claims),
    void *arg);
/* Take out of c the tokens that are known to be revoked. */
void pl_sessions_drop_revoked(const struct pl_sessions *ss, struct pl_credentials *c);
/* If user logged out everywhere, the first second whose tokens are good; else 0. A new
 * token is from then or later (pl_jwt_sign()). */
int64_t pl_sessions_valid_after(const struct pl_sessions *ss, const struct pl_oid *user);
/* The store no longer has this user: ask the store again at their next token. */
void pl_sessions_user_is_gone(struct pl_sessions *ss, const struct pl_oid *user);
/* This process just revoked tokens (the store has it): refuse them here and tell the
 * others. */
void pl_sessions_revoked(struct pl_sessions *ss, const struct pl_revocation *r);
/* Is it known that a good token does not count any more? */
bool pl_sessions_refuse(const struct pl_sessions *ss, const struct pl_jwt_claims *claims);
/* The session of these claims, which passed a check, is in use. A check that passes says
 * so itself; a socket has to, at least once in that time (0: no need). */
void pl_sessions_used(struct pl_sessions *ss, const struct pl_jwt_claims *claims);
int64_t pl_sessions_use_step_ms(const struct pl_sessions *ss);
/* When a socket of these claims ends whatever it does. */
int64_t pl_sessions_end_unix_s(
    const struct pl_sessions *ss, const struct pl_jwt_claims *claims);
/* For presence: be told of every revocation, to end the sockets that it refuses. Of those
 * that this process learns of after they were merged r names the user alone, and
 * pl_sessions_refuse() tells which. One listener. */
void pl_sessions_on_revoked(struct pl_sessions *ss,
    void (*on_revoked)(void *arg, const struct pl_revocation *r), void *arg);

#endif
