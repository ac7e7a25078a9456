/*
 * responder: answers messages to BUSY users.
 *
 *   claim a message -> check the limits -> read the conversation
 *     -> let the LLM write, while the sender sees "typing" -> store its text -> publish
 *
 * job.h says when a reply goes on to the next step, and when the standard text is stored
 * instead; load.h, how many replies a process works at.
 *
 * Jobs are found by the wake-up of bus/wake and, for those without one, by a sweep twice
 * a second. The store keeps one reply to a message, whoever writes it: PL_E_CONFLICT ends
 * a job well. Every time counts from the message's createdAt.
 * Threads: the loop's.
 */
#ifndef RESPONDER_RESPONDER_H
#define RESPONDER_RESPONDER_H

#include "bus/gap.h"
#include "completion.h"
#include "store/store_async.h"

struct responder;

struct responder_config {
	struct pl_loop *loop;
	struct pl_store_async *store;
	struct pl_redis *redis;
	struct pl_bus *bus;
	struct pl_gap *gap;
	struct llm *llm; /* NULL: the standard text, always */
	const char *fallback;
	unsigned concurrency;
	size_t context_messages;
	int64_t sender_per_minute; /* LLM replies; 0: no limit */
	int64_t user_per_minute;
};

struct responder *responder_new(const struct responder_config *config);
/* A message waits for its reply. */
void responder_wake(struct responder *r, const struct pl_oid *message);
/* Take no more jobs, and end those that are under way: with the standard text if the LLM
 * is still writing. on_idle is called once, from the loop, when none is left. */
void responder_stop(struct responder *r, void (*on_idle)(void *arg), void *arg);
/* From now on it asks nothing of the store, the bus and redis, which may be freed. */
void responder_close(struct responder *r);
/* After responder_stop(), and after the store, the bus and redis were freed. */
void responder_free(struct responder *r);

#endif
