/*
 * sandbox: what a worker may never do, said to the kernel. kore's own filter allows only what
 * kore needs, and kills a worker that starts a thread; this one forbids what no service
 * needs (programs, tracing, mounts, raw sockets) and allows the rest. Whoever tries dies by
 * SIGSYS, and kore starts a new worker.  Threads: the parent's and the worker's first.
 */
#ifndef PL_HTTP_SANDBOX_H
#define PL_HTTP_SANDBOX_H

/* In the parent, before anything secret is read: no core dumps, no tracing by others. */
void pl_sandbox_forbid_dumps(void);

#endif
