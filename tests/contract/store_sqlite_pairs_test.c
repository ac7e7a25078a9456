/*
 * What SQLite keeps of who wrote with whom, and of the order of messages: in databases of
 * older versions, in copies that came in another order, where processes die, and what it
 * costs.
 */
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/random.h"
#include "contract/sqlite_files.h"
#include "store/sqlite/fill.h"
#include "store/store_erase.h"
#include "store/store_records.h"

static int64_t
number(const struct fixture *f, const char *sql)
{
	return sqlite_files_number(&f->config, sql);
}

static int64_t
indexes_named(const struct fixture *f, const char *name)
{
	char sql[128];

	snprintf(sql, sizeof(sql), "SELECT count(*) FROM sqlite_schema WHERE name = '%s'",
	    name);
	return number(f, sql);
}

/* Each message has both rows, and no row is there for nothing. */
static void
assert_pairs_are_right(const struct fixture *f)
{
	assert_int_equal(number(f, "SELECT count(*) FROM ("
				   "SELECT sender, receiver FROM messages UNION "
				   "SELECT receiver, sender FROM messages EXCEPT "
				   "SELECT user, other FROM correspondents)"),
	    0);
	assert_int_equal(
	    number(f, "SELECT count(*) FROM (SELECT user, other FROM "
		      "correspondents EXCEPT SELECT sender, receiver FROM "
		      "messages EXCEPT SELECT receiver, sender FROM messages)"),
	    0);
}

static size_t
conversations_of(struct pl_store *s, const struct pl_oid *user)
{
	struct pl_conversation_list list;
	size_t count;

	assert_int_equal(pl_store_conversations(s, user, NULL, 100, &list), PL_OK);
	count = list.count;
	pl_conversation_list_fini(&list);
	return count;
}

/* ---- older versions ---- */

static void
close_as_version_3(struct fixture *f)
{
	pl_store_close(f->store);
	f->store = NULL;
	sqlite_files_run(
	    &f->config, SQLITE_FILES_WITHOUT_FOURTH "PRAGMA user_version = 3");
}

static void
finds_conversations_of_a_database_of_the_third_version(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann"),
		      bob = store_add_user(f->store, "bob"),
		      eve = store_add_user(f->store, "eve");

	for (int i = 0; i < 3; i++) {
		store_send(f->store, &ann, &bob, "hi");
		store_send(f->store, &bob, &ann, "hi");
	}
	store_send(f->store, &ann, &eve, "hi");
	store_send(f->store, &eve, &eve, "to myself");
	close_as_version_3(f);
	assert_int_equal(pl_store_open(&f->config, &f->store), PL_OK);
	assert_int_equal(number(f, "PRAGMA user_version"), SQLITE_FILES_VERSION);
	assert_int_equal(number(f, "SELECT count(*) FROM correspondents"), 5);
	assert_int_equal(indexes_named(f, "messages_receiver"), 0);
	assert_int_equal(indexes_named(f, "messages_order"), 0);
	assert_pairs_are_right(f);
	assert_int_equal(conversations_of(f->store, &ann), 2);
	assert_int_equal(conversations_of(f->store, &bob), 1);
	assert_int_equal(conversations_of(f->store, &eve), 2);
	sqlite_files_assert_sound(&f->config);
}

/* As a copy of older messages left it. */
static void
keeps_the_order_of_rows_that_lie_otherwise(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann"),
		      bob = store_add_user(f->store, "bob");
	struct pl_message_pos first = store_send(f->store, &ann, &bob, "first"), last;
	struct pl_message_list list;

	store_send(f->store, &bob, &ann, "second");
	sqlite_files_run(&f->config, "UPDATE messages SET created = created + 1000000 "
				     "WHERE text = 'first'");
	close_as_version_3(f);
	assert_int_equal(pl_store_open(&f->config, &f->store), PL_OK);
	assert_int_equal(indexes_named(f, "messages_order"), 1);
	last = store_send(f->store, &ann, &bob, "third");
	assert_true(last.created_unix_ms >= first.created_unix_ms + 1000000);
	assert_int_equal(pl_store_messages_to(f->store, NULL, NULL, 9, &list), PL_OK);
	assert_int_equal(list.count, 3);
	assert_string_equal(list.items[0].text, "second");
	assert_string_equal(list.items[1].text, "first");
	assert_string_equal(list.items[2].text, "third");
	pl_message_list_fini(&list);
	assert_int_equal(conversations_of(f->store, &ann), 1);
}

static void
import_at(struct fixture *f, const struct pl_oid *from, const struct pl_oid *to,
    int64_t created_unix_ms, const char *text)
{
	struct pl_record r = {.kind = PL_RECORD_MESSAGE};

	pl_message_init(&r.u.message, from, to, pl_str(text), created_unix_ms);
	pl_oid_new(&r.u.message.id);
	assert_int_equal(pl_store_import(f->store, &r, 1), PL_OK);
	assert_int_equal(r.outcome, PL_RECORD_ADDED);
	pl_message_fini(&r.u.message);
}

/* No index for what comes in its order; and back with it for what does not. */
static void
orders_older_messages_that_come_after_newer_ones(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann"),
		      bob = store_add_user(f->store, "bob");
	int64_t now = pl_clock_unix_ms();
	struct pl_message_list list;
	struct pl_message_pos pos;
	struct pl_conversation c;

	import_at(f, &ann, &bob, now + 1000, "2");
	import_at(f, &ann, &bob, now + 2000, "3");
	assert_int_equal(indexes_named(f, "messages_order"), 0);
	import_at(f, &bob, &ann, now - 1000, "1");
	assert_int_equal(indexes_named(f, "messages_order"), 1);
	store_send(f->store, &ann, &bob, "4");
	assert_int_equal(pl_store_messages_to(f->store, NULL, NULL, 9, &list), PL_OK);
	assert_int_equal(list.count, 4);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(list.items[i].text[0], '1' + (char)i);
	pos = store_pos_of(&list.items[1]);
	pl_message_list_fini(&list);
	assert_int_equal(pl_store_messages_to(f->store, NULL, &pos, 9, &list), PL_OK);
	assert_int_equal(list.count, 2);
	pl_message_list_fini(&list);
	assert_int_equal(pl_store_conversation(f->store, &bob, &ann, &c), PL_OK);
	assert_string_equal(c.last.text, "4");
	assert_int_equal(c.unread, 3);
	pl_conversation_fini(&c);
	assert_pairs_are_right(f);
}

/* ---- rows, searched by halves ---- */

static void
finds_its_place_among_rows_with_gaps(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann");
	struct pl_message_pos all[20], between;
	struct pl_message_list list;

	for (int i = 0; i < 20; i++)
		all[i] = store_send(f->store, &ann, &ann, "hi");
	sqlite_files_run(&f->config, "DELETE FROM messages WHERE seq % 3 = 0;"
				     "UPDATE messages SET seq = seq * 1000");
	for (int i = 0; i < 20; i++) {
		size_t left = 0;

		for (int k = i + 1; k < 20; k++)
			left += (k + 1) % 3 != 0;
		assert_int_equal(
		    pl_store_messages_to(f->store, NULL, &all[i], 99, &list), PL_OK);
		assert_int_equal(list.count, left);
		pl_message_list_fini(&list);
	}
	between = (struct pl_message_pos){.created_unix_ms = all[0].created_unix_ms};
	assert_int_equal(
	    pl_store_messages_to(f->store, NULL, &between, 99, &list), PL_OK);
	assert_int_equal(list.count, 14);
	pl_message_list_fini(&list);
	between.created_unix_ms = INT64_MAX;
	assert_int_equal(
	    pl_store_messages_to(f->store, NULL, &between, 99, &list), PL_OK);
	assert_int_equal(list.count, 0);
	pl_message_list_fini(&list);
}

/* Many senders, in turn and in heaps, to one receiver. */
static void
merges_what_many_wrote_in_its_order(void **state)
{
	enum { SENDERS = 12, SENT = 400 };
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann"), senders[SENDERS];
	static struct pl_message_pos all[SENT];
	char name[16];

	for (int i = 0; i < SENDERS; i++) {
		snprintf(name, sizeof(name), "sender%d", i);
		senders[i] = store_add_user(f->store, name);
	}
	for (int i = 0; i < SENT; i++) {
		uint32_t k = pl_random_below(3) == 0 ? pl_random_below(SENDERS)
						     : (uint32_t)(i / 40 % SENDERS);

		all[i] = store_send(f->store, &senders[k], &ann, "hi");
	}
	for (int from = -1; from < SENT; from += 37)
		for (int limit = 1; limit <= SENT; limit *= 3) {
			int left = SENT - 1 - from;
			struct pl_pos_list list;

			assert_int_equal(
			    pl_store_positions_to(f->store, &ann,
				from < 0 ? NULL : &all[from], (size_t)limit, &list),
			    PL_OK);
			assert_int_equal(list.count, left < limit ? left : limit);
			for (size_t i = 0; i < list.count; i++)
				assert_int_equal(store_pos_compare(&list.items[i],
						     &all[(size_t)(from + 1) + i]),
				    0);
			pl_pos_list_fini(&list);
		}
}

/* ---- a process of an older version beside ours ---- */

/* It stores messages and knows of no correspondents. */
static void
store_as_older_process(
    struct fixture *f, const struct pl_oid *from, const struct pl_oid *to, int count)
{
	char from_hex[PL_OID_HEX_LEN + 1], to_hex[PL_OID_HEX_LEN + 1], sql[640];

	pl_oid_format(from, from_hex);
	pl_oid_format(to, to_hex);
	snprintf(sql, sizeof(sql),
	    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < "
	    "%d) "
	    "INSERT INTO messages (id, sender, receiver, text, created) "
	    "SELECT randomblob(12), x'%s', x'%s', 'old', "
	    "(SELECT max(created) FROM messages) + i FROM n",
	    count, from_hex, to_hex);
	sqlite_files_run(&f->config, sql);
}

static void
lists_conversations_that_an_older_process_began(void **state)
{
	struct fixture *f = *state;
	struct pl_sqlite *s = pl_sqlite_of(f->store);
	struct pl_oid ann = store_add_user(f->store, "ann"),
		      bob = store_add_user(f->store, "bob"),
		      eve = store_add_user(f->store, "eve");
	size_t added;

	store_send(f->store, &ann, &eve, "hi");
	store_as_older_process(f, &bob, &ann, 1);
	assert_int_equal(conversations_of(f->store, &ann), 1);
	assert_int_equal(pl_sqlite_fill(s, &added), PL_OK);
	assert_int_equal(added, 1);
	assert_int_equal(conversations_of(f->store, &ann), 2);
	assert_int_equal(conversations_of(f->store, &bob), 1);
	assert_int_equal(pl_sqlite_fill(s, &added), PL_OK);
	assert_int_equal(added, 0);

	/* far enough to be noted */
	store_as_older_process(f, &eve, &bob, 2500);
	assert_int_equal(pl_sqlite_fill(s, &added), PL_OK);
	assert_true(added > 0);
	assert_true(number(f, "SELECT up_to FROM filled") > 1500);
	assert_pairs_are_right(f);
}

static int64_t
sides_of(struct fixture *f, const struct pl_oid *user)
{
	char hex[PL_OID_HEX_LEN + 1], sql[160];

	pl_oid_format(user, hex);
	snprintf(sql, sizeof(sql),
	    "SELECT count(*) FROM correspondents WHERE user = x'%s'", hex);
	return number(f, sql);
}

/* Their messages are there, deleted, and are looked through like all. While the erasure
 * is under way it finds by its pairs what an older process stored. */
static void
lists_no_conversations_of_who_was_erased(void **state)
{
	struct fixture *f = *state;
	struct pl_sqlite *s = pl_sqlite_of(f->store);
	struct pl_oid users[] = {store_add_user(f->store, "ann"),
	    store_add_user(f->store, "bob"), store_add_user(f->store, "eve")};
	struct pl_oid *bob = &users[1]; /* a pair's lower id, and one's higher */
	struct pl_write w = {.kind = PL_WRITE_ERASE, .u.erase.user = *bob};
	struct pl_erase_step step = {.worker = 1, .lease_ms = 60000};
	size_t added;

	store_send(f->store, &users[0], bob, "hi");
	store_send(f->store, bob, &users[2], "hi");
	pl_revocation_of_all(&w.u.erase.revocation, bob, pl_clock_unix_ms() / 1000 + 2);
	assert_int_equal(store_write_one(f->store, &w), PL_OK);
	sqlite_files_run(
	    &f->config, "DELETE FROM correspondents; UPDATE filled SET up_to = 0");
	pl_sqlite_pairs_forget(s);
	assert_int_equal(pl_sqlite_fill(s, &added), PL_OK);
	assert_int_equal(added, 2);
	assert_int_equal(sides_of(f, bob), 2);
	do
		assert_int_equal(pl_store_erase_step(f->store, &step), PL_OK);
	while (step.state != PL_ERASE_NOTHING && step.state != PL_ERASE_DONE);
	assert_int_equal(sides_of(f, bob), 0);
	sqlite_files_run(&f->config, "UPDATE filled SET up_to = 0");
	assert_int_equal(pl_sqlite_fill(s, &added), PL_OK);
	assert_int_equal(added, 0);
	assert_int_equal(sides_of(f, bob), 0);
	assert_int_equal(sides_of(f, &users[0]) + sides_of(f, &users[2]), 2);
}

/* Nobody has to wait for the next look. */
static void
takes_marks_and_sends_of_a_pair_that_is_not_listed(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann"),
		      bob = store_add_user(f->store, "bob"),
		      eve = store_add_user(f->store, "eve");
	struct pl_write mark = {.kind = PL_WRITE_MARK,
	    .u.mark = {.reader = ann, .writer = bob, .is_read = true}};
	struct pl_message_list list;

	store_send(f->store, &ann, &ann, "hi");
	store_as_older_process(f, &bob, &ann, 1);
	store_as_older_process(f, &eve, &ann, 1);
	assert_int_equal(pl_store_messages_to(f->store, &ann, NULL, 9, &list), PL_OK);
	assert_int_equal(list.count, 3); /* recovery does not need the rows */
	mark.u.mark.up_to = list.items[1].id;
	pl_message_list_fini(&list);
	assert_int_equal(store_write_one(f->store, &mark), PL_OK);
	assert_true(mark.u.mark.moved);
	store_send(f->store, &ann, &eve, "hi");
	assert_int_equal(conversations_of(f->store, &ann), 3);
	assert_pairs_are_right(f);
}

/* ---- failures ---- */

static int
refuse_commit(void *arg)
{
	(void)arg;
	return 1;
}

/* What a batch that failed had made is made again. */
static void
forgets_pairs_of_a_batch_that_failed(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann"),
		      bob = store_add_user(f->store, "bob");
	struct pl_write w;

	store_send_init(&w, &ann, &bob, "hi", NULL);
	sqlite3_commit_hook(pl_sqlite_of(f->store)->db, refuse_commit, NULL);
	assert_int_not_equal(store_write_one(f->store, &w), PL_OK);
	sqlite3_commit_hook(pl_sqlite_of(f->store)->db, NULL, NULL);
	assert_int_equal(number(f, "SELECT count(*) FROM correspondents"), 0);
	assert_int_equal(store_write_one(f->store, &w), PL_OK);
	assert_int_equal(conversations_of(f->store, &bob), 1);
	store_send_fini(&w);
	assert_pairs_are_right(f);
}

static void
have_it_filled_again(struct fixture *f)
{
	struct pl_store *s;

	assert_int_equal(pl_store_open(&f->config, &s), PL_OK);
	pl_store_close(s);
	sqlite_files_run(
	    &f->config, "DELETE FROM correspondents; UPDATE filled SET up_to = 0");
}

/* Killed at any time, the database is of the one version or of the other. */
static void
survives_kill_9_in_the_upgrade_and_in_the_fill(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ids[40];
	char name[16];

	for (int i = 0; i < 40; i++) {
		snprintf(name, sizeof(name), "user%d", i);
		ids[i] = store_add_user(f->store, name);
	}
	store_send(f->store, &ids[0], &ids[0], "hi");
	for (int i = 1; i < 40; i++)
		store_as_older_process(f, &ids[i], &ids[i / 2], 150);
	close_as_version_3(f);
	for (uint32_t round = 0; round < 12; round++) {
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (pid == 0) {
			struct pl_store *s;
			size_t added;

			if (pl_store_open(&f->config, &s) == PL_OK)
				(void)!pl_sqlite_fill(pl_sqlite_of(s), &added);
			pause();
		}
		usleep(round * 2000 + pl_random_below(2000));
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		sqlite_files_assert_sound(&f->config);
		if (round == 6)
			have_it_filled_again(f);
	}
	assert_int_equal(pl_store_open(&f->config, &f->store), PL_OK);
	assert_int_equal(pl_sqlite_fill(pl_sqlite_of(f->store), &(size_t){0}), PL_OK);
	assert_pairs_are_right(f);
}

/* ---- cost ---- */

/* How often statements that name correspondents have run. */
static int
runs_on_pairs(struct fixture *f)
{
	sqlite3_stmt *stmt = NULL;
	int runs = 0;

	while ((stmt = sqlite3_next_stmt(pl_sqlite_of(f->store)->db, stmt)) != NULL)
		if (strstr(sqlite3_sql(stmt), "correspondents") != NULL)
			runs += sqlite3_stmt_status(stmt, SQLITE_STMTSTATUS_RUN, 0);
	return runs;
}

static void
adds_nothing_to_a_send_after_the_first(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann"),
		      bob = store_add_user(f->store, "bob");
	int after_first;

	store_send(f->store, &ann, &bob, "hi");
	after_first = runs_on_pairs(f);
	assert_int_equal(after_first, 3); /* a look-up and two rows */
	for (int i = 0; i < 20; i++)
		store_send(f->store, i % 2 ? &ann : &bob, i % 2 ? &bob : &ann, "hi");
	assert_int_equal(runs_on_pairs(f), after_first);
}

static int
steps_of_all(struct fixture *f)
{
	sqlite3_stmt *stmt = NULL;
	int steps = 0;

	while ((stmt = sqlite3_next_stmt(pl_sqlite_of(f->store)->db, stmt)) != NULL)
		steps += sqlite3_stmt_status(stmt, SQLITE_STMTSTATUS_VM_STEP, 1);
	return steps;
}

/* For each of others, some messages to ann, and one from her. */
static void
talk(struct fixture *f, const struct pl_oid *ann, const struct pl_oid *others,
    size_t count, int messages)
{
	for (size_t i = 0; i < count; i++) {
		store_send(f->store, ann, &others[i], "hi");
		store_as_older_process(f, &others[i], ann, messages);
	}
}

static void
lists_and_merges_at_the_same_cost_however_many_messages(void **state)
{
	enum { OTHERS = 10, LIMIT = 20 };
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann"), others[OTHERS];
	int list_steps[2], merge_steps[2];
	char name[16];

	for (int i = 0; i < OTHERS; i++) {
		snprintf(name, sizeof(name), "other%d", i);
		others[i] = store_add_user(f->store, name);
	}
	for (int round = 0; round < 2; round++) {
		struct pl_pos_list list;

		talk(f, &ann, others, OTHERS, round == 0 ? PL_UNREAD_MAX : 2000);
		(void)steps_of_all(f);
		assert_int_equal(conversations_of(f->store, &ann), OTHERS);
		list_steps[round] = steps_of_all(f);
		assert_int_equal(
		    pl_store_positions_to(f->store, &ann, NULL, LIMIT, &list), PL_OK);
		assert_int_equal(list.count, LIMIT);
		pl_pos_list_fini(&list);
		merge_steps[round] = steps_of_all(f);
	}
	assert_in_range(list_steps[1], 1, list_steps[0] + list_steps[0] / 10);
	assert_in_range(merge_steps[1], 1, merge_steps[0] + merge_steps[0] / 10);
}

/* Far more pairs than a session remembers. */
static void
remembers_no_more_pairs_than_it_may(void **state)
{
	enum { USERS = 200, BATCH = 200 };
	struct fixture *f = *state;
	struct pl_oid ids[USERS];
	char name[16];

	for (int i = 0; i < USERS; i++) {
		snprintf(name, sizeof(name), "user%d", i);
		ids[i] = store_add_user(f->store, name);
	}
	for (int round = 0; round < 2; round++)
		for (int i = 0; i < USERS; i++) {
			static struct pl_write sends[BATCH];
			struct pl_write *batch[BATCH];

			for (int k = 0; k < BATCH; k++) {
				store_send_init(&sends[k], &ids[i], &ids[k], "hi", NULL);
				batch[k] = &sends[k];
			}
			pl_store_write(f->store, batch, BATCH);
			for (int k = 0; k < BATCH; k++) {
				assert_int_equal(sends[k].err, PL_OK);
				store_send_fini(&sends[k]);
			}
		}
	assert_int_equal(number(f, "SELECT count(*) FROM correspondents"), USERS * USERS);
	assert_pairs_are_right(f);
}

/* ---- the contract, with rows in no order ---- */

static void
make_without_order(struct pl_store_config *out)
{
	struct pl_store *s;

	sqlite_factory.make(out);
	assert_int_equal(pl_store_open(out, &s), PL_OK);
	pl_store_close(s);
	sqlite_files_run(out, "CREATE INDEX messages_order ON messages (created, id)");
}

static int
run_contract_without_order(void)
{
	static struct store_factory factory;

	factory = (struct store_factory){make_without_order, sqlite_factory.drop};
	store_contract_use(&factory);
	return store_messages_suite() + store_records_suite() +
	       store_conversations_suite();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    STORE_TEST(finds_conversations_of_a_database_of_the_third_version),
	    STORE_TEST(keeps_the_order_of_rows_that_lie_otherwise),
	    STORE_TEST(orders_older_messages_that_come_after_newer_ones),
	    STORE_TEST(finds_its_place_among_rows_with_gaps),
	    STORE_TEST(merges_what_many_wrote_in_its_order),
	    STORE_TEST(lists_conversations_that_an_older_process_began),
	    STORE_TEST(lists_no_conversations_of_who_was_erased),
	    STORE_TEST(takes_marks_and_sends_of_a_pair_that_is_not_listed),
	    STORE_TEST(forgets_pairs_of_a_batch_that_failed),
	    STORE_TEST(survives_kill_9_in_the_upgrade_and_in_the_fill),
	    STORE_TEST(adds_nothing_to_a_send_after_the_first),
	    STORE_TEST(lists_and_merges_at_the_same_cost_however_many_messages),
	    STORE_TEST(remembers_no_more_pairs_than_it_may),
	};
	int failed = run_contract_without_order();

	store_contract_use(&sqlite_factory);
	return failed + cmocka_run_group_tests_name("sqlite: pairs", tests, NULL, NULL);
}
