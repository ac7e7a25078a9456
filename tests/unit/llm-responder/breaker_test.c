#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/llm-responder/breaker.h"

static void
opens_after_five_failures_in_a_row(void **state)
{
	struct breaker b = {0};

	(void)state;
	for (int i = 0; i < BREAKER_FAILURES - 1; i++)
		assert_false(breaker_failed(&b, 1000));
	breaker_succeeded(&b);
	for (int i = 0; i < BREAKER_FAILURES - 1; i++) {
		assert_false(breaker_failed(&b, 1000));
		assert_true(breaker_allows(&b, 1000));
	}
	assert_true(breaker_failed(&b, 1000));
	assert_false(breaker_allows(&b, 1000));
	assert_false(breaker_allows(&b, 1000 + BREAKER_OPEN_MS - 1));
}

static struct breaker
opened_at(int64_t now)
{
	struct breaker b = {0};

	for (int i = 0; i < BREAKER_FAILURES; i++)
		(void)breaker_failed(&b, now);
	return b;
}

static void
lets_one_probe_pass_and_closes_on_its_success(void **state)
{
	struct breaker b = opened_at(0);

	(void)state;
	assert_true(breaker_allows(&b, BREAKER_OPEN_MS));
	assert_false(breaker_allows(&b, BREAKER_OPEN_MS));
	breaker_succeeded(&b);
	assert_true(breaker_allows(&b, BREAKER_OPEN_MS));
	assert_true(breaker_allows(&b, BREAKER_OPEN_MS));
}

static void
opens_again_on_the_probes_failure(void **state)
{
	struct breaker b = opened_at(0);

	(void)state;
	assert_true(breaker_allows(&b, BREAKER_OPEN_MS));
	assert_true(breaker_failed(&b, BREAKER_OPEN_MS + 5));
	assert_false(breaker_allows(&b, 2 * BREAKER_OPEN_MS));
	assert_true(breaker_allows(&b, 2 * BREAKER_OPEN_MS + 5));
}

static void
is_not_prolonged_by_calls_that_were_on_their_way(void **state)
{
	struct breaker b = opened_at(0);

	(void)state;
	assert_false(breaker_failed(&b, 20000));
	assert_true(breaker_allows(&b, BREAKER_OPEN_MS));
}

static void
opens_at_once_where_the_server_refuses_us(void **state)
{
	struct breaker b = {0};

	(void)state;
	assert_true(breaker_refused(&b, 0));
	assert_false(breaker_refused(&b, 0));
	assert_false(breaker_allows(&b, BREAKER_REFUSED_MS - 1));
	assert_true(breaker_allows(&b, BREAKER_REFUSED_MS));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(opens_after_five_failures_in_a_row),
	    cmocka_unit_test(lets_one_probe_pass_and_closes_on_its_success),
	    cmocka_unit_test(opens_again_on_the_probes_failure),
	    cmocka_unit_test(is_not_prolonged_by_calls_that_were_on_their_way),
	    cmocka_unit_test(opens_at_once_where_the_server_refuses_us),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
