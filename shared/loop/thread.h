/*
 * thread: a thread beside the loop's. It takes no signals, but for that of give_way: the
 * loop's thread handles them all.
 * Threads: any.
 */
#ifndef PL_LOOP_THREAD_H
#define PL_LOOP_THREAD_H

#include <pthread.h>
#include <stdbool.h>

/* name: at most 15 characters, for top and gdb. If the thread cannot be started the
 * process ends: nothing would be served without it. */
pthread_t pl_thread_start(const char *name, void *(*run)(void *arg), void *arg);
/* One that the process does without. False: it did not start. */
bool pl_thread_try(
    pthread_t *thread, const char *name, void *(*run)(void *arg), void *arg);
/* One that nobody waits for, and that the process does without. False: it did not start. */
bool pl_thread_start_detached(const char *name, void *(*run)(void *arg), void *arg);

#endif
