/*
 * store_erase: what is left of a user after PL_WRITE_ERASE, which noted that it has to
 * go.
 *
 *   noted ──sweep──► swept ──PL_ERASE_SETTLE_MS──► swept again ──PL_ERASE_TELL_MS──► pairs, log ──► done
 *                                                     ▲ if a text came meanwhile │
 *                                                     └──────────────────────────┘
 *
 * A sweep makes deleted messages of all that they wrote, and drops replies that are owed
 * to or by them, their keys and sessions. The second one catches what another process had
 * under way when they left. Then the pairs go, with everybody's read marks in them; and
 * with SQLite what a page may have kept of rows that moved, and the write-ahead log,
 * which has the texts as they were. It goes step by step, each of them short and a commit
 * of its own, so that nobody's send waits long and a kill at any moment loses nothing:
 * the note stays until all is done. Whoever noted it may have died before anybody was
 * told, so the first step tells all processes that their sessions are over; the last one
 * of each sweep, that their texts are gone, for those who have some on their screen. The
 * second sweep is told at least once, whoever is killed when; and the pairs stay for a
 * while after it, for by them is found who is to be told. What comes in that while is
 * swept and told as well, before the pairs go.
 *
 * Of several workers one has an erasure, under a lease; if it dies, another goes on when
 * that ends. With MongoDB what is done is remembered for PL_ERASE_KEPT_S, for backups:
 * one that read the messages before an erasure, and the rest after it, still has its
 * note. A restore begins all of them anew.  Threads: see store.h; of _start(), any.
 */
#ifndef PL_STORE_STORE_ERASE_H
#define PL_STORE_STORE_ERASE_H

#include "store/store.h"

/* Since the first sweep: longer than a call waits, a reply is due, and both. */
#define PL_ERASE_SETTLE_MS 15000
/* Since the second sweep was told: for presence processes to read whom to tell. */
#define PL_ERASE_TELL_MS  5000
#define PL_ERASE_LEASE_MS 10000
#define PL_ERASE_LOOK_MS                                                                 \
	2000 /* how often a process looks whether there is something to do */
#define PL_ERASE_KEPT_S 86400
_Static_assert(PL_ERASE_SETTLE_MS >= PL_STORE_WAIT_MS + PL_REPLY_WITHIN_MS,
    "who began before it is done by then");
_Static_assert(PL_ERASE_TELL_MS <= PL_ERASE_LEASE_MS, "with SQLite it is a lease");

/* What one step may do, until the first of these is reached; but however slow all is, it
 * looks for one receiver at least, or takes one message. */
#define PL_ERASE_ROWS 256
#define PL_ERASE_MS   20
/* SQLite: so large a database, or a smaller one, is written anew after an erasure
 * (sqlite/erase.c). */
#define PL_ERASE_ANEW_BYTES (32 * 1024 * 1024)

enum pl_erase_state {
	PL_ERASE_NOTHING, /* none is due, or others have those that are */
	PL_ERASE_GOES_ON,
	PL_ERASE_HELD_UP, /* what is in the way of the log's end goes by itself: try again later */
	PL_ERASE_DONE, /* of user */
};

struct pl_erase_step {
	uint64_t worker; /* in: drawn once by who calls */
	int64_t lease_ms;
	int64_t settle_ms;
	int64_t tell_ms; /* no longer than lease_ms */
	/* inside: whose second sweep the last step has ended; zeroed at first */
	struct pl_oid told;
	/* out */
	enum pl_erase_state state;
	bool is_first; /* of this erasure, by whichever worker */
	/* It was the last one of the first sweep, or of the second: what the user wrote is
	 * gone. Whoever takes the next step has told so. */
	bool is_swept, is_swept_again;
	struct pl_oid user;
	size_t texts; /* that were erased */
};

/* Take an erasure that is due, or go on with it, for one step. */
enum pl_err pl_store_erase_step(
    struct pl_store *s, struct pl_erase_step *step) PL_MUST_CHECK;
/* How many are not done. */
enum pl_err pl_store_erasures(struct pl_store *s, size_t *count) PL_MUST_CHECK;

/* For programs (parley-admin): erase user, whatever their password, and finish the first
 * sweep; the second one is for whichever auth process runs or starts next, as is what
 * comes after another's that is due. *r is what to tell the processes
 * (pl_event_revoked_write()). PL_E_NOT_FOUND: no such user. Blocks, for seconds if they
 * wrote much. */
enum pl_err pl_store_erase_user(
    struct pl_store *s, const struct pl_oid *user, struct pl_revocation *r) PL_MUST_CHECK;

/* Once a process: a thread that looks for erasures and finishes them. */
void pl_store_erase_start(const struct pl_store_config *config);
/* This process noted one: begin at once. */
void pl_store_erase_wake(void);

#endif
