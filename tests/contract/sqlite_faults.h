/* sqlite_faults: SQLite, when each of its allocations and calls of the system fails in
 * turn. */
#ifndef TESTS_CONTRACT_SQLITE_FAULTS_H
#define TESTS_CONTRACT_SQLITE_FAULTS_H

#include "contract/store_faults.h"

/* The whole of a test program; the number of tests that failed. */
int sqlite_faults_run(const char *name, const struct faults_call *all);

#endif
