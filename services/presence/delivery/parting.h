/*
 * parting: when a Socket.IO connection broke, told from the process that saw it to the one
 * to which its client comes back.
 *
 *   parley:left:<pid>   the time (ms) at which the connection of that pid broke; kept for
 *                       PARTING_KEPT_MS; 0: its client ended it for good
 *
 * A process that is killed notes nothing, and while Redis is away nothing is known.
 * Threads: the loop's.
 */
#ifndef PRESENCE_DELIVERY_PARTING_H
#define PRESENCE_DELIVERY_PARTING_H

#include "redis/client.h"

#define PARTING_KEPT_MS     86400000
#define PARTING_PID_MAX     64
#define PARTING_UNKNOWN_AGO INT64_C(-1)

/* The connection of pid broke now, or ended for good. pid: at most PARTING_PID_MAX bytes. */
void parting_note(struct pl_redis *redis, struct pl_str pid, bool is_for_good);
/* A question, of the caller, who zeroes it and sets the first two. */
struct parting_ask {
	void (*on_answer)(void *arg, int64_t ago_ms);
	void *arg;
	struct pl_redis_call call; /* inside */
};

/* How long ago did it? ago_ms, decades if it ended for good, or PARTING_UNKNOWN_AGO; the
 * note is forgotten. on_answer is called once, possibly before this returns. */
void parting_take(struct pl_redis *redis, struct pl_str pid, struct parting_ask *ask);
void parting_cancel(struct parting_ask *ask); /* twice is fine */

#endif
