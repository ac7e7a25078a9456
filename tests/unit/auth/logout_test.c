#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "services/auth/handlers.h"
#include "session/sessions.h"
#include "support/fake/http.h"
#include "support/fake/store.h"

/* ---- what the test plays ---- */

static size_t token_count;                  /* that the request brings */
static struct pl_revocation revoked[4];     /* as the other processes hear of them */
static size_t revoked_count, offline_count; /* users whose last request does not count */

void
pl_request_credentials(const struct pl_request *rq, struct pl_credentials *out)
{
	(void)rq;
	pl_credentials_init(out);
	out->items = pl_mem_zalloc((token_count + 1) * sizeof(*out->items));
	out->count = token_count;
	for (size_t i = 0; i < token_count; i++)
		out->items[i].claims.token_id[0] = (uint8_t)(i + 1);
}

void
pl_sessions_revoked(struct pl_sessions *s, const struct pl_revocation *r)
{
	(void)s;
	assert_true(revoked_count < 4);
	revoked[revoked_count++] = *r;
}

void
pl_online_logged_out(struct pl_online *o, const struct pl_oid *id)
{
	(void)o, (void)id;
	offline_count++;
}

static int
setup(void **state)
{
	static char name[] = "jwt", production[] = "production";

	(void)state;
	fake_store_reset();
	pl_settings = (struct pl_settings){.cookie_name = name, .node_env = production};
	token_count = revoked_count = offline_count = 0;
	return 0;
}

static void
check_logged_out(struct fake_request *r)
{
	assert_int_equal(r->answer.kind, FAKE_JSON);
	assert_int_equal(r->answer.status, 200);
	assert_memory_equal(fake_answer_header(r, "set-cookie"), "jwt=; Max-Age=0;", 16);
	fake_request_free(r);
}

static struct fake_request *
log_out(void)
{
	struct fake_request *r = fake_request_new(NULL, "");

	auth_logout_post(&r->rq);
	return r;
}

static void
end_revocation(enum pl_err err)
{
	struct pl_store_write_call *call = fake_store_next_write(PL_WRITE_REVOKE);

	call->write.is_new = err == PL_OK;
	fake_store_end_write(call, err);
}

static void
is_well_without_a_token(void **state)
{
	(void)state;
	check_logged_out(log_out());
	assert_int_equal(fake_store_writes() + revoked_count, 0);
}

static void
revokes_every_token_that_the_request_brings_before_it_answers(void **state)
{
	struct fake_request *r;

	(void)state;
	token_count = 2;
	r = log_out();
	assert_int_equal(fake_store_writes(), 2);
	end_revocation(PL_OK);
	assert_int_equal(r->answer.kind, FAKE_UNANSWERED);
	end_revocation(PL_OK);
	check_logged_out(r);
	assert_int_equal(revoked_count, 2);
	assert_int_equal(offline_count, 2);
	assert_int_not_equal(revoked[0].token_id[0], revoked[1].token_id[0]);
}

/* Another process did it, and may have died before it told. */
static void
a_token_that_has_logged_out_is_told_again_and_leaves_its_user_online(void **state)
{
	struct fake_request *r;

	(void)state;
	token_count = 2;
	r = log_out();
	fake_store_end_write(fake_store_next_write(PL_WRITE_REVOKE), PL_OK);
	end_revocation(PL_OK);
	check_logged_out(r);
	assert_int_equal(revoked_count, 2);
	assert_int_equal(offline_count, 1);
}

static void
fails_when_one_token_could_not_be_revoked_and_leaves_the_cookie(void **state)
{
	struct fake_request *r;

	(void)state;
	token_count = 2;
	r = log_out();
	end_revocation(PL_E_UNAVAILABLE);
	end_revocation(PL_OK);
	assert_int_equal(r->answer.kind, FAKE_ERR);
	assert_int_equal(r->answer.err, PL_E_UNAVAILABLE);
	assert_null(fake_answer_header(r, "set-cookie"));
	assert_int_equal(revoked_count, 1); /* what is stored counts everywhere */
	fake_request_free(r);
	fake_store.is_full = true;
	r = log_out();
	assert_int_equal(r->answer.err, PL_E_BUSY);
	fake_request_free(r);
}

static void
refuses_a_form(void **state)
{
	struct fake_request *r = fake_request_new(NULL, "");

	(void)state;
	fake_request_add(r, "content-type", "text/plain");
	auth_logout_post(&r->rq);
	assert_int_equal(r->answer.problem, PL_PROBLEM_NOT_JSON);
	fake_request_free(r);
}

/* The second up to which a logout everywhere revokes, of a token issued ahead_s from now. */
static int64_t
log_out_everywhere(int64_t ahead_s)
{
	struct fake_request *r = fake_request_new(NULL, "");
	int64_t before;

	revoked_count = 0;
	r->rq.claims.issued_unix_s = pl_clock_unix_ms() / 1000 + ahead_s;
	auth_logout_all_post(&r->rq);
	end_revocation(PL_OK);
	check_logged_out(r);
	assert_int_equal(revoked_count, 1);
	assert_true(pl_revocation_is_of_all(&revoked[0], &before));
	return before;
}

#define AHEAD_S 60 /* further than the clock comes in a test */

static void
everywhere_means_all_tokens_of_this_second_and_the_callers_own(void **state)
{
	int64_t begun = pl_clock_unix_ms() / 1000, before;

	(void)state;
	before = log_out_everywhere(-1000);
	assert_in_range(before, begun + 1, pl_clock_unix_ms() / 1000 + 1);
	before = log_out_everywhere(AHEAD_S);
	assert_in_range(
	    before, begun + AHEAD_S + 1, pl_clock_unix_ms() / 1000 + AHEAD_S + 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(is_well_without_a_token, setup),
	    cmocka_unit_test_setup(
		revokes_every_token_that_the_request_brings_before_it_answers, setup),
	    cmocka_unit_test_setup(
		a_token_that_has_logged_out_is_told_again_and_leaves_its_user_online,
		setup),
	    cmocka_unit_test_setup(
		fails_when_one_token_could_not_be_revoked_and_leaves_the_cookie, setup),
	    cmocka_unit_test_setup(refuses_a_form, setup),
	    cmocka_unit_test_setup(
		everywhere_means_all_tokens_of_this_second_and_the_callers_own, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
