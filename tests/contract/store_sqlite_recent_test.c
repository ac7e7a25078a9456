/*
 * What SQLite notes of a user's newest rows (recent.h): lists of conversations, and what
 * a socket missed, are the same with it, in part or whole, and without; also after rows
 * were deleted by hand and their numbers given again.
 */
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/random.h"
#include "contract/sqlite_files.h"
#include "store/sqlite/recent.h"

enum { OTHERS = 60, PAGE = 7, BATCH = 500 };
_Static_assert((int)BATCH < PL_SQLITE_RECENT_DUE, "one batch alone is not noted");

struct town {
	struct fixture *f;
	struct pl_oid ann, others[OTHERS];
};

static void
run(const struct town *t, const char *sql)
{
	assert_int_equal(pl_sqlite_exec(pl_sqlite_of(t->f->store), sql), PL_OK);
}

static struct town
settle(struct fixture *f)
{
	struct town t = {.f = f, .ann = store_add_user(f->store, "ann")};
	char name[16];

	run(&t, "PRAGMA synchronous = OFF"); /* many batches, of which none is killed */
	for (int i = 0; i < OTHERS; i++) {
		snprintf(name, sizeof(name), "other%d", i);
		t.others[i] = store_add_user(f->store, name);
	}
	return t;
}

static const struct pl_oid *
anybody(const struct town *t)
{
	return &t->others[pl_random_below(OTHERS)];
}

/* ann's correspondents are the first `known` ones; others write with each other. */
static void
talk(const struct town *t, size_t count, uint32_t known)
{
	static struct pl_write sends[BATCH];
	struct pl_write *batch[BATCH];

	assert_true(count <= BATCH);
	for (size_t i = 0; i < count; i++) {
		const struct pl_oid *a = pl_random_below(2) ? &t->ann : anybody(t);
		const struct pl_oid *b =
		    a == &t->ann ? &t->others[pl_random_below(known)] : anybody(t);
		bool is_turned = pl_random_below(2) == 0;

		store_send_init(
		    &sends[i], is_turned ? b : a, is_turned ? a : b, "hi", NULL);
		batch[i] = &sends[i];
	}
	pl_store_write(t->f->store, batch, count);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(sends[i].err, PL_OK);
		store_send_fini(&sends[i]);
	}
}

static void
note_all(const struct town *t)
{
	bool is_behind = true;

	while (is_behind)
		assert_int_equal(
		    pl_sqlite_recent_fill(pl_sqlite_of(t->f->store), &is_behind), PL_OK);
}

static int64_t
number(const struct town *t, const char *sql)
{
	return sqlite_files_number(&t->f->config, sql);
}

/* A walk gives up, and the list comes by steps for each correspondent. */
static void
list_by_steps(const struct town *t)
{
	run(t, "UPDATE filled SET up_to = -100000 WHERE id = 2");
}

static int
steps_of_all(const struct town *t)
{
	sqlite3_stmt *stmt = NULL;
	int steps = 0;

	while ((stmt = sqlite3_next_stmt(pl_sqlite_of(t->f->store)->db, stmt)) != NULL)
		steps += sqlite3_stmt_status(stmt, SQLITE_STMTSTATUS_VM_STEP, 1);
	return steps;
}

/* How often what begins so was asked since the last time. */
static int
runs_of(const struct town *t, const char *sql)
{
	sqlite3_stmt *stmt = NULL;
	int runs = 0;

	while ((stmt = sqlite3_next_stmt(pl_sqlite_of(t->f->store)->db, stmt)) != NULL)
		if (strncmp(sqlite3_sql(stmt), sql, strlen(sql)) == 0)
			runs += sqlite3_stmt_status(stmt, SQLITE_STMTSTATUS_RUN, 1);
	return runs;
}

static struct pl_conversation_list
list_page(const struct town *t, const struct pl_message_pos *before, size_t limit)
{
	struct pl_conversation_list list;

	assert_int_equal(
	    pl_store_conversations(t->f->store, &t->ann, before, limit, &list), PL_OK);
	return list;
}

/* ids: of the last messages, newest first. */
static size_t
list_in_pages(const struct town *t, size_t limit, struct pl_oid ids[OTHERS + 1])
{
	struct pl_message_pos before = {0};
	size_t count = 0, listed;

	do {
		struct pl_conversation_list list =
		    list_page(t, count > 0 ? &before : NULL, limit);

		listed = list.count;
		for (size_t i = 0; i < list.count; i++) {
			assert_true(count <= OTHERS);
			ids[count++] = list.items[i].last.id;
			before = store_pos_of(&list.items[i].last);
		}
		pl_conversation_list_fini(&list);
	} while (listed == limit);
	return count;
}

enum { MISSED_MAX = 400, SINCE = 6 };

static struct pl_pos_list
missed_since(const struct town *t, const struct pl_message_pos *pos)
{
	struct pl_pos_list list;

	assert_int_equal(
	    pl_store_positions_to(t->f->store, &t->ann, pos, MISSED_MAX, &list), PL_OK);
	return list;
}

/* If rows may lie in another order, each sender is looked at. */
static void
miss_by_steps(const struct town *t, bool is_on)
{
	pl_sqlite_of(t->f->store)->has_order_index = is_on;
}

/* Some places among all messages, the first and the last ones; at some there is none. */
static void
choose_places(const struct town *t, struct pl_message_pos since[SINCE])
{
	struct pl_message_list all;

	assert_int_equal(
	    pl_store_messages_to(t->f->store, NULL, NULL, 100000, &all), PL_OK);
	for (int i = 0; i < SINCE; i++) {
		uint32_t most = i < 3 ? (uint32_t)all.count : 20;
		size_t back =
		    pl_random_below(most < all.count ? most : (uint32_t)all.count);

		since[i] = store_pos_of(&all.items[all.count - 1 - back]);
		if (i % 2 == 1)
			pl_oid_new(&since[i].id);
	}
	pl_message_list_fini(&all);
}

static void
assert_same_places(struct pl_pos_list *a, struct pl_pos_list *b)
{
	assert_int_equal(a->count, b->count);
	for (size_t i = 0; i < a->count; i++)
		assert_int_equal(store_pos_compare(&a->items[i], &b->items[i]), 0);
	pl_pos_list_fini(a);
	pl_pos_list_fini(b);
}

static void
assert_lists_as_by_steps(const struct town *t)
{
	struct pl_oid walked[OTHERS + 1], stepped[OTHERS + 1];
	struct pl_message_pos since[SINCE];
	struct pl_pos_list missed[SINCE];
	size_t count = list_in_pages(t, PAGE, walked);
	int64_t up_to = number(t, "SELECT up_to FROM filled WHERE id = 2");
	char back[96];

	choose_places(t, since);
	for (int i = 0; i < SINCE; i++)
		missed[i] = missed_since(t, &since[i]);
	miss_by_steps(t, true);
	for (int i = 0; i < SINCE; i++) {
		struct pl_pos_list by_steps = missed_since(t, &since[i]);

		assert_same_places(&missed[i], &by_steps);
	}
	miss_by_steps(t, false);
	list_by_steps(t);
	assert_int_equal(list_in_pages(t, PAGE, stepped), count);
	assert_memory_equal(walked, stepped, count * sizeof(walked[0]));
	snprintf(back, sizeof(back), "UPDATE filled SET up_to = %lld WHERE id = 2",
	    (long long)up_to);
	run(t, back);
}

/* ---- right ---- */

static void
lists_the_same_however_much_is_noted(void **state)
{
	struct town t = settle(*state);

	for (int round = 0; round < 30; round++) {
		talk(&t, 1 + pl_random_below(BATCH), 1 + pl_random_below(OTHERS));
		if (pl_random_below(2) == 0)
			note_all(&t);
		assert_lists_as_by_steps(&t);
	}
	assert_true(number(&t, "SELECT count(DISTINCT chunk) FROM recent") > 1);
}

static void
lists_what_a_walk_does_not_reach(void **state)
{
	struct town t = settle(*state);

	talk(&t, BATCH, OTHERS);
	for (int round = 0; round < 20; round++)
		talk(&t, BATCH, 1);
	note_all(&t);
	assert_lists_as_by_steps(&t);
}

/* If the thread is late: more than a walk goes through are not noted yet. */
static void
lists_what_was_not_noted_for_long(void **state)
{
	struct town t = settle(*state);

	talk(&t, BATCH, OTHERS);
	note_all(&t);
	for (int round = 0; round <= PL_SQLITE_RECENT_TAIL_MAX / BATCH; round++)
		talk(&t, BATCH, 1 + pl_random_below(OTHERS));
	assert_lists_as_by_steps(&t);
	note_all(&t);
	assert_lists_as_by_steps(&t);
}

static void
notes_rows_again_whose_numbers_were_given_twice(void **state)
{
	struct town t = settle(*state);

	for (int round = 0; round < 6; round++) {
		for (int i = 0; i < 5; i++)
			talk(&t, BATCH, OTHERS);
		note_all(&t);
		run(&t, "DELETE FROM messages WHERE seq > "
			"(SELECT max(seq) - abs(random() % 2000) FROM messages)");
		assert_true(number(&t, "SELECT up_to FROM filled WHERE id = 2") <
			    number(&t, "SELECT max(seq) FROM messages"));
		assert_lists_as_by_steps(&t);
		talk(&t, BATCH, 5);
		assert_lists_as_by_steps(&t);
		note_all(&t);
		assert_lists_as_by_steps(&t);
		run(&t, "DELETE FROM messages WHERE abs(random()) % 50 = 0");
		assert_lists_as_by_steps(&t);
	}
	run(&t, "UPDATE messages SET seq = -seq; UPDATE messages SET seq = 9 - 7 * seq");
	assert_int_equal(number(&t, "SELECT up_to < 0 FROM filled WHERE id = 2"), 1);
	note_all(&t);
	assert_lists_as_by_steps(&t);
}

/* Users who are gone take no places on a page. */
static void
fills_a_page_although_many_are_gone(void **state)
{
	struct town t = settle(*state);
	struct pl_conversation_list list;

	for (int i = 0; i < 4; i++)
		talk(&t, BATCH, OTHERS);
	note_all(&t);
	run(&t,
	    "DELETE FROM users WHERE username LIKE 'other1%' OR username LIKE 'other3%'");
	list = list_page(&t, NULL, PAGE);
	assert_int_equal(list.count, PAGE);
	pl_conversation_list_fini(&list);
	assert_lists_as_by_steps(&t);
}

/* A process of an older version stores messages and notes nothing. */
static void
notes_what_a_database_of_the_tenth_version_has(void **state)
{
	struct fixture *f = *state;
	struct town t = settle(f);

	for (int i = 0; i < 10; i++)
		talk(&t, BATCH, OTHERS);
	pl_store_close(f->store);
	sqlite_files_run(
	    &f->config, SQLITE_FILES_WITHOUT_RECENT "PRAGMA user_version = 11");
	assert_int_equal(pl_store_open(&f->config, &f->store), PL_OK);
	assert_lists_as_by_steps(&t);
	note_all(&t);
	assert_true(number(&t, "SELECT up_to FROM filled WHERE id = 2") > 4400);
	assert_lists_as_by_steps(&t);
}

/* A process of that version goes on beside ours, with the statements that it has. */
static void
keeps_what_a_database_of_the_twelfth_version_has(void **state)
{
	struct fixture *f = *state;
	struct town t = settle(f);
	struct pl_store *older;
	int64_t up_to, shares;
	bool is_behind;

	for (int i = 0; i < 9; i++)
		talk(&t, BATCH, OTHERS);
	sqlite_files_run(&f->config, SQLITE_FILES_RECENT_OF_12);
	note_all(&t);
	up_to = number(&t, "SELECT up_to FROM filled WHERE id = 2");
	shares = number(&t, "SELECT count(*) FROM recent");
	older = f->store;
	assert_int_equal(pl_store_open(&f->config, &f->store), PL_OK);
	assert_int_equal(number(&t, "PRAGMA user_version"), SQLITE_FILES_VERSION);
	assert_int_equal(number(&t, "SELECT up_to FROM filled WHERE id = 2"), up_to);
	assert_int_equal(number(&t, "SELECT count(*) FROM recent"), shares);
	assert_lists_as_by_steps(&t);
	for (int i = 0; i < 5; i++)
		talk(&t, BATCH, OTHERS);
	assert_int_equal(pl_sqlite_recent_fill(pl_sqlite_of(older), &is_behind), PL_OK);
	assert_true(number(&t, "SELECT up_to FROM filled WHERE id = 2") > up_to);
	pl_store_close(older);
	note_all(&t);
	assert_lists_as_by_steps(&t);
	run(&t, "DELETE FROM messages WHERE seq > (SELECT max(seq) - 9 FROM messages)");
	assert_true(number(&t, "SELECT up_to FROM filled WHERE id = 2") <
		    number(&t, "SELECT max(seq) FROM messages"));
	sqlite_files_assert_sound(&f->config);
}

/* ---- bounds ---- */

static void
is_noted_by_one_of_several_processes(void **state)
{
	struct town t = settle(*state);
	struct pl_store *other;
	bool is_behind;

	assert_int_equal(pl_store_open(&t.f->config, &other), PL_OK);
	talk(&t, BATCH, OTHERS);
	talk(&t, BATCH, OTHERS);
	assert_int_equal(
	    pl_sqlite_recent_fill(pl_sqlite_of(t.f->store), &is_behind), PL_OK);
	assert_false(is_behind);
	assert_int_equal(pl_sqlite_recent_fill(pl_sqlite_of(other), &is_behind), PL_OK);
	assert_int_equal(sqlite3_total_changes(pl_sqlite_of(other)->db), 0);
	talk(&t, BATCH, OTHERS); /* too few to write anew */
	assert_int_equal(pl_sqlite_recent_fill(pl_sqlite_of(other), &is_behind), PL_OK);
	assert_int_equal(sqlite3_total_changes(pl_sqlite_of(other)->db), 0);
	pl_store_close(other);
}

static int
steps_of_list(const struct town *t)
{
	struct pl_conversation_list list;

	(void)steps_of_all(t);
	list = list_page(t, NULL, PAGE);
	assert_int_equal(list.count, PAGE);
	pl_conversation_list_fini(&list);
	return steps_of_all(t);
}

static void
costs_the_same_however_many_messages(void **state)
{
	enum { KNOWN = 4 * PAGE };
	struct town t = settle(*state);
	int few, many;

	/* more unread of each than are counted */
	for (int i = 0; i < 34; i++)
		talk(&t, BATCH, KNOWN);
	note_all(&t);
	few = steps_of_list(&t);
	for (int i = 0; i < 60; i++)
		talk(&t, BATCH, KNOWN);
	note_all(&t);
	many = steps_of_list(&t);
	assert_in_range(many, 1, few + few / 5);
}

/* count users more, each of whom has written to ann once. */
static void
befriend(const struct town *t, int count)
{
	for (int i = 0; i < count; i++) {
		struct pl_oid user;
		char name[24];

		snprintf(name, sizeof(name), "friend%d", i);
		user = store_add_user(t->f->store, name);
		store_send(t->f->store, &user, &t->ann, "hi");
	}
}

static void
read_all(const struct town *t)
{
	run(t, "UPDATE correspondents SET (read_at, read_id) = "
	       "(SELECT created, id FROM messages ORDER BY seq DESC LIMIT 1)");
}

/* What is met at once is not paid for by counting all whom one could meet. */
static void
costs_the_same_however_many_correspondents(void **state)
{
	struct town t = settle(*state);
	int few, many;

	for (int i = 0; i < 5; i++)
		talk(&t, BATCH, OTHERS);
	note_all(&t);
	read_all(&t);
	few = steps_of_list(&t);
	befriend(&t, 1000);
	for (int i = 0; i < 5; i++)
		talk(&t, BATCH, OTHERS);
	note_all(&t);
	read_all(&t);
	many = steps_of_list(&t);
	assert_in_range(many, 1, few + few / 5);
}

/* The index of the two is not looked into if nothing came after what was read last. */
static void
counts_unread_only_where_there_may_be_any(void **state)
{
	static const char unread[] = "WITH deleted (n)";
	struct town t = settle(*state);

	for (int i = 0; i < 3; i++)
		talk(&t, BATCH, OTHERS);
	read_all(&t);
	(void)runs_of(&t, unread);
	(void)steps_of_list(&t);
	assert_int_equal(runs_of(&t, unread), 0);
	store_send(t.f->store, &t.others[0], &t.ann, "hi");
	(void)steps_of_list(&t);
	assert_int_equal(runs_of(&t, unread), 1);
}

/* A walk in vain: who wrote all that is new hides the others. */
static void
walks_in_vain_for_a_part_of_the_cost_of_steps(void **state)
{
	struct town t = settle(*state);
	int walked, stepped;

	talk(&t, BATCH, OTHERS);
	for (int i = 0; i < 100; i++)
		talk(&t, BATCH, 1);
	note_all(&t);
	walked = steps_of_list(&t);
	list_by_steps(&t);
	stepped = steps_of_list(&t);
	assert_in_range(walked, 1, stepped + stepped / 2 + 12 * PL_SQLITE_RECENT_DUE);
}

static int
steps_of_missed(const struct town *t, const struct pl_message_pos *since, size_t count)
{
	struct pl_pos_list list;

	(void)steps_of_all(t);
	list = missed_since(t, since);
	assert_int_equal(list.count, count);
	pl_pos_list_fini(&list);
	return steps_of_all(t);
}

/* Whom nobody wrote since are not looked at. */
static void
looks_for_what_was_missed_with_those_who_wrote(void **state)
{
	enum { MISSED = 5 };
	struct town t = settle(*state);
	struct pl_message_pos since = {0};
	int walked, stepped;

	for (int i = 0; i < 5; i++)
		talk(&t, BATCH, OTHERS);
	note_all(&t);
	for (int i = 0; i <= MISSED; i++) {
		struct pl_message_pos at =
		    store_send(t.f->store, &t.others[i % 2], &t.ann, "hi");

		since = i == 0 ? at : since;
	}
	walked = steps_of_missed(&t, &since, MISSED);
	miss_by_steps(&t, true);
	stepped = steps_of_missed(&t, &since, MISSED);
	miss_by_steps(&t, false);
	assert_in_range(walked, 1, stepped / 2);
}

/* ---- the ceilings of a walk ---- */

/* Entries: each is looked up in messages. */
static int
entries_of_list(const struct town *t)
{
	static const char row_of[] =
	    "SELECT sender, receiver FROM messages WHERE seq = ?";

	(void)runs_of(t, row_of);
	(void)steps_of_list(t);
	return runs_of(t, row_of);
}

/* ann writes to the first `known` others in each of so many new chunks, and nobody else
 * does: as if strangers had filled them. */
static void
write_in_chunks(const struct town *t, int chunks, int known)
{
	long long last = number(t, "SELECT max(seq) FROM messages");
	char sql[512];

	for (int i = 0; i < chunks * known; i++)
		store_send(t->f->store, &t->ann, &t->others[i % known], "hi");
	snprintf(sql, sizeof(sql),
	    "UPDATE messages SET seq = -seq WHERE seq > %lld; "
	    "UPDATE messages SET seq = (%lld / %d + 1 + (-seq - %lld - 1) / %d) * %d "
	    "+ (-seq - %lld - 1) %% %d WHERE seq < 0",
	    last, last, PL_SQLITE_RECENT_CHUNK, last, known, PL_SQLITE_RECENT_CHUNK, last,
	    known);
	run(t, sql);
	note_all(t);
}

/* Of as many correspondents as count at all, those who write hide the others. */
static void
looks_at_500_chunks_and_1000_entries_for_a_list(void **state)
{
	struct town t = settle(*state);

	befriend(&t, 2100);
	write_in_chunks(&t, 510, 1);
	assert_int_equal(entries_of_list(&t), 500);
	write_in_chunks(&t, 340, 3);
	assert_int_equal(entries_of_list(&t), 1000);
}

static void
looks_at_4096_messages_that_are_not_noted(void **state)
{
	static const char rows_after[] =
	    "SELECT seq, sender, receiver FROM messages "
	    "WHERE seq > ?1 AND (sender = ?2 OR receiver = ?2) ORDER BY seq DESC";
	struct town t = settle(*state);

	for (int i = 0; i < 9; i++)
		talk(&t, BATCH, OTHERS);
	run(&t, "UPDATE filled SET up_to = (SELECT max(seq) - 4096 FROM messages) "
		"WHERE id = 2");
	(void)steps_of_list(&t);
	assert_int_equal(runs_of(&t, rows_after), 1);
	run(&t, "UPDATE filled SET up_to = up_to - 1 WHERE id = 2");
	(void)steps_of_list(&t);
	assert_int_equal(runs_of(&t, rows_after), 0);
}

/* The share of one who writes with everybody, and of one who writes to themselves. */
static void
keeps_no_more_than_two_entries_a_row(void **state)
{
	struct town t = settle(*state);

	for (int i = 0; i < 10; i++)
		talk(&t, BATCH, OTHERS);
	for (int i = 0; i < 600; i++)
		store_send(t.f->store, &t.ann, &t.ann, "hi");
	note_all(&t);
	assert_in_range(number(&t, "SELECT sum(length(entries)) FROM recent"), 1,
	    2 * PL_SQLITE_RECENT_ENTRY * 5600);
	assert_in_range(
	    number(&t, "SELECT count(*) FROM recent"), 1, 3 * PL_SQLITE_RECENT_BUCKETS);
	assert_in_range(
	    number(&t, "SELECT sum(pgsize) FROM dbstat WHERE name = 'recent'"), 1,
	    number(&t, "SELECT sum(length(entries)) * 4 / 3 FROM recent") + 3 * 4096);
	assert_lists_as_by_steps(&t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    STORE_TEST(lists_the_same_however_much_is_noted),
	    STORE_TEST(lists_what_a_walk_does_not_reach),
	    STORE_TEST(lists_what_was_not_noted_for_long),
	    STORE_TEST(notes_rows_again_whose_numbers_were_given_twice),
	    STORE_TEST(fills_a_page_although_many_are_gone),
	    STORE_TEST(notes_what_a_database_of_the_tenth_version_has),
	    STORE_TEST(keeps_what_a_database_of_the_twelfth_version_has),
	    STORE_TEST(is_noted_by_one_of_several_processes),
	    STORE_TEST(costs_the_same_however_many_messages),
	    STORE_TEST(costs_the_same_however_many_correspondents),
	    STORE_TEST(counts_unread_only_where_there_may_be_any),
	    STORE_TEST(walks_in_vain_for_a_part_of_the_cost_of_steps),
	    STORE_TEST(looks_for_what_was_missed_with_those_who_wrote),
	    STORE_TEST(looks_at_500_chunks_and_1000_entries_for_a_list),
	    STORE_TEST(looks_at_4096_messages_that_are_not_noted),
	    STORE_TEST(keeps_no_more_than_two_entries_a_row),
	};

	store_contract_use(&sqlite_factory);
	return cmocka_run_group_tests_name("sqlite: recent", tests, NULL, NULL);
}
