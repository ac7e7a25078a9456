#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "limits/payers.h"

#define T0 1000000 /* ms */

static struct pl_payers payers;

static int
setup(void **state)
{
	(void)state;
	pl_payers_init(&payers);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	pl_payers_fini(&payers);
	return 0;
}

static void
sockets_of_one_key_share_a_budget(void **state)
{
	struct pl_payer *a = pl_payers_join(&payers, PL_STR("ann"), T0);
	struct pl_payer *b = pl_payers_join(&payers, PL_STR("bob"), T0);

	(void)state;
	assert_ptr_equal(pl_payers_join(&payers, PL_STR("ann"), T0), a);
	assert_ptr_not_equal(a, b);
	pl_payers_leave(&payers, a, T0);
	pl_payers_leave(&payers, NULL, T0);
	assert_ptr_equal(pl_payers_join(&payers, PL_STR("ann"), T0 + 1000000), a);
	pl_payers_leave(&payers, a, T0);
	pl_payers_leave(&payers, a, T0);
	pl_payers_leave(&payers, b, T0);
}

static void
who_comes_back_within_a_minute_is_no_richer(void **state)
{
	struct pl_payer *a = pl_payers_join(&payers, PL_STR("ann"), T0);

	(void)state;
	a->budget.cpu_paid_us = 77;
	pl_payers_leave(&payers, a, T0);
	a = pl_payers_join(&payers, PL_STR("ann"), T0 + PL_PAYER_KEPT_MS - 1);
	assert_int_equal(a->budget.cpu_paid_us, 77);
	pl_payers_leave(&payers, a, T0);
	a = pl_payers_join(&payers, PL_STR("ann"), T0 + PL_PAYER_KEPT_MS);
	assert_int_equal(a->budget.cpu_paid_us, 0);
	assert_int_equal(payers.by_key.count, 1);
	pl_payers_leave(&payers, a, T0);
}

static void
no_more_than_ten_thousand_that_are_gone_are_known(void **state)
{
	char key[16];

	(void)state;
	for (int i = 0; i < PL_PAYERS_GONE_MAX + 50; i++) {
		snprintf(key, sizeof(key), "u%d", i);
		pl_payers_leave(&payers, pl_payers_join(&payers, pl_str(key), T0), T0);
	}
	assert_int_equal(payers.by_key.count, PL_PAYERS_GONE_MAX);
	assert_null(pl_map_get(&payers.by_key, PL_STR("u49")));
	assert_non_null(pl_map_get(&payers.by_key, PL_STR("u50")));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(sockets_of_one_key_share_a_budget),
	    TEST(who_comes_back_within_a_minute_is_no_richer),
	    TEST(no_more_than_ten_thousand_that_are_gone_are_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
