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
	    STORE_TEST(keeps_the_time_at_which_a_secret_was_left),
	    STORE_TEST(forgets_it_when_the_secret_signs_again),
	};

	return cmocka_run_group_tests_name("store: revocations", tests, NULL, NULL);
}
