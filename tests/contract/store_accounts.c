/* One's own account: names, gender, pictures. */
#include "base/mem.h"
#include "contract/store_contract.h"
#include "store/store_records.h"

#define BOY(name_)  "https://avatar.iran.liara.run/public/boy?username=" name_
#define GIRL(name_) "https://avatar.iran.liara.run/public/girl?username=" name_

/* A user with the picture that a sign-up gives. */
static struct pl_oid
sign_up(struct pl_store *s, const char *name)
{
	struct pl_signup form = {.full_name = pl_str(name),
	    .username = pl_str(name),
	    .gender = PL_GENDER_MALE};
	struct pl_user user;
	struct pl_write w = {.kind = PL_WRITE_USER, .u.user = &user};
	struct pl_oid id;

	pl_user_from_signup(&user, &form, pl_mem_strdup("$hash"), 1700000000123);
	assert_int_equal(store_write_one(s, &w), PL_OK);
	id = user.id;
	pl_user_fini(&user);
	return id;
}

static struct pl_user
read_user(struct pl_store *s, const struct pl_oid *id)
{
	struct pl_user user;

	assert_int_equal(pl_store_user_by_id(s, id, &user), PL_OK);
	return user;
}

static enum pl_err
change(struct pl_store *s, const struct pl_oid *id, struct pl_profile_change how)
{
	struct pl_write w = {
	    .kind = PL_WRITE_PROFILE, .u.profile = {.user = *id, .change = how}};
	enum pl_err err = store_write_one(s, &w);

	if (err == PL_OK) {
		struct pl_user user = read_user(s, id);

		assert_string_equal(w.u.profile.after.full_name, user.full_name);
		assert_string_equal(w.u.profile.after.profile_pic, user.profile_pic);
		assert_int_equal(w.u.profile.after.updated_unix_ms, user.updated_unix_ms);
		pl_user_fini(&user);
		pl_user_fini(&w.u.profile.after);
	}
	return err;
}

static void
is_pictured(
    struct pl_store *s, const struct pl_oid *id, const char *pic, const char *given)
{
	struct pl_user user = read_user(s, id);

	assert_string_equal(user.profile_pic, pic);
	if (given != NULL)
		assert_string_equal(user.given_pic, given);
	else
		assert_null(user.given_pic);
	pl_user_fini(&user);
}

static size_t
found(struct pl_store *s, const char *query)
{
	struct pl_user_list list;
	size_t count;

	assert_int_equal(pl_store_people_page(s, pl_str(query), NULL, 10, &list), PL_OK);
	count = list.count;
	pl_user_list_fini(&list);
	return count;
}

static void
changes_what_is_named_and_nothing_else(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = sign_up(f->store, "ann");
	struct pl_user user;

	assert_int_equal(change(f->store, &ann,
			     (struct pl_profile_change){.has_full_name = true,
				 .full_name = PL_STR("Zo\xc3\xa9 O'Neil")}),
	    PL_OK);
	user = read_user(f->store, &ann);
	assert_string_equal(user.full_name, "Zo\xc3\xa9 O'Neil");
	assert_string_equal(user.username, "ann");
	assert_string_equal(user.password_hash, "$hash");
	assert_string_equal(user.profile_pic, BOY("ann"));
	assert_int_equal(user.gender, PL_GENDER_MALE);
	assert_int_equal(user.created_unix_ms, 1700000000123);
	assert_true(user.updated_unix_ms > 1700000000123);
	pl_user_fini(&user);
	assert_int_equal(change(f->store, &ann,
			     (struct pl_profile_change){
				 .has_gender = true, .gender = PL_GENDER_FEMALE}),
	    PL_OK);
	user = read_user(f->store, &ann);
	assert_string_equal(user.full_name, "Zo\xc3\xa9 O'Neil");
	assert_int_equal(user.gender, PL_GENDER_FEMALE);
	assert_string_equal(user.profile_pic, GIRL("ann"));
	pl_user_fini(&user);
}

static void
finds_a_user_by_the_new_name_at_once(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = sign_up(f->store, "ann");

	assert_int_equal(found(f->store, "garcia"), 0);
	assert_int_equal(change(f->store, &ann,
			     (struct pl_profile_change){.has_full_name = true,
				 .full_name = PL_STR("Aisha Garc\xc3\xad"
						     "a")}),
	    PL_OK);
	assert_int_equal(found(f->store, "garcia"), 1);
	assert_int_equal(found(f->store, "ann"), 1); /* the username */
	assert_int_equal(change(f->store, &ann,
			     (struct pl_profile_change){
				 .has_full_name = true, .full_name = PL_STR("Bo")}),
	    PL_OK);
	assert_int_equal(found(f->store, "garcia"), 0);
}

static void
leaves_a_picture_from_elsewhere_when_the_gender_changes(void **state)
{
	struct fixture *f = *state;
	struct pl_user user = {.full_name = pl_mem_strdup("Ann"),
	    .username = pl_mem_strdup("ann"),
	    .password_hash = pl_mem_strdup("$hash"),
	    .profile_pic = pl_mem_strdup("https://example.org/ann.png")};
	struct pl_write w = {.kind = PL_WRITE_USER, .u.user = &user};

	pl_oid_new(&user.id);
	assert_int_equal(store_write_one(f->store, &w), PL_OK);
	assert_int_equal(change(f->store, &user.id,
			     (struct pl_profile_change){
				 .has_gender = true, .gender = PL_GENDER_FEMALE}),
	    PL_OK);
	is_pictured(f->store, &user.id, "https://example.org/ann.png", NULL);
	pl_user_fini(&user);
}

/* ---- pictures ---- */

static enum pl_err
set_avatar(struct pl_store *s, const struct pl_oid *user, const char *bytes)
{
	struct pl_avatar avatar = {.user = *user,
	    .type = PL_AVATAR_WEBP,
	    .bytes = pl_mem_strdup(bytes),
	    .len = bytes != NULL ? strlen(bytes) : 0};
	struct pl_write w = {.kind = PL_WRITE_AVATAR,
	    .u.avatar = {.user = *user, .avatar = bytes != NULL ? &avatar : NULL}};
	enum pl_err err = store_write_one(s, &w);

	if (err == PL_OK)
		is_pictured(
		    s, user, w.u.avatar.after.profile_pic, w.u.avatar.after.given_pic);
	pl_user_fini(&w.u.avatar.after);
	pl_avatar_fini(&avatar);
	return err;
}

static char *
address_of(const struct pl_oid *user, const char *bytes)
{
	struct pl_digest digest;

	pl_avatar_digest(pl_str(bytes), &digest);
	return pl_avatar_address(user, &digest);
}

static void
is_stored(struct pl_store *s, const struct pl_oid *user, const char *bytes)
{
	struct pl_avatar avatar;

	assert_int_equal(pl_store_avatar(s, user, &avatar), PL_OK);
	assert_true(pl_oid_eq(&avatar.user, user));
	assert_int_equal(avatar.type, PL_AVATAR_WEBP);
	assert_int_equal(avatar.len, strlen(bytes));
	assert_memory_equal(avatar.bytes, bytes, avatar.len);
	pl_avatar_fini(&avatar);
}

static void
shows_an_own_picture_until_it_is_dropped(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = sign_up(f->store, "ann"), bob = sign_up(f->store, "bob");
	char *one = address_of(&ann, "one"), *two = address_of(&ann, "two");
	struct pl_avatar none;

	assert_int_equal(pl_store_avatar(f->store, &ann, &none), PL_E_NOT_FOUND);
	assert_int_equal(set_avatar(f->store, &ann, "one"), PL_OK);
	is_pictured(f->store, &ann, one, BOY("ann"));
	is_stored(f->store, &ann, "one");
	assert_int_equal(set_avatar(f->store, &ann, "two"), PL_OK);
	is_pictured(f->store, &ann, two, BOY("ann"));
	is_stored(f->store, &ann, "two");
	assert_int_equal(pl_store_avatar(f->store, &bob, &none), PL_E_NOT_FOUND);
	is_pictured(f->store, &bob, BOY("bob"), NULL);
	assert_int_equal(change(f->store, &ann,
			     (struct pl_profile_change){
				 .has_gender = true, .gender = PL_GENDER_FEMALE}),
	    PL_OK);
	is_pictured(f->store, &ann, two, GIRL("ann"));
	for (int again = 0; again < 2; again++) {
		assert_int_equal(set_avatar(f->store, &ann, NULL), PL_OK);
		is_pictured(f->store, &ann, GIRL("ann"), NULL);
		assert_int_equal(pl_store_avatar(f->store, &ann, &none), PL_E_NOT_FOUND);
	}
	pl_mem_free(one);
	pl_mem_free(two);
}

static void
keeps_nothing_of_a_user_who_is_not_there(void **state)
{
	struct fixture *f = *state;
	struct pl_avatar none;
	struct pl_oid id;

	pl_oid_new(&id);
	assert_int_equal(set_avatar(f->store, &id, "one"), PL_E_NOT_FOUND);
	assert_int_equal(set_avatar(f->store, &id, NULL), PL_E_NOT_FOUND);
	assert_int_equal(pl_store_avatar(f->store, &id, &none), PL_E_NOT_FOUND);
	assert_int_equal(
	    change(f->store, &id, (struct pl_profile_change){.has_gender = true}),
	    PL_E_NOT_FOUND);
}

static size_t
copy(struct pl_store *from, struct pl_store *to, enum pl_record_kind kind,
    enum pl_record_outcome expected)
{
	struct pl_record_list list;
	size_t count;

	assert_int_equal(pl_store_export(from, kind, NULL, 10, &list), PL_OK);
	count = list.count;
	assert_int_equal(pl_store_import(to, list.items, list.count), PL_OK);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(list.items[i].outcome, expected);
	pl_record_list_fini(&list);
	return count;
}

static void
copies_pictures_after_their_users(void **state)
{
	struct fixture *f = *state, *other;
	struct pl_oid ann = sign_up(f->store, "ann"), bob = sign_up(f->store, "bob");
	char *one = address_of(&ann, "one");
	struct pl_record_list list, rest;
	void *other_state = NULL;

	assert_int_equal(store_fixture_setup(&other_state), 0);
	other = other_state;
	assert_int_equal(set_avatar(f->store, &ann, "one"), PL_OK);
	assert_int_equal(set_avatar(f->store, &bob, "b"), PL_OK);
	assert_int_equal(
	    copy(f->store, other->store, PL_RECORD_USER, PL_RECORD_ADDED), 2);
	assert_int_equal(
	    copy(f->store, other->store, PL_RECORD_AVATAR, PL_RECORD_ADDED), 2);
	assert_int_equal(copy(f->store, other->store, PL_RECORD_USER, PL_RECORD_SAME), 2);
	assert_int_equal(
	    copy(f->store, other->store, PL_RECORD_AVATAR, PL_RECORD_SAME), 2);
	is_pictured(other->store, &ann, one, BOY("ann"));
	is_stored(other->store, &ann, "one");
	assert_int_equal(
	    pl_store_export(f->store, PL_RECORD_AVATAR, NULL, 1, &list), PL_OK);
	assert_int_equal(list.count, 1);
	assert_int_equal(
	    pl_store_export(f->store, PL_RECORD_AVATAR, &list.items[0], 10, &rest),
	    PL_OK);
	assert_int_equal(rest.count, 1);
	pl_record_list_fini(&list);
	pl_record_list_fini(&rest);
	assert_int_equal(set_avatar(f->store, &ann, "other"), PL_OK);
	assert_int_equal(set_avatar(f->store, &bob, "c"), PL_OK);
	assert_int_equal(
	    copy(f->store, other->store, PL_RECORD_AVATAR, PL_RECORD_DIFFERS), 2);
	is_stored(other->store, &ann, "one");
	store_fixture_teardown(&other_state);
	pl_mem_free(one);
}

int
store_accounts_suite(void)
{
	const struct CMUnitTest tests[] = {
	    STORE_TEST(changes_what_is_named_and_nothing_else),
	    STORE_TEST(finds_a_user_by_the_new_name_at_once),
	    STORE_TEST(leaves_a_picture_from_elsewhere_when_the_gender_changes),
	    STORE_TEST(shows_an_own_picture_until_it_is_dropped),
	    STORE_TEST(keeps_nothing_of_a_user_who_is_not_there),
	    STORE_TEST(copies_pictures_after_their_users),
	};

	return cmocka_run_group_tests_name("store: accounts", tests, NULL, NULL);
}
