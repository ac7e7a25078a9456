/* What a user sees of their conversations: last message, unread, how far both have come. */
#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "contract/store_contract.h"
#include "store/store_records.h"

#define TALKERS 25

/* ---- short ways ---- */

static struct pl_conversation_list
list_of(struct pl_store *s, const struct pl_oid *user,
    const struct pl_message_pos *before, size_t limit)
{
	struct pl_conversation_list list;

	assert_int_equal(pl_store_conversations(s, user, before, limit, &list), PL_OK);
	return list;
}

static size_t
count_of(struct pl_store *s, const struct pl_oid *user)
{
	struct pl_conversation_list list = list_of(s, user, NULL, 100);
	size_t count = list.count;

	pl_conversation_list_fini(&list);
	return count;
}

/* The caller finis it. */
static struct pl_conversation
one_of(struct pl_store *s, const struct pl_oid *user, const struct pl_oid *other)
{
	struct pl_conversation c;

	assert_int_equal(pl_store_conversation(s, user, other, &c), PL_OK);
	assert_true(pl_oid_eq(&c.user.id, other));
	return c;
}

static unsigned
unread_of(struct pl_store *s, const struct pl_oid *user, const struct pl_oid *other)
{
	struct pl_conversation c = one_of(s, user, other);
	unsigned unread = c.unread;

	pl_conversation_fini(&c);
	return unread;
}

static struct pl_write
mark(struct pl_store *s, const struct pl_oid *reader, const struct pl_oid *writer,
    const struct pl_message_pos *up_to, bool is_read)
{
	struct pl_write w = {
	    .kind = PL_WRITE_MARK,
	    .u.mark = {.reader = *reader,
		.writer = *writer,
		.up_to = up_to->id,
		.is_read = is_read},
	};

	store_write_one(s, &w);
	return w;
}

static void
expect_mark(struct pl_write w, bool moved, const struct pl_message_pos *pos)
{
	assert_int_equal(w.err, PL_OK);
	assert_int_equal(w.u.mark.moved, moved);
	assert_int_equal(store_pos_compare(&w.u.mark.pos, pos), 0);
}

static const struct pl_message_pos none;

/* Marks as reader sees their own, and as writer sees the reader's. */
static void
expect_marks(struct pl_store *s, const struct pl_oid *reader, const struct pl_oid *writer,
    const struct pl_message_pos *read, const struct pl_message_pos *delivered)
{
	struct pl_conversation own = one_of(s, reader, writer);
	struct pl_conversation theirs = one_of(s, writer, reader);

	assert_int_equal(store_pos_compare(&own.read, read), 0);
	assert_int_equal(store_pos_compare(&theirs.their_read, read), 0);
	assert_int_equal(store_pos_compare(&theirs.their_delivered, delivered), 0);
	pl_conversation_fini(&own);
	pl_conversation_fini(&theirs);
}

/* A message as another database had it. */
static struct pl_message_pos
bring(struct pl_store *s, const struct pl_oid *from, const struct pl_oid *to,
    int64_t created_unix_ms, uint8_t last_of_id)
{
	struct pl_record r = {.kind = PL_RECORD_MESSAGE};
	struct pl_message_pos pos;

	pl_message_init(&r.u.message, from, to, PL_STR("brought"), created_unix_ms);
	memset(r.u.message.id.bytes, 7, PL_OID_LEN);
	r.u.message.id.bytes[PL_OID_LEN - 1] = last_of_id;
	assert_int_equal(pl_store_import(s, &r, 1), PL_OK);
	assert_int_equal(r.outcome, PL_RECORD_ADDED);
	pos = store_pos_of(&r.u.message);
	pl_message_fini(&r.u.message);
	return pos;
}

/* ---- the list ---- */

static void
lists_each_other_once_by_the_newest_last_message(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann"),
		      bob = store_add_user(f->store, "bob"),
		      eve = store_add_user(f->store, "eve");
	struct pl_message_pos to_bob, from_eve;
	struct pl_conversation_list list;

	store_send(f->store, &eve, &ann, "one");
	store_send(f->store, &bob, &ann, "two");
	to_bob = store_send(f->store, &ann, &bob, "three");
	from_eve = store_send(f->store, &eve, &ann, "four");
	store_send(f->store, &eve, &bob, "not ann's");

	list = list_of(f->store, &ann, NULL, 30);
	assert_int_equal(list.count, 2);
	assert_string_equal(list.items[0].user.username, "eve");
	assert_true(list.items[0].has_last);
	assert_true(pl_oid_eq(&list.items[0].last.id, &from_eve.id));
	assert_string_equal(list.items[0].last.text, "four");
	assert_true(pl_oid_eq(&list.items[0].last.sender, &eve));
	assert_int_equal(list.items[0].unread, 2);
	assert_string_equal(list.items[1].user.username, "bob");
	assert_true(pl_oid_eq(&list.items[1].last.id, &to_bob.id));
	assert_int_equal(list.items[1].last.created_unix_ms, to_bob.created_unix_ms);
	assert_true(pl_oid_eq(&list.items[1].last.receiver, &bob));
	assert_int_equal(list.items[1].unread, 1);
	for (size_t i = 0; i < list.count; i++) {
		assert_int_equal(store_pos_compare(&list.items[i].read, &none), 0);
		assert_int_equal(store_pos_compare(&list.items[i].their_read, &none), 0);
		assert_int_equal(
		    store_pos_compare(&list.items[i].their_delivered, &none), 0);
	}
	pl_conversation_list_fini(&list);
}

static void
gives_no_conversations_if_nobody_wrote(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann"), nobody;

	store_add_user(f->store, "bob");
	pl_oid_new(&nobody);
	assert_int_equal(count_of(f->store, &ann), 0);
	assert_int_equal(count_of(f->store, &nobody), 0);
}

static void
gives_the_note_and_the_status_of_the_other(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann"),
		      bob = store_add_user(f->store, "bob");
	struct pl_write w = {
	    .kind = PL_WRITE_STATUS,
	    .u.status = {bob, PL_STATUS_BUSY, PL_STR("until three")},
	};
	struct pl_conversation_list list;
	struct pl_conversation c;

	assert_int_equal(store_write_one(f->store, &w), PL_OK);
	store_send(f->store, &ann, &bob, "hi");
	list = list_of(f->store, &ann, NULL, 30);
	assert_int_equal(list.count, 1);
	assert_string_equal(list.items[0].user.note, "until three");
	assert_int_equal(list.items[0].user.status, PL_STATUS_BUSY);
	pl_conversation_list_fini(&list);
	c = one_of(f->store, &ann, &bob);
	assert_string_equal(c.user.note, "until three");
	pl_conversation_fini(&c);
}

/* Walk ann's conversations limit at a time: TALKERS of them, each once, in order. */
static void
walk(struct fixture *f, const struct pl_oid *user, size_t limit)
{
	struct pl_message_pos last, pos;
	bool is_first = true;
	size_t total = 0, got;

	do {
		struct pl_conversation_list page =
		    list_of(f->store, user, is_first ? NULL : &last, limit);

		assert_true(page.count <= limit);
		for (size_t i = 0; i < page.count; i++) {
			pos = store_pos_of(&page.items[i].last);
			if (!is_first)
				assert_true(store_pos_compare(&pos, &last) < 0);
			last = pos;
			is_first = false;
		}
		got = page.count;
		total += got;
		pl_conversation_list_fini(&page);
	} while (got == limit);
	assert_int_equal(total, TALKERS);
}

static void
pages_by_cursor_with_no_gap_and_no_double(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann"), other;
	char name[16];

	for (int i = 0; i < TALKERS; i++) {
		snprintf(name, sizeof(name), "talker%d", i);
		other = store_add_user(f->store, name);
		if (i % 3 != 0)
			store_send(f->store, &other, &ann, "hi");
		if (i % 3 != 1)
			store_send(f->store, &ann, &other, "hi");
	}
	for (size_t limit = 1; limit <= TALKERS + 1; limit += 3)
		walk(f, &ann, limit);
}

/* The order is (createdAt, _id): in the list, between the two directions, at a cursor. */
static void
orders_equal_times_by_id(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann"),
		      bob = store_add_user(f->store, "bob"),
		      eve = store_add_user(f->store, "eve");
	int64_t at = pl_clock_unix_ms() - 1000;
	struct pl_message_pos first = bring(f->store, &bob, &ann, at, 1);
	struct pl_message_pos second = bring(f->store, &ann, &bob, at, 2);
	struct pl_message_pos third = bring(f->store, &eve, &ann, at, 3);
	struct pl_conversation_list list = list_of(f->store, &ann, NULL, 30);

	assert_int_equal(list.count, 2);
	assert_true(pl_oid_eq(&list.items[0].last.id, &third.id));
	assert_true(pl_oid_eq(&list.items[1].last.id, &second.id));
	pl_conversation_list_fini(&list);
	list = list_of(f->store, &ann, &third, 30);
	assert_int_equal(list.count, 1);
	assert_true(pl_oid_eq(&list.items[0].last.id, &second.id));
	pl_conversation_list_fini(&list);
	list = list_of(f->store, &ann, &second, 30);
	assert_int_equal(list.count, 0);
	pl_conversation_list_fini(&list);

	expect_mark(mark(f->store, &ann, &bob, &second, true), true, &second);
	expect_mark(mark(f->store, &ann, &bob, &first, true), false, &second);
	assert_int_equal(unread_of(f->store, &ann, &bob), 0);
	expect_mark(mark(f->store, &bob, &ann, &first, true), true, &first);
	assert_int_equal(unread_of(f->store, &bob, &ann), 1);
}

/* As after a copy of messages whose users were not copied. */
static void
passes_over_who_is_no_user(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann"),
		      bob = store_add_user(f->store, "bob"),
		      eve = store_add_user(f->store, "eve"), gone;
	int64_t at = pl_clock_unix_ms() - 1000;
	struct pl_conversation_list list;
	struct pl_conversation c;

	pl_oid_new(&gone);
	bring(f->store, &bob, &ann, at, 1);
	bring(f->store, &gone, &ann, at, 2);
	bring(f->store, &eve, &ann, at, 3);
	list = list_of(f->store, &ann, NULL, 2);
	assert_int_equal(list.count, 2); /* the page is full all the same */
	assert_string_equal(list.items[0].user.username, "eve");
	assert_string_equal(list.items[1].user.username, "bob");
	pl_conversation_list_fini(&list);
	assert_int_equal(
	    pl_store_conversation(f->store, &ann, &gone, &c), PL_E_NOT_FOUND);
}

static void
lists_what_was_brought_and_what_is_sent_afterwards(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann"),
		      bob = store_add_user(f->store, "bob");

	bring(f->store, &bob, &ann, pl_clock_unix_ms() - 1000, 1);
	assert_int_equal(count_of(f->store, &ann), 1);
	assert_int_equal(count_of(f->store, &bob), 1);
	store_send(f->store, &ann, &bob, "again");
	assert_int_equal(count_of(f->store, &ann), 1);
	assert_int_equal(unread_of(f->store, &bob, &ann), 1);
}

static void
lists_notes_to_oneself_once_and_as_read(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann");
	struct pl_message_pos pos;
	struct pl_conversation_list list;

	store_send(f->store, &ann, &ann, "milk");
	pos = store_send(f->store, &ann, &ann, "bread");
	list = list_of(f->store, &ann, NULL, 30);
	assert_int_equal(list.count, 1);
	assert_string_equal(list.items[0].last.text, "bread");
	assert_int_equal(list.items[0].unread, 0);
	pl_conversation_list_fini(&list);
	expect_mark(mark(f->store, &ann, &ann, &pos, true), true, &pos);
	expect_marks(f->store, &ann, &ann, &pos, &pos);
}

/* ---- one ---- */

static void
gives_one_with_whom_nobody_wrote_yet(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann"),
		      bob = store_add_user(f->store, "bob"), nobody;
	struct pl_conversation c = one_of(f->store, &ann, &bob);

	assert_false(c.has_last);
	assert_int_equal(c.unread, 0);
	assert_string_equal(c.user.username, "bob");
	assert_int_equal(store_pos_compare(&c.read, &none), 0);
	pl_conversation_fini(&c);
	pl_oid_new(&nobody);
	assert_int_equal(
	    pl_store_conversation(f->store, &ann, &nobody, &c), PL_E_NOT_FOUND);
}

/* ---- unread ---- */

static void
counts_what_the_other_wrote_up_to_the_ceiling(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann"),
		      bob = store_add_user(f->store, "bob");
	struct pl_message_pos first = store_send(f->store, &bob, &ann, "1");
	struct pl_conversation_list list;

	for (unsigned i = 2; i <= PL_UNREAD_MAX + 2; i++) {
		store_send(f->store, &bob, &ann, "more");
		store_send(f->store, &ann, &bob, "not counted");
		assert_int_equal(unread_of(f->store, &ann, &bob),
		    i < PL_UNREAD_MAX ? i : PL_UNREAD_MAX);
	}
	list = list_of(f->store, &ann, NULL, 30);
	assert_int_equal(list.items[0].unread, PL_UNREAD_MAX);
	pl_conversation_list_fini(&list);
	assert_int_equal(
	    mark(f->store, &ann, &bob, &first, true).u.mark.unread, PL_UNREAD_MAX);
}

static void
counts_automatic_replies(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann"),
		      bob = store_add_user(f->store, "bob");
	struct pl_message_pos sent;
	struct pl_conversation c;
	struct pl_write w;

	store_set_status(f->store, &bob, PL_STATUS_BUSY);
	sent = store_send(f->store, &ann, &bob, "hi");
	assert_int_equal(unread_of(f->store, &ann, &bob), 0);
	w = store_reply(f->store, &sent.id, "bob is busy");
	assert_int_equal(w.err, PL_OK);
	c = one_of(f->store, &ann, &bob);
	assert_int_equal(c.unread, 1);
	assert_true(pl_oid_eq(&c.last.id, &w.u.reply.message.id));
	assert_int_equal(c.last.reply_kind, PL_REPLY_LLM);
	assert_true(pl_oid_eq(&c.last.in_reply_to, &sent.id));
	pl_conversation_fini(&c);
	pl_message_fini(&w.u.reply.message);
}

/* ---- marks ---- */

static void
marks_read_what_came_up_to_a_message(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann"),
		      bob = store_add_user(f->store, "bob");
	struct pl_message_pos pos[4];
	struct pl_write w;

	for (int i = 0; i < 4; i++)
		pos[i] = store_send(f->store, &bob, &ann, "hi");
	w = mark(f->store, &ann, &bob, &pos[1], true);
	expect_mark(w, true, &pos[1]);
	assert_int_equal(w.u.mark.unread, 2);
	expect_marks(f->store, &ann, &bob, &pos[1], &pos[1]);
	expect_marks(f->store, &bob, &ann, &none, &none); /* bob has his own */
	assert_int_equal(unread_of(f->store, &ann, &bob), 2);

	/* one's own message is a place, too */
	pos[0] = store_send(f->store, &ann, &bob, "hi");
	w = mark(f->store, &ann, &bob, &pos[0], true);
	expect_mark(w, true, &pos[0]);
	assert_int_equal(w.u.mark.unread, 0);
}

static void
never_moves_a_mark_back(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann"),
		      bob = store_add_user(f->store, "bob");
	struct pl_message_pos pos[4];

	for (int i = 0; i < 4; i++)
		pos[i] = store_send(f->store, &bob, &ann, "hi");
	expect_mark(mark(f->store, &ann, &bob, &pos[2], true), true, &pos[2]);
	expect_mark(mark(f->store, &ann, &bob, &pos[0], true), false, &pos[2]);
	expect_mark(mark(f->store, &ann, &bob, &pos[2], true), false, &pos[2]);
	assert_int_equal(mark(f->store, &ann, &bob, &pos[0], true).u.mark.unread, 1);
	expect_marks(f->store, &ann, &bob, &pos[2], &pos[2]);
	expect_mark(mark(f->store, &ann, &bob, &pos[3], true), true, &pos[3]);
	expect_marks(f->store, &ann, &bob, &pos[3], &pos[3]);
}

static void
keeps_delivered_at_or_beyond_read(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann"),
		      bob = store_add_user(f->store, "bob");
	struct pl_message_pos pos[4];
	struct pl_write w;

	for (int i = 0; i < 4; i++)
		pos[i] = store_send(f->store, &bob, &ann, "hi");
	w = mark(f->store, &ann, &bob, &pos[2], false);
	expect_mark(w, true, &pos[2]);
	assert_int_equal(w.u.mark.unread, 4); /* delivered is not read */
	expect_marks(f->store, &ann, &bob, &none, &pos[2]);
	expect_mark(mark(f->store, &ann, &bob, &pos[1], true), true, &pos[1]);
	expect_marks(f->store, &ann, &bob, &pos[1], &pos[2]);
	expect_mark(mark(f->store, &ann, &bob, &pos[1], false), false, &pos[2]);
	expect_mark(mark(f->store, &ann, &bob, &pos[3], true), true, &pos[3]);
	expect_mark(mark(f->store, &ann, &bob, &pos[2], false), false, &pos[3]);
	expect_marks(f->store, &ann, &bob, &pos[3], &pos[3]);
}

/* And its neighbours in the batch are stored. */
static void
refuses_a_mark_at_what_is_not_between_the_two(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann"),
		      bob = store_add_user(f->store, "bob"),
		      eve = store_add_user(f->store, "eve");
	struct pl_message_pos good = store_send(f->store, &bob, &ann, "hi");
	struct pl_message_pos other = store_send(f->store, &eve, &ann, "hi"), unknown;
	struct pl_write marks[3], *batch[3] = {&marks[0], &marks[1], &marks[2]};

	unknown = other;
	pl_oid_new(&unknown.id);
	for (int i = 0; i < 3; i++)
		marks[i] = (struct pl_write){.kind = PL_WRITE_MARK,
		    .u.mark = {.reader = ann, .writer = bob, .is_read = true}};
	marks[0].u.mark.up_to = other.id;
	marks[1].u.mark.up_to = good.id;
	marks[2].u.mark.up_to = unknown.id;
	pl_store_write(f->store, batch, 3);
	assert_int_equal(marks[0].err, PL_E_NOT_FOUND);
	expect_mark(marks[1], true, &good);
	assert_int_equal(marks[2].err, PL_E_NOT_FOUND);
	expect_marks(f->store, &ann, &bob, &good, &good);
	expect_marks(f->store, &ann, &eve, &none, &none);
	assert_int_equal(mark(f->store, &eve, &bob, &good, true).err, PL_E_NOT_FOUND);
}

/* A batch is carried out in its order. */
static void
takes_marks_and_sends_of_one_batch_in_order(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann"),
		      bob = store_add_user(f->store, "bob");
	struct pl_message_pos first = store_send(f->store, &bob, &ann, "1");
	struct pl_message_pos second = store_send(f->store, &bob, &ann, "2");
	struct pl_write w[3] = {
	    [0] = {.kind = PL_WRITE_MARK,
		.u.mark = {.reader = ann, .writer = bob, .up_to = second.id}},
	    [2] = {.kind = PL_WRITE_MARK,
		.u.mark =
		    {.reader = ann, .writer = bob, .up_to = first.id, .is_read = true}},
	};
	struct pl_write *batch[3] = {&w[0], &w[1], &w[2]};

	store_send_init(&w[1], &bob, &ann, "3", NULL);
	pl_store_write(f->store, batch, 3);
	expect_mark(w[0], true, &second);
	assert_int_equal(w[0].u.mark.unread, 2);
	assert_int_equal(w[1].err, PL_OK);
	expect_mark(w[2], true, &first);
	assert_int_equal(w[2].u.mark.unread, 2);
	expect_marks(f->store, &ann, &bob, &first, &second);
	store_send_fini(&w[1]);
}

/* ---- several sessions at once ---- */

#define RACERS  4
#define CROSSED 40

struct race {
	struct pl_oid ann, bob;
	struct pl_message_pos pos[CROSSED];
};

/* Each walks all places in its own order; no answer is behind the place that was asked
 * for. */
static void
mark_all(struct worker *w, struct pl_store *s)
{
	struct race *race = w->arg;

	for (size_t i = 0; i < CROSSED; i++) {
		size_t at = w->index % 2 ? CROSSED - 1 - i : i;
		struct pl_write m;

		do
			m = mark(s, &race->ann, &race->bob, &race->pos[at], true);
		while (m.err == PL_E_UNAVAILABLE); /* too many at once */
		if (m.err != PL_OK)
			w->err = m.err;
		else if (store_pos_compare(&m.u.mark.pos, &race->pos[at]) < 0)
			w->flag = true;
		else
			w->count += m.u.mark.moved;
	}
}

static void
keeps_the_furthest_of_marks_from_many_sessions(void **state)
{
	struct fixture *f = *state;
	struct race race = {.ann = store_add_user(f->store, "ann"),
	    .bob = store_add_user(f->store, "bob")};
	struct worker workers[RACERS];
	size_t moved = 0;

	for (size_t i = 0; i < CROSSED; i++)
		race.pos[i] = store_send(f->store, &race.bob, &race.ann, "hi");
	store_run_parallel(f, workers, RACERS, mark_all, &race);
	for (size_t i = 0; i < RACERS; i++) {
		assert_int_equal(workers[i].err, PL_OK);
		assert_false(workers[i].flag);
		moved += workers[i].count;
	}
	assert_in_range(moved, 1, CROSSED); /* each place is moved to once at most */
	expect_marks(f->store, &race.ann, &race.bob, &race.pos[CROSSED - 1],
	    &race.pos[CROSSED - 1]);
}

/* First messages of a pair at the same time, from both sides: two rows all the same. */
static void
send_across(struct worker *w, struct pl_store *s)
{
	struct race *race = w->arg;
	bool is_ann = w->index % 2;
	struct pl_write send;

	store_send_init(&send, is_ann ? &race->ann : &race->bob,
	    is_ann ? &race->bob : &race->ann, "hi", NULL);
	do
		w->err = store_write_one(s, &send);
	while (w->err == PL_E_UNAVAILABLE); /* too many at once */
	store_send_fini(&send);
}

static void
makes_one_conversation_of_first_messages_that_cross(void **state)
{
	struct fixture *f = *state;
	struct race race = {.ann = store_add_user(f->store, "ann"),
	    .bob = store_add_user(f->store, "bob")};
	struct worker workers[RACERS];

	store_run_parallel(f, workers, RACERS, send_across, &race);
	for (size_t i = 0; i < RACERS; i++)
		assert_int_equal(workers[i].err, PL_OK);
	assert_int_equal(count_of(f->store, &race.ann), 1);
	assert_int_equal(count_of(f->store, &race.bob), 1);
	assert_int_equal(unread_of(f->store, &race.ann, &race.bob), RACERS / 2);
}

/* ---- copies ---- */

/* The number of records that went over. */
static size_t
copy(struct pl_store *from, struct pl_store *to, enum pl_record_kind kind,
    enum pl_record_outcome expected)
{
	struct pl_record_list list;
	size_t count;

	assert_int_equal(pl_store_export(from, kind, NULL, 1000, &list), PL_OK);
	assert_int_equal(pl_store_import(to, list.items, list.count), PL_OK);
	for (size_t i = 0; i < list.count; i++)
		assert_int_equal(list.items[i].outcome, expected);
	count = list.count;
	pl_record_list_fini(&list);
	return count;
}

static void
copies_conversations_with_their_marks(void **state)
{
	struct fixture *f = *state, *other;
	struct pl_oid ann = store_add_user(f->store, "ann"),
		      bob = store_add_user(f->store, "bob"),
		      eve = store_add_user(f->store, "eve");
	struct pl_message_pos pos[3];
	void *other_state = NULL;

	for (int i = 0; i < 3; i++)
		pos[i] = store_send(f->store, &bob, &ann, "hi");
	store_send(f->store, &eve, &ann, "hi");
	expect_mark(mark(f->store, &ann, &bob, &pos[0], true), true, &pos[0]);
	expect_mark(mark(f->store, &ann, &bob, &pos[1], false), true, &pos[1]);
	expect_mark(mark(f->store, &bob, &ann, &pos[2], false), true, &pos[2]);
	assert_int_equal(store_fixture_setup(&other_state), 0);
	other = other_state;
	copy(f->store, other->store, PL_RECORD_USER, PL_RECORD_ADDED);
	/* before their messages, marks have no place */
	assert_int_equal(
	    copy(f->store, other->store, PL_RECORD_MARKS, PL_RECORD_DIFFERS), 2);
	copy(f->store, other->store, PL_RECORD_MESSAGE, PL_RECORD_ADDED);
	assert_int_equal(count_of(other->store, &ann), 2);
	assert_int_equal(
	    copy(f->store, other->store, PL_RECORD_MARKS, PL_RECORD_ADDED), 2);
	assert_int_equal(
	    copy(f->store, other->store, PL_RECORD_MARKS, PL_RECORD_SAME), 2);
	expect_marks(other->store, &ann, &bob, &pos[0], &pos[1]);
	expect_marks(other->store, &bob, &ann, &none, &pos[2]);
	assert_int_equal(unread_of(other->store, &ann, &bob), 2);
	assert_int_equal(unread_of(other->store, &ann, &eve), 1);

	/* what moved on there stays where it is */
	expect_mark(mark(other->store, &ann, &bob, &pos[2], true), true, &pos[2]);
	expect_mark(mark(other->store, &bob, &ann, &pos[2], true), true, &pos[2]);
	copy(f->store, other->store, PL_RECORD_MARKS, PL_RECORD_DIFFERS);
	expect_marks(other->store, &ann, &bob, &pos[2], &pos[2]);
	store_fixture_teardown(&other_state);
}

static void
pages_through_marks(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann"), other;
	struct pl_record_list page;
	struct pl_record last;
	char name[16];
	size_t total = 0, got;

	for (int i = 0; i < 5; i++) {
		struct pl_message_pos pos;

		snprintf(name, sizeof(name), "talker%d", i);
		other = store_add_user(f->store, name);
		pos = store_send(f->store, &other, &ann, "hi");
		mark(f->store, &ann, &other, &pos, i % 2);
		mark(f->store, &other, &ann, &pos, i % 2);
	}
	do {
		assert_int_equal(pl_store_export(f->store, PL_RECORD_MARKS,
				     total > 0 ? &last : NULL, 3, &page),
		    PL_OK);
		if (page.count > 0)
			last = page.items[page.count - 1];
		got = page.count;
		total += got;
		pl_record_list_fini(&page);
	} while (got == 3);
	assert_int_equal(total, 10);
}

int
store_conversations_suite(void)
{
	const struct CMUnitTest tests[] = {
	    STORE_TEST(lists_each_other_once_by_the_newest_last_message),
	    STORE_TEST(gives_no_conversations_if_nobody_wrote),
	    STORE_TEST(gives_the_note_and_the_status_of_the_other),
	    STORE_TEST(pages_by_cursor_with_no_gap_and_no_double),
	    STORE_TEST(orders_equal_times_by_id),
	    STORE_TEST(passes_over_who_is_no_user),
	    STORE_TEST(lists_what_was_brought_and_what_is_sent_afterwards),
	    STORE_TEST(lists_notes_to_oneself_once_and_as_read),
	    STORE_TEST(gives_one_with_whom_nobody_wrote_yet),
	    STORE_TEST(counts_what_the_other_wrote_up_to_the_ceiling),
	    STORE_TEST(counts_automatic_replies),
	    STORE_TEST(marks_read_what_came_up_to_a_message),
	    STORE_TEST(never_moves_a_mark_back),
	    STORE_TEST(keeps_delivered_at_or_beyond_read),
	    STORE_TEST(refuses_a_mark_at_what_is_not_between_the_two),
	    STORE_TEST(takes_marks_and_sends_of_one_batch_in_order),
	    STORE_TEST(keeps_the_furthest_of_marks_from_many_sessions),
	    STORE_TEST(makes_one_conversation_of_first_messages_that_cross),
	    STORE_TEST(copies_conversations_with_their_marks),
	    STORE_TEST(pages_through_marks),
	};

	return cmocka_run_group_tests_name("conversations", tests, NULL, NULL);
}
