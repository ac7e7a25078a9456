#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "model/problem.h"

static void
has_a_status_a_code_and_a_text_for_each(void **state)
{
	(void)state;
	for (int p = 0; p <= PL_PROBLEM_INTERNAL; p++) {
		const struct pl_problem_row *row = pl_problem_row((enum pl_problem)p);

		assert_in_range(row->status, 400, 507);
		assert_true(strlen(row->code) > 0 && strlen(row->text) > 0);
	}
	assert_int_equal(pl_problem_row(PL_PROBLEM_OFFLINE)->status, 403);
	assert_string_equal(pl_problem_row(PL_PROBLEM_OFFLINE)->code, "OFFLINE");
}

static void
says_what_a_failed_store_call_is(void **state)
{
	(void)state;
	assert_int_equal(pl_problem_of(PL_E_BUSY), PL_PROBLEM_BUSY);
	assert_int_equal(pl_problem_of(PL_E_TIMEOUT), PL_PROBLEM_BUSY);
	assert_int_equal(pl_problem_of(PL_E_UNAVAILABLE), PL_PROBLEM_BUSY);
	assert_int_equal(pl_problem_of(PL_E_CANCELLED), PL_PROBLEM_BUSY);
	assert_int_equal(pl_problem_of(PL_E_FULL), PL_PROBLEM_FULL);
	assert_int_equal(pl_problem_of(PL_E_IO), PL_PROBLEM_INTERNAL);
}

static void
rounds_a_wait_up_to_whole_seconds(void **state)
{
	(void)state;
	assert_int_equal(pl_problem_wait_s(0), 1);
	assert_int_equal(pl_problem_wait_s(1), 1);
	assert_int_equal(pl_problem_wait_s(1000), 1);
	assert_int_equal(pl_problem_wait_s(1001), 2);
}

static void
names_outcomes_for_metrics(void **state)
{
	(void)state;
	assert_string_equal(pl_problem_outcome(201), "ok");
	assert_string_equal(pl_problem_outcome(409), "refused");
	assert_string_equal(pl_problem_outcome(429), "limited");
	assert_string_equal(pl_problem_outcome(507), "failed");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(has_a_status_a_code_and_a_text_for_each),
	    cmocka_unit_test(says_what_a_failed_store_call_is),
	    cmocka_unit_test(rounds_a_wait_up_to_whole_seconds),
	    cmocka_unit_test(names_outcomes_for_metrics),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
