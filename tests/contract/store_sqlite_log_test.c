/*
 * The layer that joins the writes to SQLite's log (joined_log.h): what it saves, and that
 * nobody can tell it from SQLite's own way otherwise. That its writes and syncs may fail
 * is in store_sqlite_faults_test.c.
 */
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "contract/sqlite_files.h"
#include "store/sqlite/joined_log.h"
#include "support/fail_at.h"
#include "support/fail_sqlite.h"

#define BATCH      12
#define FRAME      (24 + 4096)
#define PIECE      65536
#define PATH_BYTES 512

/* Twelve and more frames would be twice as many writes. */
static void
writes_a_commit_in_two_pieces(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann");

	sqlite_files_send_pages(
	    f->store, &ann, BATCH); /* a purge is due with the first */
	fail_at(FAIL_WRITE, 3, 1, EIO);
	sqlite_files_send_pages(f->store, &ann, BATCH);
	assert_int_equal(fail_at_end(), 0);
}

/* ---- a power cut ---- */

struct bytes {
	char *data;
	size_t len;
};

static struct bytes
read_log(const char *folder)
{
	char path[PATH_BYTES];
	struct bytes b;
	FILE *file;

	snprintf(path, sizeof(path), "%s/parley.db-wal", folder);
	file = fopen(path, "rb");
	assert_non_null(file);
	assert_int_equal(fseek(file, 0, SEEK_END), 0);
	b.len = (size_t)ftell(file);
	b.data = pl_mem_alloc(b.len);
	rewind(file);
	assert_int_equal(fread(b.data, 1, b.len, file), b.len);
	fclose(file);
	return b;
}

static void
write_log(const char *folder, const char *data, size_t len)
{
	char path[PATH_BYTES];
	FILE *file;

	snprintf(path, sizeof(path), "%s/parley.db-wal", folder);
	file = fopen(path, "wb");
	assert_non_null(file);
	assert_int_equal(fwrite(data, 1, len, file), len);
	assert_int_equal(fclose(file), 0);
}

/* How many messages the next process finds, if the log were such. */
static size_t
count_after(
    const struct pl_store_config *from, const char *log, size_t len, struct pl_oid *ann)
{
	struct pl_store_config config;
	struct pl_store *s;
	size_t count;

	sqlite_factory.make(&config);
	sqlite_files_copy(from->data_dir, config.data_dir);
	write_log(config.data_dir, log, len);
	assert_int_equal(pl_store_open(&config, &s), PL_OK);
	count = store_count(s, ann, ann);
	pl_store_close(s);
	sqlite_files_assert_sound(&config);
	sqlite_factory.drop(&config);
	return count;
}

/* Only the first cut bytes of the log came to the disk; or all but those of a page in its
 * middle. */
static void
assert_commit_is_absent(const struct pl_store_config *from, const struct bytes *log,
    size_t cut, struct pl_oid *ann)
{
	struct bytes torn = {pl_mem_zalloc(log->len), log->len};
	size_t end = cut + 4096 < log->len ? cut + 4096 : log->len;

	assert_int_equal(count_after(from, log->data, cut, ann), BATCH);
	memcpy(torn.data, log->data, cut);
	memcpy(torn.data + end, log->data + end, log->len - end);
	assert_int_equal(count_after(from, torn.data, torn.len, ann), BATCH);
	pl_mem_free(torn.data);
}

static void
is_whole_or_absent_after_a_power_cut(void **state)
{
	static const size_t cuts[] = {0, 1, 7, 23, 24, 25, 24 + 2048, FRAME - 1};
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann");
	struct bytes before, after;
	struct pl_store_config seen;
	size_t frames;

	sqlite_factory.make(&seen);
	sqlite_files_send_pages(f->store, &ann, BATCH);
	sqlite_files_copy(f->config.data_dir, seen.data_dir);
	before = read_log(seen.data_dir);
	sqlite_files_send_pages(f->store, &ann, BATCH);
	sqlite_files_copy(f->config.data_dir, seen.data_dir);
	after = read_log(seen.data_dir);
	frames = (after.len - before.len) / FRAME;
	assert_true(after.len - before.len > 12 * FRAME);
	assert_int_equal((after.len - before.len) % FRAME, 0);
	for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
		size_t frame = i % 2 == 0 ? frames - 1 : i * frames / 8;

		assert_commit_is_absent(
		    &seen, &after, before.len + frame * FRAME + cuts[i], &ann);
	}
	/* where one piece ends and the next begins */
	assert_commit_is_absent(&seen, &after, before.len + PIECE / FRAME * FRAME, &ann);
	assert_int_equal(count_after(&seen, after.data, after.len, &ann), 2 * BATCH);
	pl_mem_free(before.data);
	pl_mem_free(after.data);
	sqlite_factory.drop(&seen);
}

/* ---- other connections ---- */

/* layer: NULL for SQLite's own. Its cache holds few pages, so that a transaction does not
 * fit. */
static sqlite3 *
connect_to(const struct fixture *f, const char *layer, const char *synchronous)
{
	char path[PATH_BYTES], sql[PATH_BYTES];
	sqlite3 *db;

	snprintf(path, sizeof(path), "%s/parley.db", f->config.data_dir);
	assert_int_equal(
	    sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, layer), SQLITE_OK);
	snprintf(sql, sizeof(sql),
	    "PRAGMA synchronous = %s; PRAGMA cache_size = 10; PRAGMA cache_spill = 5; "
	    "PRAGMA wal_autocheckpoint = 0;",
	    synchronous);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	return db;
}

static void
must(sqlite3 *db, const char *sql)
{
	int rc = sqlite3_exec(db, sql, NULL, NULL, NULL);

	if (rc != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(db));
}

static int
number(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *stmt;
	int n;

	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	n = sqlite3_column_int(stmt, 0);
	sqlite3_finalize(stmt);
	return n;
}

/* What the next process finds that has only the files. */
static int
number_after_a_kill(const struct fixture *f, const char *sql)
{
	struct fixture next = {0};
	sqlite3 *db;
	int n;

	sqlite_factory.make(&next.config);
	sqlite_files_copy(f->config.data_dir, next.config.data_dir);
	db = connect_to(&next, NULL, "FULL");
	n = number(db, sql);
	sqlite3_close(db);
	sqlite_factory.drop(&next.config);
	return n;
}

#define INSERT_60(bytes)                                                                 \
	"WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60) " \
	"INSERT INTO probe SELECT " bytes " FROM n"
#define INSERT_MANY INSERT_60("randomblob(3000)")
#define INSERT_OWN  INSERT_60("zeroblob(3000)")
#define COUNT_OWN   "SELECT count(*) FROM probe WHERE bytes = zeroblob(3000)"
#define IS_SOUND                                                                         \
	"SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'"

static const char *const ways_to_sync[] = {"FULL", "NORMAL", "OFF"};

/* The other one looks through SQLite's own way, so that nothing is in common but the
 * files. */
static void
sees_each_commit_at_once(void **state, const char *synchronous)
{
	struct fixture *f = *state;
	sqlite3 *writer = connect_to(f, pl_sqlite_joined_log(), synchronous);
	sqlite3 *reader = connect_to(f, NULL, "FULL");

	must(writer, "CREATE TABLE probe (bytes BLOB)");
	for (int i = 1; i <= 5; i++) {
		must(writer, "INSERT INTO probe VALUES (randomblob(10))");
		assert_int_equal(number(reader, "SELECT count(*) FROM probe"), i);
	}
	/* Larger than the cache, pages written twice: checksums are corrected at its end. */
	must(writer, "BEGIN; " INSERT_MANY "; UPDATE probe SET bytes = "
		     "randomblob(length(bytes)); " INSERT_MANY "; COMMIT");
	assert_int_equal(number(reader, "SELECT count(*) FROM probe"), 125);
	assert_int_equal(number(reader, IS_SOUND), 1);
	assert_int_equal(number_after_a_kill(f, "SELECT count(*) FROM probe"), 125);
	must(reader, "PRAGMA wal_checkpoint(TRUNCATE)");
	must(writer, "INSERT INTO probe VALUES (1); DROP TABLE probe");
	assert_int_equal(number(reader, IS_SOUND), 1);
	sqlite3_close(writer);
	sqlite3_close(reader);
}

static void
shows_each_commit_to_others_however_it_is_synced(void **state)
{
	for (size_t i = 0; i < sizeof(ways_to_sync) / sizeof(ways_to_sync[0]); i++)
		sees_each_commit_at_once(state, ways_to_sync[i]);
}

/* What was gathered of it is not written over what the other one commits then. */
static void
leaves_nothing_of_a_transaction_that_was_rolled_back(void **state)
{
	struct fixture *f = *state;
	sqlite3 *one = connect_to(f, pl_sqlite_joined_log(), "FULL");
	sqlite3 *other = connect_to(f, pl_sqlite_joined_log(), "FULL");

	must(one, "CREATE TABLE probe (bytes BLOB)");
	for (int i = 0; i < 5; i++) {
		/* With an empty log the rollback reads nothing there. */
		if (i % 2 == 0)
			must(other, "PRAGMA wal_checkpoint(TRUNCATE)");
		must(one, "BEGIN IMMEDIATE; " INSERT_MANY);
		must(one, "ROLLBACK");
		must(other, "BEGIN; " INSERT_OWN "; " INSERT_OWN "; COMMIT"); /* longer */
		assert_int_equal(number(one, COUNT_OWN), (i + 1) * 120);
		assert_int_equal(number(one, IS_SOUND), 1);
	}
	must(one, "BEGIN IMMEDIATE; " INSERT_MANY);
	sqlite3_close_v2(one);
	must(other, INSERT_OWN);
	assert_int_equal(number(other, COUNT_OWN), 5 * 120 + 60);
	assert_int_equal(number(other, IS_SOUND), 1);
	sqlite3_close(other);
}

/* A log that is begun anew has a header of its own; a piece begins with it. */
static void
begins_its_log_anew(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann");
	sqlite3 *reader = connect_to(f, NULL, "FULL");

	for (size_t i = 1; i <= 4; i++) {
		sqlite_files_send_pages(f->store, &ann, BATCH);
		must(reader, i % 2 == 0 ? "PRAGMA wal_checkpoint(RESTART)"
					: "PRAGMA wal_checkpoint(TRUNCATE)");
		assert_int_equal(store_count(f->store, &ann, &ann), i * BATCH);
	}
	assert_int_equal(number(reader, IS_SOUND), 1);
	sqlite3_close(reader);
}

#define LOG_TEST(name)                                                                   \
	cmocka_unit_test_setup_teardown(name, sqlite_files_setup, sqlite_files_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    LOG_TEST(writes_a_commit_in_two_pieces),
	    LOG_TEST(is_whole_or_absent_after_a_power_cut),
	    LOG_TEST(shows_each_commit_to_others_however_it_is_synced),
	    LOG_TEST(leaves_nothing_of_a_transaction_that_was_rolled_back),
	    LOG_TEST(begins_its_log_anew),
	};

	fail_sqlite_install();
	return cmocka_run_group_tests_name("sqlite: its log", tests, NULL, NULL);
}
