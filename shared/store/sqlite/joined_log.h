/*
 * joined_log: the frames of a commit, written to SQLite's log in a few large pieces
 * instead of two small ones a frame.
 *
 *   SQLite    header 24 | page 4096 | header 24 | page 4096 | ... | header of the commit | page | sync
 *   default   write       write       write       write             write                  write  fdatasync
 *   here      -------------------- gathered, up to 64 KiB -------------------------------- write  fdatasync
 *
 * It is a layer over SQLite's own way to files (sqlite3_vfs), which does all the work. It
 * keeps back nothing that another connection or process could look for:
 *
 *   - frames are looked for once the index of the log tells of their commit, and that comes after the
 *     commit's last frame: with this one, all are written, whatever `synchronous` is;
 *   - a sync, a read, a truncation, or a question for the file's size writes before it what is gathered;
 *   - what is gathered never outlives the lock under which it was: a transaction that was rolled back has
 *     no last frame, and while the lock is let go its frames are dropped. Written later they would lie over
 *     those of another process.
 *
 * A write that fails fails the call that led to it, as it would without this layer; what
 * was gathered is dropped then. Nothing of a commit stands behind its last frame, so a
 * piece that was torn by a power cut ends before a commit that was not synced, or is
 * whole.
 *
 * Source: SQLite's walformat.html and vfs.html; wal.c of 3.40: sqlite3WalFrames().
 * Only store/ uses it.  Threads: any for the name; a file is its connection's.
 */
#ifndef PL_STORE_SQLITE_JOINED_LOG_H
#define PL_STORE_SQLITE_JOINED_LOG_H

/* The name of the layer, for sqlite3_open_v2(); NULL, which is SQLite's own, if it cannot
 * be had. */
const char *pl_sqlite_joined_log(void);

#endif
