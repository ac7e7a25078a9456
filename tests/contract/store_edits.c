/*
 * Edits and deletions: who may do what, what is left of a text, how others hear of it.
 */
#include "base/clock.h"
#include "base/mem.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "contract/store_contract.h"
#include "store/store_records.h"

#define HOUR_MS 3600000

/* So that the next change has a later time: in one millisecond ids give the order. */
static void
wait_a_moment(void)
{
	usleep(2000);
}

/* An edit if there is text. */
static struct pl_write
change_of(const struct pl_oid *by, const struct pl_oid *message, const char *text)
{
	return (struct pl_write){
	    .kind = text != NULL ? PL_WRITE_EDIT : PL_WRITE_DELETE,
	    .u.change = {.by = *by,
		.message_id = *message,
		.text = pl_str(text),
		.edit_within_ms = HOUR_MS},
	};
}

/* Asserts that it is done; gives when. */
static int64_t
change(struct pl_store *s, const struct pl_oid *by, const struct pl_oid *message,
    const char *text)
{
	struct pl_write w = change_of(by, message, text);
	struct pl_message *m = &w.u.change.message;
	int64_t at;

	assert_int_equal(store_write_one(s, &w), PL_OK);
	assert_true(w.u.change.changed);
	assert_true(pl_oid_eq(&m->id, message));
	assert_string_equal(m->text, text != NULL ? text : "");
	at = pl_message_changed(m);
	assert_int_equal(m->updated_unix_ms, at);
	pl_message_fini(m);
	return at;
}

static void
assert_refused(struct pl_store *s, struct pl_write w, enum pl_change_refusal refusal)
{
	assert_int_equal(store_write_one(s, &w), PL_E_CONFLICT);
	assert_int_equal(w.u.change.refusal, refusal);
	assert_null(w.u.change.message.text);
}

static struct pl_message
read_message(struct pl_store *s, const struct pl_oid *id)
{
	struct pl_message_list list;
	struct pl_message m;

	assert_int_equal(pl_store_messages_of(s, id, 1, SIZE_MAX, &list), PL_OK);
	assert_int_equal(list.count, 1);
	m = list.items[0];
	list.count = 0;
	pl_message_list_fini(&list);
	return m;
}

static void
gives_a_message_another_text(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann"),
		      bob = store_add_user(f->store, "bob");
	struct pl_oid first = store_send(f->store, &ann, &bob, "one").id,
		      second = store_send(f->store, &ann, &bob, "two").id;
	int64_t at = change(f->store, &ann, &first, "one, and a longer text than before");
	struct pl_conversation c;
	struct pl_message m;
	struct pl_message_list page;

	m = read_message(f->store, &first);
	assert_string_equal(m.text, "one, and a longer text than before");
	assert_int_equal(m.edited_unix_ms, at);
	assert_int_equal(m.deleted_unix_ms, 0);
	assert_true(at > m.created_unix_ms);
	pl_message_fini(&m);
	/* In its place, and later each time. */
	assert_true(change(f->store, &ann, &first, "1") > at);
	assert_int_equal(
	    pl_store_messages_page(f->store, &bob, &ann, PL_PAGE_AFTER, NULL, 10, &page),
	    PL_OK);
	assert_int_equal(page.count, 2);
	assert_string_equal(page.items[0].text, "1");
	pl_message_list_fini(&page);
	change(f->store, &ann, &second, "2");
	assert_int_equal(pl_store_conversation(f->store, &bob, &ann, &c), PL_OK);
	assert_string_equal(c.last.text, "2");
	assert_true(c.last.edited_unix_ms > 0);
	assert_int_equal(c.unread, 2);
	pl_conversation_fini(&c);
}

static void
takes_a_message_away(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann"),
		      bob = store_add_user(f->store, "bob");
	struct pl_oid id = store_send(f->store, &ann, &bob, "one").id;
	struct pl_write again = change_of(&ann, &id, NULL);
	int64_t edited = change(f->store, &ann, &id, "uno");
	int64_t at = change(f->store, &ann, &id, NULL);
	struct pl_conversation c;

	assert_true(at > edited);
	assert_int_equal(store_write_one(f->store, &again), PL_OK);
	assert_false(again.u.change.changed);
	assert_int_equal(again.u.change.message.deleted_unix_ms, at);
	assert_string_equal(again.u.change.message.text, "");
	pl_message_fini(&again.u.change.message);
	assert_refused(f->store, change_of(&ann, &id, "back"), PL_CHANGE_OF_DELETED);
	assert_int_equal(pl_store_conversation(f->store, &bob, &ann, &c), PL_OK);
	assert_true(c.has_last);
	assert_true(pl_oid_eq(&c.last.id, &id));
	assert_string_equal(c.last.text, "");
	assert_int_equal(c.last.deleted_unix_ms, at);
	pl_conversation_fini(&c);
}

static void
refuses_what_is_not_ones_own_and_what_is_too_late(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann"),
		      bob = store_add_user(f->store, "bob"), none;
	struct pl_oid id = store_send(f->store, &ann, &bob, "one").id;
	struct pl_write late = change_of(&ann, &id, "late"),
			missing = change_of(&ann, &none, "nothing");

	pl_oid_new(&none);
	missing.u.change.message_id = none;
	assert_refused(f->store, change_of(&bob, &id, "mine"), PL_CHANGE_OF_ANOTHER);
	assert_refused(f->store, change_of(&bob, &id, NULL), PL_CHANGE_OF_ANOTHER);
	late.u.change.edit_within_ms = 0;
	assert_refused(f->store, late, PL_CHANGE_TOO_LATE);
	assert_int_equal(store_write_one(f->store, &missing), PL_E_NOT_FOUND);
	missing = change_of(&ann, &none, NULL);
	assert_int_equal(store_write_one(f->store, &missing), PL_E_NOT_FOUND);
	/* Nothing was changed, and a deletion is never too late. */
	late = change_of(&ann, &id, NULL);
	late.u.change.edit_within_ms = 0;
	assert_int_equal(store_write_one(f->store, &late), PL_OK);
	assert_int_equal(late.u.change.message.edited_unix_ms, 0);
	pl_message_fini(&late.u.change.message);
}

/* A batch goes on beside what it refuses, and in its order. */
static void
decides_in_the_order_of_a_batch(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann"),
		      bob = store_add_user(f->store, "bob");
	struct pl_oid id = store_send(f->store, &ann, &bob, "one").id;
	struct pl_write w[] = {
	    change_of(&bob, &id, "not mine"),
	    change_of(&ann, &id, "uno"),
	    change_of(&ann, &id, "un"),
	    change_of(&ann, &id, NULL),
	    change_of(&ann, &id, "too late"),
	};
	struct pl_write *all[] = {&w[0], &w[1], &w[2], &w[3], &w[4]};

	pl_store_write(f->store, all, 5);
	assert_int_equal(w[0].err, PL_E_CONFLICT);
	assert_int_equal(w[4].err, PL_E_CONFLICT);
	assert_int_equal(w[4].u.change.refusal, PL_CHANGE_OF_DELETED);
	for (int i = 1; i <= 3; i++) {
		assert_int_equal(w[i].err, PL_OK);
		if (i > 1)
			assert_true(pl_message_changed(&w[i].u.change.message) >
				    pl_message_changed(&w[i - 1].u.change.message));
	}
	assert_string_equal(w[2].u.change.message.text, "un");
	for (int i = 1; i <= 3; i++)
		pl_message_fini(&w[i].u.change.message);
}

static void
owes_no_reply_to_what_was_deleted(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann"),
		      bob = store_add_user(f->store, "bob");
	struct pl_overdue_list due;
	struct pl_oid waits, claimed;
	struct pl_write claim, reply;

	store_set_status(f->store, &bob, PL_STATUS_BUSY);
	waits = store_send(f->store, &ann, &bob, "one").id;
	claimed = store_send(f->store, &ann, &bob, "two").id;
	claim = store_claim(f->store, &claimed, INT64_MAX, 10000);
	assert_int_equal(claim.err, PL_OK);
	change(f->store, &ann, &waits, NULL);
	change(f->store, &ann, &claimed, NULL);
	/* The answer that is in the making comes too late. */
	reply = store_reply(f->store, &claimed, "I am busy");
	assert_int_equal(reply.err, PL_E_NOT_FOUND);
	store_claim_fini(&claim);
	claim = store_claim(f->store, NULL, INT64_MAX, 10000);
	assert_int_equal(claim.err, PL_E_NOT_FOUND);
	store_claim_fini(&claim);
	assert_int_equal(pl_store_overdue(f->store, INT64_MAX, 10, &due), PL_OK);
	assert_int_equal(due.count, 0);
	pl_overdue_list_fini(&due);
	assert_int_equal(store_count(f->store, &ann, &bob), 2);
}

static void
edits_no_automatic_reply_and_deletes_it(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann"),
		      bob = store_add_user(f->store, "bob");
	struct pl_write reply;
	struct pl_message m;
	struct pl_oid id;

	store_set_status(f->store, &bob, PL_STATUS_BUSY);
	id = store_send(f->store, &ann, &bob, "one").id;
	reply = store_reply(f->store, &id, "I am busy");
	assert_int_equal(reply.err, PL_OK);
	id = reply.u.reply.message.id;
	pl_message_fini(&reply.u.reply.message);
	assert_refused(f->store, change_of(&bob, &id, "really"), PL_CHANGE_OF_REPLY);
	assert_refused(f->store, change_of(&ann, &id, NULL), PL_CHANGE_OF_ANOTHER);
	change(f->store, &bob, &id, NULL);
	m = read_message(f->store, &id);
	assert_int_equal(m.reply_kind, PL_REPLY_LLM);
	assert_string_equal(m.text, "");
	pl_message_fini(&m);
}

static void
assert_another_text_is_refused(
    struct pl_store *s, const struct pl_oid *ann, const struct pl_oid *bob)
{
	static const char *const others[] = {"two", "uno", "one "};
	struct pl_write w;

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		store_send_init(&w, ann, bob, others[i], "key");
		assert_int_equal(store_write_one(s, &w), PL_E_CONFLICT);
		w.u.send.only_replay = true;
		assert_int_equal(store_write_one(s, &w), PL_E_CONFLICT);
		store_send_fini(&w);
	}
}

/* Whoever tries to send it again has sent it, and is told how it is. */
static void
answers_a_known_key_with_the_latest(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann"),
		      bob = store_add_user(f->store, "bob");
	struct pl_write w;
	struct pl_oid id;

	store_send_init(&w, &ann, &bob, "one", "key");
	assert_int_equal(store_write_one(f->store, &w), PL_OK);
	id = w.u.send.message.id;
	store_send_fini(&w);
	change(f->store, &ann, &id, "uno");
	store_send_init(&w, &ann, &bob, "one", "key");
	assert_int_equal(store_write_one(f->store, &w), PL_OK);
	assert_true(w.u.send.replayed);
	assert_string_equal(w.u.send.message.text, "uno");
	assert_true(w.u.send.message.edited_unix_ms > 0);
	store_send_fini(&w);
	assert_another_text_is_refused(f->store, &ann, &bob);
	change(f->store, &ann, &id, "one, two");
	assert_another_text_is_refused(f->store, &ann, &bob);
	change(f->store, &ann, &id, NULL);
	assert_another_text_is_refused(f->store, &ann, &bob);
	store_send_init(&w, &ann, &bob, "one", "key");
	assert_int_equal(store_write_one(f->store, &w), PL_OK);
	assert_true(w.u.send.replayed);
	assert_string_equal(w.u.send.message.text, "");
	assert_int_equal(w.u.send.message.text_len, 0);
	assert_true(w.u.send.message.deleted_unix_ms > 0);
	store_send_fini(&w);
	assert_int_equal(store_count(f->store, &ann, &bob), 1);
	/* To somebody else it is another message. */
	store_send_init(&w, &ann, &ann, "one", "key");
	assert_int_equal(store_write_one(f->store, &w), PL_E_CONFLICT);
	store_send_fini(&w);
}

static unsigned
unread_of(struct pl_store *s, const struct pl_oid *user, const struct pl_oid *other)
{
	struct pl_conversation_list list;
	struct pl_conversation c;
	unsigned unread;

	assert_int_equal(pl_store_conversation(s, user, other, &c), PL_OK);
	unread = c.unread;
	pl_conversation_fini(&c);
	assert_int_equal(pl_store_conversations(s, user, NULL, 10, &list), PL_OK);
	assert_int_equal(list.count, 1);
	assert_int_equal(list.items[0].unread, unread);
	pl_conversation_list_fini(&list);
	return unread;
}

static void
counts_deleted_ones_as_read(void **state)
{
	enum { SENT = PL_UNREAD_MAX + 5 };
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann"),
		      bob = store_add_user(f->store, "bob");
	struct pl_oid ids[SENT];
	struct pl_write mark = {.kind = PL_WRITE_MARK,
	    .u.mark = {.reader = bob, .writer = ann, .is_read = true}};

	for (int i = 0; i < SENT; i++)
		ids[i] = store_send(f->store, &ann, &bob, "hi").id;
	for (int i = 0; i < 5; i++)
		change(f->store, &ann, &ids[i], NULL);
	assert_int_equal(unread_of(f->store, &bob, &ann), PL_UNREAD_MAX);
	change(f->store, &ann, &ids[SENT - 1], NULL);
	change(f->store, &ann, &ids[SENT - 2], "edited");
	assert_int_equal(unread_of(f->store, &bob, &ann), PL_UNREAD_MAX - 1);
	mark.u.mark.up_to = ids[SENT - 4];
	assert_int_equal(store_write_one(f->store, &mark), PL_OK);
	assert_int_equal(mark.u.mark.unread, 2);
	change(f->store, &ann, &ids[SENT - 3], NULL);
	change(f->store, &ann, &ids[SENT - 2], NULL);
	assert_int_equal(unread_of(f->store, &bob, &ann), 0);
}

/* ---- how others hear of it ---- */

static struct pl_pos_list
changes_of(struct pl_store *s, const struct pl_oid *user,
    const struct pl_message_pos *after, size_t limit)
{
	struct pl_pos_list list;

	assert_int_equal(pl_store_changes(s, user, after, limit, &list), PL_OK);
	return list;
}

static void
tells_both_and_nobody_else_of_changes_in_their_order(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann"),
		      bob = store_add_user(f->store, "bob"),
		      eve = store_add_user(f->store, "eve");
	struct pl_oid one = store_send(f->store, &ann, &bob, "one").id,
		      two = store_send(f->store, &bob, &ann, "two").id,
		      own = store_send(f->store, &ann, &ann, "to myself").id;
	const struct pl_oid *both[] = {&ann, &bob, NULL};
	struct pl_message_pos places[3];
	struct pl_pos_list list;

	store_send(f->store, &eve, &ann, "never changed");
	list = changes_of(f->store, NULL, NULL, 10);
	assert_int_equal(list.count, 0);
	pl_pos_list_fini(&list);
	change(f->store, &ann, &one, "uno");
	places[0] = (struct pl_message_pos){change(f->store, &bob, &two, NULL), two};
	wait_a_moment();
	places[1] = (struct pl_message_pos){change(f->store, &ann, &own, "mine"), own};
	wait_a_moment();
	places[2] = (struct pl_message_pos){change(f->store, &ann, &one, "un"), one};
	/* Each once, by its last change. */
	for (size_t i = 0; i < 3; i++) {
		bool has_own = both[i] != &bob;
		size_t at = 0;

		list = changes_of(f->store, both[i], NULL, 10);
		assert_int_equal(list.count, has_own ? 3 : 2);
		for (size_t k = 0; k < 3; k++)
			if (k != 1 || has_own)
				assert_int_equal(
				    store_pos_compare(&list.items[at++], &places[k]), 0);
		pl_pos_list_fini(&list);
		list = changes_of(f->store, both[i], &places[1], 10);
		assert_int_equal(list.count, 1);
		assert_int_equal(store_pos_compare(&list.items[0], &places[2]), 0);
		pl_pos_list_fini(&list);
		list = changes_of(f->store, both[i], NULL, 1);
		assert_int_equal(list.count, 1);
		assert_int_equal(store_pos_compare(&list.items[0], &places[0]), 0);
		pl_pos_list_fini(&list);
	}
	list = changes_of(f->store, &eve, NULL, 10);
	assert_int_equal(list.count, 0);
	pl_pos_list_fini(&list);
}

/* ---- at once ---- */

#define AT_ONCE 8
#define EACH    20

struct race {
	struct pl_oid ann;
	struct pl_oid id;
	int64_t at[AT_ONCE * EACH];
};

static void
edit_often(struct worker *w, struct pl_store *s)
{
	struct race *race = w->arg;

	for (int i = 0; i < EACH && w->err == PL_OK; i++) {
		char text[32];
		struct pl_write one;
		struct pl_write *all = &one;

		snprintf(text, sizeof(text), "%u of %d", w->index, i);
		one = change_of(&race->ann, &race->id, text);
		do
			pl_store_write(s, &all, 1);
		while (one.err == PL_E_UNAVAILABLE); /* too many at once */
		w->err = one.err;
		race->at[w->index * EACH + i] = one.u.change.message.edited_unix_ms;
		pl_message_fini(&one.u.change.message);
	}
}

static int
earlier_first(const void *a, const void *b)
{
	int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;

	return (left > right) - (left < right);
}

static void
gives_edits_at_once_different_times(void **state)
{
	struct fixture *f = *state;
	struct race race = {.ann = store_add_user(f->store, "ann")};
	struct worker workers[AT_ONCE];
	struct pl_message m;

	race.id = store_send(f->store, &race.ann, &race.ann, "one").id;
	store_run_parallel(f, workers, AT_ONCE, edit_often, &race);
	for (int i = 0; i < AT_ONCE; i++)
		assert_int_equal(workers[i].err, PL_OK);
	qsort(race.at, AT_ONCE * EACH, sizeof(race.at[0]), earlier_first);
	for (int i = 1; i < AT_ONCE * EACH; i++)
		assert_true(race.at[i] > race.at[i - 1]);
	m = read_message(f->store, &race.id);
	assert_int_equal(m.edited_unix_ms, race.at[AT_ONCE * EACH - 1]);
	pl_message_fini(&m);
}

int
store_edits_suite(void)
{
	const struct CMUnitTest tests[] = {
	    STORE_TEST(gives_a_message_another_text),
	    STORE_TEST(takes_a_message_away),
	    STORE_TEST(refuses_what_is_not_ones_own_and_what_is_too_late),
	    STORE_TEST(decides_in_the_order_of_a_batch),
	    STORE_TEST(owes_no_reply_to_what_was_deleted),
	    STORE_TEST(edits_no_automatic_reply_and_deletes_it),
	    STORE_TEST(answers_a_known_key_with_the_latest),
	    STORE_TEST(counts_deleted_ones_as_read),
	    STORE_TEST(tells_both_and_nobody_else_of_changes_in_their_order),
	    STORE_TEST(gives_edits_at_once_different_times),
	};

	return cmocka_run_group_tests_name("edits", tests, NULL, NULL);
}
