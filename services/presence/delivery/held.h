/*
 * held: which sockets this process has, told to all: a client that comes back where
 * nobody noted that it left (delivery/parting) either was held until just now, or is gone
 * for long.
 *
 *   parley:held          sorted set: life -> when its sockets are forgotten (ms, Redis' time); each
 *                        life of a process has a name of its own: "p1.3fa94c01"
 *   parley:held:<life>   set of the ids of its sockets; it lasts HELD_KEPT_MS after the last word of
 *                        its process, and the life as long after the last renewal
 *   parley:held-since    since when all sockets that are held are in those sets (ms, Redis' time)
 *
 * What comes or goes is told at once; what follows within HELD_GATHER_MS is gathered, and
 * told together: a process that opens 1,000 sockets a second says so a hundred times. A
 * process that is killed in that time takes along what it had gathered.
 *
 * Whoever begins, or comes to Redis again, writes its set anew and moves
 * parley:held-since on: what ended meanwhile, here or by a process that died with Redis,
 * nobody knows. If Redis has not what this process has, that is found within
 * HELD_RENEW_MS.
 *
 * Processes of the version before tell nobody what they have, so socket ids of today are
 * told from theirs: "h" and 22 characters, theirs are the 22 alone. A socket of ours that
 * has come back to one of those is late if that process is killed: during an upgrade, and
 * nothing but the replay is lost.
 * Threads: the loop's.
 */
#ifndef PRESENCE_DELIVERY_HELD_H
#define PRESENCE_DELIVERY_HELD_H

#include "base/map.h"
#include "http/service.h"
#include "presence/hub.h"

#define HELD_KEY       "parley:held"
#define HELD_KEY_SINCE "parley:held-since"
#define HELD_RENEW_MS  5000
/* RECOVERY_AWAY_MAX_MS, in which a client whose process was killed may come back, and one
 * renewal. */
#define HELD_KEPT_MS    125000
#define HELD_LIFE_MAX   (PL_PROCESS_NAME_MAX + 9)
#define HELD_GATHER_MS  10
#define HELD_SAID_MAX   500 /* ids in one command; more are not gathered */
#define HELD_WORD_BYTES (1 + HUB_SOCKET_ID_LEN + 1) /* "+<id>", "-<id>" */

/* The caller's; zero it and set the first. */
struct held {
	const struct pl_app *app;
	/* inside */
	char life[HELD_LIFE_MAX + 1];
	char key[sizeof(HELD_KEY) + HELD_LIFE_MAX + 1]; /* of our set */
	struct pl_map sockets; /* id -> how many connections have it */
	bool is_synced;    /* Redis has them, or will when the commands sent are done */
	unsigned times_up; /* pl_redis_times_up(), when it was told all */
	char words[HELD_SAID_MAX][HELD_WORD_BYTES]; /* gathered */
	size_t word_count;
	struct pl_timer saying;
	struct pl_timer renew;
	struct pl_redis_call sending;
	struct pl_redis_call renewing;
	struct pl_redis_script keep_script;
};

void held_start(struct held *h, const char *process);
void held_stop(struct held *h); /* says what is gathered, and no more */
void held_id_new(char out[HUB_SOCKET_ID_LEN + 1]);
/* Do those who hold it say so? */
bool held_id_is_told(const char *socket_id);
/* A connection has this id now, and has it no more. A client may be back before the end
 * of its earlier connection is seen here: as many drops as adds. */
void held_add(struct held *h, const char *socket_id);
void held_drop(struct held *h, const char *socket_id);
/* Tell Redis now what it has not been told yet, or all if it has come up since: before it
 * is asked who is late, and before it forgets when somebody left. */
void held_catch_up(struct held *h);
/* Does more than one connection? */
bool held_is_shared(const struct held *h, const char *socket_id);

#endif
