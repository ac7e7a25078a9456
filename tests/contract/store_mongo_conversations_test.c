/*
 * Conversations in a MongoDB that other programs write to, too: what the fill finds, what
 * is passed over, and how many commands a send and a list take.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "contract/mongo_databases.h"
#include "store/mongo/correspondents.h"
#include "store/mongo/fill.h"
#include "store/mongo/ranges.h"
#include "store/store_erase.h"
#include "store/store_adopt.h"
#include "support/capture.h"

#define ANN "{\"$oid\": \"65a000000000000000000001\"}"
#define BOB "{\"$oid\": \"65a000000000000000000002\"}"
#define EVE "{\"$oid\": \"65a000000000000000000003\"}"

static const struct pl_oid ann = {{0x65, 0xa0, [11] = 1}};
static const struct pl_oid bob = {{0x65, 0xa0, [11] = 2}};
static const struct pl_oid eve = {{0x65, 0xa0, [11] = 3}};

/* ---- as a MERN app does ---- */

static void
insert_people(struct fixture *f)
{
	mongo_databases_insert(
	    &f->config, "users", "{\"_id\": " ANN ", \"username\": \"ann\"}");
	mongo_databases_insert(
	    &f->config, "users", "{\"_id\": " BOB ", \"username\": \"bob\"}");
	mongo_databases_insert(
	    &f->config, "users", "{\"_id\": " EVE ", \"username\": \"eve\"}");
}

/* more: further fields, or such as take the place of these. */
static void
insert_message(
    struct fixture *f, const char *from, const char *to, int64_t created_unix_ms)
{
	char doc[512];

	snprintf(doc, sizeof(doc),
	    "{\"senderId\": %s, \"receiverId\": %s, \"message\": \"hi\", \"createdAt\":"
	    " {\"$date\": {\"$numberLong\": \"%lld\"}}, \"__v\": 0}",
	    from, to, (long long)created_unix_ms);
	mongo_databases_insert(&f->config, "messages", doc);
}

/* The number of conversations of user. */
static size_t
count_of(struct fixture *f, const struct pl_oid *user)
{
	struct pl_conversation_list list;
	size_t count;

	assert_int_equal(pl_store_conversations(f->store, user, NULL, 100, &list), PL_OK);
	count = list.count;
	pl_conversation_list_fini(&list);
	return count;
}

/* ---- the fill ---- */

/* One walk or look, in a session of its own as in its thread; the log, for the caller to
 * free. */
static char *
fill(struct fixture *f)
{
	struct pl_mongo *s = NULL;
	enum pl_err err;

	assert_int_equal(
	    pl_mongo_connect(f->config.mongo_uri, PL_MONGO_PATIENT_MS, &s), PL_OK);
	capture_stderr();
	err = pl_mongo_fill(s);
	pl_store_close(&s->store);
	assert_int_equal(err, PL_OK);
	return capture_end();
}

static void
expect_log(char *log, const char *first, const char *second)
{
	if (first == NULL)
		assert_string_equal(log, "");
	if (first != NULL && strstr(log, first) == NULL)
		fail_msg("%s: not in %s", first, log);
	if (second != NULL && strstr(log, second) == NULL)
		fail_msg("%s: not in %s", second, log);
	free(log);
}

static const char starts[] = "messages are looked through for conversations";
static const char ends[] = "conversations of messages that were there are listed";

static void
lists_conversations_that_another_program_had(void **state)
{
	struct fixture *f = *state;
	int64_t now = pl_clock_unix_ms();

	insert_people(f);
	insert_message(f, ANN, BOB, now - 86400000);
	insert_message(f, BOB, ANN, now - 86300000);
	insert_message(f, EVE, ANN, now - 1000);
	assert_int_equal(count_of(f, &ann), 0);
	expect_log(fill(f), starts, "\"messages\":3,\"correspondents\":4");
	assert_int_equal(count_of(f, &ann), 2);
	assert_int_equal(count_of(f, &bob), 1);
	assert_int_equal(count_of(f, &eve), 1);
	/* what is there is not said again, nor touched */
	expect_log(fill(f), NULL, NULL);
	assert_int_equal(
	    mongo_databases_count(&f->config, "messages", "{\"__v\": 0}"), 3);
}

/* An erasure may take the first of them away while a list is read. */
static void
lists_those_that_stay_while_another_one_goes(void **state)
{
	struct fixture *f = *state;
	int64_t now = pl_clock_unix_ms();
	struct pl_record_marks marks[] = {
	    {.user = ann, .other = bob}, {.user = ann, .other = eve}};
	struct pl_message_pos lasts[2];
	struct pl_mongo *s = NULL;
	unsigned unread[2];

	insert_people(f);
	insert_message(f, EVE, ANN, now - 1000);
	free(fill(f));
	assert_int_equal(
	    pl_mongo_connect(f->config.mongo_uri, PL_MONGO_PATIENT_MS, &s), PL_OK);
	assert_int_equal(
	    pl_ranges_last(s, &ann, (struct pl_oid[]){bob, eve}, 2, lasts), PL_OK);
	assert_true(lasts[0].created_unix_ms == INT64_MIN);
	assert_true(lasts[1].created_unix_ms == now - 1000);
	assert_int_equal(pl_ranges_unread(s, marks, 2, unread), PL_OK);
	assert_int_equal(unread[0], 0);
	assert_int_equal(unread[1], 1);
	pl_store_close(&s->store);
}

static void
leaves_a_database_without_messages_empty(void **state)
{
	struct fixture *f = *state;

	insert_people(f);
	expect_log(fill(f), NULL, NULL);
	assert_int_equal(
	    mongo_databases_count(&f->config, "parley_correspondents", "{}"), 0);
}

/* They have no place in the order; what comes later is found all the same. */
static void
looks_on_after_messages_that_have_no_time(void **state)
{
	struct fixture *f = *state;

	insert_people(f);
	mongo_databases_insert(&f->config, "messages",
	    "{\"senderId\": " EVE ", \"receiverId\": " ANN ", \"message\": \"hi\"}");
	expect_log(fill(f), starts, "\"messages\":0");
	expect_log(fill(f), NULL, NULL);
	insert_message(f, EVE, ANN, pl_clock_unix_ms());
	expect_log(fill(f), "another program began", NULL);
	assert_int_equal(count_of(f, &ann), 1);
}

static void
lists_what_another_program_writes_meanwhile(void **state)
{
	struct fixture *f = *state;
	int64_t now = pl_clock_unix_ms();

	insert_people(f);
	insert_message(f, ANN, BOB, now - 86400000);
	/* from the future: those of today are found all the same */
	insert_message(f, ANN, BOB, now + 86400000);
	expect_log(fill(f), starts, ends);
	insert_message(f, EVE, ANN, pl_clock_unix_ms());
	expect_log(fill(f), "another program began", "\"correspondents\":2");
	assert_int_equal(count_of(f, &ann), 2);
	/* by a clock that is behind */
	insert_message(f, EVE, BOB, pl_clock_unix_ms() - PL_FILL_OVERLAP_MS / 2);
	expect_log(fill(f), "another program began", "\"correspondents\":2");
	assert_int_equal(count_of(f, &eve), 2);
}

static size_t
sides_of(struct fixture *f, const struct pl_oid *user)
{
	struct pl_oid ids[4];
	size_t count;

	assert_int_equal(
	    pl_store_correspondents(f->store, user, NULL, 4, ids, &count), PL_OK);
	return count;
}

/* Until the pairs of an erasure go they are listed: by them its texts are told. */
static void
lists_no_conversations_of_who_was_erased(void **state)
{
	struct fixture *f = *state;
	struct pl_write w = {.kind = PL_WRITE_ERASE, .u.erase.user = bob};
	struct pl_erase_step step = {.worker = 1, .lease_ms = 60000};
	int64_t now = pl_clock_unix_ms();

	insert_people(f);
	insert_message(f, ANN, BOB, now - 3000);
	insert_message(f, BOB, EVE, now - 2000);
	insert_message(f, ANN, EVE, now - 1000);
	pl_revocation_of_all(&w.u.erase.revocation, &bob, now / 1000 + 2);
	assert_int_equal(store_write_one(f->store, &w), PL_OK);
	free(fill(f));
	assert_int_equal(sides_of(f, &bob), 2);
	do
		assert_int_equal(pl_store_erase_step(f->store, &step), PL_OK);
	while (step.state != PL_ERASE_NOTHING);
	assert_int_equal(sides_of(f, &bob), 0);
	free(fill(f)); /* in another session, as by another process */
	assert_int_equal(sides_of(f, &bob), 0);
	assert_int_equal(sides_of(f, &ann), 1);
	assert_int_equal(sides_of(f, &eve), 1);
}

static void
goes_on_where_a_walk_was_broken_off(void **state)
{
	struct fixture *f = *state;
	int64_t now = pl_clock_unix_ms();
	char doc[256];

	insert_people(f);
	insert_message(f, ANN, BOB, now - 3000000);
	insert_message(f, EVE, ANN, now - 1000000);
	snprintf(doc, sizeof(doc),
	    "{\"_id\": \"filled\", \"at\": {\"$date\": {\"$numberLong\": \"%lld\"}}}",
	    (long long)now - 2000000);
	mongo_databases_insert(&f->config, "parley_correspondents", doc);
	expect_log(fill(f), "from where it ended last time", "\"messages\":1");
	assert_int_equal(count_of(f, &eve), 1);
	assert_int_equal(count_of(f, &bob), 0);
	/* if somebody drops it, all is looked through again */
	mongo_databases_run(&f->config, "{\"drop\": \"parley_correspondents\"}");
	expect_log(fill(f), starts, "\"messages\":2");
	assert_int_equal(count_of(f, &bob), 1);
	assert_int_equal(count_of(f, &ann), 2);
}

static void
fill_and_send(struct worker *w, struct pl_store *s)
{
	struct pl_mongo *own = PL_CONTAINER(s, struct pl_mongo, store);
	struct pl_write send;

	if (w->index % 2) {
		w->err = pl_mongo_fill(own);
		return;
	}
	store_send_init(&send, &ann, &bob, "hi", NULL);
	w->err = store_write_one(s, &send);
	store_send_fini(&send);
}

static void
fills_with_several_processes_at_once(void **state)
{
	struct fixture *f = *state;
	struct worker workers[6];
	int64_t now = pl_clock_unix_ms();

	insert_people(f);
	for (int i = 0; i < 50; i++)
		insert_message(f, i % 2 ? ANN : EVE, i % 3 ? BOB : ANN, now - 1000 + i);
	store_run_parallel(f, workers, 6, fill_and_send, NULL);
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(workers[i].err, PL_OK);
	assert_int_equal(count_of(f, &ann), 3); /* eve, bob, and notes to herself */
	assert_int_equal(count_of(f, &bob), 2);
	assert_int_equal(mongo_databases_count(&f->config, "parley_correspondents",
			     "{\"_id\": {\"$ne\": \"filled\"}}"),
	    7);
}

static void
finds_the_messages_that_adopt_has_mended(void **state)
{
	static const struct pl_adopt_calls no_calls;
	struct fixture *f = *state;
	struct pl_adopt_report report;

	insert_people(f);
	insert_message(f, ANN, BOB, pl_clock_unix_ms());
	mongo_databases_insert(&f->config, "messages",
	    "{\"senderId\": " EVE ", \"receiverId\": " ANN ", \"message\": \"old\","
	    " \"createdAt\": \"2024-01-31T12:00:00.123Z\"}");
	expect_log(fill(f), starts, "\"correspondents\":2");
	assert_int_equal(count_of(f, &eve), 0);
	assert_int_equal(pl_store_adopt(&f->config, false, &no_calls, &report), PL_OK);
	assert_int_equal(report.mended[PL_ADOPT_MESSAGES].documents, 1);
	expect_log(fill(f), starts, ends);
	assert_int_equal(count_of(f, &eve), 1);
}

/* ---- documents as people have them ---- */

#define DATE   "{\"$date\": \"2024-01-31T12:00:00.123Z\"}"
#define LATER  "{\"$date\": \"2025-01-31T12:00:00.123Z\"}"
#define OF_EVE "\"senderId\": " EVE ", \"receiverId\": " ANN

static void
passes_over_what_is_no_message(void **state)
{
	static const char *const wrong[] = {
	    "{" OF_EVE ", \"message\": 7, \"createdAt\": " LATER "}",
	    "{" OF_EVE ", \"createdAt\": " LATER "}",
	    "{" OF_EVE ", \"message\": \"x\", \"createdAt\": \"2025-01-31T12:00:00Z\"}",
	    "{" OF_EVE ", \"message\": \"x\"}",
	    "{\"_id\": \"65a000000000000000000009\", " OF_EVE
	    ", \"message\": \"x\", \"createdAt\": " LATER "}",
	    "{\"senderId\": \"65a000000000000000000003\", \"receiverId\": " ANN
	    ", \"message\": \"x\", \"createdAt\": " LATER "}",
	    "{\"senderId\": [" EVE ", 7], \"receiverId\": " ANN
	    ", \"message\": \"x\", \"createdAt\": " LATER "}",
	    "{\"senderId\": " EVE ", \"receiverId\": [" ANN
	    "], \"message\": \"x\", \"createdAt\": " LATER "}",
	    "{" OF_EVE ", \"message\": [\"x\"], \"createdAt\": " LATER "}",
	    "{" OF_EVE ", \"message\": \"x\", \"createdAt\": [" LATER "]}",
	    "{\"senderId\": " BOB ", \"receiverId\": " ANN
	    ", \"message\": null, \"createdAt\": " LATER "}",
	};
	struct fixture *f = *state;
	struct pl_conversation_list list;

	insert_people(f);
	mongo_databases_insert(&f->config, "messages",
	    "{" OF_EVE ", \"message\": \"the good one\", \"createdAt\": " DATE "}");
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		mongo_databases_insert(&f->config, "messages", wrong[i]);
	free(fill(f));
	assert_int_equal(pl_store_conversations(f->store, &ann, NULL, 9, &list), PL_OK);
	assert_int_equal(list.count, 1);
	assert_string_equal(list.items[0].last.text, "the good one");
	assert_int_equal(list.items[0].unread, 1);
	pl_conversation_list_fini(&list);
	assert_int_equal(count_of(f, &bob), 0);
}

static void
passes_over_users_that_are_none(void **state)
{
	struct fixture *f = *state;
	int64_t now = pl_clock_unix_ms();
	struct pl_conversation c;

	mongo_databases_insert(
	    &f->config, "users", "{\"_id\": " ANN ", \"username\": \"ann\"}");
	mongo_databases_insert(
	    &f->config, "users", "{\"_id\": " BOB ", \"username\": 12}");
	insert_message(f, BOB, ANN, now);
	insert_message(f, EVE, ANN, now + 1);
	free(fill(f));
	assert_int_equal(count_of(f, &ann), 0);
	assert_int_equal(pl_store_conversation(f->store, &ann, &bob, &c), PL_E_NOT_FOUND);
}

static void
marks_what_another_program_stored_before_it_is_listed(void **state)
{
	struct fixture *f = *state;
	struct pl_write w = {.kind = PL_WRITE_MARK,
	    .u.mark = {.reader = ann, .writer = eve, .is_read = true}};
	struct pl_conversation c;

	insert_people(f);
	mongo_databases_insert(&f->config, "messages",
	    "{\"_id\": {\"$oid\": \"65a000000000000000000009\"}, " OF_EVE
	    ", \"message\": \"hi\", \"createdAt\": " DATE "}");
	assert_true(pl_oid_parse(PL_STR("65a000000000000000000009"), &w.u.mark.up_to));
	assert_int_equal(store_write_one(f->store, &w), PL_OK);
	assert_true(w.u.mark.moved);
	assert_int_equal(w.u.mark.unread, 0);
	assert_int_equal(count_of(f, &ann), 1);
	assert_int_equal(pl_store_conversation(f->store, &eve, &ann, &c), PL_OK);
	assert_true(pl_oid_eq(&c.their_read.id, &w.u.mark.up_to));
	assert_true(pl_oid_eq(&c.their_delivered.id, &w.u.mark.up_to));
	pl_conversation_fini(&c);
}

/* Several of a millisecond, as a program that brings many at once stores them. */
static void
counts_from_the_mark_on_within_its_millisecond(void **state)
{
	struct fixture *f = *state;
	struct pl_write w = {.kind = PL_WRITE_MARK,
	    .u.mark = {.reader = ann, .writer = eve, .is_read = true}};
	struct pl_conversation_list list;
	char doc[256];

	insert_people(f);
	for (int i = 1; i <= 5; i++) {
		snprintf(doc, sizeof(doc),
		    "{\"_id\": {\"$oid\": \"65a00000000000000000000%d\"}, " OF_EVE
		    ", \"message\": \"hi\", \"createdAt\": " DATE "}",
		    i);
		mongo_databases_insert(&f->config, "messages", doc);
	}
	assert_true(pl_oid_parse(PL_STR("65a000000000000000000002"), &w.u.mark.up_to));
	assert_int_equal(store_write_one(f->store, &w), PL_OK);
	assert_int_equal(w.u.mark.unread, 3);
	assert_int_equal(pl_store_conversations(f->store, &ann, NULL, 9, &list), PL_OK);
	assert_int_equal(list.items[0].unread, 3);
	assert_int_equal(list.items[0].last.id.bytes[PL_OID_LEN - 1], 5);
	pl_conversation_list_fini(&list);
}

/* ---- how much it costs ---- */

static unsigned commands;

static void
count_command(const mongoc_apm_command_started_t *event)
{
	(void)event;
	commands++;
}

static void
watch_commands_of(
    struct pl_mongo *s, void (*on_command)(const mongoc_apm_command_started_t *event))
{
	mongoc_apm_callbacks_t *callbacks = mongoc_apm_callbacks_new();

	mongoc_apm_set_command_started_cb(callbacks, on_command);
	assert_true(mongoc_client_set_apm_callbacks(s->client, callbacks, s));
	mongoc_apm_callbacks_destroy(callbacks);
}

static void
count_commands_of(struct pl_store *s)
{
	watch_commands_of(PL_CONTAINER(s, struct pl_mongo, store), count_command);
}

static void
adds_one_command_to_the_first_message_of_two_and_none_to_others(void **state)
{
	struct fixture *f = *state;
	struct pl_oid one = store_add_user(f->store, "one"),
		      two = store_add_user(f->store, "two");
	unsigned first;

	store_send(f->store, &one, &one, "the session's first one purges");
	count_commands_of(f->store);
	commands = 0;
	store_send(f->store, &one, &two, "hi");
	first = commands;
	for (int i = 0; i < 3; i++) {
		commands = 0;
		store_send(f->store, i % 2 ? &one : &two, i % 2 ? &two : &one, "hi");
		assert_int_equal(commands, first - 1);
	}
}

#define IN_A_ROW 30

/* Pairs of ids with equal ends have one place in a session's memory. Who makes such ids,
 * or more pairs than it has places, makes their messages cost a command more each, no
 * more. */
static void
remembers_no_more_pairs_than_it_has_places_for(void **state)
{
	struct fixture *f = *state;
	struct pl_mongo *s = pl_mongo_start(f->store);
	struct pl_pair pairs[] = {{ann, bob}, {ann, bob}};
	size_t added = 0;

	pairs[1].user.bytes[0] ^= 1;
	count_commands_of(f->store);
	commands = 0;
	for (unsigned i = 0; i < 6; i++) {
		assert_int_equal(pl_pairs_note(s, &pairs[i % 2], 1, &added), PL_OK);
		assert_int_equal(commands, i + 1);
	}
	assert_int_equal(added, 4);
	assert_int_equal(pl_pairs_note(s, &pairs[1], 1, &added), PL_OK);
	assert_int_equal(commands, 6);
}

/* Ids that are given one after the other have places of their own. */
static void
remembers_pairs_of_ids_that_were_given_in_a_row(void **state)
{
	struct fixture *f = *state;
	struct pl_mongo *s = pl_mongo_start(f->store);
	struct pl_pair pairs[IN_A_ROW * IN_A_ROW];
	size_t count = 0;

	for (uint8_t i = 0; i < IN_A_ROW; i++)
		for (uint8_t k = 0; k < IN_A_ROW; k++) {
			pairs[count] = (struct pl_pair){ann, ann};
			pairs[count].user.bytes[PL_OID_LEN - 1] = (uint8_t)(2 * i);
			pairs[count++].other.bytes[PL_OID_LEN - 1] = (uint8_t)(2 * k + 1);
		}
	assert_int_equal(pl_pairs_note(s, pairs, count, NULL), PL_OK);
	count_commands_of(f->store);
	commands = 0;
	for (size_t i = 0; i < count; i++)
		assert_int_equal(pl_pairs_note(s, &pairs[i], 1, NULL), PL_OK);
	assert_in_range(commands, 0, count / 20);
}

#define MANY 300

/* More than one command takes, and more than are looked at at once. */
static void
lists_many_correspondents_by_few_commands(void **state)
{
	struct fixture *f = *state;
	struct pl_oid one = store_add_user(f->store, "one"), other;
	struct pl_conversation_list list;
	struct pl_message_pos before;
	char name[16];

	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "other%d", i);
		other = store_add_user(f->store, name);
		store_send(f->store, &other, &one, name);
	}
	count_commands_of(f->store);
	commands = 0;
	assert_int_equal(pl_store_conversations(f->store, &one, NULL, 100, &list), PL_OK);
	assert_in_range(commands, 1, 40);
	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "other%d", MANY - 1 - i);
		assert_string_equal(list.items[i].last.text, name);
		assert_string_equal(list.items[i].user.username, name);
		assert_int_equal(list.items[i].unread, 1);
	}
	before = store_pos_of(&list.items[99].last);
	pl_conversation_list_fini(&list);
	assert_int_equal(
	    pl_store_conversations(f->store, &one, &before, 1, &list), PL_OK);
	assert_string_equal(list.items[0].last.text, "other199");
	pl_conversation_list_fini(&list);
}

#define SLOW_MS 400 /* that a command of a slow database is made to take */

static void
take_time(const mongoc_apm_command_started_t *event)
{
	struct pl_mongo *s = mongoc_apm_command_started_get_context(event);

	commands++;
	s->begin_ms -= SLOW_MS;
}

/* However many correspondents there are, 20 of whom one command looks at. */
static void
begins_no_command_when_its_time_is_over(void **state)
{
	struct fixture *f = *state;
	struct pl_mongo *s = pl_mongo_start(f->store);
	struct pl_conversation_list list;
	struct pl_pair pairs[MANY];

	for (unsigned i = 0; i < MANY; i++) {
		pairs[i] = (struct pl_pair){ann, ann};
		pairs[i].other.bytes[0] = (uint8_t)i;
		pairs[i].other.bytes[1] = (uint8_t)(i / 256);
	}
	assert_int_equal(pl_pairs_note(s, pairs, MANY, NULL), PL_OK);
	count_commands_of(f->store);
	commands = 0;
	assert_int_equal(pl_store_conversations(f->store, &ann, NULL, 9, &list), PL_OK);
	assert_int_equal(commands, MANY / 200 + 1 + MANY / 20);
	pl_conversation_list_fini(&list);
	watch_commands_of(s, take_time);
	commands = 0;
	assert_int_equal(
	    pl_store_conversations(f->store, &ann, NULL, 9, &list), PL_E_UNAVAILABLE);
	assert_in_range(commands, 2, PL_MONGO_BEGIN_MS / SLOW_MS + 1);
}

/* ---- what a fill holds in memory ---- */

#define WALKED 5200 /* messages, */
#define WROTE  600  /* by as many */

static struct {
	int64_t answer; /* messages that the server was asked for at once */
	uint32_t noted, noted_most;
	unsigned saved;
} held;

static uint32_t
length_of(const bson_t *command, const char *name)
{
	bson_iter_t it, list;
	uint32_t count = 0;

	if (bson_iter_init_find(&it, command, name) && bson_iter_recurse(&it, &list))
		while (bson_iter_next(&list))
			count++;
	return count;
}

static void
note_what_is_held(const mongoc_apm_command_started_t *event)
{
	const bson_t *command = mongoc_apm_command_started_get_command(event);
	const char *name = mongoc_apm_command_started_get_command_name(event);
	bson_iter_t it;

	if (strcmp(name, "insert") == 0) {
		uint32_t count = length_of(command, "documents");

		held.noted += count;
		held.noted_most = count > held.noted_most ? count : held.noted_most;
	}
	held.saved += strcmp(name, "update") == 0;
	if (bson_iter_init_find(&it, command, "batchSize") &&
	    bson_iter_as_int64(&it) > held.answer)
		held.answer = bson_iter_as_int64(&it);
}

/* As many messages as one answer has, and some more; and more people than are noted at
 * once: two documents a pair. */
static void
holds_no_more_of_a_database_than_a_part(void **state)
{
	struct fixture *f = *state;
	struct pl_mongo *s = NULL;
	struct pl_buf json;

	for (int i = 0; i < WALKED; i++) {
		if (i % 1000 == 0)
			pl_buf_init(&json, PL_BUF_UNLIMITED);
		pl_buf_printf(&json,
		    "%s{\"senderId\": {\"$oid\": \"65a0000000000000000%05x\"}, "
		    "\"receiverId\": " ANN ", \"message\": \"x\", \"createdAt\": "
		    "{\"$date\": {\"$numberLong\": \"%d\"}}}",
		    i % 1000 == 0 ? "{\"insert\": \"messages\", \"documents\": [" : ", ",
		    0x100 + (unsigned)i % WROTE, 1000 + i);
		if (i % 1000 == 999 || i == WALKED - 1) {
			(void)pl_buf_add_str(&json, PL_STR("]}"));
			mongo_databases_run(&f->config, json.data);
			pl_buf_fini(&json);
		}
	}
	assert_int_equal(
	    pl_mongo_connect(f->config.mongo_uri, PL_MONGO_PATIENT_MS, &s), PL_OK);
	watch_commands_of(s, note_what_is_held);
	assert_int_equal(pl_mongo_fill(s), PL_OK);
	pl_store_close(&s->store);
	assert_int_equal(held.answer, 5000);
	assert_int_equal(held.noted_most, 2 * 500);
	assert_true(held.noted >= 2 * WROTE);
	assert_int_equal(held.saved, 2); /* after 5,000 messages, and at the end */
	assert_int_equal(mongo_databases_count(&f->config, "parley_correspondents",
			     "{\"_id\": {\"$ne\": \"filled\"}}"),
	    2 * WROTE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    STORE_TEST(lists_conversations_that_another_program_had),
	    STORE_TEST(lists_those_that_stay_while_another_one_goes),
	    STORE_TEST(leaves_a_database_without_messages_empty),
	    STORE_TEST(looks_on_after_messages_that_have_no_time),
	    STORE_TEST(lists_what_another_program_writes_meanwhile),
	    STORE_TEST(goes_on_where_a_walk_was_broken_off),
	    STORE_TEST(lists_no_conversations_of_who_was_erased),
	    STORE_TEST(fills_with_several_processes_at_once),
	    STORE_TEST(finds_the_messages_that_adopt_has_mended),
	    STORE_TEST(passes_over_what_is_no_message),
	    STORE_TEST(passes_over_users_that_are_none),
	    STORE_TEST(marks_what_another_program_stored_before_it_is_listed),
	    STORE_TEST(counts_from_the_mark_on_within_its_millisecond),
	    STORE_TEST(adds_one_command_to_the_first_message_of_two_and_none_to_others),
	    STORE_TEST(remembers_no_more_pairs_than_it_has_places_for),
	    STORE_TEST(remembers_pairs_of_ids_that_were_given_in_a_row),
	    STORE_TEST(lists_many_correspondents_by_few_commands),
	    STORE_TEST(begins_no_command_when_its_time_is_over),
	    STORE_TEST(holds_no_more_of_a_database_than_a_part),
	};

	store_contract_use(&mongo_factory);
	return cmocka_run_group_tests_name("mongo: conversations", tests, NULL, NULL);
}
