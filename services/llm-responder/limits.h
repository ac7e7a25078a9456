/*
 * limits: how many replies by the LLM a sender gets, and a busy user gives, in any
 * minute. All processes share them, through Redis (limits/shared_limit).
 * Threads: the loop's.
 */
#ifndef RESPONDER_LIMITS_H
#define RESPONDER_LIMITS_H

#include "base/oid.h"
#include "limits/shared_limit.h"

struct limits;

/* The asker's; zero it and set the first two. It must live until it is answered. */
struct limits_ask {
	void (*on_answer)(void *arg, bool is_granted);
	void *arg;
	/* inside */
	struct limits *limits;
	struct pl_oid user;
	struct pl_limit_ask ask;
};

/* 0: no limit. */
struct limits *limits_new(struct pl_loop *loop, struct pl_redis *redis,
    int64_t sender_per_minute, int64_t user_per_minute);
/* After redis is freed. */
void limits_free(struct limits *l);
/* Take a place under both. on_answer is called once, possibly before this returns. */
void limits_take(struct limits *l, struct limits_ask *ask, const struct pl_oid *sender,
    const struct pl_oid *user);

#endif
