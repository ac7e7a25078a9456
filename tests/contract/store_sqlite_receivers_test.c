/*
 * What a session knows of those to whom it has sent (receivers.c) is what the database
 * has, whoever changed it meanwhile: another process, another write of the same batch, or
 * one that was rolled back.
 */
#include <stdio.h>

#include "base/mem.h"
#include "contract/sqlite_files.h"
#include "store/sqlite/session.h"

struct scene {
	struct fixture *f;
	struct pl_store *other; /* process */
	struct pl_oid ann, bob;
};

/* ann has sent to bob. */
static struct scene
play(struct fixture *f)
{
	struct scene s = {.f = f,
	    .ann = store_add_user(f->store, "ann"),
	    .bob = store_add_user(f->store, "bob")};

	assert_int_equal(pl_store_open(&f->config, &s.other), PL_OK);
	for (int i = 0; i < 3; i++)
		store_send(f->store, &s.ann, &s.bob, "hi");
	assert_non_null(pl_sqlite_of(f->store)->receivers);
	return s;
}

static void
end(struct scene *s)
{
	pl_store_close(s->other);
}

static void
status_init(struct pl_write *w, const struct pl_oid *user, enum pl_status status)
{
	*w = (struct pl_write){.kind = PL_WRITE_STATUS,
	    .u.status = {.user = *user, .status = status, .note = PL_STR_NONE}};
}

static void
block_init(
    struct pl_write *w, const struct pl_oid *user, const struct pl_oid *other, bool is_on)
{
	*w = (struct pl_write){.kind = PL_WRITE_BLOCK,
	    .u.block = {.user = *user, .other = *other, .is_blocked = is_on, .limit = 9}};
}

/* Of a send from ann to bob. */
static enum pl_err
send_again(struct scene *s, bool *is_busy)
{
	struct pl_write w;
	enum pl_err err;

	store_send_init(&w, &s->ann, &s->bob, "hi", NULL);
	err = store_write_one(s->f->store, &w);
	if (is_busy != NULL)
		*is_busy = w.u.send.busy;
	store_send_fini(&w);
	return err;
}

static void
write_by(struct pl_store *store, struct pl_write *w)
{
	assert_int_equal(store_write_one(store, w), PL_OK);
}

static void
sees_a_status_that_another_process_has_set(void **state)
{
	struct scene s = play(*state);
	struct pl_write w;
	bool is_busy;

	for (int i = 0; i < 3; i++) {
		status_init(&w, &s.bob, PL_STATUS_BUSY);
		write_by(s.other, &w);
		assert_int_equal(send_again(&s, &is_busy), PL_OK);
		assert_true(is_busy);
		status_init(&w, &s.bob, PL_STATUS_AVAILABLE);
		write_by(s.other, &w);
		assert_int_equal(send_again(&s, &is_busy), PL_OK);
		assert_false(is_busy);
	}
	end(&s);
}

static void
sees_a_block_and_a_user_who_is_gone(void **state)
{
	struct scene s = play(*state);
	struct pl_write w;

	block_init(&w, &s.bob, &s.ann, true);
	write_by(s.other, &w);
	assert_int_equal(send_again(&s, NULL), PL_E_DENIED);
	assert_int_equal(send_again(&s, NULL), PL_E_DENIED);
	block_init(&w, &s.bob, &s.ann, false);
	write_by(s.other, &w);
	assert_int_equal(send_again(&s, NULL), PL_OK);
	assert_int_equal(send_again(&s, NULL), PL_OK);
	/* The sender's own, in this process. */
	block_init(&w, &s.ann, &s.bob, true);
	write_by(s.f->store, &w);
	assert_int_equal(send_again(&s, NULL), PL_E_DENIED);
	block_init(&w, &s.ann, &s.bob, false);
	write_by(s.f->store, &w);
	assert_int_equal(send_again(&s, NULL), PL_OK);
	sqlite_files_run(&s.f->config, "DELETE FROM users WHERE username = 'bob'");
	assert_int_equal(send_again(&s, NULL), PL_E_NOT_FOUND);
	end(&s);
}

static void
sees_what_the_same_batch_has_changed(void **state)
{
	struct scene s = play(*state);
	struct pl_write writes[4];
	struct pl_write *batch[4] = {&writes[0], &writes[1], &writes[2], &writes[3]};

	store_send_init(&writes[0], &s.ann, &s.bob, "1", NULL);
	status_init(&writes[1], &s.bob, PL_STATUS_BUSY);
	store_send_init(&writes[2], &s.ann, &s.bob, "2", NULL);
	block_init(&writes[3], &s.bob, &s.ann, true);
	pl_store_write(s.f->store, batch, 4);
	for (int i = 0; i < 4; i++)
		assert_int_equal(writes[i].err, PL_OK);
	assert_false(writes[0].u.send.busy);
	assert_true(writes[2].u.send.busy);
	assert_int_equal(send_again(&s, NULL), PL_E_DENIED);
	store_send_fini(&writes[0]);
	store_send_fini(&writes[2]);
	end(&s);
}

/* bob was AVAILABLE for a moment only. */
static void
forgets_what_was_rolled_back(void **state)
{
	struct scene s = play(*state);
	struct pl_sqlite *session = pl_sqlite_of(s.f->store);
	struct pl_write w;
	bool is_busy, is_blocked;
	enum pl_status status;

	status_init(&w, &s.bob, PL_STATUS_BUSY);
	write_by(s.f->store, &w);
	assert_int_equal(send_again(&s, NULL), PL_OK);
	assert_int_equal(pl_sqlite_begin(session), PL_OK);
	assert_int_equal(
	    pl_sqlite_user_set_status(session, &s.bob, PL_STATUS_AVAILABLE, PL_STR_NONE),
	    PL_OK);
	pl_sqlite_receivers_forget(session);
	assert_int_equal(
	    pl_sqlite_receiver_of_send(session, &s.ann, &s.bob, &status, &is_blocked),
	    PL_OK);
	assert_int_equal(status, PL_STATUS_AVAILABLE);
	pl_sqlite_rollback(session);
	assert_int_equal(send_again(&s, &is_busy), PL_OK);
	assert_true(is_busy);
	end(&s);
}

/* Messages of two processes, in turn: each comes after the other's. */
static void
puts_each_message_after_those_of_others(void **state)
{
	struct scene s = play(*state);
	struct pl_message_pos last = store_send(s.f->store, &s.ann, &s.bob, "hi");

	for (int i = 0; i < 50; i++) {
		struct pl_message_pos at =
		    store_send(i % 3 == 0 ? s.other : s.f->store, &s.ann, &s.bob, "hi");

		assert_true(store_pos_compare(&at, &last) > 0);
		last = at;
	}
	end(&s);
}

/* More receivers than are known at once. */
static void
knows_no_more_receivers_than_it_may(void **state)
{
	enum { USERS = 1500 };
	struct scene s = play(*state);
	static struct pl_oid users[USERS];
	char name[16];

	assert_int_equal(
	    pl_sqlite_exec(pl_sqlite_of(s.f->store), "PRAGMA synchronous = OFF"), PL_OK);
	for (int i = 0; i < USERS; i++) {
		snprintf(name, sizeof(name), "user%d", i);
		users[i] = store_add_user(s.f->store, name);
	}
	for (int round = 0; round < 2; round++)
		for (int i = 0; i < USERS; i++)
			store_send(s.f->store, &s.ann, &users[i], "hi");
	assert_int_equal(sqlite_files_number(&s.f->config,
			     "SELECT count(DISTINCT receiver) FROM messages"),
	    USERS + 1);
	end(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    STORE_TEST(sees_a_status_that_another_process_has_set),
	    STORE_TEST(sees_a_block_and_a_user_who_is_gone),
	    STORE_TEST(sees_what_the_same_batch_has_changed),
	    STORE_TEST(forgets_what_was_rolled_back),
	    STORE_TEST(puts_each_message_after_those_of_others),
	    STORE_TEST(knows_no_more_receivers_than_it_may),
	};

	store_contract_use(&sqlite_factory);
	return cmocka_run_group_tests_name("sqlite: receivers", tests, NULL, NULL);
}
