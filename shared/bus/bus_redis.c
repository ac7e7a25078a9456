#include "base/log.h"
#include "base/mem.h"
#include "bus/bus_impl.h"
#include "bus/redis_reply.h"
#include "ops/metrics.h"

/*
 * Two connections, because one that subscribes takes no other commands. While a SUBSCRIBE or
 * UNSUBSCRIBE is unanswered it holds its channel. A channel is ready once its last one was
 * answered and was a SUBSCRIBE: replies come in the order of the commands.
 */
struct bus_redis {
	struct pl_bus bus; /* first: is_up() relies on it */
	struct pl_redis *commands;
	struct pl_redis *subscriptions;
	struct pl_metrics_source metrics;
};

static struct bus_redis *
self(struct pl_bus *bus)
{
	return PL_CONTAINER(bus, struct bus_redis, bus);
}

/* ---- subscriptions ---- */

static void
on_subscribed(void *arg, const struct redisReply *reply)
{
	struct pl_channel *ch = arg;
	bool is_last = ch->holds == 1;

	if (pl_redis_reply_is(reply, REDIS_REPLY_ERROR))
		pl_log_error(
		    "redis refused a subscription, asking again when connected again",
		    PL_L_STR("channel", ch->name),
		    PL_L_STR("why", pl_redis_reply_str(reply)));
	else if (reply != NULL && is_last && ch->listener_count > 0)
		pl_bus_channel_ready(ch);
	pl_bus_channel_release(ch);
}

static void
on_unsubscribed(void *arg, const struct redisReply *reply)
{
	(void)reply;
	pl_bus_channel_release(arg);
}

static void
send_about(struct pl_bus *bus, struct pl_channel *ch, struct pl_str verb,
    pl_redis_on_reply *on_reply)
{
	struct pl_str words[2] = {verb, ch->name};

	if (!pl_redis_is_up(self(bus)->subscriptions))
		return; /* on_state() will */
	pl_bus_channel_hold(ch);
	pl_redis_command(self(bus)->subscriptions, words, 2, on_reply, ch);
}

static void
open_channel(struct pl_bus *bus, struct pl_channel *ch)
{
	send_about(bus, ch, PL_STR("SUBSCRIBE"), on_subscribed);
}

static void
close_channel(struct pl_bus *bus, struct pl_channel *ch)
{
	send_about(bus, ch, PL_STR("UNSUBSCRIBE"), on_unsubscribed);
}

static void
on_state(void *arg, bool is_up)
{
	struct pl_bus *bus = arg;
	struct pl_channel *ch;
	size_t it = 0;

	while ((ch = pl_map_next(&bus->channels, &it)) != NULL) {
		if (!is_up)
			ch->is_ready = false;
		else if (ch->listener_count > 0)
			open_channel(bus, ch);
	}
}

static void
on_push(void *arg, const struct redisReply *reply)
{
	const struct redisReply *channel = pl_redis_reply_at(reply, 1);
	const struct redisReply *payload = pl_redis_reply_at(reply, 2);

	if (pl_redis_reply_is(channel, REDIS_REPLY_STRING) &&
	    pl_redis_reply_is(payload, REDIS_REPLY_STRING))
		pl_bus_deliver(
		    arg, pl_redis_reply_str(channel), pl_redis_reply_str(payload));
}

/* ---- publishing ---- */

struct publication {
	void (*done)(void *arg, enum pl_err err);
	void *arg;
};

static void
on_published(void *arg, const struct redisReply *reply)
{
	struct publication *p = arg;

	p->done(p->arg,
	    pl_redis_reply_is(reply, REDIS_REPLY_INTEGER) ? PL_OK : PL_E_UNAVAILABLE);
	pl_mem_free(p);
}

static void
publish(struct pl_bus *bus, struct pl_str channel, struct pl_str payload,
    void (*done)(void *arg, enum pl_err err), void *arg)
{
	struct pl_str words[3] = {PL_STR("PUBLISH"), channel, payload};
	struct publication *p = NULL;

	if (done != NULL) {
		p = pl_mem_alloc(sizeof(*p));
		*p = (struct publication){done, arg};
	}
	pl_redis_command(
	    self(bus)->commands, words, 3, p != NULL ? on_published : NULL, p);
}

/* ---- life ---- */

static bool
is_up(const struct pl_bus *bus)
{
	const struct bus_redis *b = (const void *)bus;

	return pl_redis_is_up(b->commands) && pl_redis_is_up(b->subscriptions);
}

static struct pl_redis *
redis_of(struct pl_bus *bus)
{
	return self(bus)->commands;
}

static void
collect(void *arg)
{
	pl_metrics_set(PL_M_REDIS_UP, NULL, is_up(arg));
}

static void
free_bus(struct pl_bus *bus)
{
	struct bus_redis *b = self(bus);

	pl_metrics_remove_source(&b->metrics);
	pl_redis_free(b->subscriptions);
	pl_redis_free(b->commands);
	pl_bus_fini(bus);
	pl_mem_free(b);
}

struct pl_bus *
pl_bus_redis_new(struct pl_loop *loop, const char *redis_url)
{
	static const struct pl_bus_ops ops = {
	    .open = open_channel,
	    .close = close_channel,
	    .publish = publish,
	    .is_up = is_up,
	    .redis = redis_of,
	    .free = free_bus,
	};
	struct bus_redis *b = pl_mem_zalloc(sizeof(*b));
	struct pl_redis_config commands = {.url = redis_url, .role = "commands"};
	struct pl_redis_config subscriptions = {.url = redis_url,
	    .role = "subscriptions",
	    .on_state = on_state,
	    .on_push = on_push,
	    .arg = &b->bus};

	pl_bus_init(&b->bus, &ops, loop);
	b->commands = pl_redis_new(loop, &commands);
	b->subscriptions = pl_redis_new(loop, &subscriptions);
	b->metrics = (struct pl_metrics_source){.collect = collect, .arg = &b->bus};
	pl_metrics_add_source(&b->metrics);
	return &b->bus;
}
