#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <pthread.h>
#include <semaphore.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "loop/loop_epoll.h"
#include "ops/metrics.h"
#include "store/sqlite/session.h"
#include "store/store_async.h"
#include "support/patience.h"

#define WAIT_LIMIT_MS patient_ms(20000)

#define WAIT_FOR(f, condition)                                                           \
	do {                                                                             \
		int64_t limit_ = awake_ms() + WAIT_LIMIT_MS;                             \
		while (!(condition)) {                                                   \
			if (awake_ms() > limit_)                                         \
				fail_msg("never came true: %s", #condition);             \
			pl_loop_epoll_step((f)->loop, 10);                               \
		}                                                                        \
	} while (0)

/* ---- fixture: a loop, a folder that exists, a store in a folder below it ---- */

struct fixture {
	struct pl_loop *loop;
	struct pl_store_async *sa;
	char root[64];
	char data_dir[128];
	struct pl_oid user;
	/* what came back */
	size_t done_count;
	size_t by_err[PL_E_IO + 1];
};

static struct fixture *current; /* of the calls' done */

static int
remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static void
start(struct fixture *f)
{
	struct pl_store_config config = {.data_dir = f->data_dir};

	f->sa = pl_store_async_new(f->loop, &config, 2);
}

static int
setup_without_store(void **state)
{
	struct fixture *f = pl_mem_zalloc(sizeof(*f));

	snprintf(f->root, sizeof(f->root), "/tmp/parley-async-XXXXXX");
	assert_non_null(mkdtemp(f->root));
	snprintf(f->data_dir, sizeof(f->data_dir), "%s/sub/data", f->root);
	f->loop = pl_loop_epoll_new();
	current = f;
	*state = f;
	return 0;
}

static void
add_user(struct fixture *f)
{
	struct pl_signup signup = {.full_name = PL_STR("Ann"), .username = PL_STR("ann")};
	struct pl_store_config config = {.data_dir = f->data_dir};
	struct pl_store *s;
	struct pl_user user;
	struct pl_write w = {.kind = PL_WRITE_USER, .u.user = &user}, *batch = &w;

	pl_user_from_signup(&user, &signup, pl_mem_strdup("hash"), pl_clock_unix_ms());
	assert_int_equal(pl_store_open(&config, &s), PL_OK);
	pl_store_write(s, &batch, 1);
	assert_int_equal(w.err, PL_OK);
	pl_store_close(s);
	f->user = user.id;
	pl_user_fini(&user);
}

static int
setup(void **state)
{
	struct fixture *f;

	setup_without_store(state);
	f = *state;
	add_user(f);
	start(f);
	WAIT_FOR(f, pl_store_async_is_up(f->sa));
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	pl_store_async_free(f->sa);
	pl_loop_epoll_free(f->loop);
	nftw(f->root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	pl_mem_free(f);
	return 0;
}

/* ---- calls: on the heap, freed by their own done ---- */

static void
write_done(struct pl_store_write_call *call)
{
	current->done_count++;
	current->by_err[call->write.err]++;
	pl_message_fini(&call->write.u.send.message);
	pl_mem_free(call);
}

/* Queue a message of ann to herself. */
static enum pl_err
queue_text(
    struct fixture *f, struct pl_str text, void (*done)(struct pl_store_write_call *call))
{
	struct pl_store_write_call *call = pl_mem_zalloc(sizeof(*call));
	enum pl_err err;

	call->write.kind = PL_WRITE_SEND;
	call->done = done;
	pl_message_init(&call->write.u.send.message, &f->user, &f->user, text, 0);
	err = pl_store_async_write(f->sa, call);
	if (err != PL_OK) {
		pl_message_fini(&call->write.u.send.message);
		pl_mem_free(call);
	}
	return err;
}

static enum pl_err
queue_send(struct fixture *f, void (*done)(struct pl_store_write_call *call))
{
	return queue_text(f, PL_STR("hi"), done);
}

struct read_call {
	struct pl_store_read_call call;
	struct fixture *f;
	pthread_t thread;
	size_t count;
};

static enum pl_err
count_messages(struct pl_store_read_call *call, struct pl_store *s)
{
	struct read_call *r = PL_CONTAINER(call, struct read_call, call);
	struct pl_message_list list;
	enum pl_err err = pl_store_messages_to(s, &r->f->user, NULL, 10000, &list);

	r->thread = pthread_self();
	if (err == PL_OK) {
		r->count = list.count;
		pl_message_list_fini(&list);
	}
	return err;
}

static void
read_done(struct pl_store_read_call *call)
{
	struct read_call *r = PL_CONTAINER(call, struct read_call, call);

	r->f->done_count++;
	r->f->by_err[call->err]++;
}

static void
read_init(struct read_call *r, struct fixture *f)
{
	*r = (struct read_call){
	    .call = {.run = count_messages, .done = read_done},
	    .f = f,
	};
}

static size_t
stored_count(struct fixture *f)
{
	struct read_call r;
	size_t done = f->done_count;

	read_init(&r, f);
	assert_int_equal(pl_store_async_read(f->sa, &r.call), PL_OK);
	WAIT_FOR(f, f->done_count == done + 1);
	assert_int_equal(r.call.err, PL_OK);
	return r.count;
}

/* ---- the database in another's hands ---- */

static sqlite3 *
hold_lock(struct fixture *f)
{
	char path[256];
	sqlite3 *db;

	snprintf(path, sizeof(path), "%s/parley.db", f->data_dir);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	sqlite3_busy_timeout(db, 10000);
	assert_int_equal(
	    sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	return db;
}

static uint32_t
big_endian(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Commits that are in the write-ahead log: frames whose header gives a database size. The
 * log is a 32-byte header, then frames of a 24-byte header and a page. */
static size_t
commits_in_log(struct fixture *f)
{
	unsigned char header[32];
	size_t commits = 0;
	char path[256];
	FILE *file;
	long page;

	snprintf(path, sizeof(path), "%s/parley.db-wal", f->data_dir);
	file = fopen(path, "rb");
	assert_non_null(file);
	assert_int_equal(fread(header, 1, 32, file), 32);
	page = (long)big_endian(header + 8);
	while (fread(header, 1, 24, file) == 24) {
		commits += big_endian(header + 4) != 0;
		fseek(file, page, SEEK_CUR);
	}
	fclose(file);
	return commits;
}

/* ---- tests ---- */

static void
answers_on_the_loop_and_never_inside_the_call(void **state)
{
	struct fixture *f = *state;
	struct read_call r;

	assert_int_equal(queue_send(f, write_done), PL_OK);
	assert_int_equal(f->done_count, 0);
	WAIT_FOR(f, f->done_count == 1);
	assert_int_equal(f->by_err[PL_OK], 1);

	read_init(&r, f);
	assert_int_equal(pl_store_async_read(f->sa, &r.call), PL_OK);
	assert_int_equal(f->done_count, 1);
	WAIT_FOR(f, f->done_count == 2);
	assert_int_equal(r.call.err, PL_OK);
	assert_int_equal(r.count, 1);
	assert_false(pthread_equal(r.thread, pthread_self()));
	assert_true(pl_store_async_is_up(f->sa));
}

/* ---- reads at once ---- */

struct look {
	struct pl_store_read_call call;
	struct fixture *f;
	struct pl_oid user;
	size_t page;      /* of so many of their messages to themselves; 0: the user */
	pthread_t thread; /* that read last */
	unsigned runs;
	sem_t *gate; /* waits there first; NULL: does not */
	sem_t *at_gate;
};

static enum pl_err
read_page(const struct look *l, struct pl_store *s)
{
	struct pl_message_list list;
	enum pl_err err = pl_store_messages_page(
	    s, &l->user, &l->user, PL_PAGE_BEFORE, NULL, l->page, &list);

	if (err == PL_OK)
		pl_message_list_fini(&list);
	return err;
}

static enum pl_err
read_user(const struct look *l, struct pl_store *s)
{
	struct pl_user user;
	enum pl_err err = pl_store_user_by_id(s, &l->user, &user);

	if (err == PL_OK)
		pl_user_fini(&user);
	return err;
}

static enum pl_err
look_up(struct pl_store_read_call *call, struct pl_store *s)
{
	struct look *l = PL_CONTAINER(call, struct look, call);

	l->thread = pthread_self();
	l->runs++;
	if (l->gate != NULL) {
		sem_post(l->at_gate);
		sem_wait(l->gate);
	}
	return l->page > 0 ? read_page(l, s) : read_user(l, s);
}

static void
look_done(struct pl_store_read_call *call)
{
	struct look *l = PL_CONTAINER(call, struct look, call);

	l->f->done_count++;
	l->f->by_err[call->err]++;
}

static void
look_init(struct look *l, struct fixture *f)
{
	*l = (struct look){
	    .call = {.run = look_up, .done = look_done}, .f = f, .user = f->user};
}

/* Was l done inside the call? When it is over. */
static bool
look_now(struct fixture *f, struct look *l)
{
	size_t before = f->done_count;
	bool is_inside;

	l->runs = 0;
	pl_store_async_read_now_or_done(f->sa, &l->call);
	is_inside = f->done_count > before;
	WAIT_FOR(f, f->done_count == before + 1);
	assert_int_equal(pthread_equal(l->thread, pthread_self()) != 0, is_inside);
	return is_inside;
}

/* Does the file system here say what it has in memory? */
static bool
knows_its_memory(struct fixture *f)
{
	char path[256], byte;
	struct iovec to = {.iov_base = &byte, .iov_len = 1};
	ssize_t got;
	int fd, error;

	snprintf(path, sizeof(path), "%s/parley.db-shm", f->data_dir);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	got = preadv2(fd, &to, 1, 0, RWF_NOWAIT);
	error = errno;
	close(fd);
	return got == 1 || error == EAGAIN;
}

/* What is not in memory is read by a thread, which brings it there; so sooner or later it
 * is at once. */
static void
reads_a_row_inside_the_call(void **state)
{
	struct fixture *f = *state;
	int64_t limit = pl_clock_mono_ms() + WAIT_LIMIT_MS;
	struct look l;

	stored_count(f); /* a reader is there */
	if (!knows_its_memory(f))
		skip();
	look_init(&l, f);
	while (!look_now(f, &l)) {
		assert_true(pl_clock_mono_ms() < limit);
		assert_int_equal(l.call.err, PL_OK);
		pl_loop_epoll_step(f->loop, 10);
	}
	assert_int_equal(l.call.err, PL_OK);
	assert_int_equal(l.runs, 1);
	memset(l.user.bytes, 0, PL_OID_LEN);
	while (!look_now(f, &l)) {
		assert_true(pl_clock_mono_ms() < limit);
		pl_loop_epoll_step(f->loop, 10);
	}
	assert_int_equal(l.call.err, PL_E_NOT_FOUND);
}

static void
store_texts(struct fixture *f, size_t count, size_t len)
{
	char *text = pl_mem_alloc(len);
	size_t done = f->done_count + count;

	memset(text, 'x', len);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(queue_text(f, pl_str_n(text, len), write_done), PL_OK);
	pl_mem_free(text);
	WAIT_FOR(f, f->done_count == done);
}

static void
reads_a_page_inside_the_call(void **state)
{
	struct fixture *f = *state;
	int64_t limit = pl_clock_mono_ms() + WAIT_LIMIT_MS;
	struct look l;

	stored_count(f);
	if (!knows_its_memory(f))
		skip();
	store_texts(f, 51, 80);
	look_init(&l, f);
	l.page = 51;
	while (!look_now(f, &l)) {
		assert_true(pl_clock_mono_ms() < limit);
		pl_loop_epoll_step(f->loop, 10);
	}
	assert_int_equal(l.call.err, PL_OK);
}

/* By and by both readers have all of it in their own memory. */
static void
leaves_a_page_of_long_texts_to_a_thread(void **state)
{
	struct fixture *f = *state;
	unsigned tried = 0;
	struct look l;

	stored_count(f);
	if (!knows_its_memory(f))
		skip();
	store_texts(f, 51, 2000);
	look_init(&l, f);
	l.page = 51;
	for (int i = 0; i < 10; i++) {
		int64_t rests_until_ms = pl_clock_mono_ms() + 40;

		assert_false(look_now(f, &l));
		assert_int_equal(l.call.err, PL_OK);
		tried += l.runs == 2;
		while (pl_clock_mono_ms() < rests_until_ms)
			pl_loop_epoll_step(f->loop, 10);
	}
	assert_true(tried > 0);
}

static pthread_t who_would_wait;
static sqlite3_syscall_ptr usual_pread;

static ssize_t
pread_of_a_cold_disk(int fd, void *out, size_t len, off_t offset)
{
	if (pthread_equal(pthread_self(), who_would_wait)) {
		errno = EAGAIN;
		return -1;
	}
	return ((ssize_t(*)(int, void *, size_t, off_t))usual_pread)(
	    fd, out, len, offset);
}

/* As the file system says it of what is not in memory. */
static void
leaves_a_row_to_a_thread_that_may_wait_for_the_disk(void **state)
{
	struct fixture *f = *state;
	sqlite3_vfs *files = sqlite3_vfs_find(NULL);
	const char *name = files->xGetSystemCall(files, "pread64") ? "pread64" : "pread";
	struct look l;

	stored_count(f);
	usual_pread = files->xGetSystemCall(files, name);
	assert_non_null(usual_pread);
	who_would_wait = pthread_self();
	assert_int_equal(
	    files->xSetSystemCall(files, name, (sqlite3_syscall_ptr)pread_of_a_cold_disk),
	    SQLITE_OK);
	/* After a commit the readers' own memory of the file is no good any more. */
	assert_int_equal(queue_send(f, write_done), PL_OK);
	WAIT_FOR(f, f->done_count == 2);
	look_init(&l, f);
	assert_false(look_now(f, &l));
	assert_int_equal(l.call.err, PL_OK);
	assert_int_equal(l.runs, 2);
	/* For a moment it is not tried again. */
	assert_int_equal(queue_send(f, write_done), PL_OK);
	WAIT_FOR(f, f->done_count == 4);
	files->xSetSystemCall(files, name, usual_pread);
	assert_true(pl_store_async_is_up(f->sa));
}

static void
never_waits_for_a_reader_that_is_at_work(void **state)
{
	struct fixture *f = *state;
	sem_t gate, at_gate;
	struct look held[2], l;

	sem_init(&gate, 0, 0);
	sem_init(&at_gate, 0, 0);
	for (int i = 0; i < 2; i++) {
		look_init(&held[i], f);
		held[i].gate = &gate;
		held[i].at_gate = &at_gate;
		assert_int_equal(pl_store_async_read(f->sa, &held[i].call), PL_OK);
	}
	for (int i = 0; i < 2; i++)
		sem_wait(&at_gate);
	look_init(&l, f);
	pl_store_async_read_now_or_done(f->sa, &l.call);
	assert_int_equal(f->done_count, 0);
	assert_int_equal(l.runs, 0);
	for (int i = 0; i < 2; i++)
		sem_post(&gate);
	WAIT_FOR(f, f->done_count == 3);
	assert_int_equal(f->by_err[PL_OK], 3);
	sem_destroy(&gate);
	sem_destroy(&at_gate);
}

/* Of two readers all of a user's reads have one: the others of theirs wait, and what is
 * nobody's does not. */
static void
leaves_a_reader_to_others_whatever_one_user_reads(void **state)
{
	enum { HELD = 4 };
	struct fixture *f = *state;
	sem_t gate, at_gate;
	struct look held[HELD], l;

	sem_init(&gate, 0, 0);
	sem_init(&at_gate, 0, 0);
	for (int i = 0; i < HELD; i++) {
		look_init(&held[i], f);
		held[i].gate = &gate;
		held[i].at_gate = &at_gate;
		held[i].call.user = &f->user;
		assert_int_equal(pl_store_async_read(f->sa, &held[i].call), PL_OK);
	}
	sem_wait(&at_gate);
	for (size_t i = 1; i <= 20; i++) {
		look_init(&l, f);
		assert_int_equal(pl_store_async_read(f->sa, &l.call), PL_OK);
		WAIT_FOR(f, f->done_count == i);
		assert_int_equal(l.call.err, PL_OK);
	}
	assert_int_equal(held[0].runs, 1);
	for (int i = 1; i < HELD; i++)
		assert_int_equal(held[i].runs, 0);
	for (int i = 0; i < HELD; i++)
		sem_post(&gate);
	WAIT_FOR(f, f->done_count == 20 + HELD);
	sem_destroy(&gate);
	sem_destroy(&at_gate);
}

/* Reads on the loop, of threads and writes, in one another's way. */
static void
reads_at_once_beside_threads_that_read_and_write(void **state)
{
	enum { ROUNDS = 200, ALL = 3 * ROUNDS };
	static struct read_call reads[ROUNDS];
	static struct look looks[ROUNDS];
	struct fixture *f = *state;

	for (int i = 0; i < ROUNDS; i++) {
		assert_int_equal(queue_send(f, write_done), PL_OK);
		read_init(&reads[i], f);
		assert_int_equal(pl_store_async_read(f->sa, &reads[i].call), PL_OK);
		look_init(&looks[i], f);
		pl_store_async_read_now_or_done(f->sa, &looks[i].call);
		pl_loop_epoll_step(f->loop, i % 8 == 0);
	}
	WAIT_FOR(f, f->done_count == ALL);
	/* A standstill may be too long for what is queued. */
	assert_int_equal(f->by_err[PL_OK] + f->by_err[PL_E_TIMEOUT], ALL);
	assert_true(f->by_err[PL_OK] > 0);
}

/* So many commits it takes; 0: it stood still for longer than a writer waits. */
static size_t
commits_of_300(struct fixture *f)
{
	size_t before, done = f->done_count + 300;
	int64_t begun = pl_clock_mono_ms();
	sqlite3 *other = hold_lock(f);

	before = commits_in_log(f);
	for (int i = 0; i < 300; i++)
		assert_int_equal(queue_send(f, write_done), PL_OK);
	sqlite3_close(other);
	if (pl_clock_mono_ms() - begun >= PL_SQLITE_BUSY_MS)
		before = SIZE_MAX;
	WAIT_FOR(f, f->done_count == done);
	return before != SIZE_MAX ? commits_in_log(f) - before : 0;
}

static void
commits_all_that_waits_at_once(void **state)
{
	struct fixture *f = *state;
	size_t commits;

	assert_int_equal(
	    queue_send(f, write_done), PL_OK); /* purges, and makes the log */
	WAIT_FOR(f, f->done_count == 1);
	do {
		memset(f->by_err, 0, sizeof(f->by_err));
		commits = commits_of_300(f);
	} while (commits == 0 && f->done_count < 3000);
	assert_int_equal(f->by_err[PL_OK], 300);
	/* One that the writer had when we queued the rest, and one of all the rest. */
	assert_in_range(commits, 1, 2);
	if (f->done_count == 301)
		assert_int_equal(stored_count(f), 301);
}

/* While another session is opened, an idle writer would have time to commit the first. */
static void
run_turn(struct pl_task *task)
{
	struct pl_store_config config = {.data_dir = current->data_dir};
	struct pl_store *s;

	(void)task;
	assert_int_equal(queue_send(current, write_done), PL_OK);
	assert_int_equal(pl_store_open(&config, &s), PL_OK);
	pl_store_close(s);
	assert_int_equal(queue_send(current, write_done), PL_OK);
}

static size_t
commits_of_a_turn(struct fixture *f)
{
	struct pl_task turn = {.run = run_turn};
	size_t before = commits_in_log(f), done = f->done_count + 2;

	pl_list_init(&turn.link);
	pl_loop_post(f->loop, &turn);
	WAIT_FOR(f, f->done_count == done);
	assert_int_equal(f->by_err[PL_OK], done);
	return commits_in_log(f) - before;
}

/* Does the writer's thread sleep, as it does while it has nothing to do? */
static bool
writer_sleeps(void)
{
	FILE *out = popen("cat /proc/$PPID/task/*/stat", "r");
	bool sleeps = false;
	char line[512];

	assert_non_null(out);
	while (fgets(line, sizeof(line), out) != NULL)
		sleeps |= strstr(line, "(store-writer) S") != NULL;
	(void)pclose(out); /* one that has ended meanwhile has no file any more */
	return sleeps;
}

/* A writer that is at work yet is off with the first, and so is one that wakes meanwhile to
 * tidy. That is seldom, while one that does not wait is off with it nearly each time. */
static void
commits_what_a_turn_of_the_loop_brings_at_once(void **state)
{
	struct fixture *f = *state;
	size_t at_once = 0;

	assert_int_equal(queue_send(f, write_done), PL_OK);
	WAIT_FOR(f, f->done_count == 1);
	for (int turns = 0; turns < 9; turns++) {
		WAIT_FOR(f, writer_sleeps());
		at_once += commits_of_a_turn(f) == 1;
	}
	assert_in_range(at_once, 7, 9);
}

static void
queue_next(struct pl_store_write_call *call)
{
	if (current->done_count < 20)
		assert_int_equal(queue_send(current, queue_next), PL_OK);
	write_done(call);
}

static void
takes_a_call_from_the_end_of_another(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(queue_send(f, queue_next), PL_OK);
	WAIT_FOR(f, f->done_count == 21);
	assert_int_equal(f->by_err[PL_OK], 21);
}

static void
fails_while_the_store_is_away_and_finds_it_again_by_itself(void **state)
{
	struct fixture *f = *state;
	struct read_call r;
	char path[128];
	FILE *file;

	/* A file where its folder should be. */
	snprintf(path, sizeof(path), "%s/sub", f->root);
	file = fopen(path, "w");
	assert_non_null(file);
	fclose(file);
	start(f);
	assert_int_equal(queue_send(f, write_done), PL_OK);
	read_init(&r, f);
	assert_int_equal(pl_store_async_read(f->sa, &r.call), PL_OK);
	WAIT_FOR(f, f->done_count == 2);
	assert_int_equal(f->by_err[PL_E_UNAVAILABLE], 2);
	assert_false(pl_store_async_is_up(f->sa));

	assert_int_equal(unlink(path), 0);
	WAIT_FOR(f, pl_store_async_is_up(f->sa)); /* with no call that asks */
	add_user(f);
	assert_int_equal(queue_send(f, write_done), PL_OK);
	WAIT_FOR(f, f->done_count == 3);
	assert_int_equal(f->by_err[PL_OK], 1);
}

/* Batches that the writer took to the database. */
static int
batches_tried(void)
{
	static const char name[] = "parley_store_batch_writes_count ";
	struct pl_buf text;
	const char *at;
	int count;

	pl_buf_init(&text, PL_BUF_UNLIMITED);
	pl_metrics_print(&text, UINT_MAX);
	pl_buf_add_char(&text, '\0');
	at = strstr(text.data, name);
	count = at != NULL ? atoi(at + strlen(name)) : 0;
	pl_buf_fini(&text);
	return count;
}

/* The lock is away, and the first batch waits for it in vain. Were each batch to wait as
 * long again, the last calls would be over their time. */
static void
bounds_its_queue_and_fails_it_with_the_batch_before(void **state)
{
	struct fixture *f = *state;
	sqlite3 *other = hold_lock(f);
	int64_t start = pl_clock_mono_ms(), full_ms;
	int batches = batches_tried();
	size_t queued = 0;
	enum pl_err err;

	while ((err = queue_send(f, write_done)) == PL_OK)
		queued++;
	assert_int_equal(err, PL_E_BUSY);
	/* Where it stood still meanwhile, the writer has failed one batch and has another. */
	full_ms = pl_clock_mono_ms() - start;
	assert_true(queued >= PL_STORE_QUEUE_MAX);
	assert_true(full_ms >= PL_SQLITE_BUSY_MS ||
		    queued <= PL_STORE_QUEUE_MAX + PL_STORE_BATCH_MAX);
	WAIT_FOR(f, f->done_count == queued);
	/* A standstill may be too long for what is queued. */
	assert_int_equal(f->by_err[PL_E_UNAVAILABLE] + f->by_err[PL_E_TIMEOUT], queued);
	assert_true(f->by_err[PL_E_TIMEOUT] == 0 ||
		    pl_clock_mono_ms() - start >= PL_STORE_WAIT_MS);
	assert_true(full_ms >= PL_SQLITE_BUSY_MS || batches_tried() - batches == 1);
	sqlite3_close(other);
	assert_int_equal(queue_send(f, write_done), PL_OK);
	WAIT_FOR(f, f->done_count == queued + 1);
	assert_int_equal(f->by_err[PL_OK], 1);
	assert_int_equal(stored_count(f), 1);
}

static pthread_mutex_t door = PTHREAD_MUTEX_INITIALIZER;

static enum pl_err
wait_at_the_door(struct pl_store_read_call *call, struct pl_store *s)
{
	(void)call;
	(void)s;
	pthread_mutex_lock(&door);
	pthread_mutex_unlock(&door);
	return PL_OK;
}

static void
drops_what_has_waited_for_too_long(void **state)
{
	struct fixture *f = *state;
	struct read_call slow[2], late;
	int64_t start;

	pthread_mutex_lock(&door);
	for (int i = 0; i < 2; i++) { /* one for each reader */
		read_init(&slow[i], f);
		slow[i].call.run = wait_at_the_door;
		assert_int_equal(pl_store_async_read(f->sa, &slow[i].call), PL_OK);
	}
	read_init(&late, f);
	assert_int_equal(pl_store_async_read(f->sa, &late.call), PL_OK);
	start = pl_clock_mono_ms();
	WAIT_FOR(f, pl_clock_mono_ms() > start + PL_STORE_WAIT_MS);
	assert_int_equal(f->done_count, 0);
	pthread_mutex_unlock(&door);
	WAIT_FOR(f, f->done_count == 3);
	assert_int_equal(f->by_err[PL_OK], 2);
	assert_int_equal(late.call.err, PL_E_TIMEOUT);
}

/* Has the end cancelled what the writer had not taken? It has taken all if it stood still
 * for so long that the first batch had waited in vain. */
static bool
is_cancelled_at_the_end(struct fixture *f)
{
	sqlite3 *other = hold_lock(f);
	struct read_call reads[50];

	f->done_count = 0;
	memset(f->by_err, 0, sizeof(f->by_err));
	for (int i = 0; i < PL_STORE_BATCH_MAX + 100; i++)
		assert_int_equal(queue_send(f, write_done), PL_OK);
	pl_loop_epoll_step(f->loop, 0); /* the writer begins */
	for (int i = 0; i < 50; i++) {
		read_init(&reads[i], f);
		assert_int_equal(pl_store_async_read(f->sa, &reads[i].call), PL_OK);
	}
	pl_store_async_free(f->sa);
	f->sa = NULL;
	assert_int_equal(f->done_count, PL_STORE_BATCH_MAX + 150);
	sqlite3_close(other);
	assert_int_equal(f->done_count, PL_STORE_BATCH_MAX + 150);
	return f->by_err[PL_E_CANCELLED] >= 100 &&
	       f->by_err[PL_E_UNAVAILABLE] <= PL_STORE_BATCH_MAX;
}

static void
cancels_what_is_queued_when_it_ends(void **state)
{
	struct fixture *f = *state;

	for (int tries = 1; !is_cancelled_at_the_end(f); tries++) {
		assert_true(tries < 5);
		start(f);
		WAIT_FOR(f, pl_store_async_is_up(f->sa));
	}
}

static void
ends_in_the_middle_of_work_with_each_call_answered_once(void **state)
{
	struct fixture *f = *state;
	size_t queued = 0, stored;

	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < 100; i++, queued++)
			assert_int_equal(queue_send(f, write_done), PL_OK);
		pl_loop_epoll_step(f->loop, 0);
		pl_store_async_free(f->sa);
		assert_int_equal(f->done_count, queued);
		start(f);
	}
	assert_int_equal(f->by_err[PL_OK] + f->by_err[PL_E_CANCELLED], queued);
	stored = f->by_err[PL_OK];
	assert_int_equal(stored_count(f), stored);
}

#define ASYNC_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    ASYNC_TEST(answers_on_the_loop_and_never_inside_the_call),
	    ASYNC_TEST(reads_a_row_inside_the_call),
	    ASYNC_TEST(reads_a_page_inside_the_call),
	    ASYNC_TEST(leaves_a_page_of_long_texts_to_a_thread),
	    ASYNC_TEST(leaves_a_row_to_a_thread_that_may_wait_for_the_disk),
	    ASYNC_TEST(never_waits_for_a_reader_that_is_at_work),
	    ASYNC_TEST(leaves_a_reader_to_others_whatever_one_user_reads),
	    ASYNC_TEST(reads_at_once_beside_threads_that_read_and_write),
	    ASYNC_TEST(commits_all_that_waits_at_once),
	    ASYNC_TEST(commits_what_a_turn_of_the_loop_brings_at_once),
	    ASYNC_TEST(takes_a_call_from_the_end_of_another),
	    cmocka_unit_test_setup_teardown(
		fails_while_the_store_is_away_and_finds_it_again_by_itself,
		setup_without_store, teardown),
	    ASYNC_TEST(bounds_its_queue_and_fails_it_with_the_batch_before),
	    ASYNC_TEST(drops_what_has_waited_for_too_long),
	    ASYNC_TEST(cancels_what_is_queued_when_it_ends),
	    ASYNC_TEST(ends_in_the_middle_of_work_with_each_call_answered_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
