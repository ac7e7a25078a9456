/* Invites, and users whom the operator has disabled. */
#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "contract/store_contract.h"
#include "store/store_records.h"

#define DAY_MS (24 * 3600 * INT64_C(1000))

static struct pl_invite
invite_of(int64_t uses, int64_t for_ms)
{
	char code[PL_INVITE_CODE_LEN + 1];
	struct pl_invite invite = {.uses = uses};

	pl_invite_draw(&invite, code);
	invite.created_unix_ms = pl_clock_unix_ms();
	invite.expires_unix_ms = invite.created_unix_ms + for_ms;
	return invite;
}

static struct pl_invite
keep(struct pl_store *s, int64_t uses, int64_t for_ms)
{
	struct pl_invite invite = invite_of(uses, for_ms);
	struct pl_write w = {.kind = PL_WRITE_INVITE, .u.invite = &invite};

	assert_int_equal(store_write_one(s, &w), PL_OK);
	return invite;
}

static enum pl_err
sign_up(struct pl_store *s, const char *username, const struct pl_invite *invite,
    struct pl_oid *id)
{
	struct pl_signup signup = {
	    .full_name = PL_STR("Some Body"), .username = pl_str(username)};
	struct pl_write w = {.kind = PL_WRITE_INVITED};
	struct pl_user user;
	enum pl_err err;

	pl_user_from_signup(&user, &signup, pl_mem_strdup("hash"), pl_clock_unix_ms());
	w.u.invited.user = &user;
	memcpy(w.u.invited.code_id, invite->code_id, PL_INVITE_ID_LEN);
	err = store_write_one(s, &w);
	if (id != NULL)
		*id = user.id;
	pl_user_fini(&user);
	return err;
}

static bool
is_there(struct pl_store *s, const char *username)
{
	struct pl_user user;
	enum pl_err err = pl_store_user_by_username(s, pl_str(username), &user);

	if (err == PL_OK)
		pl_user_fini(&user);
	return err == PL_OK;
}

static void
lets_as_many_sign_up_as_an_invite_has_uses(void **state)
{
	struct fixture *f = *state;
	struct pl_invite invite = keep(f->store, 2, DAY_MS);

	assert_int_equal(pl_store_invite_look(f->store, invite.code_id), PL_OK);
	assert_int_equal(sign_up(f->store, "ann", &invite, NULL), PL_OK);
	assert_int_equal(pl_store_invite_look(f->store, invite.code_id), PL_OK);
	assert_int_equal(sign_up(f->store, "bob", &invite, NULL), PL_OK);
	assert_int_equal(pl_store_invite_look(f->store, invite.code_id), PL_E_NOT_FOUND);
	assert_int_equal(sign_up(f->store, "eve", &invite, NULL), PL_E_NOT_FOUND);
	assert_true(is_there(f->store, "ann") && is_there(f->store, "bob"));
	assert_false(is_there(f->store, "eve"));
}

static void
lets_nobody_sign_up_by_an_invite_that_is_none(void **state)
{
	struct fixture *f = *state;
	struct pl_invite none = invite_of(1, DAY_MS), old = keep(f->store, 1, -1);

	keep(f->store, 1, DAY_MS); /* the one of somebody else */
	assert_int_equal(pl_store_invite_look(f->store, none.code_id), PL_E_NOT_FOUND);
	assert_int_equal(pl_store_invite_look(f->store, old.code_id), PL_E_NOT_FOUND);
	assert_int_equal(sign_up(f->store, "ann", &none, NULL), PL_E_NOT_FOUND);
	assert_int_equal(sign_up(f->store, "ann", &old, NULL), PL_E_NOT_FOUND);
	assert_false(is_there(f->store, "ann"));
}

static void
does_not_use_an_invite_up_if_the_name_is_taken(void **state)
{
	struct fixture *f = *state;
	struct pl_invite invite = keep(f->store, 1, DAY_MS);

	store_add_user(f->store, "ann");
	for (int i = 0; i < 3; i++)
		assert_int_equal(sign_up(f->store, "ann", &invite, NULL), PL_E_CONFLICT);
	assert_int_equal(pl_store_invite_look(f->store, invite.code_id), PL_OK);
	assert_int_equal(sign_up(f->store, "bob", &invite, NULL), PL_OK);
	/* A stranger without an invite does not learn which names there are. */
	assert_int_equal(sign_up(f->store, "ann", &invite, NULL), PL_E_NOT_FOUND);
}

static void
sign_up_at_once(struct worker *w, struct pl_store *s)
{
	char name[16];

	snprintf(name, sizeof(name), "u%u", w->index);
	do
		w->err = sign_up(s, name, w->arg, &w->id);
	while (w->err == PL_E_UNAVAILABLE); /* too many at once */
}

static void
lets_one_of_two_at_once_have_the_last_use(void **state)
{
	struct fixture *f = *state;
	struct pl_invite invite = keep(f->store, 3, DAY_MS);
	struct worker workers[12];
	struct pl_user_list users;
	int won = 0;

	store_run_parallel(f, workers, 12, sign_up_at_once, &invite);
	for (int i = 0; i < 12; i++) {
		won += workers[i].err == PL_OK;
		if (workers[i].err != PL_OK)
			assert_int_equal(workers[i].err, PL_E_NOT_FOUND);
	}
	assert_int_equal(won, 3);
	assert_int_equal(pl_store_users_page(f->store, NULL, 100, &users), PL_OK);
	assert_int_equal(users.count, 3);
	pl_user_list_fini(&users);
}

static void
sign_up_same_name(struct worker *w, struct pl_store *s)
{
	do
		w->err = sign_up(s, "ann", w->arg, &w->id);
	while (w->err == PL_E_UNAVAILABLE); /* too many at once */
}

static void
loses_one_use_of_many_at_once_that_want_one_name(void **state)
{
	struct fixture *f = *state;
	struct pl_invite invite = keep(f->store, 12, DAY_MS);
	struct worker workers[12];
	struct pl_record_list list;
	int won = 0;

	store_run_parallel(f, workers, 12, sign_up_same_name, &invite);
	for (int i = 0; i < 12; i++)
		won += workers[i].err == PL_OK;
	assert_int_equal(won, 1);
	assert_int_equal(
	    pl_store_export(f->store, PL_RECORD_INVITE, NULL, 10, &list), PL_OK);
	assert_int_equal(list.count, 1);
	assert_int_equal(list.items[0].u.invite.uses, 12);
	assert_int_equal(list.items[0].u.invite.used, 1);
	pl_record_list_fini(&list);
}

static void
drops_expired_invites_with_the_next_one(void **state)
{
	struct fixture *f = *state;
	struct pl_invite old = keep(f->store, 1, -1), fresh = keep(f->store, 1, DAY_MS);
	struct pl_write w = {.kind = PL_WRITE_INVITE, .u.invite = &old};

	/* Else there would be one of that code already. */
	old.expires_unix_ms = fresh.expires_unix_ms;
	assert_int_equal(store_write_one(f->store, &w), PL_OK);
	assert_int_equal(store_write_one(f->store, &w), PL_E_CONFLICT);
	assert_int_equal(pl_store_invite_look(f->store, fresh.code_id), PL_OK);
}

/* ---- copies ---- */

static void
copies_invites_page_by_page(void **state)
{
	struct fixture *f = *state;
	struct pl_invite half_used = keep(f->store, 2, DAY_MS);
	struct pl_record_list first, second;
	struct pl_record copy;

	keep(f->store, 5, DAY_MS);
	keep(f->store, 1, 1 - DAY_MS); /* expired: not copied */
	assert_int_equal(sign_up(f->store, "ann", &half_used, NULL), PL_OK);
	assert_int_equal(
	    pl_store_export(f->store, PL_RECORD_INVITE, NULL, 1, &first), PL_OK);
	assert_int_equal(first.count, 1);
	assert_int_equal(
	    pl_store_export(f->store, PL_RECORD_INVITE, &first.items[0], 2, &second),
	    PL_OK);
	assert_int_equal(second.count, 1);
	copy = first.items[0];
	assert_int_equal(pl_store_import(f->store, &copy, 1), PL_OK);
	assert_int_equal(copy.outcome, PL_RECORD_SAME);
	copy.u.invite.used++;
	assert_int_equal(pl_store_import(f->store, &copy, 1), PL_OK);
	assert_int_equal(copy.outcome, PL_RECORD_DIFFERS);
	copy.u.invite.code_id[0] ^= 1;
	assert_int_equal(pl_store_import(f->store, &copy, 1), PL_OK);
	assert_int_equal(copy.outcome, PL_RECORD_ADDED);
	pl_record_list_fini(&first);
	pl_record_list_fini(&second);
}

/* ---- disabled ---- */

static enum pl_err
disable(struct pl_store *s, const struct pl_oid *user, bool is_disabled)
{
	struct pl_write w = {.kind = PL_WRITE_DISABLED,
	    .u.disabled = {.user = *user, .is_disabled = is_disabled}};

	return store_write_one(s, &w);
}

static enum pl_err
open_session(struct pl_store *s, const struct pl_oid *user, uint8_t name)
{
	struct pl_write w = {.kind = PL_WRITE_SESSION, .u.session = {.user = *user}};

	memset(w.u.session.token_id, name, PL_JWT_ID_LEN);
	w.u.session.issued_unix_s = pl_clock_unix_ms() / 1000;
	return store_write_one(s, &w);
}

static bool
is_disabled(struct pl_store *s, const struct pl_oid *id)
{
	struct pl_user user;
	bool is;

	assert_int_equal(pl_store_user_by_id(s, id, &user), PL_OK);
	is = user.is_disabled;
	pl_user_fini(&user);
	return is;
}

static void
disables_and_enables_a_user_and_no_other(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann"), nobody;
	struct pl_oid bob = store_add_user(f->store, "bob");

	pl_oid_new(&nobody);
	assert_int_equal(disable(f->store, &nobody, true), PL_E_NOT_FOUND);
	assert_int_equal(disable(f->store, &ann, true), PL_OK);
	assert_int_equal(disable(f->store, &ann, true), PL_OK);
	assert_true(is_disabled(f->store, &ann));
	assert_false(is_disabled(f->store, &bob));
	assert_int_equal(disable(f->store, &ann, false), PL_OK);
	assert_int_equal(disable(f->store, &ann, false), PL_OK);
	assert_false(is_disabled(f->store, &ann));
}

static void
begins_no_session_of_a_disabled_user(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann");
	struct pl_oid bob = store_add_user(f->store, "bob");

	assert_int_equal(open_session(f->store, &ann, 1), PL_OK);
	assert_int_equal(disable(f->store, &ann, true), PL_OK);
	assert_int_equal(open_session(f->store, &ann, 2), PL_E_NOT_FOUND);
	assert_int_equal(open_session(f->store, &bob, 3), PL_OK);
	assert_int_equal(disable(f->store, &ann, false), PL_OK);
	assert_int_equal(open_session(f->store, &ann, 4), PL_OK);
}

/* A log-in that was checked against the hash of before, or whose user is gone. */
static void
begins_no_session_by_another_password(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann"), nobody = {{9}};
	struct pl_session_list list;
	struct pl_write w = {.kind = PL_WRITE_SESSION,
	    .u.session = {.user = ann, .token_id = {1}, .password_hash = "another"}};

	w.u.session.issued_unix_s = pl_clock_unix_ms() / 1000;
	assert_int_equal(store_write_one(f->store, &w), PL_E_CONFLICT);
	assert_int_equal(pl_store_sessions_of(f->store, &ann, &list), PL_OK);
	assert_int_equal(list.count, 0);
	w.u.session.password_hash = "hash";
	assert_int_equal(store_write_one(f->store, &w), PL_OK);
	assert_int_equal(pl_store_sessions_of(f->store, &ann, &list), PL_OK);
	assert_int_equal(list.count, 1);
	w.u.session.user = nobody;
	assert_int_equal(store_write_one(f->store, &w), PL_E_CONFLICT);
}

/* For whoever writes they are a user like any other. */
static void
keeps_messages_to_a_disabled_user(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann");
	struct pl_oid bob = store_add_user(f->store, "bob");
	bool exist = false;

	assert_int_equal(disable(f->store, &bob, true), PL_OK);
	store_send(f->store, &ann, &bob, "for later");
	assert_int_equal(pl_store_users_exist(f->store, &bob, 1, &exist), PL_OK);
	assert_true(exist);
	assert_int_equal(store_count(f->store, &ann, &bob), 1);
}

static void
copies_that_a_user_is_disabled(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann");
	struct pl_record_list list;
	struct pl_record r;

	assert_int_equal(disable(f->store, &ann, true), PL_OK);
	assert_int_equal(
	    pl_store_export(f->store, PL_RECORD_USER, NULL, 10, &list), PL_OK);
	assert_int_equal(list.count, 1);
	assert_true(list.items[0].u.user.is_disabled);
	r = list.items[0];
	assert_int_equal(pl_store_import(f->store, &r, 1), PL_OK);
	assert_int_equal(r.outcome, PL_RECORD_SAME);
	r.u.user.is_disabled = false;
	assert_int_equal(pl_store_import(f->store, &r, 1), PL_OK);
	assert_int_equal(r.outcome, PL_RECORD_DIFFERS);
	r.u.user.is_disabled = true;
	pl_oid_new(&r.u.user.id);
	r.u.user.username[0] = 'A';
	assert_int_equal(pl_store_import(f->store, &r, 1), PL_OK);
	assert_int_equal(r.outcome, PL_RECORD_ADDED);
	assert_true(is_disabled(f->store, &r.u.user.id));
	pl_record_list_fini(&list);
}

int
store_invites_suite(void)
{
	const struct CMUnitTest tests[] = {
	    STORE_TEST(lets_as_many_sign_up_as_an_invite_has_uses),
	    STORE_TEST(lets_nobody_sign_up_by_an_invite_that_is_none),
	    STORE_TEST(does_not_use_an_invite_up_if_the_name_is_taken),
	    STORE_TEST(lets_one_of_two_at_once_have_the_last_use),
	    STORE_TEST(loses_one_use_of_many_at_once_that_want_one_name),
	    STORE_TEST(drops_expired_invites_with_the_next_one),
	    STORE_TEST(copies_invites_page_by_page),
	    STORE_TEST(disables_and_enables_a_user_and_no_other),
	    STORE_TEST(begins_no_session_of_a_disabled_user),
	    STORE_TEST(begins_no_session_by_another_password),
	    STORE_TEST(keeps_messages_to_a_disabled_user),
	    STORE_TEST(copies_that_a_user_is_disabled),
	};

	return cmocka_run_group_tests_name("invites", tests, NULL, NULL);
}
