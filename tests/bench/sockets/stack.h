/*
 * stack: what the bench loads: a Redis, a store full of users, the message service and a
 * presence process that can be started anew; on free ports of the loopback, in a
 * temporary folder, with default settings but for rates, which are lifted.
 */
#ifndef BENCH_STACK_H
#define BENCH_STACK_H

#include "base/buf.h"
#include "base/oid.h"
#include "clients.h"
#include "process.h"
#include "support/redis_server.h"

#define STACK_DIR_LEN 64

struct stack {
	char dir[STACK_DIR_LEN];
	struct redis_server redis;
	struct process presence;
	struct process second; /* another presence, where it was started */
	struct process message;
	uint16_t presence_port;
	uint16_t second_port;
	uint16_t message_port;
	struct pl_oid *users;
	size_t user_count;
	bool is_paced; /* sessions begin at presence's own pace, from its next start on */
};

/* build: the folder of message.so and presence.so. */
void stack_start(struct stack *s, const char *build, size_t user_count);
/* End presence, if it runs, and start it again: its memory is that of a fresh process. */
void stack_fresh_presence(struct stack *s, const char *build);
void stack_start_second(struct stack *s, const char *build);
void stack_stop(struct stack *s);
/* A session token of a user, into out. */
void stack_token(const struct stack *s, size_t user, struct pl_buf *out);
/* Clients of presence, the nth of which is the nth user. */
struct clients_of stack_clients(const struct stack *s);
/* A connection to a service of ours, or -1. */
int stack_dial(uint16_t port);

#endif
