/*
 * set_impl: the inside of struct pl_online_set: set.c speaks for this process,
 * set_processes.c listens to the others.
 *
 *   users      every user who is online, with the number of processes that have them
 *   processes  the other processes; each has a map of its users, into users
 *
 * In Redis, beside what online/rule.h lists: parley:number:<process>, the number of the
 * last note (online/note.h) that its set includes. Set, number and note change in one
 * script, so a reader knows which notes its copy of the set has in it.  Threads: the
 * loop's.
 */
#ifndef PL_ONLINE_SET_IMPL_H
#define PL_ONLINE_SET_IMPL_H

#include "base/buf.h"
#include "base/map.h"
#include "online/set.h"
#include "online/note.h"

#define PL_ONLINE_KEY_PROCESSES "parley:instances"
#define PL_ONLINE_KEY_MAX       (16 + PL_ONLINE_NAME_MAX)

struct pl_online_set_times {
	int64_t lease_ms;
	int64_t renew_ms;
};

struct pl_online_user {
	struct pl_oid user;
	unsigned processes;
	bool is_ours;
};

struct pl_online_set {
	struct pl_loop *loop;
	struct pl_bus *bus;
	struct pl_redis *redis; /* NULL: only this process counts */
	struct pl_online_set_times times;
	pl_online_set_on_change *on_change;
	void *arg;
	struct pl_map users; /* raw id -> struct pl_online_user */
	bool is_closed;      /* pl_online_set_free() has begun */
	/* us */
	char *process;
	char key_set[PL_ONLINE_KEY_MAX + 1];
	char key_number[PL_ONLINE_KEY_MAX + 1];
	size_t own_count;
	uint64_t number; /* of our last note */
	/* Redis has our set, or will have it when the commands sent are done. */
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
	struct pl_map processes; /* name -> struct process */
	/* Until then a process that Redis does not list may still be on its way back. */
	int64_t rejoin_until_mono_ms;
	struct pl_redis_call listing;
	struct pl_redis_script list_script;
	struct pl_redis_script read_script;
};

/* pl_online_set_new() with other times, and with the process' name unchanged. */
struct pl_online_set *pl_online_set_new_timed(struct pl_loop *loop,
    struct pl_redis *redis, struct pl_bus *bus, const char *process,
    struct pl_online_set_times times, pl_online_set_on_change *on_change, void *arg);

/* ---- between the two files ---- */
struct pl_online_user *pl_online_user_add(
    struct pl_online_set *set, const struct pl_oid *user);
void pl_online_user_drop(struct pl_online_set *set, struct pl_online_user *u);
void pl_online_key(
    char out[PL_ONLINE_KEY_MAX + 1], const char *prefix, const char *process);
/* This process's lease and set need a look now. */
void pl_online_set_renew_soon(struct pl_online_set *set);

void pl_online_set_processes_init(struct pl_online_set *set);
void pl_online_set_processes_fini(struct pl_online_set *set);

#endif
