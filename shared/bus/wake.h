/*
 * wake: wakes one llm-responder when a message waits for its reply: an entry in the
 * stream parley:replies, read by a consumer group. Only a wake-up: the job is in the
 * store, and a sweep finds jobs whose entry was lost.  Threads: the loop's.
 */
#ifndef PL_BUS_WAKE_H
#define PL_BUS_WAKE_H

#include "base/oid.h"
#include "redis/client.h"

void pl_wake_send(struct pl_redis *redis, const struct pl_oid *message);

struct pl_wake;

/* consumer: this process' name in the group. on_wake is called with the messages of at
 * least one entry, borrowed. Opens a connection of its own, because it waits in
 * XREADGROUP. */
struct pl_wake *pl_wake_new(struct pl_loop *loop, const char *redis_url,
    const char *consumer,
    void (*on_wake)(void *arg, const struct pl_oid *messages, size_t count), void *arg);
void pl_wake_free(struct pl_wake *w);

#endif
