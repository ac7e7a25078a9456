/*
 * What the SQLite back end does where processes die, disks fill and several start at
 * once. The parent has no session open while it forks: SQLite's do not survive that.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/random.h"
#include "contract/sqlite_files.h"
#include "store/sqlite/checkpoint.h"
#include "support/patience.h"

#define BATCH_MAX 32

/* A failed expectation ends the child; cmocka's assertions are the parent's. */
#define CHILD_EXPECT(condition)                                                          \
	do {                                                                             \
		if (!(condition)) {                                                      \
			fprintf(stderr, "child: line %d: %s\n", __LINE__, #condition);   \
			_exit(1);                                                        \
		}                                                                        \
	} while (0)

static int
setup(void **state)
{
	struct fixture *f = pl_mem_zalloc(sizeof(*f));

	sqlite_factory.make(&f->config);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	sqlite_factory.drop(&f->config);
	pl_mem_free(f);
	return 0;
}

static pid_t
fork_child(void)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		alarm((unsigned)patient_ms(60000) /
		      1000); /* a child never outlives a test that failed */
	return pid;
}

static void
assert_child_succeeded(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static struct pl_oid
user_of_new_database(struct fixture *f)
{
	struct pl_store *s;
	struct pl_oid id;

	assert_int_equal(pl_store_open(&f->config, &s), PL_OK);
	id = store_add_user(s, "ann");
	pl_store_close(s);
	return id;
}

/* As services do, if another stands still with the database in its hands. */
static struct pl_store *
open_in_child(const struct fixture *f)
{
	struct pl_store *s = NULL;
	enum pl_err err;

	do
		err = pl_store_open(&f->config, &s);
	while (err == PL_E_UNAVAILABLE);
	CHILD_EXPECT(err == PL_OK);
	return s;
}

/* ---- several processes start on an empty folder ---- */

static void
start_as_a_service(struct fixture *f, int gate, int index)
{
	struct pl_store *s;
	struct pl_oid id;
	enum pl_err err;
	char name[8];

	snprintf(name, sizeof(name), "u%d", index);
	CHILD_EXPECT(read(gate, name + 7, 1) == 0); /* ends when the parent lets go */
	s = open_in_child(f);
	do
		err = store_insert_user(s, name, &id);
	while (err == PL_E_UNAVAILABLE);
	CHILD_EXPECT(err == PL_OK);
	pl_store_close(s);
	_exit(0);
}

static void
lets_four_processes_make_the_schema_at_once(void **state)
{
	struct fixture *f = *state;

	for (int round = 0; round < 10; round++) {
		pid_t children[4];
		int gate[2];

		assert_int_equal(pipe(gate), 0);
		for (int i = 0; i < 4; i++) {
			children[i] = fork_child();
			if (children[i] == 0) {
				close(gate[1]);
				start_as_a_service(f, gate[0], i);
			}
		}
		close(gate[0]);
		close(gate[1]);
		for (int i = 0; i < 4; i++)
			assert_child_succeeded(children[i]);
		assert_int_equal(
		    sqlite_files_number(&f->config, "SELECT count(*) FROM users"), 4);
		assert_int_equal(sqlite_files_number(&f->config, "PRAGMA user_version"),
		    SQLITE_FILES_VERSION);
		sqlite_files_assert_sound(&f->config);
		sqlite_factory.drop(&f->config);
		sqlite_factory.make(&f->config);
	}
}

/* ---- kill -9 ---- */

/* Send batches without end; write the ids of each to out once the store has said yes. */
static void
send_until_killed(struct fixture *f, const struct pl_oid *ann, const char *text, int out)
{
	struct pl_write sends[BATCH_MAX], *batch[BATCH_MAX];
	struct pl_oid ids[BATCH_MAX];
	struct pl_store *s = open_in_child(f);
	enum pl_err err;

	for (;;) {
		size_t count = 1 + pl_random_below(BATCH_MAX);

		for (size_t i = 0; i < count; i++) {
			store_send_init(&sends[i], ann, ann, text, NULL);
			batch[i] = &sends[i];
		}
		pl_store_write(s, batch, count);
		err = sends[0].err;
		/* No, if the other stands still with the database in its hands. */
		CHILD_EXPECT(err == PL_OK || err == PL_E_UNAVAILABLE);
		for (size_t i = 0; i < count; i++) {
			CHILD_EXPECT(sends[i].err == err);
			ids[i] = sends[i].u.send.message.id;
			store_send_fini(&sends[i]);
		}
		/* At most PIPE_BUF bytes: whole, or not at all. */
		CHILD_EXPECT(err != PL_OK || write(out, ids, count * sizeof(*ids)) > 0);
	}
}

struct acked {
	struct pl_oid *ids;
	size_t count;
};

static size_t
read_acked(struct acked *a, int in)
{
	ssize_t got;

	a->ids = pl_mem_realloc(a->ids, (a->count + BATCH_MAX) * sizeof(*a->ids));
	got = read(in, a->ids + a->count, BATCH_MAX * sizeof(*a->ids));
	assert_true(got >= 0);
	assert_int_equal((size_t)got % sizeof(*a->ids), 0);
	a->count += (size_t)got / sizeof(*a->ids);
	return (size_t)got;
}

/* Two processes send; both are killed in the middle, once stop were acknowledged. */
static void
send_and_kill(struct fixture *f, const struct pl_oid *ann, const char *text,
    struct acked *a, size_t stop)
{
	pid_t children[2];
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	for (int i = 0; i < 2; i++) {
		children[i] = fork_child();
		if (children[i] == 0)
			send_until_killed(f, ann, text, ends[1]);
	}
	close(ends[1]);
	while (a->count < stop && read_acked(a, ends[0]) > 0)
		;
	for (int i = 0; i < 2; i++) {
		int status;

		kill(children[i], SIGKILL);
		waitpid(children[i], &status, 0);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	}
	while (read_acked(a, ends[0]) > 0)
		;
	close(ends[0]);
}

static void
assert_all_stored(struct fixture *f, const struct pl_oid *ann, const struct acked *a)
{
	struct pl_message_pos pos;
	struct pl_store *s;

	assert_int_equal(pl_store_open(&f->config, &s), PL_OK);
	for (size_t i = 0; i < a->count; i++)
		assert_int_equal(
		    pl_store_message_pos(s, ann, ann, &a->ids[i], &pos), PL_OK);
	pl_store_close(s);
}

static void
loses_nothing_acknowledged_to_kill_9(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = user_of_new_database(f);
	struct acked a = {0};

	for (int round = 0; round < 12; round++) {
		send_and_kill(f, &ann, "hi", &a, a.count + 20 + pl_random_below(400));
		assert_all_stored(f, &ann, &a);
		sqlite_files_assert_sound(&f->config);
	}
	assert_true(a.count >= 12 * 20);
	pl_mem_free(a.ids);
}

/* A page each: soon the log is as long as the threads wait for that empty it, and one of
 * them is at it when it is killed. */
static void
loses_nothing_acknowledged_while_its_log_is_emptied(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = user_of_new_database(f);
	struct acked a = {0};
	char text[3000];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	for (int round = 0; round < 5; round++) {
		send_and_kill(f, &ann, text, &a,
		    a.count + PL_SQLITE_LOG_DUE / 2 + pl_random_below(PL_SQLITE_LOG_DUE));
		assert_all_stored(f, &ann, &a);
		sqlite_files_assert_sound(&f->config);
	}
	pl_mem_free(a.ids);
}

/* ---- full disk ---- */

#define TEXT_LEN 30000

/* Send long messages until one is refused, and note how many were not. */
static size_t
fill_disk(struct pl_store *s, const struct pl_oid *ann)
{
	char *text = pl_mem_zalloc(TEXT_LEN + 1);
	size_t stored = 0;
	enum pl_err err;

	memset(text, 'x', TEXT_LEN);
	do {
		struct pl_write sends[2], *batch[2] = {&sends[0], &sends[1]};

		for (int i = 0; i < 2; i++)
			store_send_init(&sends[i], ann, ann, text, NULL);
		pl_store_write(s, batch, 2);
		err = sends[0].err;
		CHILD_EXPECT(sends[1].err == err);
		stored += err == PL_OK ? 2 : 0;
		for (int i = 0; i < 2; i++)
			store_send_fini(&sends[i]);
	} while (err == PL_OK && stored < 10000);
	CHILD_EXPECT(err == PL_E_FULL);
	pl_mem_free(text);
	return stored;
}

static size_t
count_in_child(struct pl_store *s, const struct pl_oid *ann)
{
	struct pl_message_list list;
	size_t count;

	CHILD_EXPECT(pl_store_messages_page(
			 s, ann, ann, PL_PAGE_AFTER, NULL, 20000, &list) == PL_OK);
	count = list.count;
	pl_message_list_fini(&list);
	return count;
}

/* The service lives on: it refuses, reads, and once there is room again stores. */
static void
survive_full_disk(struct pl_store *s, const struct pl_oid *ann, size_t there,
    void (*make_room)(void *arg), void *arg)
{
	size_t stored = there + fill_disk(s, ann);
	struct pl_write w;

	CHILD_EXPECT(stored > there);
	CHILD_EXPECT(count_in_child(s, ann) == stored);
	CHILD_EXPECT(pl_store_ping(s) == PL_OK);
	make_room(arg);
	store_send_init(&w, ann, ann, "room again", NULL);
	CHILD_EXPECT(store_write_one(s, &w) == PL_OK);
	CHILD_EXPECT(count_in_child(s, ann) == stored + 1);
	store_send_fini(&w);
}

static void
set_file_limit(rlim_t limit)
{
	struct rlimit now;

	getrlimit(RLIMIT_FSIZE, &now);
	now.rlim_cur = limit;
	CHILD_EXPECT(setrlimit(RLIMIT_FSIZE, &now) == 0);
}

static void
lift_file_limit(void *arg)
{
	(void)arg;
	set_file_limit(RLIM_INFINITY);
}

static void
refuses_where_its_files_may_not_grow_and_recovers(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = user_of_new_database(f);
	pid_t child = fork_child();

	if (child == 0) {
		struct pl_store *s;

		signal(SIGXFSZ, SIG_IGN);
		set_file_limit(1 << 20);
		CHILD_EXPECT(pl_store_open(&f->config, &s) == PL_OK);
		survive_full_disk(s, &ann, 0, lift_file_limit, NULL);
		pl_store_close(s);
		_exit(0);
	}
	assert_child_succeeded(child);
	sqlite_files_assert_sound(&f->config);
}

/* ---- a real small disk ---- */

static void
free_disk(void *arg)
{
	CHILD_EXPECT(unlink(arg) == 0);
}

/* 77: may not mount here. */
static void
live_on_small_disk(const char *folder)
{
	struct pl_store_config config = {.data_dir = folder};
	char ballast[256];
	struct pl_store *s;
	struct pl_oid ann;
	FILE *file;

	if (unshare(CLONE_NEWNS) != 0 ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("tmpfs", folder, "tmpfs", 0, "size=4m") != 0)
		_exit(77);
	snprintf(ballast, sizeof(ballast), "%s/ballast", folder);
	file = fopen(ballast, "w");
	CHILD_EXPECT(file != NULL && ftruncate(fileno(file), 0) == 0);
	for (int i = 0; i < 1 << 20; i++)
		CHILD_EXPECT(putc('x', file) != EOF);
	CHILD_EXPECT(fclose(file) == 0);
	CHILD_EXPECT(pl_store_open(&config, &s) == PL_OK);
	CHILD_EXPECT(store_insert_user(s, "ann", &ann) == PL_OK);
	survive_full_disk(s, &ann, 0, free_disk, ballast);
	pl_store_close(s);
	/* All of it is there for the next process. */
	CHILD_EXPECT(pl_store_open(&config, &s) == PL_OK);
	CHILD_EXPECT(count_in_child(s, &ann) > 1);
	pl_store_close(s);
	sqlite_files_assert_sound(&config);
	_exit(0);
}

static void
refuses_on_a_full_disk_and_recovers(void **state)
{
	struct fixture *f = *state;
	pid_t child = fork_child();
	int status;

	if (child == 0)
		live_on_small_disk(f->config.data_dir);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* Not even the first page fits. */
static void
open_without_room(const char *folder)
{
	struct pl_store_config config = {.data_dir = folder};
	struct pl_store *s;

	signal(SIGXFSZ, SIG_IGN);
	set_file_limit(1024);
	CHILD_EXPECT(pl_store_open(&config, &s) == PL_E_FULL);
	set_file_limit(RLIM_INFINITY);
	CHILD_EXPECT(pl_store_open(&config, &s) == PL_OK);
	pl_store_close(s);
	_exit(0);
}

static void
opens_once_there_is_room(void **state)
{
	struct fixture *f = *state;
	pid_t child = fork_child();

	if (child == 0)
		open_without_room(f->config.data_dir);
	assert_child_succeeded(child);
	sqlite_files_assert_sound(&f->config);
}

#define CRASH_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    CRASH_TEST(lets_four_processes_make_the_schema_at_once),
	    CRASH_TEST(loses_nothing_acknowledged_to_kill_9),
	    CRASH_TEST(loses_nothing_acknowledged_while_its_log_is_emptied),
	    CRASH_TEST(refuses_where_its_files_may_not_grow_and_recovers),
	    CRASH_TEST(refuses_on_a_full_disk_and_recovers),
	    CRASH_TEST(opens_once_there_is_room),
	};

	return cmocka_run_group_tests_name("sqlite: crashes", tests, NULL, NULL);
}
