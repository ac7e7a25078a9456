#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "session/last_use.h"

#define ISSUED 1000000
#define LIMIT  2000 /* s, so a step is 100 */

static const struct pl_jwt_claims listed = {
    .issued_unix_s = ISSUED, .token_id = {1}, .is_listed = true};

static int
setup(void **state)
{
	static struct pl_last_use l;

	pl_last_use_init(&l, LIMIT);
	*state = &l;
	return 0;
}

static int
teardown(void **state)
{
	pl_last_use_fini(*state);
	return 0;
}

/* The clocks go together here. */
static enum pl_last_use_verdict
judge(struct pl_last_use *l, const struct pl_jwt_claims *claims, int64_t after_s)
{
	return pl_last_use_judge(l, claims, ISSUED + after_s, after_s * 1000);
}

static bool
note(struct pl_last_use *l, int64_t after_s)
{
	return pl_last_use_note(l, &listed, ISSUED + after_s, after_s * 1000);
}

static void
learn(struct pl_last_use *l, int64_t seen_after_s, int64_t after_s)
{
	struct pl_session_list list;
	struct pl_session ended, s = {.token_id = {1}, .issued_unix_s = ISSUED};

	s.seen_unix_s = ISSUED + seen_after_s;
	pl_session_list_init(&list, &listed.user);
	assert_false(pl_session_list_add(&list, &s, &ended));
	pl_last_use_learn(l, &listed, &list, after_s * 1000);
}

static void
tells_of_a_use_once_in_a_step(void **state)
{
	assert_int_equal(pl_last_use_step_s(2), 1);
	assert_int_equal(pl_last_use_step_s(LIMIT), 100);
	assert_int_equal(pl_last_use_step_s(86400 * 30), 3600);
	assert_false(note(*state, 99)); /* it was listed then */
	assert_true(note(*state, 100));
	assert_false(note(*state, 101));
	assert_false(note(*state, 199));
	assert_true(note(*state, 200));
	pl_last_use_untold(*state, listed.token_id);
	assert_true(note(*state, 201));
}

static void
asks_only_if_what_it_knows_would_not_do(void **state)
{
	assert_int_equal(judge(*state, &listed, LIMIT), PL_LAST_USE_GOOD);
	assert_int_equal(judge(*state, &listed, LIMIT + 1), PL_LAST_USE_ASK);
	learn(*state, 50, LIMIT + 1);
	assert_int_equal(judge(*state, &listed, LIMIT + 50), PL_LAST_USE_GOOD);
	assert_true(note(*state, LIMIT + 50));
	assert_int_equal(judge(*state, &listed, 2 * LIMIT + 50), PL_LAST_USE_GOOD);
	assert_int_equal(judge(*state, &listed, 2 * LIMIT + 51), PL_LAST_USE_ASK);
	learn(*state, LIMIT + 50, 2 * LIMIT + 51);
	assert_int_equal(judge(*state, &listed, 2 * LIMIT + 51), PL_LAST_USE_OVER);
	/* Another process may have told of a use since. */
	assert_int_equal(judge(*state, &listed, 2 * LIMIT + 56), PL_LAST_USE_ASK);
	learn(*state, 2 * LIMIT, 2 * LIMIT + 56);
	assert_int_equal(judge(*state, &listed, 2 * LIMIT + 56), PL_LAST_USE_GOOD);
}

static void
takes_one_that_no_list_has_as_used_when_it_was_issued(void **state)
{
	struct pl_jwt_claims mern = {.issued_unix_s = ISSUED, .token_id = {2}};
	struct pl_session_list none;

	assert_int_equal(judge(*state, &mern, LIMIT), PL_LAST_USE_GOOD);
	assert_int_equal(judge(*state, &mern, LIMIT + 1), PL_LAST_USE_OVER);
	assert_int_equal(pl_last_use_end_unix_s(*state, &mern), ISSUED + LIMIT);
	assert_int_equal(pl_last_use_end_unix_s(*state, &listed), INT64_MAX);
	mern.issued_unix_s = INT64_MIN;
	assert_int_equal(judge(*state, &mern, 0), PL_LAST_USE_OVER);
	/* One that says it is in a list, and is not. */
	pl_session_list_init(&none, &listed.user);
	pl_last_use_learn(*state, &listed, &none, (LIMIT + 1) * 1000);
	assert_int_equal(judge(*state, &listed, LIMIT + 1), PL_LAST_USE_OVER);
}

static void
has_no_limit_unless_it_is_set(void **state)
{
	struct pl_last_use off;

	(void)state;
	pl_last_use_init(&off, 0);
	assert_int_equal(judge(&off, &listed, 1000 * LIMIT), PL_LAST_USE_GOOD);
	assert_false(note(&off, 1000));
	assert_int_equal(pl_last_use_end_unix_s(&off, &listed), INT64_MAX);
	assert_int_equal(off.uses.count, 0);
	pl_last_use_fini(&off);
}

static void
forgets_what_was_told_a_step_ago(void **state)
{
	struct pl_last_use *l = *state;

	assert_true(note(l, 1000));
	pl_last_use_forget(l, 1099 * 1000);
	assert_int_equal(l->uses.count, 1);
	pl_last_use_forget(l, 1101 * 1000); /* walked less than a minute ago */
	assert_int_equal(l->uses.count, 1);
	pl_last_use_forget(l, 1160 * 1000);
	assert_int_equal(l->uses.count, 0);
}

int
main(void)
{
#define TEST(name_) cmocka_unit_test_setup_teardown(name_, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(tells_of_a_use_once_in_a_step),
	    TEST(asks_only_if_what_it_knows_would_not_do),
	    TEST(takes_one_that_no_list_has_as_used_when_it_was_issued),
	    TEST(has_no_limit_unless_it_is_set),
	    TEST(forgets_what_was_told_a_step_ago),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
