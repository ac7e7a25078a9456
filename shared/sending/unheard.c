#include "sending/unheard.h"

#include "base/mem.h"
#include "bus/events.h"

/* Where a user is remembered, and nobody else meanwhile. */
struct slot {
	struct pl_oid user;
	int64_t end_mono_ms; /* 0: of nobody */
	uint64_t changes;    /* of whoever is remembered here */
};

struct pl_unheard {
	struct pl_loop *loop;
	struct pl_bus *bus;
	struct pl_bus_listener hears;
	struct slot slots[PL_UNHEARD_USERS];
};

/* The last bytes of an id count up. */
static size_t
slot_of(const struct pl_oid *user)
{
	return ((size_t)user->bytes[PL_OID_LEN - 2] << 8 | user->bytes[PL_OID_LEN - 1]) %
	       PL_UNHEARD_USERS;
}

static void
on_hears(void *arg, struct pl_str channel, struct pl_str payload)
{
	struct pl_unheard *u = arg;
	struct pl_oid user;
	struct slot *s;

	(void)channel;
	if (!pl_oid_parse(payload, &user))
		return;
	s = &u->slots[slot_of(&user)];
	s->changes++;
	if (pl_oid_eq(&s->user, &user))
		s->end_mono_ms = 0;
}

/* What was said meanwhile is lost. */
static void
on_ready(void *arg, bool is_again)
{
	struct pl_unheard *u = arg;

	(void)is_again;
	for (size_t i = 0; i < PL_UNHEARD_USERS; i++) {
		u->slots[i].end_mono_ms = 0;
		u->slots[i].changes++;
	}
}

struct pl_unheard *
pl_unheard_new(struct pl_loop *loop, struct pl_bus *bus)
{
	struct pl_unheard *u = pl_mem_zalloc(sizeof(*u));

	u->loop = loop;
	u->bus = bus;
	u->hears = (struct pl_bus_listener){
	    .on_message = on_hears, .on_ready = on_ready, .arg = u};
	pl_bus_subscribe(bus, PL_STR(PL_CHANNEL_HEARS), &u->hears);
	return u;
}

void
pl_unheard_free(struct pl_unheard *u)
{
	if (u == NULL)
		return;
	pl_bus_unsubscribe(u->bus, &u->hears);
	pl_mem_free(u);
}

bool
pl_unheard_has(const struct pl_unheard *u, const struct pl_oid *user)
{
	const struct slot *s;

	if (u == NULL)
		return false;
	s = &u->slots[slot_of(user)];
	return pl_oid_eq(&s->user, user) && s->end_mono_ms > pl_loop_now_ms(u->loop) &&
	       pl_bus_is_listening(&u->hears);
}

uint64_t
pl_unheard_changes(const struct pl_unheard *u, const struct pl_oid *user)
{
	return u != NULL ? u->slots[slot_of(user)].changes : 0;
}

void
pl_unheard_note(struct pl_unheard *u, const struct pl_oid *user, uint64_t changes)
{
	struct slot *s = &u->slots[slot_of(user)];

	if (changes != s->changes || !pl_bus_is_listening(&u->hears))
		return;
	s->user = *user;
	s->end_mono_ms = pl_loop_now_ms(u->loop) + PL_UNHEARD_MS;
}
