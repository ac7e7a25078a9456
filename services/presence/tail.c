#include "tail.h"

#include "base/clock.h"
#include "base/log.h"
#include "hub.h"
#include "web/service.h"

#define EVERY_MS 1000
#define LATE_MS  2500 /* a tick so late means that we stood still */
#define GO_ON_MS 3000 /* after the last sign of a break */
#define OVERLAP_MS                                                                       \
	2000 /* clocks differ, and commits do not come in the order of their times */
#define BACK_MS 10000 /* some were told late before the break as well */
#define PAGE    500

static struct {
	struct pl_timer timer;
	int64_t ticked_mono_ms;
	int64_t well_unix_ms; /* up to then the bus told everything */
	int64_t until_mono_ms;
	bool is_active;
	bool is_behind;
	unsigned wakes;  /* counts tail_wake() */
	unsigned served; /* of them: what was missed up to there is handed out */
	/* the read, one at a time */
	struct pl_store_read_call call;
	struct pl_message_pos pos;
	struct pl_message_list page;
	int64_t begun_unix_ms;
	unsigned begun_wakes;
	bool is_reading;
	bool is_stopped;
} tail;

static void read_on(void);

static enum pl_err
run(struct pl_store_read_call *call, struct pl_store *s)
{
	(void)call;
	return pl_store_messages_to(s, NULL, &tail.pos, PAGE, &tail.page);
}

static void
go_to(int64_t unix_ms)
{
	if (unix_ms > tail.pos.created_unix_ms)
		tail.pos = (struct pl_message_pos){.created_unix_ms = unix_ms};
}

/* The next tick tries again, from the same place; meanwhile the bus is all there is. */
static void
put_off(void)
{
	tail.is_behind = false;
}

static void
done(struct pl_store_read_call *call)
{
	size_t count = tail.page.count;

	tail.is_reading = false;
	if (call->err != PL_OK) {
		put_off();
		return;
	}
	for (size_t i = 0; i < count && !tail.is_stopped; i++)
		hub_deliver(&tail.page.items[i]);
	if (count == PAGE)
		tail.pos =
		    (struct pl_message_pos){tail.page.items[count - 1].created_unix_ms,
			tail.page.items[count - 1].id};
	else
		go_to(tail.begun_unix_ms - OVERLAP_MS);
	pl_message_list_fini(&tail.page);
	/* Whoever woke us while this was read may mean what it has not seen. */
	if (count < PAGE)
		tail.served = tail.begun_wakes;
	if (tail.served == tail.wakes)
		tail.is_behind = false;
	if ((count == PAGE || tail.is_behind) && !tail.is_stopped)
		read_on();
}

static void
read_on(void)
{
	if (tail.is_reading)
		return;
	tail.begun_unix_ms = pl_clock_unix_ms();
	tail.begun_wakes = tail.wakes;
	tail.page = (struct pl_message_list){0};
	tail.call = (struct pl_store_read_call){.run = run, .done = done};
	tail.is_reading = pl_store_async_read(pl_app.store, &tail.call) == PL_OK;
	if (!tail.is_reading)
		put_off();
}

bool
tail_is_behind(void)
{
	return tail.is_behind;
}

void
tail_wake(void)
{
	tail.until_mono_ms = pl_loop_now_ms(pl_app.loop) + GO_ON_MS;
	tail.is_behind = true;
	tail.wakes++;
	if (tail.is_active) {
		read_on();
		return;
	}
	tail.is_active = true;
	pl_log_info("bus broke off, reading the store until it is well");
	/* A last read may still be under way from an earlier break: it goes further back. */
	if (!tail.is_reading) {
		tail.pos.created_unix_ms = 0;
		go_to(tail.well_unix_ms - BACK_MS);
	}
	read_on();
}

static void
on_tick(struct pl_timer *t)
{
	int64_t now = pl_loop_now_ms(pl_app.loop);

	if (!pl_bus_is_up(pl_app.bus) || now - tail.ticked_mono_ms > LATE_MS)
		tail_wake();
	tail.ticked_mono_ms = now;
	if (tail.is_active && now > tail.until_mono_ms && tail.served == tail.wakes)
		tail.is_active = false;
	if (tail.is_active)
		read_on();
	else
		tail.well_unix_ms = pl_clock_unix_ms();
	pl_timer_start(pl_app.loop, t, EVERY_MS);
}

void
tail_start(void)
{
	tail.ticked_mono_ms = pl_loop_now_ms(pl_app.loop);
	tail.well_unix_ms = pl_clock_unix_ms();
	tail.timer.on_fire = on_tick;
	pl_timer_start(pl_app.loop, &tail.timer, EVERY_MS);
}

void
tail_stop(void)
{
	tail.is_stopped = true;
	pl_timer_stop(pl_app.loop, &tail.timer);
}
