/*
 * last_use: when sessions were last used, as far as this process knows, and whether they
 * have been idle for too long (SESSION_IDLE_SECONDS).
 *
 *   issued          told the store          used                      over, if nobody
 *     |-------------------|------------------|···· limit ················| used it elsewhere
 *                         |--- step ---|     a use from here on is told to the store
 *
 * The truth is in the store, seen of auth/session_list.h, for all processes. It is told
 * of a use only if it was not told of one for a step, so it may be a step behind. A
 * process asks it only if the uses that it knows of itself would not do. A session that
 * no list has was last used when its token was issued: nobody keeps anything else of it.
 *
 * A few bytes are kept of each session that was used within a step.  Pure.  Threads: the
 * loop's.
 */
#ifndef PL_SESSION_LAST_USE_H
#define PL_SESSION_LAST_USE_H

#include "auth/session_list.h"
#include "base/map.h"

#define PL_LAST_USE_STEP_MAX_S 3600
#define PL_LAST_USE_KNOWN_MS                                                             \
	5000 /* how long an answer of the store is good for a refusal */

enum pl_last_use_verdict {
	PL_LAST_USE_GOOD,
	PL_LAST_USE_OVER,
	PL_LAST_USE_ASK, /* the store, for its list: then pl_last_use_learn() */
};

struct pl_last_use {
	int64_t limit_s;    /* 0: none, and all are good */
	struct pl_map uses; /* by token id */
	int64_t forget_mono_ms;
};

void pl_last_use_init(struct pl_last_use *l, int64_t limit_s);
void pl_last_use_fini(struct pl_last_use *l);
/* A twentieth of the limit, at least a second and at most an hour. */
int64_t pl_last_use_step_s(int64_t limit_s);

enum pl_last_use_verdict pl_last_use_judge(const struct pl_last_use *l,
    const struct pl_jwt_claims *claims, int64_t now_unix_s, int64_t now_mono_ms);
/* What the store has of the claims' user. */
void pl_last_use_learn(struct pl_last_use *l, const struct pl_jwt_claims *claims,
    const struct pl_session_list *list, int64_t now_mono_ms);
/* The session is used now. True: the store has to be told. */
bool pl_last_use_note(struct pl_last_use *l, const struct pl_jwt_claims *claims,
    int64_t now_unix_s, int64_t now_mono_ms);
/* The store could not be told: it is to be told at the next use. */
void pl_last_use_untold(struct pl_last_use *l, const uint8_t token_id[PL_JWT_ID_LEN]);
/* When a token is over whose session no list has; INT64_MAX: one has it, or there is no
 * limit. */
int64_t pl_last_use_end_unix_s(
    const struct pl_last_use *l, const struct pl_jwt_claims *claims);
/* Drop what says nothing any more, once a minute. */
void pl_last_use_forget(struct pl_last_use *l, int64_t now_mono_ms);

#endif
