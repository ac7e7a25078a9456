/*
 * roster: the inside of struct pl_roster (bus/online.h): roster.c speaks for this instance,
 * roster_peer.c listens to the others.
 *
 *   members   every user who is online, with the number of instances that have him
 *   peers     the other instances; each has a map of its users, into members
 *
 * In Redis, beside what bus/online.h lists: parley:number:<instance>, the number of the last
 * note (roster_note.h) that its set includes. Set, number and note change in one script, so a
 * reader knows which notes its copy of the set has in it.  Threads: the loop's.
 */
#ifndef PL_BUS_ROSTER_H
#define PL_BUS_ROSTER_H

#include "base/buf.h"
#include "base/map.h"
#include "bus/online.h"
#include "bus/roster_note.h"

#define PL_ROSTER_KEY_INSTANCES "parley:instances"
#define PL_ROSTER_KEY_MAX       (16 + PL_ROSTER_NAME_MAX)

struct pl_roster_times {
	int64_t lease_ms;
	int64_t renew_ms;
};

struct pl_roster_member {
	struct pl_oid user;
	unsigned instances;
	bool is_ours;
};

struct pl_roster {
	struct pl_loop *loop;
	struct pl_bus *bus;
	struct pl_redis *redis; /* NULL: we count ourselves alone */
	struct pl_roster_times times;
	pl_roster_on_change *on_change;
	void *arg;
	struct pl_map members; /* raw id -> struct pl_roster_member */
	bool is_closed;        /* pl_roster_free() has begun */
	/* us */
	char *instance;
	char key_set[PL_ROSTER_KEY_MAX + 1];
	char key_number[PL_ROSTER_KEY_MAX + 1];
	size_t own_count;
	uint64_t number; /* of our last note */
	/* Redis has our set, or will once the commands sent are done. */
	bool is_synced;
	bool is_retired;
	struct pl_buf changes; /* not announced yet, as in a note */
	struct pl_timer flush_timer;
	struct pl_timer renew_timer;
	struct pl_timer retire_timer;
	void (*on_retired)(void *arg);
	void *retired_arg;
	struct pl_redis_call sending; /* what Redis is told */
	struct pl_redis_call renewing;
	struct pl_redis_call retiring;
	struct pl_redis_script announce_script;
	struct pl_redis_script renew_script;
	struct pl_redis_script retire_script;
	/* the others */
	struct pl_bus_listener notes;
	struct pl_map peers; /* name -> struct peer */
	/* Until then an instance that Redis does not list may still be on its way back. */
	int64_t trust_mono_ms;
	struct pl_redis_call listing;
	struct pl_redis_script list_script;
	struct pl_redis_script read_script;
};

/* pl_roster_new() with other times, and the instance's name as it is. */
struct pl_roster *pl_roster_new_timed(struct pl_loop *loop, struct pl_redis *redis,
    struct pl_bus *bus, const char *instance, struct pl_roster_times times,
    pl_roster_on_change *on_change, void *arg);

/* ---- between the two files ---- */
struct pl_roster_member *pl_roster_member_add(
    struct pl_roster *r, const struct pl_oid *user);
void pl_roster_member_drop(struct pl_roster *r, struct pl_roster_member *m);
void pl_roster_key(
    char out[PL_ROSTER_KEY_MAX + 1], const char *prefix, const char *instance);
/* This instance's lease and set need a look now. */
void pl_roster_renew_soon(struct pl_roster *r);

void pl_roster_peers_init(struct pl_roster *r);
void pl_roster_peers_fini(struct pl_roster *r);

#endif
