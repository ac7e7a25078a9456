#include "http/cork.h"

#include "base/clock.h"
#include "http/service.h"

static void on_turn_end(struct pl_task *task);

static struct {
	struct connection *of[PL_CORK_MAX];
	size_t count;
	int64_t since_mono_us;
	struct pl_task release;
	bool is_posted;
} held = {.release.run = on_turn_end};

/* Else a client that has the 201 and sends again, through another process, could overtake
 * itself. */
static void
flush_bus(void)
{
	if (pl_app.redis != NULL)
		pl_redis_flush(pl_app.redis);
}

static void
flush(struct connection *c)
{
	if (!net_send_flush(c))
		kore_connection_disconnect(c);
}

/* c->disconnect: kore frees c at the end of its turn. */
static void
forget(struct connection *c)
{
	c->disconnect = NULL;
	for (size_t i = 0; i < held.count; i++)
		if (held.of[i] == c)
			held.of[i] = held.of[--held.count];
}

static void
let_go(struct connection *c)
{
	if (c->disconnect == forget)
		c->disconnect = NULL;
	c->evt.flags |= KORE_EVENT_WRITE;
	flush(c);
}

void
pl_cork_release(void)
{
	if (held.count == 0)
		return;
	flush_bus();
	for (size_t i = 0; i < held.count; i++)
		let_go(held.of[i]);
	held.count = 0;
}

static void
on_turn_end(struct pl_task *task)
{
	(void)task;
	held.is_posted = false;
	pl_cork_release();
}

static void
release_at_turn_end(void)
{
	if (!held.is_posted)
		pl_loop_post(pl_app.loop, &held.release);
	held.is_posted = true;
}

/* A connection with a disconnect of its own is no longer kore's alone. */
static bool
can_wait(const struct connection *c)
{
	return c->state == CONN_STATE_ESTABLISHED && c->disconnect == NULL &&
	       (c->evt.flags & KORE_EVENT_WRITE) != 0 && !TAILQ_EMPTY(&c->send_queue);
}

static void
keep(struct connection *c, int64_t now_mono_us)
{
	if (held.count == 0)
		held.since_mono_us = now_mono_us;
	c->disconnect = forget;
	c->evt.flags &= ~KORE_EVENT_WRITE;
	held.of[held.count++] = c;
}

static bool
is_full(int64_t now_mono_us)
{
	return held.count == PL_CORK_MAX ||
	       (held.count > 0 && now_mono_us - held.since_mono_us > PL_CORK_US);
}

bool
pl_cork_is_over(void)
{
	return held.count > 0 && is_full(pl_clock_mono_us());
}

void
pl_cork_hold(struct connection *c, bool is_in_handler)
{
	int64_t now_mono_us = pl_clock_mono_us();

	if (is_full(now_mono_us))
		pl_cork_release();
	if (!can_wait(c)) {
		flush_bus();
		flush(c);
		return;
	}
	keep(c, now_mono_us);
	if (!is_in_handler)
		release_at_turn_end();
}
