#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "loop/timer.h"
#include "support/fake_loop.h"

#define MANY 1000

/* ---- the heap ---- */

static void
check_heap(const struct pl_timer_heap *h)
{
	for (size_t i = 0; i < h->count; i++) {
		assert_int_equal(h->items[i].timer->heap_index, i + 1);
		assert_true(h->items[i].timer->due_mono_ms == h->items[i].due_mono_ms);
		if (i > 0)
			assert_true(
			    h->items[(i - 1) / 2].due_mono_ms <= h->items[i].due_mono_ms);
	}
}

static void
gives_timers_in_order_of_due_time(void **state)
{
	struct pl_timer_heap h = {0};
	struct pl_timer timers[MANY] = {0};
	int64_t last = INT64_MIN;

	(void)state;
	srand(1);
	for (int i = 0; i < MANY; i++)
		pl_timer_heap_set(&h, &timers[i], rand() % 500);
	check_heap(&h);
	for (int i = 0; i < MANY; i++) {
		struct pl_timer *t = pl_timer_heap_first(&h);

		assert_true(t->due_mono_ms >= last);
		last = t->due_mono_ms;
		pl_timer_heap_remove(&h, t);
		assert_int_equal(t->heap_index, 0);
	}
	assert_null(pl_timer_heap_first(&h));
	pl_timer_heap_fini(&h);
}

static void
keeps_its_order_through_moves_and_removals(void **state)
{
	struct pl_timer_heap h = {0};
	struct pl_timer timers[100] = {0};

	(void)state;
	srand(2);
	for (int i = 0; i < 5000; i++) {
		struct pl_timer *t = &timers[rand() % 100];

		if (rand() % 3 == 0)
			pl_timer_heap_remove(&h, t); /* at times twice */
		else
			pl_timer_heap_set(&h, t, rand() % 1000);
		check_heap(&h);
	}
	pl_timer_heap_fini(&h);
	pl_timer_heap_fini(&h);
	pl_timer_heap_fini(NULL);
}

/* ---- timers on a loop ---- */

struct probe {
	struct pl_timer timer;
	struct pl_loop *loop;
	struct pl_timer *other;
	int fired;
	int64_t fired_at_ms;
};

static void
note(struct pl_timer *t)
{
	struct probe *p = t->arg;

	p->fired++;
	p->fired_at_ms = pl_loop_now_ms(p->loop) - FAKE_LOOP_START_MS;
}

static void
note_and_repeat(struct pl_timer *t)
{
	struct probe *p = t->arg;

	note(t);
	pl_timer_start(p->loop, t, 10);
}

static void
note_and_stop_other(struct pl_timer *t)
{
	struct probe *p = t->arg;

	note(t);
	pl_timer_stop(p->loop, p->other);
}

static struct probe
probe(struct pl_loop *loop, void (*on_fire)(struct pl_timer *))
{
	return (struct probe){.loop = loop, .timer = {.on_fire = on_fire}};
}

static void
fires_once_at_its_time(void **state)
{
	struct pl_loop *loop = fake_loop_new();
	struct probe p = probe(loop, note);

	(void)state;
	p.timer.arg = &p;
	pl_timer_start(loop, &p.timer, 50);
	assert_true(pl_timer_is_started(&p.timer));
	fake_loop_advance(loop, 49);
	assert_int_equal(p.fired, 0);
	fake_loop_advance(loop, 100);
	assert_int_equal(p.fired, 1);
	assert_int_equal(p.fired_at_ms, 50);
	assert_false(pl_timer_is_started(&p.timer));
	fake_loop_free(loop);
}

static void
fires_at_the_time_that_it_is_started_for(void **state)
{
	struct pl_loop *loop = fake_loop_new();
	struct probe p = probe(loop, note);

	(void)state;
	p.timer.arg = &p;
	fake_loop_advance(loop, 7);
	pl_timer_start_at(loop, &p.timer, FAKE_LOOP_START_MS + 64);
	fake_loop_advance(loop, 56);
	assert_int_equal(p.fired, 0);
	fake_loop_advance(loop, 1);
	assert_int_equal(p.fired, 1);
	pl_timer_start_at(loop, &p.timer, FAKE_LOOP_START_MS); /* which is over */
	fake_loop_run(loop);
	assert_int_equal(p.fired, 2);
	fake_loop_free(loop);
}

static void
moves_when_started_again(void **state)
{
	struct pl_loop *loop = fake_loop_new();
	struct probe p = probe(loop, note);

	(void)state;
	p.timer.arg = &p;
	pl_timer_start(loop, &p.timer, 10);
	pl_timer_start(loop, &p.timer, 30);
	fake_loop_advance(loop, 100);
	assert_int_equal(p.fired, 1);
	assert_int_equal(p.fired_at_ms, 30);
	fake_loop_free(loop);
}

static void
may_start_itself_again_from_its_callback(void **state)
{
	struct pl_loop *loop = fake_loop_new();
	struct probe p = probe(loop, note_and_repeat);

	(void)state;
	p.timer.arg = &p;
	pl_timer_start(loop, &p.timer, 10);
	fake_loop_advance(loop, 95);
	assert_int_equal(p.fired, 9);
	pl_timer_stop(loop, &p.timer);
	pl_timer_stop(loop, &p.timer);
	fake_loop_advance(loop, 95);
	assert_int_equal(p.fired, 9);
	fake_loop_free(loop);
}

static void
stopped_by_one_due_with_it_does_not_fire(void **state)
{
	struct pl_loop *loop = fake_loop_new();
	struct probe a = probe(loop, note_and_stop_other);
	struct probe b = probe(loop, note_and_stop_other);

	(void)state;
	a.timer.arg = &a;
	b.timer.arg = &b;
	a.other = &b.timer;
	b.other = &a.timer;
	pl_timer_start(loop, &a.timer, 10);
	pl_timer_start(loop, &b.timer, 10);
	fake_loop_advance(loop, 100);
	assert_int_equal(a.fired + b.fired, 1);
	fake_loop_free(loop);
}

static void
with_a_delay_below_zero_fires_at_once(void **state)
{
	struct pl_loop *loop = fake_loop_new();
	struct probe p = probe(loop, note);

	(void)state;
	p.timer.arg = &p;
	pl_timer_start(loop, &p.timer, -5);
	fake_loop_advance(loop, 0);
	assert_int_equal(p.fired, 1);
	assert_int_equal(p.fired_at_ms, 0);
	fake_loop_free(loop);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(gives_timers_in_order_of_due_time),
	    cmocka_unit_test(keeps_its_order_through_moves_and_removals),
	    cmocka_unit_test(fires_once_at_its_time),
	    cmocka_unit_test(fires_at_the_time_that_it_is_started_for),
	    cmocka_unit_test(moves_when_started_again),
	    cmocka_unit_test(may_start_itself_again_from_its_callback),
	    cmocka_unit_test(stopped_by_one_due_with_it_does_not_fire),
	    cmocka_unit_test(with_a_delay_below_zero_fires_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
