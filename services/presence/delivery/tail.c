#include "presence/delivery/tail.h"

#include "base/clock.h"
#include "base/log.h"
#include "bus/gap.h"
#include "presence/delivery/seen.h"

#define LATE_MS 700  /* a tick so late means that we stood still */
#define READ_MS 1000 /* between two reads, if nothing tells of more */
#define LOOK_MS 25   /* and if something does */
/* Above what others need to connect again, and may not publish. */
#define GO_ON_MS (PL_REDIS_RECONNECT_MOST_MS + 2 * PL_REDIS_DEADLINE_MS)
#define END_MS   5000 /* then, at most, for the reads to come to an end */
/* Clocks differ, and commits do not come in the order of their times. */
#define OVERLAP_MS 2000
/* Notes of gaps may have been missed as well: none tells of more than one of a start. */
#define BACK_MS PL_GAP_START_MS
#define PAGE    500

_Static_assert(LATE_MS > 2 * PL_BUS_ASK_MS, "a busy moment is no standstill");
_Static_assert(
    GO_ON_MS + OVERLAP_MS < SEEN_KEEP_MS, "what is read once more is known as sent");
_Static_assert(BACK_MS + OVERLAP_MS < SEEN_KEEP_MS, "and so is what is read back to");

static void read_on(struct tail *t);

static int64_t
now_ms(const struct tail *t)
{
	return pl_loop_now_ms(t->app->loop);
}

/* ---- reading ------------------------------------------------------------------------- */

static enum pl_err
read_changes(struct tail *t, struct pl_store *s)
{
	struct pl_oid ids[PAGE];
	enum pl_err err =
	    pl_store_changes(s, NULL, &t->change_pos, PAGE, &t->change_places);

	for (size_t i = 0; err == PL_OK && i < t->change_places.count; i++)
		ids[i] = t->change_places.items[i].id;
	if (err == PL_OK && t->change_places.count > 0)
		err = pl_store_messages_of(
		    s, ids, t->change_places.count, SIZE_MAX, &t->changes);
	return err;
}

static enum pl_err
run(struct pl_store_read_call *call, struct pl_store *s)
{
	struct tail *t = PL_CONTAINER(call, struct tail, call);

	enum pl_err err = pl_store_messages_to(s, NULL, &t->pos, PAGE, &t->page);

	return err == PL_OK && t->page.count < PAGE ? read_changes(t, s) : err;
}

static void
go_to(struct tail *t, int64_t unix_ms)
{
	t->pos = t->change_pos = (struct pl_message_pos){.created_unix_ms = unix_ms};
}

/* A full page says that there is more. */
static bool
has_full_page(const struct tail *t)
{
	return t->page.count == PAGE || t->change_places.count == PAGE;
}

/* Where the next read begins. */
static void
move_on(struct tail *t)
{
	int64_t done_unix_ms = t->begun_unix_ms - OVERLAP_MS;

	if (t->back_to_unix_ms != INT64_MAX) {
		go_to(t, t->back_to_unix_ms);
	} else if (t->page.count == PAGE) {
		const struct pl_message *last = &t->page.items[PAGE - 1];

		t->pos = (struct pl_message_pos){last->created_unix_ms, last->id};
	} else if (t->change_places.count == PAGE) {
		t->change_pos = t->change_places.items[PAGE - 1];
	} else if (done_unix_ms > t->pos.created_unix_ms) {
		go_to(t, done_unix_ms);
	}
	t->back_to_unix_ms = INT64_MAX;
}

static void
pages_fini(struct tail *t)
{
	pl_message_list_fini(&t->page);
	pl_pos_list_fini(&t->change_places);
	pl_message_list_fini(&t->changes);
}

/* All is read, and nothing came while it was: from here on the bus tells in the same
 * order. */
static void
end_doubt(struct tail *t)
{
	int64_t late_ms = now_ms(t) - t->until_mono_ms;

	if (late_ms < 0 || (t->has_more && late_ms < END_MS))
		return;
	t->is_doubted = false;
	t->well_unix_ms = t->begun_unix_ms;
	pl_log_info("bus is trusted again");
}

/* A store that is slow is not asked all the time. */
static void
look_soon(struct tail *t)
{
	pl_timer_start(t->app->loop, &t->look, LOOK_MS + t->took_ms);
}

static void
on_read(struct pl_store_read_call *call)
{
	struct tail *t = PL_CONTAINER(call, struct tail, call);
	bool goes_on = has_full_page(t) || t->back_to_unix_ms != INT64_MAX;

	t->is_reading = false;
	t->took_ms = now_ms(t) - t->begun_mono_ms;
	if (call->err != PL_OK) {
		pages_fini(t);
		return; /* the next tick tries again, from the same place */
	}
	for (size_t i = 0; i < t->page.count && !t->is_stopped; i++)
		t->deliver(t->arg, &t->page.items[i]);
	for (size_t i = 0; i < t->changes.count && !t->is_stopped; i++)
		t->deliver_change(t->arg, &t->changes.items[i]);
	move_on(t);
	pages_fini(t);
	if (t->is_stopped)
		return;
	if (goes_on)
		read_on(t);
	else
		end_doubt(t);
	if (t->has_more && !t->is_reading)
		look_soon(t);
}

static void
read_on(struct tail *t)
{
	if (t->is_reading || !t->is_doubted)
		return;
	t->has_more = false;
	t->begun_unix_ms = pl_clock_unix_ms();
	t->begun_mono_ms = now_ms(t);
	t->call = (struct pl_store_read_call){.run = run, .done = on_read};
	t->is_reading = pl_store_async_read(t->app->store, &t->call) == PL_OK;
}

static void
on_look(struct pl_timer *timer)
{
	read_on(timer->arg);
}

bool
tail_takes_message(struct tail *t)
{
	if (!t->is_doubted)
		return false;
	t->has_more = true;
	if (!t->is_reading && !pl_timer_is_started(&t->look))
		look_soon(t);
	return true;
}

/* ---- doubting ------------------------------------------------------------------------ */

static void
doubt_since(struct tail *t, int64_t unix_ms)
{
	t->until_mono_ms = now_ms(t) + GO_ON_MS;
	if (!t->is_doubted) {
		t->is_doubted = true;
		t->back_to_unix_ms = INT64_MAX;
		pl_log_info("bus is in doubt, messages are read from the store");
		if (!t->is_reading)
			t->pos.created_unix_ms = INT64_MAX;
	}
	if (unix_ms < t->pos.created_unix_ms) {
		if (!t->is_reading)
			go_to(t, unix_ms);
		else if (unix_ms < t->back_to_unix_ms)
			t->back_to_unix_ms = unix_ms;
	}
	read_on(t);
}

void
tail_doubt(struct tail *t)
{
	doubt_since(t, t->well_unix_ms - BACK_MS);
}

static void
on_gap(void *arg, struct pl_str channel, struct pl_str payload)
{
	struct tail *t = arg;
	int64_t since_unix_ms;

	(void)channel;
	if (pl_gap_parse(payload, &since_unix_ms))
		doubt_since(t, since_unix_ms);
	else
		pl_log_warn("note of a gap was malformed, dropped it");
}

static void
on_answered(void *arg, enum pl_err err, const struct redisReply *reply)
{
	struct tail *t = arg;

	(void)err;
	if (reply != NULL && !t->is_doubted)
		t->well_unix_ms = t->asked_unix_ms;
}

/* A bus that stands still holds back what others publish, and then brings it in any
 * order. */
static void
ask(struct tail *t, int64_t now)
{
	bool is_asking = pl_redis_call_is_waiting(&t->asking);

	if (is_asking && now - t->asked_mono_ms >= PL_BUS_SLOW_MS)
		tail_doubt(t);
	if (is_asking || !pl_redis_is_up(t->app->redis))
		return;
	t->asked_mono_ms = now;
	t->asked_unix_ms = pl_clock_unix_ms();
	pl_redis_command(t->app->redis, (struct pl_str[]){PL_STR("PING")}, 1, &t->asking);
}

static void
on_tick(struct pl_timer *timer)
{
	struct tail *t = timer->arg;
	int64_t now = now_ms(t);

	if (!pl_bus_is_up(t->app->bus) || now - t->ticked_mono_ms > LATE_MS)
		tail_doubt(t);
	ask(t, now);
	t->ticked_mono_ms = now;
	if (t->is_doubted &&
	    (now - t->begun_mono_ms >= READ_MS || now >= t->until_mono_ms))
		read_on(t);
	pl_timer_start(t->app->loop, timer, PL_BUS_ASK_MS);
}

/* ---- life ---------------------------------------------------------------------------- */

void
tail_start(struct tail *t)
{
	t->ticked_mono_ms = now_ms(t);
	t->well_unix_ms = pl_clock_unix_ms();
	pl_redis_call_init(&t->asking, on_answered, t);
	t->look = (struct pl_timer){.on_fire = on_look, .arg = t};
	t->gaps = (struct pl_bus_listener){.on_message = on_gap, .arg = t};
	pl_bus_subscribe(t->app->bus, PL_STR(PL_CHANNEL_GAP), &t->gaps);
	t->tick = (struct pl_timer){.on_fire = on_tick, .arg = t};
	pl_timer_start(t->app->loop, &t->tick, PL_BUS_ASK_MS);
}

void
tail_stop(struct tail *t)
{
	t->is_stopped = true;
	pl_redis_call_cancel(&t->asking);
	pl_bus_unsubscribe(t->app->bus, &t->gaps);
	pl_timer_stop(t->app->loop, &t->look);
	pl_timer_stop(t->app->loop, &t->tick);
}
