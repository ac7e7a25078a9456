/*
 * trace: which request something happened for, by the W3C's header `traceparent`:
 *
 *   00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
 *   |  trace-id                         parent-id        trace-flags, of which 01 is "sampled"
 *   version                                              all in lower-case hex
 *
 * We draw no spans of our own, so the caller's parent-id is passed on as it came, and
 * whatever we call appears as a child of our caller. Every step of a sampled trace is
 * logged at info; the steps of others only at debug, for a message takes a handful of
 * lines (pl_log_traced()).
 * Source: W3C Trace Context (Recommendation, 2021), §3.2.  Threads: any.
 */
#ifndef PL_PROTO_TRACE_H
#define PL_PROTO_TRACE_H

#include "base/log.h"

#define PL_TRACE_LEN    55
#define PL_TRACE_ID_LEN 32

/* All zero: none. */
struct pl_trace {
	char text[PL_TRACE_LEN + 1]; /* as above, version 00, no flag but "sampled" */
};

/* The fields of a later version are read as ours, and what follows them is left out
 * (§3.2.4). False, and *out untouched, for all that is not valid, ids that are all zero
 * included. */
bool pl_trace_parse(struct pl_str header, struct pl_trace *out) PL_MUST_CHECK;
/* A trace that begins here, not sampled. */
void pl_trace_new(struct pl_trace *out);

static inline bool
pl_trace_is_none(const struct pl_trace *t)
{
	return t->text[0] == '\0';
}

static inline bool
pl_trace_is_sampled(const struct pl_trace *t)
{
	return !pl_trace_is_none(t) && t->text[PL_TRACE_LEN - 1] == '1';
}

/* The trace-id, empty if there is none; borrowed. */
static inline struct pl_str
pl_trace_id(const struct pl_trace *t)
{
	return pl_trace_is_none(t) ? PL_STR_NONE : pl_str_n(t->text + 3, PL_TRACE_ID_LEN);
}

#define PL_L_TRACE(trace_) PL_L_STR("trace", pl_trace_id(trace_))

/* One step of a request's way: pl_log_traced(trace, "message was stored", fields...). */
#define pl_log_traced(trace_, ...) PL_LOG_TRACED_(trace_, __VA_ARGS__, PL_LOG_END)
#define PL_LOG_TRACED_(trace_, message_, ...)                                            \
	PL_LOG_(pl_trace_is_sampled(trace_) ? PL_LOG_INFO : PL_LOG_DEBUG, message_,      \
	    PL_L_TRACE(trace_), __VA_ARGS__)

#endif
