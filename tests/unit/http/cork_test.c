#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "http/cork.h"
#include "http/service.h"
#include "support/fake_loop.h"

/* One more than may be held. */
#define CLIENTS (PL_CORK_MAX + 1)

struct pl_app pl_app;
static int64_t now_us; /* by which the age of answers counts */

int64_t __wrap_pl_clock_mono_us(void);

int64_t
__wrap_pl_clock_mono_us(void)
{
	return now_us;
}

/* ---- kore's side ---- */

struct client {
	struct connection c;
	struct netbuf answer;
	int left; /* when its answer left: the how manieth of what is seen; 0: not yet */
	bool is_broken, is_closed;
};

static struct client clients[CLIENTS];
static int seen;       /* flushes and answers that have left */
static int flushed_at; /* the last flush of Redis among them */

static struct client *
client_of(struct connection *c)
{
	return (struct client *)((char *)c - offsetof(struct client, c));
}

/* As kore does: nothing leaves while it is not told that c can be written to. */
int
net_send_flush(struct connection *c)
{
	struct client *client = client_of(c);

	if ((c->evt.flags & KORE_EVENT_WRITE) == 0 || TAILQ_EMPTY(&c->send_queue))
		return KORE_RESULT_OK;
	if (client->is_broken)
		return KORE_RESULT_ERROR;
	TAILQ_REMOVE(&c->send_queue, &client->answer, list);
	client->left = ++seen;
	return KORE_RESULT_OK;
}

/* As kore does: it calls whom the connection is promised to. */
void
kore_connection_disconnect(struct connection *c)
{
	if (c->disconnect != NULL)
		c->disconnect(c);
	c->state = CONN_STATE_DISCONNECTING;
	client_of(c)->is_closed = true;
}

void
pl_redis_flush(struct pl_redis *r)
{
	assert_ptr_equal(r, pl_app.redis);
	flushed_at = ++seen;
}

static void
answer(struct client *client)
{
	client->left = 0;
	TAILQ_INSERT_TAIL(&client->c.send_queue, &client->answer, list);
}

static struct connection *
answered(size_t i)
{
	answer(&clients[i]);
	return &clients[i].c;
}

static size_t
count_left(void)
{
	size_t count = 0;

	for (size_t i = 0; i < CLIENTS; i++)
		count += clients[i].left > 0;
	return count;
}

static int
set_up(void **state)
{
	static char redis;

	memset(clients, 0, sizeof(clients));
	for (size_t i = 0; i < CLIENTS; i++) {
		TAILQ_INIT(&clients[i].c.send_queue);
		clients[i].c.state = CONN_STATE_ESTABLISHED;
		clients[i].c.evt.flags = KORE_EVENT_READ | KORE_EVENT_WRITE;
	}
	seen = flushed_at = 0;
	pl_app.loop = fake_loop_new();
	pl_app.redis = (struct pl_redis *)&redis;
	*state = NULL;
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	pl_cork_release();
	fake_loop_free(pl_app.loop);
	return 0;
}

/* ---- what is held ---- */

static void
answers_of_handlers_leave_once_released_after_what_was_published(void **state)
{
	(void)state;
	for (size_t i = 0; i < 3; i++)
		pl_cork_hold(answered(i), true);
	fake_loop_run(pl_app.loop);
	assert_int_equal(seen, 0);
	assert_false(pl_cork_is_over());
	pl_cork_release();
	assert_int_equal(flushed_at, 1);
	assert_int_equal(count_left(), 3);
	pl_cork_release();
	assert_int_equal(seen, 4);
}

static void
answers_to_who_waited_leave_at_the_end_of_the_turn(void **state)
{
	(void)state;
	for (int turn = 1; turn <= 2; turn++) {
		seen = 0;
		pl_cork_hold(answered(0), false);
		pl_cork_hold(answered(1), false);
		assert_int_equal(seen, 0);
		fake_loop_run(pl_app.loop);
		assert_int_equal(flushed_at, 1);
		assert_int_equal(seen, 3);
	}
}

static void
who_has_left_can_be_held_again(void **state)
{
	struct connection *c = answered(0);

	(void)state;
	for (int i = 0; i < 3; i++) {
		pl_cork_hold(c, true);
		assert_true(c->disconnect != NULL);
		pl_cork_release();
		assert_true(clients[0].left > 0);
		assert_null(c->disconnect);
		assert_true(c->evt.flags & KORE_EVENT_WRITE);
		(void)answered(0);
	}
}

/* ---- bounds ---- */

static void
no_more_are_held_than_may_be(void **state)
{
	(void)state;
	for (size_t i = 0; i < PL_CORK_MAX; i++) {
		assert_false(pl_cork_is_over());
		pl_cork_hold(answered(i), true);
		assert_int_equal(count_left(), 0);
	}
	assert_true(pl_cork_is_over());
	pl_cork_hold(answered(PL_CORK_MAX), true);
	assert_int_equal(count_left(), PL_CORK_MAX);
	assert_int_equal(clients[PL_CORK_MAX].left, 0);
	assert_false(pl_cork_is_over());
}

static void
no_answer_is_held_longer_than_it_may(void **state)
{
	(void)state;
	pl_cork_hold(answered(0), true);
	now_us += PL_CORK_US;
	assert_false(pl_cork_is_over());
	pl_cork_hold(answered(1), true);
	assert_int_equal(count_left(), 0);
	now_us++;
	assert_true(pl_cork_is_over());
	pl_cork_hold(answered(2), true);
	assert_int_equal(count_left(), 2);
	assert_int_equal(clients[2].left, 0);
}

/* ---- who cannot wait ---- */

static void
who_cannot_wait_is_answered_at_once_after_what_was_published(void **state)
{
	static const struct {
		int state, flags;
		void (*promised_to)(struct connection *c);
	} odd[] = {
	    {CONN_STATE_DISCONNECTING, KORE_EVENT_WRITE, NULL},
	    {CONN_STATE_ESTABLISHED, KORE_EVENT_WRITE, kore_connection_disconnect},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		struct connection *c = answered(i);

		seen = 0;
		c->state = (u_int8_t)odd[i].state;
		c->evt.flags = odd[i].flags;
		c->disconnect = odd[i].promised_to;
		pl_cork_hold(c, true);
		assert_int_equal(flushed_at, 1);
		assert_int_equal(clients[i].left, 2);
		assert_true(c->disconnect == odd[i].promised_to);
	}
}

/* The socket took no more: kore sends the rest when it does, and is not stopped. */
static void
who_waits_for_its_socket_is_left_to_kore(void **state)
{
	struct connection *c = answered(0);

	(void)state;
	c->evt.flags = KORE_EVENT_READ;
	pl_cork_hold(c, true);
	pl_cork_release();
	assert_int_equal(c->evt.flags, KORE_EVENT_READ);
	assert_null(c->disconnect);
	assert_int_equal(clients[0].left, 0);
	c->evt.flags |= KORE_EVENT_WRITE;
	assert_int_equal(net_send_flush(c), KORE_RESULT_OK);
	assert_true(clients[0].left > 0);
}

/* ---- who goes meanwhile ---- */

static void
who_goes_while_it_is_held_is_not_touched_again(void **state)
{
	struct connection *gone = &clients[1].c;

	(void)state;
	for (size_t i = 0; i < 3; i++)
		pl_cork_hold(answered(i), i > 0);
	kore_connection_disconnect(gone);
	assert_null(gone->disconnect);
	memset(gone, 0x5a, sizeof(*gone)); /* it is freed */
	pl_cork_release();
	assert_true(clients[0].left > 0 && clients[2].left > 0);
	assert_int_equal(count_left(), 2);
	for (const char *at = (const char *)gone; at < (const char *)(gone + 1); at++)
		assert_int_equal(*at, 0x5a);
}

static void
who_cannot_be_written_to_is_closed_and_the_others_are_answered(void **state)
{
	(void)state;
	clients[1].is_broken = true;
	for (size_t i = 0; i < 3; i++)
		pl_cork_hold(answered(i), true);
	pl_cork_release();
	assert_int_equal(count_left(), 2);
	assert_true(clients[1].is_closed);
	assert_false(clients[0].is_closed || clients[2].is_closed);
}

static void
without_redis_they_leave_all_the_same(void **state)
{
	(void)state;
	pl_app.redis = NULL;
	pl_cork_hold(answered(0), true);
	pl_cork_release();
	assert_int_equal(clients[0].left, 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(answers_of_handlers_leave_once_released_after_what_was_published),
	    TEST(answers_to_who_waited_leave_at_the_end_of_the_turn),
	    TEST(who_has_left_can_be_held_again),
	    TEST(no_more_are_held_than_may_be),
	    TEST(no_answer_is_held_longer_than_it_may),
	    TEST(who_cannot_wait_is_answered_at_once_after_what_was_published),
	    TEST(who_waits_for_its_socket_is_left_to_kore),
	    TEST(who_goes_while_it_is_held_is_not_touched_again),
	    TEST(who_cannot_be_written_to_is_closed_and_the_others_are_answered),
	    TEST(without_redis_they_leave_all_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
