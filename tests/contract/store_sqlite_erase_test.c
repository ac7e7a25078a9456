/*
 * Erasing in SQLite: no file has a trace of it afterwards, wherever a process was killed,
 * and whatever else reads.
 */
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/random.h"
#include "contract/sqlite_files.h"
#include "store/store_erase.h"

#define MANY   2000 /* people: some shelves, and pages that were split */
#define KILLS  12
#define TEXTS  3000
#define SECRET "unmistakable"

/* ---- looking ------------------------------------------------------------------------- */

static bool
file_has(const struct pl_store_config *config, const char *name, const char *text)
{
	char path[256];
	struct pl_buf bytes;
	bool has = false;
	FILE *file;
	int c;

	snprintf(path, sizeof(path), "%s/%s", config->data_dir, name);
	file = fopen(path, "r");
	if (file == NULL)
		return false;
	pl_buf_init(&bytes, PL_BUF_UNLIMITED);
	while ((c = getc(file)) != EOF)
		(void)pl_buf_add_char(&bytes, (char)c);
	fclose(file);
	if (bytes.len > 0)
		has = memmem(bytes.data, bytes.len, text, strlen(text)) != NULL;
	pl_buf_fini(&bytes);
	return has;
}

static bool
files_have(const struct pl_store_config *config, const char *text)
{
	return file_has(config, "parley.db", text) ||
	       file_has(config, "parley.db-wal", text) ||
	       file_has(config, "parley.db-shm", text);
}

/* ---- people and what they wrote ------------------------------------------------------- */

static struct pl_oid
add_person(struct pl_store *s, const char *name)
{
	char full[64], hash[64];
	struct pl_signup signup = {.username = pl_str(name)};
	struct pl_write w = {.kind = PL_WRITE_USER};
	struct pl_user user;
	struct pl_oid id;

	snprintf(full, sizeof(full), "full %s", name);
	snprintf(hash, sizeof(hash), "hash %s", name);
	signup.full_name = pl_str(full);
	pl_user_from_signup(&user, &signup, pl_mem_strdup(hash), pl_clock_unix_ms());
	w.u.user = &user;
	assert_int_equal(store_write_one(s, &w), PL_OK);
	id = user.id;
	pl_user_fini(&user);
	return id;
}

static void
write_texts(struct pl_store *s, const struct pl_oid *from, const struct pl_oid *to,
    const char *text, size_t count)
{
	for (size_t i = 0; i < count; i += 100) {
		struct pl_write writes[100], *list[100];

		for (int k = 0; k < 100; k++) {
			store_send_init(&writes[k], from, to, text, NULL);
			list[k] = &writes[k];
		}
		pl_store_write(s, list, 100);
		for (int k = 0; k < 100; k++) {
			assert_int_equal(writes[k].err, PL_OK);
			store_send_fini(&writes[k]);
		}
	}
}

static void
erase(struct pl_store *s, const struct pl_oid *user)
{
	struct pl_write w = {.kind = PL_WRITE_ERASE, .u.erase.user = *user};

	pl_revocation_of_all(&w.u.erase.revocation, user, pl_clock_unix_ms() / 1000 + 2);
	assert_int_equal(store_write_one(s, &w), PL_OK);
}

static void
finish(struct pl_store *s)
{
	struct pl_erase_step step = {.worker = 1, .lease_ms = 60000};

	do
		assert_int_equal(pl_store_erase_step(s, &step), PL_OK);
	while (step.state != PL_ERASE_NOTHING && step.state != PL_ERASE_HELD_UP);
	assert_int_equal(step.state, PL_ERASE_NOTHING);
}

/* ---- tests ----------------------------------------------------------------------------- */

static void
leaves_no_trace_in_any_file(void **state)
{
	struct fixture *f = *state;
	struct pl_oid bob = add_person(f->store, "bob");
	struct pl_oid ann = add_person(f->store, "ann" SECRET);
	char *longer = pl_mem_alloc(20001);

	for (size_t i = 0; i < 20000; i++)
		longer[i] = SECRET[i % (sizeof(SECRET) - 1)];
	longer[20000] = '\0';
	write_texts(f->store, &ann, &bob, SECRET " and short", 300);
	write_texts(f->store, &ann, &bob, longer, 100);
	write_texts(f->store, &ann, &ann, SECRET " to myself", 100);
	write_texts(f->store, &bob, &ann, "bob's own", 100);
	assert_true(files_have(&f->config, SECRET));
	erase(f->store, &ann);
	finish(f->store);
	assert_false(files_have(&f->config, SECRET));
	assert_true(files_have(&f->config, "bob's own"));
	sqlite_files_assert_sound(&f->config);
	pl_mem_free(longer);
}

/* Pages of an index are split, and so are shelves, of which some begin with a person's
 * name. */
static void
leaves_no_name_of_one_among_many(void **state)
{
	struct fixture *f = *state;
	struct pl_oid *ids = pl_mem_alloc(MANY * sizeof(*ids));
	char name[32];

	for (unsigned i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "%06x%04u", pl_random_below(1 << 24), i);
		if (i % 3 == 0)
			snprintf(name + 6, sizeof(name) - 6, SECRET);
		if (i % 3 == 0) /* no two of one name */
			snprintf(name + 6 + strlen(SECRET), 8, "%04u", i);
		ids[i] = add_person(f->store, name);
	}
	assert_true(files_have(&f->config, SECRET));
	for (unsigned i = 0; i < MANY; i += 3)
		erase(f->store, &ids[i]);
	finish(f->store);
	assert_false(files_have(&f->config, SECRET));
	assert_int_equal(
	    sqlite_files_number(&f->config, "SELECT sum(count) FROM people_shelves"),
	    sqlite_files_number(&f->config, "SELECT count(*) FROM users"));
	assert_int_equal(
	    sqlite_files_number(&f->config,
		"SELECT count(*) FROM people_shelves AS s WHERE s.count <> "
		"(SELECT count(DISTINCT id) FROM people_words WHERE shelf = s.number)"),
	    0);
	sqlite_files_assert_sound(&f->config);
	pl_mem_free(ids);
}

static void
waits_for_a_reader_who_needs_the_log(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = add_person(f->store, "ann" SECRET);
	struct pl_erase_step step = {.worker = 1, .lease_ms = 60000};
	char path[256];
	sqlite3 *reader;
	int64_t begun, took_ms = 1000;

	write_texts(f->store, &ann, &ann, SECRET, 100);
	snprintf(path, sizeof(path), "%s/parley.db", f->config.data_dir);
	assert_int_equal(sqlite3_open(path, &reader), SQLITE_OK);
	assert_int_equal(
	    sqlite3_exec(reader, "BEGIN; SELECT count(*) FROM users", NULL, NULL, NULL),
	    SQLITE_OK);
	erase(f->store, &ann);
	do
		assert_int_equal(pl_store_erase_step(f->store, &step), PL_OK);
	while (step.state == PL_ERASE_GOES_ON);
	assert_int_equal(step.state, PL_ERASE_HELD_UP);
	/* Nobody is kept from writing for long, unless the machine stands still. */
	for (int i = 0; i < 5 && took_ms >= 1000; i++) {
		char name[] = {'b', 'o', 'b', (char)('0' + i), '\0'};

		begun = pl_clock_mono_ms();
		add_person(f->store, name);
		took_ms = pl_clock_mono_ms() - begun;
	}
	assert_true(took_ms < 1000);
	sqlite3_close_v2(reader);
	finish(f->store);
	assert_false(files_have(&f->config, SECRET));
}

/* Room that is free: of a database that was written anew there is none. */
static int64_t
free_pages_after_an_erasure(struct fixture *f, const char *name, int64_t bytes)
{
	struct pl_oid user = add_person(f->store, name);
	char sql[200];

	snprintf(sql, sizeof(sql),
	    "CREATE TABLE ballast (b); INSERT INTO ballast VALUES (zeroblob(%lld));"
	    "CREATE TABLE freed (b); INSERT INTO freed VALUES (zeroblob(1000000));"
	    "DROP TABLE freed",
	    (long long)bytes);
	sqlite_files_run(&f->config, sql);
	erase(f->store, &user);
	finish(f->store);
	return sqlite_files_number(&f->config, "PRAGMA freelist_count");
}

static void
writes_a_database_anew_that_is_no_larger_than_its_bound(void **state)
{
	struct fixture *f = *state;
	const int64_t near = 4000000;

	assert_int_equal(
	    free_pages_after_an_erasure(f, "ann" SECRET, PL_ERASE_ANEW_BYTES - near), 0);
	sqlite_files_run(&f->config, "DROP TABLE ballast");
	assert_true(
	    free_pages_after_an_erasure(f, "bob" SECRET, PL_ERASE_ANEW_BYTES + near) > 0);
}

static int64_t
erasures_at(struct fixture *f, int stage)
{
	char sql[80];

	snprintf(
	    sql, sizeof(sql), "SELECT count(*) FROM erasures WHERE stage = %d", stage);
	return sqlite_files_number(&f->config, sql);
}

/* As if so many of its seconds had passed since each had its first sweep. */
static enum pl_erase_state
step_after(struct fixture *f, int64_t since_ms)
{
	struct pl_erase_step step = {
	    .worker = 1, .lease_ms = 60000, .settle_ms = PL_ERASE_SETTLE_MS};
	char sql[120];

	snprintf(sql, sizeof(sql), "UPDATE erasures SET noted = %lld WHERE stage = 4",
	    (long long)(pl_clock_unix_ms() - since_ms));
	sqlite_files_run(&f->config, sql);
	assert_int_equal(pl_store_erase_step(f->store, &step), PL_OK);
	return step.state;
}

/* 75 s, while others are on their way to it; and for all that have come so far at once. */
static void
writes_a_database_anew_once_for_those_who_come_together(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ids[] = {add_person(f->store, "ann"), add_person(f->store, "bob"),
	    add_person(f->store, "eve")};

	sqlite_files_run(&f->config,
	    "CREATE TABLE freed (b); INSERT INTO freed VALUES (zeroblob(1000000));"
	    "DROP TABLE freed");
	for (int i = 0; i < 3; i++)
		erase(f->store, &ids[i]);
	sqlite_files_run(&f->config,
	    "UPDATE erasures SET stage = CASE WHEN user = "
	    "(SELECT max(user) FROM erasures) THEN 2 ELSE 4 END");
	/* half a minute for a machine that stands still */
	assert_int_equal(step_after(f, 45000), PL_ERASE_NOTHING);
	assert_int_equal(erasures_at(f, 4), 2);
	assert_true(sqlite_files_number(&f->config, "PRAGMA freelist_count") > 0);
	assert_int_equal(step_after(f, 76000), PL_ERASE_GOES_ON);
	assert_int_equal(erasures_at(f, 4), 0);
	assert_int_equal(erasures_at(f, 5), 2);
	assert_int_equal(sqlite_files_number(&f->config, "PRAGMA freelist_count"), 0);
	/* nobody else is on the way: at once */
	sqlite_files_run(&f->config, "DELETE FROM erasures WHERE stage = 5; "
				     "UPDATE erasures SET stage = 4");
	assert_int_equal(step_after(f, PL_ERASE_SETTLE_MS), PL_ERASE_GOES_ON);
	assert_int_equal(erasures_at(f, 5), 1);
}

/* All first sweeps, to their ends. */
static void
sweep_all(struct pl_store *s)
{
	struct pl_erase_step step = {
	    .worker = 1, .lease_ms = 60000, .settle_ms = 3600000};

	do
		assert_int_equal(pl_store_erase_step(s, &step), PL_OK);
	while (step.state == PL_ERASE_GOES_ON);
	assert_int_equal(step.state, PL_ERASE_NOTHING);
}

/* Processes of an older version know no place in SETTLE, and sweep again in AGAIN. */
static void
ends_what_an_older_version_began(void **state)
{
	struct fixture *f = *state;

	for (int stage = 0; stage <= 5; stage++) {
		struct pl_oid ann = add_person(f->store, "ann" SECRET);
		struct pl_oid bob = add_person(f->store, "bob" SECRET);
		char sql[200];

		write_texts(f->store, &ann, &bob, "a word", 100);
		erase(f->store, &ann);
		erase(f->store, &bob);
		if (stage > 3) /* which nobody comes to before */
			sweep_all(f->store);
		snprintf(sql, sizeof(sql),
		    "UPDATE erasures SET stage = %d, noted = noted - 3600000", stage);
		sqlite_files_run(&f->config, sql);
		finish(f->store);
		assert_int_equal(
		    sqlite_files_number(&f->config, "SELECT count(*) FROM erasures"), 0);
		assert_int_equal(sqlite_files_number(&f->config,
				     "SELECT count(*) FROM messages WHERE text <> ''"),
		    0);
	}
	assert_false(files_have(&f->config, SECRET));
}

struct writer {
	struct sqlite3 *db;
	pthread_t thread;
};

static void *
write_longer_than_a_step(void *arg)
{
	struct writer *w = arg;

	usleep(2 * PL_ERASE_MS * 1000);
	assert_int_equal(sqlite3_exec(w->db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
	return NULL;
}

/* A step that begins while another process writes, and so comes late. */
static void
step_behind_a_writer(struct fixture *f, struct pl_erase_step *step, struct writer *w)
{
	enum pl_err err;

	assert_int_equal(
	    sqlite3_exec(w->db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(
	    pthread_create(&w->thread, NULL, write_longer_than_a_step, w), 0);
	do /* again, if the writer stood still for longer than a write is waited for */
		err = pl_store_erase_step(f->store, step);
	while (err == PL_E_UNAVAILABLE);
	assert_int_equal(err, PL_OK);
	pthread_join(w->thread, NULL);
}

/* Where the one erasure's sweep is. */
static int64_t
texts_passed(struct fixture *f)
{
	return sqlite_files_number(&f->config,
	    "SELECT count(*) FROM messages AS m, erasures AS e "
	    "WHERE (m.created, m.id) <= (e.at_created, e.at_id)");
}

/* More texts of one receiver than a step passes: each passes some, or ends the sweep. */
static void
gets_further_by_each_step_however_long_others_write(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = add_person(f->store, "ann"),
		      bob = add_person(f->store, "bob");
	struct pl_erase_step step = {
	    .worker = 1, .lease_ms = 60000, .settle_ms = 3600000};
	struct writer w = {0};
	char path[256];
	int64_t passed = 0;

	write_texts(f->store, &ann, &bob, SECRET, 600);
	erase(f->store, &ann);
	snprintf(path, sizeof(path), "%s/parley.db", f->config.data_dir);
	assert_int_equal(sqlite3_open(path, &w.db), SQLITE_OK);
	sqlite3_busy_timeout(w.db, 30000);
	while (!step.is_swept) {
		int64_t before = passed;

		step_behind_a_writer(f, &step, &w);
		passed = texts_passed(f);
		assert_true(step.is_swept || passed > before);
	}
	sqlite3_close(w.db);
}

/* By an alarm of its own: a parent that stands still would let it come to its end. */
static void
run_until_killed(const struct pl_store_config *config, unsigned after_us)
{
	struct pl_erase_step step = {.worker = (uint64_t)getpid(), .lease_ms = 0};
	const struct itimerval alarm = {.it_value.tv_usec = after_us};
	struct pl_store *s;

	(void)setitimer(ITIMER_REAL, &alarm, NULL);
	if (pl_store_open(config, &s) != PL_OK)
		_exit(1);
	while (pl_store_erase_step(s, &step) == PL_OK && step.state != PL_ERASE_NOTHING)
		;
	_exit(2); /* it was not killed in time */
}

/* Each child gets a bit further, the last one to the end. No session is open while it
 * forks. */
static void
goes_on_after_any_kill(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = add_person(f->store, "ann" SECRET);
	struct pl_oid bob = add_person(f->store, "bob");
	int status = 0, kills = 0;

	write_texts(f->store, &ann, &bob, SECRET, TEXTS);
	erase(f->store, &ann);
	pl_store_close(f->store);
	f->store = NULL;
	for (int i = 0; i < KILLS && !(WIFEXITED(status) && i > 0); i++) {
		unsigned after_us = 4000 + pl_random_below(12000);
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (pid == 0)
			run_until_killed(&f->config, after_us);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		kills += WIFSIGNALED(status);
	}
	printf("killed %d times\n", kills);
	assert_true(kills > 0);
	f->store = store_open_patiently(&f->config);
	usleep(2000);
	finish(f->store);
	assert_false(files_have(&f->config, SECRET));
	assert_int_equal(store_count(f->store, &ann, &bob), TEXTS);
	assert_int_equal(
	    sqlite_files_number(&f->config, "SELECT count(*) FROM erasures"), 0);
	sqlite_files_assert_sound(&f->config);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    STORE_TEST(leaves_no_trace_in_any_file),
	    STORE_TEST(leaves_no_name_of_one_among_many),
	    STORE_TEST(waits_for_a_reader_who_needs_the_log),
	    STORE_TEST(goes_on_after_any_kill),
	    STORE_TEST(ends_what_an_older_version_began),
	    STORE_TEST(gets_further_by_each_step_however_long_others_write),
	    STORE_TEST(writes_a_database_anew_that_is_no_larger_than_its_bound),
	    STORE_TEST(writes_a_database_anew_once_for_those_who_come_together),
	};

	store_contract_use(&sqlite_factory);
	return cmocka_run_group_tests_name("sqlite: erase", tests, NULL, NULL);
}
