/*
 * folder: a folder that appears under its name once it is complete.
 *
 * It is filled as NAME.partial, which belongs to who locks it. What a kill leaves of one
 * is emptied by the next that gets the same name.
 */
#ifndef PARLEY_BACKUP_FOLDER_H
#define PARLEY_BACKUP_FOLDER_H

#include "base/buf.h"

struct folder {
	const char *name; /* borrowed */
	char *partial;    /* where to write */
	int lock_fd;
};

/* PL_E_CONFLICT: NAME is there; PL_E_BUSY: another fills it. folder_drop() is due in any
 * case. */
enum pl_err folder_begin(
    struct folder *f, const char *name, struct pl_buf *why) PL_MUST_CHECK;
/* What is in it is on the disk; the name is afterwards. */
enum pl_err folder_finish(struct folder *f, struct pl_buf *why) PL_MUST_CHECK;
/* Removes it if it was not finished. */
void folder_drop(struct folder *f);

#endif
