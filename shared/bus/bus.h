/*
 * bus: publish and subscribe between processes, over Redis (bus_redis). A message comes at
 * most once, and what is published while a subscription is down is lost: whoever must not
 * miss anything reads the store when on_ready says that the subscription was made again.
 *
 * bus/events.h lists the channels and what each carries.  Threads: the loop's.
 */
#ifndef PL_BUS_BUS_H
#define PL_BUS_BUS_H

#include "redis/client.h"

/* presence asks the bus so often, and takes it for away once an answer takes so long. */
#define PL_BUS_ASK_MS  200
#define PL_BUS_SLOW_MS 400
#define PL_BUS_NOTICE_MS                                                                 \
	(PL_BUS_ASK_MS + PL_BUS_SLOW_MS) /* so long, and presence knows */
_Static_assert(PL_BUS_NOTICE_MS < PL_REDIS_DEADLINE_MS,
    "presence reads the store before a publisher knows that its message did not go out");

struct pl_bus;
struct pl_channel;

/* One that listens to a channel: the caller's; zero it, set the first three. on_message's
 * slices are borrowed until it returns; it may subscribe and unsubscribe. */
struct pl_bus_listener {
	void (*on_message)(void *arg, struct pl_str channel, struct pl_str payload);
	void *arg;
	/* The server confirmed the subscription (again, after a reconnect: is_again): from now
	 * on nothing is missed. What was published between was. May be NULL. */
	void (*on_ready)(void *arg, bool is_again);
	/* inside */
	struct pl_list link;
	struct pl_channel *channel; /* NULL while unsubscribed */
	bool is_ready_due;
	bool was_ready;
};

/* Publishes over commands, which must outlive it, and opens a connection of its own to
 * subscribe. */
struct pl_bus *pl_bus_redis_new(
    struct pl_loop *loop, struct pl_redis *commands, const char *redis_url);
void pl_bus_free(struct pl_bus *bus);

/* Several listeners may share a channel; the server is asked once. */
void pl_bus_subscribe(
    struct pl_bus *bus, struct pl_str channel, struct pl_bus_listener *l);
void pl_bus_unsubscribe(
    struct pl_bus *bus, struct pl_bus_listener *l); /* twice is fine */
/* call hears PL_OK once the server took it; NULL: nobody does. */
void pl_bus_publish(struct pl_bus *bus, struct pl_str channel, struct pl_str payload,
    struct pl_redis_call *call);
/* Both connections stand. */
bool pl_bus_is_up(const struct pl_bus *bus);

#endif
