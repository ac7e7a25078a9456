#include "support/bus_local.h"

#include "base/mem.h"
#include "bus/bus_impl.h"

/* A publication, or a channel that was opened, until the loop's next turn. */
struct item {
	struct pl_list link;
	struct pl_channel *opened;     /* NULL: a publication */
	struct pl_redis_flight flight; /* of a publication */
	struct pl_str channel;         /* after the struct, as is the payload */
	struct pl_str payload;
};

struct bus_local {
	struct pl_bus bus; /* first: is_up() relies on it */
	struct pl_list items;
	struct pl_timer timer;
	bool is_down;
	bool is_stalled;
};

static struct bus_local *
self(struct pl_bus *bus)
{
	return PL_CONTAINER(bus, struct bus_local, bus);
}

static void
run(struct pl_bus *bus, struct item *i)
{
	if (i->opened != NULL) {
		if (i->opened->listener_count > 0 && i->opened->holds == 1)
			pl_bus_channel_ready(i->opened);
		pl_bus_channel_release(i->opened);
		return;
	}
	pl_bus_deliver(bus, i->channel, i->payload);
	pl_redis_flight_land(&i->flight, PL_OK, NULL);
}

static void
on_timer(struct pl_timer *t)
{
	struct bus_local *b = t->arg;
	struct pl_list now;
	struct pl_list *link;

	pl_list_init(&now);
	pl_list_splice(&now, &b->items);
	while ((link = pl_list_pop(&now)) != NULL) {
		run(&b->bus, PL_CONTAINER(link, struct item, link));
		pl_mem_free(PL_CONTAINER(link, struct item, link));
	}
}

static void
run_soon(struct bus_local *b)
{
	if (!b->is_stalled && !pl_timer_is_started(&b->timer))
		pl_timer_start(b->bus.loop, &b->timer, 0);
}

static void
add(struct bus_local *b, struct item *i)
{
	pl_list_push(&b->items, &i->link);
	run_soon(b);
}

static void
open_channel(struct pl_bus *bus, struct pl_channel *ch)
{
	struct item *i = pl_mem_zalloc(sizeof(*i));

	pl_bus_channel_hold(ch);
	i->opened = ch;
	add(self(bus), i);
}

static void
close_channel(struct pl_bus *bus, struct pl_channel *ch)
{
	(void)bus, (void)ch;
}

static void
publish(struct pl_bus *bus, struct pl_str channel, struct pl_str payload,
    struct pl_redis_call *call)
{
	struct item *i = pl_mem_zalloc(sizeof(*i) + channel.len + payload.len);
	char *bytes = (char *)(i + 1);

	memcpy(bytes, channel.ptr, channel.len);
	i->channel = pl_str_n(bytes, channel.len);
	if (payload.len > 0)
		memcpy(bytes + channel.len, payload.ptr, payload.len);
	i->payload = pl_str_n(bytes + channel.len, payload.len);
	pl_redis_flight_start(&i->flight, call);
	add(self(bus), i);
}

static bool
is_up(const struct pl_bus *bus)
{
	const struct bus_local *b = (const void *)bus;

	return !b->is_down;
}

void
bus_local_set_up(struct pl_bus *bus, bool is_up)
{
	self(bus)->is_down = !is_up;
}

void
bus_local_stall(struct pl_bus *bus, bool is_stalled)
{
	struct bus_local *b = self(bus);

	b->is_stalled = is_stalled;
	if (is_stalled)
		pl_timer_stop(bus->loop, &b->timer);
	else if (!pl_list_is_empty(&b->items))
		run_soon(b);
}

static void
free_bus(struct pl_bus *bus)
{
	struct bus_local *b = self(bus);
	struct pl_list *link;

	pl_timer_stop(bus->loop, &b->timer);
	while ((link = pl_list_pop(&b->items)) != NULL) {
		struct item *i = PL_CONTAINER(link, struct item, link);

		if (i->opened != NULL)
			pl_bus_channel_release(i->opened);
		pl_redis_flight_land(&i->flight, PL_E_CANCELLED, NULL);
		pl_mem_free(i);
	}
	pl_bus_fini(bus);
	pl_mem_free(b);
}

struct pl_bus *
bus_local_new(struct pl_loop *loop)
{
	static const struct pl_bus_ops ops = {
	    .open = open_channel,
	    .close = close_channel,
	    .publish = publish,
	    .is_up = is_up,
	    .free = free_bus,
	};
	struct bus_local *b = pl_mem_zalloc(sizeof(*b));

	pl_bus_init(&b->bus, &ops, loop);
	pl_list_init(&b->items);
	b->timer = (struct pl_timer){.on_fire = on_timer, .arg = b};
	return &b->bus;
}
