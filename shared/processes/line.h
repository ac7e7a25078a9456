/*
 * line: a process as text, for Redis and the gateway's follower: "presence p1
 * 10.0.0.7:8080 up". Pure.  Threads: any.
 */
#ifndef PL_PROCESSES_LINE_H
#define PL_PROCESSES_LINE_H

#include "base/err.h"
#include "base/str.h"

#define PL_PROCESS_SERVICE_MAX 15
#define PL_PROCESS_NAME_MAX    7
#define PL_PROCESS_ADDRESS_MAX 63 /* "[...]:65535" */
#define PL_PROCESS_LINE_MAX                                                              \
	(PL_PROCESS_SERVICE_MAX + PL_PROCESS_NAME_MAX + PL_PROCESS_ADDRESS_MAX + 8)

/* Slices of the text. */
struct pl_process_line {
	struct pl_str service;
	struct pl_str name;
	struct pl_str address; /* of an IP address and a port */
	bool is_draining;
};
bool pl_process_line_parse(struct pl_str text, struct pl_process_line *out) PL_MUST_CHECK;

#endif
