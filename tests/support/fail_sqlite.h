/*
 * fail_sqlite: SQLite whose allocations and calls of the system fail when fail_at() says
 * so. A write that fails has put half of its bytes on the disk before, as a full disk
 * does. Below it is SQLite's own VFS, so that files, locks and their errors are as they
 * are without it.
 * Source: sqlite.org/vfs.html, sqlite.org/malloc.html.
 */
#ifndef TESTS_SUPPORT_FAIL_SQLITE_H
#define TESTS_SUPPORT_FAIL_SQLITE_H

/* Before the first use of SQLite in this process. */
void fail_sqlite_install(void);
/* Allocations that were not freed. */
long fail_sqlite_live(void);

#endif
