#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "base/mem.h"
#include "services/auth/handlers.h"
#include "services/auth/hasher.h"
#include "services/auth/login_limits.h"
#include "services/auth/password.h"
#include "support/fake/http.h"
#include "support/fake/store.h"
#include "support/fake_loop.h"

#define PERIOD_MS 100
#define ANN       "{\"username\":\"ann\",\"password\":\"guess\"}"
#define OLD_HASH  "$2b$10$old"
#define MAX_TRIES                                                                        \
	10 /* LIMIT_LOGIN_ADDRESS; that of an account lets half of 8 by at once */

/* ---- what the test plays ---- */

static struct auth_hash *hash; /* the check that is under way */
static bool hasher_is_full;
static bool has_ann; /* in the store */
static bool is_disabled;

enum pl_err
auth_hasher_submit(struct auth_hash *h)
{
	if (hasher_is_full)
		return PL_E_BUSY;
	assert_null(hash);
	hash = h;
	return PL_OK;
}

int64_t
password_period_ms(void)
{
	return PERIOD_MS;
}

void
auth_reply_session(struct pl_request *rq, int status, const struct pl_user *user)
{
	pl_reply_json(rq, status, pl_str(user->username));
}

void
auth_reply_login(struct pl_request *rq, const struct pl_user *user,
    void (*again)(struct pl_request *rq))
{
	assert_ptr_equal(again, auth_login_post);
	auth_reply_session(rq, 200, user);
}

static void
end_check(bool matches, const char *fresh)
{
	struct auth_hash *h = hash;

	assert_non_null(h);
	hash = NULL;
	h->matches = matches;
	h->fresh = fresh != NULL ? pl_mem_strdup(fresh) : NULL;
	h->done(h, PL_OK);
}

static enum pl_err
find_user(struct pl_store *s, struct pl_str username, struct pl_user *out)
{
	(void)s;
	if (!has_ann || !pl_str_eq(username, PL_STR("ann")))
		return PL_E_NOT_FOUND;
	*out = (struct pl_user){.username = pl_mem_strdup("ann"),
	    .password_hash = pl_mem_strdup(OLD_HASH),
	    .is_disabled = is_disabled};
	return PL_OK;
}

/* ---- the service ---- */

static void
set_limits(int64_t by_address, int64_t by_account)
{
	auth_limits_stop();
	pl_settings.limit_login_address = by_address;
	pl_settings.limit_login_account = by_account;
	auth_limits_start();
}

static int
setup(void **state)
{
	struct pl_loop *loop = fake_loop_new();

	fake_store_reset();
	fake_store.backend.user_by_username = find_user;
	hash = NULL;
	hasher_is_full = false;
	has_ann = true;
	is_disabled = false;
	pl_settings = (struct pl_settings){
	    .limit_login_address = MAX_TRIES, .limit_login_account = 8};
	pl_app = (struct pl_app){.loop = loop};
	auth_limits_start();
	*state = loop;
	return 0;
}

static int
teardown(void **state)
{
	auth_limits_stop();
	fake_loop_free(*state);
	return 0;
}

static struct fake_request *
log_in_from(const char *address, const char *body)
{
	struct fake_request *r = fake_request_from(address, body);

	auth_login_post(&r->rq);
	return r;
}

static struct fake_request *
log_in(const char *body)
{
	return log_in_from("192.0.2.1", body);
}

/* As far as the check of the password. */
static struct fake_request *
check_password(const char *body)
{
	struct fake_request *r = log_in(body);

	assert_int_equal(fake_store_reads(), 1);
	fake_store_end_read(PL_OK);
	assert_non_null(hash);
	return r;
}

static void
check_unanswered(const struct fake_request *r)
{
	assert_int_equal(r->answer.kind, FAKE_UNANSWERED);
}

static void
check_refused(struct fake_request *r)
{
	assert_int_equal(r->answer.kind, FAKE_PROBLEM);
	assert_int_equal(r->answer.problem, PL_PROBLEM_BAD_LOGIN);
	fake_request_free(r);
}

static void
check_logged_in(struct fake_request *r)
{
	assert_int_equal(r->answer.kind, FAKE_JSON);
	assert_int_equal(r->answer.status, 200);
	fake_request_free(r);
}

static void
check_err(struct fake_request *r, enum pl_err err)
{
	assert_int_equal(r->answer.kind, FAKE_ERR);
	assert_int_equal(r->answer.err, err);
	fake_request_free(r);
}

/* A whole login with a wrong password. */
static void
fail_to_log_in(struct pl_loop *loop, const char *body)
{
	struct fake_request *r = check_password(body);

	end_check(false, NULL);
	fake_loop_advance(loop, PERIOD_MS);
	check_refused(r);
}

static void
check_throttled(struct fake_request *r)
{
	assert_int_equal(r->answer.kind, FAKE_RETRY);
	assert_int_equal(r->answer.problem, PL_PROBLEM_TOO_MANY);
	assert_true(r->answer.wait_ms > 0);
	fake_request_free(r);
}

/* ---- the verdict ---- */

static void
lets_in_who_has_the_password_at_once(void **state)
{
	struct fake_request *r = check_password(ANN);

	(void)state;
	assert_true(hash->is_login);
	assert_string_equal(hash->stored, OLD_HASH);
	assert_true(pl_str_eq(hash->password, PL_STR("guess")));
	end_check(true, NULL);
	check_logged_in(r);
	assert_int_equal(fake_store_writes(), 0);
}

static void
checks_a_password_for_a_name_that_nobody_has(void **state)
{
	struct fake_request *r;

	has_ann = false;
	r = check_password(ANN);
	assert_true(hash->is_login);
	assert_null(hash->stored);
	end_check(false, NULL);
	check_unanswered(r);
	fake_loop_advance(*state, PERIOD_MS);
	check_refused(r);
}

static void
refuses_at_the_end_of_a_period_that_began_with_the_lookup(void **state)
{
	static const int64_t took[] = {0, 40, 99, 100, 130, 260};
	static const int64_t left[] = {100, 60, 1, 0, 70, 40};
	struct pl_loop *loop = *state;

	set_limits(0, 0);
	for (size_t i = 0; i < sizeof(took) / sizeof(took[0]); i++) {
		struct fake_request *r = log_in(ANN);

		fake_loop_advance(loop, took[i] / 2);
		fake_store_end_read(PL_OK);
		fake_loop_advance(loop, took[i] - took[i] / 2);
		end_check(false, NULL);
		check_unanswered(r);
		if (left[i] > 0)
			fake_loop_advance(loop, left[i] - 1);
		if (left[i] > 0)
			check_unanswered(r);
		fake_loop_advance(loop, left[i] > 0 ? 1 : 0);
		check_refused(r);
	}
}

/* ---- a hash of an older kind ---- */

static void
stores_a_fresh_hash_after_the_answer_if_the_old_one_is_still_there(void **state)
{
	struct fake_request *r = check_password(ANN);
	struct pl_store_write_call *call;

	(void)state;
	end_check(true, "$argon2id$fresh");
	check_logged_in(r);
	call = fake_store_next_write(PL_WRITE_PASSWORD);
	assert_string_equal(call->write.u.password.old_hash, OLD_HASH);
	assert_string_equal(call->write.u.password.new_hash, "$argon2id$fresh");
	fake_store_end_write(call, PL_OK);
}

static void
lets_in_whatever_becomes_of_the_fresh_hash(void **state)
{
	struct fake_request *r = check_password(ANN);

	(void)state;
	end_check(true, "$argon2id$fresh");
	fake_store_end_write(fake_store_next_write(PL_WRITE_PASSWORD), PL_E_CONFLICT);
	check_logged_in(r);
	r = check_password(ANN);
	fake_store.is_full = true;
	end_check(true, "$argon2id$fresh");
	check_logged_in(r);
}

/* ---- refusals ---- */

static void
refuses_what_is_no_form_before_it_asks_anybody(void **state)
{
	static const char *const bodies[] = {"{}", "{\"username\":\"ann\"}",
	    "{\"username\":\"ann\",\"password\":1}",
	    "{\"username\":\"\",\"password\":\"\"}"};
	struct fake_request *r;

	(void)state;
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		r = log_in(bodies[i]);
		assert_int_equal(r->answer.kind, FAKE_INVALID);
		fake_request_free(r);
	}
	r = log_in("no JSON");
	assert_int_equal(r->answer.problem, PL_PROBLEM_BAD_JSON);
	fake_request_free(r);
	assert_int_equal(fake_store_reads(), 0);
}

static void
says_at_once_what_failed_on_our_side(void **state)
{
	struct fake_request *r = log_in(ANN);

	(void)state;
	fake_store_end_read(PL_E_UNAVAILABLE);
	check_err(r, PL_E_UNAVAILABLE);
	fake_store.is_full = true;
	check_err(log_in(ANN), PL_E_BUSY);
	fake_store.is_full = false;
	hasher_is_full = true;
	r = log_in(ANN);
	fake_store_end_read(PL_OK);
	check_err(r, PL_E_BUSY);
}

/* ---- limits ---- */

static void
holds_back_an_account_after_half_its_tries_at_once(void **state)
{
	struct fake_request *r;

	for (int i = 0; i < 4; i++)
		fail_to_log_in(*state, ANN);
	check_throttled(log_in(ANN));
	assert_int_equal(fake_store_reads(), 0);
	/* neither another name nor another address */
	r = check_password("{\"username\":\"bob\",\"password\":\"guess\"}");
	end_check(false, NULL);
	fake_loop_advance(*state, PERIOD_MS);
	check_refused(r);
	r = log_in_from("192.0.2.2", ANN);
	fake_store_end_read(PL_OK);
	end_check(true, NULL);
	check_logged_in(r);
	/* one of 8 in 15 minutes comes back after so long */
	fake_loop_advance(*state, 15 * 60 * 1000 / 8);
	fail_to_log_in(*state, ANN);
	check_throttled(log_in(ANN));
}

static void
holds_back_an_address_whatever_names_it_tries(void **state)
{
	static const char *const names[] = {"a1", "a2", "a3", "a4", "a5"};
	char body[64];

	for (int i = 0; i < MAX_TRIES; i++) {
		(void)snprintf(body, sizeof(body),
		    "{\"username\":\"%s\",\"password\":\"guess\"}", names[i / 2]);
		fail_to_log_in(*state, body);
	}
	check_throttled(log_in(ANN));
}

static void
counts_neither_right_logins_as_failures_nor_what_failed_on_our_side(void **state)
{
	for (int i = 0; i < 2 * MAX_TRIES; i++) {
		struct fake_request *r = check_password(ANN);

		end_check(true, NULL);
		check_logged_in(r);
		r = log_in(ANN);
		fake_store_end_read(PL_E_TIMEOUT);
		check_err(r, PL_E_TIMEOUT);
	}
	fail_to_log_in(*state, ANN);
}

static void
holds_back_who_logs_in_to_one_account_in_masses(void **state)
{
	struct fake_request *r;

	for (int i = 0; i < 8 * AUTH_LIMITS_RIGHT; i++) {
		r = check_password(ANN);
		end_check(true, NULL);
		check_logged_in(r);
	}
	check_throttled(log_in(ANN));
	assert_int_equal(fake_store_reads(), 0);
	/* neither another name nor another address */
	fail_to_log_in(*state, "{\"username\":\"bob\",\"password\":\"guess\"}");
	r = log_in_from("192.0.2.2", ANN);
	fake_store_end_read(PL_OK);
	end_check(true, NULL);
	check_logged_in(r);
	/* one of 80 in 15 minutes comes back after so long */
	fake_loop_advance(*state, 15 * 60 * 1000 / 80 + 1);
	fail_to_log_in(*state, ANN);
}

static void
lets_the_next_one_of_an_address_in_when_a_failure_has_counted(void **state)
{
	struct pl_loop *loop = *state;
	struct fake_request *first, *second, *other;

	for (int i = 0; i < 3; i++)
		fail_to_log_in(loop, ANN);
	first = check_password(ANN);
	second = log_in(ANN);
	assert_int_equal(fake_store_reads(), 0);
	end_check(false, NULL);
	/* others pass */
	other = log_in_from("192.0.2.2", ANN);
	fake_store_end_read(PL_OK);
	end_check(true, NULL);
	check_logged_in(other);
	fake_loop_advance(loop, PERIOD_MS - 1);
	check_unanswered(first);
	check_unanswered(second);
	fake_loop_advance(loop, 1);
	check_refused(first);
	check_throttled(second);
}

/* As late as anybody else with a wrong password, or strangers could tell who is disabled. */
static void
tells_that_a_user_is_disabled_to_who_has_the_password(void **state)
{
	struct fake_request *r;

	is_disabled = true;
	fail_to_log_in(*state, ANN);
	r = check_password(ANN);
	end_check(true, NULL);
	assert_int_equal(r->answer.kind, FAKE_PROBLEM);
	assert_int_equal(r->answer.problem, PL_PROBLEM_DISABLED);
	assert_int_equal(fake_store_writes(), 0);
	fake_request_free(r);
	is_disabled = false;
	r = check_password(ANN);
	end_check(true, NULL);
	check_logged_in(r);
}

#define LOOP_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    LOOP_TEST(lets_in_who_has_the_password_at_once),
	    LOOP_TEST(checks_a_password_for_a_name_that_nobody_has),
	    LOOP_TEST(refuses_at_the_end_of_a_period_that_began_with_the_lookup),
	    LOOP_TEST(stores_a_fresh_hash_after_the_answer_if_the_old_one_is_still_there),
	    LOOP_TEST(lets_in_whatever_becomes_of_the_fresh_hash),
	    LOOP_TEST(refuses_what_is_no_form_before_it_asks_anybody),
	    LOOP_TEST(says_at_once_what_failed_on_our_side),
	    LOOP_TEST(holds_back_an_account_after_half_its_tries_at_once),
	    LOOP_TEST(holds_back_an_address_whatever_names_it_tries),
	    LOOP_TEST(
		counts_neither_right_logins_as_failures_nor_what_failed_on_our_side),
	    LOOP_TEST(holds_back_who_logs_in_to_one_account_in_masses),
	    LOOP_TEST(lets_the_next_one_of_an_address_in_when_a_failure_has_counted),
	    LOOP_TEST(tells_that_a_user_is_disabled_to_who_has_the_password),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
