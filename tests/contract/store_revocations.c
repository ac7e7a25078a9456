#include <stdlib.h>

#include "base/clock.h"
#include "contract/store_contract.h"

#define HOUR_S 3600

static struct pl_write
revoke(struct pl_store *s, uint8_t name, int64_t expires_in_s)
{
	struct pl_write w = {.kind = PL_WRITE_REVOKE};

	memset(w.u.revoke.token_id, name, PL_JWT_ID_LEN);
	memset(w.u.revoke.user.bytes, 7, PL_OID_LEN);
	w.u.revoke.expires_unix_s = pl_clock_unix_ms() / 1000 + expires_in_s;
	assert_int_equal(store_write_one(s, &w), PL_OK);
	return w;
}

static void
gives_the_revocations_since_a_time(void **state)
{
	struct fixture *f = *state;
	int64_t before = pl_clock_unix_ms();
	struct pl_write first = revoke(f->store, 1, HOUR_S);
	struct pl_write second =
	    revoke(f->store, 0, 2 * HOUR_S); /* zero bytes are bytes */
	struct pl_revocation_list list;

	assert_in_range(first.u.revoke.created_unix_ms, before, pl_clock_unix_ms());
	assert_true(second.u.revoke.created_unix_ms >= first.u.revoke.created_unix_ms);
	assert_int_equal(pl_store_revocations_since(f->store, 0, &list), PL_OK);
	assert_int_equal(list.count, 2);
	for (size_t i = 0; i < 2; i++) {
		const struct pl_revocation *r =
		    list.items[i].token_id[0] == 1 ? &first.u.revoke : &second.u.revoke;

		assert_memory_equal(list.items[i].token_id, r->token_id, PL_JWT_ID_LEN);
		assert_true(pl_oid_eq(&list.items[i].user, &r->user));
		assert_int_equal(list.items[i].expires_unix_s, r->expires_unix_s);
		assert_int_equal(list.items[i].created_unix_ms, r->created_unix_ms);
	}
	pl_revocation_list_fini(&list);

	assert_int_equal(
	    pl_store_revocations_since(f->store, second.u.revoke.created_unix_ms, &list),
	    PL_OK);
	assert_in_range(list.count, 1, 2); /* both, where one millisecond made both */
	pl_revocation_list_fini(&list);
	assert_int_equal(pl_store_revocations_since(
			     f->store, second.u.revoke.created_unix_ms + 1, &list),
	    PL_OK);
	assert_int_equal(list.count, 0);
	pl_revocation_list_fini(&list);
}

static void
takes_the_same_token_twice(void **state)
{
	struct fixture *f = *state;
	struct pl_revocation_list list;

	revoke(f->store, 1, HOUR_S);
	revoke(f->store, 1, HOUR_S);
	assert_int_equal(pl_store_revocations_since(f->store, 0, &list), PL_OK);
	assert_int_equal(list.count, 1);
	pl_revocation_list_fini(&list);
}

static void
leaves_out_tokens_that_expired(void **state)
{
	struct fixture *f = *state;
	struct pl_revocation_list list;

	revoke(f->store, 1, -HOUR_S);
	revoke(f->store, 2, HOUR_S);
	assert_int_equal(pl_store_revocations_since(f->store, 0, &list), PL_OK);
	assert_int_equal(list.count, 1);
	assert_int_equal(list.items[0].token_id[0], 2);
	pl_revocation_list_fini(&list);
}

static void
says_whether_a_revocation_is_new(void **state)
{
	struct fixture *f = *state;

	assert_true(revoke(f->store, 1, HOUR_S).is_new);
	assert_false(revoke(f->store, 1, HOUR_S).is_new);
	assert_true(revoke(f->store, 2, HOUR_S).is_new);
}

/* ---- sessions ---- */

static int64_t
now_s(void)
{
	return pl_clock_unix_ms() / 1000;
}

/* A session of user by that number, whose token is issued at issued or later. */
static struct pl_jwt_claims
open_session(
    struct pl_store *s, const struct pl_oid *user, uint32_t number, int64_t issued)
{
	struct pl_jwt_claims claims = {.user = *user, .is_listed = true};
	struct pl_write w = {.kind = PL_WRITE_SESSION,
	    .u.session = {.user = *user, .issued_unix_s = issued}};

	memcpy(claims.token_id, &number, sizeof(number));
	memcpy(w.u.session.token_id, claims.token_id, PL_JWT_ID_LEN);
	assert_int_equal(store_write_one(s, &w), PL_OK);
	claims.issued_unix_s = w.u.session.issued_unix_s;
	claims.expires_unix_s = claims.issued_unix_s + PL_JWT_LIFETIME_S;
	assert_true(claims.issued_unix_s >= issued);
	return claims;
}

static int64_t
end_session(struct pl_store *s, const struct pl_jwt_claims *claims)
{
	struct pl_write w = {.kind = PL_WRITE_REVOKE};

	pl_revocation_of_token(&w.u.revoke, claims);
	assert_int_equal(store_write_one(s, &w), PL_OK);
	assert_true(w.is_new);
	return w.u.revoke.created_unix_ms;
}

static struct pl_revocation_list
since(struct pl_store *s, int64_t since_unix_ms)
{
	struct pl_revocation_list list;

	assert_int_equal(pl_store_revocations_since(s, since_unix_ms, &list), PL_OK);
	return list;
}

/* As a process would: by what it read since. */
static bool
is_refused(const struct pl_revocation_list *known, const struct pl_jwt_claims *claims)
{
	for (size_t i = 0; i < known->count; i++)
		if (pl_revocation_names(&known->items[i], claims))
			return true;
	for (size_t i = 0; i < known->list_count; i++)
		if (pl_oid_eq(&known->lists[i].user, &claims->user) &&
		    pl_session_list_refuses(&known->lists[i], claims))
			return true;
	return false;
}

/* All of it may happen in one second, as here. */
static void
merges_what_a_user_revokes_beyond_a_hundred(void **state)
{
	enum { ROUNDS = 3 * PL_REVOCATIONS_MAX };
	struct fixture *f = *state;
	struct pl_jwt_claims live[3], ended[ROUNDS];
	struct pl_oid ann = {.bytes = {0xaa, 0xaa}}, bob = {.bytes = {0xbb, 0xbb}};
	struct pl_revocation_list list;
	struct pl_jwt_claims others = open_session(f->store, &bob, 9000, now_s());

	end_session(f->store, &others);
	live[0] = open_session(f->store, &ann, 9001, now_s() - 1000);
	for (uint32_t i = 0; i < ROUNDS; i++) {
		if (i == ROUNDS / 2)
			live[1] = open_session(f->store, &ann, 9002, now_s());
		ended[i] = open_session(f->store, &ann, i, now_s());
		end_session(f->store, &ended[i]);
		assert_true(ended[i].issued_unix_s <= now_s() + 2);
	}
	live[2] = open_session(f->store, &ann, 9003, now_s());
	list = since(f->store, 0);
	assert_int_equal(list.list_count, 1);
	/* Bob's; of ann's all may be in the list by now, if this took seconds. */
	assert_in_range(list.count, 1, ROUNDS);
	for (size_t i = 0; i < ROUNDS; i++)
		assert_true(is_refused(&list, &ended[i]));
	for (size_t i = 0; i < 3; i++)
		assert_false(is_refused(&list, &live[i]));
	assert_true(is_refused(&list, &others));
	pl_revocation_list_fini(&list);
}

/* Its log-ins a second apart, by the times that they ask for. */
static void
keeps_a_hundred_revocations_of_a_user_at_most(void **state)
{
	enum { ROUNDS = 5 * PL_REVOCATIONS_MAX / 2 };
	struct fixture *f = *state;
	struct pl_jwt_claims live, ended[ROUNDS];
	struct pl_oid ann = {.bytes = {0xaa, 0xaa}};
	struct pl_revocation_list all, part;
	struct pl_session_list list;
	int64_t begin = now_s() - 2 * ROUNDS, last = 0;

	live = open_session(f->store, &ann, 9001, begin);
	for (uint32_t i = 0; i < ROUNDS; i++) {
		ended[i] = open_session(f->store, &ann, i, begin + i);
		assert_int_equal(ended[i].issued_unix_s, begin + i);
		last = end_session(f->store, &ended[i]);
	}
	assert_int_equal(pl_store_sessions_of(f->store, &ann, &list), PL_OK);
	assert_int_equal(list.count, 1);
	assert_memory_equal(list.items[0].token_id, live.token_id, PL_JWT_ID_LEN);
	all = since(f->store, 0);
	part = since(f->store, last);
	assert_in_range(all.count, PL_REVOCATIONS_LEFT, PL_REVOCATIONS_MAX);
	assert_int_equal(all.list_count, 1);
	assert_int_equal(all.lists[0].count, 1);
	for (size_t i = 0; i < ROUNDS; i++)
		assert_true(is_refused(&all, &ended[i]));
	assert_false(is_refused(&all, &live));
	if (part.list_count > 0) /* with a list comes all that is left */
		assert_in_range(part.count, all.count, 2 * all.count);
	pl_revocation_list_fini(&all);
	pl_revocation_list_fini(&part);
}

static void
gives_with_a_mark_all_that_is_left(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = {.bytes = {0xaa, 0xaa}};
	struct pl_jwt_claims c;
	struct pl_revocation_list list;
	struct pl_write mern = {.kind = PL_WRITE_REVOKE,
	    .u.revoke = {
		.token_id = {77, 77}, .user = ann, .expires_unix_s = now_s() + HOUR_S}};
	int64_t begin = now_s() - 1000, last = 0;

	assert_int_equal(store_write_one(f->store, &mern), PL_OK);
	for (uint32_t i = 0; i <= PL_REVOCATIONS_MAX; i++) {
		c = open_session(f->store, &ann, i, begin + i);
		last = end_session(f->store, &c);
	}
	list = since(f->store, last);
	assert_int_equal(list.list_count, 1);
	assert_int_equal(list.lists[0].before_unix_s,
	    begin + PL_REVOCATIONS_MAX + 1 - PL_REVOCATIONS_LEFT);
	/* Those, the one that is in no list, and perhaps the last ones once more. */
	assert_in_range(list.count, PL_REVOCATIONS_LEFT + 1, 2 * PL_REVOCATIONS_MAX);
	assert_true(is_refused(&list, &c));
	pl_revocation_list_fini(&list);
	list = since(f->store, last + 1);
	assert_int_equal(list.list_count, 0);
	pl_revocation_list_fini(&list);
}

static enum pl_err
see(struct pl_store *s, const struct pl_jwt_claims *c, int64_t seen_unix_s,
    int64_t *stored)
{
	struct pl_write w = {.kind = PL_WRITE_SEEN,
	    .u.seen = {.user = c->user, .seen_unix_s = seen_unix_s, .step_s = 60}};
	struct pl_session_list list;

	memcpy(w.u.seen.token_id, c->token_id, PL_JWT_ID_LEN);
	(void)store_write_one(s, &w);
	assert_int_equal(pl_store_sessions_of(s, &c->user, &list), PL_OK);
	for (size_t i = 0; i < list.count; i++)
		if (memcmp(list.items[i].token_id, c->token_id, PL_JWT_ID_LEN) == 0)
			*stored = list.items[i].seen_unix_s;
	return w.err;
}

static void
notes_the_last_use_of_a_session_once_in_a_step(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = {{1}};
	int64_t begin = now_s() - 1000, stored = 0;
	struct pl_jwt_claims one = open_session(f->store, &ann, 9001, begin);
	struct pl_jwt_claims other = open_session(f->store, &ann, 9002, begin);

	assert_int_equal(see(f->store, &one, begin + 59, &stored), PL_OK);
	assert_int_equal(stored, begin);
	assert_int_equal(see(f->store, &one, begin + 60, &stored), PL_OK);
	assert_int_equal(stored, begin + 60);
	assert_int_equal(see(f->store, &one, begin + 30, &stored), PL_OK);
	assert_int_equal(stored, begin + 60);
	assert_int_equal(see(f->store, &other, begin + 1, &stored), PL_OK);
	assert_int_equal(stored, begin);
	end_session(f->store, &one);
	assert_int_equal(see(f->store, &one, begin + 500, &stored), PL_E_NOT_FOUND);
	assert_int_equal(see(f->store, &other, begin + 500, &stored), PL_OK);
	assert_int_equal(stored, begin + 500);
}

static void
ends_the_oldest_of_more_than_a_hundred_sessions(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = {.bytes = {0xaa, 0xaa}};
	struct pl_jwt_claims first = open_session(f->store, &ann, 9000, now_s() - 100);
	struct pl_revocation_list list;
	struct pl_write w = {.kind = PL_WRITE_SESSION,
	    .u.session = {.user = ann, .issued_unix_s = now_s(), .token_id = {88, 88}}};

	for (uint32_t i = 1; i < PL_SESSIONS_MAX; i++)
		open_session(f->store, &ann, i, now_s());
	list = since(f->store, 0);
	assert_int_equal(list.count, 0);
	pl_revocation_list_fini(&list);
	assert_int_equal(store_write_one(f->store, &w), PL_OK);
	assert_true(w.u.session.has_ended);
	assert_true(pl_revocation_names(&w.u.session.ended, &first));
	list = since(f->store, 0);
	assert_int_equal(list.count, 1);
	assert_true(is_refused(&list, &first));
	pl_revocation_list_fini(&list);
}

static void
keeps_of_log_outs_everywhere_the_last_one(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = {.bytes = {0xaa, 0xaa}}, bob = {.bytes = {0xbb, 0xbb}};
	struct pl_jwt_claims early, late;
	struct pl_revocation_list list;
	struct pl_write w = {.kind = PL_WRITE_REVOKE};
	int64_t begin = now_s() - 1000;

	early = open_session(f->store, &ann, 1, begin);
	pl_revocation_of_all(&w.u.revoke, &bob, begin);
	assert_int_equal(store_write_one(f->store, &w), PL_OK);
	for (int i = 0; i < 20; i++) {
		pl_revocation_of_all(&w.u.revoke, &ann, begin + 10 + i);
		assert_int_equal(store_write_one(f->store, &w), PL_OK);
	}
	/* Who logs in at another process, which has not heard of it yet, is not refused
	 * by it. */
	late = open_session(f->store, &ann, 2, begin + 5);
	list = since(f->store, 0);
	assert_int_equal(list.count, 2);
	assert_true(is_refused(&list, &early));
	assert_false(is_refused(&list, &late));
	pl_revocation_list_fini(&list);
}

struct crowd {
	struct pl_oid user;
	struct pl_jwt_claims claims[8][40];
};

static void
log_in_and_out(struct worker *w, struct pl_store *s)
{
	struct crowd *crowd = w->arg;

	for (uint32_t i = 0; i < 40; i++) {
		struct pl_jwt_claims *c = &crowd->claims[w->index][i];
		struct pl_write session = {.kind = PL_WRITE_SESSION,
		    .u.session = {.user = crowd->user, .issued_unix_s = now_s()}};
		struct pl_write revoke = {.kind = PL_WRITE_REVOKE};
		uint32_t name = w->index * 1000 + i;

		*c = (struct pl_jwt_claims){.user = crowd->user, .is_listed = true};
		memcpy(c->token_id, &name, sizeof(name));
		memcpy(session.u.session.token_id, c->token_id, PL_JWT_ID_LEN);
		w->err = store_write_one(s, &session);
		c->issued_unix_s = session.u.session.issued_unix_s;
		c->expires_unix_s = c->issued_unix_s + PL_JWT_LIFETIME_S;
		pl_revocation_of_token(&revoke.u.revoke, c);
		if (w->err == PL_OK && i < 39) /* the last stays */
			w->err = store_write_one(s, &revoke);
		if (w->err != PL_OK)
			return;
	}
}

/* Whatever several processes do at the same time, who is in stays in, and who is out,
 * out. */
static void
merges_at_once_in_several_processes(void **state)
{
	struct fixture *f = *state;
	struct crowd *crowd = calloc(1, sizeof(*crowd));
	struct worker workers[8] = {0};
	struct pl_revocation_list list;

	memset(crowd->user.bytes, 0xaa, PL_OID_LEN);
	store_run_parallel(f, workers, 8, log_in_and_out, crowd);
	list = since(f->store, 0);
	for (size_t i = 0; i < 8; i++) {
		if (workers[i].err == PL_E_UNAVAILABLE)
			continue; /* others were first each time: it was told so */
		assert_int_equal(workers[i].err, PL_OK);
		for (size_t k = 0; k < 39; k++)
			assert_true(is_refused(&list, &crowd->claims[i][k]));
		assert_false(is_refused(&list, &crowd->claims[i][39]));
	}
	pl_revocation_list_fini(&list);
	free(crowd);
}

/* ---- secrets ---- */

static int64_t
switched(struct pl_store *s, const char *current, const char *previous)
{
	struct pl_write w = {.kind = PL_WRITE_SWITCH};

	strcpy(w.u.key.current, current);
	strcpy(w.u.key.previous, previous);
	assert_int_equal(store_write_one(s, &w), PL_OK);
	return w.u.key.switched_unix_ms;
}

static void
keeps_the_time_at_which_a_secret_was_left(void **state)
{
	struct fixture *f = *state;
	int64_t begin = pl_clock_unix_ms(), first;
	struct pl_store *other = store_open_patiently(&f->config);

	assert_int_equal(switched(f->store, "aaaaaaaa", ""), 0);
	first = switched(f->store, "bbbbbbbb", "aaaaaaaa");
	assert_in_range(first, begin, pl_clock_unix_ms());
	while (pl_clock_unix_ms() == first)
		continue;
	assert_int_equal(switched(f->store, "bbbbbbbb", "aaaaaaaa"), first);
	assert_int_equal(switched(other, "bbbbbbbb", "aaaaaaaa"), first);
	assert_int_equal(switched(other, "cccccccc", "aaaaaaaa"), first);
	assert_true(switched(f->store, "cccccccc", "bbbbbbbb") > first);
	pl_store_close(other);
}

static void
forgets_it_when_the_secret_signs_again(void **state)
{
	struct fixture *f = *state;
	int64_t first = switched(f->store, "bbbbbbbb", "aaaaaaaa");

	while (pl_clock_unix_ms() == first)
		continue;
	assert_true(switched(f->store, "aaaaaaaa", "bbbbbbbb") > first);
	assert_true(switched(f->store, "bbbbbbbb", "aaaaaaaa") > first);
}

int
store_revocations_suite(void)
{
	const struct CMUnitTest tests[] = {
	    STORE_TEST(gives_the_revocations_since_a_time),
	    STORE_TEST(takes_the_same_token_twice),
	    STORE_TEST(leaves_out_tokens_that_expired),
	    STORE_TEST(says_whether_a_revocation_is_new),
	    STORE_TEST(merges_what_a_user_revokes_beyond_a_hundred),
	    STORE_TEST(keeps_a_hundred_revocations_of_a_user_at_most),
	    STORE_TEST(gives_with_a_mark_all_that_is_left),
	    STORE_TEST(notes_the_last_use_of_a_session_once_in_a_step),
	    STORE_TEST(ends_the_oldest_of_more_than_a_hundred_sessions),
	    STORE_TEST(keeps_of_log_outs_everywhere_the_last_one),
	    STORE_TEST(merges_at_once_in_several_processes),
	    STORE_TEST(keeps_the_time_at_which_a_secret_was_left),
	    STORE_TEST(forgets_it_when_the_secret_signs_again),
	};

	return cmocka_run_group_tests_name("store: revocations", tests, NULL, NULL);
}
