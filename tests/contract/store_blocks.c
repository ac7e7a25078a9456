/* Blocks: what they refuse, whom they concern, how many there may be, and what comes at
 * the same time. */
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "support/patience.h"
#include "contract/store_contract.h"
#include "store/store_records.h"

#define LIMIT 100

/* ann, bob and eve. */
struct three {
	struct pl_oid ann, bob, eve;
};

static struct three
three_people(struct fixture *f)
{
	return (struct three){store_add_user(f->store, "ann"),
	    store_add_user(f->store, "bob"), store_add_user(f->store, "eve")};
}

static struct pl_write
block_write(const struct pl_oid *user, const struct pl_oid *other, bool is_blocked)
{
	return (struct pl_write){.kind = PL_WRITE_BLOCK,
	    .u.block = {.user = *user,
		.other = *other,
		.is_blocked = is_blocked,
		.limit = LIMIT}};
}

static enum pl_err
block(struct pl_store *s, const struct pl_oid *user, const struct pl_oid *other)
{
	struct pl_write w = block_write(user, other, true);

	return store_write_one(s, &w);
}

static enum pl_err
unblock(struct pl_store *s, const struct pl_oid *user, const struct pl_oid *other)
{
	struct pl_write w = block_write(user, other, false);

	return store_write_one(s, &w);
}

/* What becomes of a send, under key if it is not NULL. */
static enum pl_err
outcome(struct pl_store *s, const struct pl_oid *from, const struct pl_oid *to,
    const char *text, const char *key)
{
	struct pl_write w;
	enum pl_err err;

	store_send_init(&w, from, to, text, key);
	err = store_write_one(s, &w);
	store_send_fini(&w);
	return err;
}

static struct pl_oid
pick_id(struct pl_store *s, const struct pl_oid *user, size_t at, size_t *count)
{
	struct pl_block_list list;
	struct pl_oid id = {{0}};

	assert_int_equal(pl_store_blocks_page(s, user, NULL, 1000, &list), PL_OK);
	*count = list.count;
	if (at < list.count) {
		assert_true(pl_oid_eq(&list.items[at].user, user));
		id = list.items[at].other;
	}
	pl_block_list_fini(&list);
	return id;
}

static size_t
blocks_of(struct pl_store *s, const struct pl_oid *user)
{
	size_t count;

	pick_id(s, user, 0, &count);
	return count;
}

static void
refuses_sends_both_ways_and_stores_nothing(void **state)
{
	struct fixture *f = *state;
	struct three t = three_people(f);

	assert_int_equal(block(f->store, &t.ann, &t.bob), PL_OK);
	assert_int_equal(outcome(f->store, &t.ann, &t.bob, "hi", NULL), PL_E_DENIED);
	assert_int_equal(outcome(f->store, &t.bob, &t.ann, "hi", "a-key"), PL_E_DENIED);
	assert_int_equal(store_count(f->store, &t.ann, &t.bob), 0);
	/* Each may write to others, and to themselves. */
	assert_int_equal(outcome(f->store, &t.ann, &t.eve, "hi", NULL), PL_OK);
	assert_int_equal(outcome(f->store, &t.eve, &t.bob, "hi", NULL), PL_OK);
	assert_int_equal(outcome(f->store, &t.bob, &t.bob, "hi", NULL), PL_OK);
	/* Nothing was kept under the key. */
	assert_int_equal(unblock(f->store, &t.ann, &t.bob), PL_OK);
	assert_int_equal(outcome(f->store, &t.bob, &t.ann, "another", "a-key"), PL_OK);
	assert_int_equal(store_count(f->store, &t.ann, &t.bob), 1);
}

static void
holds_while_either_blocks(void **state)
{
	struct fixture *f = *state;
	struct three t = three_people(f);

	assert_int_equal(block(f->store, &t.ann, &t.bob), PL_OK);
	assert_int_equal(block(f->store, &t.bob, &t.ann), PL_OK);
	assert_int_equal(unblock(f->store, &t.ann, &t.bob), PL_OK);
	assert_int_equal(outcome(f->store, &t.ann, &t.bob, "hi", NULL), PL_E_DENIED);
	assert_int_equal(pl_store_may_write(f->store, &t.ann, &t.bob), PL_E_DENIED);
	assert_int_equal(unblock(f->store, &t.bob, &t.ann), PL_OK);
	assert_int_equal(outcome(f->store, &t.ann, &t.bob, "hi", NULL), PL_OK);
	assert_int_equal(pl_store_may_write(f->store, &t.ann, &t.bob), PL_OK);
}

static void
says_whether_one_may_write(void **state)
{
	struct fixture *f = *state;
	struct three t = three_people(f);
	struct pl_oid nobody;

	pl_oid_new(&nobody);
	assert_int_equal(pl_store_may_write(f->store, &t.ann, &t.bob), PL_OK);
	assert_int_equal(pl_store_may_write(f->store, &t.ann, &nobody), PL_E_NOT_FOUND);
	assert_int_equal(block(f->store, &t.ann, &t.bob), PL_OK);
	assert_int_equal(pl_store_may_write(f->store, &t.ann, &t.bob), PL_E_DENIED);
	assert_int_equal(pl_store_may_write(f->store, &t.bob, &t.ann), PL_E_DENIED);
	assert_int_equal(pl_store_may_write(f->store, &t.eve, &t.ann), PL_OK);
}

static void
blocks_and_unblocks_again_and_again(void **state)
{
	struct fixture *f = *state;
	struct three t = three_people(f);
	struct pl_oid nobody;

	pl_oid_new(&nobody);
	for (int i = 0; i < 2; i++)
		assert_int_equal(block(f->store, &t.ann, &t.bob), PL_OK);
	assert_int_equal(blocks_of(f->store, &t.ann), 1);
	assert_int_equal(blocks_of(f->store, &t.bob), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(unblock(f->store, &t.ann, &t.bob), PL_OK);
	assert_int_equal(blocks_of(f->store, &t.ann), 0);
	assert_int_equal(block(f->store, &t.ann, &nobody), PL_E_NOT_FOUND);
	assert_int_equal(unblock(f->store, &t.ann, &nobody), PL_E_NOT_FOUND);
}

static void
takes_no_more_blocks_than_the_limit(void **state)
{
	struct fixture *f = *state;
	struct three t = three_people(f);
	struct pl_write w = block_write(&t.ann, &t.bob, true);

	w.u.block.limit = 1;
	assert_int_equal(store_write_one(f->store, &w), PL_OK);
	w.u.block.other = t.eve;
	assert_int_equal(store_write_one(f->store, &w), PL_E_TOO_BIG);
	assert_int_equal(outcome(f->store, &t.eve, &t.ann, "hi", NULL), PL_OK);
	w.u.block.other = t.bob; /* who is there already */
	assert_int_equal(store_write_one(f->store, &w), PL_OK);
	assert_int_equal(unblock(f->store, &t.ann, &t.bob), PL_OK);
	w.u.block.other = t.eve;
	assert_int_equal(store_write_one(f->store, &w), PL_OK);
	assert_int_equal(blocks_of(f->store, &t.ann), 1);
}

static void
answers_a_send_that_was_accepted_before(void **state)
{
	struct fixture *f = *state;
	struct three t = three_people(f);
	struct pl_write first, again;

	store_send_init(&first, &t.ann, &t.bob, "hi", "a-key");
	assert_int_equal(store_write_one(f->store, &first), PL_OK);
	assert_int_equal(block(f->store, &t.bob, &t.ann), PL_OK);
	store_send_init(&again, &t.ann, &t.bob, "hi", "a-key");
	assert_int_equal(store_write_one(f->store, &again), PL_OK);
	assert_true(again.u.send.replayed);
	assert_true(pl_oid_eq(&again.u.send.message.id, &first.u.send.message.id));
	assert_int_equal(
	    outcome(f->store, &t.ann, &t.bob, "another", "a-key"), PL_E_CONFLICT);
	assert_int_equal(store_count(f->store, &t.ann, &t.bob), 1);
	store_send_fini(&first);
	store_send_fini(&again);
}

/* Before it in the batch is before it, and its neighbours are none of its business. */
static void
takes_blocks_and_sends_of_one_batch_in_order(void **state)
{
	struct fixture *f = *state;
	struct three t = three_people(f);
	struct pl_write writes[4];
	struct pl_write *batch[] = {&writes[0], &writes[1], &writes[2], &writes[3]};

	store_send_init(&writes[0], &t.ann, &t.bob, "before", NULL);
	writes[1] = block_write(&t.bob, &t.ann, true);
	store_send_init(&writes[2], &t.ann, &t.bob, "after", NULL);
	store_send_init(&writes[3], &t.ann, &t.eve, "to eve", NULL);
	pl_store_write(f->store, batch, 4);
	assert_int_equal(writes[0].err, PL_OK);
	assert_int_equal(writes[1].err, PL_OK);
	assert_int_equal(writes[2].err, PL_E_DENIED);
	assert_int_equal(writes[3].err, PL_OK);
	assert_int_equal(store_count(f->store, &t.ann, &t.bob), 1);
	for (size_t i = 0; i < 4; i++)
		if (i != 1)
			store_send_fini(&writes[i]);
}

/* ---- what is owed ---- */

static void
drops_a_reply_that_is_owed(void **state)
{
	struct fixture *f = *state;
	struct three t = three_people(f);
	struct pl_overdue_list overdue;
	struct pl_write claim;

	store_set_status(f->store, &t.bob, PL_STATUS_BUSY);
	store_send(f->store, &t.ann, &t.bob, "hi");
	store_send(f->store, &t.eve, &t.bob, "hi from eve");
	assert_int_equal(block(f->store, &t.bob, &t.ann), PL_OK);
	claim = store_claim(f->store, NULL, INT64_MAX, 1000);
	assert_int_equal(claim.err, PL_OK);
	assert_string_equal(claim.u.claim.message.text, "hi from eve");
	store_claim_fini(&claim);
	assert_int_equal(unblock(f->store, &t.bob, &t.ann), PL_OK);
	claim = store_claim(f->store, NULL, INT64_MAX, 1000);
	assert_int_equal(claim.err, PL_E_NOT_FOUND);
	assert_int_equal(pl_store_overdue(f->store, INT64_MAX, 10, &overdue), PL_OK);
	assert_int_equal(overdue.count, 1); /* eve's */
	pl_overdue_list_fini(&overdue);
}

/* The block came while it was being written; whoever was blocked is the busy one. */
static void
stores_no_reply_between_the_two(void **state)
{
	struct fixture *f = *state;
	struct three t = three_people(f);
	struct pl_message_pos to;
	struct pl_overdue_list overdue;
	struct pl_write reply;

	store_set_status(f->store, &t.bob, PL_STATUS_BUSY);
	to = store_send(f->store, &t.ann, &t.bob, "hi");
	assert_int_equal(block(f->store, &t.ann, &t.bob), PL_OK);
	reply = store_reply(f->store, &to.id, "I am busy");
	assert_int_equal(reply.err, PL_E_DENIED);
	assert_int_equal(store_count(f->store, &t.ann, &t.bob), 1);
	assert_int_equal(pl_store_overdue(f->store, INT64_MAX, 10, &overdue), PL_OK);
	assert_int_equal(overdue.count, 0);
	pl_overdue_list_fini(&overdue);
}

static void
says_of_a_mark_that_there_is_a_block(void **state)
{
	struct fixture *f = *state;
	struct three t = three_people(f);
	struct pl_message_pos pos[2];
	struct pl_write w = {.kind = PL_WRITE_MARK};

	pos[0] = store_send(f->store, &t.ann, &t.bob, "one");
	pos[1] = store_send(f->store, &t.ann, &t.bob, "two");
	w.u.mark = (struct pl_write_mark){
	    .reader = t.bob, .writer = t.ann, .up_to = pos[0].id, .is_read = true};
	assert_int_equal(store_write_one(f->store, &w), PL_OK);
	assert_true(w.u.mark.moved);
	assert_false(w.u.mark.is_blocked);
	assert_int_equal(block(f->store, &t.bob, &t.ann), PL_OK);
	w.u.mark.up_to = pos[1].id;
	assert_int_equal(store_write_one(f->store, &w), PL_OK);
	assert_true(w.u.mark.moved);
	assert_true(w.u.mark.is_blocked);
	assert_int_equal(w.u.mark.unread, 0);
}

/* ---- pages, copies ---- */

static void
gives_pages_by_id(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann"), last = {{0}};
	struct pl_block_list page;
	size_t total = 0, got;
	char name[16];

	for (int i = 0; i < 7; i++) {
		struct pl_oid other;

		snprintf(name, sizeof(name), "other%d", i);
		other = store_add_user(f->store, name);
		assert_int_equal(block(f->store, &ann, &other), PL_OK);
		assert_int_equal(block(f->store, &other, &ann), PL_OK);
	}
	do {
		assert_int_equal(pl_store_blocks_page(
				     f->store, &ann, total > 0 ? &last : NULL, 3, &page),
		    PL_OK);
		for (size_t i = 0; i < page.count; i++) {
			assert_true(pl_oid_compare(&page.items[i].other, &last) > 0);
			assert_true(page.items[i].created_unix_ms > 0);
			last = page.items[i].other;
		}
		got = page.count;
		total += got;
		pl_block_list_fini(&page);
	} while (got == 3);
	assert_int_equal(total, 7);
}

static void
copy(struct pl_store *from, struct pl_store *to, enum pl_record_kind kind,
    enum pl_record_outcome expected, size_t page)
{
	struct pl_record_list list;
	struct pl_record last;
	bool has_last = false;
	size_t got;

	do {
		assert_int_equal(
		    pl_store_export(from, kind, has_last ? &last : NULL, page, &list),
		    PL_OK);
		assert_int_equal(pl_store_import(to, list.items, list.count), PL_OK);
		for (size_t i = 0; i < list.count; i++)
			assert_int_equal(list.items[i].outcome, expected);
		got = list.count;
		has_last = got > 0;
		if (has_last)
			last = list.items[got - 1];
		pl_record_list_fini(&list);
	} while (got == page && kind == PL_RECORD_BLOCK);
}

static void
copies_blocks_that_then_hold(void **state)
{
	struct fixture *f = *state, *other;
	struct three t = three_people(f);
	void *other_state = NULL;

	assert_int_equal(block(f->store, &t.ann, &t.bob), PL_OK);
	assert_int_equal(block(f->store, &t.eve, &t.bob), PL_OK);
	assert_int_equal(block(f->store, &t.eve, &t.ann), PL_OK);
	assert_int_equal(store_fixture_setup(&other_state), 0);
	other = other_state;
	copy(f->store, other->store, PL_RECORD_USER, PL_RECORD_ADDED, 1000);
	copy(f->store, other->store, PL_RECORD_BLOCK, PL_RECORD_ADDED, 1);
	copy(f->store, other->store, PL_RECORD_BLOCK, PL_RECORD_SAME, 2);
	assert_int_equal(blocks_of(other->store, &t.eve), 2);
	assert_int_equal(outcome(other->store, &t.bob, &t.ann, "hi", NULL), PL_E_DENIED);
	assert_int_equal(outcome(other->store, &t.ann, &t.eve, "hi", NULL), PL_E_DENIED);
	store_fixture_teardown(&other_state);
}

/* ---- at the same time ---- */

#define WRITERS 6
#define SENDS   60

struct race {
	struct three t;
	_Atomic bool is_blocked; /* the block has been answered */
	size_t then;             /* what was stored at that moment */
	_Atomic unsigned accepted;
	_Atomic unsigned unknown; /* the store was too busy; stored, perhaps */
};

static void
block_and_count(struct race *race, struct worker *w, struct pl_store *s)
{
	struct pl_write b = block_write(&race->t.bob, &race->t.ann, true);
	struct pl_message_list list = {0};
	int64_t give_up = pl_clock_mono_ms() + patient_ms(10000);

	while (race->accepted == 0 && pl_clock_mono_ms() < give_up)
		usleep(1000);
	do
		w->err = store_write_one(s, &b);
	while (w->err == PL_E_UNAVAILABLE); /* too many at once */
	usleep((useconds_t)b.u.block.settle_ms * 1000);
	if (w->err == PL_OK)
		w->err = pl_store_messages_page(
		    s, &race->t.ann, &race->t.bob, PL_PAGE_AFTER, NULL, 100000, &list);
	race->then = list.count;
	race->is_blocked = true;
	pl_message_list_fini(&list);
}

static void
race_to_send_and_block(struct worker *w, struct pl_store *s)
{
	struct race *race = w->arg;

	if (w->index == 0) {
		block_and_count(race, w, s);
		return;
	}
	for (int i = 0; i < SENDS || !race->is_blocked; i++) {
		struct pl_write send;

		store_send_init(&send, &race->t.ann, &race->t.bob, "hi", NULL);
		pl_store_write(s, &(struct pl_write *){&send}, 1);
		if (send.err == PL_OK)
			race->accepted++;
		else if (send.err == PL_E_UNAVAILABLE)
			race->unknown++;
		else if (send.err != PL_E_DENIED)
			w->err = send.err;
		store_send_fini(&send);
	}
}

static void
accepts_nothing_after_a_block_was_answered(void **state)
{
	struct fixture *f = *state;
	struct worker workers[WRITERS] = {{0}};
	struct race race = {.t = three_people(f)};

	store_run_parallel(f, workers, WRITERS, race_to_send_and_block, &race);
	for (int i = 0; i < WRITERS; i++)
		assert_int_equal(workers[i].err, PL_OK);
	assert_int_equal(store_count(f->store, &race.t.ann, &race.t.bob), race.then);
	assert_in_range(race.then, race.accepted, race.accepted + race.unknown);
	assert_true(race.then > 0);
}

int
store_blocks_suite(void)
{
	const struct CMUnitTest tests[] = {
	    STORE_TEST(refuses_sends_both_ways_and_stores_nothing),
	    STORE_TEST(holds_while_either_blocks),
	    STORE_TEST(says_whether_one_may_write),
	    STORE_TEST(blocks_and_unblocks_again_and_again),
	    STORE_TEST(takes_no_more_blocks_than_the_limit),
	    STORE_TEST(answers_a_send_that_was_accepted_before),
	    STORE_TEST(takes_blocks_and_sends_of_one_batch_in_order),
	    STORE_TEST(drops_a_reply_that_is_owed),
	    STORE_TEST(stores_no_reply_between_the_two),
	    STORE_TEST(says_of_a_mark_that_there_is_a_block),
	    STORE_TEST(gives_pages_by_id),
	    STORE_TEST(copies_blocks_that_then_hold),
	    STORE_TEST(accepts_nothing_after_a_block_was_answered),
	};

	return cmocka_run_group_tests_name("blocks", tests, NULL, NULL);
}
