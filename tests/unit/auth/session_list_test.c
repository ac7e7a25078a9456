#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "auth/session_list.h"

#define NOW 1700000000

static const struct pl_oid ann = {.bytes = {1, 2, 3}};

static struct pl_session
session(unsigned number, int64_t issued)
{
	struct pl_session s = {.issued_unix_s = issued,
	    .expires_unix_s = issued + PL_JWT_LIFETIME_S,
	    .seen_unix_s = issued};

	memcpy(s.token_id, &number, sizeof(number));
	return s;
}

static struct pl_jwt_claims
claims_of(const struct pl_session *s)
{
	struct pl_jwt_claims c = {.user = ann,
	    .issued_unix_s = s->issued_unix_s,
	    .expires_unix_s = s->expires_unix_s,
	    .is_listed = true};

	memcpy(c.token_id, s->token_id, PL_JWT_ID_LEN);
	return c;
}

static struct pl_revocation
revocation_of(const struct pl_session *s)
{
	struct pl_jwt_claims claims = claims_of(s);
	struct pl_revocation r;

	pl_revocation_of_token(&r, &claims);
	return r;
}

static bool
refuses(const struct pl_session_list *l, const struct pl_session *s)
{
	struct pl_jwt_claims claims = claims_of(s);

	return pl_session_list_refuses(l, &claims);
}

static void
add(struct pl_session_list *l, unsigned number, int64_t issued)
{
	struct pl_session s = session(number, issued), ended;

	assert_false(pl_session_list_add(l, &s, &ended));
}

/* Of a token that is wanted now. */
static int64_t
issue_time(const struct pl_session_list *l, int64_t now)
{
	struct pl_session s;

	pl_session_list_open(l, (uint8_t[PL_JWT_ID_LEN]){0}, &now, &s);
	assert_int_equal(s.issued_unix_s, now);
	assert_int_equal(s.expires_unix_s, now + PL_JWT_LIFETIME_S);
	return now;
}

static void
keeps_sessions_by_their_time(void **state)
{
	struct pl_session_list l;
	struct pl_session three = session(3, NOW + 3);
	struct pl_revocation r;

	(void)state;
	pl_session_list_init(&l, &ann);
	add(&l, 2, NOW + 2);
	add(&l, 3, NOW + 3);
	add(&l, 1, NOW + 1);
	assert_int_equal(l.count, 3);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(l.items[i].issued_unix_s, NOW + 1 + (int64_t)i);
	r = revocation_of(&three);
	assert_true(pl_session_list_end(&l, &r));
	assert_false(pl_session_list_end(&l, &r));
	assert_int_equal(l.count, 2);
}

static void
ends_the_oldest_of_more_than_a_hundred(void **state)
{
	struct pl_session_list l;
	struct pl_session s = session(1000, NOW + 1000), ended;

	(void)state;
	pl_session_list_init(&l, &ann);
	for (unsigned i = 0; i < PL_SESSIONS_MAX; i++)
		add(&l, i, NOW + i);
	assert_true(pl_session_list_add(&l, &s, &ended));
	assert_int_equal(ended.issued_unix_s, NOW);
	assert_int_equal(l.count, PL_SESSIONS_MAX);
	assert_int_equal(l.items[PL_SESSIONS_MAX - 1].issued_unix_s, NOW + 1000);
}

/* The one that asks is in use, whatever the store was told of it so far. */
static void
drops_what_nobody_used_since_but_for_one(void **state)
{
	struct pl_session_list l;
	struct pl_session s;

	(void)state;
	pl_session_list_init(&l, &ann);
	for (unsigned number = 1; number <= 4; number++)
		add(&l, number, NOW + number);
	s = session(2, 0);
	pl_session_list_drop_unused(&l, NOW + 4, s.token_id);
	assert_int_equal(l.count, 2);
	assert_memory_equal(l.items[0].token_id, s.token_id, PL_JWT_ID_LEN);
	assert_int_equal(l.items[1].issued_unix_s, NOW + 4);
}

static void
drops_what_expired_only_after_the_leeway(void **state)
{
	struct pl_session_list l;

	(void)state;
	pl_session_list_init(&l, &ann);
	add(&l, 1, NOW);
	add(&l, 2, NOW + 1000);
	pl_session_list_expire(&l, NOW + PL_JWT_LIFETIME_S + PL_JWT_LEEWAY_S);
	assert_int_equal(l.count, 2);
	pl_session_list_expire(&l, NOW + PL_JWT_LIFETIME_S + 500);
	assert_int_equal(l.count, 1);
	assert_int_equal(l.items[0].issued_unix_s, NOW + 1000);
}

static void
ends_what_a_revocation_names(void **state)
{
	struct pl_session one = session(1, NOW + 1);
	struct pl_revocation r = revocation_of(&one);
	struct pl_session_list l;

	(void)state;
	pl_session_list_init(&l, &ann);
	for (unsigned i = 0; i < 5; i++)
		add(&l, i, NOW + i);
	assert_true(pl_session_list_end(&l, &r));
	assert_false(pl_session_list_end(&l, &r));
	assert_int_equal(l.count, 4);
	pl_revocation_of_all(&r, &ann, NOW + 3);
	assert_true(pl_session_list_end(&l, &r));
	assert_false(pl_session_list_end(&l, &r));
	assert_int_equal(l.count, 2);
	assert_int_equal(l.items[0].issued_unix_s, NOW + 3);
	assert_int_equal(issue_time(&l, NOW), NOW + 3);
}

/* Sessions from..from+count-1, a second apart, each revoked; issued step seconds apart. */
static void
revoke_many(struct pl_revocation *out, unsigned from, unsigned count, int64_t step)
{
	for (unsigned i = 0; i < count; i++) {
		struct pl_session s = session(from + i, NOW + step * (from + i));

		out[i] = revocation_of(&s);
	}
}

static void
merges_the_older_ones_and_refuses_them_still(void **state)
{
	struct pl_revocation all[PL_REVOCATIONS_MAX + 1];
	struct pl_session_list l;

	(void)state;
	pl_session_list_init(&l, &ann);
	add(&l, 5000, NOW - 10); /* a live one, older than all */
	add(&l, 5001, NOW + 20); /* and one among them */
	revoke_many(all, 0, PL_REVOCATIONS_MAX + 1, 1);
	assert_int_equal(
	    pl_session_list_merge(&l, all, PL_REVOCATIONS_MAX, NOW + 1000), 0);
	assert_int_equal(l.before_unix_s, 0);
	assert_int_equal(
	    pl_session_list_merge(&l, all, PL_REVOCATIONS_MAX + 1, NOW + 1000),
	    PL_REVOCATIONS_MAX + 1 - PL_REVOCATIONS_LEFT);
	assert_int_equal(l.before_unix_s, NOW + 51);
	assert_int_equal(l.count, 2);
	for (unsigned i = 0; i <= PL_REVOCATIONS_MAX; i++) {
		struct pl_session s = session(i, NOW + i);

		assert_int_equal(refuses(&l, &s), i <= 50);
	}
	for (size_t i = 0; i < l.count; i++)
		assert_false(refuses(&l, &l.items[i]));
}

/* A live session of the very second of those that are merged. */
static void
spares_a_live_session_of_the_same_second(void **state)
{
	struct pl_revocation all[PL_REVOCATIONS_MAX + 1];
	struct pl_session_list l;
	struct pl_session next, ended;
	struct pl_revocation r;

	(void)state;
	pl_session_list_init(&l, &ann);
	add(&l, 5000, NOW);
	revoke_many(all, 0, PL_REVOCATIONS_MAX + 1, 0); /* all at NOW */
	assert_int_equal(pl_session_list_merge(&l, all, PL_REVOCATIONS_MAX + 1, NOW),
	    PL_REVOCATIONS_MAX + 1);
	assert_int_equal(l.before_unix_s, NOW + 1);
	assert_false(refuses(&l, &l.items[0]));
	/* And whoever logs in within that second, too. */
	assert_int_equal(issue_time(&l, NOW), NOW + 1);
	assert_int_equal(issue_time(&l, NOW + 5), NOW + 5);
	next = session(6000, issue_time(&l, NOW));
	assert_false(pl_session_list_add(&l, &next, &ended));
	assert_false(refuses(&l, &next));
	r = revocation_of(&next);
	assert_true(pl_session_list_end(&l, &r));
	assert_false(refuses(&l, &next)); /* that is what its revocation is for */
}

/* Else a user who logs in and out all the time would be issued tokens of the future. */
static void
sets_no_mark_beyond_the_next_second(void **state)
{
	struct pl_revocation all[PL_REVOCATIONS_MAX + 1];
	struct pl_session_list l;

	(void)state;
	pl_session_list_init(&l, &ann);
	l.before_unix_s = NOW + 1;
	for (unsigned i = 0; i <= PL_REVOCATIONS_MAX; i++) {
		struct pl_session s = session(i, NOW + 1);

		all[i] = revocation_of(&s);
	}
	assert_int_equal(pl_session_list_merge(&l, all, PL_REVOCATIONS_MAX + 1, NOW), 0);
	assert_int_equal(l.before_unix_s, NOW + 1);
	assert_int_equal(pl_session_list_merge(&l, all, PL_REVOCATIONS_MAX + 1, NOW + 1),
	    PL_REVOCATIONS_MAX + 1);
	assert_int_equal(l.before_unix_s, NOW + 2);
}

/* A process died between revoking a token and taking its session from the list. */
static void
takes_what_it_merges_from_the_list(void **state)
{
	struct pl_revocation all[PL_REVOCATIONS_MAX + 1];
	struct pl_session_list l;
	struct pl_session seven = session(7, NOW + 7);

	(void)state;
	pl_session_list_init(&l, &ann);
	add(&l, 7, NOW + 7);
	revoke_many(all, 0, PL_REVOCATIONS_MAX + 1, 1);
	assert_true(
	    pl_session_list_merge(&l, all, PL_REVOCATIONS_MAX + 1, NOW + 1000) > 0);
	assert_int_equal(l.count, 0);
	assert_true(refuses(&l, &seven));
}

static void
says_nothing_of_tokens_that_were_never_listed(void **state)
{
	struct pl_session s = session(1, NOW);
	struct pl_jwt_claims claims = claims_of(&s);
	struct pl_session_list l;

	(void)state;
	pl_session_list_init(&l, &ann);
	l.before_unix_s = NOW + 1;
	assert_true(pl_session_list_refuses(&l, &claims));
	claims.is_listed = false;
	assert_false(pl_session_list_refuses(&l, &claims));
}

static void
matters_until_its_last_token_expired(void **state)
{
	struct pl_session_list l;

	(void)state;
	pl_session_list_init(&l, &ann);
	assert_int_equal(pl_session_list_expires(&l), 0);
	l.before_unix_s = NOW;
	assert_int_equal(pl_session_list_expires(&l), NOW + PL_JWT_LIFETIME_S);
	add(&l, 1, NOW + 60);
	assert_int_equal(pl_session_list_expires(&l), NOW + 60 + PL_JWT_LIFETIME_S);
}

static void
goes_into_bytes_and_back(void **state)
{
	struct pl_session_list l, back;
	struct pl_buf bytes;

	(void)state;
	pl_session_list_init(&l, &ann);
	pl_session_list_init(&back, &ann);
	for (unsigned i = 0; i < PL_SESSIONS_MAX; i++)
		add(&l, i, NOW + i);
	pl_buf_init(&bytes, PL_BUF_UNLIMITED);
	pl_session_list_pack(&l, &bytes);
	assert_int_equal(bytes.len, PL_SESSIONS_MAX * PL_SESSION_BYTES);
	assert_true(pl_session_list_unpack(&back, pl_buf_str(&bytes)));
	assert_int_equal(back.count, PL_SESSIONS_MAX);
	assert_memory_equal(back.items, l.items, sizeof(l.items));
	assert_memory_equal(
	    bytes.data + PL_JWT_ID_LEN, "\0\0\0\0\x65\x53\xf1\x00", 8); /* NOW */
	assert_false(pl_session_list_unpack(&back, pl_str_n(bytes.data, 39)));
	for (size_t at = PL_JWT_ID_LEN; at < PL_SESSION_BYTES; at += 8) {
		bytes.data[at] ^= 0x7f; /* a time that is none */
		assert_false(pl_session_list_unpack(
		    &back, pl_str_n(bytes.data, PL_SESSION_BYTES)));
		bytes.data[at] ^= 0x7f;
	}
	pl_buf_add(&bytes, bytes.data, PL_SESSION_BYTES);
	assert_false(pl_session_list_unpack(&back, pl_buf_str(&bytes)));
	assert_int_equal(back.count, PL_SESSIONS_MAX);
	assert_true(pl_session_list_unpack(&back, PL_STR("")));
	assert_int_equal(back.count, 0);
	pl_buf_fini(&bytes);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(keeps_sessions_by_their_time),
	    cmocka_unit_test(ends_the_oldest_of_more_than_a_hundred),
	    cmocka_unit_test(drops_what_expired_only_after_the_leeway),
	    cmocka_unit_test(drops_what_nobody_used_since_but_for_one),
	    cmocka_unit_test(ends_what_a_revocation_names),
	    cmocka_unit_test(merges_the_older_ones_and_refuses_them_still),
	    cmocka_unit_test(spares_a_live_session_of_the_same_second),
	    cmocka_unit_test(sets_no_mark_beyond_the_next_second),
	    cmocka_unit_test(takes_what_it_merges_from_the_list),
	    cmocka_unit_test(says_nothing_of_tokens_that_were_never_listed),
	    cmocka_unit_test(matters_until_its_last_token_expired),
	    cmocka_unit_test(goes_into_bytes_and_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
