/*
 * What an edit or a deletion leaves in SQLite's files: nothing of the text that was
 * there.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <sqlite3.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "contract/sqlite_files.h"
#include "support/patience.h"

#define MESSAGES     400
#define CHANGES      1000
#define WORD_LEN     14 /* "<000123:04567>": which message, which text */
#define TEXT_MAX     9000
#define TIDY_WAIT_MS patient_ms(10000)

static unsigned texts; /* how many there were */

/* A text of its own, some of many pages: a word again and again. */
static char *
new_text(unsigned message, unsigned *number)
{
	static const unsigned lens[] = {1, 1, 3, 20, 70, 250, TEXT_MAX / WORD_LEN};
	unsigned words = lens[(unsigned)random() % 7];
	struct pl_buf text;

	*number = ++texts;
	pl_buf_init(&text, PL_BUF_UNLIMITED);
	for (unsigned i = 0; i < words; i++)
		pl_buf_printf(&text, "<%06u:%05u>", message, *number);
	return pl_buf_take(&text);
}

static struct pl_oid
send_text(struct fixture *f, const struct pl_oid *ann, unsigned i, unsigned *number)
{
	char *text = new_text(i, number);
	struct pl_oid id = store_send(f->store, ann, ann, text).id;

	pl_mem_free(text);
	return id;
}

/* *number is that of the new text, 0: deleted. */
static void
change(struct fixture *f, const struct pl_oid *ann, const struct pl_oid *id, unsigned i,
    unsigned *number)
{
	bool is_edit = random() % 3 != 0;
	char *text = is_edit ? new_text(i, number) : NULL;
	struct pl_write w = {
	    .kind = is_edit ? PL_WRITE_EDIT : PL_WRITE_DELETE,
	    .u.change = {.by = *ann,
		.message_id = *id,
		.text = pl_str(text),
		.edit_within_ms = 3600000},
	};

	if (!is_edit)
		*number = 0;
	assert_int_equal(store_write_one(f->store, &w), PL_OK);
	pl_message_fini(&w.u.change.message);
	pl_mem_free(text);
}

static void
tidy(struct pl_store *s)
{
	int64_t limit = pl_clock_mono_ms() + TIDY_WAIT_MS;

	while (pl_store_tidy(s) != 0 && pl_clock_mono_ms() < limit)
		usleep(10000);
	assert_int_equal(pl_store_tidy(s), 0);
}

static void
read_file(const struct fixture *f, const char *name, struct pl_buf *out)
{
	char path[256], bytes[65536];
	size_t len;
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", f->config.data_dir, name);
	pl_buf_init(out, PL_BUF_UNLIMITED);
	file = fopen(path, "re");
	if (file == NULL)
		return;
	while ((len = fread(bytes, 1, sizeof(bytes), file)) > 0)
		pl_buf_add(out, bytes, len);
	fclose(file);
}

/* Each word in the file is of the text that its message has. */
static void
assert_only_living(const struct fixture *f, const char *name, const unsigned *living)
{
	struct pl_buf file;
	size_t words = 0;

	read_file(f, name, &file);
	for (size_t i = 0; i + WORD_LEN <= file.len; i++) {
		unsigned message, number;

		if (file.data[i] != '<' || file.data[i + 7] != ':' ||
		    file.data[i + WORD_LEN - 1] != '>')
			continue;
		assert_int_equal(sscanf(file.data + i, "<%6u:%5u", &message, &number), 2);
		assert_int_equal(number, living[message]);
		words++;
	}
	if (strcmp(name, "parley.db") == 0)
		assert_true(words >= MESSAGES / 2);
	else
		assert_int_equal(file.len, 0);
	pl_buf_fini(&file);
}

static void
leaves_nothing_of_a_text_in_the_files(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann");
	unsigned living[2 * MESSAGES + CHANGES] = {0}, count = 0;
	struct pl_oid ids[2 * MESSAGES + CHANGES];

	srandom(1);
	texts = 0;
	for (; count < MESSAGES; count++)
		ids[count] = send_text(f, &ann, count, &living[count]);
	for (unsigned i = 0; i < CHANGES; i++) {
		unsigned at = (unsigned)random() % count;

		if (living[at] == 0 || i % 4 == 0) { /* others go on writing */
			ids[count] = send_text(f, &ann, count, &living[count]);
			count++;
		} else {
			change(f, &ann, &ids[at], at, &living[at]);
		}
	}
	tidy(f->store);
	assert_only_living(f, "parley.db", living);
	assert_only_living(f, "parley.db-wal", living);
	sqlite_files_assert_sound(&f->config);
}

static int64_t
log_bytes(const struct fixture *f)
{
	struct pl_buf file;
	int64_t len;

	read_file(f, "parley.db-wal", &file);
	len = (int64_t)file.len;
	pl_buf_fini(&file);
	return len;
}

/* A process that was killed after a change may have owed it. */
static void
empties_the_log_after_it_has_opened_the_database(void **state)
{
	struct fixture *f = *state;
	struct pl_store *other = store_open_patiently(&f->config);

	store_add_user(f->store, "ann");
	assert_true(log_bytes(f) > 0);
	tidy(other);
	assert_int_equal(log_bytes(f), 0);
	pl_store_close(other);
}

/* It waits for no reader, and tries again. */
static void
empties_the_log_when_a_reader_has_gone(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann");
	struct pl_oid id = store_send(f->store, &ann, &ann, "one").id;
	unsigned number;
	sqlite3 *db = NULL;
	char path[256];
	int64_t began, took_ms = 500;

	snprintf(path, sizeof(path), "%s/parley.db", f->config.data_dir);
	tidy(f->store);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(
	    sqlite3_exec(db, "BEGIN; SELECT * FROM users", NULL, NULL, NULL), SQLITE_OK);
	change(f, &ann, &id, 0, &number);
	for (int i = 0; i < 5 && took_ms >= 500; i++) { /* one stands still */
		usleep(1200000);
		began = pl_clock_mono_ms();
		assert_true(pl_store_tidy(f->store) > began);
		took_ms = pl_clock_mono_ms() - began;
	}
	assert_true(took_ms < 500);
	assert_true(log_bytes(f) > 0);
	assert_int_equal(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
	tidy(f->store);
	assert_int_equal(log_bytes(f), 0);
	sqlite3_close(db);
}

/* A process of version 8 left a copy of the texts of its first page when that was full. */
static void
leaves_nothing_in_a_database_of_an_older_version(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann");
	struct pl_write w = {.kind = PL_WRITE_DELETE, .u.change = {.by = ann}};
	struct pl_message_list list;
	struct pl_buf file;
	char sql[512], hex[PL_OID_HEX_LEN + 1];

	pl_store_close(f->store);
	pl_oid_format(&ann, hex);
	snprintf(sql, sizeof(sql),
	    "PRAGMA secure_delete = OFF; " SQLITE_FILES_WITHOUT_EDITS
	    "PRAGMA user_version = 8;");
	sqlite_files_run(&f->config, sql);
	snprintf(sql, sizeof(sql),
	    "PRAGMA secure_delete = OFF; WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL "
	    "SELECT i + 1 FROM n WHERE i < 30) INSERT INTO messages (id, sender, "
	    "receiver, text, created) SELECT randomblob(12), x'%s', x'%s', 'secret-' || "
	    "hex(zeroblob(100)), 1000000 + i FROM n",
	    hex, hex);
	sqlite_files_run(&f->config, sql);
	assert_int_equal(pl_store_open(&f->config, &f->store), PL_OK);
	assert_int_equal(pl_store_messages_to(f->store, NULL, NULL, 100, &list), PL_OK);
	assert_int_equal(list.count, 30);
	for (size_t i = 0; i < list.count; i++) {
		w.u.change.message_id = list.items[i].id;
		assert_int_equal(store_write_one(f->store, &w), PL_OK);
		pl_message_fini(&w.u.change.message);
	}
	pl_message_list_fini(&list);
	tidy(f->store);
	read_file(f, "parley.db", &file);
	assert_null(memmem(file.data, file.len, "secret-", 7));
	pl_buf_fini(&file);
	sqlite_files_assert_sound(&f->config);
}

/* As the one above does it: the first page is full while it is written by us. */
static void
leaves_nothing_of_the_first_messages(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann"), ids[30];
	struct pl_buf file;
	char text[200];

	for (int i = 0; i < 30; i++) {
		snprintf(text, sizeof(text), "secret-%0180d", i);
		ids[i] = store_send(f->store, &ann, &ann, text).id;
	}
	for (int i = 0; i < 30; i++) {
		struct pl_write w = {.kind = PL_WRITE_DELETE,
		    .u.change = {.by = ann, .message_id = ids[i]}};

		assert_int_equal(store_write_one(f->store, &w), PL_OK);
		pl_message_fini(&w.u.change.message);
	}
	tidy(f->store);
	read_file(f, "parley.db", &file);
	assert_null(memmem(file.data, file.len, "secret-", 7));
	pl_buf_fini(&file);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    STORE_TEST(leaves_nothing_of_a_text_in_the_files),
	    STORE_TEST(leaves_nothing_in_a_database_of_an_older_version),
	    STORE_TEST(leaves_nothing_of_the_first_messages),
	    STORE_TEST(empties_the_log_after_it_has_opened_the_database),
	    STORE_TEST(empties_the_log_when_a_reader_has_gone),
	};

	store_contract_use(&sqlite_factory);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
