#include <stdio.h>

#include "contract/store_contract.h"

static void
answers_a_repeated_send_with_the_first_answer(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann"),
		      bob = store_add_user(f->store, "bob");
	struct pl_write first, again;

	store_set_status(f->store, &bob, PL_STATUS_BUSY);
	store_send_init(&first, &ann, &bob, "hi", "k' OR 1=1");
	store_send_init(&again, &ann, &bob, "hi", "k' OR 1=1");
	assert_int_equal(store_write_one(f->store, &first), PL_OK);
	assert_int_equal(store_write_one(f->store, &again), PL_OK);
	assert_false(first.u.send.replayed);
	assert_true(first.u.send.busy);
	assert_true(again.u.send.replayed);
	assert_false(again.u.send.busy); /* no second job */
	assert_true(pl_oid_eq(&first.u.send.message.id, &again.u.send.message.id));
	assert_int_equal(
	    first.u.send.message.created_unix_ms, again.u.send.message.created_unix_ms);
	assert_int_equal(store_count(f->store, &ann, &bob), 1);
	store_send_fini(&first);
	store_send_fini(&again);
}

static void
looks_for_a_first_answer_without_storing(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann"),
		      bob = store_add_user(f->store, "bob");
	struct pl_write first, again, other;

	store_send_init(&first, &ann, &bob, "hi", "k");
	store_send_init(&again, &ann, &bob, "hi", "k");
	store_send_init(&other, &ann, &bob, "hi", "");
	again.u.send.only_replay = other.u.send.only_replay = true;
	assert_int_equal(store_write_one(f->store, &again), PL_OK);
	assert_false(again.u.send.replayed);
	assert_int_equal(store_write_one(f->store, &other), PL_OK);
	assert_false(other.u.send.replayed);
	assert_int_equal(store_count(f->store, &ann, &bob), 0);
	assert_int_equal(store_write_one(f->store, &first), PL_OK);
	assert_int_equal(store_write_one(f->store, &again), PL_OK);
	assert_true(again.u.send.replayed);
	assert_true(pl_oid_eq(&first.u.send.message.id, &again.u.send.message.id));
	assert_int_equal(store_count(f->store, &ann, &bob), 1);
	store_send_fini(&first);
	store_send_fini(&again);
	store_send_fini(&other);
}

static void
refuses_a_key_that_was_used_with_another_body(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann"),
		      bob = store_add_user(f->store, "bob"),
		      eve = store_add_user(f->store, "eve");
	struct pl_write first, text, receiver;

	store_send_init(&first, &ann, &bob, "hi", "k");
	store_send_init(&text, &ann, &bob, "ho", "k");
	store_send_init(&receiver, &ann, &eve, "hi", "k");
	assert_int_equal(store_write_one(f->store, &first), PL_OK);
	assert_int_equal(store_write_one(f->store, &text), PL_E_CONFLICT);
	assert_int_equal(store_write_one(f->store, &receiver), PL_E_CONFLICT);
	assert_int_equal(store_count(f->store, &ann, &bob), 1);
	assert_int_equal(store_count(f->store, &ann, &eve), 0);
	store_send_fini(&first);
	store_send_fini(&text);
	store_send_fini(&receiver);
}

static void
knows_a_key_of_the_same_batch(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann"),
		      bob = store_add_user(f->store, "bob");
	struct pl_write sends[3], *batch[3] = {&sends[0], &sends[1], &sends[2]};

	store_send_init(&sends[0], &ann, &bob, "hi", "k");
	store_send_init(&sends[1], &ann, &bob, "hi", "k");
	store_send_init(&sends[2], &ann, &bob, "ho", "k");
	pl_store_write(f->store, batch, 3);
	assert_int_equal(sends[0].err, PL_OK);
	assert_int_equal(sends[1].err, PL_OK);
	assert_true(sends[1].u.send.replayed);
	assert_int_equal(sends[2].err, PL_E_CONFLICT);
	assert_int_equal(store_count(f->store, &ann, &bob), 1);
	for (int i = 0; i < 3; i++)
		store_send_fini(&sends[i]);
}

static void
keeps_the_keys_of_two_senders_apart(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann"),
		      bob = store_add_user(f->store, "bob");
	struct pl_write mine, theirs;

	store_send_init(&mine, &ann, &bob, "hi", "k");
	store_send_init(&theirs, &bob, &ann, "hi", "k");
	assert_int_equal(store_write_one(f->store, &mine), PL_OK);
	assert_int_equal(store_write_one(f->store, &theirs), PL_OK);
	assert_false(theirs.u.send.replayed);
	assert_int_equal(store_count(f->store, &ann, &bob), 2);
	store_send_fini(&mine);
	store_send_fini(&theirs);
}

static void
send_same_key(struct worker *w, struct pl_store *s)
{
	const struct pl_oid *ann = w->arg;
	struct pl_write send;

	store_send_init(&send, ann, ann, "hi", "k");
	do
		w->err = store_write_one(s, &send);
	while (w->err == PL_E_UNAVAILABLE); /* too many at once */
	w->flag = send.u.send.replayed;
	w->id = send.u.send.message.id;
	store_send_fini(&send);
}

static void
stores_one_of_50_parallel_sends_with_one_key(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann");
	struct worker workers[50];
	int stored = 0;

	store_run_parallel(f, workers, 50, send_same_key, &ann);
	for (int i = 0; i < 50; i++) {
		assert_int_equal(workers[i].err, PL_OK);
		assert_true(pl_oid_eq(&workers[i].id, &workers[0].id));
		stored += !workers[i].flag;
	}
	assert_int_equal(stored, 1);
	assert_int_equal(store_count(f->store, &ann, &ann), 1);
}

int
store_idem_suite(void)
{
	const struct CMUnitTest tests[] = {
	    STORE_TEST(answers_a_repeated_send_with_the_first_answer),
	    STORE_TEST(looks_for_a_first_answer_without_storing),
	    STORE_TEST(refuses_a_key_that_was_used_with_another_body),
	    STORE_TEST(knows_a_key_of_the_same_batch),
	    STORE_TEST(keeps_the_keys_of_two_senders_apart),
	    STORE_TEST(stores_one_of_50_parallel_sends_with_one_key),
	};

	return cmocka_run_group_tests_name("store: idempotency keys", tests, NULL, NULL);
}
