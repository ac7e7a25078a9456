#include "bus/gap.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"

#define AGAIN_MS    50
#define UNIX_MS_MAX INT64_C(9999999999999)

struct pl_gap {
	struct pl_loop *loop;
	struct pl_bus *bus;
	struct pl_timer timer;
	struct pl_list waiting;
	int64_t since_unix_ms; /* INT64_MAX: nothing to publish */
	int64_t noted_mono_ms; /* when the oldest of it was noted */
	/* the note on its way, while is_publishing() */
	struct pl_list publishing; /* those who wait for it */
	int64_t publishing_unix_ms;
	struct pl_redis_call publication;
};

static bool
is_publishing(const struct pl_gap *g)
{
	return pl_redis_call_is_waiting(&g->publication);
}

static void
notify(struct pl_list *list)
{
	struct pl_list *link;

	while ((link = pl_list_pop(list)) != NULL) {
		struct pl_gap_waiter *w = PL_CONTAINER(link, struct pl_gap_waiter, link);

		w->on_published(w->arg);
	}
}

static void
forget(struct pl_list *list)
{
	while (pl_list_pop(list) != NULL)
		;
}

static void
on_publication(void *arg, enum pl_err err, const struct redisReply *reply)
{
	struct pl_gap *g = arg;
	struct pl_list waiters;

	(void)reply;
	if (err != PL_OK) {
		if (g->publishing_unix_ms < g->since_unix_ms)
			g->since_unix_ms = g->publishing_unix_ms;
		pl_list_splice(&g->waiting, &g->publishing);
		pl_timer_start(g->loop, &g->timer, AGAIN_MS);
		return;
	}
	g->noted_mono_ms = pl_loop_now_ms(g->loop);
	if (g->since_unix_ms != INT64_MAX)
		pl_timer_start(g->loop, &g->timer, 0);
	pl_list_init(&waiters);
	pl_list_splice(&waiters, &g->publishing);
	notify(&waiters);
}

static void
on_timer(struct pl_timer *t)
{
	struct pl_gap *g = t->arg;
	char payload[24];

	if (is_publishing(g) || g->since_unix_ms == INT64_MAX)
		return;
	snprintf(payload, sizeof(payload), "%lld", (long long)g->since_unix_ms);
	pl_list_splice(&g->publishing, &g->waiting);
	g->publishing_unix_ms = g->since_unix_ms;
	g->since_unix_ms = INT64_MAX;
	pl_bus_publish(g->bus, PL_STR(PL_CHANNEL_GAP), pl_str(payload), &g->publication);
}

struct pl_gap *
pl_gap_new(struct pl_loop *loop, struct pl_bus *bus)
{
	struct pl_gap *g = pl_mem_zalloc(sizeof(*g));

	g->loop = loop;
	g->bus = bus;
	g->since_unix_ms = INT64_MAX;
	g->timer = (struct pl_timer){.on_fire = on_timer, .arg = g};
	pl_list_init(&g->waiting);
	pl_list_init(&g->publishing);
	pl_redis_call_init(&g->publication, on_publication, g);
	pl_gap_note(g, pl_clock_unix_ms() - PL_GAP_START_MS);
	return g;
}

void
pl_gap_free(struct pl_gap *g)
{
	if (g == NULL)
		return;
	pl_timer_stop(g->loop, &g->timer);
	forget(&g->waiting);
	forget(&g->publishing);
	pl_redis_call_cancel(&g->publication);
	pl_mem_free(g);
}

void
pl_gap_note(struct pl_gap *g, int64_t since_unix_ms)
{
	if (g->since_unix_ms == INT64_MAX && !is_publishing(g))
		g->noted_mono_ms = pl_loop_now_ms(g->loop);
	if (since_unix_ms < g->since_unix_ms)
		g->since_unix_ms = since_unix_ms;
	if (!is_publishing(g) && !pl_timer_is_started(&g->timer))
		pl_timer_start(g->loop, &g->timer, 0);
}

void
pl_gap_wait(struct pl_gap *g, struct pl_gap_waiter *w)
{
	pl_list_push(&g->waiting, &w->link);
}

void
pl_gap_unwait(struct pl_gap_waiter *w)
{
	pl_list_unlink(&w->link);
}

int64_t
pl_gap_age_ms(const struct pl_gap *g)
{
	if (g->since_unix_ms == INT64_MAX && !is_publishing(g))
		return 0;
	return pl_loop_now_ms(g->loop) - g->noted_mono_ms;
}

bool
pl_gap_parse(struct pl_str payload, int64_t *since_unix_ms)
{
	uint64_t value;

	if (!pl_str_to_u64(payload, UNIX_MS_MAX, &value))
		return false;
	*since_unix_ms = (int64_t)value;
	return true;
}
