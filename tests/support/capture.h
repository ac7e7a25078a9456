/*
 * capture: what is written to standard error between two calls, for tests of what is
 * logged. Threads: one at a time; what child processes write is captured too.
 */
#ifndef PL_TESTS_CAPTURE_H
#define PL_TESTS_CAPTURE_H

void capture_stderr(void);
/* Put standard error back; what was written to it, for the caller to free(). */
char *capture_end(void);

#endif
