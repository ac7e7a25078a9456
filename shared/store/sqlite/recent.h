/*
 * recent: which rows of messages are a user's, newest first, and no send writes a word
 * for it.
 *
 * A list of conversations that asks for the last message of each of 1,000 correspondents
 * takes 2,000 steps in an index that grows with the store; the newest 30 are mostly found
 * in the user's newest rows, of which no index tells. So the fill thread (fill.h) looks
 * through what was stored, a chunk of 2,048 rows at a time, and notes for each of the two
 * who wrote there the newest row of their conversation, in the table `recent`. A chunk is
 * 32 buckets by a hash of the user, so that a user's share of a chunk is in one row of the
 * table, of about 128 entries:
 *
 *   key of a row    (bucket, chunk)     the chunk of a row of messages is its number / 2,048
 *   entry, 6 bytes  0..3 hash of a user   4..5 row in the chunk, big-endian; newest entry first
 *
 * An entry is a hint: two users may have one hash, and a row may be gone. Who reads it
 * looks at the row of messages. That none is missing is what filled.up_to (id 2)
 * promises: of rows up to that one all are noted; it goes back when a row is deleted.
 * Those after it are read themselves.
 *
 * It also tells with whom a user has messages after a row: so what a socket missed is
 * looked for with those alone, not with each correspondent (positions.c).
 *
 * It is of use if rows lie in the order of messages (schema.c).  Only store/sqlite uses
 * it.
 * Threads: the session's.
 */
#ifndef PL_STORE_SQLITE_RECENT_H
#define PL_STORE_SQLITE_RECENT_H

#include "store/sqlite/session.h"

#define PL_SQLITE_RECENT_CHUNK       2048 /* rows */
#define PL_SQLITE_RECENT_BUCKETS     32
#define PL_SQLITE_RECENT_INTERVAL_MS 1000
/* Fewer rows than that after up_to are not noted: a chunk is not written anew for a few. */
#define PL_SQLITE_RECENT_DUE 512 /* rows */
/* If there are more, the thread is late, and a walk gives up. */
#define PL_SQLITE_RECENT_TAIL_MAX 4096 /* rows */

/* One user's messages, from the newest on: as long as it costs less than a quarter of a
 * step for each correspondent, of which it counts as many as it takes to tell. */
struct pl_sqlite_walk {
	struct pl_sqlite *session;
	struct pl_oid user; /* in, as all up to arg */
	int64_t after_row;  /* rows up to that one are not visited; INT64_MIN: all are */
	size_t others;      /* correspondents that the user has, or more; not 0 */
	/* The user has a message with other in that row. Returns whether to go on. */
	bool (*visit)(void *arg, int64_t row, const struct pl_oid *other);
	void *arg;

	bool is_enough; /* out: visit said so */
	/* out: all after after_row was walked; else, if not enough, a ceiling was met. */
	bool is_whole;

	int64_t up_to; /* private, as all that follow */
	size_t entries, chunks;
	bool has_no_more_others;
};

/* Note one chunk if PL_SQLITE_RECENT_DUE rows wait; *is_behind: the next one is due, too. */
enum pl_err pl_sqlite_recent_fill(struct pl_sqlite *s, bool *is_behind) PL_MUST_CHECK;
/* Of each conversation at least its last message is visited, and none before a newer one.
 * In one moment (session.h). */
enum pl_err pl_sqlite_recent_walk(struct pl_sqlite_walk *w) PL_MUST_CHECK;

/* ---- for both ---- */

struct pl_sqlite_recent_key {
	unsigned bucket;
	uint8_t hash[4];
};

struct pl_sqlite_recent_key pl_sqlite_recent_key(const struct pl_oid *user);
#define PL_SQLITE_RECENT_ENTRY 6 /* bytes */
/* The last row that is noted, and the last row. */
enum pl_err pl_sqlite_recent_up_to(
    struct pl_sqlite *s, int64_t *up_to, int64_t *last) PL_MUST_CHECK;

#endif
