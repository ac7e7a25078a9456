#include <stdio.h>

#include "base/clock.h"
#include "contract/store_contract.h"
#include "support/patience.h"

#define LONG_MS 60000

/* ann wrote to bob, who is BUSY. */
struct talk {
	struct pl_oid ann;
	struct pl_oid bob;
};

static struct talk
busy_talk(struct fixture *f)
{
	struct talk t = {
	    store_add_user(f->store, "ann"), store_add_user(f->store, "bob")};

	store_set_status(f->store, &t.bob, PL_STATUS_BUSY);
	return t;
}

static void
stores_a_job_only_for_a_busy_receiver(void **state)
{
	struct fixture *f = *state;
	struct talk t = busy_talk(f);
	struct pl_write to_bob, to_ann, claim;

	store_send_init(&to_ann, &t.bob, &t.ann, "to ann", NULL);
	assert_int_equal(store_write_one(f->store, &to_ann), PL_OK);
	assert_false(to_ann.u.send.busy);
	claim = store_claim(f->store, NULL, INT64_MAX, LONG_MS);
	assert_int_equal(claim.err, PL_E_NOT_FOUND);

	store_send_init(&to_bob, &t.ann, &t.bob, "to bob", NULL);
	assert_int_equal(store_write_one(f->store, &to_bob), PL_OK);
	assert_true(to_bob.u.send.busy);
	assert_int_equal(to_bob.u.send.status, PL_STATUS_BUSY);
	claim = store_claim(f->store, NULL, INT64_MAX, LONG_MS);
	assert_int_equal(claim.err, PL_OK);
	assert_string_equal(claim.u.claim.message.text, "to bob");
	assert_true(pl_oid_eq(&claim.u.claim.message.id, &to_bob.u.send.message.id));
	assert_string_equal(claim.u.claim.busy_user.username, "bob");
	assert_int_equal(claim.u.claim.attempt, 1);
	assert_in_range(
	    claim.u.claim.deadline_unix_ms - to_bob.u.send.message.created_unix_ms, 9900,
	    10000);
	store_claim_fini(&claim);
	store_send_fini(&to_ann);
	store_send_fini(&to_bob);
}

/* Whoever takes the job, and however often. */
static void
keeps_the_trace_of_the_send_in_its_job(void **state)
{
	static const char text[] =
	    "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
	struct fixture *f = *state;
	struct talk t = busy_talk(f);
	struct pl_message_pos without;
	struct pl_write sent, claim;

	store_send_init(&sent, &t.ann, &t.bob, "traced", NULL);
	assert_true(pl_trace_parse(PL_STR(text), &sent.u.send.trace));
	assert_int_equal(store_write_one(f->store, &sent), PL_OK);
	without = store_send(f->store, &t.ann, &t.bob, "not traced");
	for (int attempt = 1; attempt <= 2; attempt++) {
		claim = store_claim(
		    f->store, &sent.u.send.message.id, INT64_MAX, attempt == 1 ? 0 : 10);
		assert_int_equal(claim.err, PL_OK);
		assert_int_equal(claim.u.claim.attempt, attempt);
		assert_string_equal(claim.u.claim.trace.text, text);
		store_claim_fini(&claim);
	}
	claim = store_claim(f->store, &without.id, INT64_MAX, LONG_MS);
	assert_int_equal(claim.err, PL_OK);
	assert_true(pl_trace_is_none(&claim.u.claim.trace));
	store_claim_fini(&claim);
	store_send_fini(&sent);
}

static void
sees_a_status_set_just_ahead_in_the_batch(void **state)
{
	struct fixture *f = *state;
	struct talk t = busy_talk(f);
	struct pl_write writes[3] = {
	    [1] =
		{
		    .kind = PL_WRITE_STATUS,
		    .u.status = {.user = t.bob, .status = PL_STATUS_AVAILABLE},
		},
	};
	struct pl_write *batch[3] = {&writes[0], &writes[1], &writes[2]};

	store_send_init(&writes[0], &t.ann, &t.bob, "busy", NULL);
	store_send_init(&writes[2], &t.ann, &t.bob, "not busy", NULL);
	pl_store_write(f->store, batch, 3);
	assert_true(writes[0].u.send.busy);
	assert_false(writes[2].u.send.busy);
	store_send_fini(&writes[0]);
	store_send_fini(&writes[2]);
}

static void
leases_a_job_until_its_lease_ends(void **state)
{
	struct fixture *f = *state;
	struct talk t = busy_talk(f);
	int64_t give_up = pl_clock_mono_ms() + patient_ms(10000);
	struct pl_write claim;

	store_send(f->store, &t.ann, &t.bob, "hi");
	claim = store_claim(f->store, NULL, INT64_MAX, 50);
	assert_int_equal(claim.err, PL_OK);
	store_claim_fini(&claim);
	do
		claim = store_claim(f->store, NULL, INT64_MAX, LONG_MS);
	while (claim.err == PL_E_NOT_FOUND && pl_clock_mono_ms() < give_up);
	assert_int_equal(claim.err, PL_OK);
	assert_int_equal(claim.u.claim.attempt, 2);
	store_claim_fini(&claim);
	claim = store_claim(f->store, NULL, INT64_MAX, LONG_MS);
	assert_int_equal(claim.err, PL_E_NOT_FOUND);
}

static void
gives_the_job_due_first_and_none_due_later_than_asked(void **state)
{
	struct fixture *f = *state;
	struct talk t = busy_talk(f);
	static const int64_t within[3] = {30000, 10000, 20000};
	int64_t now = pl_clock_unix_ms();
	struct pl_oid ids[3];
	struct pl_write claim;

	for (int i = 0; i < 3; i++) {
		struct pl_write w;

		store_send_init(&w, &t.ann, &t.bob, "hi", NULL);
		w.u.send.reply_within_ms = within[i];
		assert_int_equal(store_write_one(f->store, &w), PL_OK);
		ids[i] = w.u.send.message.id;
		store_send_fini(&w);
	}
	claim = store_claim(f->store, NULL, now, LONG_MS);
	assert_int_equal(claim.err, PL_E_NOT_FOUND);
	claim = store_claim(f->store, NULL, now + 25000, LONG_MS);
	assert_int_equal(claim.err, PL_OK);
	assert_true(pl_oid_eq(&claim.u.claim.message.id, &ids[1]));
	store_claim_fini(&claim);
	claim = store_claim(f->store, NULL, now + 25000, LONG_MS);
	assert_int_equal(claim.err, PL_OK);
	assert_true(pl_oid_eq(&claim.u.claim.message.id, &ids[2]));
	store_claim_fini(&claim);
	claim = store_claim(f->store, NULL, now + 25000, LONG_MS);
	assert_int_equal(claim.err, PL_E_NOT_FOUND);
}

static void
gives_the_job_of_a_named_message_only(void **state)
{
	struct fixture *f = *state;
	struct talk t = busy_talk(f);
	struct pl_message_pos first = store_send(f->store, &t.ann, &t.bob, "one");
	struct pl_message_pos second = store_send(f->store, &t.ann, &t.bob, "two");
	struct pl_message_pos none = store_send(f->store, &t.bob, &t.ann, "three");
	struct pl_write claim = store_claim(f->store, &second.id, INT64_MAX, LONG_MS);

	assert_int_equal(claim.err, PL_OK);
	assert_true(pl_oid_eq(&claim.u.claim.message.id, &second.id));
	store_claim_fini(&claim);
	claim = store_claim(f->store, &second.id, INT64_MAX, LONG_MS);
	assert_int_equal(claim.err, PL_E_NOT_FOUND);
	claim = store_claim(f->store, &none.id, INT64_MAX, LONG_MS);
	assert_int_equal(claim.err, PL_E_NOT_FOUND);
	claim = store_claim(f->store, &first.id, INT64_MAX, LONG_MS);
	assert_int_equal(claim.err, PL_OK);
	store_claim_fini(&claim);
}

static void
tells_what_is_overdue_leased_or_not_until_it_has_its_reply(void **state)
{
	struct fixture *f = *state;
	struct talk t = busy_talk(f);
	static const int64_t within[3] = {2000, 1000, 3000};
	int64_t due = pl_clock_unix_ms() + 60000;
	struct pl_trace trace;
	struct pl_message_pos sent[3];
	struct pl_overdue_list list;
	struct pl_write claim, reply;

	assert_true(pl_trace_parse(
	    PL_STR("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"), &trace));
	for (int i = 0; i < 3; i++) {
		struct pl_write w;

		store_send_init(&w, &t.ann, &t.bob, "hi", NULL);
		w.u.send.reply_within_ms = within[i];
		w.u.send.trace = trace;
		assert_int_equal(store_write_one(f->store, &w), PL_OK);
		sent[i] = store_pos_of(&w.u.send.message);
		store_send_fini(&w);
	}
	claim = store_claim(f->store, &sent[1].id, INT64_MAX, LONG_MS);
	assert_int_equal(claim.err, PL_OK);
	store_claim_fini(&claim);

	assert_int_equal(pl_store_overdue(f->store, due - 60000, 9, &list), PL_OK);
	assert_int_equal(list.count, 0);
	pl_overdue_list_fini(&list);
	assert_int_equal(pl_store_overdue(f->store, due, 2, &list), PL_OK);
	assert_int_equal(list.count, 2);
	assert_int_equal(store_pos_compare(&list.items[0].message, &sent[1]), 0);
	assert_int_equal(store_pos_compare(&list.items[1].message, &sent[0]), 0);
	assert_string_equal(list.items[0].trace.text, trace.text);
	pl_overdue_list_fini(&list);

	reply = store_reply(f->store, &sent[1].id, "out");
	assert_int_equal(reply.err, PL_OK);
	pl_message_fini(&reply.u.reply.message);
	assert_int_equal(pl_store_overdue(f->store, due, 9, &list), PL_OK);
	assert_int_equal(list.count, 2);
	assert_int_equal(store_pos_compare(&list.items[1].message, &sent[2]), 0);
	pl_overdue_list_fini(&list);
}

static void
stores_one_reply_and_ends_the_job(void **state)
{
	struct fixture *f = *state;
	struct talk t = busy_talk(f);
	struct pl_message_pos sent = store_send(f->store, &t.ann, &t.bob, "hi");
	struct pl_write reply = store_reply(f->store, &sent.id, "I'm out'); --"), again,
			claim;
	const struct pl_message *m = &reply.u.reply.message;
	struct pl_message_pos pos;
	struct pl_message_list list;

	assert_int_equal(reply.err, PL_OK);
	assert_true(pl_oid_eq(&m->sender, &t.bob));
	assert_true(pl_oid_eq(&m->receiver, &t.ann));
	assert_string_equal(m->text, "I'm out'); --");
	assert_int_equal(m->reply_kind, PL_REPLY_LLM);
	assert_true(pl_oid_eq(&m->in_reply_to, &sent.id));
	pos = store_pos_of(m);
	assert_true(store_pos_compare(&sent, &pos) < 0);

	again = store_reply(f->store, &sent.id, "again");
	assert_int_equal(again.err, PL_E_CONFLICT);
	assert_null(again.u.reply.message.text);
	claim = store_claim(f->store, NULL, INT64_MAX, LONG_MS);
	assert_int_equal(claim.err, PL_E_NOT_FOUND);

	assert_int_equal(pl_store_messages_to(f->store, &t.ann, NULL, 9, &list), PL_OK);
	assert_int_equal(list.count, 1);
	assert_int_equal(list.items[0].reply_kind, PL_REPLY_LLM);
	assert_true(pl_oid_eq(&list.items[0].in_reply_to, &sent.id));
	pl_message_list_fini(&list);
	pl_message_fini(&reply.u.reply.message);
}

static void
refuses_a_reply_to_nothing_and_to_a_reply(void **state)
{
	struct fixture *f = *state;
	struct talk t = busy_talk(f);
	struct pl_message_pos sent = store_send(f->store, &t.ann, &t.bob, "hi");
	struct pl_write reply = store_reply(f->store, &sent.id, "out"), other;
	struct pl_oid none;

	pl_oid_new(&none);
	other = store_reply(f->store, &none, "out");
	assert_int_equal(other.err, PL_E_NOT_FOUND);
	other = store_reply(f->store, &reply.u.reply.message.id, "out");
	assert_int_equal(other.err, PL_E_NOT_FOUND);
	assert_int_equal(store_count(f->store, &t.ann, &t.bob), 2);
	pl_message_fini(&reply.u.reply.message);
}

static void
gives_a_reply_no_job_though_its_receiver_is_busy(void **state)
{
	struct fixture *f = *state;
	struct talk t = busy_talk(f);
	struct pl_message_pos sent = store_send(f->store, &t.ann, &t.bob, "hi");
	struct pl_write reply, claim;

	store_set_status(f->store, &t.ann, PL_STATUS_BUSY);
	reply = store_reply(f->store, &sent.id, "out");
	assert_int_equal(reply.err, PL_OK);
	claim = store_claim(f->store, NULL, INT64_MAX, LONG_MS);
	assert_int_equal(claim.err, PL_E_NOT_FOUND);
	pl_message_fini(&reply.u.reply.message);
}

/* ---- in parallel ---- */

#define JOBS     40
#define CLAIMERS 8

/* However many do so at once. */
static struct pl_write
reply_in_turn(struct pl_store *s, const struct pl_oid *to)
{
	for (;;) {
		struct pl_write reply = store_reply(s, to, "out");

		if (reply.err != PL_E_UNAVAILABLE)
			return reply;
		pl_message_fini(&reply.u.reply.message);
	}
}

/* Take jobs until there are none; each is answered twice, as if two had it. */
static void
claim_and_reply(struct worker *w, struct pl_store *s)
{
	for (;;) {
		struct pl_write claim = store_claim(s, NULL, INT64_MAX, LONG_MS);

		if (claim.err == PL_E_UNAVAILABLE) /* too many at once */
			continue;
		if (claim.err != PL_OK) {
			w->err = claim.err;
			return;
		}
		for (int i = 0; i < 2; i++) {
			struct pl_write reply =
			    reply_in_turn(s, &claim.u.claim.message.id);

			w->count += reply.err == PL_OK;
			w->flag = w->flag || claim.u.claim.attempt != 1;
			pl_message_fini(&reply.u.reply.message);
		}
		store_claim_fini(&claim);
	}
}

static void
gives_each_job_to_one_of_many_claimers(void **state)
{
	struct fixture *f = *state;
	struct talk t = busy_talk(f);
	struct worker workers[CLAIMERS];
	size_t replies = 0;

	for (int i = 0; i < JOBS; i++)
		store_send(f->store, &t.ann, &t.bob, "hi");
	store_run_parallel(f, workers, CLAIMERS, claim_and_reply, NULL);
	for (int i = 0; i < CLAIMERS; i++) {
		assert_int_equal(workers[i].err, PL_E_NOT_FOUND);
		assert_false(workers[i].flag);
		replies += workers[i].count;
	}
	assert_int_equal(replies, JOBS);
	assert_int_equal(store_count(f->store, &t.ann, &t.bob), 2 * JOBS);
}

static void
reply_to_same(struct worker *w, struct pl_store *s)
{
	struct pl_write reply = reply_in_turn(s, w->arg);

	w->err = reply.err;
	pl_message_fini(&reply.u.reply.message);
}

static void
stores_one_of_many_parallel_replies(void **state)
{
	struct fixture *f = *state;
	struct talk t = busy_talk(f);
	struct pl_message_pos sent = store_send(f->store, &t.ann, &t.bob, "hi");
	struct worker workers[CLAIMERS];
	int stored = 0;

	store_run_parallel(f, workers, CLAIMERS, reply_to_same, &sent.id);
	for (int i = 0; i < CLAIMERS; i++) {
		if (workers[i].err == PL_OK)
			stored++;
		else
			assert_int_equal(workers[i].err, PL_E_CONFLICT);
	}
	assert_int_equal(stored, 1);
	assert_int_equal(store_count(f->store, &t.ann, &t.bob), 2);
}

int
store_replies_suite(void)
{
	const struct CMUnitTest tests[] = {
	    STORE_TEST(stores_a_job_only_for_a_busy_receiver),
	    STORE_TEST(keeps_the_trace_of_the_send_in_its_job),
	    STORE_TEST(sees_a_status_set_just_ahead_in_the_batch),
	    STORE_TEST(leases_a_job_until_its_lease_ends),
	    STORE_TEST(gives_the_job_due_first_and_none_due_later_than_asked),
	    STORE_TEST(gives_the_job_of_a_named_message_only),
	    STORE_TEST(tells_what_is_overdue_leased_or_not_until_it_has_its_reply),
	    STORE_TEST(stores_one_reply_and_ends_the_job),
	    STORE_TEST(refuses_a_reply_to_nothing_and_to_a_reply),
	    STORE_TEST(gives_a_reply_no_job_though_its_receiver_is_busy),
	    STORE_TEST(gives_each_job_to_one_of_many_claimers),
	    STORE_TEST(stores_one_of_many_parallel_replies),
	};

	return cmocka_run_group_tests_name("store: replies", tests, NULL, NULL);
}
