/*
 * ws_trace: a WebSocket connection whose events become one line of text, for tests and
 * fuzzing.
 *
 *   text(Hello) binary(00ff) ping(x) pong() close(1000,bye) fault(1002,reserved bit set)
 *
 * Bytes are fed from a heap block of exactly their size, so that ASan sees a step past
 * them.
 */
#ifndef TESTS_SUPPORT_WS_TRACE_H
#define TESTS_SUPPORT_WS_TRACE_H

#include "proto/ws_conn.h"

struct ws_trace {
	struct pl_ws_conn conn;
	struct pl_buf events;
	struct pl_buf sent;       /* the bytes given to conf->send */
	enum pl_ws_verdict fault; /* FINE until there is one */
	int64_t now_mono_ms;
};

/* A server's settings, with the limits of production; send writes to ws_trace.sent. */
extern const struct pl_ws_conf ws_trace_conf;
void ws_trace_send(void *owner, struct pl_str head, struct pl_str payload);

void ws_trace_init(struct ws_trace *t, const struct pl_ws_conf *conf);
void ws_trace_fini(struct ws_trace *t);
/* Feed data in pieces of at most piece bytes, pulling all events after each. */
void ws_trace_feed(struct ws_trace *t, const void *data, size_t len, size_t piece);

#endif
