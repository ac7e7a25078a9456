/*
 * call: a question to Redis that its owner holds, and may take back at any time.
 *
 *          pl_redis_command(), pl_redis_eval()
 *   IDLE ---------------------------------------> WAITING
 *    ^   <--- answered: on_done, once a command ---   |
 *    +------- pl_redis_call_cancel(): nothing --------+
 *
 * An owner embeds it, and cancels it before it frees itself: no callback comes after
 * that. Several commands may be on their way for one call; on_done comes once for each,
 * when Redis answers it, and the call is idle after the last one.
 *
 *   when        From the loop, never before the call that sent the command has returned; only
 *               pl_redis_free() answers from within itself, with PL_E_CANCELLED.
 *   deadline    The connection's (struct pl_redis_config): when it passes, the connection is
 *               given up, and all calls that wait get PL_E_TIMEOUT.
 *   cancel      on_done does not come. Redis carries out what was sent all the same: a cancel
 *               takes back the question, not the command.
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
 * After any other than the first two, Redis may or may not have carried the command out.
 */
typedef void pl_redis_on_done(void *arg, enum pl_err err, const struct redisReply *reply);

struct pl_redis_call {
	pl_redis_on_done *on_done;
	void *arg;
	struct pl_list flights; /* inside: what is on its way */
};

void pl_redis_call_init(struct pl_redis_call *call, pl_redis_on_done *on_done, void *arg);
/* Idle from now on. Calling it twice is fine, and so is a call that is all zero. */
void pl_redis_call_cancel(struct pl_redis_call *call);
bool pl_redis_call_is_waiting(const struct pl_redis_call *call);

/* ---- for those who carry commands: redis/client, redis/script, bus_local ---- */

/* One command on its way, for a call or for nobody. */
struct pl_redis_flight {
	struct pl_redis_call *call; /* NULL: nobody waits for it, or no longer */
	struct pl_list link;
};

void pl_redis_flight_start(struct pl_redis_flight *f, struct pl_redis_call *call);
/* Tell the call, if there still is one. f is not looked at once on_done has begun. */
void pl_redis_flight_land(
    struct pl_redis_flight *f, enum pl_err err, const struct redisReply *reply);

#endif
