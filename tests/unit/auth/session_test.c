#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "auth/jwt.h"
#include "base/clock.h"
#include "base/mem.h"
#include "http/reply.h"
#include "services/auth/cookie.h"
#include "services/auth/handlers.h"
#include "session/sessions.h"
#include "support/fake/http.h"
#include "support/fake/store.h"

static char name[] = "jwt", host_name[] = "__Host-jwt", development[] = "development",
	    production[] = "production", ann[] = "ann";
static struct pl_user user = {
    .username = ann, .full_name = ann, .profile_pic = ann, .password_hash = ann};

/* ---- what the test plays ---- */

static int64_t valid_after_unix_s;
static void (*on_known)(void *arg);
static void *on_known_arg;
static struct pl_revocation revoked; /* as the other processes hear of it */
static size_t revoked_count;

int64_t
pl_sessions_valid_after(const struct pl_sessions *s, const struct pl_oid *id)
{
	(void)s, (void)id;
	return valid_after_unix_s;
}

void
pl_sessions_revoked(struct pl_sessions *s, const struct pl_revocation *r)
{
	(void)s;
	revoked = *r;
	revoked_count++;
}

void
pl_online_arrived(
    struct pl_online *o, const struct pl_oid *id, void (*known)(void *arg), void *arg)
{
	(void)o, (void)id;
	on_known = known;
	on_known_arg = arg;
}

static int
setup(void **state)
{
	const char *why;

	(void)state;
	pl_settings = (struct pl_settings){
	    .cookie_name = name, .node_env = production, .cookie_samesite = 0};
	valid_after_unix_s = 0;
	on_known = NULL;
	revoked_count = 0;
	fake_store_reset();
	return pl_jwt_init("0123456789abcdefghijklmnopqrstuvwxyz", NULL, &why) == PL_OK
		   ? 0
		   : -1;
}

static int
teardown(void **state)
{
	(void)state;
	pl_jwt_fini();
	return 0;
}

/* The token in the answer's cookie. */
static struct pl_jwt_claims
check_token(const struct fake_request *r)
{
	const char *cookie = fake_answer_header(r, "set-cookie");
	struct pl_jwt_claims claims;

	assert_non_null(cookie);
	assert_memory_equal(cookie, "jwt=", 4);
	assert_int_equal(pl_jwt_verify(pl_str_n(cookie + 4, strcspn(cookie + 4, ";")),
			     pl_clock_unix_ms() / 1000, &claims),
	    PL_OK);
	return claims;
}

static struct fake_request *
begin(int status)
{
	struct fake_request *r = fake_request_new(NULL, "");

	auth_reply_session(&r->rq, status, &user);
	return r;
}

static void
answers_once_the_session_is_listed_and_the_user_counts_as_online(void **state)
{
	int64_t begun = pl_clock_unix_ms() / 1000;
	struct fake_request *r = begin(201);
	struct pl_store_write_call *call = fake_store_next_write(PL_WRITE_SESSION);
	struct pl_jwt_claims claims;

	(void)state;
	assert_true(pl_oid_eq(&call->write.u.session.user, &user.id));
	assert_in_range(
	    call->write.u.session.issued_unix_s, begun, pl_clock_unix_ms() / 1000);
	assert_null(fake_answer_header(r, "set-cookie"));
	assert_null(on_known);
	fake_store_end_write(call, PL_OK);
	assert_int_equal(r->answer.kind, FAKE_UNANSWERED);
	on_known(on_known_arg);
	assert_int_equal(r->answer.status, 201);
	assert_null(memmem(r->answer.body.data, r->answer.body.len, "password", 8));
	claims = check_token(r);
	assert_true(pl_oid_eq(&claims.user, &user.id));
	assert_true(claims.is_listed);
	assert_int_equal(revoked_count, 0);
	fake_request_free(r);
}

static void
issues_the_token_that_was_listed_in_the_second_that_the_list_gives(void **state)
{
	struct fake_request *r = begin(200);
	struct pl_store_write_call *call = fake_store_next_write(PL_WRITE_SESSION);
	int64_t now = pl_clock_unix_ms() / 1000;
	uint8_t token_id[PL_JWT_ID_LEN];
	struct pl_jwt_claims claims;

	(void)state;
	memcpy(token_id, call->write.u.session.token_id, PL_JWT_ID_LEN);
	call->write.u.session.issued_unix_s = now + 2; /* the store says so */
	fake_store_end_write(call, PL_OK);
	on_known(on_known_arg);
	claims = check_token(r);
	assert_int_equal(claims.issued_unix_s, now + 2);
	assert_memory_equal(claims.token_id, token_id, PL_JWT_ID_LEN);
	fake_request_free(r);
}

#define AHEAD_S 60 /* further than the clock comes in a test */

static void
issues_a_token_that_a_logout_everywhere_of_this_second_does_not_refuse(void **state)
{
	int64_t now = pl_clock_unix_ms() / 1000;
	struct pl_store_write_call *call;
	struct fake_request *r;

	(void)state;
	for (int is_listed = 0; is_listed < 2; is_listed++) {
		valid_after_unix_s = now + AHEAD_S;
		r = begin(200);
		call = fake_store_next_write(PL_WRITE_SESSION);
		assert_int_equal(call->write.u.session.issued_unix_s, now + AHEAD_S);
		fake_store_end_write(call, is_listed ? PL_OK : PL_E_UNAVAILABLE);
		on_known(on_known_arg);
		assert_int_equal(check_token(r).issued_unix_s, now + AHEAD_S);
		fake_request_free(r);
		valid_after_unix_s = now - 100;
		r = begin(200);
		call = fake_store_next_write(PL_WRITE_SESSION);
		fake_store_end_write(call, is_listed ? PL_OK : PL_E_UNAVAILABLE);
		on_known(on_known_arg);
		assert_in_range(
		    check_token(r).issued_unix_s, now, pl_clock_unix_ms() / 1000);
		fake_request_free(r);
	}
}

static void
begins_a_session_of_no_list_if_the_store_cannot_list_it(void **state)
{
	struct fake_request *r = begin(200);
	struct pl_jwt_claims claims;

	(void)state;
	fake_store_end_write(fake_store_next_write(PL_WRITE_SESSION), PL_E_UNAVAILABLE);
	on_known(on_known_arg);
	assert_int_equal(r->answer.status, 200);
	claims = check_token(r);
	assert_true(pl_oid_eq(&claims.user, &user.id));
	assert_false(claims.is_listed);
	fake_request_free(r);
	on_known = NULL;
	fake_store.is_full = true;
	r = begin(200);
	assert_non_null(on_known);
	on_known(on_known_arg);
	assert_false(check_token(r).is_listed);
	fake_request_free(r);
}

/* By the operator, while the password was being checked. */
static void
begins_no_session_of_a_user_who_is_disabled(void **state)
{
	struct fake_request *r = begin(200);

	(void)state;
	fake_store_end_write(fake_store_next_write(PL_WRITE_SESSION), PL_E_NOT_FOUND);
	assert_int_equal(r->answer.kind, FAKE_PROBLEM);
	assert_int_equal(r->answer.problem, PL_PROBLEM_DISABLED);
	assert_null(fake_answer_header(r, "set-cookie"));
	assert_null(on_known);
	fake_request_free(r);
}

static unsigned again_count;

static void
answer_again(struct pl_request *rq)
{
	again_count++;
	pl_reply_problem(rq, PL_PROBLEM_BAD_LOGIN);
}

static struct fake_request *
log_in(void)
{
	struct fake_request *r = fake_request_new(NULL, "");

	again_count = 0;
	auth_reply_login(&r->rq, &user, answer_again);
	return r;
}

/* The password was changed, or hashed anew, while it was being checked. */
static void
checks_a_password_again_that_is_another_by_now(void **state)
{
	struct fake_request *r = log_in();
	struct pl_store_write_call *call = fake_store_next_write(PL_WRITE_SESSION);

	(void)state;
	assert_string_equal(call->write.u.session.password_hash, ann);
	fake_store_end_write(call, PL_E_CONFLICT);
	assert_int_equal(again_count, 1);
	assert_null(fake_answer_header(r, "set-cookie"));
	assert_null(on_known);
	fake_request_free(r);
}

static enum pl_err
find_user(struct pl_store *s, const struct pl_oid *id, struct pl_user *out)
{
	(void)s, (void)id;
	*out = (struct pl_user){.password_hash = pl_mem_strdup(ann)};
	return PL_OK;
}

static enum pl_err
find_user_with_another_password(
    struct pl_store *s, const struct pl_oid *id, struct pl_user *out)
{
	(void)s, (void)id;
	*out = (struct pl_user){.password_hash = pl_mem_strdup("another")};
	return PL_OK;
}

static enum pl_err
find_user_who_is_disabled(
    struct pl_store *s, const struct pl_oid *id, struct pl_user *out)
{
	enum pl_err err = find_user(s, id, out);

	out->is_disabled = true;
	return err;
}

/* Whoever changes the password later refuses all unlisted tokens up to then: this one's
 * time is from before the look. */
static void
looks_at_the_user_before_a_login_is_in_no_list(void **state)
{
	enum pl_err (*const finds[])(
	    struct pl_store *, const struct pl_oid *, struct pl_user *) = {
	    find_user, find_user_with_another_password, find_user_who_is_disabled};

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct fake_request *r = log_in();

		on_known = NULL;
		fake_store_end_write(
		    fake_store_next_write(PL_WRITE_SESSION), PL_E_UNAVAILABLE);
		fake_store.backend.user_by_id = finds[i];
		fake_store_end_read(PL_OK);
		assert_int_equal(again_count, i == 1);
		if (i == 0) {
			on_known(on_known_arg);
			assert_false(check_token(r).is_listed);
		} else {
			assert_null(on_known);
			assert_null(fake_answer_header(r, "set-cookie"));
		}
		fake_request_free(r);
	}
}

static void
tells_the_others_that_the_oldest_session_has_ended_for_it(void **state)
{
	struct fake_request *r = begin(200);
	struct pl_store_write_call *call = fake_store_next_write(PL_WRITE_SESSION);

	(void)state;
	call->write.u.session.has_ended = true;
	call->write.u.session.ended.user = user.id;
	call->write.u.session.ended.token_id[0] = 7;
	fake_store_end_write(call, PL_OK);
	assert_int_equal(revoked_count, 1);
	assert_int_equal(revoked.token_id[0], 7);
	on_known(on_known_arg);
	assert_int_equal(r->answer.status, 200);
	fake_request_free(r);
}

/* ---- the cookie ---- */

static void
check_cookie(const char *env, const char *cookie_name, int samesite, const char *expected)
{
	struct fake_request *r = fake_request_new(NULL, "");

	pl_settings.node_env = env == development ? development : production;
	pl_settings.cookie_name = cookie_name == name ? name : host_name;
	pl_settings.cookie_samesite = samesite;
	auth_cookie_set(&r->rq, PL_STR("T"));
	assert_string_equal(fake_answer_header(r, "set-cookie"), expected);
	fake_request_free(r);
}

static void
is_secure_but_in_development_unless_its_form_demands_it(void **state)
{
	(void)state;
	check_cookie(production, name, 0,
	    "jwt=T; Max-Age=1296000; Path=/; HttpOnly; SameSite=Strict; Secure");
	check_cookie(development, name, 1,
	    "jwt=T; Max-Age=1296000; Path=/; HttpOnly; SameSite=Lax");
	check_cookie(development, name, 2,
	    "jwt=T; Max-Age=1296000; Path=/; HttpOnly; SameSite=None; Secure");
	check_cookie(development, host_name, 0,
	    "__Host-jwt=T; Max-Age=1296000; Path=/; HttpOnly; SameSite=Strict; Secure");
}

static void
is_secure_in_development_too_if_it_is_asked_for_by_https(void **state)
{
	struct fake_request *r = fake_request_new(NULL, "");

	(void)state;
	pl_settings.node_env = development;
	fake_request_add(r, "x-forwarded-proto", "https");
	auth_cookie_set(&r->rq, PL_STR("T"));
	assert_string_equal(fake_answer_header(r, "set-cookie"),
	    "jwt=T; Max-Age=1296000; Path=/; HttpOnly; SameSite=Strict; Secure");
	fake_request_free(r);
}

static void
a_logout_clears_the_cookie_of_the_old_name_too(void **state)
{
	struct fake_request *r = fake_request_new(NULL, "");

	(void)state;
	pl_settings.cookie_name = host_name;
	auth_cookie_clear(&r->rq);
	assert_string_equal(fake_answer_header_at(r, "set-cookie", 0),
	    "__Host-jwt=; Max-Age=0; Path=/; HttpOnly; SameSite=Strict; Secure");
	assert_string_equal(fake_answer_header_at(r, "set-cookie", 1),
	    "jwt=; Max-Age=0; Path=/; HttpOnly; SameSite=Strict; Secure");
	assert_null(fake_answer_header_at(r, "set-cookie", 2));
	fake_request_free(r);
	r = fake_request_new(NULL, "");
	pl_settings.cookie_name = name;
	auth_cookie_clear(&r->rq);
	assert_null(fake_answer_header_at(r, "set-cookie", 1));
	fake_request_free(r);
}

#define SESSION_TEST(name_) cmocka_unit_test_setup_teardown(name_, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    SESSION_TEST(
		answers_once_the_session_is_listed_and_the_user_counts_as_online),
	    SESSION_TEST(
		issues_the_token_that_was_listed_in_the_second_that_the_list_gives),
	    SESSION_TEST(begins_a_session_of_no_list_if_the_store_cannot_list_it),
	    SESSION_TEST(begins_no_session_of_a_user_who_is_disabled),
	    SESSION_TEST(checks_a_password_again_that_is_another_by_now),
	    SESSION_TEST(looks_at_the_user_before_a_login_is_in_no_list),
	    SESSION_TEST(tells_the_others_that_the_oldest_session_has_ended_for_it),
	    SESSION_TEST(
		issues_a_token_that_a_logout_everywhere_of_this_second_does_not_refuse),
	    SESSION_TEST(is_secure_but_in_development_unless_its_form_demands_it),
	    SESSION_TEST(is_secure_in_development_too_if_it_is_asked_for_by_https),
	    SESSION_TEST(a_logout_clears_the_cookie_of_the_old_name_too),
	};

	pl_oid_new(&user.id);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
