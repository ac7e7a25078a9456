/*
 * erase_impl: an erasure that is under way, as the files of erase see it.
 *
 *   erase.c         the user, what there is of them besides texts, and the steps
 *   erase_note.c    the document that says how far it is, and who has it
 *   erase_sweep.c   the texts
 *   fill.c          which notes no pairs of who was erased
 *
 * Only these include it.  Threads: the session's.
 */
#ifndef PL_STORE_MONGO_ERASE_IMPL_H
#define PL_STORE_MONGO_ERASE_IMPL_H

#include "store/mongo/query.h"

/* Fewer than of SQLite: each is written into half a dozen indexes, and one command has
 * its time. */
#define PL_ERASE_MONGO_ROWS 32
_Static_assert(PL_ERASE_MONGO_ROWS <= PL_ERASE_ROWS, "a step is not longer than it says");

#define PL_ERASE_F_STAGE  "stage"
#define PL_ERASE_F_WORKER "worker"
#define PL_ERASE_F_AT     "at"

/* Stored; erase.c says what is done in each. */
enum pl_erase_stage { PL_ERASE_SWEEP = 0, PL_ERASE_SETTLE = 2, PL_ERASE_AGAIN = 3 };

struct pl_erasing {
	struct pl_mongo *s;
	struct pl_erase_step *step;
	struct pl_oid user;
	enum pl_erase_stage stage;
	int64_t due_unix_ms;    /* from when on it goes on; 0: as it is */
	int64_t lease_until_ms; /* as it was found */
	int64_t worker;
	bool has_receiver;      /* the sweep has come to them, */
	struct pl_oid receiver; /* and to this place */
	struct pl_message_pos at;
	int64_t from_unix_ms; /* what a receiver got before is not swept */
	int64_t until_mono_ms;
	size_t rows;
};

/* One that is due, of nobody or of this worker. */
enum pl_err pl_erasing_find(struct pl_erasing *e, bool *is_found) PL_MUST_CHECK;
/* Take it under the step's lease; *is_ours: nobody was faster. */
enum pl_err pl_erasing_claim(struct pl_erasing *e, bool *is_ours) PL_MUST_CHECK;
/* Note the stage and the place. A worker that has lost it to another changes nothing. */
enum pl_err pl_erasing_save(struct pl_erasing *e) PL_MUST_CHECK;

/* *is_done: nothing that they wrote is left, as far as this sweep knows. */
enum pl_err pl_erasing_sweep(struct pl_erasing *e, bool *is_done) PL_MUST_CHECK;
/* Take fields off messages. */
enum pl_err pl_erasing_unset(struct pl_mongo *s, const struct pl_oid *ids, size_t count,
    const char *const *fields) PL_MUST_CHECK;

#endif
