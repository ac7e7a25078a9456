/*
 * mapped: what the kernel has of the database in its memory, copied without asking it.
 *
 * Only inside of at_once.h, and only what was in memory when the kernel was asked, up to
 * 100 ms ago. So nothing waits for the disk here, and where the disk fails, a read fails, as
 * ever; but for a page that the kernel has dropped within those 100 ms: then the loop waits
 * for it, and if the disk fails just there, the process ends (SIGBUS) and is started again.
 * Each row of a conversation may lie on another page of the file, and to call the kernel for
 * each cost nearly half of a page of messages.
 *
 * A window of the file is mapped, PL_SQLITE_MAPPED_BYTES long: it begins with the file, or
 * has the end of a long one in its middle, and is another one when the file has outgrown it.
 * By as much the resident memory of the process may grow; the kernel takes it back when it
 * needs it. What lies before the window is read as usual; so is all of a file that a VACUUM
 * has made so short that it ends there.
 *
 * SQLite asks for no page that a checkpoint may write meanwhile, nor for one that is not in
 * the file any more.
 *
 * Source: mincore(2); SQLite's vfs.html. Only store/ uses it. Threads: a connection's.
 */
#ifndef PL_STORE_SQLITE_MAPPED_H
#define PL_STORE_SQLITE_MAPPED_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>

#define PL_SQLITE_MAPPED_BYTES ((size_t)256 << 20)

struct pl_sqlite_mapped_part;

/* All 0: nothing is mapped. */
struct pl_sqlite_mapped {
	unsigned char *window;               /* NULL: none */
	sqlite3_int64 from;                  /* where it begins in the file */
	struct pl_sqlite_mapped_part *parts; /* of the window: what is in memory */
	bool is_refused;                     /* it is not tried again */
};

/* False: read it as usual. file: SQLite's, by which it reads the database. */
bool pl_sqlite_mapped_read(struct pl_sqlite_mapped *m, sqlite3_file *file, void *out,
    int len, sqlite3_int64 offset);
void pl_sqlite_mapped_fini(struct pl_sqlite_mapped *m); /* leaves it zeroed */

#endif
