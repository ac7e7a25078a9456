#include "limits/half_open.h"

#include "base/mem.h"
#include "limits/address.h"

struct pl_half_open_address {
	unsigned sessions;
	unsigned counted; /* of the sessions of this address */
	char group[PL_ADDRESS_GROUP_MAX];
};

static struct pl_half_open_address *
address_get(struct pl_half_open_table *t, struct pl_str address)
{
	char group[PL_ADDRESS_GROUP_MAX];
	struct pl_half_open_address *a;

	pl_address_group(address, group);
	a = pl_map_get(&t->addresses, pl_str(group));
	if (a)
		return a;
	a = pl_mem_zalloc(sizeof(*a));
	memcpy(a->group, group, sizeof(group));
	(void)pl_map_put(&t->addresses, pl_str(a->group), a);
	return a;
}

void
pl_half_open_enter(
    struct pl_half_open_table *t, struct pl_half_open *h, struct pl_str address)
{
	h->address = address_get(t, address);
	h->address->sessions++;
	h->begun_mono_ms = pl_loop_now_ms(t->loop);
	pl_list_push(&t->fresh, &h->link);
	if (!pl_timer_is_started(&t->timer))
		pl_timer_start(t->loop, &t->timer, PL_HALF_OPEN_AFTER_MS);
}

void
pl_half_open_leave(struct pl_half_open_table *t, struct pl_half_open *h)
{
	struct pl_half_open_address *a = h->address;

	if (!a)
		return;
	pl_list_unlink(&h->link);
	if (h->counts) {
		a->counted--;
		t->counted--;
	}
	*h = (struct pl_half_open){0};
	if (--a->sessions > 0)
		return;
	pl_map_del(&t->addresses, pl_str(a->group));
	pl_mem_free(a);
}

void
pl_half_open_count(struct pl_half_open_table *t, struct pl_half_open *h)
{
	if (!h->address || h->counts)
		return;
	pl_list_unlink(&h->link);
	h->counts = true;
	t->counted++;
	if (++h->address->counted > PL_HALF_OPEN_MAX || t->counted > PL_HALF_OPEN_ALL_MAX)
		t->on_too_many(h);
}

/* Those that are old enough count from now on, if there is room. */
static void
on_timer(struct pl_timer *timer)
{
	struct pl_half_open_table *t = timer->arg;
	int64_t now = pl_loop_now_ms(t->loop);

	while (!pl_list_is_empty(&t->fresh)) {
		struct pl_half_open *h =
		    PL_CONTAINER(t->fresh.next, struct pl_half_open, link);
		int64_t left_ms = h->begun_mono_ms + PL_HALF_OPEN_AFTER_MS - now;

		if (left_ms > 0) {
			pl_timer_start(t->loop, timer, left_ms);
			return;
		}
		pl_half_open_count(t, h);
	}
}

void
pl_half_open_table_init(struct pl_half_open_table *t, struct pl_loop *loop,
    void (*on_too_many)(struct pl_half_open *h))
{
	*t = (struct pl_half_open_table){.loop = loop, .on_too_many = on_too_many};
	pl_map_init(&t->addresses);
	pl_list_init(&t->fresh);
	t->timer.on_fire = on_timer;
	t->timer.arg = t;
}

void
pl_half_open_table_fini(struct pl_half_open_table *t)
{
	pl_timer_stop(t->loop, &t->timer);
	pl_map_fini(&t->addresses);
}
