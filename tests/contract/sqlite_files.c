#include <ftw.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "contract/sqlite_files.h"
#include "support/fail_at.h"

#define MEMORY_BYTES (32U * 1024 * 1024)
#define PAGES_MAX    64
#define PAGE_TEXT    3000

static void
make_in(const char *folder, struct pl_store_config *out)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/parley-store-XXXXXX", folder);
	assert_non_null(mkdtemp(path));
	*out = (struct pl_store_config){.data_dir = pl_mem_strdup(path)};
}

static void
make(struct pl_store_config *out)
{
	make_in("/tmp", out);
}

static bool
has_room(const char *folder)
{
	struct statvfs there;

	return access(folder, W_OK) == 0 && statvfs(folder, &there) == 0 &&
	       there.f_bavail * there.f_frsize >= MEMORY_BYTES;
}

static void
make_in_memory(struct pl_store_config *out)
{
	make_in(has_room("/dev/shm") ? "/dev/shm" : "/tmp", out);
}

static int
remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static void
drop(struct pl_store_config *config)
{
	char *path;

	nftw(config->data_dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	memcpy(&path, &config->data_dir, sizeof(path)); /* ours since make() */
	pl_mem_free(path);
	*config = (struct pl_store_config){0};
}

const struct store_factory sqlite_factory = {.make = make, .drop = drop};
const struct store_factory sqlite_memory_factory = {.make = make_in_memory, .drop = drop};

static sqlite3 *
open_beside(const struct pl_store_config *config)
{
	char path[256];
	sqlite3 *db;

	snprintf(path, sizeof(path), "%s/parley.db", config->data_dir);
	assert_int_equal(
	    sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
	sqlite3_busy_timeout(db, 10000);
	return db;
}

void
sqlite_files_run(const struct pl_store_config *config, const char *sql)
{
	sqlite3 *db = open_beside(config);

	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

int64_t
sqlite_files_number(const struct pl_store_config *config, const char *sql)
{
	sqlite3 *db = open_beside(config);
	sqlite3_stmt *stmt;
	int64_t number;

	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	number = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	return number;
}

void
sqlite_files_assert_sound(const struct pl_store_config *config)
{
	assert_int_equal(
	    sqlite_files_number(config, "SELECT count(*) FROM pragma_integrity_check "
					"WHERE integrity_check = 'ok'"),
	    1);
}

/* By a child: a descriptor closed here would drop this process's locks. */
void
sqlite_files_copy(const char *from, const char *to)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		execlp("sh", "sh", "-c",
		    "cp \"$0\"/parley.db \"$0\"/parley.db-wal \"$1\"", from, to,
		    (char *)NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int
sqlite_files_setup(void **state)
{
	struct fixture *f = pl_mem_zalloc(sizeof(*f));

	sqlite_factory.make(&f->config);
	assert_int_equal(pl_store_open(&f->config, &f->store), PL_OK);
	*state = f;
	return 0;
}

int
sqlite_files_teardown(void **state)
{
	struct fixture *f = *state;

	(void)fail_at_end();
	pl_store_close(f->store);
	sqlite_factory.drop(&f->config);
	pl_mem_free(f);
	return 0;
}

void
sqlite_files_send_pages(struct pl_store *store, const struct pl_oid *user, size_t count)
{
	struct pl_write sends[PAGES_MAX], *batch[PAGES_MAX];
	char text[PAGE_TEXT + 1];

	assert_true(count <= PAGES_MAX);
	memset(text, 'x', PAGE_TEXT);
	text[PAGE_TEXT] = '\0';
	for (size_t i = 0; i < count; i++) {
		store_send_init(&sends[i], user, user, text, NULL);
		batch[i] = &sends[i];
	}
	pl_store_write(store, batch, count);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(sends[i].err, PL_OK);
		store_send_fini(&sends[i]);
	}
}
