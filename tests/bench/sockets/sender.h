/*
 * sender: one user who sends through the message service, over one HTTP connection, and
 * the same events published past it, for loads that no store need hold.
 */
#ifndef BENCH_SENDER_H
#define BENCH_SENDER_H

#include "stack.h"

struct sender {
	const struct stack *stack;
	size_t user;
	int fd;
	struct redisContext *redis;
};

void sender_init(struct sender *s, const struct stack *stack, size_t user);
void sender_fini(struct sender *s);
/* POST /api/messages/send/:id; waits for its 201. */
void sender_post(struct sender *s, size_t receiver, const char *text);
/* What the message service would tell the bus of such a message, and nothing else; waits
 * until Redis has it. */
void sender_publish(struct sender *s, size_t receiver, const char *text);

#endif
