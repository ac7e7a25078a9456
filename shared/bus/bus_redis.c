#include "base/log.h"
#include "base/mem.h"
#include "bus/bus_impl.h"
#include "redis/reply.h"
#include "ops/metrics.h"

#define ASK_AGAIN_MS 1000

/*
 * Two connections, because one that subscribes takes no other commands. A channel is
 * ready when the SUBSCRIBE of its first listener is answered. Replies come in the order
 * of the commands: an UNSUBSCRIBE sent earlier is done by then, and a later one has
 * cancelled the call. Redis is asked again for a channel that it refused: else nothing
 * would come to its listeners until the connection breaks.
 */
struct bus_redis {
	struct pl_bus bus;         /* first: is_up() relies on it */
	struct pl_redis *commands; /* borrowed */
	struct pl_redis *subscriptions;
	struct pl_timer ask_again;
	struct pl_metrics_source metrics;
};

static struct bus_redis *
self(struct pl_bus *bus)
{
	return PL_CONTAINER(bus, struct bus_redis, bus);
}

/* ---- subscriptions ---- */

static void
on_subscribed(void *arg, enum pl_err err, const struct redisReply *reply)
{
	struct pl_channel *ch = arg;

	if (err == PL_OK) {
		pl_bus_channel_ready(ch);
		return;
	}
	if (err == PL_E_IO)
		pl_log_error_sampled("redis refused a subscription, asking again in 1 s",
		    PL_L_STR("channel", ch->name),
		    PL_L_STR("why", pl_redis_reply_str(reply)));
	if (err != PL_E_CANCELLED)
		pl_timer_start(ch->bus->loop, &self(ch->bus)->ask_again, ASK_AGAIN_MS);
}

static void
send_about(struct pl_bus *bus, const struct pl_channel *ch, struct pl_str verb,
    struct pl_redis_call *call)
{
	struct pl_str words[2] = {verb, ch->name};

	if (pl_redis_is_up(self(bus)->subscriptions)) /* else on_state() will */
		pl_redis_command(self(bus)->subscriptions, words, 2, call);
}

static void
open_channel(struct pl_bus *bus, struct pl_channel *ch)
{
	pl_redis_call_cancel(&ch->opening);
	pl_redis_call_init(&ch->opening, on_subscribed, ch);
	send_about(bus, ch, PL_STR("SUBSCRIBE"), &ch->opening);
}

static void
close_channel(struct pl_bus *bus, struct pl_channel *ch)
{
	pl_redis_call_cancel(&ch->opening);
	send_about(bus, ch, PL_STR("UNSUBSCRIBE"), NULL);
}

/* Those that neither have an answer nor wait for one. */
static void
on_ask_again(struct pl_timer *t)
{
	struct pl_bus *bus = t->arg;
	struct pl_channel *ch;
	size_t it = 0;

	while ((ch = pl_map_next(&bus->channels, &it)) != NULL)
		if (!ch->is_ready && ch->listener_count > 0 &&
		    !pl_redis_call_is_waiting(&ch->opening))
			open_channel(bus, ch);
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

static void
publish(struct pl_bus *bus, struct pl_str channel, struct pl_str payload,
    struct pl_redis_call *call)
{
	struct pl_str words[3] = {PL_STR("PUBLISH"), channel, payload};

	pl_redis_command(self(bus)->commands, words, 3, call);
}

/* ---- life ---- */

static bool
is_up(const struct pl_bus *bus)
{
	const struct bus_redis *b = (const void *)bus;

	return pl_redis_is_up(b->commands) && pl_redis_is_up(b->subscriptions);
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
	pl_timer_stop(bus->loop, &b->ask_again);
	pl_bus_fini(bus);
	pl_mem_free(b);
}

struct pl_bus *
pl_bus_redis_new(struct pl_loop *loop, struct pl_redis *commands, const char *redis_url)
{
	static const struct pl_bus_ops ops = {
	    .open = open_channel,
	    .close = close_channel,
	    .publish = publish,
	    .is_up = is_up,
	    .free = free_bus,
	};
	struct bus_redis *b = pl_mem_zalloc(sizeof(*b));
	struct pl_redis_config subscriptions = {.url = redis_url,
	    .role = "subscriptions",
	    .on_state = on_state,
	    .on_push = on_push,
	    .arg = &b->bus};

	pl_bus_init(&b->bus, &ops, loop);
	b->commands = commands;
	b->subscriptions = pl_redis_new(loop, &subscriptions);
	b->ask_again = (struct pl_timer){.on_fire = on_ask_again, .arg = &b->bus};
	b->metrics = (struct pl_metrics_source){.collect = collect, .arg = &b->bus};
	pl_metrics_add_source(&b->metrics);
	return &b->bus;
}
