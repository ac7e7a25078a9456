#include "presence/hub_sent.h"

#include <assert.h>

#include "base/mem.h"
#include "bus/events.h"
#include "presence/hub_tell.h"

#define TELL_AGAIN_MS PL_BUS_ASK_MS /* Redis did not answer */
#define TIMES         2

struct hub_sent {
	struct hub_user *user;
	unsigned uses;
	struct pl_bus_listener listener;
	struct pl_redis_call telling;
	struct pl_timer again;
	int told; /* TIMES: Redis has written it to all publishers */
};

static void
on_event(void *arg, struct pl_str channel, struct pl_str payload)
{
	struct hub_sent *s = arg;

	hub_on_user_event(s->user, channel, payload);
}

static void
tell(struct hub_sent *s)
{
	const struct hub_user *user = s->user;
	char id[PL_OID_HEX_LEN + 1];

	pl_oid_format(&user->id, id);
	pl_bus_publish(
	    user->hub->app->bus, PL_STR(PL_CHANNEL_HEARS), pl_str(id), &s->telling);
}

static void
on_told(void *arg, enum pl_err err, const struct redisReply *reply)
{
	struct hub_sent *s = arg;

	(void)reply;
	if (err == PL_E_CANCELLED)
		return;
	if (err != PL_OK)
		pl_timer_start(s->user->hub->app->loop, &s->again, TELL_AGAIN_MS);
	else if (++s->told < TIMES)
		tell(s);
	else
		hub_tell_ready(s->user);
}

static void
on_again(struct pl_timer *t)
{
	struct hub_sent *s = t->arg;

	s->told = 0;
	tell(s);
}

/* Subscribed, perhaps again: meanwhile somebody may have found that nobody was. */
static void
on_ready(void *arg, bool is_again)
{
	struct hub_sent *s = arg;

	(void)is_again;
	pl_timer_stop(s->user->hub->app->loop, &s->again);
	pl_redis_call_cancel(&s->telling);
	s->told = 0;
	tell(s);
}

void
hub_hear_sent(struct hub_user *user)
{
	char channel[PL_CHANNEL_USER_LEN + 1];
	struct hub_sent *s = user->sent;

	if (s == NULL) {
		s = user->sent = pl_mem_zalloc(sizeof(*s));
		s->user = user;
		s->listener = (struct pl_bus_listener){
		    .on_message = on_event, .on_ready = on_ready, .arg = s};
		s->again = (struct pl_timer){.on_fire = on_again, .arg = s};
		pl_redis_call_init(&s->telling, on_told, s);
		pl_channel_sent(&user->id, channel);
		pl_bus_subscribe(user->hub->app->bus, pl_str(channel), &s->listener);
	}
	s->uses++;
}

void
hub_end_sent(struct hub_user *user)
{
	struct hub_sent *s = user->sent;

	if (s == NULL)
		return;
	user->sent = NULL;
	pl_bus_unsubscribe(user->hub->app->bus, &s->listener);
	pl_timer_stop(user->hub->app->loop, &s->again);
	pl_redis_call_cancel(&s->telling);
	pl_mem_free(s);
}

void
hub_drop_sent(struct hub_user *user)
{
	assert(user->sent != NULL);
	if (--user->sent->uses == 0)
		hub_end_sent(user);
}

bool
hub_hears_sent(const struct hub_user *user)
{
	return user->sent != NULL && user->sent->told == TIMES &&
	       pl_bus_is_listening(&user->sent->listener);
}
