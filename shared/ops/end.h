/*
 * end: how a process ends after it has closed what it has: at once.
 *
 * exit() lets each library clean up, and kore unloads our module before. But threads that
 * nobody waits for (they look through the store) still run in both; and a library's
 * clean-up may wait for a lock that nobody will give back.  Threads: any.
 */
#ifndef PL_OPS_END_H
#define PL_OPS_END_H

/* Writes what standard output still has, and what a build for coverage has counted. */
_Noreturn void pl_end(int status);

#endif
