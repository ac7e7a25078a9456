#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "loop/fair.h"

struct job {
	struct pl_fair_job fair;
	char name;
};

static struct pl_fair fair;
static struct job jobs[5000];
static char begun[5000];
static size_t begun_count;
static bool is_quick; /* each is done as it begins */

static void
begin(struct pl_fair_job *f)
{
	begun[begun_count++] = PL_CONTAINER(f, struct job, fair)->name;
	begun[begun_count] = '\0';
	if (is_quick)
		pl_fair_done(&fair, f);
}

static int
setup(void **state)
{
	(void)state;
	pl_fair_init(&fair, 5, 2, begin);
	begun_count = 0;
	is_quick = false;
	return 0;
}

static int
setup_lending(void **state)
{
	(void)setup(state);
	pl_fair_lend(&fair);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	assert_int_equal(fair.under_way, 0);
	assert_int_equal(fair.groups.count, 0);
	assert_null(fair.groups.slots);
	return 0;
}

/* The first letter of a name is its group. */
static void
add(size_t i, char group, char name)
{
	jobs[i] = (struct job){.name = name};
	pl_fair_add(&fair, &jobs[i].fair, pl_str_n(&group, 1));
}

static void
done(size_t i)
{
	pl_fair_done(&fair, &jobs[i].fair);
}

static void
a_group_has_two_at_once_whatever_else_is_free(void **state)
{
	(void)state;
	for (size_t i = 0; i < 4; i++)
		add(i, 'a', (char)('1' + i));
	assert_string_equal(begun, "12");
	done(1);
	assert_string_equal(begun, "123");
	done(0);
	done(2);
	assert_string_equal(begun, "1234");
	done(3);
}

static void
all_together_have_five_and_groups_take_turns(void **state)
{
	(void)state;
	for (size_t i = 0; i < 4; i++)
		add(i, 'a', (char)('1' + i));
	add(4, 'b', 'b');
	add(5, 'b', 'c');
	add(6, 'c', 'd');
	add(7, 'c', 'e');
	add(8, 'd', 'f');
	assert_string_equal(begun, "12bcd");
	done(0);
	assert_string_equal(begun, "12bcde"); /* who came first and has room */
	done(1);
	assert_string_equal(begun, "12bcdef");
	done(4);
	assert_string_equal(begun, "12bcdef3");
	for (size_t i = 5; i < 9; i++)
		done(i);
	assert_string_equal(begun, "12bcdef34");
	done(2);
	done(3);
}

static void
thousands_that_are_done_at_once_are_no_deep_recursion(void **state)
{
	(void)state;
	add(0, 'a', '0');
	add(1, 'a', '1');
	is_quick = true;
	for (size_t i = 2; i < 4999; i++)
		add(i, 'a', 'x');
	assert_string_equal(begun, "01");
	done(0);
	assert_int_equal(begun_count, 4999);
	done(1);
}

static void
one_that_waits_can_be_cancelled_and_one_that_began_cannot(void **state)
{
	(void)state;
	for (size_t i = 0; i < 5; i++)
		add(i, 'a', (char)('1' + i));
	assert_false(pl_fair_cancel(&fair, &jobs[0].fair));
	assert_true(pl_fair_cancel(&fair, &jobs[2].fair));
	assert_false(pl_fair_cancel(&fair, &jobs[2].fair));
	done(0);
	assert_string_equal(begun, "124");
	assert_true(pl_fair_cancel(&fair, &jobs[4].fair));
	done(1);
	done(3);
	assert_false(pl_fair_cancel(&fair, &jobs[3].fair));
	assert_string_equal(begun, "124");
}

/* The group of one that waits for the others is gone with it. */
static void
the_last_of_a_group_that_waits_can_be_cancelled(void **state)
{
	(void)state;
	for (size_t i = 0; i < 5; i++)
		add(i, (char)('a' + i), 'x');
	add(5, 'f', 'f');
	add(6, 'g', 'g');
	assert_true(pl_fair_cancel(&fair, &jobs[5].fair));
	done(0);
	assert_string_equal(begun, "xxxxxg");
	for (size_t i = 1; i < 5; i++)
		done(i);
	done(6);
}

/* ---- what is free is lent ---- */

static void
a_group_alone_has_all_there_is(void **state)
{
	(void)state;
	for (size_t i = 0; i < 7; i++)
		add(i, 'a', (char)('1' + i));
	assert_string_equal(begun, "12345");
	done(0);
	assert_string_equal(begun, "123456");
	for (size_t i = 1; i < 7; i++)
		done(i);
}

static void
who_comes_then_has_their_own_before_anybody_has_more(void **state)
{
	(void)state;
	for (size_t i = 0; i < 8; i++)
		add(i, 'a', (char)('1' + i));
	for (size_t i = 8; i < 11; i++)
		add(i, 'b', (char)('p' + i - 8));
	add(11, 'c', 'x');
	assert_string_equal(begun, "12345");
	for (size_t i = 0; i < 3; i++)
		done(i);
	assert_string_equal(begun, "12345pxq");
	done(11); /* all have their own, so one more is lent: who waits longest for it */
	assert_string_equal(begun, "12345pxq6");
	done(3);
	assert_string_equal(begun, "12345pxq6r");
	done(4);
	done(8);
	assert_string_equal(begun, "12345pxq6r78");
	for (size_t i = 5; i < 11; i++)
		if (i != 8)
			done(i);
}

static void
those_who_are_lent_more_take_turns(void **state)
{
	(void)state;
	add(0, 'a', 'a');
	for (size_t i = 1; i < 5; i++)
		add(i, 'b', 'b');
	for (size_t i = 5; i < 8; i++)
		add(i, 'a', 'a');
	add(8, 'b', 'b');
	add(9, 'b', 'b');
	assert_string_equal(begun, "abbbb");
	done(1); /* a has one of two */
	assert_string_equal(begun, "abbbba");
	done(2);
	done(3);
	assert_string_equal(begun, "abbbbaba");
	done(4);
	done(5);
	assert_string_equal(begun, "abbbbababa");
	done(0);
	for (size_t i = 6; i < 10; i++)
		done(i);
}

static void
one_that_waits_for_more_can_be_cancelled(void **state)
{
	(void)state;
	for (size_t i = 0; i < 7; i++)
		add(i, 'a', (char)('1' + i));
	assert_true(pl_fair_cancel(&fair, &jobs[5].fair));
	done(0);
	assert_string_equal(begun, "123457");
	for (size_t i = 1; i < 5; i++)
		done(i);
	done(6);
}

#define TEST(name)         cmocka_unit_test_setup_teardown(name, setup, teardown)
#define TEST_LENDING(name) cmocka_unit_test_setup_teardown(name, setup_lending, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_group_has_two_at_once_whatever_else_is_free),
	    TEST(all_together_have_five_and_groups_take_turns),
	    TEST(one_that_waits_can_be_cancelled_and_one_that_began_cannot),
	    TEST(the_last_of_a_group_that_waits_can_be_cancelled),
	    TEST(thousands_that_are_done_at_once_are_no_deep_recursion),
	    TEST_LENDING(a_group_alone_has_all_there_is),
	    TEST_LENDING(who_comes_then_has_their_own_before_anybody_has_more),
	    TEST_LENDING(those_who_are_lent_more_take_turns),
	    TEST_LENDING(one_that_waits_for_more_can_be_cancelled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
