#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "services/auth/handlers.h"
#include "services/auth/hasher.h"
#include "services/auth/login_limits.h"
#include "support/fake/http.h"
#include "support/fake/store.h"
#include "support/fake_loop.h"

#define ANN                                                                              \
	"{\"fullName\":\"Ann\",\"username\":\"ann\",\"password\":\"long enough\","       \
	"\"confirmPassword\":\"long enough\",\"gender\":\"female\"}"

#define WITH_INVITE(code)                                                                \
	"{\"fullName\":\"Ann\",\"username\":\"ann\",\"password\":\"long enough\","       \
	"\"confirmPassword\":\"long enough\",\"gender\":\"female\",\"invite\":" code "}"
#define CODE "\"x0k3-9mfd-2q7z-vb41-c8se-jr6w-5h0n\""

/* ---- what the test plays ---- */

static struct auth_hash *hash; /* that is under way */
static bool hasher_is_full;

enum pl_err
auth_hasher_submit(struct auth_hash *h)
{
	if (hasher_is_full)
		return PL_E_BUSY;
	hash = h;
	return PL_OK;
}

void
auth_reply_session(struct pl_request *rq, int status, const struct pl_user *user)
{
	pl_reply_json(rq, status, pl_str(user->username));
}

static bool invite_is_good;

static enum pl_err
look(struct pl_store *s, const uint8_t code_id[PL_INVITE_ID_LEN])
{
	(void)s;
	(void)code_id;
	return invite_is_good ? PL_OK : PL_E_NOT_FOUND;
}

static void
end_hash(const char *fresh, enum pl_err err)
{
	hash->fresh = fresh != NULL ? pl_mem_strdup(fresh) : NULL;
	hash->done(hash, err);
}

static int
setup(void **state)
{
	*state = fake_loop_new();
	fake_store_reset();
	fake_store.backend.invite_look = look;
	invite_is_good = true;
	hash = NULL;
	hasher_is_full = false;
	pl_settings = (struct pl_settings){
	    .limit_login_address = 2, .limit_login_account = 8, .password_min_length = 8};
	pl_app = (struct pl_app){.loop = *state};
	auth_limits_start();
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
sign_up(const char *body)
{
	struct fake_request *r = fake_request_from("192.0.2.1", body);

	auth_signup_post(&r->rq);
	return r;
}

static void
check_err(struct fake_request *r, enum pl_err err)
{
	assert_int_equal(r->answer.kind, FAKE_ERR);
	assert_int_equal(r->answer.err, err);
	fake_request_free(r);
}

static void
begins_a_session_once_the_user_is_stored(void **state)
{
	struct fake_request *r = sign_up(ANN);
	struct pl_store_write_call *call;

	(void)state;
	assert_false(hash->is_login);
	assert_int_equal(fake_store_writes(), 0);
	end_hash("$argon2id$fresh", PL_OK);
	call = fake_store_next_write(PL_WRITE_USER);
	assert_string_equal(call->write.u.user->username, "ann");
	assert_string_equal(call->write.u.user->password_hash, "$argon2id$fresh");
	assert_int_equal(r->answer.kind, FAKE_UNANSWERED);
	fake_store_end_write(call, PL_OK);
	assert_int_equal(r->answer.kind, FAKE_JSON);
	assert_int_equal(r->answer.status, 201);
	fake_request_free(r);
}

static void
refuses_a_username_that_is_taken(void **state)
{
	struct fake_request *r = sign_up(ANN);

	(void)state;
	end_hash("$argon2id$fresh", PL_OK);
	fake_store_end_write(fake_store_next_write(PL_WRITE_USER), PL_E_CONFLICT);
	assert_int_equal(r->answer.problem, PL_PROBLEM_USERNAME_TAKEN);
	fake_request_free(r);
}

static void
refuses_what_is_no_form_without_counting_it(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++) {
		struct fake_request *r = sign_up("{}");

		assert_int_equal(r->answer.kind, FAKE_INVALID);
		fake_request_free(r);
	}
	assert_null(hash);
	fake_request_free(sign_up("no JSON"));
	hasher_is_full = true;
	check_err(sign_up(ANN), PL_E_BUSY);
}

static void
counts_each_sign_up_and_holds_back_the_address_before_it_hashes(void **state)
{
	struct fake_request *r;

	(void)state;
	hasher_is_full = true;
	check_err(sign_up(ANN), PL_E_BUSY);
	check_err(sign_up(ANN), PL_E_BUSY);
	hasher_is_full = false;
	r = sign_up(ANN);
	assert_int_equal(r->answer.kind, FAKE_RETRY);
	assert_int_equal(r->answer.problem, PL_PROBLEM_TOO_MANY);
	assert_true(r->answer.wait_ms > 0);
	fake_request_free(r);
	assert_null(hash);
}

static void
hashes_those_of_one_address_one_after_the_other(void **state)
{
	struct fake_request *first = sign_up(ANN), *second, *third;
	struct auth_hash *before = hash;

	(void)state;
	second = sign_up(ANN);
	third = sign_up(ANN);
	assert_ptr_equal(hash, before);
	end_hash("$argon2id$fresh", PL_OK);
	assert_ptr_equal(hash, before); /* the store has not answered yet */
	fake_store_end_write(fake_store_next_write(PL_WRITE_USER), PL_OK);
	assert_int_equal(first->answer.status, 201);
	assert_ptr_not_equal(hash, before);
	end_hash(NULL, PL_E_CANCELLED);
	check_err(second, PL_E_CANCELLED);
	assert_int_equal(third->answer.problem, PL_PROBLEM_TOO_MANY);
	fake_request_free(third);
	fake_request_free(first);
}

static void
gives_up_who_has_waited_too_long_and_refuses_when_too_many_wait(void **state)
{
	struct fake_request *first = sign_up(ANN), *waiting[AUTH_LIMITS_WAITING_MAX];
	struct fake_request *more;

	for (int i = 0; i < AUTH_LIMITS_WAITING_MAX; i++)
		waiting[i] = sign_up(ANN);
	more = sign_up(ANN);
	assert_int_equal(more->answer.problem, PL_PROBLEM_BUSY);
	fake_request_free(more);
	fake_loop_advance(*state, AUTH_LIMITS_WAIT_MS + 1);
	end_hash(NULL, PL_E_CANCELLED);
	check_err(first, PL_E_CANCELLED);
	for (int i = 0; i < AUTH_LIMITS_WAITING_MAX; i++)
		check_err(waiting[i], PL_E_BUSY);
}

static void
says_what_failed_on_our_side(void **state)
{
	struct fake_request *r = sign_up(ANN);

	(void)state;
	end_hash(NULL, PL_OK); /* there was no memory to hash in */
	check_err(r, PL_E_UNAVAILABLE);
	r = sign_up(ANN);
	end_hash(NULL, PL_E_CANCELLED);
	check_err(r, PL_E_CANCELLED);
}

static void
says_that_the_store_takes_no_more(void **state)
{
	struct fake_request *r = sign_up(ANN);

	(void)state;
	fake_store.is_full = true;
	end_hash("$argon2id$fresh", PL_OK);
	check_err(r, PL_E_BUSY);
	fake_store.is_full = false;
	r = sign_up(ANN);
	end_hash("$argon2id$fresh", PL_OK);
	fake_store_end_write(fake_store_next_write(PL_WRITE_USER), PL_E_FULL);
	check_err(r, PL_E_FULL);
}

/* ---- SIGNUP ---- */

static void
check_problem(struct fake_request *r, enum pl_problem problem)
{
	assert_int_equal(r->answer.kind, FAKE_PROBLEM);
	assert_int_equal(r->answer.problem, problem);
	fake_request_free(r);
}

static void
passes_over_an_invite_where_everybody_may_sign_up(void **state)
{
	struct fake_request *r = sign_up(WITH_INVITE("7"));

	(void)state;
	end_hash("$argon2id$fresh", PL_OK);
	fake_store_end_write(fake_store_next_write(PL_WRITE_USER), PL_OK);
	assert_int_equal(r->answer.status, 201);
	fake_request_free(r);
}

static void
lets_nobody_in_where_sign_up_is_closed(void **state)
{
	(void)state;
	pl_settings.signup = PL_SIGNUP_CLOSED;
	check_problem(sign_up(ANN), PL_PROBLEM_SIGNUP_CLOSED);
	check_problem(sign_up("{}"), PL_PROBLEM_SIGNUP_CLOSED);
	check_problem(sign_up(WITH_INVITE(CODE)), PL_PROBLEM_SIGNUP_CLOSED);
	assert_null(hash);
}

static void
uses_an_invite_up_with_the_user(void **state)
{
	struct fake_request *r;
	struct pl_store_write_call *call;
	uint8_t code_id[PL_INVITE_ID_LEN];

	(void)state;
	pl_settings.signup = PL_SIGNUP_INVITE;
	r = sign_up(WITH_INVITE(CODE));
	assert_null(hash); /* not before the code was looked at */
	fake_store_end_read(PL_OK);
	end_hash("$argon2id$fresh", PL_OK);
	call = fake_store_next_write(PL_WRITE_INVITED);
	assert_string_equal(call->write.u.invited.user->username, "ann");
	assert_true(pl_invite_id(PL_STR("X0K39MFD2Q7ZVB41C8SEJR6W5HON"), code_id));
	assert_memory_equal(call->write.u.invited.code_id, code_id, PL_INVITE_ID_LEN);
	fake_store_end_write(call, PL_OK);
	assert_int_equal(r->answer.status, 201);
	fake_request_free(r);
}

static void
needs_an_invite_and_counts_no_form_without_one(void **state)
{
	(void)state;
	pl_settings.signup = PL_SIGNUP_INVITE;
	for (int i = 0; i < 5; i++) {
		check_problem(sign_up(ANN), PL_PROBLEM_INVITE_NEEDED);
		check_problem(sign_up(WITH_INVITE("null")), PL_PROBLEM_INVITE_NEEDED);
		check_problem(sign_up(WITH_INVITE("\"\"")), PL_PROBLEM_INVITE_NEEDED);
	}
	assert_null(hash);
}

static void
refuses_an_invite_of_another_type(void **state)
{
	static const char *const forms[] = {WITH_INVITE("7"), WITH_INVITE("true"),
	    WITH_INVITE("[" CODE "]"), WITH_INVITE("{\"$gt\":\"\"}")};

	(void)state;
	pl_settings.signup = PL_SIGNUP_INVITE;
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		struct fake_request *r = sign_up(forms[i]);

		assert_int_equal(r->answer.kind, FAKE_INVALID);
		fake_request_free(r);
	}
}

static void
counts_each_guess_of_a_code_and_hashes_nothing_for_it(void **state)
{
	struct fake_request *r;

	(void)state;
	pl_settings.signup = PL_SIGNUP_INVITE;
	invite_is_good = false;
	check_problem(sign_up(WITH_INVITE("\"guess\"")), PL_PROBLEM_INVITE_NEEDED);
	r = sign_up(WITH_INVITE(CODE));
	fake_store_end_read(PL_OK);
	check_problem(r, PL_PROBLEM_INVITE_NEEDED);
	assert_null(hash);
	r = sign_up(WITH_INVITE(CODE));
	assert_int_equal(r->answer.kind, FAKE_RETRY);
	assert_int_equal(r->answer.problem, PL_PROBLEM_TOO_MANY);
	fake_request_free(r);
}

static void
says_that_an_invite_was_used_up_meanwhile_or_not_looked_at(void **state)
{
	struct fake_request *r;

	(void)state;
	pl_settings.signup = PL_SIGNUP_INVITE;
	r = sign_up(WITH_INVITE(CODE));
	fake_store_end_read(PL_OK);
	end_hash("$argon2id$fresh", PL_OK);
	fake_store_end_write(fake_store_next_write(PL_WRITE_INVITED), PL_E_NOT_FOUND);
	check_problem(r, PL_PROBLEM_INVITE_NEEDED);
	r = sign_up(WITH_INVITE(CODE));
	fake_store_end_read(PL_E_UNAVAILABLE);
	check_err(r, PL_E_UNAVAILABLE);
}

#define LOOP_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    LOOP_TEST(begins_a_session_once_the_user_is_stored),
	    LOOP_TEST(refuses_a_username_that_is_taken),
	    LOOP_TEST(refuses_what_is_no_form_without_counting_it),
	    LOOP_TEST(counts_each_sign_up_and_holds_back_the_address_before_it_hashes),
	    LOOP_TEST(hashes_those_of_one_address_one_after_the_other),
	    LOOP_TEST(gives_up_who_has_waited_too_long_and_refuses_when_too_many_wait),
	    LOOP_TEST(says_what_failed_on_our_side),
	    LOOP_TEST(says_that_the_store_takes_no_more),
	    LOOP_TEST(passes_over_an_invite_where_everybody_may_sign_up),
	    LOOP_TEST(lets_nobody_in_where_sign_up_is_closed),
	    LOOP_TEST(uses_an_invite_up_with_the_user),
	    LOOP_TEST(needs_an_invite_and_counts_no_form_without_one),
	    LOOP_TEST(refuses_an_invite_of_another_type),
	    LOOP_TEST(counts_each_guess_of_a_code_and_hashes_nothing_for_it),
	    LOOP_TEST(says_that_an_invite_was_used_up_meanwhile_or_not_looked_at),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
