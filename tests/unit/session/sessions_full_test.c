/* Sessions, while the store takes no more calls. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "session/sessions.h"
#include "support/bus_local.h"
#include "support/fake/store.h"
#include "support/fake_loop.h"

#define TICK_MS 60000 /* more than one of theirs */

struct fixture {
	struct pl_loop *loop;
	struct pl_bus *bus;
	struct pl_sessions *ss;
	struct pl_buf token;
};

static enum pl_err
find_no_revocations(
    struct pl_store *s, int64_t since_unix_ms, struct pl_revocation_list *out)
{
	(void)s;
	(void)since_unix_ms;
	*out = (struct pl_revocation_list){0};
	return PL_OK;
}

static int
setup(void **state)
{
	static struct fixture f;
	struct pl_jwt_claims claims;
	struct pl_oid user;
	const char *why;

	fake_store_reset();
	fake_store.backend.revocations_since = find_no_revocations;
	assert_int_equal(
	    pl_jwt_init("sessions_full_test has one, too!", NULL, &why), PL_OK);
	pl_oid_new(&user);
	pl_buf_init(&f.token, PL_JWT_BYTES_MAX);
	assert_int_equal(
	    pl_jwt_sign(&user, pl_clock_unix_ms() / 1000, &f.token, &claims), PL_OK);
	f.loop = fake_loop_new();
	f.bus = bus_local_new(f.loop);
	*state = &f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	pl_bus_free(f->bus);
	fake_loop_run(f->loop);
	fake_loop_free(f->loop);
	pl_buf_fini(&f->token);
	pl_jwt_fini();
	return 0;
}

static enum pl_session_verdict verdict;
static int verdicts;

static void
on_verdict(void *arg, enum pl_session_verdict said, const struct pl_jwt_claims *claims)
{
	(void)arg;
	(void)claims;
	verdict = said;
	verdicts++;
}

static void
asks_again_for_the_switch_of_secrets(void **state)
{
	struct fixture *f = *state;
	struct pl_store_write_call *call;

	fake_store.is_full = true;
	f->ss = pl_sessions_new(f->loop, NULL, f->bus);
	fake_loop_run(f->loop);
	assert_int_equal(fake_store_writes(), 0);
	fake_store.is_full = false;
	fake_loop_advance(f->loop, TICK_MS);
	call = fake_store_next_write(PL_WRITE_SWITCH);
	fake_store_end_write(call, PL_OK);
	while (fake_store_reads() > 0)
		fake_store_end_read(PL_OK);
	pl_sessions_free(f->ss);
}

static void
says_that_it_does_not_know_a_user_whom_it_cannot_look_up(void **state)
{
	struct fixture *f = *state;

	f->ss = pl_sessions_new(f->loop, NULL, f->bus);
	fake_loop_run(f->loop);
	while (fake_store_reads() > 0)
		fake_store_end_read(PL_OK);
	assert_true(pl_sessions_are_current(f->ss));
	fake_store.is_full = true;
	verdicts = 0;
	pl_sessions_check(f->ss, pl_buf_str(&f->token), on_verdict, NULL);
	fake_loop_run(f->loop);
	assert_int_equal(verdicts, 1);
	assert_int_equal(verdict, PL_SESSION_UNKNOWN);
	/* Freed while the store has not answered about the switch: the answer comes to nobody. */
	pl_sessions_free(f->ss);
	fake_store_end_write(fake_store_next_write(PL_WRITE_SWITCH), PL_OK);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		asks_again_for_the_switch_of_secrets, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		says_that_it_does_not_know_a_user_whom_it_cannot_look_up, setup,
		teardown),
	};

	return cmocka_run_group_tests_name("sessions: a full store", tests, NULL, NULL);
}
