/*
 * parting: when a Socket.IO connection broke, told from the process that saw it to the
 * one to which its client comes back.
 *
 *   parley:left:<pid>   the time (ms, Redis') at which the connection of that pid broke; kept for
 *                       PARTING_KEPT_MS; 0: its client ended it for good
 *
 * A note is kept little longer than its client may come back, so that who connects and
 * goes without end leaves no more than the notes of that time. Who has none broke before,
 * and is too late, unless
 *
 *   some process has the socket, or was killed just now         delivery/held says so
 *   a process may have seen it break while Redis was away,      delivery/held says since when
 *     or Redis has lost the note                                all is known: PARTING_KEPT_MS ago
 *   the process that had it is of the version before,           delivery/held tells by the id
 *     and does not say what it has
 *
 * Then nothing is known, and the client counts as in time.
 * Threads: the loop's.
 */
#ifndef PRESENCE_DELIVERY_PARTING_H
#define PRESENCE_DELIVERY_PARTING_H

#include "presence/delivery/held.h"

#define PARTING_KEPT_MS     150000 /* above RECOVERY_AWAY_MAX_MS */
#define PARTING_PID_MAX     64
#define PARTING_UNKNOWN_AGO INT64_C(-1)

/* The connection of pid broke now, or ended for good. pid: at most PARTING_PID_MAX bytes.
 * Before held_drop(), so that it is known all the time. */
void parting_note(struct pl_redis *redis, struct pl_str pid, bool is_for_good);
/* A question, of the caller, who zeroes it and sets the first two. */
struct parting_ask {
	void (*on_answer)(void *arg, int64_t ago_ms);
	void *arg;
	struct pl_redis_call call; /* inside */
};

/* How long ago did it? ago_ms, decades if it ended for good or too long ago for a note,
 * or PARTING_UNKNOWN_AGO. socket_id: that of pid, borrowed for now. on_answer is called
 * once, possibly before this returns. */
void parting_find(struct pl_redis *redis, struct pl_str pid, const char *socket_id,
    struct parting_ask *ask);
/* The client of pid is back, and held: held_add() and held_catch_up() come first. */
void parting_forget(struct pl_redis *redis, struct pl_str pid);
void parting_cancel(struct parting_ask *ask); /* twice is fine */

#endif
