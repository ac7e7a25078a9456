/* Sessions over a real store (SQLite in a folder of its own), the local bus, and a clock
 * set by hand. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "ops/settings.h"
#include "support/bus_local.h"
#include "support/busy_reader.h"
#include "support/fake_loop.h"
#include "session/sessions.h"

#define SECRET "sessions_test has a secret of its own"

struct fixture {
	char dir[64];
	struct pl_loop *loop;
	struct pl_store_async *store;
	struct pl_bus *bus;
	struct pl_sessions *ss;
	struct pl_oid user; /* one that exists */
};

/* ---- what is asked, and what comes back ---- */

struct answer {
	int calls;
	enum pl_session_verdict verdict;
	struct pl_jwt_claims claims;
};

static void
on_verdict(void *arg, enum pl_session_verdict verdict, const struct pl_jwt_claims *claims)
{
	struct answer *a = arg;

	a->calls++;
	a->verdict = verdict;
	assert_int_equal(claims != NULL, verdict == PL_SESSION_OK);
	if (claims != NULL)
		a->claims = *claims;
}

static bool
is_answered(void *arg)
{
	const struct answer *a = arg;

	return a->calls > 0;
}

static enum pl_session_verdict
check(struct fixture *f, struct pl_str token)
{
	struct answer a = {0};

	pl_sessions_check(f->ss, token, on_verdict, &a);
	assert_true(fake_loop_until(f->loop, is_answered, &a));
	fake_loop_run(f->loop);
	assert_int_equal(a.calls, 1);
	return a.verdict;
}

static void
sign(const struct pl_oid *user, int64_t age_s, struct pl_buf *token,
    struct pl_revocation *e)
{
	struct pl_jwt_claims claims;

	pl_buf_init(token, PL_JWT_BYTES_MAX);
	assert_int_equal(
	    pl_jwt_sign(user, pl_clock_unix_ms() / 1000 - age_s, token, &claims), PL_OK);
	pl_revocation_of_token(e, &claims);
}

/* ---- the fixture ---- */

struct writing {
	struct pl_store_write_call call;
	bool is_done;
};

static void
on_written(struct pl_store_write_call *call)
{
	PL_CONTAINER(call, struct writing, call)->is_done = true;
}

static bool
is_written(void *arg)
{
	const struct writing *w = arg;

	return w->is_done;
}

static void
write_now(struct fixture *f, struct writing *w)
{
	w->call.done = on_written;
	assert_int_equal(pl_store_async_write(f->store, &w->call), PL_OK);
	assert_true(fake_loop_until(f->loop, is_written, w));
	assert_int_equal(w->call.write.err, PL_OK);
}

static void
add_user(struct fixture *f, const char *name)
{
	struct pl_signup form = {.full_name = pl_str(name), .username = pl_str(name)};
	struct pl_user user;
	struct writing w = {.call.write.kind = PL_WRITE_USER};

	pl_user_from_signup(&user, &form, pl_mem_strdup("hash"), pl_clock_unix_ms());
	f->user = user.id;
	w.call.write.u.user = &user;
	write_now(f, &w);
	pl_user_fini(&user);
}

static void
store_revocation(struct fixture *f, const struct pl_revocation *e)
{
	struct writing w = {.call.write.kind = PL_WRITE_REVOKE};

	w.call.write.u.revoke = *e;
	write_now(f, &w);
}

static bool
is_current(void *arg)
{
	const struct fixture *f = arg;

	return pl_sessions_are_current(f->ss);
}

static bool
is_let(void *arg)
{
	const struct busy_reader *b = arg;

	return b->is_done;
}

/* There is one reader: once it has been free again, what it read before is done, too. */
static void
settle(struct fixture *f)
{
	struct busy_reader reader;

	for (int i = 0; i < 2; i++) {
		assert_true(fake_loop_until(f->loop, is_current, f));
		fake_loop_run(f->loop);
		busy_reader_hold(&reader, f->store);
		busy_reader_let(&reader);
		assert_true(fake_loop_until(f->loop, is_let, &reader));
	}
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct pl_store_config config = {.data_dir = f->dir};
	const char *why;

	snprintf(f->dir, sizeof(f->dir), "/tmp/parley-sessions-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	assert_int_equal(pl_jwt_init(SECRET, NULL, &why), PL_OK);
	f->loop = fake_loop_new();
	f->store = pl_store_async_new(f->loop, &config, 1);
	f->bus = bus_local_new(f->loop);
	add_user(f, "ann");
	f->ss = pl_sessions_new(f->loop, f->store, f->bus);
	assert_true(fake_loop_until(f->loop, is_current, f));
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;
	char command[128];

	pl_store_async_free(f->store);
	pl_sessions_free(f->ss);
	pl_bus_free(f->bus);
	fake_loop_run(f->loop);
	fake_loop_free(f->loop);
	pl_jwt_fini();
	snprintf(command, sizeof(command), "rm -rf %s", f->dir);
	assert_int_equal(system(command), 0);
	free(f);
	return 0;
}

/* ---- tokens ---- */

static void
takes_a_good_token_and_refuses_others(void **state)
{
	struct fixture *f = *state;
	struct pl_revocation e;
	struct pl_buf token;

	sign(&f->user, 0, &token, &e);
	assert_int_equal(check(f, pl_buf_str(&token)), PL_SESSION_OK);
	assert_int_equal(check(f, pl_buf_str(&token)), PL_SESSION_OK); /* remembered */
	token.data[token.len - 1] ^= 1;
	assert_int_equal(check(f, pl_buf_str(&token)), PL_SESSION_BAD_TOKEN);
	assert_int_equal(check(f, PL_STR("")), PL_SESSION_BAD_TOKEN);
	pl_buf_fini(&token);
	sign(&f->user, PL_JWT_LIFETIME_S + 3600, &token, &e);
	assert_int_equal(check(f, pl_buf_str(&token)), PL_SESSION_EXPIRED);
	pl_buf_fini(&token);
}

static void
refuses_a_good_token_of_a_user_who_is_gone(void **state)
{
	struct fixture *f = *state;
	struct pl_revocation e;
	struct pl_buf token;
	struct pl_oid nobody;

	pl_oid_new(&nobody);
	sign(&nobody, 0, &token, &e);
	assert_int_equal(check(f, pl_buf_str(&token)), PL_SESSION_BAD_TOKEN);
	assert_int_equal(check(f, pl_buf_str(&token)), PL_SESSION_BAD_TOKEN);
	pl_buf_fini(&token);
}

/* Also before this process has heard of the revocation that comes with it. */
static void
refuses_a_good_token_of_a_user_who_is_disabled(void **state)
{
	struct fixture *f = *state;
	struct writing w = {.call.write = {.kind = PL_WRITE_DISABLED,
				.u.disabled = {.user = f->user, .is_disabled = true}}};
	struct pl_revocation e;
	struct pl_buf token;

	sign(&f->user, 0, &token, &e);
	write_now(f, &w);
	assert_int_equal(check(f, pl_buf_str(&token)), PL_SESSION_BAD_TOKEN);
	w.is_done = false;
	w.call.write.u.disabled.is_disabled = false;
	write_now(f, &w);
	assert_int_equal(check(f, pl_buf_str(&token)), PL_SESSION_OK);
	pl_buf_fini(&token);
}

static void
asks_the_store_once_for_many_checks(void **state)
{
	struct fixture *f = *state;
	struct answer answers[50] = {0};
	struct pl_revocation e;
	struct pl_buf token;

	sign(&f->user, 0, &token, &e);
	for (int i = 0; i < 50; i++)
		pl_sessions_check(f->ss, pl_buf_str(&token), on_verdict, &answers[i]);
	assert_true(fake_loop_until(f->loop, is_answered, &answers[0]));
	for (int i = 0; i < 50; i++) { /* all by the same turn */
		assert_int_equal(answers[i].calls, 1);
		assert_int_equal(answers[i].verdict, PL_SESSION_OK);
		assert_true(pl_oid_eq(&answers[i].claims.user, &f->user));
	}
	pl_buf_fini(&token);
}

/* ---- revocations ---- */

static int revoked_count;

static void
count_revoked(void *arg, const struct pl_revocation *e)
{
	const struct fixture *f = arg;

	revoked_count++;
	assert_true(pl_oid_eq(&e->user, &f->user));
}

static void
refuses_a_token_revoked_here_and_tells_once(void **state)
{
	struct fixture *f = *state;
	struct pl_revocation e;
	struct pl_buf token;

	sign(&f->user, 0, &token, &e);
	assert_int_equal(check(f, pl_buf_str(&token)), PL_SESSION_OK);
	revoked_count = 0;
	pl_sessions_on_revoked(f->ss, count_revoked, f);
	pl_sessions_revoked(f->ss, &e);
	assert_int_equal(check(f, pl_buf_str(&token)), PL_SESSION_BAD_TOKEN);
	fake_loop_run(f->loop); /* its own event comes back */
	assert_int_equal(revoked_count, 1);
	pl_buf_fini(&token);
}

static void
refuses_a_token_that_the_bus_names(void **state)
{
	struct fixture *f = *state;
	struct pl_revocation e;
	struct pl_buf token, payload;

	sign(&f->user, 0, &token, &e);
	pl_buf_init(&payload, 4096);
	pl_event_revoked_write(&payload, &e);
	pl_bus_publish(f->bus, PL_STR(PL_CHANNEL_REVOKED), PL_STR("nonsense"), NULL);
	pl_bus_publish(f->bus, PL_STR(PL_CHANNEL_REVOKED), pl_buf_str(&payload), NULL);
	fake_loop_run(f->loop);
	assert_int_equal(check(f, pl_buf_str(&token)), PL_SESSION_BAD_TOKEN);
	pl_buf_fini(&payload);
	pl_buf_fini(&token);
}

static void
refuses_while_a_lookup_is_under_way(void **state)
{
	struct fixture *f = *state;
	struct pl_revocation e;
	struct pl_buf token;
	struct answer a = {0};
	struct busy_reader reader;

	sign(&f->user, 0, &token, &e);
	busy_reader_hold(&reader, f->store);
	pl_sessions_check(f->ss, pl_buf_str(&token), on_verdict, &a);
	assert_int_equal(a.calls, 0);
	busy_reader_let(&reader);
	pl_sessions_revoked(f->ss, &e); /* between the question and the answer */
	assert_true(fake_loop_until(f->loop, is_answered, &a));
	assert_int_equal(a.verdict, PL_SESSION_BAD_TOKEN);
	assert_true(reader.is_done);
	pl_buf_fini(&token);
}

static void
knows_after_a_start_what_was_revoked_before(void **state)
{
	struct fixture *f = *state;
	struct pl_revocation e;
	struct pl_buf token;

	sign(&f->user, 0, &token, &e);
	store_revocation(f, &e);
	settle(f);
	pl_sessions_free(f->ss);
	f->ss = pl_sessions_new(f->loop, f->store, f->bus);
	assert_int_equal(check(f, pl_buf_str(&token)), PL_SESSION_UNKNOWN); /* not yet */
	assert_true(fake_loop_until(f->loop, is_current, f));
	assert_int_equal(check(f, pl_buf_str(&token)), PL_SESSION_BAD_TOKEN);
	pl_buf_fini(&token);
}

/* The process that revoked it died after the store had it, or had lost the bus: it told
 * nobody. */
static void
finds_a_revocation_that_nobody_told_of(void **state)
{
	struct fixture *f = *state;
	struct pl_revocation e;
	struct pl_buf token;

	sign(&f->user, 0, &token, &e);
	assert_int_equal(check(f, pl_buf_str(&token)), PL_SESSION_OK);
	store_revocation(f, &e);
	settle(f);
	fake_loop_advance(f->loop, 2000);
	settle(f);
	assert_int_equal(check(f, pl_buf_str(&token)), PL_SESSION_BAD_TOKEN);
	pl_buf_fini(&token);
}

static void
refuses_all_of_a_user_that_are_from_before_a_time(void **state)
{
	struct fixture *f = *state;
	int64_t now_s = pl_clock_unix_ms() / 1000;
	struct pl_revocation all, e;
	struct pl_buf old, fresh;

	sign(&f->user, 10, &old, &e);
	sign(&f->user, 0, &fresh, &e);
	assert_int_equal(pl_sessions_valid_after(f->ss, &f->user), 0);
	pl_revocation_of_all(&all, &f->user, now_s - 5);
	store_revocation(f, &all);
	pl_sessions_revoked(f->ss, &all);
	assert_int_equal(pl_sessions_valid_after(f->ss, &f->user), now_s - 5);
	assert_int_equal(check(f, pl_buf_str(&old)), PL_SESSION_BAD_TOKEN);
	assert_int_equal(check(f, pl_buf_str(&fresh)), PL_SESSION_OK);
	settle(f);
	pl_sessions_free(f->ss); /* and after a start */
	f->ss = pl_sessions_new(f->loop, f->store, f->bus);
	assert_true(fake_loop_until(f->loop, is_current, f));
	assert_int_equal(check(f, pl_buf_str(&old)), PL_SESSION_BAD_TOKEN);
	assert_int_equal(check(f, pl_buf_str(&fresh)), PL_SESSION_OK);
	pl_buf_fini(&old);
	pl_buf_fini(&fresh);
}

static void
forgets_users_after_a_while_and_asks_again(void **state)
{
	struct fixture *f = *state;
	struct pl_revocation e;
	struct pl_buf token;
	struct answer a = {0};
	struct busy_reader reader;

	sign(&f->user, 0, &token, &e);
	assert_int_equal(check(f, pl_buf_str(&token)), PL_SESSION_OK);
	settle(f);
	busy_reader_hold(&reader, f->store);
	pl_sessions_check(f->ss, pl_buf_str(&token), on_verdict, &a);
	assert_int_equal(a.calls, 1); /* at once, and nobody was asked */
	busy_reader_let(&reader);
	assert_true(fake_loop_until(f->loop, is_let, &reader));
	fake_loop_advance(f->loop, 6000);
	busy_reader_hold(&reader, f->store);
	pl_sessions_check(f->ss, pl_buf_str(&token), on_verdict, &a);
	assert_int_equal(a.calls, 1);
	busy_reader_let(&reader);
	assert_int_equal(check(f, pl_buf_str(&token)), PL_SESSION_OK);
	assert_int_equal(a.calls, 2);
	pl_buf_fini(&token);
}

/* ---- one of several ---- */

static enum pl_session_verdict
choose(struct fixture *f, const struct pl_credentials *c, const struct pl_oid *wanted)
{
	struct answer a = {0};

	pl_sessions_choose(f->ss, c, on_verdict, &a);
	assert_true(fake_loop_until(f->loop, is_answered, &a));
	fake_loop_run(f->loop);
	assert_int_equal(a.calls, 1);
	if (a.verdict == PL_SESSION_OK)
		assert_true(pl_oid_eq(&a.claims.user, wanted));
	return a.verdict;
}

static void
add(struct pl_credentials *c, enum pl_credential_place place, struct pl_buf *token)
{
	char line[8 + PL_JWT_BYTES_MAX];

	snprintf(line, sizeof(line), "jwt=%s", token->data);
	pl_credentials_add_cookies(
	    c, place, PL_STR("jwt"), pl_str(line), pl_clock_unix_ms() / 1000);
	pl_buf_fini(token);
}

static void
add_token(struct pl_credentials *c, enum pl_credential_place place,
    const struct pl_oid *user, int64_t age_s)
{
	struct pl_revocation e;
	struct pl_buf token;

	sign(user, age_s, &token, &e);
	add(c, place, &token);
}

static void
chooses_the_first_that_stands_and_passes_over_the_rest(void **state)
{
	struct fixture *f = *state;
	struct pl_credentials c;
	struct pl_revocation e;
	struct pl_buf token;
	struct pl_oid nobody;

	pl_oid_new(&nobody);
	pl_credentials_init(&c);
	assert_int_equal(choose(f, &c, NULL), PL_SESSION_NO_TOKEN);
	add_token(&c, PL_CREDENTIAL_COOKIE, &nobody, 0);
	assert_int_equal(choose(f, &c, NULL), PL_SESSION_BAD_TOKEN);
	sign(&f->user, 0, &token, &e);
	pl_sessions_revoked(f->ss, &e);
	add(&c, PL_CREDENTIAL_COOKIE, &token);
	assert_int_equal(choose(f, &c, NULL), PL_SESSION_BAD_TOKEN);
	add_token(&c, PL_CREDENTIAL_COOKIE, &nobody, 1);
	add_token(&c, PL_CREDENTIAL_COOKIE, &f->user, 0);
	add_token(&c, PL_CREDENTIAL_COOKIE, &f->user, 1);
	assert_int_equal(c.count, 5);
	assert_int_equal(choose(f, &c, &f->user), PL_SESSION_OK);
	assert_int_equal(choose(f, &c, &f->user), PL_SESSION_OK); /* now remembered */
	pl_sessions_drop_revoked(f->ss, &c);
	assert_int_equal(c.count, 4);
	assert_int_equal(choose(f, &c, &f->user), PL_SESSION_OK);
	pl_credentials_fini(&c);
}

static void
finds_two_people_in_one_place_ambiguous(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = f->user, bob;
	struct pl_credentials c;

	add_user(f, "bob");
	bob = f->user;
	pl_credentials_init(&c);
	add_token(&c, PL_CREDENTIAL_COOKIE, &ann, 0);
	add_token(&c, PL_CREDENTIAL_OLD_COOKIE, &bob, 0); /* a later place: passed over */
	add_token(&c, PL_CREDENTIAL_BEARER, &bob, 0);
	assert_int_equal(choose(f, &c, &ann), PL_SESSION_OK);
	pl_credentials_fini(&c);
	add_token(&c, PL_CREDENTIAL_COOKIE, &ann, 0);
	add_token(&c, PL_CREDENTIAL_COOKIE, &ann, 1);
	add_token(&c, PL_CREDENTIAL_COOKIE, &bob, 0);
	assert_int_equal(choose(f, &c, NULL), PL_SESSION_AMBIGUOUS);
	assert_int_equal(choose(f, &c, NULL), PL_SESSION_AMBIGUOUS); /* by memory */
	pl_credentials_fini(&c);
}

static void
goes_on_to_the_next_place_where_nobody_of_one_is_left(void **state)
{
	struct fixture *f = *state;
	struct pl_credentials c;
	struct pl_oid nobody;

	pl_oid_new(&nobody);
	pl_credentials_init(&c);
	add_token(&c, PL_CREDENTIAL_COOKIE, &nobody, 0);
	add_token(&c, PL_CREDENTIAL_BEARER, &f->user, 0);
	assert_int_equal(choose(f, &c, &f->user), PL_SESSION_OK);
	pl_credentials_fini(&c);
	add_token(&c, PL_CREDENTIAL_COOKIE, &nobody, PL_JWT_LIFETIME_S + 60);
	assert_int_equal(choose(f, &c, NULL), PL_SESSION_EXPIRED);
	pl_credentials_fini(&c);
}

static void
looks_again_at_what_expired_since(void **state)
{
	struct fixture *f = *state;
	struct pl_credentials c;

	pl_credentials_init(&c);
	add_token(&c, PL_CREDENTIAL_COOKIE, &f->user, PL_JWT_LIFETIME_S - 60);
	c.items[0].claims.expires_unix_s -= 120;
	assert_int_equal(choose(f, &c, NULL), PL_SESSION_EXPIRED);
	pl_credentials_fini(&c);
}

static void
does_not_choose_while_revocations_are_unknown(void **state)
{
	struct fixture *f = *state;
	struct pl_credentials c;

	pl_credentials_init(&c);
	add_token(&c, PL_CREDENTIAL_COOKIE, &f->user, 0);
	assert_int_equal(choose(f, &c, &f->user), PL_SESSION_OK);
	settle(f);
	pl_sessions_free(f->ss);
	f->ss = pl_sessions_new(f->loop, f->store, f->bus);
	assert_int_equal(choose(f, &c, NULL), PL_SESSION_UNKNOWN);
	assert_true(fake_loop_until(f->loop, is_current, f));
	assert_int_equal(choose(f, &c, &f->user), PL_SESSION_OK);
	pl_credentials_fini(&c);
}

/* What older versions left: more than would be merged, of tokens of no list. */
static void
reads_any_number_of_a_user(void **state)
{
	enum { COUNT = 3 * PL_REVOCATIONS_MAX };
	struct fixture *f = *state;
	struct pl_buf tokens[COUNT];
	struct pl_revocation e;

	for (int i = 0; i < COUNT; i++) {
		sign(&f->user, 0, &tokens[i], &e);
		store_revocation(f, &e);
	}
	settle(f);
	pl_sessions_free(f->ss);
	f->ss = pl_sessions_new(f->loop, f->store, f->bus);
	settle(f);
	settle(f);
	for (int i = 0; i < COUNT; i++) {
		assert_int_equal(check(f, pl_buf_str(&tokens[i])), PL_SESSION_BAD_TOKEN);
		pl_buf_fini(&tokens[i]);
	}
}

/* Told by the bus of one after the other, it asks the store, which has merged them. */
static void
forgets_what_the_store_has_merged(void **state)
{
	enum { COUNT = 2 * PL_REVOCATIONS_MAX };
	struct fixture *f = *state;
	int64_t begin = pl_clock_unix_ms() / 1000 - COUNT;
	struct pl_buf tokens[COUNT + 1];
	struct pl_jwt_claims claims;
	struct pl_revocation e;

	for (int i = 0; i <= COUNT; i++) {
		struct writing w = {.call.write.kind = PL_WRITE_SESSION,
		    .call.write.u.session = {
			.user = f->user, .issued_unix_s = begin + i}};
		struct pl_jwt_name name;

		pl_jwt_draw_name(&name);
		memcpy(w.call.write.u.session.token_id, name.token_id, PL_JWT_ID_LEN);
		write_now(f, &w);
		pl_buf_init(&tokens[i], PL_JWT_BYTES_MAX);
		assert_int_equal(
		    pl_jwt_sign_listed(&f->user, &name, begin + i, &tokens[i], &claims),
		    PL_OK);
		if (i == 0)
			continue; /* this one stays */
		pl_revocation_of_token(&e, &claims);
		store_revocation(f, &e);
		pl_sessions_revoked(f->ss, &e);
		fake_loop_run(f->loop);
	}
	settle(f);
	assert_int_equal(check(f, pl_buf_str(&tokens[0])), PL_SESSION_OK);
	for (int i = 1; i <= COUNT; i++)
		assert_int_equal(check(f, pl_buf_str(&tokens[i])), PL_SESSION_BAD_TOKEN);
	settle(f);
	pl_sessions_free(f->ss);
	f->ss = pl_sessions_new(f->loop, f->store, f->bus);
	settle(f);
	assert_int_equal(check(f, pl_buf_str(&tokens[0])), PL_SESSION_OK);
	for (int i = 1; i <= COUNT; i++)
		assert_int_equal(check(f, pl_buf_str(&tokens[i])), PL_SESSION_BAD_TOKEN);
	for (int i = 0; i <= COUNT; i++)
		pl_buf_fini(&tokens[i]);
}

/* ---- the last use ---- */

/* A session that was listed age_s ago. */
static void
open_listed(struct fixture *f, int64_t age_s, struct pl_buf *token)
{
	int64_t issued_unix_s = pl_clock_unix_ms() / 1000 - age_s;
	struct writing w = {.call.write.kind = PL_WRITE_SESSION,
	    .call.write.u.session = {.user = f->user, .issued_unix_s = issued_unix_s}};
	struct pl_jwt_claims claims;
	struct pl_jwt_name name;

	pl_jwt_draw_name(&name);
	memcpy(w.call.write.u.session.token_id, name.token_id, PL_JWT_ID_LEN);
	write_now(f, &w);
	pl_buf_init(token, PL_JWT_BYTES_MAX);
	assert_int_equal(
	    pl_jwt_sign_listed(&f->user, &name, issued_unix_s, token, &claims), PL_OK);
}

static void
start_with_limit(struct fixture *f, int64_t limit_s)
{
	settle(f);
	pl_sessions_free(f->ss);
	pl_settings.session_idle_s = limit_s;
	f->ss = pl_sessions_new(f->loop, f->store, f->bus);
	assert_true(fake_loop_until(f->loop, is_current, f));
}

static int64_t
last_use_stored(struct fixture *f)
{
	struct pl_store_config config = {.data_dir = f->dir};
	struct pl_session_list list;
	int64_t seen_unix_s = 0;
	struct pl_store *s;

	assert_int_equal(pl_store_open(&config, &s), PL_OK);
	assert_int_equal(pl_store_sessions_of(s, &f->user, &list), PL_OK);
	for (size_t i = 0; i < list.count; i++)
		if (list.items[i].seen_unix_s > seen_unix_s)
			seen_unix_s = list.items[i].seen_unix_s;
	pl_store_close(s);
	return seen_unix_s;
}

static bool
is_use_stored(void *arg)
{
	struct fixture *f = arg;

	return last_use_stored(f) > pl_clock_unix_ms() / 1000 - 100;
}

static void
refuses_a_session_that_was_idle_for_too_long(void **state)
{
	struct fixture *f = *state;
	struct pl_buf idle, used, unlisted;
	struct answer answers[2] = {0};
	struct pl_revocation e;

	open_listed(f, 1000, &idle);
	open_listed(f, 500, &used);
	sign(&f->user, 700, &unlisted, &e);
	assert_int_equal(
	    check(f, pl_buf_str(&idle)), PL_SESSION_OK); /* no limit: not noted */
	start_with_limit(f, 600);
	/* One by the store's list, one without, at once. */
	pl_sessions_check(f->ss, pl_buf_str(&used), on_verdict, &answers[0]);
	pl_sessions_check(f->ss, pl_buf_str(&idle), on_verdict, &answers[1]);
	assert_true(fake_loop_until(f->loop, is_answered, &answers[1]));
	assert_int_equal(answers[0].verdict, PL_SESSION_OK);
	assert_int_equal(answers[1].verdict, PL_SESSION_EXPIRED);
	assert_int_equal(
	    check(f, pl_buf_str(&idle)), PL_SESSION_EXPIRED); /* remembered */
	assert_int_equal(check(f, pl_buf_str(&unlisted)), PL_SESSION_EXPIRED);
	assert_true(fake_loop_until(f->loop, is_use_stored, f));
	start_with_limit(f, 400); /* by what the store was told a moment ago */
	assert_int_equal(check(f, pl_buf_str(&used)), PL_SESSION_OK);
	assert_int_equal(check(f, pl_buf_str(&idle)), PL_SESSION_EXPIRED);
	start_with_limit(f, 0);
	assert_int_equal(check(f, pl_buf_str(&idle)), PL_SESSION_OK);
	pl_buf_fini(&idle);
	pl_buf_fini(&used);
	pl_buf_fini(&unlisted);
}

/* ---- the switch of secrets ---- */

#define NEXT_SECRET "sessions_test has a second secret of its own"

static void
start_anew(struct fixture *f, const char *secret, const char *previous)
{
	const char *why;

	settle(f);
	pl_sessions_free(f->ss);
	assert_int_equal(pl_jwt_init(secret, previous, &why), PL_OK);
	f->ss = pl_sessions_new(f->loop, f->store, f->bus);
}

static void
takes_of_the_previous_secret_what_is_from_before_the_switch(void **state)
{
	struct fixture *f = *state;
	struct pl_buf old, forged, mine;
	struct pl_revocation e;

	sign(&f->user, 60, &old, &e);
	sign(&f->user, -30, &forged, &e); /* the clock of these tests stands */
	start_anew(f, NEXT_SECRET, SECRET);
	sign(&f->user, 0, &mine, &e);
	assert_int_equal(check(f, pl_buf_str(&old)), PL_SESSION_UNKNOWN); /* not yet */
	for (int start = 0; start < 2; start++) {
		assert_true(fake_loop_until(f->loop, is_current, f));
		assert_int_equal(check(f, pl_buf_str(&old)), PL_SESSION_OK);
		assert_int_equal(check(f, pl_buf_str(&forged)), PL_SESSION_BAD_TOKEN);
		assert_int_equal(check(f, pl_buf_str(&mine)), PL_SESSION_OK);
		start_anew(f, NEXT_SECRET, SECRET);
	}
	start_anew(f, NEXT_SECRET, NULL);
	assert_true(fake_loop_until(f->loop, is_current, f));
	assert_int_equal(check(f, pl_buf_str(&old)), PL_SESSION_BAD_TOKEN);
	start_anew(f, SECRET, NEXT_SECRET); /* back: what was forged is one of ours */
	assert_true(fake_loop_until(f->loop, is_current, f));
	assert_int_equal(check(f, pl_buf_str(&forged)), PL_SESSION_OK);
	pl_buf_fini(&old);
	pl_buf_fini(&forged);
	pl_buf_fini(&mine);
}

int
main(void)
{
#define TEST(name_) cmocka_unit_test_setup_teardown(name_, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(takes_a_good_token_and_refuses_others),
	    TEST(refuses_a_good_token_of_a_user_who_is_gone),
	    TEST(refuses_a_good_token_of_a_user_who_is_disabled),
	    TEST(asks_the_store_once_for_many_checks),
	    TEST(refuses_a_token_revoked_here_and_tells_once),
	    TEST(refuses_a_token_that_the_bus_names),
	    TEST(refuses_while_a_lookup_is_under_way),
	    TEST(knows_after_a_start_what_was_revoked_before),
	    TEST(finds_a_revocation_that_nobody_told_of),
	    TEST(refuses_all_of_a_user_that_are_from_before_a_time),
	    TEST(forgets_users_after_a_while_and_asks_again),
	    TEST(chooses_the_first_that_stands_and_passes_over_the_rest),
	    TEST(finds_two_people_in_one_place_ambiguous),
	    TEST(goes_on_to_the_next_place_where_nobody_of_one_is_left),
	    TEST(looks_again_at_what_expired_since),
	    TEST(does_not_choose_while_revocations_are_unknown),
	    TEST(reads_any_number_of_a_user),
	    TEST(forgets_what_the_store_has_merged),
	    TEST(refuses_a_session_that_was_idle_for_too_long),
	    TEST(takes_of_the_previous_secret_what_is_from_before_the_switch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
