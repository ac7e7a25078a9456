/*
 * bus: publish and subscribe between processes, over Redis (bus_redis). A message comes
 * at most once, and what is published while a subscription is down is lost: a listener
 * that must not miss anything reads the store when on_ready says that the subscription
 * was made again.
 *
 * bus/events.h lists the channels and what each carries.  Threads: the loop's.
 */
#ifndef PL_BUS_BUS_H
#define PL_BUS_BUS_H

#include "redis/client.h"

/* presence asks the bus this often, and takes it for away if an answer takes this
 * long. */
#define PL_BUS_ASK_MS  200
#define PL_BUS_SLOW_MS 400
#define PL_BUS_NOTICE_MS                                                                 \
	(PL_BUS_ASK_MS + PL_BUS_SLOW_MS) /* after this time presence knows */
_Static_assert(PL_BUS_NOTICE_MS < PL_REDIS_DEADLINE_MS,
    "presence reads the store before a publisher knows that its message did not go out");

struct pl_bus;
struct pl_channel;

/* A listener to a channel, of the caller, who zeroes it and sets the first three. The
 * slices of on_message are borrowed until it returns; it may subscribe and
 * unsubscribe. */
struct pl_bus_listener {
	void (*on_message)(void *arg, struct pl_str channel, struct pl_str payload);
	void *arg;
	/* The server confirmed the subscription (again, after a reconnect: is_again):
	 * from now on nothing is missed, but what was published in between is lost. May
	 * be NULL. */
	void (*on_ready)(void *arg, bool is_again);
	/* inside */
	struct pl_list link;
	struct pl_channel *channel; /* NULL while unsubscribed */
	bool is_ready_due;
	bool was_ready;
};

/* Publishes over commands, which must outlive it, and opens a connection of its own for
 * subscriptions. */
struct pl_bus *pl_bus_redis_new(
    struct pl_loop *loop, struct pl_redis *commands, const char *redis_url);
void pl_bus_free(struct pl_bus *bus);

/* Several listeners may share a channel; the server is asked once. */
void pl_bus_subscribe(
    struct pl_bus *bus, struct pl_str channel, struct pl_bus_listener *l);
void pl_bus_unsubscribe(
    struct pl_bus *bus, struct pl_bus_listener *l); /* twice is fine */
/* Is nothing missed on l's channel at this moment? Not before on_ready. */
bool pl_bus_is_listening(const struct pl_bus_listener *l);
/* call gets PL_OK when the server has taken it, and its reply: how many heard it; NULL:
 * nobody is told. */
void pl_bus_publish(struct pl_bus *bus, struct pl_str channel, struct pl_str payload,
    struct pl_redis_call *call);
/* Are both connections up? */
bool pl_bus_is_up(const struct pl_bus *bus);

#endif
