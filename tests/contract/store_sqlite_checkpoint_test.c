/*
 * SQLite's log is emptied on a thread (checkpoint.h): without a commit that does it, after
 * a reader that held it up, without the thread or any time for it, and with a disk that
 * fails it. Kills are in store_sqlite_crash_test.c.
 */
#include <errno.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "contract/sqlite_files.h"
#include "store/sqlite/checkpoint.h"
#include "support/fail_at.h"
#include "support/fail_sqlite.h"
#include "support/patience.h"

enum {
	BATCH = 64,
	WAIT_MS = 20000,
	FRAME_BYTES = 24 + 4096, /* a page in the log */
	LOG_BOUND = PL_SQLITE_LOG_MOST + PL_SQLITE_LOG_DUE,
};
/* walformat.html: how many pages of the log are copied, in the index of the log; how often
 * the log was begun anew, in its header. */
#define COPIED "-j 96", "shm"
#define BEGUN  "--endian=big -j 12", "wal"

/* By a child: a descriptor closed here would drop this process's locks. */
static unsigned long
look(const struct fixture *f, const char *where, const char *file)
{
	unsigned long value = 0;
	char command[256];
	FILE *out;

	snprintf(command, sizeof(command), "od -A n -t u4 -N 4 %s '%s/parley.db-%s'",
	    where, f->config.data_dir, file);
	out = popen(command, "r");
	assert_non_null(out);
	assert_int_equal(fscanf(out, "%lu", &value), 1);
	assert_int_equal(pclose(out), 0);
	return value;
}

static int
pages(const struct fixture *f)
{
	return pl_sqlite_of(f->store)->log_pages;
}

static struct pl_oid
settle(const struct fixture *f)
{
	/* Not the thread's syncs. */
	assert_int_equal(
	    pl_sqlite_exec(pl_sqlite_of(f->store), "PRAGMA synchronous = OFF"), PL_OK);
	return store_add_user(f->store, "ann");
}

static void
send_until_due(const struct fixture *f, const struct pl_oid *ann)
{
	while (pages(f) < PL_SQLITE_LOG_DUE)
		sqlite_files_send_pages(f->store, ann, BATCH);
}

/* The most pages that the log had until it was begun anew. */
static int
send_until_begun_anew(const struct fixture *f, const struct pl_oid *ann)
{
	unsigned long begun = look(f, BEGUN);
	int most = 0;

	do {
		most = pages(f) > most ? pages(f) : most;
		sqlite_files_send_pages(f->store, ann, BATCH);
	} while (look(f, BEGUN) == begun && most < 3 * PL_SQLITE_LOG_MOST);
	return most;
}

/* ---- right ---- */

/* Nobody commits meanwhile. */
static void
copies_the_log_without_a_commit_that_does(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = settle(f);
	int64_t until = pl_clock_mono_ms() + patient_ms(WAIT_MS);

	send_until_due(f, &ann);
	while (look(f, COPIED) < PL_SQLITE_LOG_DUE && pl_clock_mono_ms() < until)
		sqlite3_sleep(10);
	assert_true(look(f, COPIED) >= PL_SQLITE_LOG_DUE);
	assert_in_range(send_until_begun_anew(f, &ann), 1, LOG_BOUND);
	sqlite_files_assert_sound(&f->config);
}

static void
bounds_the_log_of_one_who_writes_without_a_pause(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = settle(f);

	for (int i = 0; i < 3; i++)
		assert_in_range(send_until_begun_anew(f, &ann), 1, LOG_BOUND);
	assert_int_equal(
	    sqlite_files_number(&f->config, "SELECT count(*) % 64 FROM messages"), 0);
	sqlite_files_assert_sound(&f->config);
}

/* ---- a thread that gets no time ---- */

#define STILL_LOOKS 100 /* a millisecond apart, in which the log does not grow */

static struct {
	pthread_t writer;
	char log[256];
	sqlite3_syscall_ptr usual_write;
	bool is_over; /* it had its time; of the thread */
} hold;

static off_t
log_pages_on_disk(void)
{
	struct stat log;

	return stat(hold.log, &log) == 0 ? log.st_size / FRAME_BYTES : 0;
}

/* Until the writer waits for us, or has not and is beyond the bound. One that only stood
 * still is taken for one that waits, and the test then proves less. */
static void
hold_up(void)
{
	off_t grown = 0;

	for (int looks = 0; looks < STILL_LOOKS && grown <= LOG_BOUND; looks++) {
		off_t before = grown;

		sqlite3_sleep(1);
		grown = log_pages_on_disk();
		if (grown != before || grown < PL_SQLITE_LOG_MOST)
			looks = 0;
	}
	hold.is_over = true;
}

static ssize_t
write_that_is_held_up(int fd, const void *data, size_t len, off_t offset)
{
	if (!pthread_equal(pthread_self(), hold.writer) && !hold.is_over)
		hold_up();
	return ((ssize_t(*)(int, const void *, size_t, off_t))hold.usual_write)(
	    fd, data, len, offset);
}

static void
bounds_the_log_behind_a_thread_that_gets_no_time(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = settle(f);
	sqlite3_vfs *files = sqlite3_vfs_find(NULL);
	const char *name =
	    files->xGetSystemCall(files, "pwrite64") ? "pwrite64" : "pwrite";
	int most;

	hold.writer = pthread_self();
	hold.usual_write = files->xGetSystemCall(files, name);
	snprintf(hold.log, sizeof(hold.log), "%s/parley.db-wal", f->config.data_dir);
	files->xSetSystemCall(files, name, (sqlite3_syscall_ptr)write_that_is_held_up);
	most = send_until_begun_anew(f, &ann);
	pl_sqlite_checkpoint_stop(pl_sqlite_of(f->store));
	files->xSetSystemCall(files, name, hold.usual_write);
	assert_true(hold.is_over);
	assert_in_range(most, PL_SQLITE_LOG_MOST - BATCH * 2, LOG_BOUND);
	sqlite_files_assert_sound(&f->config);
}

static void
empties_the_log_after_a_reader_that_held_it_up(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = settle(f);
	struct pl_store *reader;
	unsigned long begun;

	sqlite_files_send_pages(f->store, &ann, BATCH);
	begun = look(f, BEGUN);
	assert_int_equal(pl_store_open(&f->config, &reader), PL_OK);
	assert_int_equal(pl_sqlite_moment_begin(pl_sqlite_of(reader)), PL_OK);
	assert_int_equal(store_count(reader, &ann, &ann), BATCH);
	send_until_due(f, &ann);
	send_until_due(f, &ann);
	assert_int_equal(look(f, BEGUN), begun);
	assert_int_equal(store_count(reader, &ann, &ann), BATCH);
	assert_int_equal(pl_sqlite_moment_end(pl_sqlite_of(reader), PL_OK), PL_OK);
	pl_store_close(reader);
	(void)send_until_begun_anew(f, &ann);
	assert_true(look(f, BEGUN) > begun);
	sqlite_files_assert_sound(&f->config);
}

/* ---- failures ---- */

/* Nor can the thread open the database. */
static void
is_emptied_by_commits_if_the_thread_cannot(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = settle(f);
	int most;

	fail_at(FAIL_OPEN, 1, FAIL_FOR_EVER, EMFILE);
	most = send_until_begun_anew(f, &ann);
	assert_in_range(most, PL_SQLITE_LOG_MOST - BATCH * 2, LOG_BOUND);
	assert_true(fail_at_end() > 0);
	sqlite_files_assert_sound(&f->config);
}

/* The database cannot be synced, so that nothing counts as copied. */
static void
loses_nothing_if_copying_fails(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = settle(f);
	int64_t until = pl_clock_mono_ms() + patient_ms(WAIT_MS);

	fail_at(FAIL_SYNC, 1, FAIL_FOR_EVER, EIO);
	send_until_due(f, &ann);
	sqlite3_sleep(100);
	assert_int_equal(look(f, COPIED), 0);
	(void)fail_at_end();
	while (look(f, COPIED) == 0 && pl_clock_mono_ms() < until)
		sqlite_files_send_pages(f->store, &ann, BATCH);
	assert_true(look(f, COPIED) > 0);
	(void)send_until_begun_anew(f, &ann);
	assert_int_equal(
	    sqlite_files_number(&f->config, "SELECT count(*) % 64 FROM messages"), 0);
	sqlite_files_assert_sound(&f->config);
}

#define LOG_TEST(name)                                                                   \
	cmocka_unit_test_setup_teardown(name, sqlite_files_setup, sqlite_files_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    LOG_TEST(copies_the_log_without_a_commit_that_does),
	    LOG_TEST(bounds_the_log_of_one_who_writes_without_a_pause),
	    LOG_TEST(bounds_the_log_behind_a_thread_that_gets_no_time),
	    LOG_TEST(empties_the_log_after_a_reader_that_held_it_up),
	    LOG_TEST(is_emptied_by_commits_if_the_thread_cannot),
	    LOG_TEST(loses_nothing_if_copying_fails),
	};

	fail_sqlite_install();
	return cmocka_run_group_tests_name("sqlite: checkpoints", tests, NULL, NULL);
}
