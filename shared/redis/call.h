/*
 * call: a question to Redis that its owner holds, and may take back at any time.
 *
 *          pl_redis_command(), pl_redis_eval()
 *   IDLE ---------------------------------------> WAITING
 *    ^   <--- answered: on_done, once a command ---   |
 *    +------- pl_redis_call_cancel(): nothing --------+
 *
 * An owner embeds it, and cancels it before it frees itself: then nothing comes after it went.
 * Several commands may be on their way for one call; on_done comes once for each, as
 * Redis answers it, and the last one leaves the call idle.
 *
 *   when        From the loop, never before the call that sent the command has returned; only
 *               pl_redis_free() answers from within itself, with PL_E_CANCELLED.
 *   deadline    The connection's (struct pl_redis_config): when it passes, the connection is
 *               given up, and all that waits hears PL_E_TIMEOUT.
 *   cancel      Silent, for the owner knows. What was sent is carried out all the same: a cancel
 *               takes back the ear, not the word.
 *   on_done     May free its owner, cancel, and send again with the same call: the call is not
 *               looked at any more once on_done has begun.
 *
 * Threads: the loop's.
 */
#ifndef PL_REDIS_CALL_H
#define PL_REDIS_CALL_H

#include "base/err.h"
#include "base/list.h"

struct redisReply;

/*
 * reply is borrowed, and NULL unless Redis answered:
 *
 *   PL_OK             reply is what it said
 *   PL_E_IO           Redis refused: reply is its error, "-OOM ..."
 *   PL_E_UNAVAILABLE  there was no connection, or it broke; or too much waited to be sent
 *   PL_E_TIMEOUT      Redis did not answer in time
 *   PL_E_CANCELLED    pl_redis_free()
 *
 * After any but the first two nobody knows whether Redis carried the command out.
 */
typedef void pl_redis_on_done(void *arg, enum pl_err err, const struct redisReply *reply);

struct pl_redis_call {
	pl_redis_on_done *on_done;
	void *arg;
	struct pl_list flights; /* inside: what is on its way */
};

void pl_redis_call_init(struct pl_redis_call *call, pl_redis_on_done *on_done, void *arg);
/* Idle from now on. Twice is fine, and so is one that is all zero. */
void pl_redis_call_cancel(struct pl_redis_call *call);
bool pl_redis_call_is_waiting(const struct pl_redis_call *call);

/* ---- for who carries commands: redis, redis_script, bus_local ---- */

/* One command on its way for a call, or for nobody. */
struct pl_redis_flight {
	struct pl_redis_call *call; /* NULL: nobody waits for it, or not any more */
	struct pl_list link;
};

void pl_redis_flight_start(struct pl_redis_flight *f, struct pl_redis_call *call);
/* Tell the call, if there still is one. f is not looked at once on_done has begun. */
void pl_redis_flight_land(
    struct pl_redis_flight *f, enum pl_err err, const struct redisReply *reply);

#endif
