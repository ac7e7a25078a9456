/*
 * ends: FROM and TO, what a migration, a backup or a restore is between.
 *
 * They come from the environment, or FROM_FILE and TO_FILE name files that hold them, so
 * that a password shows in no list of processes.
 */
#ifndef PARLEY_MIGRATE_ENDS_H
#define PARLEY_MIGRATE_ENDS_H

#include "base/buf.h"

struct ends {
	char *from; /* NULL: not set */
	char *to;
};

/* ends is zeroed. Else *why is a line that says what is wrong; ends_free() is due in
 * either case. */
enum pl_err ends_load(struct ends *ends, struct pl_buf *why) PL_MUST_CHECK;
void ends_free(struct ends *ends); /* and wipes */

#endif
