/*
 * sessions_impl: what the files of sessions share, and nobody else sees.
 *
 *   sessions.c   what is revoked, from the store and the bus; life
 *   check.c      is a token good, and is there such a user
 *   choose.c     which of several tokens counts
 *   uses.c       when a session was last used
 *
 * Threads: the loop's.
 */
#ifndef PL_SESSION_SESSIONS_IMPL_H
#define PL_SESSION_SESSIONS_IMPL_H

#include "base/map.h"
#include "session/last_use.h"
#include "session/revoked.h"
#include "session/sessions.h"

/* The read of revocations, one at a time. */
struct reading {
	struct pl_store_read_call call;
	struct pl_revocation_list list;
	int64_t since_unix_ms;
	int64_t begun_unix_ms;
	int64_t begun_mono_ms;
	uint64_t begun_clock; /* of revoked */
	bool is_under_way;
	bool is_wanted; /* again, once this one is done */
	bool
	    is_behind_bus; /* begun after the bus was ready: nothing lies between the two */
};

/* A call that asks the store when the secrets were switched. It outlives its pl_sessions. */
struct switching {
	struct pl_store_write_call call;
	struct pl_sessions *ss; /* NULL: gone */
};

struct pl_sessions {
	struct pl_loop *loop;
	struct pl_store_async *store;
	struct pl_bus *bus;
	struct pl_bus_listener listener;
	struct pl_timer tick;
	struct pl_known_tokens *known;
	struct pl_revoked revoked;
	struct pl_map users; /* check.c's, whom it knows to exist */
	struct pl_last_use last_use;
	struct pl_list tellings; /* uses.c's, that are under way */
	struct reading reading;
	struct switching *switching; /* NULL: none under way */
	bool switch_is_known;
	int64_t switched_unix_s;
	int64_t read_to_unix_ms;    /* 0: never yet */
	int64_t current_at_mono_ms; /* as of when all revocations were known */
	int64_t read_again_mono_ms; /* though the bus tells all */
	bool bus_is_ready;
	bool bus_tells_all; /* ready, and what came before was read */
	void (*on_revoked)(void *arg, const struct pl_revocation *r);
	void *on_revoked_arg;
};

typedef void pl_verdict_fn(
    void *arg, enum pl_session_verdict verdict, const struct pl_jwt_claims *claims);

/* ---- sessions.c ---- */
/* Are all revocations known, so that a token that is not among them is good? */
bool pl_sessions_know_revocations(const struct pl_sessions *ss);
/* When the secrets were switched is not known yet, and matters for tokens of the previous
 * one. */
bool pl_sessions_needs_switch(const struct pl_sessions *ss);

/* ---- check.c ---- */
/* Check claims, which a verified token holds. */
void pl_sessions_check_claims(struct pl_sessions *ss, const struct pl_jwt_claims *claims,
    pl_verdict_fn *on_verdict, void *arg);
/* That a user exists is remembered for a while only. */
void pl_sessions_users_forget(struct pl_sessions *ss);
void pl_sessions_users_fini(struct pl_sessions *ss);

/* ---- uses.c ---- */
enum pl_last_use_verdict pl_sessions_judge_use(
    const struct pl_sessions *ss, const struct pl_jwt_claims *claims);
void pl_sessions_uses_init(struct pl_sessions *ss);
void pl_sessions_uses_fini(struct pl_sessions *ss);

#endif
