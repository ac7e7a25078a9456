/*
 * What the loop copies out of its mapping of the database (mapped.h) is what SQLite would
 * read, and nothing is touched that is not in memory.
 */
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "contract/sqlite_files.h"
#include "store/sqlite/at_once.h"
#include "store/sqlite/joined_log.h"
#include "store/sqlite/mapped.h"
#include "support/patience.h"

#define PAGE       4096
#define PATH_BYTES 64
#define MIB        ((sqlite3_int64)1 << 20)

/* A file as SQLite has it, and our own way to it. */
struct mapped_file {
	char path[PATH_BYTES];
	sqlite3_filename name;
	sqlite3_file *file;
	int fd;
	struct pl_sqlite_mapped mapped;
};

static int
setup(void **state)
{
	struct mapped_file *f = pl_mem_zalloc(sizeof(*f));
	sqlite3_vfs *own;

	assert_non_null(pl_sqlite_joined_log());
	own = sqlite3_vfs_find(NULL);
	snprintf(f->path, sizeof(f->path), "/tmp/parley-mapped-XXXXXX");
	f->fd = mkstemp(f->path);
	assert_true(f->fd >= 0);
	f->name = sqlite3_create_filename(f->path, "", "", 0, NULL);
	f->file = pl_mem_zalloc((size_t)own->szOsFile);
	assert_int_equal(own->xOpen(own, f->name, f->file,
			     SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_READWRITE, NULL),
	    SQLITE_OK);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct mapped_file *f = *state;

	pl_sqlite_mapped_fini(&f->mapped);
	f->file->pMethods->xClose(f->file);
	pl_mem_free(f->file);
	sqlite3_free_filename(f->name);
	close(f->fd);
	unlink(f->path);
	pl_mem_free(f);
	return 0;
}

static void
write_page(struct mapped_file *f, sqlite3_int64 offset, char c)
{
	char page[PAGE];

	memset(page, c, sizeof(page));
	assert_int_equal(pwrite(f->fd, page, sizeof(page), offset), sizeof(page));
}

/* In a run of its own; 0: it is to be read as usual. */
static char
byte_at(struct mapped_file *f, sqlite3_int64 offset)
{
	char page[PAGE] = {0};
	bool is_read;

	if (!pl_sqlite_at_once_begin())
		return 0;
	is_read = pl_sqlite_mapped_read(&f->mapped, f->file, page, sizeof(page), offset);
	pl_sqlite_at_once_end();
	assert_true(is_read || page[0] == 0);
	assert_int_equal(page[0], page[PAGE - 1]);
	return page[0];
}

/* What was not in memory is asked about again after a moment. */
static void
becomes(struct mapped_file *f, sqlite3_int64 offset, char c)
{
	int64_t limit = awake_ms() + patient_ms(10000);

	while (byte_at(f, offset) != c)
		assert_true(awake_ms() < limit);
}

/* Does the system say of the first page of a file that it is not in memory? */
static bool
is_away(int fd)
{
	unsigned char is_in = 1;
	void *page = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);

	assert_true(page != MAP_FAILED);
	if (mincore(page, PAGE, &is_in) != 0)
		is_in = 1;
	munmap(page, PAGE);
	return (is_in & 1) == 0;
}

static void
gives_what_is_in_the_file(void **state)
{
	struct mapped_file *f = *state;
	char two[PAGE], byte = 0;

	for (int i = 0; i < 300; i++)
		write_page(f, (sqlite3_int64)i * PAGE, (char)('a' + i % 26));
	for (int i = 0; i < 300; i++)
		assert_int_equal(byte_at(f, (sqlite3_int64)i * PAGE), 'a' + i % 26);
	assert_true(pl_sqlite_at_once_begin());
	assert_true(
	    pl_sqlite_mapped_read(&f->mapped, f->file, two, sizeof(two), PAGE / 2));
	pl_sqlite_at_once_end();
	assert_int_equal(two[0], 'a');
	assert_int_equal(two[PAGE / 2 - 1], 'a');
	assert_int_equal(two[PAGE / 2], 'b');
	/* The loop alone reads so. */
	assert_false(pl_sqlite_mapped_read(&f->mapped, f->file, &byte, 1, 0));
}

static void
shows_each_change(void **state)
{
	struct mapped_file *f = *state;

	for (int i = 0; i < 50; i++) {
		write_page(f, 0, (char)('a' + i % 26));
		assert_int_equal(byte_at(f, 0), 'a' + i % 26);
	}
}

/* What was found in memory is asked about again after this; a standstill only helps. */
static void
let_answers_get_old(void)
{
	usleep(150000);
}

static void
leaves_alone_what_is_behind_the_end(void **state)
{
	struct mapped_file *f = *state;

	write_page(f, 0, 'a');
	assert_int_equal(byte_at(f, PAGE), 0);
	assert_int_equal(byte_at(f, 5 * MIB), 0);
	write_page(f, PAGE, 'b');
	write_page(f, 5 * MIB, 'c');
	becomes(f, PAGE, 'b');
	becomes(f, 5 * MIB, 'c');
	/* Shorter, as after a VACUUM. */
	assert_int_equal(ftruncate(f->fd, PAGE), 0);
	let_answers_get_old();
	assert_int_equal(byte_at(f, 5 * MIB), 0);
	assert_int_equal(byte_at(f, PAGE), 0);
	assert_int_equal(byte_at(f, 0), 'a');
}

static void
has_all_of_a_file_that_fits(void **state)
{
	struct mapped_file *f = *state;
	sqlite3_int64 most = PL_SQLITE_MAPPED_BYTES / 4 * 3 - PAGE;

	write_page(f, 0, 'a');
	write_page(f, most, 'b');
	assert_int_equal(byte_at(f, most), 'b');
	assert_int_equal(byte_at(f, 0), 'a');
}

static void
has_the_newest_end_of_a_great_file(void **state)
{
	struct mapped_file *f = *state;
	sqlite3_int64 window = PL_SQLITE_MAPPED_BYTES, end = 3 * window;

	write_page(f, 0, 'a');
	write_page(f, end - window / 2 - 2 * MIB, 'b');
	write_page(f, end - window / 2 + 2 * MIB, 'c');
	write_page(f, end - PAGE, 'd');
	assert_int_equal(byte_at(f, 0), 0); /* the first read */
	assert_int_equal(byte_at(f, end - window / 2 - 2 * MIB), 0);
	assert_int_equal(byte_at(f, end - window / 2 + 2 * MIB), 'c');
	assert_int_equal(byte_at(f, end - PAGE), 'd');
	/* It grows, first within the window and then out of it. */
	write_page(f, end + window / 4, 'e');
	becomes(f, end + window / 4, 'e');
	assert_int_equal(byte_at(f, end - PAGE), 'd');
	write_page(f, end + window, 'f');
	becomes(f, end + window, 'f');
	assert_int_equal(byte_at(f, end - PAGE), 0);
}

/* Lets the system drop the first page; false: it keeps it, as where files are in memory. */
static bool
drop_first_page(struct mapped_file *f)
{
	assert_int_equal(fsync(f->fd), 0);
	(void)posix_fadvise(f->fd, 0, PAGE, POSIX_FADV_DONTNEED);
	return is_away(f->fd);
}

/* The window is there before, so that nothing else reads the page that is away. */
static void
touches_nothing_that_is_not_in_memory(void **state)
{
	struct mapped_file *f = *state;
	char page[PAGE];

	write_page(f, 0, 'a');
	write_page(f, 5 * MIB, 'b');
	assert_int_equal(byte_at(f, 5 * MIB), 'b');
	if (!drop_first_page(f))
		skip();
	assert_int_equal(byte_at(f, 0), 0);
	assert_true(is_away(f->fd));
	assert_int_equal(f->file->pMethods->xRead(f->file, page, PAGE, 0), SQLITE_OK);
	becomes(f, 0, 'a');
}

/* As of what cannot be mapped. */
static void
asks_no_more_where_the_system_does_not_tell(void **state)
{
	struct mapped_file *f = *state;
	sqlite3_vfs *own = sqlite3_vfs_find(NULL);
	sqlite3_file *device = pl_mem_zalloc((size_t)own->szOsFile);
	sqlite3_filename name = sqlite3_create_filename("/dev/null", "", "", 0, NULL);
	char byte;

	write_page(f, 0, 'a');
	assert_int_equal(own->xOpen(own, name, device,
			     SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_READONLY, NULL),
	    SQLITE_OK);
	assert_true(pl_sqlite_at_once_begin());
	assert_false(pl_sqlite_mapped_read(&f->mapped, device, &byte, 1, 0));
	pl_sqlite_at_once_end();
	assert_true(f->mapped.is_refused);
	assert_null(f->mapped.window);
	assert_int_equal(byte_at(f, 0), 0);
	device->pMethods->xClose(device);
	sqlite3_free_filename(name);
	pl_mem_free(device);
}

static void
reads_no_more_than_a_run_may(void **state)
{
	struct mapped_file *f = *state;
	size_t count = 0;
	char page[PAGE];

	write_page(f, 0, 'a');
	assert_true(pl_sqlite_at_once_begin());
	while (pl_sqlite_mapped_read(&f->mapped, f->file, page, sizeof(page), 0))
		assert_true(++count < 1000);
	pl_sqlite_at_once_end();
	assert_in_range(count, 100, 192);
	assert_int_equal(byte_at(f, 0), 'a');
}

/* ---- as a store does it ---- */

static enum pl_err
read_page(struct pl_store *s, const struct pl_oid *ann, struct pl_message_list *out)
{
	return pl_store_messages_page(s, ann, ann, PL_PAGE_BEFORE, NULL, 10, out);
}

/* What is not in memory is brought there by a read that may wait. */
static bool
read_at_once(struct pl_store *s, const struct pl_oid *ann, struct pl_message_list *out)
{
	for (int tries = 0; tries < 3; tries++) {
		enum pl_err err;

		assert_true(pl_store_at_once(s, true));
		err = read_page(s, ann, out);
		(void)pl_store_at_once(s, false);
		if (err == PL_OK)
			return true;
		assert_int_equal(err, PL_E_BUSY);
		assert_int_equal(read_page(s, ann, out), PL_OK);
		pl_message_list_fini(out);
	}
	return false;
}

static void
assert_same(const struct pl_message_list *a, const struct pl_message_list *b)
{
	assert_int_equal(a->count, b->count);
	for (size_t i = 0; i < a->count; i++) {
		assert_true(pl_oid_eq(&a->items[i].id, &b->items[i].id));
		assert_string_equal(a->items[i].text, b->items[i].text);
	}
}

/* Has this process mapped the file of this store? */
static bool
has_mapped(const struct pl_store_config *config)
{
	char path[PATH_BYTES + 16], line[512];
	FILE *maps = fopen("/proc/self/maps", "r");
	bool is_found = false;

	assert_non_null(maps);
	snprintf(path, sizeof(path), "%s/" PL_STORE_SQLITE_FILE "\n", config->data_dir);
	while (!is_found && fgets(line, sizeof(line), maps) != NULL)
		is_found = strstr(line, path) != NULL;
	fclose(maps);
	return is_found;
}

/* One writes, and the log is emptied into the file; the other reads what is there now. */
static void
sees_what_others_commit_and_checkpoint(void **state)
{
	struct pl_store_config config;
	struct pl_store *writer, *reader;
	struct pl_oid ann;
	size_t compared = 0;
	(void)state;

	sqlite_factory.make(&config);
	assert_int_equal(pl_store_open(&config, &writer), PL_OK);
	assert_int_equal(pl_store_open(&config, &reader), PL_OK);
	ann = store_add_user(writer, "ann");
	for (int i = 0; i < 40; i++) {
		struct pl_message_list now, usual;

		sqlite_files_send_pages(writer, &ann, 3);
		if (i % 3 == 0)
			sqlite_files_run(&config, "PRAGMA wal_checkpoint(TRUNCATE)");
		if (!read_at_once(reader, &ann, &now))
			continue;
		assert_int_equal(read_page(writer, &ann, &usual), PL_OK);
		assert_same(&now, &usual);
		assert_true(has_mapped(&config));
		pl_message_list_fini(&now);
		pl_message_list_fini(&usual);
		compared++;
	}
	pl_store_close(reader);
	pl_store_close(writer);
	sqlite_factory.drop(&config);
	if (compared == 0) /* the file system does not say what it has in memory */
		skip();
}

#define FILE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* Does the system say what is in memory? Behind the end of a file nothing is. */
static bool
system_tells(void)
{
	FILE *file = tmpfile();
	bool is_told = file != NULL && is_away(fileno(file));

	if (file != NULL)
		fclose(file);
	return is_told;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    FILE_TEST(asks_no_more_where_the_system_does_not_tell),
	    FILE_TEST(gives_what_is_in_the_file),
	    FILE_TEST(shows_each_change),
	    FILE_TEST(leaves_alone_what_is_behind_the_end),
	    FILE_TEST(has_all_of_a_file_that_fits),
	    FILE_TEST(has_the_newest_end_of_a_great_file),
	    FILE_TEST(touches_nothing_that_is_not_in_memory),
	    FILE_TEST(reads_no_more_than_a_run_may),
	    cmocka_unit_test(sees_what_others_commit_and_checkpoint),
	};
	const struct CMUnitTest elsewhere[] = {tests[0]};

	return system_tells() ? cmocka_run_group_tests_name(
				    "sqlite: what is mapped", tests, NULL, NULL)
			      : cmocka_run_group_tests_name(
				    "sqlite: nothing is mapped", elsewhere, NULL, NULL);
}
