/*
 * place: one end of a migration or of a backup, as FROM and TO name it.
 *
 *   mongodb://...  mongodb+srv://...      a MongoDB
 *   anything else                         a data folder of Parley's, or the parley.db in it
 *
 * A data folder stays locked while its place is open, so that `make run` does not write
 * there.
 */
#ifndef PARLEY_MIGRATE_PLACE_H
#define PARLEY_MIGRATE_PLACE_H

#include "base/buf.h"
#include "store/store.h"

struct place {
	struct pl_store *store; /* once it is open */
	char *shown;            /* for people; no password */
	struct pl_store_config config;
	/* inside */
	char *folder;
	int lock_fd;
};

/* What the name means; nothing is opened or locked. is_new: the place may be empty yet.
 * PL_E_INVALID and others: *why is a line that says what is wrong. place_close() is due in
 * either case. */
enum pl_err place_find(
    struct place *p, const char *name, bool is_new, struct pl_buf *why) PL_MUST_CHECK;
/* A place that was found; makes what is missing there. Fails in the same way;
 * PL_E_UNAVAILABLE: it may be tried again. A MongoDB has a tool's patience, see struct
 * pl_store_config. */
enum pl_err place_open(struct place *p, struct pl_buf *why) PL_MUST_CHECK;
void place_close(struct place *p);

#endif
