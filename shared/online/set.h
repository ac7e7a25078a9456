/*
 * set: who is online, for presence: this process' users, and those of all. online/rule.h
 * says where it is in Redis, and how long a process that is gone counts.  Threads: the
 * loop's.
 */
#ifndef PL_ONLINE_SET_H
#define PL_ONLINE_SET_H

#include "base/oid.h"
#include "bus/bus.h"
#include "processes/announcement.h"

#define PL_ONLINE_RENEW_MS 5000
#define PL_ONLINE_LEASE_MS (4 * PL_ONLINE_RENEW_MS)
_Static_assert(PL_ONLINE_LEASE_MS > PL_REDIS_RECONNECT_MOST_MS + 2 * PL_ONLINE_RENEW_MS,
    "a process that lost Redis for a moment is back before its users count as gone");
_Static_assert(PL_ANNOUNCEMENT_LEASE_MS < PL_ONLINE_LEASE_MS,
    "the gateway turns from a dead process before its users count as gone: they come "
    "back");

struct pl_online_set;

/* user, borrowed, came online or went, over all processes. Called while the set is
 * changed, also from pl_online_set_join() and pl_online_set_leave(): it must only note
 * it. */
typedef void pl_online_set_on_change(
    void *arg, const struct pl_oid *user, bool is_online);
struct pl_online_set *pl_online_set_new(struct pl_loop *loop, struct pl_redis *redis,
    struct pl_bus *bus, const char *process, pl_online_set_on_change *on_change,
    void *arg);
void pl_online_set_free(struct pl_online_set *set);
/* The first socket of a user came, or the last one went, on this process. */
void pl_online_set_join(struct pl_online_set *set, const struct pl_oid *user);
void pl_online_set_leave(struct pl_online_set *set, const struct pl_oid *user);
/* The last note of this process (drain): in keep_ms, or at once if that is 0, its present
 * users go offline, unless another process has them. done is called when Redis has taken
 * it, or after 500 ms. */
void pl_online_set_retire(
    struct pl_online_set *set, int64_t keep_ms, void (*done)(void *arg), void *arg);
/* Walk all online users, this process's included, each once: *it starts at 0. */
const struct pl_oid *pl_online_set_next(const struct pl_online_set *set, size_t *it);
bool pl_online_set_has(const struct pl_online_set *set, const struct pl_oid *user);

#endif
