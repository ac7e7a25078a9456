/*
 * rule: who is online, over all processes.
 *
 *   parley:instances          sorted set: process -> when its lease ends (ms, Redis time); each
 *                             life of a process is one of its own: "p1.3fa94c01"
 *   parley:online:<process>  set of the ids with a live socket there
 *   parley:seen:<id>          exists for ONLINE_TTL after an authenticated request
 *   parley:online-known       "<lost> <epoch>": when what Redis knew of this was last lost (ms),
 *                             0: never; and a word that is another after that
 *
 * A presence process holds a lease, renewed every 5 s for 20 s; when it ends, its users
 * no longer count as online by it. A process that ends in order lets its lease last for
 * as long as its users have to come back elsewhere, and its successor of the same name
 * does not take it over: users who come back in time are online throughout. Each process
 * announces its changes on parley:online, numbered; a gap in the numbers, or a new
 * subscription, makes a listener read the sets again. Ids are 24 hex digits in Redis, so
 * that redis-cli shows them.
 *
 * A process has a second lease, of 6 s, by processes/announcement. Neither can stand for
 * the other: the short one tells the gateway where to send requests, and a process that
 * stalls must lose those at once; the long one says who is online, and a stall that its
 * sockets survive must put nobody offline. This lease also proves more: it is renewed
 * only while Redis holds the process's own set under the number of its last note, and it
 * ends with a note at the drain, when the process still serves and finishes its requests.
 * And every other service has the short lease, and no users.
 * Threads: the loop's.
 */
#ifndef PL_ONLINE_RULE_H
#define PL_ONLINE_RULE_H

#include "base/oid.h"
#include "bus/bus.h"

/* ---- for any service: the online rule ---- */
struct pl_online;

struct pl_online *pl_online_new(
    struct pl_loop *loop, struct pl_redis *redis, struct pl_bus *bus, int64_t ttl_ms);
/* Before the bus and redis are freed; questions that wait are answered. */
void pl_online_free(struct pl_online *o);
/* user made an authenticated request other than a send. Cheap: at most one Redis command
 * a second for a user, and nothing waits for it. */
void pl_online_seen(struct pl_online *o, const struct pl_oid *user);
/* user has just signed up or logged in, and may send at once: on_known is called once
 * Redis knows it, or could not be asked for 600 ms; later than this returns. Then Redis
 * is told when it is back, within a minute, or they would be offline until they ask for
 * something else. A log-out in this process ends that; one in another does not. */
void pl_online_arrived(struct pl_online *o, const struct pl_oid *user,
    void (*on_known)(void *arg), void *arg);
/* user logged out: their last request no longer counts (live sockets of other sessions
 * do). */
void pl_online_logged_out(struct pl_online *o, const struct pl_oid *user);
/* Is user online? A yes may be up to a second old. A no always comes from Redis, asked
 * again 100 ms later, because a question can overtake what another process has just said.
 * If Redis does not answer, or has lost what it knew less than an ONLINE_TTL ago, the
 * answer is yes. on_answer is called once, possibly before this returns. */
void pl_online_ask(struct pl_online *o, const struct pl_oid *user,
    void (*on_answer)(void *arg, bool is_online), void *arg);

#endif
