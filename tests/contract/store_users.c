#include <stdio.h>

#include "base/mem.h"
#include "contract/store_contract.h"

#define SQL_LIKE "x'); DROP TABLE users; --"

static void
finds_a_user_by_id_and_by_username(void **state)
{
	struct fixture *f = *state;
	struct pl_user user = {
	    .full_name = pl_mem_strdup("Ана \"Ann\" " SQL_LIKE),
	    .username = pl_mem_strdup(SQL_LIKE),
	    .password_hash = pl_mem_strdup("$2b$10$abc"),
	    .profile_pic = pl_mem_strdup("https://example.org/?a=1&b='"),
	    .note = pl_mem_strdup("until 3' OR 1=1"),
	    .gender = PL_GENDER_FEMALE,
	    .status = PL_STATUS_BUSY,
	    .created_unix_ms = 1700000000123,
	    .updated_unix_ms = 1700000000456,
	};
	struct pl_write w = {.kind = PL_WRITE_USER, .u.user = &user};

	pl_oid_new(&user.id);
	assert_int_equal(store_write_one(f->store, &w), PL_OK);
	for (int i = 0; i < 2; i++) {
		struct pl_user found;

		assert_int_equal(i == 0 ? pl_store_user_by_id(f->store, &user.id, &found)
					: pl_store_user_by_username(
					      f->store, pl_str(user.username), &found),
		    PL_OK);
		assert_true(pl_oid_eq(&found.id, &user.id));
		assert_string_equal(found.full_name, user.full_name);
		assert_string_equal(found.username, user.username);
		assert_string_equal(found.password_hash, user.password_hash);
		assert_string_equal(found.profile_pic, user.profile_pic);
		assert_string_equal(found.note, user.note);
		assert_int_equal(found.gender, PL_GENDER_FEMALE);
		assert_int_equal(found.status, PL_STATUS_BUSY);
		assert_int_equal(found.created_unix_ms, 1700000000123);
		assert_int_equal(found.updated_unix_ms, 1700000000456);
		pl_user_fini(&found);
	}
	pl_user_fini(&user);
}

static void
says_not_found_for_an_unknown_user(void **state)
{
	struct fixture *f = *state;
	struct pl_user user;
	struct pl_oid id;

	pl_oid_new(&id);
	store_add_user(f->store, "ann");
	assert_int_equal(pl_store_user_by_id(f->store, &id, &user), PL_E_NOT_FOUND);
	assert_int_equal(
	    pl_store_user_by_username(f->store, PL_STR("bob"), &user), PL_E_NOT_FOUND);
	assert_int_equal(pl_store_user_by_username(f->store, PL_STR("' OR ''='"), &user),
	    PL_E_NOT_FOUND);
	assert_int_equal(
	    pl_store_user_by_username(f->store, PL_STR_NONE, &user), PL_E_NOT_FOUND);
}

static void
refuses_a_username_that_is_taken_and_keeps_the_first(void **state)
{
	struct fixture *f = *state;
	struct pl_oid first = store_add_user(f->store, "ann"), second;
	struct pl_user found;

	assert_int_equal(store_insert_user(f->store, "ann", &second), PL_E_CONFLICT);
	assert_int_equal(
	    pl_store_user_by_username(f->store, PL_STR("ann"), &found), PL_OK);
	assert_true(pl_oid_eq(&found.id, &first));
	assert_int_equal(
	    pl_store_user_by_id(f->store, &second, &(struct pl_user){0}), PL_E_NOT_FOUND);
	pl_user_fini(&found);
}

static void
compares_usernames_byte_by_byte(void **state)
{
	struct fixture *f = *state;

	store_add_user(f->store, "ann");
	store_add_user(f->store, "Ann");
	store_add_user(f->store, "ann ");
	store_add_user(f->store, "caf\xc3\xa9");
	store_add_user(f->store, "cafe\xcc\x81");
}

static void
insert_same_name(struct worker *w, struct pl_store *s)
{
	do
		w->err = store_insert_user(s, "ann", &w->id);
	while (w->err == PL_E_UNAVAILABLE); /* too many at once */
}

static void
lets_one_of_20_parallel_equal_inserts_win(void **state)
{
	struct fixture *f = *state;
	struct worker workers[20];
	struct pl_user found;
	int won = 0;

	store_run_parallel(f, workers, 20, insert_same_name, NULL);
	assert_int_equal(
	    pl_store_user_by_username(f->store, PL_STR("ann"), &found), PL_OK);
	for (int i = 0; i < 20; i++) {
		if (workers[i].err == PL_OK) {
			won++;
			assert_true(pl_oid_eq(&workers[i].id, &found.id));
		} else {
			assert_int_equal(workers[i].err, PL_E_CONFLICT);
		}
	}
	assert_int_equal(won, 1);
	pl_user_fini(&found);
}

static void
pages_users_by_id_at_every_boundary(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ids[7];

	for (int i = 0; i < 7; i++) {
		char name[8];

		snprintf(name, sizeof(name), "u%d", i);
		ids[i] = store_add_user(f->store, name);
	}
	for (int from = -1; from < 7; from++)
		for (int limit = 1; limit <= 8; limit++) {
			struct pl_user_list list;
			int left = 6 - from, count = left < limit ? left : limit;

			assert_int_equal(
			    pl_store_users_page(f->store, from < 0 ? NULL : &ids[from],
				(size_t)limit, &list),
			    PL_OK);
			assert_int_equal(list.count, count);
			for (int i = 0; i < count; i++)
				assert_true(
				    pl_oid_eq(&list.items[i].id, &ids[from + 1 + i]));
			pl_user_list_fini(&list);
		}
}

static void
tells_which_of_many_users_exist(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann"), nobody;
	struct pl_oid bob = store_add_user(f->store, "bob");
	bool exist[5] = {false, true, false, true, false};

	pl_oid_new(&nobody);
	/* In no order, one twice, and those of nobody first and last. */
	assert_int_equal(pl_store_users_exist(f->store,
			     (struct pl_oid[]){nobody, bob, ann, bob, nobody}, 5, exist),
	    PL_OK);
	assert_false(exist[0]);
	assert_true(exist[1] && exist[2] && exist[3]);
	assert_false(exist[4]);
	assert_int_equal(pl_store_users_exist(f->store, NULL, 0, NULL), PL_OK);
}

static void
tells_it_of_as_many_as_may_be_asked_for(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ids[PL_STORE_IDS_MAX];
	bool exist[PL_STORE_IDS_MAX];

	for (int i = 0; i < PL_STORE_IDS_MAX; i++)
		pl_oid_new(&ids[i]);
	for (int i = 0; i < 3; i++) {
		char name[8];

		snprintf(name, sizeof(name), "u%d", i);
		ids[i * 499] = store_add_user(f->store, name); /* 0, 499, 998 */
	}
	assert_int_equal(
	    pl_store_users_exist(f->store, ids, PL_STORE_IDS_MAX, exist), PL_OK);
	for (int i = 0; i < PL_STORE_IDS_MAX; i++)
		assert_int_equal(exist[i], i % 499 == 0);
}

/* By id in no order, and those of nobody first, last and between. */
static void
gives_the_users_of_many_ids_in_their_order(void **state)
{
	struct fixture *f = *state;
	static struct pl_oid ids[PL_STORE_IDS_MAX];
	static const char *const names[] = {"ann", "bob", "eve"};
	static const size_t at[] = {700, 1, 400};
	struct pl_user_list found;

	for (int i = 0; i < PL_STORE_IDS_MAX; i++)
		pl_oid_new(&ids[i]);
	for (int i = 0; i < 3; i++)
		ids[at[i]] = store_add_user(f->store, names[i]);
	assert_int_equal(
	    pl_store_users_of(f->store, ids, PL_STORE_IDS_MAX, &found), PL_OK);
	assert_int_equal(found.count, 3);
	assert_string_equal(found.items[0].username, "bob");
	assert_string_equal(found.items[1].username, "eve");
	assert_string_equal(found.items[2].username, "ann");
	for (int i = 0; i < 3; i++)
		assert_int_equal(found.items[i].status, PL_STATUS_AVAILABLE);
	pl_user_list_fini(&found);
	assert_int_equal(pl_store_users_of(f->store, ids, 1, &found), PL_OK);
	assert_int_equal(found.count, 0);
	pl_user_list_fini(&found);
	assert_int_equal(pl_store_users_of(f->store, NULL, 0, &found), PL_OK);
	assert_int_equal(found.count, 0);
}

static void
write_state(struct pl_store *store, const struct pl_oid *user, enum pl_status status,
    const char *note)
{
	struct pl_write w = {.kind = PL_WRITE_STATUS,
	    .u.status = {.user = *user, .status = status, .note = pl_str(note)}};

	assert_int_equal(store_write_one(store, &w), PL_OK);
}

static void
disable(struct pl_store *store, const struct pl_oid *user)
{
	struct pl_write w = {.kind = PL_WRITE_DISABLED,
	    .u.disabled = {.user = *user, .is_disabled = true}};

	assert_int_equal(store_write_one(store, &w), PL_OK);
}

static void
gives_the_states_of_many_ids_in_their_order(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ids[5];
	struct pl_user_state_list found;

	for (int i = 0; i < 5; i++)
		pl_oid_new(&ids[i]);
	ids[3] = store_add_user(f->store, "ann");
	ids[0] = store_add_user(f->store, "bob");
	ids[2] = store_add_user(f->store, "eve");
	write_state(f->store, &ids[0], PL_STATUS_BUSY, "until three");
	disable(f->store, &ids[2]);
	assert_int_equal(pl_store_user_states(f->store, ids, 5, &found), PL_OK);
	assert_int_equal(found.count, 3);
	assert_true(pl_oid_eq(&found.items[0].id, &ids[0]));
	assert_int_equal(found.items[0].status, PL_STATUS_BUSY);
	assert_string_equal(found.items[0].note, "until three");
	assert_false(found.items[0].is_disabled);
	assert_true(pl_oid_eq(&found.items[1].id, &ids[2]));
	assert_true(found.items[1].is_disabled);
	assert_null(found.items[1].note);
	assert_true(pl_oid_eq(&found.items[2].id, &ids[3]));
	assert_int_equal(found.items[2].status, PL_STATUS_AVAILABLE);
	pl_user_state_list_fini(&found);
	assert_int_equal(pl_store_user_states(f->store, &ids[1], 1, &found), PL_OK);
	assert_int_equal(found.count, 0);
	pl_user_state_list_fini(&found);
	assert_int_equal(pl_store_user_states(f->store, NULL, 0, &found), PL_OK);
	assert_int_equal(found.count, 0);
}

static void
sets_a_status_and_its_note(void **state)
{
	struct fixture *f = *state;
	struct pl_oid id = store_add_user(f->store, "ann");
	struct pl_write w = {
	    .kind = PL_WRITE_STATUS,
	    .u.status = {.user = id, .status = PL_STATUS_BUSY, .note = PL_STR("till 3")},
	};
	struct pl_user user;

	assert_int_equal(store_write_one(f->store, &w), PL_OK);
	assert_int_equal(pl_store_user_by_id(f->store, &id, &user), PL_OK);
	assert_int_equal(user.status, PL_STATUS_BUSY);
	assert_string_equal(user.note, "till 3");
	assert_true(user.updated_unix_ms >= user.created_unix_ms);
	pl_user_fini(&user);

	w.u.status.status = PL_STATUS_AVAILABLE;
	w.u.status.note = PL_STR_NONE;
	assert_int_equal(store_write_one(f->store, &w), PL_OK);
	assert_int_equal(pl_store_user_by_id(f->store, &id, &user), PL_OK);
	assert_int_equal(user.status, PL_STATUS_AVAILABLE);
	assert_null(user.note);
	pl_user_fini(&user);

	pl_oid_new(&w.u.status.user);
	assert_int_equal(store_write_one(f->store, &w), PL_E_NOT_FOUND);
}

static void
replaces_a_password_only_where_it_is_still_the_old_one(void **state)
{
	struct fixture *f = *state;
	struct pl_oid id = store_add_user(f->store, "ann");
	struct pl_write w = {
	    .kind = PL_WRITE_PASSWORD,
	    .u.password = {.user = id, .old_hash = "hash", .new_hash = "better"},
	};
	struct pl_user user;

	assert_int_equal(store_write_one(f->store, &w), PL_OK);
	assert_int_equal(store_write_one(f->store, &w), PL_E_CONFLICT);
	assert_int_equal(pl_store_user_by_id(f->store, &id, &user), PL_OK);
	assert_string_equal(user.password_hash, "better");
	pl_user_fini(&user);
}

static void
answers_a_ping(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(pl_store_ping(f->store), PL_OK);
}

int
store_users_suite(void)
{
	const struct CMUnitTest tests[] = {
	    STORE_TEST(finds_a_user_by_id_and_by_username),
	    STORE_TEST(says_not_found_for_an_unknown_user),
	    STORE_TEST(refuses_a_username_that_is_taken_and_keeps_the_first),
	    STORE_TEST(compares_usernames_byte_by_byte),
	    STORE_TEST(lets_one_of_20_parallel_equal_inserts_win),
	    STORE_TEST(pages_users_by_id_at_every_boundary),
	    STORE_TEST(tells_which_of_many_users_exist),
	    STORE_TEST(tells_it_of_as_many_as_may_be_asked_for),
	    STORE_TEST(gives_the_users_of_many_ids_in_their_order),
	    STORE_TEST(gives_the_states_of_many_ids_in_their_order),
	    STORE_TEST(sets_a_status_and_its_note),
	    STORE_TEST(replaces_a_password_only_where_it_is_still_the_old_one),
	    STORE_TEST(answers_a_ping),
	};

	return cmocka_run_group_tests_name("store: users", tests, NULL, NULL);
}
