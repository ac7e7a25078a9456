#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "base/list.h"

struct guest {
	int number;
	struct pl_list link;
};

static struct guest guests[4] = {
    {.number = 0}, {.number = 1}, {.number = 2}, {.number = 3}};

static int
fill(void **state)
{
	static struct pl_list head;

	pl_list_init(&head);
	for (int i = 0; i < 4; i++)
		pl_list_push(&head, &guests[i].link);
	*state = &head;
	return 0;
}

/* The members' numbers in their order, as the digits of one number. */
static int
digits_of(struct pl_list *head)
{
	int digits = 9;

	pl_list_for_each(it, head) digits =
	    digits * 10 + PL_CONTAINER(it, struct guest, link)->number;
	return digits;
}

static void
keeps_the_order_of_pushes(void **state)
{
	assert_int_equal(digits_of(*state), 90123);
	assert_false(pl_list_is_empty(*state));
}

static void
unlinks_once_or_twice(void **state)
{
	pl_list_unlink(&guests[2].link);
	pl_list_unlink(&guests[2].link);
	assert_int_equal(digits_of(*state), 9013);
	assert_true(pl_list_is_empty(&guests[2].link));
}

static void
lets_a_walk_unlink_where_it_stands(void **state)
{
	pl_list_for_each_safe(it,
	    (struct pl_list *)*state) if (PL_CONTAINER(it, struct guest, link)->number %
					      2 ==
					  0) pl_list_unlink(it);
	assert_int_equal(digits_of(*state), 913);
}

static void
pops_from_the_front_until_empty(void **state)
{
	for (int i = 0; i < 4; i++)
		assert_ptr_equal(pl_list_pop(*state), &guests[i].link);
	assert_null(pl_list_pop(*state));
	assert_true(pl_list_is_empty(*state));
}

static void
inserts_in_the_middle(void **state)
{
	pl_list_unlink(&guests[3].link);
	pl_list_insert_before(&guests[1].link, &guests[3].link);
	assert_int_equal(digits_of(*state), 90312);
}

static void
splices_all_members_to_the_end(void **state)
{
	struct pl_list other;

	pl_list_init(&other);
	pl_list_splice(*state, &other);
	assert_int_equal(digits_of(*state), 90123);
	for (int i = 0; i < 2; i++)
		pl_list_push(&other, pl_list_pop(*state));
	pl_list_splice(*state, &other);
	assert_int_equal(digits_of(*state), 92301);
	assert_true(pl_list_is_empty(&other));
	pl_list_splice(&other, *state);
	assert_int_equal(digits_of(&other), 92301);
	assert_true(pl_list_is_empty(*state));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(keeps_the_order_of_pushes, fill),
	    cmocka_unit_test_setup(unlinks_once_or_twice, fill),
	    cmocka_unit_test_setup(lets_a_walk_unlink_where_it_stands, fill),
	    cmocka_unit_test_setup(pops_from_the_front_until_empty, fill),
	    cmocka_unit_test_setup(inserts_in_the_middle, fill),
	    cmocka_unit_test_setup(splices_all_members_to_the_end, fill),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
