/*
 * fill: correspondents found by the messages that are there, for those that a process of
 * an older version stored, which may run beside ours for a while: it knows nothing of
 * correspondents.
 *
 * An upgrade finds all that are there then. From then on a thread looks every
 * PL_SQLITE_FILL_INTERVAL_MS at the rows of messages that came since; how far it has come
 * is in the table `filled`, so that the next process goes on there, and several do not
 * look twice. It writes only if it finds something, or has come far, in transactions of
 * at most PL_SQLITE_FILL_PAIRS pairs. Only store/ uses it.  Threads: any; the calls block.
 */
#ifndef PL_STORE_SQLITE_FILL_H
#define PL_STORE_SQLITE_FILL_H

#include "store/sqlite/session.h"

#define PL_SQLITE_FILL_INTERVAL_MS 15000
#define PL_SQLITE_FILL_PAIRS       100

/* Once a process: start the thread. It logs what it finds. */
void pl_sqlite_fill_start(const char *data_dir);
/* One look. *added: pairs that were not listed. */
enum pl_err pl_sqlite_fill(struct pl_sqlite *s, size_t *added) PL_MUST_CHECK;

#endif
