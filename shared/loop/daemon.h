/*
 * daemon: what a program without kore sets up first: it ends with its parent, leaves no
 * core dump (its memory holds secrets), and gets SIGTERM and SIGINT by a descriptor.
 * Threads: before any other is started, for they inherit the blocked signals.
 */
#ifndef PL_LOOP_DAEMON_H
#define PL_LOOP_DAEMON_H

/* A signalfd(2) of SIGTERM and SIGINT, non-blocking; the caller closes it. */
int pl_daemon_prepare(void);

#endif
