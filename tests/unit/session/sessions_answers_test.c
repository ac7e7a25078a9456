/* Sessions, over a store that answers when the test says so. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "bus/bus_impl.h"
#include "ops/settings.h"
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
	struct pl_oid user;
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

/* A list whose mark was set: all its user's tokens from before it are refused. */
static struct pl_oid marked;

static enum pl_err
find_a_mark(struct pl_store *s, int64_t since_unix_ms, struct pl_revocation_list *out)
{
	(void)s;
	(void)since_unix_ms;
	*out = (struct pl_revocation_list){
	    .lists = pl_mem_zalloc(sizeof(*out->lists)), .list_count = 1};
	pl_session_list_init(&out->lists[0], &marked);
	out->lists[0].before_unix_s = pl_clock_unix_ms() / 1000;
	return PL_OK;
}

static enum pl_err
find_user(struct pl_store *s, const struct pl_oid *id, struct pl_user *out)
{
	(void)s;
	*out = (struct pl_user){.id = *id};
	return PL_OK;
}

static int
setup(void **state)
{
	static struct fixture f;
	struct pl_jwt_claims claims;
	const char *why;

	fake_store_reset();
	fake_store.backend.revocations_since = find_no_revocations;
	fake_store.backend.user_by_id = find_user;
	assert_int_equal(
	    pl_jwt_init("sessions_answers_test has one, too", NULL, &why), PL_OK);
	pl_oid_new(&f.user);
	pl_buf_init(&f.token, PL_JWT_BYTES_MAX);
	assert_int_equal(
	    pl_jwt_sign(&f.user, pl_clock_unix_ms() / 1000, &f.token, &claims), PL_OK);
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
	pl_settings.session_idle_s = 0;
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
	/* Freed while the store has not answered about the switch: the answer comes to
	 * nobody. */
	pl_sessions_free(f->ss);
	fake_store_end_write(fake_store_next_write(PL_WRITE_SWITCH), PL_OK);
}

static void
read_all(void)
{
	while (fake_store_reads() > 0)
		fake_store_end_read(PL_OK);
}

static void
check_now(struct fixture *f)
{
	verdicts = 0;
	pl_sessions_check(f->ss, pl_buf_str(&f->token), on_verdict, NULL);
	fake_loop_run(f->loop);
}

static void
stop(struct fixture *f)
{
	pl_sessions_free(f->ss);
	fake_store_end_write(fake_store_next_write(PL_WRITE_SWITCH), PL_OK);
}

static void
looks_a_user_up_again_who_is_said_to_be_gone(void **state)
{
	struct fixture *f = *state;
	struct pl_oid nobody;

	f->ss = pl_sessions_new(f->loop, NULL, f->bus);
	fake_loop_run(f->loop);
	read_all();
	check_now(f);
	read_all();
	assert_int_equal(verdict, PL_SESSION_OK);
	check_now(f); /* from memory */
	assert_int_equal(fake_store_reads(), 0);
	assert_int_equal(verdicts, 1);
	pl_oid_new(&nobody);
	pl_sessions_user_is_gone(f->ss, &nobody);
	pl_sessions_user_is_gone(f->ss, &f->user);
	check_now(f);
	assert_int_equal(fake_store_reads(), 1);
	fake_store_end_read(PL_E_NOT_FOUND);
	assert_int_equal(verdict, PL_SESSION_BAD_TOKEN);
	stop(f);
}

static int told;

static void
on_revoked(void *arg, const struct pl_revocation *r)
{
	struct fixture *f = arg;

	told++;
	assert_true(pl_oid_eq(&r->user, &f->user));
}

static void
tells_of_a_user_whose_mark_was_set(void **state)
{
	struct fixture *f = *state;

	marked = f->user;
	fake_store.backend.revocations_since = find_a_mark;
	told = 0;
	f->ss = pl_sessions_new(f->loop, NULL, f->bus);
	pl_sessions_on_revoked(f->ss, on_revoked, f);
	fake_loop_run(f->loop);
	read_all();
	assert_int_equal(told, 1);
	stop(f);
	pl_sessions_free(NULL);
}

/* Nothing is known of the time in which the bus was away until a read begins after it. */
static void
a_read_from_before_the_bus_was_away_is_not_enough(void **state)
{
	struct fixture *f = *state;
	struct pl_channel *channel;

	f->ss = pl_sessions_new(f->loop, NULL, f->bus);
	fake_loop_run(f->loop);
	read_all();
	fake_loop_advance(f->loop, 1000);
	assert_int_equal(fake_store_reads(), 1);
	channel = pl_map_get(&f->bus->channels, PL_STR(PL_CHANNEL_REVOKED));
	pl_bus_channel_ready(channel); /* again */
	fake_store_end_read(PL_OK);
	/* and from then on the store does not answer */
	for (int i = 0; i < 5; i++) {
		while (fake_store_reads() > 0)
			fake_store_end_read(PL_E_UNAVAILABLE);
		fake_loop_advance(f->loop, 1000);
	}
	assert_false(pl_sessions_are_current(f->ss));
	read_all();
	assert_true(pl_sessions_are_current(f->ss));
	stop(f);
}

/* ---- the last use ---- */

#define IDLE_S 600 /* so a step is 30 */

static void
start_with_limit(struct fixture *f)
{
	pl_settings.session_idle_s = IDLE_S;
	f->ss = pl_sessions_new(f->loop, NULL, f->bus);
	fake_loop_run(f->loop);
	read_all();
}

/* The fixture's token is of a session that was listed age_s ago. */
static void
sign_listed(struct fixture *f, int64_t age_s, struct pl_jwt_name *name)
{
	struct pl_jwt_claims claims;

	pl_jwt_draw_name(name);
	pl_buf_clear(&f->token);
	assert_int_equal(pl_jwt_sign_listed(&f->user, name,
			     pl_clock_unix_ms() / 1000 - age_s, &f->token, &claims),
	    PL_OK);
}

static void
tells_of_a_use_again_that_the_store_did_not_take(void **state)
{
	struct fixture *f = *state;
	struct pl_jwt_name name;
	struct pl_store_write_call *call;

	start_with_limit(f);
	sign_listed(f, 100, &name);
	check_now(f);
	read_all();
	assert_int_equal(verdict, PL_SESSION_OK);
	fake_store_end_write(fake_store_next_write(PL_WRITE_SEEN), PL_E_UNAVAILABLE);
	check_now(f);
	call = fake_store_next_write(PL_WRITE_SEEN);
	assert_memory_equal(call->write.u.seen.token_id, name.token_id, PL_JWT_ID_LEN);
	check_now(f); /* it is under way */
	assert_int_equal(fake_store_writes(), 1);
	/* Its answer, after that about the switch, comes to nobody. */
	stop(f);
	fake_store_end_write(call, PL_E_UNAVAILABLE);
}

static struct pl_session seen_a_moment_ago;

static enum pl_err
find_sessions(struct pl_store *s, const struct pl_oid *user, struct pl_session_list *out)
{
	struct pl_session ended;

	(void)s;
	pl_session_list_init(out, user);
	assert_false(pl_session_list_add(out, &seen_a_moment_ago, &ended));
	return PL_OK;
}

/* It waits for a look at its user that another session of theirs began, which needs no
 * list. */
static void
reads_the_list_that_only_the_second_of_two_checks_needs(void **state)
{
	struct fixture *f = *state;
	int64_t now_s = pl_clock_unix_ms() / 1000;
	struct pl_jwt_name name;

	start_with_limit(f);
	sign_listed(f, 1, &name);
	check_now(f);
	sign_listed(f, IDLE_S + 100, &name);
	pl_sessions_check(f->ss, pl_buf_str(&f->token), on_verdict, NULL);
	assert_int_equal(fake_store_reads(), 1);
	fake_store_end_read(PL_OK);
	assert_int_equal(verdicts, 1);
	seen_a_moment_ago = (struct pl_session){.issued_unix_s = now_s - IDLE_S - 100,
	    .expires_unix_s = now_s + 1000,
	    .seen_unix_s = now_s};
	memcpy(seen_a_moment_ago.token_id, name.token_id, PL_JWT_ID_LEN);
	fake_store.backend.sessions_of = find_sessions;
	assert_int_equal(fake_store_reads(), 1);
	fake_store_end_read(PL_OK);
	assert_int_equal(verdicts, 2);
	assert_int_equal(verdict, PL_SESSION_OK);
	stop(f);
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
	    cmocka_unit_test_setup_teardown(
		looks_a_user_up_again_who_is_said_to_be_gone, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		tells_of_a_user_whose_mark_was_set, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		a_read_from_before_the_bus_was_away_is_not_enough, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		tells_of_a_use_again_that_the_store_did_not_take, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		reads_the_list_that_only_the_second_of_two_checks_needs, setup, teardown),
	};

	return cmocka_run_group_tests_name(
	    "sessions: the store's answers", tests, NULL, NULL);
}
