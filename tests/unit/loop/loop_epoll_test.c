#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "loop/loop_epoll.h"
#include "support/patience.h"

#define WAIT_MS (int)patient_ms(10000)

static int
setup(void **state)
{
	*state = pl_loop_epoll_new();
	return 0;
}

static int
teardown(void **state)
{
	pl_loop_epoll_free(*state);
	return 0;
}

static void
step_until(struct pl_loop *loop, const int *count, int wanted)
{
	int64_t end = awake_ms() + WAIT_MS;

	while (*count < wanted && awake_ms() < end)
		pl_loop_epoll_step(loop, 50);
	assert_int_equal(*count, wanted);
}

/* ---- descriptors ---- */

struct pair {
	struct pl_loop *loop;
	struct pl_loop_fd a;
	int peer;
	int calls;
	unsigned ready;
	struct pair *other; /* to stop from the callback */
};

static void
on_ready(struct pl_loop_fd *w, unsigned ready)
{
	struct pair *p = w->arg;
	char byte;

	p->calls++;
	p->ready = ready;
	if (ready & PL_FD_READ)
		assert_true(read(w->fd, &byte, 1) >= 0);
	if (p->other != NULL)
		pl_loop_fd_watch(p->loop, &p->other->a, 0);
}

static void
pair_open(struct pair *p, struct pl_loop *loop)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	*p = (struct pair){.loop = loop, .peer = fds[1]};
	p->a = (struct pl_loop_fd){.fd = fds[0], .on_ready = on_ready, .arg = p};
}

static void
pair_close(struct pair *p)
{
	pl_loop_fd_watch(p->loop, &p->a, 0);
	close(p->a.fd);
	close(p->peer);
}

static void
tells_of_each_thing_wanted(void **state)
{
	struct pair p;

	pair_open(&p, *state);
	pl_loop_fd_watch(*state, &p.a, PL_FD_READ);
	pl_loop_epoll_step(*state, 0);
	assert_int_equal(p.calls, 0);
	assert_int_equal(write(p.peer, "xy", 2), 2);
	step_until(*state, &p.calls, 1);
	assert_int_equal(p.ready, PL_FD_READ);
	step_until(*state, &p.calls, 2); /* level-triggered: one byte is still there */
	pl_loop_fd_watch(*state, &p.a, PL_FD_WRITE);
	step_until(*state, &p.calls, 3);
	assert_int_equal(p.ready, PL_FD_WRITE);
	pl_loop_fd_watch(*state, &p.a, PL_FD_READ | PL_FD_WRITE);
	assert_int_equal(write(p.peer, "z", 1), 1);
	step_until(*state, &p.calls, 4);
	assert_int_equal(p.ready, PL_FD_READ | PL_FD_WRITE);
	pl_loop_fd_watch(*state, &p.a, 0);
	pl_loop_epoll_step(*state, 0);
	assert_int_equal(p.calls, 4);
	pair_close(&p);
}

static void
tells_of_a_hang_up_as_what_is_wanted(void **state)
{
	struct pair p;

	pair_open(&p, *state);
	pl_loop_fd_watch(*state, &p.a, PL_FD_READ);
	close(p.peer);
	step_until(*state, &p.calls, 1);
	assert_int_equal(p.ready, PL_FD_READ);
	p.peer = -1;
	pair_close(&p);
}

static void
does_not_tell_one_that_another_stopped_in_the_same_turn(void **state)
{
	struct pair p, q;

	pair_open(&p, *state);
	pair_open(&q, *state);
	p.other = &q;
	q.other = &p;
	pl_loop_fd_watch(*state, &p.a, PL_FD_READ);
	pl_loop_fd_watch(*state, &q.a, PL_FD_READ);
	assert_int_equal(write(p.peer, "x", 1), 1);
	assert_int_equal(write(q.peer, "x", 1), 1);
	pl_loop_epoll_step(*state, WAIT_MS);
	assert_int_equal(p.calls + q.calls, 1);
	pair_close(&p);
	pair_close(&q);
}

/* ---- tasks ---- */

struct note {
	struct pl_task task;
	struct pl_loop *loop;
	int *count;
	int place; /* when it ran */
	unsigned posts_again;
};

static void
run(struct pl_task *task)
{
	struct note *n = PL_CONTAINER(task, struct note, task);

	n->place = ++*n->count;
	if (n->posts_again > 0) {
		n->posts_again--;
		pl_loop_post(n->loop, task);
	}
}

static struct note
note(struct pl_loop *loop, int *count)
{
	return (struct note){.task = {.run = run}, .loop = loop, .count = count};
}

static void
runs_tasks_in_order_and_never_inside_post(void **state)
{
	int count = 0;
	struct note a = note(*state, &count), b = a, c = a;

	pl_loop_post(*state, &a.task);
	pl_loop_post(*state, &b.task);
	pl_loop_post(*state, &c.task);
	assert_int_equal(count, 0);
	pl_loop_epoll_step(*state, WAIT_MS);
	assert_int_equal(a.place, 1);
	assert_int_equal(b.place, 2);
	assert_int_equal(c.place, 3);
}

/* A turn runs it at its end; one that posts itself again and again keeps nobody waiting. */
static void
runs_a_task_posted_by_a_task_once_in_the_same_turn(void **state)
{
	int count = 0;
	struct note a = note(*state, &count);

	a.posts_again = 3;
	pl_loop_post(*state, &a.task);
	pl_loop_epoll_step(*state, WAIT_MS);
	assert_int_equal(count, 2);
	pl_loop_epoll_step(*state, WAIT_MS);
	assert_int_equal(count, 4);
	pl_loop_epoll_step(*state, 0);
	assert_int_equal(count, 4);
}

static void
post_note(struct pl_loop_fd *w, unsigned ready)
{
	struct note *n = w->arg;
	char byte;

	(void)ready;
	assert_int_equal(read(w->fd, &byte, 1), 1);
	pl_loop_post(n->loop, &n->task);
	assert_int_equal(*n->count, 0); /* never inside post */
}

/* What a callback posts has run when its turn is over, and the loop is not woken for it. */
static void
runs_what_a_callback_posts_in_its_turn(void **state)
{
	int count = 0;
	struct pair p;
	struct note n = note(*state, &count);
	struct pollfd own = {.fd = pl_loop_epoll_fd(*state), .events = POLLIN};

	pair_open(&p, *state);
	p.a.on_ready = post_note;
	p.a.arg = &n;
	pl_loop_fd_watch(*state, &p.a, PL_FD_READ);
	assert_int_equal(write(p.peer, "x", 1), 1);
	pl_loop_epoll_step(*state, WAIT_MS);
	assert_int_equal(count, 1);
	assert_int_equal(poll(&own, 1, 0), 0);
	pair_close(&p);
}

static void
does_not_run_a_task_taken_back(void **state)
{
	int count = 0;
	struct note a = note(*state, &count), b = a;

	pl_loop_post(*state, &a.task);
	pl_loop_post(*state, &b.task);
	pl_loop_unpost(*state, &a.task);
	pl_loop_unpost(*state, &a.task);
	pl_loop_epoll_step(*state, WAIT_MS);
	assert_int_equal(count, 1);
	assert_int_equal(b.place, 1);
	pl_loop_unpost(*state, &b.task); /* it ran */
}

#define POSTS 1000

struct poster {
	pthread_t thread;
	struct pl_loop *loop;
	struct note notes[POSTS];
};

static void *
post_all(void *arg)
{
	struct poster *p = arg;

	for (int i = 0; i < POSTS; i++)
		pl_loop_post(p->loop, &p->notes[i].task);
	return NULL;
}

static void
takes_tasks_from_many_threads(void **state)
{
	static struct poster posters[4];
	int count = 0;

	for (int i = 0; i < 4; i++) {
		posters[i].loop = *state;
		for (int k = 0; k < POSTS; k++)
			posters[i].notes[k] = note(*state, &count);
		assert_int_equal(
		    pthread_create(&posters[i].thread, NULL, post_all, &posters[i]), 0);
	}
	step_until(*state, &count, 4 * POSTS);
	for (int i = 0; i < 4; i++) {
		pthread_join(posters[i].thread, NULL);
		for (int k = 1; k < POSTS; k++) /* each one's in its order */
			assert_true(
			    posters[i].notes[k - 1].place < posters[i].notes[k].place);
	}
}

static void *
stop_soon(void *arg)
{
	pl_loop_epoll_stop(arg);
	return NULL;
}

static void
runs_until_another_thread_stops_it(void **state)
{
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, stop_soon, *state), 0);
	pl_loop_epoll_run(*state);
	pthread_join(thread, NULL);
}

/* ---- timers ---- */

static int64_t
mono_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

struct alarm {
	struct pl_timer timer;
	int fired;
	int64_t fired_us;
};

static void
on_fire(struct pl_timer *t)
{
	struct alarm *a = PL_CONTAINER(t, struct alarm, timer);

	a->fired++;
	a->fired_us = mono_us();
}

static void
never_fires_a_timer_early(void **state)
{
	for (int delay = 0; delay < 20; delay++) {
		struct alarm a = {.timer = {.on_fire = on_fire}};
		int64_t start_us = mono_us();

		pl_timer_start(*state, &a.timer, delay);
		step_until(*state, &a.fired, 1);
		assert_true(a.fired_us - start_us >= delay * 1000);
	}
}

static void
fires_an_earlier_timer_started_later_first(void **state)
{
	struct alarm late = {.timer = {.on_fire = on_fire}};
	struct alarm soon = {.timer = {.on_fire = on_fire}};
	int64_t now_ms = pl_clock_mono_ms();

	/* From one moment on: it may stand still between the two. */
	pl_timer_start_at(*state, &late.timer, now_ms + 40);
	pl_timer_start_at(*state, &soon.timer, now_ms + 5);
	step_until(*state, &late.fired, 1);
	assert_int_equal(soon.fired, 1);
	assert_true(soon.fired_us <= late.fired_us);
}

/* A step in which the clock has moved on by much more than since the one before. */
static void
step_after_a_standstill(struct pl_loop *loop)
{
	struct timespec still = {.tv_sec = 1};

	nanosleep(&still, NULL);
	pl_loop_epoll_step(loop, 0);
}

static void
waits_a_moment_for_others_after_a_standstill(void **state)
{
	struct alarm a = {.timer = {.on_fire = on_fire}};
	struct alarm later = {.timer = {.on_fire = on_fire}};

	pl_timer_start(*state, &a.timer, 500);
	pl_timer_start(*state, &later.timer, 60000);
	step_after_a_standstill(*state);
	assert_int_equal(a.fired, 0);
	step_until(*state, &a.fired, 1);
	pl_timer_stop(*state, &later.timer);
}

static void
fires_timers_even_if_it_always_stands_still(void **state)
{
	struct alarm a = {.timer = {.on_fire = on_fire}};

	pl_timer_start(*state, &a.timer, 500);
	step_after_a_standstill(*state);
	assert_int_equal(a.fired, 0);
	step_after_a_standstill(*state);
	assert_int_equal(a.fired, 1);
}

static int woken;

static void
wake(void)
{
	woken++;
}

static void *
post_task(void *arg)
{
	struct note *n = arg;

	pl_loop_post(n->loop, &n->task);
	return NULL;
}

/* The loop around it is told once, and no descriptor; another thread has only that. */
static void
is_woken_by_the_loop_around_it_on_its_own_thread(void **state)
{
	int count = 0;
	struct note a = note(*state, &count), b = a, c = a;
	struct pollfd own = {.fd = pl_loop_epoll_fd(*state), .events = POLLIN};
	pthread_t thread;

	woken = 0;
	pl_loop_epoll_wake_by(*state, wake);
	pl_loop_epoll_step(*state, WAIT_MS); /* it looks once for what came before */
	a.posts_again = 1;
	pl_loop_post(*state, &a.task);
	pl_loop_post(*state, &b.task);
	assert_int_equal(woken, 1);
	assert_int_equal(poll(&own, 1, 0), 0);
	assert_int_equal(count, 0);
	pl_loop_epoll_run_own(*state);
	assert_int_equal(count, 2);
	pl_loop_epoll_step(*state, WAIT_MS); /* what a task posts has the next turn */
	assert_int_equal(count, 3);
	pthread_create(&thread, NULL, post_task, &c);
	pthread_join(thread, NULL);
	assert_int_equal(poll(&own, 1, 0), 1);
	pl_loop_epoll_step(*state, WAIT_MS);
	assert_int_equal(count, 4);
	assert_int_equal(woken, 1);
	/* Not by it any more: what still waits is not forgotten. */
	pl_loop_post(*state, &a.task);
	pl_loop_epoll_wake_by(*state, NULL);
	pl_loop_epoll_step(*state, WAIT_MS);
	assert_int_equal(count, 5);
	pl_loop_post(*state, &a.task);
	pl_loop_epoll_step(*state, WAIT_MS);
	assert_int_equal(count, 6);
}

struct starter {
	struct pl_timer timer;
	struct pl_loop *loop;
	struct alarm *late, *soon;
};

static void
start_two(struct pl_timer *t)
{
	struct starter *s = PL_CONTAINER(t, struct starter, timer);

	pl_timer_start(s->loop, &s->late->timer, 3600000);
	pl_timer_start(s->loop, &s->soon->timer, 1);
}

static void
fires_what_a_callback_starts_in_its_turn(void **state)
{
	struct alarm late = {.timer = {.on_fire = on_fire}}, soon = late;
	struct starter s = {.timer = {.on_fire = start_two},
	    .loop = *state,
	    .late = &late,
	    .soon = &soon};
	struct pollfd own = {.fd = pl_loop_epoll_fd(*state), .events = POLLIN};

	pl_timer_start(*state, &s.timer, 0);
	step_until(*state, &soon.fired, 1);
	assert_int_equal(late.fired, 0);
	pl_timer_stop(*state, &late.timer);
	/* An alarm that has fired wakes nobody a second time. */
	pl_loop_epoll_step(*state, WAIT_MS);
	assert_int_equal(poll(&own, 1, 0), 0);
}

static void
on_inner(struct pl_loop_fd *w, unsigned ready)
{
	(void)ready;
	pl_loop_epoll_step(w->arg, 0);
}

static void
turns_inside_another_loop(void **state)
{
	struct pl_loop *outer = pl_loop_epoll_new();
	struct pl_loop_fd inner = {
	    .fd = pl_loop_epoll_fd(*state), .on_ready = on_inner, .arg = *state};
	struct alarm a = {.timer = {.on_fire = on_fire}};
	int count = 0;
	struct note n = note(*state, &count);

	pl_loop_fd_watch(outer, &inner, PL_FD_READ);
	pl_loop_post(*state, &n.task);
	step_until(outer, &count, 1);
	pl_timer_start(*state, &a.timer, 1);
	step_until(outer, &a.fired, 1);
	pl_loop_fd_watch(outer, &inner, 0);
	pl_loop_epoll_free(outer);
}

int
main(void)
{
#define TEST(name_) cmocka_unit_test_setup_teardown(name_, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(tells_of_each_thing_wanted),
	    TEST(tells_of_a_hang_up_as_what_is_wanted),
	    TEST(does_not_tell_one_that_another_stopped_in_the_same_turn),
	    TEST(runs_tasks_in_order_and_never_inside_post),
	    TEST(runs_a_task_posted_by_a_task_once_in_the_same_turn),
	    TEST(runs_what_a_callback_posts_in_its_turn),
	    TEST(is_woken_by_the_loop_around_it_on_its_own_thread),
	    TEST(fires_what_a_callback_starts_in_its_turn),
	    TEST(does_not_run_a_task_taken_back),
	    TEST(takes_tasks_from_many_threads),
	    TEST(runs_until_another_thread_stops_it),
	    TEST(never_fires_a_timer_early),
	    TEST(fires_an_earlier_timer_started_later_first),
	    TEST(waits_a_moment_for_others_after_a_standstill),
	    TEST(fires_timers_even_if_it_always_stands_still),
	    TEST(turns_inside_another_loop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
