/*
 * at_once: a read that waits for nothing, so that the event loop may do it.
 *
 *   pl_sqlite_at_once_begin()   this thread waits for no disk and no lock from here
 *   ... a small read ...        SQLITE_OK, or any failure: then another thread is asked
 *   pl_sqlite_at_once_end()
 *
 * In between, a read of a file takes what the kernel has in its memory and fails if it
 * would have to fetch it (RWF_NOWAIT); so it does after READS_MAX, when it is no small read,
 * but one that puts an index together after a crash. What mapped.h has needs no call.
 * SQLite's pauses for other processes are no pauses. A file system that cannot say what it
 * has in memory fails each read.
 *
 * SQLite's way to files has a place for another pread(); from other threads, and outside
 * of begin and end, it is the one that was there.
 *
 * Source: preadv2(2), also its BUGS; SQLite's vfs.html: xSetSystemCall.  Only store/ uses it.
 * Threads: any; each has its own state.
 */
#ifndef PL_STORE_SQLITE_AT_ONCE_H
#define PL_STORE_SQLITE_AT_ONCE_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

/* Make own (SQLite's way to files) and layer (ours over it) heed the calls below. Once,
 * before a file is open. */
void pl_sqlite_at_once_install(sqlite3_vfs *own, sqlite3_vfs *layer);
/* False: it was not installed, and the thread would wait. */
bool pl_sqlite_at_once_begin(void);
void pl_sqlite_at_once_end(void);

/* ---- for mapped.h ---- */

/* When this thread began; 0: it is outside. */
int64_t pl_sqlite_at_once_begun_mono_ms(void);
/* One of the reads that a run may do; false: there is none left. */
bool pl_sqlite_at_once_take(void);
/* The descriptor by which SQLite reads file (its own, not the layer's): found by the read
 * of a byte. -1: not known. */
int pl_sqlite_at_once_descriptor(sqlite3_file *file);

#endif
