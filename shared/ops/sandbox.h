/*
 * sandbox: what a process of ours may ask of the kernel once it has started (seccomp, by
 * libseccomp). What it does not need, it may not do, whoever has taken it over:
 *
 *   allowed         files, sockets of IP and of this machine, threads, memory, clocks, waiting
 *   dies (SIGSYS)   all else: another program, a fork, tracing, mounts, namespaces, raw sockets,
 *                   the kernel's cryptography, memory that is both written and run, ...
 *   ENOSYS          clone3, whose flags a filter cannot read, and what is newer than the list: the
 *                   C library then falls back to the older call
 *
 * kore starts a new worker when one has died. Nothing is forbidden in builds for
 * sanitizers, whose leak checker traces its own process.  Source: seccomp(2),
 * seccomp_rule_add(3).
 */
#ifndef PL_OPS_SANDBOX_H
#define PL_OPS_SANDBOX_H

#include <stdbool.h>

/* No core dumps from now on, and no tracing by others: call it before secrets are read. */
void pl_sandbox_forbid_dumps(void);

/* For good, for this thread and those that it starts: call it before any other is
 * started. If the kernel does not take the filter, an error in the log, and the end of
 * this process. takes_handovers: it may connect to the gateway's sockets of packets
 * (sockets/handover). */
void pl_sandbox_enter(bool takes_handovers);

#endif
