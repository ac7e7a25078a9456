/*
 * store_adopt: documents in a MongoDB that another program serves, and that Parley cannot
 * serve as they are: finding them, and mending what has one meaning only.
 *
 *   messages  _id senderId receiverId   a string of 24 hex digits     becomes an ObjectId
 *             createdAt                 a string, a number            becomes a Date
 *                                       missing, null, ""             becomes the time of the _id
 *             message                   a number                      becomes a string
 *   users     _id                       a string of 24 hex digits     becomes an ObjectId
 *             username                  a number                      becomes a string
 *   both      updatedAt, createdAt      a string, a number            becomes a Date
 *
 * Nothing is guessed: a document with another fault, or whose new id or name is taken, is
 * left as it is, whole. Fields that are not named here are never touched. SQLite holds no
 * such records.
 *
 * A change takes place only if the fields still have the values that were read, so that
 * no writer's change is lost. A run that was broken off, even by kill -9, is finished by
 * another run: a message is stored under its new _id before the old one goes. The
 * username of a user can be there only once, so both forms of a user are kept in the
 * collection parley_adopt meanwhile. One run at a time.
 *
 * Threads: any; the calls block, for as long as reading both collections takes, with a
 * flat memory.
 */
#ifndef PL_STORE_STORE_ADOPT_H
#define PL_STORE_STORE_ADOPT_H

#include "base/buf.h"
#include "store/store.h"

enum pl_adopt_of { PL_ADOPT_USERS, PL_ADOPT_MESSAGES, PL_ADOPT_COLLECTIONS };

enum pl_adopt_field {
	PL_ADOPT_ID,
	PL_ADOPT_USERNAME,
	PL_ADOPT_SENDER,
	PL_ADOPT_RECEIVER,
	PL_ADOPT_TEXT,
	PL_ADOPT_CREATED,
	PL_ADOPT_UPDATED,
	PL_ADOPT_FIELDS,
};

enum pl_adopt_fault {
	PL_ADOPT_MISSING, /* or null */
	PL_ADOPT_STRING,
	PL_ADOPT_NUMBER,
	PL_ADOPT_OTHER, /* of another type */
	PL_ADOPT_TAKEN, /* another document has it */
	PL_ADOPT_FAULTS,
};

struct pl_adopt_tally {
	int64_t documents;
	int64_t by_kind[PL_ADOPT_FIELDS]
		       [PL_ADOPT_FAULTS]; /* a document may have several */
};

struct pl_adopt_report {
	/* that were changed; or would be, if it was asked to change nothing */
	struct pl_adopt_tally mended[PL_ADOPT_COLLECTIONS];
	struct pl_adopt_tally left[PL_ADOPT_COLLECTIONS];
	int64_t half_way; /* users that an earlier run left in parley_adopt */
	int64_t again;    /* that another writer changed meanwhile: run adopt again */
};

const char *pl_adopt_collection(enum pl_adopt_of of); /* "users" */
/* "createdAt is a string"; if the document is left, also why: "createdAt is a string that
 * is no time". */
void pl_adopt_describe(struct pl_buf *out, enum pl_adopt_field field,
    enum pl_adopt_fault fault, bool is_left);

struct pl_adopt_calls {
	/* A document that is left. id: its _id for people, in one line; why: all that is
	 * wrong. */
	void (*left)(void *arg, enum pl_adopt_of of, const char *id, const char *why);
	void *arg;
};

/* Mend, or only say what would be mended (is_dry). Failures as in store.h. */
enum pl_err pl_store_adopt(const struct pl_store_config *config, bool is_dry,
    const struct pl_adopt_calls *calls, struct pl_adopt_report *out) PL_MUST_CHECK;
/* Name every document that cannot be served as it is, whether it can be mended or not;
 * *count is their number. The store may be of either kind. */
enum pl_err pl_store_name_unservable(const struct pl_store_config *config,
    const struct pl_adopt_calls *calls, int64_t *count) PL_MUST_CHECK;

#endif
