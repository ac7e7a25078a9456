/*
 * bus_impl: what every bus is made of: channels, their listeners, and who is called when.
 * The transport is bus_redis, and in tests bus_local (tests/support). Nobody else uses
 * this.
 *
 *   struct pl_bus --channels--> struct pl_channel --listeners--> struct pl_bus_listener
 *
 * A channel lives while it has a listener, is held (pl_bus_channel_hold), or is being
 * walked.
 * Threads: the loop's.
 */
#ifndef PL_BUS_BUS_IMPL_H
#define PL_BUS_BUS_IMPL_H

#include "base/map.h"
#include "bus/bus.h"

struct pl_channel {
	struct pl_bus *bus;
	struct pl_str name; /* after the struct, in the same memory */
	struct pl_list listeners;
	size_t listener_count;
	unsigned holds;
	struct pl_redis_call opening; /* the transport's; ends with the channel */
	bool is_ready;           /* the transport has confirmed it, and is still up */
	struct pl_list due_link; /* in bus->due while listeners wait for on_ready */
};

/* The transport. open() and close() are called within pl_bus_subscribe() and
 * _unsubscribe(); it calls pl_bus_channel_ready() later, never from there. */
struct pl_bus_ops {
	/* The first listener came, or the last one went. */
	void (*open)(struct pl_bus *bus, struct pl_channel *ch);
	void (*close)(struct pl_bus *bus, struct pl_channel *ch);
	void (*publish)(struct pl_bus *bus, struct pl_str channel, struct pl_str payload,
	    struct pl_redis_call *call);
	bool (*is_up)(const struct pl_bus *bus);
	void (*free)(struct pl_bus *bus);
};

struct pl_bus {
	const struct pl_bus_ops *ops;
	struct pl_loop *loop;
	struct pl_map channels; /* name -> struct pl_channel */
	struct pl_list due;
	struct pl_timer due_timer;
};

void pl_bus_init(struct pl_bus *bus, const struct pl_bus_ops *ops, struct pl_loop *loop);
void pl_bus_fini(struct pl_bus *bus); /* its listeners are unsubscribed */

void pl_bus_channel_hold(struct pl_channel *ch);
void pl_bus_channel_release(struct pl_channel *ch);
/* From now on nothing on this channel is missed: on_ready to each listener, from here. */
void pl_bus_channel_ready(struct pl_channel *ch);
void pl_bus_deliver(struct pl_bus *bus, struct pl_str channel, struct pl_str payload);

#endif
