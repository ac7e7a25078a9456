/*
 * process: what the kernel knows of this process, under the names that Prometheus' own
 * client libraries give it.  Threads: any.
 */
#ifndef PL_OPS_PROCESS_H
#define PL_OPS_PROCESS_H

#include "base/buf.h"

/* Append process_cpu_seconds_total, process_resident_memory_bytes, process_open_fds,
 * process_max_fds and process_start_time_seconds; what /proc does not tell is left out. */
void pl_process_print(struct pl_buf *out);

#endif
