#include "support/fake/bus.h"

#include <assert.h>

#include "base/buf.h"
#include "base/mem.h"
#include "bus/bus_impl.h"

struct fake_bus {
	struct pl_bus base;
	struct pl_list publications;
};

struct publication {
	struct pl_list link;
	struct pl_redis_flight flight;
	struct pl_buf text; /* channel, space, payload */
};

static struct fake_bus *
of(struct pl_bus *bus)
{
	return PL_CONTAINER(bus, struct fake_bus, base);
}

static bool
holds(const struct publication *p, const char *text)
{
	return memmem(p->text.data, p->text.len, text, strlen(text)) != NULL;
}

static void
end(struct publication *p, enum pl_err err)
{
	pl_list_unlink(&p->link);
	pl_buf_fini(&p->text);
	pl_redis_flight_land(&p->flight, err, NULL);
	pl_mem_free(p);
}

/* It is never listened to: nothing is known of what comes by it. */
static void
ignore_channel(struct pl_bus *bus, struct pl_channel *ch)
{
	(void)bus, (void)ch;
}

static void
publish(struct pl_bus *bus, struct pl_str channel, struct pl_str payload,
    struct pl_redis_call *call)
{
	struct publication *p = pl_mem_zalloc(sizeof(*p));

	pl_buf_init(&p->text, PL_BUF_UNLIMITED);
	pl_buf_add_str(&p->text, channel);
	pl_buf_add_char(&p->text, ' ');
	pl_buf_add_str(&p->text, payload);
	pl_redis_flight_start(&p->flight, call);
	pl_list_push(&of(bus)->publications, &p->link);
}

static bool
is_up(const struct pl_bus *bus)
{
	(void)bus;
	return true;
}

void
fake_bus_end_all(struct pl_bus *bus, enum pl_err err)
{
	while (!pl_list_is_empty(&of(bus)->publications))
		end(PL_CONTAINER(of(bus)->publications.next, struct publication, link),
		    err);
}

static void
free_bus(struct pl_bus *bus)
{
	fake_bus_end_all(bus, PL_E_CANCELLED);
	pl_bus_fini(bus);
	pl_mem_free(of(bus));
}

struct pl_bus *
fake_bus_new(struct pl_loop *loop)
{
	static const struct pl_bus_ops ops = {
	    .open = ignore_channel,
	    .close = ignore_channel,
	    .publish = publish,
	    .is_up = is_up,
	    .free = free_bus,
	};
	struct fake_bus *b = pl_mem_zalloc(sizeof(*b));

	pl_bus_init(&b->base, &ops, loop);
	pl_list_init(&b->publications);
	return &b->base;
}

size_t
fake_bus_count(struct pl_bus *bus, const char *text)
{
	size_t count = 0;

	pl_list_for_each(it, &of(bus)->publications) count +=
	    holds(PL_CONTAINER(it, struct publication, link), text);
	return count;
}

void
fake_bus_end(struct pl_bus *bus, const char *text, enum pl_err err)
{
	pl_list_for_each(it, &of(bus)->publications)
	{
		struct publication *p = PL_CONTAINER(it, struct publication, link);

		if (!holds(p, text))
			continue;
		end(p, err);
		return;
	}
	assert(!"a publication with this text waits");
}
