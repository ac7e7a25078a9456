/* Contract: a user is gone at once, and nothing of them is left when their erasure is
 * done. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "contract/store_contract.h"
#include "store/store_backup.h"
#include "store/store_erase.h"
#include "store/store_records.h"
#include "support/patience.h"

#define MANY 300 /* texts: some steps */

static enum pl_err
erase(struct pl_store *s, const struct pl_oid *user, const char *hash)
{
	struct pl_write w = {
	    .kind = PL_WRITE_ERASE, .u.erase = {.user = *user, .password_hash = hash}};

	pl_revocation_of_all(&w.u.erase.revocation, user, pl_clock_unix_ms() / 1000 + 2);
	return store_write_one(s, &w);
}

static struct pl_erase_step
worker(uint64_t name)
{
	return (struct pl_erase_step){.worker = name, .lease_ms = 60000};
}

/* Until there is no more to do; how many steps. */
static size_t
finish(struct pl_store *s, struct pl_erase_step *step)
{
	size_t steps = 0;

	do {
		assert_int_equal(pl_store_erase_step(s, step), PL_OK);
		steps++;
		assert_true(steps < 10000);
	} while (step->state != PL_ERASE_NOTHING);
	return steps;
}

static size_t
under_way(struct pl_store *s)
{
	size_t count = 1000;

	assert_int_equal(pl_store_erasures(s, &count), PL_OK);
	return count;
}

static struct pl_message_list
history(struct pl_store *s, const struct pl_oid *a, const struct pl_oid *b)
{
	struct pl_message_list list;

	assert_int_equal(
	    pl_store_messages_page(s, a, b, PL_PAGE_AFTER, NULL, 100000, &list), PL_OK);
	return list;
}

/* All that `from` wrote is deleted, all that others did is not. */
static void
assert_erased(
    struct pl_store *s, const struct pl_oid *from, const struct pl_oid *to, size_t count)
{
	struct pl_message_list list = history(s, from, to);

	assert_int_equal(list.count, count);
	for (size_t i = 0; i < list.count; i++) {
		bool is_theirs = pl_oid_eq(&list.items[i].sender, from);

		assert_int_equal(list.items[i].text_len == 0, is_theirs);
		assert_int_equal(list.items[i].deleted_unix_ms != 0, is_theirs);
	}
	pl_message_list_fini(&list);
}

static void
send_keyed(struct pl_store *s, const struct pl_oid *from, const struct pl_oid *to,
    const char *text, const char *key, struct pl_oid *id)
{
	struct pl_write w;

	store_send_init(&w, from, to, text, key);
	assert_int_equal(store_write_one(s, &w), PL_OK);
	*id = w.u.send.message.id;
	store_send_fini(&w);
}

static void
mark_read(struct pl_store *s, const struct pl_oid *reader, const struct pl_oid *writer,
    const struct pl_oid *up_to)
{
	struct pl_write w = {.kind = PL_WRITE_MARK,
	    .u.mark = {
		.reader = *reader, .writer = *writer, .up_to = *up_to, .is_read = true}};

	assert_int_equal(store_write_one(s, &w), PL_OK);
}

static void
log_in(struct pl_store *s, const struct pl_oid *user)
{
	struct pl_write w = {.kind = PL_WRITE_SESSION, .u.session = {.user = *user}};

	memset(w.u.session.token_id, 7, PL_JWT_ID_LEN);
	w.u.session.issued_unix_s = pl_clock_unix_ms() / 1000;
	assert_int_equal(store_write_one(s, &w), PL_OK);
}

static size_t
records_of(struct pl_store *s, enum pl_record_kind kind)
{
	struct pl_record_list list;
	size_t count;

	assert_int_equal(pl_store_export(s, kind, NULL, 1000, &list), PL_OK);
	count = list.count;
	pl_record_list_fini(&list);
	return count;
}

/* ---- the note ------------------------------------------------------------------------ */

static void
refuses_another_hash_and_a_user_who_is_none(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann"), nobody;
	struct pl_user user;

	pl_oid_new(&nobody);
	assert_int_equal(erase(f->store, &ann, "another"), PL_E_CONFLICT);
	assert_int_equal(erase(f->store, &nobody, NULL), PL_E_NOT_FOUND);
	assert_int_equal(under_way(f->store), 0);
	assert_int_equal(pl_store_user_by_id(f->store, &ann, &user), PL_OK);
	pl_user_fini(&user);
}

static size_t
count_people(struct pl_store *s, const char *query)
{
	struct pl_user_list page;
	size_t count;

	assert_int_equal(pl_store_people_page(s, pl_str(query), NULL, 10, &page), PL_OK);
	count = page.count;
	pl_user_list_fini(&page);
	return count;
}

static void
takes_the_user_away_at_once(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann");
	struct pl_oid bob = store_add_user(f->store, "bob"), again;
	struct pl_conversation_list list;
	struct pl_revocation_list revoked;
	struct pl_user user;
	struct pl_write w;

	store_send(f->store, &ann, &bob, "hello");
	assert_int_equal(erase(f->store, &ann, "hash"), PL_OK);
	assert_int_equal(pl_store_user_by_id(f->store, &ann, &user), PL_E_NOT_FOUND);
	assert_int_equal(
	    pl_store_user_by_username(f->store, PL_STR("ann"), &user), PL_E_NOT_FOUND);
	assert_int_equal(count_people(f->store, "ann"), 0);
	assert_int_equal(pl_store_conversations(f->store, &bob, NULL, 10, &list), PL_OK);
	assert_int_equal(list.count, 0);
	pl_conversation_list_fini(&list);
	assert_int_equal(pl_store_revocations_since(f->store, 0, &revoked), PL_OK);
	assert_int_equal(revoked.count, 1);
	pl_revocation_list_fini(&revoked);
	store_send_init(&w, &bob, &ann, "are you there?", NULL);
	assert_int_equal(store_write_one(f->store, &w), PL_E_NOT_FOUND);
	store_send_fini(&w);
	assert_int_equal(erase(f->store, &ann, NULL), PL_E_NOT_FOUND);

	again = store_add_user(f->store, "ann");
	assert_int_equal(count_people(f->store, "ann"), 1);
	assert_int_equal(
	    pl_store_conversations(f->store, &again, NULL, 10, &list), PL_OK);
	assert_int_equal(list.count, 0);
	pl_conversation_list_fini(&list);
}

/* ---- what is left ---------------------------------------------------------------------- */

static void
leaves_nothing_of_them_and_all_of_others(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann");
	struct pl_oid bob = store_add_user(f->store, "bob"), keyed, owed, theirs;
	struct pl_erase_step step = worker(1);
	struct pl_session_list sessions;
	struct pl_write reply;

	send_keyed(f->store, &ann, &bob, "under a key", "key", &keyed);
	send_keyed(f->store, &bob, &ann, "an answer", "bobs", &theirs);
	store_send(f->store, &ann, &ann, "to myself");
	store_set_status(f->store, &ann, PL_STATUS_BUSY);
	send_keyed(f->store, &bob, &ann, "are you busy?", NULL, &owed);
	reply = store_reply(f->store, &owed, "I am");
	assert_int_equal(reply.err, PL_OK);
	pl_message_fini(&reply.u.reply.message);
	store_send(f->store, &bob, &ann, "this reply is owed by ann");
	store_set_status(f->store, &bob, PL_STATUS_BUSY);
	store_send(f->store, &ann, &bob, "this one to ann");
	mark_read(f->store, &ann, &bob, &theirs);
	mark_read(f->store, &bob, &ann, &keyed);
	log_in(f->store, &ann);
	log_in(f->store, &bob);
	assert_int_equal(records_of(f->store, PL_RECORD_JOB), 2);

	assert_int_equal(erase(f->store, &ann, NULL), PL_OK);
	assert_int_equal(under_way(f->store), 1);
	finish(f->store, &step);
	assert_int_equal(under_way(f->store), 0);
	assert_erased(f->store, &ann, &bob, 6);
	assert_erased(f->store, &ann, &ann, 1);
	assert_int_equal(records_of(f->store, PL_RECORD_JOB), 0);
	assert_int_equal(records_of(f->store, PL_RECORD_IDEM), 1);
	assert_int_equal(records_of(f->store, PL_RECORD_MARKS), 0);
	assert_int_equal(records_of(f->store, PL_RECORD_ERASURE), 0);
	assert_int_equal(records_of(f->store, PL_RECORD_USER), 1);
	assert_int_equal(pl_store_sessions_of(f->store, &ann, &sessions), PL_OK);
	assert_int_equal(sessions.count, 0);
	assert_int_equal(pl_store_sessions_of(f->store, &bob, &sessions), PL_OK);
	assert_int_equal(sessions.count, 1);
}

/* Bob wrote to ann, who went before him: his own export and erasure find it all the same. */
static void
finds_what_one_wrote_to_who_is_gone(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann");
	struct pl_oid bob = store_add_user(f->store, "bob");
	struct pl_erase_step step = worker(1);
	struct pl_pos_list places;

	store_send(f->store, &bob, &ann, "to whom it may concern");
	assert_int_equal(erase(f->store, &ann, "hash"), PL_OK);
	finish(f->store, &step);
	assert_int_equal(pl_store_positions_of(f->store, &bob, NULL, 10, &places), PL_OK);
	assert_int_equal(places.count, 1);
	pl_pos_list_fini(&places);
	assert_int_equal(erase(f->store, &bob, "hash"), PL_OK);
	finish(f->store, &step);
	assert_erased(f->store, &bob, &ann, 1);
	assert_int_equal(under_way(f->store), 0);
}

/* Most people's words are gone when they are told that they are. */
static void
takes_the_first_words_with_the_user(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann");
	struct pl_oid bob = store_add_user(f->store, "bob");

	for (int i = 0; i < 5; i++)
		store_send(f->store, &ann, &bob, "a word");
	assert_int_equal(erase(f->store, &ann, "hash"), PL_OK);
	assert_erased(f->store, &ann, &bob, 5);
}

static void
says_nothing_in_the_name_of_who_is_gone_nor_to_them(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann");
	struct pl_oid bob = store_add_user(f->store, "bob"), to_ann, from_ann;
	struct pl_write reply;

	store_set_status(f->store, &ann, PL_STATUS_BUSY);
	store_set_status(f->store, &bob, PL_STATUS_BUSY);
	send_keyed(f->store, &bob, &ann, "hi", NULL, &to_ann);
	send_keyed(f->store, &ann, &bob, "hi", NULL, &from_ann);
	assert_int_equal(erase(f->store, &ann, NULL), PL_OK);
	reply = store_reply(f->store, &to_ann, "ann is busy");
	assert_int_equal(reply.err, PL_E_NOT_FOUND);
	reply = store_reply(f->store, &from_ann, "bob is busy");
	assert_int_equal(reply.err, PL_E_NOT_FOUND);
	assert_int_equal(store_count(f->store, &ann, &bob), 2);
	assert_int_equal(records_of(f->store, PL_RECORD_JOB), 0);
}

static size_t
count_correspondents(struct pl_store *s, const struct pl_oid *user)
{
	struct pl_oid ids[10];
	size_t count = 0;

	assert_int_equal(pl_store_correspondents(s, user, NULL, 10, ids, &count), PL_OK);
	return count;
}

/* When each of its ends was: after `from`, and before now. */
struct course {
	int64_t begun, swept_from, swept, again_from, again, done;
};

/* Its pairs are there until the second sweep was told for tell_ms. */
static struct course
follow(struct pl_store *s, struct pl_erase_step *step, const struct pl_oid *user,
    size_t others)
{
	struct course c = {.begun = pl_clock_unix_ms()};

	while (c.done == 0) {
		int64_t from = pl_clock_unix_ms();

		assert_int_equal(pl_store_erase_step(s, step), PL_OK);
		if (step->is_swept)
			c.swept_from = from, c.swept = pl_clock_unix_ms();
		if (step->is_swept_again)
			c.again_from = from, c.again = pl_clock_unix_ms();
		if (step->state == PL_ERASE_DONE)
			c.done = pl_clock_unix_ms();
		if (step->state == PL_ERASE_NOTHING)
			usleep(5000);
		if (c.again == 0)
			assert_int_equal(count_correspondents(s, user), others);
		else if (count_correspondents(s, user) < others)
			assert_true(pl_clock_unix_ms() >= c.again_from + step->tell_ms);
		assert_true(pl_clock_unix_ms() < c.begun + patient_ms(60000));
	}
	assert_int_equal(count_correspondents(s, user), 0);
	return c;
}

/* However late the first sweep is: whoever was told of it then has the time to look. */
static void
settles_from_the_end_of_the_first_sweep(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann");
	struct pl_oid bob = store_add_user(f->store, "bob");
	struct pl_erase_step step = worker(1);
	struct course c;

	store_send(f->store, &ann, &bob, "hello");
	assert_int_equal(erase(f->store, &ann, NULL), PL_OK);
	step.settle_ms = 300;
	step.tell_ms = 400;
	usleep(500000);
	c = follow(f->store, &step, &ann, 1);
	assert_true(c.swept != 0 && c.again != 0);
	assert_true(c.again >= c.swept_from + step.settle_ms);
	assert_true(c.done >= c.again_from + step.tell_ms);
}

/* Takes steps until the second sweep has come to its end. */
static void
sweep_again(struct pl_store *s, struct pl_erase_step *step)
{
	do {
		assert_int_equal(pl_store_erase_step(s, step), PL_OK);
		assert_int_equal(step->state, PL_ERASE_GOES_ON);
	} while (!step->is_swept_again);
}

/* What came late was on screens, too; whoever dies before they told so leaves it to the
 * next, and who has told it does not do so again. */
static void
tells_of_the_second_sweep_whoever_dies(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann");
	struct pl_oid bob = store_add_user(f->store, "bob");
	struct pl_oid eve = store_add_user(f->store, "eve");
	struct pl_erase_step first = worker(1), second = worker(2);

	first.lease_ms = 0;
	store_send(f->store, &ann, &bob, "first");
	assert_int_equal(erase(f->store, &ann, NULL), PL_OK);
	do
		assert_int_equal(pl_store_erase_step(f->store, &first), PL_OK);
	while (!first.is_swept);
	store_send(f->store, &ann, &bob, "late");
	store_send(f->store, &ann, &eve, "late, and to another");
	sweep_again(f->store, &first);
	assert_erased(f->store, &ann, &bob, 2);
	assert_erased(f->store, &ann, &eve, 1);
	assert_int_equal(count_correspondents(f->store, &ann), 2);
	usleep(2000); /* its lease is over */
	sweep_again(f->store, &second);
	assert_true(pl_oid_eq(&second.user, &ann));
	assert_int_equal(count_correspondents(f->store, &ann), 2);
	do {
		assert_int_equal(pl_store_erase_step(f->store, &second), PL_OK);
		assert_false(second.is_swept || second.is_swept_again);
	} while (second.state != PL_ERASE_NOTHING);
	assert_int_equal(under_way(f->store), 0);
	assert_int_equal(count_correspondents(f->store, &ann), 0);
}

/* The pairs stay until nothing comes any more: by them it is told. */
static void
tells_of_what_came_while_it_told(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann");
	struct pl_oid bob = store_add_user(f->store, "bob");
	struct pl_oid eve = store_add_user(f->store, "eve");
	struct pl_erase_step step = worker(1);

	store_send(f->store, &ann, &bob, "first");
	store_send(f->store, &ann, &eve, "first");
	assert_int_equal(erase(f->store, &ann, NULL), PL_OK);
	sweep_again(f->store, &step);
	for (size_t late = 1; late <= 2; late++) {
		assert_int_equal(pl_store_erase_step(f->store, &step), PL_OK);
		assert_false(step.is_swept_again);
		assert_int_equal(count_correspondents(f->store, &ann), 2);
		store_send(f->store, &ann, &bob, "late");
		store_send(f->store, &ann, &eve, "late");
		sweep_again(f->store, &step);
		assert_int_equal(count_correspondents(f->store, &ann), 2);
		assert_erased(f->store, &ann, &bob, 1 + late);
		assert_erased(f->store, &ann, &eve, 1 + late);
	}
	do {
		assert_int_equal(pl_store_erase_step(f->store, &step), PL_OK);
		assert_false(step.is_swept_again);
	} while (step.state != PL_ERASE_NOTHING);
	assert_int_equal(under_way(f->store), 0);
	assert_int_equal(count_correspondents(f->store, &ann), 0);
}

/* Whoever wrote to nobody has an end, too. */
static void
ends_for_who_wrote_to_nobody(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann");
	struct pl_erase_step step = worker(1);

	assert_int_equal(erase(f->store, &ann, NULL), PL_OK);
	(void)follow(f->store, &step, &ann, 0);
	assert_int_equal(under_way(f->store), 0);
}

/* Another process had a send of theirs under way when they left. */
static void
sweeps_again_what_came_late(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann");
	struct pl_oid bob = store_add_user(f->store, "bob");
	struct pl_oid eve = store_add_user(f->store, "eve");
	struct pl_erase_step step = worker(1);

	store_send(f->store, &ann, &bob, "first");
	assert_int_equal(erase(f->store, &ann, NULL), PL_OK);
	step.settle_ms = 2000;
	finish(f->store, &step);
	assert_erased(f->store, &ann, &bob, 1);
	assert_int_equal(under_way(f->store), 1);
	store_send(f->store, &ann, &bob, "late");
	store_send(f->store, &ann, &eve, "late, and to another");
	log_in(f->store, &ann);
	finish(f->store, &step);
	assert_int_equal(under_way(f->store), 1);
	for (int i = 0; i < 600 && under_way(f->store) > 0; i++) {
		usleep(50000);
		finish(f->store, &step);
	}
	assert_int_equal(under_way(f->store), 0);
	assert_erased(f->store, &ann, &bob, 2);
	assert_erased(f->store, &ann, &eve, 1);
	assert_int_equal(records_of(f->store, PL_RECORD_SESSIONS), 0);
}

/* ---- workers --------------------------------------------------------------------------- */

static void
write_many(struct pl_store *s, const struct pl_oid *from, const struct pl_oid *to)
{
	for (int i = 0; i < MANY / 100; i++) {
		struct pl_write writes[100], *list[100];

		for (int k = 0; k < 100; k++) {
			store_send_init(&writes[k], from, to, "one of many", NULL);
			list[k] = &writes[k];
		}
		pl_store_write(s, list, 100);
		for (int k = 0; k < 100; k++) {
			assert_int_equal(writes[k].err, PL_OK);
			store_send_fini(&writes[k]);
		}
	}
}

/* After any number of steps another goes on, as if the first had died. */
static void
goes_on_wherever_another_stopped(void **state)
{
	struct fixture *f = *state;
	size_t steps = SIZE_MAX;

	for (size_t stop = 0; stop < steps; stop++) {
		struct pl_oid ann = store_add_user(f->store, "ann");
		struct pl_oid bob;
		struct pl_erase_step first = worker(1), second = worker(2);
		struct pl_store *other = store_open_patiently(&f->config);
		char name[32];

		snprintf(name, sizeof(name), "bob%zu", stop);
		bob = store_add_user(f->store, name);
		write_many(f->store, &ann, &bob);
		store_send(f->store, &bob, &ann, "mine");
		assert_int_equal(erase(f->store, &ann, NULL), PL_OK);
		first.lease_ms = 0;
		for (size_t i = 0; i < stop; i++)
			assert_int_equal(pl_store_erase_step(f->store, &first), PL_OK);
		usleep(2000); /* its lease is over */
		if (stop == 0)
			steps = finish(other, &second);
		else
			finish(other, &second);
		assert_int_equal(under_way(f->store), 0);
		assert_erased(f->store, &ann, &bob, MANY + 1);
		pl_store_close(other);
	}
	assert_true(steps > 3);
}

static void
has_one_worker_at_a_time(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann");
	struct pl_oid bob = store_add_user(f->store, "bob");
	struct pl_erase_step first = worker(1), second = worker(2);

	write_many(f->store, &ann, &bob);
	assert_int_equal(erase(f->store, &ann, NULL), PL_OK);
	assert_int_equal(pl_store_erase_step(f->store, &first), PL_OK);
	assert_int_equal(first.state, PL_ERASE_GOES_ON);
	assert_true(pl_oid_eq(&first.user, &ann));
	assert_in_range(first.texts, 0, PL_ERASE_ROWS); /* some went with the user */
	assert_int_equal(pl_store_erase_step(f->store, &second), PL_OK);
	assert_int_equal(second.state, PL_ERASE_NOTHING);
	/* Another user's they may have. */
	assert_int_equal(erase(f->store, &bob, NULL), PL_OK);
	assert_int_equal(pl_store_erase_step(f->store, &second), PL_OK);
	assert_int_equal(second.state, PL_ERASE_GOES_ON);
	assert_true(pl_oid_eq(&second.user, &bob));
	finish(f->store, &first); /* it may wait for the other at the end */
	finish(f->store, &second);
	finish(f->store, &first);
	assert_int_equal(under_way(f->store), 0);
	assert_erased(f->store, &ann, &bob, MANY);
}

static void
erases_for_a_program(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann");
	struct pl_oid bob = store_add_user(f->store, "bob");
	struct pl_revocation r;
	int64_t before;

	store_send(f->store, &ann, &bob, "hello");
	assert_int_equal(pl_store_erase_user(f->store, &ann, &r), PL_OK);
	assert_true(pl_revocation_is_of_all(&r, &before));
	assert_true(pl_oid_eq(&r.user, &ann));
	assert_true(r.created_unix_ms > 0);
	assert_erased(f->store, &ann, &bob, 1);
	assert_int_equal(under_way(f->store), 1); /* until all have settled */
	assert_int_equal(pl_store_erase_user(f->store, &ann, &r), PL_E_NOT_FOUND);
}

/* ---- copies ---------------------------------------------------------------------------- */

static void
goes_on_in_a_copy(void **state)
{
	struct fixture *f = *state, *copy;
	struct pl_oid ann = store_add_user(f->store, "ann");
	struct pl_oid bob = store_add_user(f->store, "bob");
	struct pl_erase_step step = worker(1);
	void *other = NULL;

	assert_int_equal(store_fixture_setup(&other), 0);
	copy = other;
	write_many(f->store, &ann, &bob);
	assert_int_equal(erase(f->store, &ann, NULL), PL_OK);
	assert_int_equal(pl_store_erase_step(f->store, &step), PL_OK);
	for (enum pl_record_kind kind = 0; kind < PL_RECORD_KINDS; kind++) {
		struct pl_record_list list;

		assert_int_equal(
		    pl_store_export(f->store, kind, NULL, 10000, &list), PL_OK);
		for (int i = 0; i < 2; i++)
			assert_int_equal(
			    pl_store_import(copy->store, list.items, list.count), PL_OK);
		for (size_t i = 0; i < list.count; i++)
			assert_int_equal(list.items[i].outcome, PL_RECORD_SAME);
		pl_record_list_fini(&list);
	}
	assert_int_equal(under_way(copy->store), 1);
	finish(copy->store, &step);
	assert_int_equal(under_way(copy->store), 0);
	assert_erased(copy->store, &ann, &bob, MANY);
	store_fixture_teardown(&other);
}

static void
goes_on_after_a_restore(void **state)
{
	struct fixture *f = *state, *restored;
	struct pl_oid ann = store_add_user(f->store, "ann");
	struct pl_oid bob = store_add_user(f->store, "bob");
	struct pl_erase_step step = worker(1);
	struct pl_backup_list parts = {0}, back = {0};
	char folder[] = "/tmp/parley-erase-XXXXXX", remove[64];
	struct pl_buf why;
	void *other = NULL;

	pl_buf_init(&why, 1024);
	assert_non_null(mkdtemp(folder));
	assert_int_equal(store_fixture_setup(&other), 0);
	restored = other;
	write_many(f->store, &ann, &bob);
	assert_int_equal(erase(f->store, &ann, NULL), PL_OK);
	assert_int_equal(pl_store_erase_step(f->store, &step), PL_OK);
	assert_int_equal(pl_store_backup(&f->config, folder, &parts, &why), PL_OK);
	pl_store_close(restored->store);
	assert_int_equal(
	    pl_store_restore(&restored->config, folder, "id", &back, &why), PL_OK);
	restored->store = store_open_patiently(&restored->config);
	assert_int_equal(under_way(restored->store), 1);
	finish(restored->store, &step);
	assert_int_equal(under_way(restored->store), 0);
	assert_erased(restored->store, &ann, &bob, MANY);
	pl_backup_list_fini(&parts);
	pl_backup_list_fini(&back);
	pl_buf_fini(&why);
	snprintf(remove, sizeof(remove), "rm -r %s", folder);
	assert_int_equal(system(remove), 0);
	store_fixture_teardown(&other);
}

/* ---- all messages of one user ------------------------------------------------------------ */

static void
gives_the_places_of_what_one_wrote_and_got_in_order(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann");
	struct pl_oid others[3];
	struct pl_message_pos expected[40], at;
	struct pl_pos_list list;
	size_t count = 0;

	for (int i = 0; i < 3; i++) {
		char name[8] = "other0";

		name[5] = (char)('0' + i);
		others[i] = store_add_user(f->store, name);
	}
	assert_int_equal(pl_store_positions_of(f->store, &ann, NULL, 10, &list), PL_OK);
	assert_int_equal(list.count, 0);
	pl_pos_list_fini(&list);
	for (int i = 0; i < 13; i++) {
		expected[count++] =
		    store_send(f->store, &ann, &others[(i * 2) % 3], "written");
		expected[count++] = store_send(f->store, &others[i % 3], &ann, "got");
		store_send(f->store, &others[0], &others[1], "not ann's");
		expected[count++] = store_send(f->store, &ann, &ann, "both");
	}
	for (size_t from = 0; from < count; from += list.count) {
		assert_int_equal(pl_store_positions_of(
				     f->store, &ann, from > 0 ? &at : NULL, 7, &list),
		    PL_OK);
		assert_int_equal(list.count, count - from < 7 ? count - from : 7);
		for (size_t i = 0; i < list.count; i++)
			assert_int_equal(
			    store_pos_compare(&list.items[i], &expected[from + i]), 0);
		at = list.items[list.count - 1];
		pl_mem_free(list.items);
	}
}

/* By whom they are told that the texts are gone: so when the first sweep is over, and
 * when the second one is, each once. */
static void
names_who_wrote_with_a_user_until_the_pairs_go(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann"),
		      bob = store_add_user(f->store, "bob"),
		      eve = store_add_user(f->store, "eve"), ids[4], first;
	struct pl_erase_step step = worker(1);
	size_t count = 7, swept = 0, again = 0;

	store_send(f->store, &ann, &bob, "to bob");
	store_send(f->store, &eve, &ann, "to ann");
	assert_int_equal(erase(f->store, &ann, NULL), PL_OK);
	do {
		assert_int_equal(pl_store_erase_step(f->store, &step), PL_OK);
		if (!step.is_swept && !step.is_swept_again)
			continue;
		swept += step.is_swept;
		again += step.is_swept_again;
		assert_true(pl_oid_eq(&step.user, &ann));
		assert_erased(f->store, &ann, &bob, 1);
		assert_int_equal(
		    pl_store_correspondents(f->store, &ann, NULL, 4, ids, &count), PL_OK);
		assert_int_equal(count, 2);
		assert_true(pl_oid_compare(&ids[0], &ids[1]) < 0);
		first = ids[0];
		assert_int_equal(
		    pl_store_correspondents(f->store, &ann, NULL, 1, ids, &count), PL_OK);
		assert_int_equal(count, 1);
		assert_true(pl_oid_eq(&ids[0], &first));
		assert_int_equal(
		    pl_store_correspondents(f->store, &ann, &first, 4, ids, &count),
		    PL_OK);
		assert_int_equal(count, 1);
		assert_true(pl_oid_eq(&ids[0], &bob) != pl_oid_eq(&first, &bob));
	} while (step.state != PL_ERASE_NOTHING);
	assert_int_equal(swept, 1);
	assert_int_equal(again, 1);
	assert_int_equal(
	    pl_store_correspondents(f->store, &ann, NULL, 4, ids, &count), PL_OK);
	assert_int_equal(count, 0);
}

int
store_erase_suite(void)
{
	const struct CMUnitTest tests[] = {
	    STORE_TEST(names_who_wrote_with_a_user_until_the_pairs_go),
	    STORE_TEST(refuses_another_hash_and_a_user_who_is_none),
	    STORE_TEST(takes_the_user_away_at_once),
	    STORE_TEST(leaves_nothing_of_them_and_all_of_others),
	    STORE_TEST(finds_what_one_wrote_to_who_is_gone),
	    STORE_TEST(takes_the_first_words_with_the_user),
	    STORE_TEST(says_nothing_in_the_name_of_who_is_gone_nor_to_them),
	    STORE_TEST(sweeps_again_what_came_late),
	    STORE_TEST(settles_from_the_end_of_the_first_sweep),
	    STORE_TEST(tells_of_the_second_sweep_whoever_dies),
	    STORE_TEST(tells_of_what_came_while_it_told),
	    STORE_TEST(ends_for_who_wrote_to_nobody),
	    STORE_TEST(goes_on_wherever_another_stopped),
	    STORE_TEST(has_one_worker_at_a_time),
	    STORE_TEST(erases_for_a_program),
	    STORE_TEST(goes_on_in_a_copy),
	    STORE_TEST(goes_on_after_a_restore),
	    STORE_TEST(gives_the_places_of_what_one_wrote_and_got_in_order),
	};

	return cmocka_run_group_tests_name("erase", tests, NULL, NULL);
}
