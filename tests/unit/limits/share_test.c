#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "limits/share.h"
#include "support/fake_loop.h"

#define CROWD 100

static const struct pl_share_rule rule = {.at_once = 4,
    .budget.bytes = {.per_second = 1000, .at_once = 2000},
    .budget.cpu_us = {.per_second = 250000, .at_once = 1000000}};
static const struct pl_oid ann = {.bytes = {1}}, bob = {.bytes = {2}};
static struct pl_loop *loop;
static struct pl_share share;
static struct pl_share_turn turns[CROWD];
static unsigned begun, refused;

static void
on_turn(struct pl_share_turn *t, bool may)
{
	(void)t;
	if (may)
		begun++;
	else
		refused++;
}

static void
ask(unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		pl_share_ask(&share, &ann, &turns[i], on_turn);
}

static int
setup(void **state)
{
	(void)state;
	loop = fake_loop_new();
	begun = refused = 0;
	pl_share_init(&share, loop, &rule);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	pl_share_fini(&share);
	fake_loop_free(loop);
	return 0;
}

static void
some_hold_at_once_and_the_others_follow_in_order(void **state)
{
	struct pl_share_turn of_bob;

	(void)state;
	ask(6);
	assert_int_equal(begun, 4);
	pl_share_ask(&share, &bob, &of_bob, on_turn); /* does not notice */
	assert_int_equal(begun, 5);
	pl_share_end(&of_bob);
	pl_share_end(&turns[2]);
	assert_int_equal(begun, 6);
	assert_non_null(turns[4].user);
	pl_share_end(&turns[4]);
	assert_int_equal(begun, 7);
	for (unsigned i = 0; i < 6; i++)
		pl_share_end(&turns[i]); /* twice is fine */
	assert_int_equal(begun, 7);
	assert_int_equal(refused, 0);
	assert_int_equal(share.users.count, 0);
}

static void
a_crowd_is_refused_at_once_and_the_line_in_the_end(void **state)
{
	(void)state;
	ask(CROWD);
	assert_int_equal(begun, 4);
	assert_int_equal(refused, CROWD - 4 - PL_SHARE_WAITING_MAX);
	fake_loop_advance(loop, PL_SHARE_WAIT_MS - 1);
	assert_int_equal(refused, CROWD - 4 - PL_SHARE_WAITING_MAX);
	fake_loop_advance(loop, 1);
	assert_int_equal(refused, CROWD - 4);
	for (unsigned i = 0; i < 4; i++)
		pl_share_end(&turns[i]);
	assert_int_equal(share.users.count, 0);
}

static void
what_is_spent_beyond_the_burst_is_waited_for(void **state)
{
	(void)state;
	ask(2);
	assert_int_equal(pl_share_spend(&turns[0], 1500, 0), 0);
	assert_int_equal(
	    pl_share_spend(&turns[1], 1000, 0), 500); /* one budget for both */
	fake_loop_advance(loop, 500);
	assert_int_equal(pl_share_spend(&turns[0], 0, 0), 0);
	assert_int_equal(pl_share_spend(&turns[0], 1, 0), 1);
	pl_share_end(&turns[0]);
	pl_share_end(&turns[1]);
}

static void
what_is_owed_outlives_the_turn_and_then_is_forgotten(void **state)
{
	(void)state;
	ask(1);
	assert_int_equal(pl_share_spend(&turns[0], 3000, 0), 1000);
	pl_share_end(&turns[0]);
	fake_loop_advance(loop, 200);
	ask(1);
	assert_int_equal(pl_share_spend(&turns[0], 0, 0), 800);
	pl_share_end(&turns[0]);
	assert_int_equal(share.users.count, 1);
	fake_loop_advance(loop, 2801);
	assert_int_equal(share.users.count, 0);
}

static void
time_of_the_processor_is_waited_for_too_and_remembered(void **state)
{
	(void)state;
	ask(1);
	assert_int_equal(pl_share_spend(&turns[0], 1, 1000000), 0);
	assert_int_equal(pl_share_spend(&turns[0], 1, 50000), 200);
	pl_share_end(&turns[0]);
	assert_int_equal(share.users.count, 1);
	fake_loop_advance(loop, 100);
	ask(1);
	assert_int_equal(pl_share_spend(&turns[0], 0, 0), 100);
	pl_share_end(&turns[0]);
	fake_loop_advance(loop, 4101);
	assert_int_equal(share.users.count, 0);
}

static void
pieces_are_passed_on_at_an_even_pace_over_all_turns_of_a_user(void **state)
{
	struct pl_share_turn of_bob;

	(void)state;
	ask(2);
	pl_share_ask(&share, &bob, &of_bob, on_turn);
	assert_int_equal(pl_share_pace(&turns[0], 100), 100); /* within the burst, too */
	assert_int_equal(pl_share_pace(&turns[1], 100), 200);
	assert_int_equal(pl_share_pace(&of_bob, 100), 100);
	fake_loop_advance(loop, 150);
	assert_int_equal(pl_share_pace(&turns[0], 10), 60);
	fake_loop_advance(loop, 1000); /* a pause gives no right to a rush */
	assert_int_equal(pl_share_pace(&turns[0], 10), 10);
	assert_int_equal(pl_share_spend(&turns[0], 2000, 0), 0); /* nothing was spent */
	for (unsigned i = 0; i < 2; i++)
		pl_share_end(&turns[i]);
	pl_share_end(&of_bob);
}

static void
without_a_rule_nobody_waits(void **state)
{
	(void)state;
	pl_share_fini(&share);
	pl_share_init(&share, loop, &(struct pl_share_rule){0});
	ask(CROWD);
	assert_int_equal(begun, CROWD);
	assert_int_equal(pl_share_spend(&turns[0], INT32_MAX, 0), 0);
	assert_int_equal(pl_share_pace(&turns[0], INT32_MAX), 0);
	for (unsigned i = 0; i < CROWD; i++)
		pl_share_end(&turns[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		some_hold_at_once_and_the_others_follow_in_order, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		a_crowd_is_refused_at_once_and_the_line_in_the_end, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		what_is_spent_beyond_the_burst_is_waited_for, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		what_is_owed_outlives_the_turn_and_then_is_forgotten, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		time_of_the_processor_is_waited_for_too_and_remembered, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		pieces_are_passed_on_at_an_even_pace_over_all_turns_of_a_user, setup,
		teardown),
	    cmocka_unit_test_setup_teardown(without_a_rule_nobody_waits, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
