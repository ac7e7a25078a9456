/*
 * list: all processes that announce themselves (processes/announcement.h), as the
 * gateway's follower sees them: read from Redis every second, and at once when a process
 * says that something changed.
 *
 * Redis may forget (a restart, FLUSHALL) or be away, while the processes go on. So a
 * process that is not listed stays for PL_PROCESS_LIST_MISSING_MS, and for
 * PL_PROCESS_LIST_REJOIN_MS after Redis has come back, or after a standstill, in which
 * nobody could renew a lease; one that says that it left goes at once.
 * Threads: the loop's.
 */
#ifndef PL_PROCESSES_LIST_H
#define PL_PROCESSES_LIST_H

#include "base/buf.h"
#include "bus/bus.h"
#include "processes/announcement.h"

#define PL_PROCESS_LIST_ASK_MS     1000
#define PL_PROCESS_LIST_MISSING_MS (2 * PL_PROCESS_LIST_ASK_MS + PL_REDIS_DEADLINE_MS)
#define PL_PROCESS_LIST_REJOIN_MS  (2 * PL_REDIS_RECONNECT_MOST_MS)
#define PL_PROCESS_LIST_MAX        1000

_Static_assert(
    PL_PROCESS_LIST_MISSING_MS > PL_ANNOUNCEMENT_RENEW_MS + PL_PROCESS_LIST_ASK_MS,
    "a process that Redis forgot has announced itself again");
_Static_assert(
    PL_PROCESS_LIST_REJOIN_MS > PL_REDIS_RECONNECT_MOST_MS + PL_ANNOUNCEMENT_RENEW_MS,
    "so has each that must connect again first");

struct pl_process_list;

/* on_change: processes came or went, or one began to drain. */
struct pl_process_list *pl_process_list_new(struct pl_loop *loop, struct pl_redis *redis,
    struct pl_bus *bus, void (*on_change)(void *arg), void *arg);
/* With other times than those above; for tests. */
struct pl_process_list_times {
	int64_t ask_ms;
	int64_t missing_ms;
	int64_t rejoin_ms;
};
struct pl_process_list *pl_process_list_new_timed(struct pl_loop *loop,
    struct pl_redis *redis, struct pl_bus *bus, struct pl_process_list_times times,
    void (*on_change)(void *arg), void *arg);
void pl_process_list_free(struct pl_process_list *list); /* before the bus */
/* Append to out a line for each process, as pl_process_line_parse() takes it, sorted,
 * each with a newline. */
void pl_process_list_print(const struct pl_process_list *list, struct pl_buf *out);

#endif
