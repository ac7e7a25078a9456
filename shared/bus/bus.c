#include "base/mem.h"
#include "bus/bus_impl.h"

/* ---- channels ---- */

static struct pl_channel *
channel_new(struct pl_bus *bus, struct pl_str name)
{
	struct pl_channel *ch = pl_mem_zalloc(sizeof(*ch) + name.len);
	char *copy = (char *)(ch + 1);

	memcpy(copy, name.ptr, name.len);
	ch->bus = bus;
	ch->name = pl_str_n(copy, name.len);
	pl_list_init(&ch->listeners);
	pl_list_init(&ch->due_link);
	pl_map_put(&bus->channels, ch->name, ch);
	return ch;
}

static void
channel_free(struct pl_channel *ch)
{
	pl_map_del(&ch->bus->channels, ch->name);
	pl_list_unlink(&ch->due_link);
	pl_redis_call_cancel(&ch->opening);
	pl_mem_free(ch);
}

void
pl_bus_channel_hold(struct pl_channel *ch)
{
	ch->holds++;
}

void
pl_bus_channel_release(struct pl_channel *ch)
{
	if (--ch->holds == 0 && ch->listener_count == 0)
		channel_free(ch);
}

/*
 * Walk the listeners of a channel while they come and go: a mark in the list stands after
 * the one that is called, and no listener is a mark.
 */
struct walk {
	struct pl_channel *ch;
	struct pl_list mark;
};

static void
walk_start(struct walk *w, struct pl_channel *ch)
{
	pl_bus_channel_hold(ch);
	w->ch = ch;
	pl_list_insert_before(ch->listeners.next, &w->mark);
}

static struct pl_bus_listener *
walk_next(struct walk *w)
{
	struct pl_list *link = w->mark.next;

	pl_list_unlink(&w->mark);
	if (link == &w->ch->listeners) {
		pl_bus_channel_release(w->ch);
		return NULL;
	}
	pl_list_insert_before(link->next, &w->mark);
	return PL_CONTAINER(link, struct pl_bus_listener, link);
}

static void
notify_ready(struct pl_channel *ch)
{
	struct pl_bus_listener *l;
	struct walk w;

	pl_list_unlink(&ch->due_link);
	walk_start(&w, ch);
	while ((l = walk_next(&w)) != NULL) {
		bool is_again = l->was_ready;

		if (!l->is_ready_due || !ch->is_ready)
			continue;
		l->is_ready_due = false;
		l->was_ready = true;
		if (l->on_ready != NULL)
			l->on_ready(l->arg, is_again);
	}
}

void
pl_bus_channel_ready(struct pl_channel *ch)
{
	ch->is_ready = true;
	pl_list_for_each(it, &ch->listeners)
	    PL_CONTAINER(it, struct pl_bus_listener, link)
		->is_ready_due = true;
	notify_ready(ch);
}

/* Listeners that joined a channel that was ready already. */
static void
on_due_timer(struct pl_timer *t)
{
	struct pl_bus *bus = t->arg;
	struct pl_list now;
	struct pl_list *link;

	pl_list_init(&now);
	pl_list_splice(&now, &bus->due);
	while ((link = pl_list_pop(&now)) != NULL)
		notify_ready(PL_CONTAINER(link, struct pl_channel, due_link));
}

void
pl_bus_deliver(struct pl_bus *bus, struct pl_str channel, struct pl_str payload)
{
	struct pl_channel *ch = pl_map_get(&bus->channels, channel);
	struct pl_bus_listener *l;
	struct walk w;

	if (ch == NULL)
		return;
	walk_start(&w, ch);
	while ((l = walk_next(&w)) != NULL)
		l->on_message(l->arg, channel, payload);
}

/* ---- life ---- */

void
pl_bus_init(struct pl_bus *bus, const struct pl_bus_ops *ops, struct pl_loop *loop)
{
	bus->ops = ops;
	bus->loop = loop;
	pl_map_init(&bus->channels);
	pl_list_init(&bus->due);
	bus->due_timer = (struct pl_timer){.on_fire = on_due_timer, .arg = bus};
}

void
pl_bus_fini(struct pl_bus *bus)
{
	struct pl_channel *ch;
	struct pl_list *link;
	size_t it = 0;

	pl_timer_stop(bus->loop, &bus->due_timer);
	while ((ch = pl_map_next(&bus->channels, &it)) != NULL) {
		while ((link = pl_list_pop(&ch->listeners)) != NULL)
			PL_CONTAINER(link, struct pl_bus_listener, link)->channel = NULL;
		channel_free(ch);
	}
	pl_map_fini(&bus->channels);
}

void
pl_bus_free(struct pl_bus *bus)
{
	if (bus != NULL)
		bus->ops->free(bus);
}

/* ---- calls ---- */

void
pl_bus_subscribe(struct pl_bus *bus, struct pl_str channel, struct pl_bus_listener *l)
{
	struct pl_channel *ch = pl_map_get(&bus->channels, channel);

	if (ch == NULL)
		ch = channel_new(bus, channel);
	l->channel = ch;
	l->is_ready_due = true;
	l->was_ready = false;
	pl_list_push(&ch->listeners, &l->link);
	if (ch->listener_count++ == 0)
		bus->ops->open(bus, ch);
	if (ch->is_ready) {
		pl_list_unlink(&ch->due_link);
		pl_list_push(&bus->due, &ch->due_link);
		pl_timer_start(bus->loop, &bus->due_timer, 0);
	}
}

void
pl_bus_unsubscribe(struct pl_bus *bus, struct pl_bus_listener *l)
{
	struct pl_channel *ch = l->channel;

	if (ch == NULL)
		return;
	l->channel = NULL;
	pl_list_unlink(&l->link);
	if (--ch->listener_count > 0)
		return;
	pl_bus_channel_hold(ch);
	ch->is_ready = false;
	bus->ops->close(bus, ch);
	pl_bus_channel_release(ch);
}

bool
pl_bus_is_listening(const struct pl_bus_listener *l)
{
	return l->channel != NULL && l->channel->is_ready && !l->is_ready_due;
}

void
pl_bus_publish(struct pl_bus *bus, struct pl_str channel, struct pl_str payload,
    struct pl_redis_call *call)
{
	bus->ops->publish(bus, channel, payload, call);
}

bool
pl_bus_is_up(const struct pl_bus *bus)
{
	return bus->ops->is_up(bus);
}
