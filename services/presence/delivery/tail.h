/*
 * tail: messages from the store, while the bus is in doubt.
 *
 *   TRUSTED --a doubt--> DOUBTED     what the bus brings is not handed on: it only says that there
 *      ^                    |        is something to read, so that all comes in the store's order,
 *      |                    |        and nothing is left out
 *      '---- GO_ON_MS after the last doubt, once nothing is left to read
 *
 * A doubt is: the bus is down, answers slowly, or a subscription had to be made again;
 * this process stood still; or somebody could not publish (bus/gap). What sockets have
 * had already they do not get again (delivery/seen).  Threads: the loop's.
 */
#ifndef PRESENCE_DELIVERY_TAIL_H
#define PRESENCE_DELIVERY_TAIL_H

#include "http/service.h"

/* The caller's; zero it and set the first four. */
struct tail {
	const struct pl_app *app;
	/* A message that was read from the store, in its order; borrowed. */
	void (*deliver)(void *arg, const struct pl_message *m);
	/* A message that was changed; the same. What comes before its change was
	 * delivered. */
	void (*deliver_change)(void *arg, const struct pl_message *m);
	void *arg;
	/* inside */
	struct pl_timer tick;
	struct pl_bus_listener gaps;
	int64_t ticked_mono_ms;
	/* the bus' health */
	int64_t well_unix_ms; /* up to then the bus told everything */
	int64_t asked_unix_ms;
	int64_t asked_mono_ms;
	struct pl_redis_call asking;
	/* the doubt */
	bool is_doubted;
	int64_t until_mono_ms;
	/* the reads, one at a time */
	struct pl_timer look;
	struct pl_store_read_call call;
	struct pl_message_pos pos;
	struct pl_message_list page;
	/* Changes are read when no messages are left to read. */
	struct pl_message_pos change_pos;
	struct pl_pos_list change_places;
	struct pl_message_list changes;
	int64_t begun_unix_ms;
	int64_t begun_mono_ms;
	int64_t took_ms;         /* the last one */
	int64_t back_to_unix_ms; /* INT64_MAX, or where to go on from after this read */
	bool is_reading;
	bool has_more; /* a message came meanwhile */
	bool is_stopped;
};

void tail_start(struct tail *t);
void tail_stop(struct tail *t);
/* Something may have been missed since the bus was last well. */
void tail_doubt(struct tail *t);
/* The bus brought a message. True: it is read from the store, and delivered then. */
bool tail_takes_message(struct tail *t);

#endif
