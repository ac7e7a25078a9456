/*
 * checkpoint: what commits have put into SQLite's log goes into the database on a thread
 * that no send waits for.
 *
 * SQLite does it inside a commit that finds 1,000 pages in the log: that batch waits for
 * as many writes and for two syncs. Here a session that writes has a thread with a
 * connection of its own, from the first time on that the log is long:
 *
 *   pages in the log
 *      PL_SQLITE_LOG_DUE    after a commit the thread is woken. It copies them (PASSIVE) while
 *                           others write on, and then what came meanwhile, which is little.
 *      a few are left       the next commit copies these itself, for only while nobody writes
 *                           can all be copied; after that the log is begun anew
 *      PL_SQLITE_LOG_MOST   the thread did not keep up, or could not be started, or somebody
 *                           reads for long: each commit waits until the thread is not at it,
 *                           for a second at most, and copies what it can, as SQLite would
 *
 * So behind a thread that gets no time the log grows by a batch a second. Behind a reader,
 * and while another process copies, it grows for as long as they take.
 *
 * Nothing is promised by a checkpoint: a commit is on the disk once its log is synced. One
 * that fails is tried again after more commits, and so is one that meets that of another
 * process. Only store/sqlite uses it.
 * Source: SQLite's wal.html, c3ref/wal_hook.html, c3ref/wal_checkpoint_v2.html.
 * Threads: the session's; each has its own thread.
 */
#ifndef PL_STORE_SQLITE_CHECKPOINT_H
#define PL_STORE_SQLITE_CHECKPOINT_H

#include "store/sqlite/session.h"

#define PL_SQLITE_LOG_DUE  4000  /* pages; 16 MiB */
#define PL_SQLITE_LOG_MOST 16000 /* pages; 64 MiB */

/* Once, for a session that was opened. */
void pl_sqlite_checkpoint_watch(struct pl_sqlite *s);
/* The thread ends, after the copying that it is at; another one is started when it is due
 * again. Before the session's connection is closed; also if nothing was watched. */
void pl_sqlite_checkpoint_stop(struct pl_sqlite *s);

#endif
