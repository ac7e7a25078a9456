#include "tell.h"

#include "base/clock.h"
#include "bus/bus.h"
#include "bus/events.h"
#include "loop/loop_epoll.h"
#include "online/rule.h"

#define STEP_MS       50
#define ONLINE_TTL_MS 1000 /* of no use: nobody is said to be online here */

struct teller {
	struct pl_loop *loop;
	struct pl_redis *redis;
	struct pl_bus *bus;
	struct pl_online *online;
	struct pl_redis_call call;
	bool is_answered;
	bool is_taken;
};

static void
on_published(void *arg, enum pl_err err, const struct redisReply *reply)
{
	struct teller *t = arg;

	(void)reply;
	t->is_answered = true;
	t->is_taken = err == PL_OK;
}

static bool
is_up(const struct teller *t)
{
	return pl_bus_is_up(t->bus);
}

static bool
is_answered(const struct teller *t)
{
	return t->is_answered;
}

static bool
wait_until(
    const struct teller *t, bool (*is_so)(const struct teller *t), int64_t until_mono_ms)
{
	while (!is_so(t) && pl_clock_mono_ms() < until_mono_ms)
		pl_loop_epoll_step(t->loop, STEP_MS);
	return is_so(t);
}

static void
start(struct teller *t, const char *redis_url)
{
	struct pl_redis_config commands = {.url = redis_url, .role = "commands"};

	*t = (struct teller){.loop = pl_loop_epoll_new()};
	t->redis = pl_redis_new(t->loop, &commands);
	t->bus = pl_bus_redis_new(t->loop, t->redis, redis_url);
	t->online = pl_online_new(t->loop, t->redis, t->bus, ONLINE_TTL_MS);
	pl_redis_call_init(&t->call, on_published, t);
}

static void
finish(struct teller *t)
{
	pl_redis_call_cancel(&t->call);
	pl_online_free(t->online);
	pl_bus_free(t->bus);
	pl_redis_free(t->redis);
	pl_loop_epoll_free(t->loop);
}

static void
publish_erased(struct teller *t, const struct pl_oid *user)
{
	struct pl_buf event;

	pl_buf_init(&event, PL_BUF_UNLIMITED);
	pl_event_user_deleted(&event, user);
	pl_bus_publish(t->bus, PL_STR(PL_CHANNEL_ALL), pl_buf_str(&event), NULL);
	pl_buf_fini(&event);
}

static bool
tell(const char *redis_url, const struct pl_revocation *r, bool is_erased)
{
	int64_t until_mono_ms = pl_clock_mono_ms() + TELL_MS;
	struct pl_buf payload;
	struct teller t;

	start(&t, redis_url);
	if (wait_until(&t, is_up, until_mono_ms)) {
		pl_buf_init(&payload, 4096);
		pl_event_revoked_write(&payload, r);
		pl_online_logged_out(t.online, &r->user);
		if (is_erased)
			publish_erased(&t, &r->user);
		pl_bus_publish(
		    t.bus, PL_STR(PL_CHANNEL_REVOKED), pl_buf_str(&payload), &t.call);
		pl_buf_fini(&payload);
		(void)wait_until(&t, is_answered, until_mono_ms);
	}
	finish(&t);
	return t.is_taken;
}

bool
tell_revoked(const char *redis_url, const struct pl_revocation *r)
{
	return tell(redis_url, r, false);
}

bool
tell_erased(const char *redis_url, const struct pl_revocation *r)
{
	return tell(redis_url, r, true);
}
