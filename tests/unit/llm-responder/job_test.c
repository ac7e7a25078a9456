#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/llm-responder/job.h"

#define NOW 5000000

static struct job_rules rules;

static int
setup(void **state)
{
	(void)state;
	rules = (struct job_rules){.has_llm = true};
	return 0;
}

/* A message that was claimed, at age_ms and for the attempt-th time. */
static struct job
claimed(int64_t attempt, int64_t age_ms)
{
	struct job job;

	job_init(&job, &rules);
	assert_int_equal(job.state, JOB_CLAIMING);
	job_claimed(&job, attempt, age_ms, NOW);
	return job;
}

/* A job in STORING, by way of the standard text. */
static struct job
storing(int64_t attempt)
{
	struct job job;

	rules.has_llm = false;
	job = claimed(attempt, 0);
	assert_int_equal(job_next(&job, PL_OK, NOW), JOB_STORING);
	return job;
}

static void
goes_the_whole_way_to_the_llms_text(void **state)
{
	struct job job = claimed(1, 20);

	(void)state;
	assert_int_equal(job_next(&job, PL_OK, NOW), JOB_CHECKING);
	assert_int_equal(job_next(&job, PL_OK, NOW + 1), JOB_READING);
	assert_int_equal(job_next(&job, PL_OK, NOW + 2), JOB_COMPOSING);
	assert_int_equal(job_next(&job, PL_OK, NOW + 4000), JOB_STORING);
	assert_int_equal(job.kind, PL_REPLY_LLM);
	assert_int_equal(job_next(&job, PL_OK, NOW + 4001), JOB_PUBLISHING);
	assert_int_equal(job_next(&job, PL_OK, NOW + 4002), JOB_OVER);
	assert_false(job.owes_gap);
}

static void
is_over_when_there_is_nothing_to_claim(void **state)
{
	const enum pl_err errs[] = {
	    PL_E_NOT_FOUND, PL_E_UNAVAILABLE, PL_E_CANCELLED, PL_E_BUSY, PL_E_TIMEOUT};

	(void)state;
	for (size_t i = 0; i < sizeof(errs) / sizeof(errs[0]); i++) {
		struct job job;

		job_init(&job, &rules);
		assert_int_equal(job_next(&job, errs[i], NOW), JOB_OVER);
		assert_false(job.owes_gap);
	}
}

static void
has_the_budget_from_the_messages_creation(void **state)
{
	(void)state;
	assert_int_equal(claimed(1, 0).deadline_mono_ms, NOW + JOB_BUDGET_MS);
	assert_int_equal(claimed(1, 3000).deadline_mono_ms, NOW + JOB_BUDGET_MS - 3000);
	/* the clock of the process that stored it is ahead */
	assert_int_equal(claimed(1, -60000).deadline_mono_ms, NOW + JOB_BUDGET_MS);
}

static void
asks_the_llm_only_while_enough_of_the_budget_is_left(void **state)
{
	struct job job = claimed(1, JOB_BUDGET_MS - JOB_ASK_LEFT_MS);

	(void)state;
	assert_int_equal(job_next(&job, PL_OK, NOW), JOB_CHECKING);
	job = claimed(1, JOB_BUDGET_MS - JOB_ASK_LEFT_MS + 1);
	assert_int_equal(job_next(&job, PL_OK, NOW), JOB_STORING);
	assert_int_equal(job.kind, PL_REPLY_FALLBACK);
	/* the limits took their time to answer */
	job = claimed(1, JOB_BUDGET_MS - JOB_ASK_LEFT_MS - 10);
	assert_int_equal(job_next(&job, PL_OK, NOW), JOB_CHECKING);
	assert_int_equal(job_next(&job, PL_OK, NOW + 11), JOB_STORING);
	assert_int_equal(job.kind, PL_REPLY_FALLBACK);
}

static void
asks_the_llm_at_the_second_try_and_not_at_the_third(void **state)
{
	struct job second = claimed(JOB_ATTEMPTS_MAX, 0),
		   third = claimed(JOB_ATTEMPTS_MAX + 1, 0);

	(void)state;
	assert_int_equal(job_next(&second, PL_OK, NOW), JOB_CHECKING);
	assert_int_equal(job_next(&third, PL_OK, NOW), JOB_STORING);
	assert_int_equal(third.kind, PL_REPLY_FALLBACK);
}

static void
takes_the_standard_text_without_an_llm_or_while_stopping(void **state)
{
	struct job job = storing(1);

	(void)state;
	assert_int_equal(job.kind, PL_REPLY_FALLBACK);
	rules = (struct job_rules){.has_llm = true, .is_stopping = true};
	job = claimed(1, 0);
	assert_int_equal(job_next(&job, PL_OK, NOW), JOB_STORING);
	assert_int_equal(job.kind, PL_REPLY_FALLBACK);
}

/* A job in `at`, which began to stop there if is_stopping. */
static struct job
in_state(enum job_state at, bool is_stopping)
{
	struct job job = claimed(1, 0);

	rules.is_stopping = false;
	while (job.state != at)
		(void)job_next(&job, PL_OK, NOW);
	rules.is_stopping = is_stopping;
	return job;
}

static void
takes_the_standard_text_when_a_step_fails_or_the_process_stops(void **state)
{
	static const struct {
		enum job_state at;
		enum pl_err outcome;
		bool is_stopping;
	} rows[] = {
	    {JOB_CHECKING, PL_E_DENIED, false},
	    {JOB_CHECKING, PL_OK, true},
	    {JOB_READING, PL_E_UNAVAILABLE, false},
	    {JOB_READING, PL_E_BUSY, false},
	    {JOB_READING, PL_OK, true},
	    {JOB_COMPOSING, PL_E_TIMEOUT, false},
	    {JOB_COMPOSING, PL_E_NOT_FOUND, false},
	    {JOB_COMPOSING, PL_E_CANCELLED, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct job job = in_state(rows[i].at, rows[i].is_stopping);

		assert_int_equal(job_next(&job, rows[i].outcome, NOW), JOB_STORING);
		assert_int_equal(job.kind, PL_REPLY_FALLBACK);
	}
}

static void
keeps_the_llms_text_that_came_while_stopping(void **state)
{
	struct job job = in_state(JOB_COMPOSING, true);

	(void)state;
	assert_int_equal(job_next(&job, PL_OK, NOW), JOB_STORING);
	assert_int_equal(job.kind, PL_REPLY_LLM);
}

static void
is_over_when_the_store_goes_away(void **state)
{
	struct job reading = in_state(JOB_READING, false),
		   writing = in_state(JOB_STORING, false);

	(void)state;
	assert_int_equal(job_next(&reading, PL_E_CANCELLED, NOW), JOB_OVER);
	assert_int_equal(job_next(&writing, PL_E_CANCELLED, NOW), JOB_OVER);
	assert_false(reading.owes_gap || writing.owes_gap);
}

static void
stores_again_until_the_store_takes_it(void **state)
{
	struct job job = storing(1);

	(void)state;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(job_next(&job, PL_E_UNAVAILABLE, NOW + i), JOB_PAUSED);
		assert_int_equal(job_next(&job, PL_OK, NOW + i), JOB_STORING);
		assert_int_equal(job.kind, PL_REPLY_FALLBACK);
	}
	assert_int_equal(job_next(&job, PL_OK, NOW + 4), JOB_PUBLISHING);
}

static void
gives_up_once_the_next_try_would_come_too_late(void **state)
{
	int64_t last = NOW + JOB_GIVE_UP_MS - JOB_STORE_AGAIN_MS;
	struct job job = storing(1);

	(void)state;
	assert_int_equal(job_next(&job, PL_E_UNAVAILABLE, last), JOB_PAUSED);
	assert_int_equal(job_next(&job, PL_OK, last + JOB_STORE_AGAIN_MS), JOB_STORING);
	assert_int_equal(
	    job_next(&job, PL_E_UNAVAILABLE, last + JOB_STORE_AGAIN_MS), JOB_OVER);
	assert_false(job.owes_gap);
}

static void
notes_a_gap_when_a_reply_was_stored_before_and_perhaps_not_told(void **state)
{
	struct job first = storing(1), second = storing(2), unsure = storing(1),
		   busy = storing(1);

	(void)state;
	/* the reply is another process's, which lives and tells of it */
	assert_int_equal(job_next(&first, PL_E_CONFLICT, NOW), JOB_OVER);
	assert_false(first.owes_gap);
	/* ... which may have died */
	assert_int_equal(job_next(&second, PL_E_CONFLICT, NOW), JOB_OVER);
	assert_true(second.owes_gap);
	/* the reply is ours: the store's answer was lost */
	(void)job_next(&unsure, PL_E_UNAVAILABLE, NOW);
	(void)job_next(&unsure, PL_OK, NOW);
	assert_int_equal(job_next(&unsure, PL_E_CONFLICT, NOW), JOB_OVER);
	assert_true(unsure.owes_gap);
	/* the store had not even taken it in */
	(void)job_next(&busy, PL_E_BUSY, NOW);
	(void)job_next(&busy, PL_OK, NOW);
	assert_int_equal(job_next(&busy, PL_E_CONFLICT, NOW), JOB_OVER);
	assert_false(busy.owes_gap);
}

static void
notes_a_gap_when_the_bus_did_not_take_the_reply(void **state)
{
	struct job job = in_state(JOB_PUBLISHING, false);

	(void)state;
	assert_int_equal(job_next(&job, PL_E_UNAVAILABLE, NOW), JOB_OVER);
	assert_true(job.owes_gap);
	job = in_state(JOB_PUBLISHING, true);
	assert_int_equal(job_next(&job, PL_E_CANCELLED, NOW), JOB_OVER);
	assert_false(job.owes_gap);
}

static void
owes_nothing_when_the_message_is_gone(void **state)
{
	struct job job = storing(2);

	(void)state;
	assert_int_equal(job_next(&job, PL_E_NOT_FOUND, NOW), JOB_OVER);
	assert_false(job.owes_gap);
}

static void
owes_nothing_when_one_of_the_two_has_blocked_the_other(void **state)
{
	struct job job = storing(1);

	(void)state;
	assert_int_equal(job_next(&job, PL_E_DENIED, NOW), JOB_OVER);
	assert_false(job.owes_gap);
}

static void
is_load_until_its_reply_is_stored(void **state)
{
	static const enum job_state load[] = {
	    JOB_CHECKING, JOB_READING, JOB_COMPOSING, JOB_STORING};
	struct job job = claimed(1, 0);

	(void)state;
	assert_true(job_is_load(&job));
	for (size_t i = 0; i < sizeof(load) / sizeof(load[0]); i++) {
		assert_int_equal(job_next(&job, PL_OK, NOW), load[i]);
		assert_true(job_is_load(&job));
	}
	assert_int_equal(job_next(&job, PL_E_TIMEOUT, NOW), JOB_PAUSED);
	assert_true(job_is_load(&job));
	(void)job_next(&job, PL_OK, NOW);
	assert_int_equal(job_next(&job, PL_OK, NOW), JOB_PUBLISHING);
	assert_false(job_is_load(&job));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(goes_the_whole_way_to_the_llms_text, setup),
	    cmocka_unit_test_setup(is_over_when_there_is_nothing_to_claim, setup),
	    cmocka_unit_test_setup(has_the_budget_from_the_messages_creation, setup),
	    cmocka_unit_test_setup(
		asks_the_llm_only_while_enough_of_the_budget_is_left, setup),
	    cmocka_unit_test_setup(
		asks_the_llm_at_the_second_try_and_not_at_the_third, setup),
	    cmocka_unit_test_setup(
		takes_the_standard_text_without_an_llm_or_while_stopping, setup),
	    cmocka_unit_test_setup(
		takes_the_standard_text_when_a_step_fails_or_the_process_stops, setup),
	    cmocka_unit_test_setup(keeps_the_llms_text_that_came_while_stopping, setup),
	    cmocka_unit_test_setup(is_over_when_the_store_goes_away, setup),
	    cmocka_unit_test_setup(stores_again_until_the_store_takes_it, setup),
	    cmocka_unit_test_setup(gives_up_once_the_next_try_would_come_too_late, setup),
	    cmocka_unit_test_setup(
		notes_a_gap_when_a_reply_was_stored_before_and_perhaps_not_told, setup),
	    cmocka_unit_test_setup(
		notes_a_gap_when_the_bus_did_not_take_the_reply, setup),
	    cmocka_unit_test_setup(owes_nothing_when_the_message_is_gone, setup),
	    cmocka_unit_test_setup(
		owes_nothing_when_one_of_the_two_has_blocked_the_other, setup),
	    cmocka_unit_test_setup(is_load_until_its_reply_is_stored, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
