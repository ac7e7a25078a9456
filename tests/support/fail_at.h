/*
 * fail_at: makes the n-th call of a kind fail, so that a test can go through every place
 * in which something can fail: with n = 1, 2, 3 ... until nothing failed any more.
 *
 *   for (n = 1; ; n++) {
 *           fail_at(FAIL_WRITE, n, 1, ENOSPC);
 *           err = what_is_tested();
 *           if (fail_at_end() == 0)
 *                   break;
 *           ... err is an error, nothing is lost
 *   }
 *
 * Calls are counted by whoever stands before the real ones: fail_sqlite, or the linker's
 * --wrap (fail_calls).  Threads: one plan for the process; counted from any.
 */
#ifndef TESTS_SUPPORT_FAIL_AT_H
#define TESTS_SUPPORT_FAIL_AT_H

#include <limits.h>
#include <stdbool.h>

enum fail_kind {
	FAIL_NOTHING,
	FAIL_ALLOC, /* of a library */
	FAIL_MEM,   /* of our own code */
	FAIL_OPEN,
	FAIL_READ,
	FAIL_WRITE,
	FAIL_SYNC,
	FAIL_TRUNCATE,
	FAIL_LOCK,
	FAIL_SHM, /* memory that processes share */
	FAIL_SOCKET,
	FAIL_CONNECT,
	FAIL_SEND,
	FAIL_RECV,
	FAIL_REPLY, /* Redis refuses a command */
	FAIL_KINDS,
};
const char *fail_kind_name(enum fail_kind kind);

#define FAIL_FOR_EVER UINT_MAX

/* Of the calls of kind from now on, the n-th (from 1) and those after it fail, `times` of
 * them. */
void fail_at(enum fail_kind kind, unsigned n, unsigned times, int error);
/* From now on nothing fails; how many calls did. */
unsigned fail_at_end(void);

/* In a child: an abort() ends it without a core file, and what it ran counts for make
 * coverage. */
void fail_at_expect_abort(void);

/* Of those who stand before the calls: has this one to fail? *error is then its errno. */
bool fail_at_now(enum fail_kind kind, int *error);

#endif
