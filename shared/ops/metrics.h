/*
 * metrics: what a process counts about itself: one table of all metrics, and their values
 * as Prometheus text for GET /metrics.
 *
 *   counter    only grows            pl_metrics_count(PL_M_MESSAGES, "ok", 1)
 *   gauge      is what it was set to pl_metrics_set(PL_M_SOCKETS, NULL, n)
 *   histogram  counts by size        pl_metrics_observe(PL_M_STORE_SECONDS, "read", us)
 *
 * A metric with a label has its values in the table, and each is printed from the start,
 * 0 or not, so that a rate has something to start from; pass NULL for a metric without a
 * label. A value that the table lacks is a mistake of the caller: it aborts. Times are
 * given in microseconds and printed in seconds. No metric's name, label or value holds
 * what a client wrote.
 *
 * Threads: any; counting is a relaxed atomic addition.
 * Source: Prometheus text exposition format 0.0.4.
 */
#ifndef PL_OPS_METRICS_H
#define PL_OPS_METRICS_H

#include "base/buf.h"
#include "base/list.h"

enum pl_metric {
	PL_M_NONE,
	/* every process */
	PL_M_STORE_SECONDS,
	PL_M_STORE_FAILURES,
	PL_M_STORE_WAITING,
	PL_M_STORE_BATCH,
	PL_M_REDIS_UP,
	PL_M_REDIS_SECONDS,
	PL_M_REDIS_FAILURES,
	/* kore services */
	PL_M_HTTP_REQUESTS,
	PL_M_HTTP_SECONDS,
	PL_M_HTTP_IN_FLIGHT,
	/* auth */
	PL_M_SIGNUPS,
	PL_M_LOGINS,
	PL_M_HASHES_WAITING,
	PL_M_PROFILE_CHANGES,
	PL_M_PASSWORD_CHANGES,
	PL_M_AVATARS,
	PL_M_AVATARS_WAITING,
	PL_M_EXPORTS,
	PL_M_ERASE_REQUESTS,
	PL_M_ERASURES,
	PL_M_ERASURES_UNDER_WAY,
	/* message */
	PL_M_READ_MARKS,
	PL_M_CHANGES,
	/* message, presence */
	PL_M_MESSAGES,
	PL_M_MARK_EVENTS,
	/* presence */
	PL_M_SOCKETS,
	PL_M_HANDSHAKES_WAITING,
	PL_M_SOCKETS_ENDED,
	PL_M_USERS_HERE,
	PL_M_DELIVERY_SECONDS,
	PL_M_RECOVERIES,
	PL_M_WATCHES,
	PL_M_WATCH_SETS,
	PL_M_DELIVERED_MARKS,
	PL_M_DELIVERED_WAITING,
	PL_M_SENDS_WAITING,
	PL_M_BLOCKS,
	/* llm-responder */
	PL_M_REPLIES,
	PL_M_REPLY_SECONDS,
	PL_M_LLM_REQUESTS,
	PL_M_LLM_SECONDS,
	PL_M_LLM_IN_FLIGHT,
	PL_M_LLM_BREAKER_OPEN,
	PL_METRICS_COUNT,
};

void pl_metrics_count(enum pl_metric m, const char *label, int64_t by);
void pl_metrics_set(enum pl_metric m, const char *label, int64_t value);
/* value: microseconds if the metric is a time, else what the table says. */
void pl_metrics_observe(enum pl_metric m, const char *label, int64_t value);

/* A source of gauges that are only known when asked: collect() sets them before each
 * printing. Threads: the one that prints. */
struct pl_metrics_source {
	struct pl_list link;
	void (*collect)(void *arg);
	void *arg;
};
void pl_metrics_add_source(struct pl_metrics_source *source);
void pl_metrics_remove_source(struct pl_metrics_source *source);

/* Append the metrics of the services in mask (enum pl_service_bit), and the process' own
 * (ops/process.h). */
void pl_metrics_print(struct pl_buf *out, unsigned mask);

#define PL_METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

#endif
