#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "services/auth/account.h"
#include "services/auth/handlers.h"
#include "services/auth/hasher.h"
#include "services/auth/login_limits.h"
#include "session/sessions.h"
#include "support/fake/http.h"
#include "support/fake/store.h"
#include "support/fake_loop.h"

#define FORM                                                                             \
	"{\"password\":\"the old one\",\"newPassword\":\"the new one\","                 \
	"\"confirmPassword\":\"the new one\"}"

/* ---- what the test plays ---- */

static struct auth_hash *hash; /* that is under way */
static bool hasher_is_full;
static const char *stored; /* hash of the user; NULL: there is none */
static struct pl_session_list list;
static struct pl_revocation revoked[8]; /* as the other processes hear of them */
static size_t revoked_count;

enum pl_err
auth_hasher_submit(struct auth_hash *h)
{
	if (hasher_is_full)
		return PL_E_BUSY;
	assert_null(hash);
	hash = h;
	return PL_OK;
}

void
pl_sessions_revoked(struct pl_sessions *s, const struct pl_revocation *r)
{
	(void)s;
	revoked[revoked_count++] = *r;
}

void
auth_reply_user(struct pl_request *rq, int status, const struct pl_user *user)
{
	pl_reply_json(rq, status, pl_str(user->username));
}

void
auth_reply_session(struct pl_request *rq, int status, const struct pl_user *user)
{
	(void)user;
	pl_reply_json(rq, status, PL_STR("a new session"));
}

static enum pl_err
find_user(struct pl_store *s, const struct pl_oid *id, struct pl_user *out)
{
	(void)s;
	if (stored == NULL)
		return PL_E_NOT_FOUND;
	*out = (struct pl_user){.id = *id,
	    .username = pl_mem_strdup("ann"),
	    .password_hash = pl_mem_strdup(stored)};
	return PL_OK;
}

static enum pl_err
find_sessions(struct pl_store *s, const struct pl_oid *user, struct pl_session_list *out)
{
	(void)s;
	*out = list;
	out->user = *user;
	return PL_OK;
}

static int
setup(void **state)
{
	struct pl_loop *loop = fake_loop_new();

	fake_store_reset();
	fake_store.backend.user_by_id = find_user;
	fake_store.backend.sessions_of = find_sessions;
	hash = NULL;
	hasher_is_full = false;
	stored = "$old";
	list = (struct pl_session_list){0};
	revoked_count = 0;
	pl_settings = (struct pl_settings){.limit_login_address = 100,
	    .limit_login_account = 4,
	    .password_min_length = 8};
	pl_app = (struct pl_app){.loop = loop};
	auth_limits_start();
	account_start();
	*state = loop;
	return 0;
}

static int
teardown(void **state)
{
	account_stop();
	auth_limits_stop();
	fake_loop_free(*state);
	return 0;
}

/* ---- steps ---- */

static struct fake_request *
ask(const char *body, bool is_listed)
{
	struct fake_request *r = fake_request_from("192.0.2.1", body);

	r->rq.claims = (struct pl_jwt_claims){.user = {.bytes = {7}},
	    .issued_unix_s = pl_clock_unix_ms() / 1000 - 100,
	    .token_id = {1},
	    .is_listed = is_listed};
	auth_password_post(&r->rq);
	return r;
}

static void
end_hash(bool matches, const char *fresh)
{
	struct auth_hash *h = hash;

	assert_non_null(h);
	hash = NULL;
	h->matches = matches;
	h->fresh = pl_mem_strdup(fresh);
	h->done(h, PL_OK);
}

static struct pl_store_write_call *
as_far_as_the_write(void)
{
	fake_store_end_read(PL_OK);
	assert_true(hash->is_login);
	assert_string_equal(hash->stored, "$old");
	end_hash(true, NULL);
	assert_false(hash->is_login);
	assert_true(pl_str_eq(hash->password, PL_STR("the new one")));
	end_hash(false, "$new");
	return fake_store_next_write(PL_WRITE_PASSWORD);
}

static void
list_sessions(size_t count)
{
	list.count = count;
	for (size_t i = 0; i < count; i++)
		list.items[i] = (struct pl_session){.token_id = {(uint8_t)(i + 1)},
		    .issued_unix_s = 100,
		    .expires_unix_s = INT64_MAX / 2};
}

/* ---- tests ---- */

static void
ends_each_other_session_and_what_no_list_has(void **state)
{
	int64_t before, begun = pl_clock_unix_ms() / 1000;
	struct fake_request *r = ask(FORM, true);
	struct pl_store_write_call *call = as_far_as_the_write();

	(void)state;
	assert_string_equal(call->write.u.password.old_hash, "$old");
	assert_string_equal(call->write.u.password.new_hash, "$new");
	list_sessions(3); /* the first is the caller's */
	fake_store_end_write(call, PL_OK);
	fake_store_end_read(PL_OK);
	assert_int_equal(fake_store_writes(), 3);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(r->answer.kind, FAKE_UNANSWERED);
		fake_store_end_write(fake_store_next_write(PL_WRITE_REVOKE), PL_OK);
	}
	assert_int_equal(r->answer.status, 200);
	assert_int_equal(revoked_count, 3);
	assert_int_equal(revoked[0].token_id[0], 2);
	assert_int_equal(revoked[1].token_id[0], 3);
	assert_true(pl_revocation_is_of_unlisted(&revoked[2], &before));
	assert_in_range(before, begun, pl_clock_unix_ms() / 1000 + 1);
	for (size_t i = 0; i < 3; i++)
		assert_false(pl_revocation_names(&revoked[i], &r->rq.claims));
	fake_request_free(r);
}

static void
gives_a_session_of_no_list_a_new_one(void **state)
{
	struct fake_request *r = ask(FORM, false);

	(void)state;
	fake_store_end_write(as_far_as_the_write(), PL_OK);
	fake_store_end_read(PL_OK);
	fake_store_end_write(fake_store_next_write(PL_WRITE_REVOKE), PL_OK);
	assert_int_equal(r->answer.status, 200);
	assert_memory_equal(r->answer.body.data, "a new session", 13);
	assert_true(pl_revocation_names(&revoked[0], &r->rq.claims));
	fake_request_free(r);
}

static void
refuses_a_wrong_password_and_counts_it_with_failed_logins(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		struct fake_request *r = ask(FORM, true);

		fake_store_end_read(PL_OK);
		if (i < 2) {
			end_hash(false, NULL);
			assert_int_equal(r->answer.kind, FAKE_PROBLEM);
			assert_int_equal(r->answer.problem, PL_PROBLEM_BAD_PASSWORD);
		} else {
			assert_int_equal(r->answer.kind, FAKE_RETRY);
		}
		assert_null(hash);
		assert_int_equal(fake_store_writes(), 0);
		fake_request_free(r);
	}
}

static void
begins_anew_if_a_login_stored_another_hash_meanwhile(void **state)
{
	struct fake_request *r = ask(FORM, true);

	(void)state;
	fake_store_end_write(as_far_as_the_write(), PL_E_CONFLICT);
	fake_store_end_write(as_far_as_the_write(), PL_E_CONFLICT);
	fake_store_end_write(as_far_as_the_write(), PL_E_CONFLICT);
	assert_int_equal(r->answer.kind, FAKE_ERR);
	assert_int_equal(r->answer.err, PL_E_BUSY);
	fake_request_free(r);
	r = ask(FORM, true); /* and the gate of the address is open again */
	assert_int_equal(fake_store_reads(), 1);
	fake_store_end_write(as_far_as_the_write(), PL_E_UNAVAILABLE);
	assert_int_equal(r->answer.err, PL_E_UNAVAILABLE);
	fake_request_free(r);
}

static void
says_so_if_not_all_others_were_ended(void **state)
{
	struct fake_request *r = ask(FORM, true);

	(void)state;
	list_sessions(2);
	fake_store_end_write(as_far_as_the_write(), PL_OK);
	fake_store_end_read(PL_OK);
	fake_store_end_write(fake_store_next_write(PL_WRITE_REVOKE), PL_E_UNAVAILABLE);
	fake_store_end_write(fake_store_next_write(PL_WRITE_REVOKE), PL_OK);
	assert_int_equal(r->answer.err, PL_E_UNAVAILABLE);
	fake_request_free(r);
	r = ask(FORM, true);
	fake_store_end_write(as_far_as_the_write(), PL_OK);
	fake_store_end_read(PL_E_UNAVAILABLE);
	assert_int_equal(r->answer.err, PL_E_UNAVAILABLE);
	fake_request_free(r);
}

static void
refuses_what_breaks_a_rule_before_anything_is_hashed(void **state)
{
	static const char *const bad[] = {"{}",
	    "{\"password\":\"x\",\"newPassword\":\"short\",\"confirmPassword\":"
	    "\"short\"}",
	    "{\"password\":\"\",\"newPassword\":\"long "
	    "enough\",\"confirmPassword\":\"long "
	    "enough\"}",
	    "{\"password\":\"x\",\"newPassword\":\"long "
	    "enough\",\"confirmPassword\":\"long "
	    "enougH\"}"};
	struct fake_request *r;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		r = ask(bad[i], true);
		assert_int_equal(r->answer.kind, FAKE_INVALID);
		assert_int_equal(fake_store_reads(), 0);
		fake_request_free(r);
	}
	pl_settings.password_min_length = 3;
	r = ask(
	    "{\"password\":\"x\",\"newPassword\":\"ann\",\"confirmPassword\":\"ann\"}",
	    true);
	fake_store_end_read(PL_OK);
	assert_int_equal(r->answer.kind, FAKE_INVALID);
	assert_null(hash);
	fake_request_free(r);
}

static void
answers_if_it_cannot_be_done(void **state)
{
	struct fake_request *r = ask(FORM, true);

	(void)state;
	hasher_is_full = true;
	fake_store_end_read(PL_OK);
	assert_int_equal(r->answer.err, PL_E_BUSY);
	fake_request_free(r);
	stored = NULL;
	r = ask(FORM, true);
	fake_store_end_read(PL_OK);
	assert_int_equal(r->answer.problem, PL_PROBLEM_BAD_TOKEN);
	fake_request_free(r);
}

int
main(void)
{
#define TEST(name_) cmocka_unit_test_setup_teardown(name_, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(ends_each_other_session_and_what_no_list_has),
	    TEST(gives_a_session_of_no_list_a_new_one),
	    TEST(refuses_a_wrong_password_and_counts_it_with_failed_logins),
	    TEST(begins_anew_if_a_login_stored_another_hash_meanwhile),
	    TEST(says_so_if_not_all_others_were_ended),
	    TEST(refuses_what_breaks_a_rule_before_anything_is_hashed),
	    TEST(answers_if_it_cannot_be_done),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
