#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "limits/bucket.h"

static void
lets_a_burst_pass_and_then_the_rate(void **state)
{
	struct pl_bucket_rule rule = pl_bucket_rule(20, 1000, 60);
	struct pl_bucket b = {0};
	int64_t now = 5000;

	(void)state;
	for (int i = 0; i < 60; i++)
		assert_int_equal(pl_bucket_take(&b, &rule, now), 0);
	assert_int_equal(pl_bucket_take(&b, &rule, now), 50);
	assert_int_equal(pl_bucket_take(&b, &rule, now + 49), 1);
	assert_int_equal(pl_bucket_take(&b, &rule, now + 50), 0);
	assert_int_equal(pl_bucket_take(&b, &rule, now + 50), 50);
	/* Full again after 60 x 50 ms. */
	for (int i = 0; i < 60; i++)
		assert_int_equal(pl_bucket_take(&b, &rule, now + 3050), 0);
	assert_true(pl_bucket_take(&b, &rule, now + 3050) > 0);
}

static void
has_what_is_given_back_and_no_more_than_fills_it(void **state)
{
	struct pl_bucket_rule rule = pl_bucket_rule(1, 1000, 2);
	struct pl_bucket b = {0};

	(void)state;
	for (int i = 0; i < 100; i++) {
		assert_int_equal(pl_bucket_take(&b, &rule, 5000), 0);
		pl_bucket_give(&b, &rule);
	}
	for (int i = 0; i < 100; i++)
		pl_bucket_give(&b, &rule);
	assert_int_equal(pl_bucket_take(&b, &rule, 5000), 0);
	assert_int_equal(pl_bucket_take(&b, &rule, 5000), 0);
	assert_int_equal(pl_bucket_take(&b, &rule, 5000), 1000);
}

static void
counts_exactly_over_a_minute(void **state)
{
	struct pl_bucket_rule rule = pl_bucket_rule(6, 60000, 6);
	struct pl_bucket b = {0};
	int taken = 0;

	(void)state;
	for (int64_t ms = 1; ms <= 60000; ms += 10)
		taken += pl_bucket_take(&b, &rule, ms) == 0;
	assert_int_equal(taken, 6 + 5);
}

static void
has_no_limit_when_lifted(void **state)
{
	struct pl_bucket_rule rule = pl_bucket_rule(0, 1000, 60);
	struct pl_bucket_table *t = pl_bucket_table_new(rule, 1);
	struct pl_bucket b = {0};

	(void)state;
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(pl_bucket_take(&b, &rule, 1), 0);
		assert_int_equal(pl_bucket_table_take(t, PL_STR("a"), 1), 0);
	}
	pl_bucket_table_free(t);
}

static void
keeps_one_bucket_a_key(void **state)
{
	struct pl_bucket_table *t = pl_bucket_table_new(pl_bucket_rule(1, 1000, 2), 100);

	(void)state;
	assert_int_equal(pl_bucket_table_take(t, PL_STR("a"), 1), 0);
	assert_int_equal(pl_bucket_table_take(t, PL_STR("a"), 1), 0);
	assert_int_equal(pl_bucket_table_take(t, PL_STR("a"), 1), 1000);
	assert_int_equal(pl_bucket_table_take(t, PL_STR("b"), 1), 0);
	assert_int_equal(pl_bucket_table_take(t, PL_STR(""), 1), 0);
	assert_int_equal(pl_bucket_table_take(t, PL_STR("a"), 1001), 0);
	pl_bucket_table_free(t);
	pl_bucket_table_free(NULL);
}

/* However many keys come: the refused one, asked for again and again, is not forgotten. */
static void
forgets_the_idle_before_the_busy(void **state)
{
	struct pl_bucket_table *t = pl_bucket_table_new(pl_bucket_rule(1, 1000, 1), 10);
	char key[16];

	(void)state;
	assert_int_equal(pl_bucket_table_take(t, PL_STR("busy"), 1), 0);
	for (int i = 0; i < 1000; i++) {
		snprintf(key, sizeof(key), "k%d", i);
		assert_int_equal(pl_bucket_table_take(t, pl_str(key), 1), 0);
		assert_true(pl_bucket_table_take(t, PL_STR("busy"), 1) > 0);
	}
	assert_int_equal(pl_bucket_table_take(t, PL_STR("k0"), 1), 0);
	pl_bucket_table_free(t);
}

static void
takes_many_together_or_none(void **state)
{
	const int64_t day_ms = 86400000;
	struct pl_bucket_table *t =
	    pl_bucket_table_new(pl_bucket_rule(1000, day_ms, 1000), 10);

	(void)state;
	assert_int_equal(pl_bucket_table_take_many(t, PL_STR("a"), 600, 1), 0);
	assert_int_equal(pl_bucket_table_take_many(t, PL_STR("a"), 500, 1), day_ms / 10);
	assert_int_equal(pl_bucket_table_take_many(t, PL_STR("a"), 400, 1), 0);
	assert_int_equal(pl_bucket_table_take_many(t, PL_STR("a"), 1, 1), day_ms / 1000);
	assert_int_equal(
	    pl_bucket_table_take_many(t, PL_STR("a"), 100, 1 + day_ms / 10), 0);
	pl_bucket_table_free(t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(lets_a_burst_pass_and_then_the_rate),
	    cmocka_unit_test(has_what_is_given_back_and_no_more_than_fills_it),
	    cmocka_unit_test(counts_exactly_over_a_minute),
	    cmocka_unit_test(has_no_limit_when_lifted),
	    cmocka_unit_test(keeps_one_bucket_a_key),
	    cmocka_unit_test(forgets_the_idle_before_the_busy),
	    cmocka_unit_test(takes_many_together_or_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
