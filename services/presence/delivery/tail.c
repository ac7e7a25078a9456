#include "presence/delivery/tail.h"

#include "base/clock.h"
#include "base/log.h"
#include "bus/gap.h"
#include "presence/hub.h"
#include "http/service.h"

#define LATE_MS 700  /* a tick so late means that we stood still */
#define READ_MS 1000 /* between two reads, where nothing tells of more */
#define LOOK_MS 25   /* and where something does */
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

static struct {
	struct pl_timer tick;
	struct pl_bus_listener gaps;
	int64_t ticked_mono_ms;
	/* the bus' health */
	int64_t well_unix_ms; /* up to then the bus told everything */
	int64_t asked_unix_ms;
	int64_t asked_mono_ms;
	struct pl_redis_call asking;
	/* the doubt */
	bool is_doubted;
	int64_t until_mono_ms;
	/* the reads, one at a time */
	struct pl_timer look;
	struct pl_store_read_call call;
	struct pl_message_pos pos;
	struct pl_message_list page;
	int64_t begun_unix_ms;
	int64_t begun_mono_ms;
	int64_t took_ms;         /* the last one */
	int64_t back_to_unix_ms; /* INT64_MAX, or where to go on from after this read */
	bool is_reading;
	bool has_more; /* a message came meanwhile */
	bool is_stopped;
} tail;

static void read_on(void);

/* ---- reading ------------------------------------------------------------------------- */

static enum pl_err
run(struct pl_store_read_call *call, struct pl_store *s)
{
	(void)call;
	return pl_store_messages_to(s, NULL, &tail.pos, PAGE, &tail.page);
}

static void
go_to(int64_t unix_ms)
{
	tail.pos = (struct pl_message_pos){.created_unix_ms = unix_ms};
}

/* Where the next read begins, after one that gave count messages. */
static void
move_on(size_t count)
{
	int64_t done_unix_ms = tail.begun_unix_ms - OVERLAP_MS;

	if (tail.back_to_unix_ms != INT64_MAX)
		go_to(tail.back_to_unix_ms);
	else if (count == PAGE)
		tail.pos =
		    (struct pl_message_pos){tail.page.items[count - 1].created_unix_ms,
			tail.page.items[count - 1].id};
	else if (done_unix_ms > tail.pos.created_unix_ms)
		go_to(done_unix_ms);
	tail.back_to_unix_ms = INT64_MAX;
}

/* All is read, and nothing came while it was: from here on the bus tells in the same order. */
static void
end_doubt(void)
{
	int64_t late_ms = pl_loop_now_ms(pl_app.loop) - tail.until_mono_ms;

	if (late_ms < 0 || (tail.has_more && late_ms < END_MS))
		return;
	tail.is_doubted = false;
	tail.well_unix_ms = tail.begun_unix_ms;
	pl_log_info("bus is trusted again");
}

/* A store that is slow is not asked all the time. */
static void
look_soon(void)
{
	pl_timer_start(pl_app.loop, &tail.look, LOOK_MS + tail.took_ms);
}

static void
on_read(struct pl_store_read_call *call)
{
	size_t count = tail.page.count;
	bool goes_on = count == PAGE || tail.back_to_unix_ms != INT64_MAX;

	tail.is_reading = false;
	tail.took_ms = pl_loop_now_ms(pl_app.loop) - tail.begun_mono_ms;
	if (call->err != PL_OK)
		return; /* the next tick tries again, from the same place */
	for (size_t i = 0; i < count && !tail.is_stopped; i++)
		hub_deliver(&tail.page.items[i]);
	move_on(count);
	pl_message_list_fini(&tail.page);
	if (tail.is_stopped)
		return;
	if (goes_on)
		read_on();
	else
		end_doubt();
	if (tail.has_more && !tail.is_reading)
		look_soon();
}

static void
read_on(void)
{
	if (tail.is_reading || !tail.is_doubted)
		return;
	tail.has_more = false;
	tail.begun_unix_ms = pl_clock_unix_ms();
	tail.begun_mono_ms = pl_loop_now_ms(pl_app.loop);
	tail.page = (struct pl_message_list){0};
	tail.call = (struct pl_store_read_call){.run = run, .done = on_read};
	tail.is_reading = pl_store_async_read(pl_app.store, &tail.call) == PL_OK;
}

static void
on_look(struct pl_timer *t)
{
	(void)t;
	read_on();
}

bool
tail_takes_message(void)
{
	if (!tail.is_doubted)
		return false;
	tail.has_more = true;
	if (!tail.is_reading && !pl_timer_is_started(&tail.look))
		look_soon();
	return true;
}

/* ---- doubting ------------------------------------------------------------------------ */

static void
doubt_since(int64_t unix_ms)
{
	tail.until_mono_ms = pl_loop_now_ms(pl_app.loop) + GO_ON_MS;
	if (!tail.is_doubted) {
		tail.is_doubted = true;
		tail.back_to_unix_ms = INT64_MAX;
		pl_log_info("bus is in doubt, messages are read from the store");
		if (!tail.is_reading)
			tail.pos.created_unix_ms = INT64_MAX;
	}
	if (unix_ms < tail.pos.created_unix_ms) {
		if (!tail.is_reading)
			go_to(unix_ms);
		else if (unix_ms < tail.back_to_unix_ms)
			tail.back_to_unix_ms = unix_ms;
	}
	read_on();
}

void
tail_doubt(void)
{
	doubt_since(tail.well_unix_ms - BACK_MS);
}

static void
on_gap(void *arg, struct pl_str channel, struct pl_str payload)
{
	int64_t since_unix_ms;

	(void)arg;
	(void)channel;
	if (pl_gap_parse(payload, &since_unix_ms))
		doubt_since(since_unix_ms);
	else
		pl_log_warn("note of a gap was malformed, dropped it");
}

static void
on_answered(void *arg, enum pl_err err, const struct redisReply *reply)
{
	(void)arg, (void)err;
	if (reply != NULL && !tail.is_doubted)
		tail.well_unix_ms = tail.asked_unix_ms;
}

/* A bus that stands still holds back what others publish, and then brings it in any order. */
static void
ask(int64_t now)
{
	bool is_asking = pl_redis_call_is_waiting(&tail.asking);

	if (is_asking && now - tail.asked_mono_ms >= PL_BUS_SLOW_MS)
		tail_doubt();
	if (is_asking || !pl_redis_is_up(pl_app.redis))
		return;
	tail.asked_mono_ms = now;
	tail.asked_unix_ms = pl_clock_unix_ms();
	pl_redis_command(
	    pl_app.redis, (struct pl_str[]){PL_STR("PING")}, 1, &tail.asking);
}

static void
on_tick(struct pl_timer *t)
{
	int64_t now = pl_loop_now_ms(pl_app.loop);

	if (!pl_bus_is_up(pl_app.bus) || now - tail.ticked_mono_ms > LATE_MS)
		tail_doubt();
	ask(now);
	tail.ticked_mono_ms = now;
	if (tail.is_doubted &&
	    (now - tail.begun_mono_ms >= READ_MS || now >= tail.until_mono_ms))
		read_on();
	pl_timer_start(pl_app.loop, t, PL_BUS_ASK_MS);
}

/* ---- life ---------------------------------------------------------------------------- */

void
tail_start(void)
{
	tail.ticked_mono_ms = pl_loop_now_ms(pl_app.loop);
	tail.well_unix_ms = pl_clock_unix_ms();
	pl_redis_call_init(&tail.asking, on_answered, NULL);
	tail.look.on_fire = on_look;
	tail.gaps.on_message = on_gap;
	pl_bus_subscribe(pl_app.bus, PL_STR(PL_CHANNEL_GAP), &tail.gaps);
	tail.tick.on_fire = on_tick;
	pl_timer_start(pl_app.loop, &tail.tick, PL_BUS_ASK_MS);
}

void
tail_stop(void)
{
	tail.is_stopped = true;
	pl_redis_call_cancel(&tail.asking);
	pl_bus_unsubscribe(pl_app.bus, &tail.gaps);
	pl_timer_stop(pl_app.loop, &tail.look);
	pl_timer_stop(pl_app.loop, &tail.tick);
}
