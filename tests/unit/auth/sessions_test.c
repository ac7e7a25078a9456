#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/clock.h"
#include "services/auth/handlers.h"
#include "session/sessions.h"
#include "support/fake/http.h"
#include "support/fake/store.h"

#define ID(digit) "0" digit "000000000000000000000000000000"

/* ---- what the test plays ---- */

static struct pl_revocation revoked; /* as the other processes hear of it */
static size_t revoked_count, offline_count;
static size_t listed; /* sessions 1 to so many, one a second */

void
pl_sessions_revoked(struct pl_sessions *s, const struct pl_revocation *r)
{
	(void)s;
	revoked = *r;
	revoked_count++;
}

void
pl_online_logged_out(struct pl_online *o, const struct pl_oid *id)
{
	(void)o, (void)id;
	offline_count++;
}

static enum pl_err
sessions_of(struct pl_store *s, const struct pl_oid *user, struct pl_session_list *out)
{
	int64_t now = pl_clock_unix_ms() / 1000;
	struct pl_session ended;

	(void)s;
	pl_session_list_init(out, user);
	for (size_t i = 1; i <= listed; i++) {
		struct pl_session one = {.token_id = {(uint8_t)i},
		    .issued_unix_s = now - 100 + (int64_t)i,
		    .expires_unix_s = now + 100};

		assert_false(pl_session_list_add(out, &one, &ended));
	}
	return PL_OK;
}

static int
setup(void **state)
{
	static char name[] = "jwt", production[] = "production";

	(void)state;
	fake_store_reset();
	fake_store.backend.sessions_of = sessions_of;
	pl_settings = (struct pl_settings){.cookie_name = name, .node_env = production};
	revoked_count = offline_count = 0;
	listed = 3;
	return 0;
}

/* A request by the token of that id. */
static struct fake_request *
request_by(uint8_t own, const char *param)
{
	struct fake_request *r = fake_request_new(param, "");
	int64_t now = pl_clock_unix_ms() / 1000;

	r->rq.claims = (struct pl_jwt_claims){
	    .token_id = {own}, .issued_unix_s = now - 50, .expires_unix_s = now + 50};
	return r;
}

static struct fake_request *
end_session(uint8_t own, const char *id)
{
	struct fake_request *r = request_by(own, id);

	auth_session_delete(&r->rq);
	return r;
}

static void
check_ended(struct fake_request *r, uint8_t id, bool is_own)
{
	fake_store_end_write(fake_store_next_write(PL_WRITE_REVOKE), PL_OK);
	assert_int_equal(r->answer.status, 200);
	assert_int_equal(revoked_count, 1);
	assert_int_equal(revoked.token_id[0], id);
	assert_int_equal(offline_count, is_own);
	assert_int_equal(fake_answer_header(r, "set-cookie") != NULL, is_own);
	fake_request_free(r);
}

/* How often text is in the answer. */
static size_t
count(const struct fake_request *r, const char *text)
{
	const char *at = r->answer.body.data, *end = at + r->answer.body.len;
	size_t n = 0;

	while ((at = memmem(at, (size_t)(end - at), text, strlen(text))) != NULL) {
		at += strlen(text);
		n++;
	}
	return n;
}

static void
lists_the_latest_first_and_says_which_is_the_callers(void **state)
{
	struct fake_request *r = request_by(2, NULL);
	const char *body;

	(void)state;
	auth_sessions_get(&r->rq);
	assert_int_equal(r->answer.kind, FAKE_UNANSWERED);
	fake_store_end_read(PL_OK);
	assert_int_equal(r->answer.status, 200);
	body = r->answer.body.data;
	assert_int_equal(count(r, "\"_id\""), 3);
	assert_true(strstr(body, ID("3")) < strstr(body, ID("2")));
	assert_true(strstr(body, ID("2")) < strstr(body, ID("1")));
	assert_int_equal(count(r, "\"current\":true"), 1);
	assert_true(strstr(body, "\"current\":true") > strstr(body, ID("2")));
	assert_true(strstr(body, "\"current\":true") < strstr(body, ID("1")));
	fake_request_free(r);
}

static void
shows_a_session_that_no_list_has_to_itself_alone(void **state)
{
	struct fake_request *r = request_by(9, NULL);

	(void)state;
	auth_sessions_get(&r->rq);
	fake_store_end_read(PL_OK);
	assert_int_equal(count(r, "\"_id\""), 4);
	assert_int_equal(count(r, ID("9")), 1);
	fake_request_free(r);
	r = request_by(1, NULL);
	auth_sessions_get(&r->rq);
	fake_store_end_read(PL_OK);
	assert_int_equal(count(r, ID("9")), 0);
	fake_request_free(r);
}

static void
ends_another_session_and_leaves_the_user_online(void **state)
{
	struct fake_request *r = end_session(2, ID("3"));

	(void)state;
	fake_store_end_read(PL_OK);
	assert_int_equal(r->answer.kind, FAKE_UNANSWERED);
	check_ended(r, 3, false);
}

static void
ends_the_callers_own_as_a_logout_does(void **state)
{
	struct fake_request *r = end_session(2, ID("2"));

	(void)state;
	fake_store_end_read(PL_OK);
	check_ended(r, 2, true);
	revoked_count = offline_count = 0;
	r = end_session(9, ID("9")); /* of no list */
	fake_store_end_read(PL_OK);
	check_ended(r, 9, true);
}

static void
knows_no_session_of_others(void **state)
{
	static const char *const ids[] = {
	    ID("4"), "", "1", ID("1") "0", "0g000000000000000000000000000000"};

	(void)state;
	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		struct fake_request *r = end_session(2, ids[i]);

		fake_store_end_read(PL_OK);
		assert_int_equal(r->answer.problem, PL_PROBLEM_NO_SESSION);
		fake_request_free(r);
	}
	assert_int_equal(fake_store_writes(), 0);
}

static void
check_err(struct fake_request *r, enum pl_err err)
{
	assert_int_equal(r->answer.kind, FAKE_ERR);
	assert_int_equal(r->answer.err, err);
	assert_null(fake_answer_header(r, "set-cookie"));
	fake_request_free(r);
}

static void
says_what_failed_on_our_side(void **state)
{
	struct fake_request *r = end_session(2, ID("2"));

	(void)state;
	fake_store_end_read(PL_E_UNAVAILABLE);
	check_err(r, PL_E_UNAVAILABLE);
	r = end_session(2, ID("2"));
	fake_store_end_read(PL_OK);
	fake_store_end_write(fake_store_next_write(PL_WRITE_REVOKE), PL_E_TIMEOUT);
	check_err(r, PL_E_TIMEOUT);
	r = end_session(2, ID("2"));
	fake_store.is_full = true;
	fake_store_end_read(PL_OK);
	check_err(r, PL_E_BUSY);
	check_err(end_session(2, ID("2")), PL_E_BUSY);
	r = request_by(2, NULL);
	auth_sessions_get(&r->rq);
	check_err(r, PL_E_BUSY);
	assert_int_equal(revoked_count + offline_count, 0);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(lists_the_latest_first_and_says_which_is_the_callers),
	    TEST(shows_a_session_that_no_list_has_to_itself_alone),
	    TEST(ends_another_session_and_leaves_the_user_online),
	    TEST(ends_the_callers_own_as_a_logout_does),
	    TEST(knows_no_session_of_others),
	    TEST(says_what_failed_on_our_side),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
