#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "limits/budget.h"

#define T0 1000000 /* ms */

static const struct pl_budget_rule rule = {
    .bytes = {.per_second = 1000, .at_once = 4000},
    .cpu_us = {.per_second = 10000, .at_once = 200000},
};

static void
a_burst_passes_and_what_is_more_waits(void **state)
{
	struct pl_budget b = {0};

	(void)state;
	pl_budget_spend(&b, &rule, 4000, 0, T0);
	assert_int_equal(pl_budget_wait_ms(&b, &rule, T0), 0);
	pl_budget_spend(&b, &rule, 1, 0, T0);
	assert_int_equal(pl_budget_wait_ms(&b, &rule, T0), 1);
	pl_budget_spend(&b, &rule, 499, 0, T0);
	assert_int_equal(pl_budget_wait_ms(&b, &rule, T0), 500);
	assert_int_equal(pl_budget_wait_ms(&b, &rule, T0 + 499), 1);
	assert_int_equal(pl_budget_wait_ms(&b, &rule, T0 + 500), 0);
}

static void
time_of_the_processor_counts_beside_bytes(void **state)
{
	struct pl_budget b = {0};

	(void)state;
	pl_budget_spend(&b, &rule, 10, 200000, T0);
	assert_int_equal(pl_budget_wait_ms(&b, &rule, T0), 0);
	pl_budget_spend(&b, &rule, 10, 100000, T0);
	assert_int_equal(pl_budget_wait_ms(&b, &rule, T0), 10000);
	pl_budget_spend(&b, &rule, 20000, 0, T0); /* the longer of both */
	assert_int_equal(pl_budget_wait_ms(&b, &rule, T0), 16020);
}

static void
who_keeps_to_the_rate_never_waits(void **state)
{
	struct pl_budget b = {0};

	(void)state;
	pl_budget_spend(&b, &rule, 3000, 0, T0);
	for (int64_t s = 0; s < 1000; s++) {
		pl_budget_spend(&b, &rule, 1000, 10000, T0 + s * 1000);
		assert_int_equal(pl_budget_wait_ms(&b, &rule, T0 + s * 1000), 0);
	}
	assert_false(pl_budget_is_used_up(&b, &rule, T0 + 1000000));
}

static void
who_is_over_for_30_s_has_used_it_up(void **state)
{
	struct pl_budget b = {0};
	int64_t now = T0, wait_ms;

	(void)state;
	pl_budget_spend(&b, &rule, 4500, 0, now);
	while (!pl_budget_is_used_up(&b, &rule, now)) {
		wait_ms = pl_budget_wait_ms(&b, &rule, now);
		assert_true(wait_ms > 0 && now - T0 < PL_BUDGET_PATIENCE_MS);
		now += wait_ms;
		pl_budget_spend(&b, &rule, 500, 0, now);
	}
	assert_int_equal(now - T0, PL_BUDGET_PATIENCE_MS);
}

static void
half_a_burst_of_rest_begins_anew(void **state)
{
	struct pl_budget b = {0};

	(void)state;
	pl_budget_spend(&b, &rule, 4500, 0, T0);
	pl_budget_spend(&b, &rule, 4500, 0, T0 + 2500);
	assert_false(pl_budget_is_used_up(&b, &rule, T0 + 2500));
	pl_budget_spend(&b, &rule, 3500, 0, T0 + 29000);
	pl_budget_spend(&b, &rule, 1000, 0, T0 + 29000);
	assert_int_equal(pl_budget_wait_ms(&b, &rule, T0 + 29000), 500);
	assert_false(pl_budget_is_used_up(&b, &rule, T0 + 29000));
	pl_budget_spend(&b, &rule, 1000, 0, T0 + 29000);
	assert_false(pl_budget_is_used_up(&b, &rule, T0 + 29000));
}

static void
one_debt_above_30_s_is_too_much_at_once(void **state)
{
	struct pl_budget b = {0};

	(void)state;
	pl_budget_spend(&b, &rule, 0, 500000, T0);
	assert_int_equal(pl_budget_wait_ms(&b, &rule, T0), 30000);
	assert_false(pl_budget_is_used_up(&b, &rule, T0));
	pl_budget_spend(&b, &rule, 0, 10, T0);
	assert_true(pl_budget_is_used_up(&b, &rule, T0));
}

static void
a_rate_of_0_is_no_limit(void **state)
{
	static const struct pl_budget_rule none;
	struct pl_budget b = {0};

	(void)state;
	pl_budget_spend(&b, &none, 1000000000, 1000000000, T0);
	assert_int_equal(pl_budget_wait_ms(&b, &none, T0), 0);
	assert_false(pl_budget_is_used_up(&b, &none, T0));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_burst_passes_and_what_is_more_waits),
	    cmocka_unit_test(time_of_the_processor_counts_beside_bytes),
	    cmocka_unit_test(who_keeps_to_the_rate_never_waits),
	    cmocka_unit_test(who_is_over_for_30_s_has_used_it_up),
	    cmocka_unit_test(half_a_burst_of_rest_begins_anew),
	    cmocka_unit_test(one_debt_above_30_s_is_too_much_at_once),
	    cmocka_unit_test(a_rate_of_0_is_no_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
