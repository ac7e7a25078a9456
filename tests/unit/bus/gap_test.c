#include "support/redis_fixture.h"
#include "bus/gap.h"

/* One who listens to the notes. */
struct hearer {
	struct pl_bus_listener listener;
	int count;
	int64_t since_unix_ms;
	bool is_ready;
};

static void
on_message(void *arg, struct pl_str channel, struct pl_str payload)
{
	struct hearer *h = arg;

	(void)channel;
	assert_true(pl_gap_parse(payload, &h->since_unix_ms));
	h->count++;
}

static void
on_ready(void *arg, bool is_again)
{
	struct hearer *h = arg;

	(void)is_again;
	h->is_ready = true;
}

static void
hear(struct fixture *f, struct pl_bus *bus, struct hearer *h)
{
	*h = (struct hearer){0};
	h->listener.on_message = on_message;
	h->listener.on_ready = on_ready;
	h->listener.arg = h;
	pl_bus_subscribe(bus, PL_STR(PL_CHANNEL_GAP), &h->listener);
	WAIT_FOR(f, h->is_ready);
}

static void
on_told(void *arg)
{
	++*(int *)arg;
}

static struct pl_gap_waiter
waiter(int *told)
{
	return (struct pl_gap_waiter){.on_published = on_told, .arg = told};
}

static void
a_start_tells_of_what_came_before(void **state)
{
	struct fixture *f = *state;
	struct wires w = wires_open(f);
	int64_t begin = pl_clock_unix_ms();
	struct hearer h;
	struct pl_gap *gap;

	hear(f, w.bus, &h);
	gap = pl_gap_new(f->loop, w.bus);
	WAIT_FOR(f, h.count == 1);
	assert_in_range(h.since_unix_ms, begin - PL_GAP_START_MS, begin);
	WAIT_FOR(f, pl_gap_age_ms(gap) == 0);
	pl_gap_free(gap);
	wires_close(&w);
}

static void
one_note_covers_all_that_was_noted(void **state)
{
	struct fixture *f = *state;
	struct wires w = wires_open(f);
	struct pl_gap_waiter first, second, gone;
	int told = 0, told_gone = 0;
	struct hearer h;
	struct pl_gap *gap;

	hear(f, w.bus, &h);
	gap = pl_gap_new(f->loop, w.bus);
	WAIT_FOR(f, h.count == 1 && pl_gap_age_ms(gap) == 0);
	first = waiter(&told);
	second = waiter(&told);
	gone = waiter(&told_gone);
	pl_gap_note(gap, 5000);
	pl_gap_wait(gap, &first);
	pl_gap_wait(gap, &gone);
	pl_gap_note(gap, 3000);
	pl_gap_note(gap, 4000);
	pl_gap_wait(gap, &second);
	pl_gap_unwait(&gone);
	WAIT_FOR(f, told == 2);
	WAIT_FOR(f, h.count == 2);
	assert_int_equal(h.since_unix_ms, 3000);
	assert_int_equal(told_gone, 0);
	pl_gap_free(gap);
	wires_close(&w);
}

static void
what_is_noted_while_redis_is_away_is_told_when_it_is_back(void **state)
{
	struct fixture *f = *state;
	struct wires w = wires_open(f);
	struct pl_gap_waiter waits;
	struct hearer h;
	struct pl_gap *gap;
	int told = 0;

	hear(f, w.bus, &h);
	gap = pl_gap_new(f->loop, w.bus);
	WAIT_FOR(f, h.count == 1);
	redis_server_kill(&f->server);
	WAIT_FOR(f, !pl_bus_is_up(w.bus));
	pl_gap_note(gap, 7000);
	waits = waiter(&told);
	pl_gap_wait(gap, &waits);
	WAIT_FOR(f, pl_gap_age_ms(gap) > 100);
	assert_int_equal(told, 0);
	redis_server_start(&f->server);
	WAIT_FOR(f, told == 1);
	assert_int_equal(pl_gap_age_ms(gap), 0);
	pl_gap_free(gap);
	wires_close(&w);
}

static void
free_forgets_who_waits(void **state)
{
	struct fixture *f = *state;
	struct wires w = wires_open(f);
	struct pl_gap *gap = pl_gap_new(f->loop, w.bus);
	struct pl_gap_waiter waits;
	int told = 0;

	waits = waiter(&told);
	pl_gap_wait(gap, &waits);
	pl_loop_epoll_step(f->loop, 0); /* its note may be on its way */
	pl_gap_free(gap);
	wires_close(&w);
	assert_int_equal(told, 0);
	pl_gap_unwait(&waits); /* still harmless */
}

static void
a_note_is_a_time(void **state)
{
	static const char *const bad[] = {
	    "", "-1", "soon", "1.5", "99999999999999", " 1"};
	int64_t since = 42;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(pl_gap_parse(pl_str(bad[i]), &since));
	assert_int_equal(since, 42);
	assert_true(pl_gap_parse(PL_STR("1795438921359"), &since));
	assert_int_equal(since, INT64_C(1795438921359));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    FIXTURE_TEST(a_start_tells_of_what_came_before),
	    FIXTURE_TEST(one_note_covers_all_that_was_noted),
	    FIXTURE_TEST(what_is_noted_while_redis_is_away_is_told_when_it_is_back),
	    FIXTURE_TEST(free_forgets_who_waits),
	    cmocka_unit_test(a_note_is_a_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
