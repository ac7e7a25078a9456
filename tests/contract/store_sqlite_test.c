/* The contract against SQLite, and what SQLite promises besides: files, order, cost. */
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "contract/sqlite_files.h"
#include "store/sqlite/session.h"
#include "store/store_records.h"
#include "support/patience.h"

/* Of the first version; another program names them. */
#define USER_COLUMNS                                                                     \
	"id, username, full_name, password_hash, profile_pic, note, gender, status, "    \
	"created, updated"

/* ---- files ---- */

static unsigned
mode_of(const struct fixture *f, const char *name)
{
	char path[256];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", f->config.data_dir, name);
	assert_int_equal(stat(path, &st), 0);
	return st.st_mode & 0777;
}

static void
keeps_its_files_from_other_users(void **state)
{
	struct fixture *f = *state;

	store_add_user(f->store, "ann");
	assert_int_equal(mode_of(f, "parley.db"), 0600);
	assert_int_equal(mode_of(f, "parley.db-wal"), 0600);
	assert_int_equal(mode_of(f, "parley.db-shm"), 0600);
}

static void
takes_no_lock_to_count_memory(void **state)
{
	struct fixture *f = *state;

	store_add_user(f->store, "ann");
	assert_int_equal(sqlite3_memory_used(), 0);
}

static void
makes_the_folders_that_are_missing(void **state)
{
	struct fixture *f = *state;
	struct pl_store_config config;
	struct pl_store *s;
	char path[256];

	snprintf(path, sizeof(path), "%s/var//data/", f->config.data_dir);
	config = (struct pl_store_config){.data_dir = path};
	assert_int_equal(pl_store_open(&config, &s), PL_OK);
	pl_store_close(s);
	assert_int_equal(mode_of(f, "var"), 0700);
	assert_int_equal(mode_of(f, "var/data"), 0700);
}

static void
refuses_a_folder_that_cannot_be(void **state)
{
	struct fixture *f = *state;
	struct pl_store_config config;
	struct pl_store *s;
	char path[256];

	snprintf(path, sizeof(path), "%s/parley.db/data", f->config.data_dir);
	config = (struct pl_store_config){.data_dir = path};
	assert_int_equal(pl_store_open(&config, &s), PL_E_UNAVAILABLE);
	config.data_dir = "";
	assert_int_equal(pl_store_open(&config, &s), PL_E_UNAVAILABLE);
}

static void
leaves_a_newer_database_alone(void **state)
{
	struct fixture *f = *state;
	struct pl_store *s;

	sqlite_files_run(&f->config, "PRAGMA user_version = 99");
	assert_int_equal(pl_store_open(&f->config, &s), PL_E_IO);
	assert_int_equal(sqlite_files_number(&f->config, "PRAGMA user_version"), 99);
}

/* What a version brought is taken away again. */
#define WITHOUT_THIRD                                                                    \
	SQLITE_FILES_WITHOUT_FOURTH                                                      \
	"DROP TABLE sessions; DROP INDEX revocations_user; "                             \
	"ALTER TABLE revocations DROP COLUMN issued;"

/* Version 1 had no trace. */
static void
upgrades_a_database_of_the_first_version(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann");
	struct pl_write claim;

	store_set_status(f->store, &ann, PL_STATUS_BUSY);
	store_send(f->store, &ann, &ann, "hi");
	pl_store_close(f->store);
	sqlite_files_run(&f->config, WITHOUT_THIRD
	    "ALTER TABLE reply_jobs DROP COLUMN trace; PRAGMA user_version = 1");
	assert_int_equal(pl_store_open(&f->config, &f->store), PL_OK);
	assert_int_equal(
	    sqlite_files_number(&f->config, "PRAGMA user_version"), SQLITE_FILES_VERSION);
	claim = store_claim(f->store, NULL, INT64_MAX, 1000);
	assert_int_equal(claim.err, PL_OK);
	assert_string_equal(claim.u.claim.message.text, "hi");
	assert_true(pl_trace_is_none(&claim.u.claim.trace));
	store_claim_fini(&claim);
	store_send(f->store, &ann, &ann, "and again");
	sqlite_files_assert_sound(&f->config);
}

/* Version 2 had no sessions; what was revoked then still is. */
static void
upgrades_a_database_of_the_second_version(void **state)
{
	struct fixture *f = *state;
	struct pl_revocation_list list;
	struct pl_write w = {.kind = PL_WRITE_REVOKE,
	    .u.revoke = {
		.token_id = {1, 2}, .expires_unix_s = pl_clock_unix_ms() / 1000 + 60}};

	assert_int_equal(store_write_one(f->store, &w), PL_OK);
	pl_store_close(f->store);
	sqlite_files_run(&f->config, WITHOUT_THIRD "PRAGMA user_version = 2");
	assert_int_equal(pl_store_open(&f->config, &f->store), PL_OK);
	assert_int_equal(
	    sqlite_files_number(&f->config, "PRAGMA user_version"), SQLITE_FILES_VERSION);
	assert_int_equal(pl_store_revocations_since(f->store, 0, &list), PL_OK);
	assert_int_equal(list.count, 1);
	assert_int_equal(list.items[0].issued_unix_s, 0);
	pl_revocation_list_fini(&list);
	sqlite_files_assert_sound(&f->config);
}

/* A process of the first version goes on beside one that has upgraded what it has open. */
static void
lets_a_process_of_the_first_version_go_on(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann");
	struct pl_write claim;

	store_set_status(f->store, &ann, PL_STATUS_BUSY);
	store_send(f->store, &ann, &ann, "hi");
	sqlite_files_run(&f->config, "DELETE FROM reply_jobs; INSERT INTO reply_jobs "
				     "(message, deadline, lease_until, "
				     "attempt) SELECT id, created, 0, 0 FROM messages");
	claim = store_claim(f->store, NULL, INT64_MAX, 1000);
	assert_int_equal(claim.err, PL_OK);
	assert_true(pl_trace_is_none(&claim.u.claim.trace));
	store_claim_fini(&claim);
}

static size_t
count_found(struct pl_store *s, const char *query)
{
	struct pl_user_list page;
	size_t count;

	assert_int_equal(
	    pl_store_people_page(s, pl_str(query), NULL, 1000, &page), PL_OK);
	count = page.count;
	pl_user_list_fini(&page);
	return count;
}

/* Version 3 had no words: they are made in the background, or by the first pages. */
static void
makes_users_of_the_fourth_version_findable(void **state)
{
	struct fixture *f = *state;
	size_t filled = 0;

	for (int i = 0; i < 2 * PL_STORE_PEOPLE_FILL + 10; i++) {
		char name[32];

		snprintf(name, sizeof(name), "old%d", i);
		store_add_user(f->store, name);
	}
	pl_store_close(f->store);
	sqlite_files_run(
	    &f->config, SQLITE_FILES_WITHOUT_FIFTH "PRAGMA user_version = 4");
	assert_int_equal(pl_store_open(&f->config, &f->store), PL_OK);
	assert_int_equal(count_found(f->store, "old"), PL_STORE_PEOPLE_FILL);
	assert_int_equal(
	    pl_store_people_fill(f->store, PL_STORE_PEOPLE_FILL, &filled), PL_OK);
	assert_int_equal(filled, PL_STORE_PEOPLE_FILL);
	assert_int_equal(
	    pl_store_people_fill(f->store, PL_STORE_PEOPLE_FILL, &filled), PL_OK);
	assert_int_equal(filled, 10);
	assert_int_equal(
	    pl_store_people_fill(f->store, PL_STORE_PEOPLE_FILL, &filled), PL_OK);
	assert_int_equal(filled, 0);
	assert_int_equal(count_found(f->store, "old"), 2 * PL_STORE_PEOPLE_FILL + 10);
	sqlite_files_assert_sound(&f->config);
}

/* By a process of an older version, or by hand. */
static void
finds_whom_another_program_added_renamed_or_deleted(void **state)
{
	struct fixture *f = *state;

	store_add_user(f->store, "ann");
	sqlite_files_run(&f->config,
	    "INSERT INTO users (" USER_COLUMNS ") "
	    "SELECT x'0123456789abcdef01234567', 'bob', 'Bob García', password_hash, "
	    "profile_pic, note, gender, status, created, updated FROM users");
	assert_int_equal(count_found(f->store, "garcia"), 1);
	sqlite_files_run(&f->config,
	    "UPDATE users SET full_name = 'Bob Müller' WHERE username = 'bob'");
	assert_int_equal(count_found(f->store, "garcia"), 0);
	assert_int_equal(count_found(f->store, "muller bob"), 1);
	sqlite_files_run(&f->config, "DELETE FROM users WHERE username = 'bob'");
	assert_int_equal(count_found(f->store, "bob"), 0);
	assert_int_equal(
	    sqlite_files_number(&f->config, "SELECT count(*) FROM people_due"), 0);
	assert_int_equal(
	    sqlite_files_number(&f->config, "SELECT count FROM people_shelves"), 1);
	assert_int_equal(sqlite_files_number(&f->config,
			     "SELECT count(*) FROM people_words WHERE id = "
			     "x'0123456789abcdef01234567'"),
	    0);
}

/* Each user stands on one shelf, the right one, and none is too long. */
static void
keeps_shelves_in_order(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < 2000; i++) {
		char name[32];

		snprintf(name, sizeof(name), "u%u", i * 797 % 2000);
		store_add_user(f->store, name);
	}
	sqlite_files_run(&f->config, "UPDATE users SET full_name = username");
	for (size_t filled = 1; filled > 0;)
		assert_int_equal(pl_store_people_fill(f->store, 100, &filled), PL_OK);
	assert_int_equal(
	    sqlite_files_number(&f->config, "SELECT sum(count) FROM people_shelves"),
	    2000);
	assert_in_range(
	    sqlite_files_number(&f->config, "SELECT max(count) FROM people_shelves"), 1,
	    512);
	assert_int_equal(
	    sqlite_files_number(&f->config,
		"SELECT count(*) FROM people_words w JOIN people p USING (id) "
		"WHERE shelf <> (SELECT number FROM people_shelves s WHERE "
		"(s.name, s.id) <= (p.name, p.id) ORDER BY s.name DESC, "
		"s.id DESC LIMIT 1)"),
	    0);
	assert_int_equal(
	    sqlite_files_number(&f->config,
		"SELECT count(*) FROM people_shelves s WHERE count <> (SELECT "
		"count(DISTINCT id) FROM people_words WHERE shelf = s.number)"),
	    0);
	assert_int_equal(count_found(f->store, "u1"), 1000);
	sqlite_files_assert_sound(&f->config);
}

static void
names_anew_what_users_show_after_each_change(void **state)
{
	static const char *const changes[] = {
	    "INSERT INTO users (" USER_COLUMNS ") "
	    "SELECT x'0123456789abcdef01234567', 'bob', full_name, "
	    "password_hash, profile_pic, note, gender, status, created, updated "
	    "FROM users",
	    "UPDATE users SET status = 'BUSY' WHERE username = 'bob'",
	    "UPDATE users SET profile_pic = 'x' WHERE username = 'bob'",
	    "UPDATE users SET full_name = 'x' WHERE username = 'bob'",
	    "DELETE FROM users WHERE username = 'bob'",
	};
	struct fixture *f = *state;
	uint8_t before[PL_STORE_TAG_LEN], now[PL_STORE_TAG_LEN];
	struct pl_oid ann = store_add_user(f->store, "ann");

	assert_int_equal(pl_store_users_tag(f->store, before), PL_OK);
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		sqlite_files_run(&f->config, changes[i]);
		assert_int_equal(pl_store_users_tag(f->store, now), PL_OK);
		assert_memory_not_equal(now, before, sizeof(now));
		memcpy(before, now, sizeof(now));
	}
	store_set_status(f->store, &ann, PL_STATUS_BUSY);
	assert_int_equal(pl_store_users_tag(f->store, now), PL_OK);
	assert_memory_not_equal(now, before, sizeof(now));
	store_send(f->store, &ann, &ann, "hi");
	sqlite_files_run(&f->config, "UPDATE users SET password_hash = 'x'");
	assert_int_equal(pl_store_users_tag(f->store, before), PL_OK);
	assert_memory_equal(now, before, sizeof(now));
}

static void
answers_within_its_time_while_another_holds_the_lock(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann");
	int64_t start = pl_clock_mono_ms();
	struct pl_write w;
	char path[256];
	sqlite3 *other;

	snprintf(path, sizeof(path), "%s/parley.db", f->config.data_dir);
	assert_int_equal(sqlite3_open(path, &other), SQLITE_OK);
	assert_int_equal(
	    sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	store_send_init(&w, &ann, &ann, "hi", NULL);
	assert_int_equal(store_write_one(f->store, &w), PL_E_UNAVAILABLE);
	assert_in_range(pl_clock_mono_ms() - start, PL_SQLITE_BUSY_MS,
	    patient_ms(PL_SQLITE_BUSY_MS + 1000));
	assert_int_equal(store_count(f->store, &ann, &ann), 0); /* reads go on */
	sqlite3_close(other);
	assert_int_equal(store_write_one(f->store, &w), PL_OK);
	store_send_fini(&w);
}

/* In a process of its own, which tells on fd when it can, and waits to be told. */
static pid_t
write_elsewhere(const struct pl_store_config *config, const struct pl_oid *ann, int fd)
{
	pid_t pid = fork();
	struct pl_store *store;
	struct pl_write w;
	char byte;

	if (pid != 0)
		return pid;
	if (pl_store_open(config, &store) != PL_OK)
		_exit(2);
	store_send_init(&w, ann, ann, "hi", NULL);
	if (write(fd, "x", 1) != 1 || read(fd, &byte, 1) != 1)
		_exit(3);
	_exit(store_write_one(store, &w) == PL_OK ? 0 : 1);
}

/* Does it store, though it is stopped for longer than it waits? *took_ms: for how long the
 * database was in others' hands, but for that. */
static bool
stores_after_a_stop(struct fixture *f, const struct pl_oid *ann, int64_t *took_ms)
{
	struct timespec moment = {.tv_nsec = 200000000};
	struct timespec still = {.tv_sec = PL_SQLITE_BUSY_MS / 1000 + 1};
	char path[256], byte;
	int fds[2], status;
	int64_t begun;
	sqlite3 *other;
	pid_t pid;

	snprintf(path, sizeof(path), "%s/parley.db", f->config.data_dir);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	pid = write_elsewhere(&f->config, ann, fds[1]);
	assert_true(pid > 0);
	close(fds[1]);
	assert_int_equal(read(fds[0], &byte, 1), 1);
	assert_int_equal(sqlite3_open(path, &other), SQLITE_OK);
	assert_int_equal(
	    sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	begun = pl_clock_mono_ms();
	assert_int_equal(write(fds[0], "x", 1), 1);
	nanosleep(&moment, NULL);
	assert_int_equal(kill(pid, SIGSTOP), 0);
	*took_ms = pl_clock_mono_ms() - begun;
	nanosleep(&still, NULL);
	begun = pl_clock_mono_ms();
	assert_int_equal(kill(pid, SIGCONT), 0);
	nanosleep(&moment, NULL);
	sqlite3_close(other);
	*took_ms += pl_clock_mono_ms() - begun;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(fds[0]);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void
does_not_count_the_time_in_which_it_stood_still_itself(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann");
	int64_t took_ms;
	int tries = 1;

	/* It waits in vain if we stood still, with the database in our hands. */
	while (!stores_after_a_stop(f, &ann, &took_ms))
		assert_true(took_ms >= PL_SQLITE_BUSY_MS / 2 && tries++ < 5);
	assert_int_equal(store_count(f->store, &ann, &ann), 1);
}

/* ---- time ---- */

static void
keeps_the_order_where_the_wall_clock_stepped_back(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann");
	struct pl_message_pos first = store_send(f->store, &ann, &ann, "1"), before;

	/* As if it had been stored when the clock was a day ahead, by an id above all of
	 * ours. */
	sqlite_files_run(&f->config, "UPDATE messages SET created = created + 86400000, "
				     "id = x'ffffffffffffffffffffffff'");
	before =
	    (struct pl_message_pos){.created_unix_ms = first.created_unix_ms + 86400000};
	memset(before.id.bytes, 0xff, PL_OID_LEN);
	for (int i = 0; i < 5; i++) {
		struct pl_message_pos pos = store_send(f->store, &ann, &ann, "hi");

		assert_true(store_pos_compare(&before, &pos) < 0);
		assert_in_range(pos.created_unix_ms - before.created_unix_ms, 0, 1);
		before = pos;
	}
}

static void
counts_a_reply_deadline_by_the_wall_clock(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann");
	struct pl_write claim;

	store_set_status(f->store, &ann, PL_STATUS_BUSY);
	store_send(f->store, &ann, &ann, "1");
	sqlite_files_run(&f->config, "UPDATE messages SET created = created + 86400000;"
				     "DELETE FROM reply_jobs");
	store_send(f->store, &ann, &ann, "2");
	claim = store_claim(f->store, NULL, pl_clock_unix_ms() + 10000, 1000);
	assert_int_equal(claim.err, PL_OK);
	assert_string_equal(claim.u.claim.message.text, "2");
	store_claim_fini(&claim);
}

static void
gives_later_revocations_no_earlier_time(void **state)
{
	struct fixture *f = *state;
	int64_t ahead = pl_clock_unix_ms() + 86400000;
	struct pl_write w = {
	    .kind = PL_WRITE_REVOKE,
	    .u.revoke = {.token_id = {1}, .expires_unix_s = ahead / 1000},
	};

	assert_int_equal(store_write_one(f->store, &w), PL_OK);
	sqlite_files_run(
	    &f->config, "UPDATE revocations SET created = created + 86400000");
	w.u.revoke.token_id[0] = 2;
	assert_int_equal(store_write_one(f->store, &w), PL_OK);
	assert_true(w.u.revoke.created_unix_ms >= ahead);
}

/* ---- what has had its time ---- */

/* The store purges at its first batch and then once a minute: a new session does it now. */
static void
write_by_new_session(struct fixture *f, struct pl_write *w)
{
	struct pl_store *s;

	assert_int_equal(pl_store_open(&f->config, &s), PL_OK);
	assert_int_equal(store_write_one(s, w), PL_OK);
	pl_store_close(s);
}

static void
forgets_an_idempotency_key_after_24_hours(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann");
	struct pl_write first, again, other;

	store_send_init(&first, &ann, &ann, "hi", "k");
	store_send_init(&again, &ann, &ann, "ho", "k");
	store_send_init(&other, &ann, &ann, "hm", NULL);
	assert_int_equal(store_write_one(f->store, &first), PL_OK);
	sqlite_files_run(&f->config, "UPDATE idem_keys SET created = created - 86300000");
	assert_int_equal(store_write_one(f->store, &again), PL_E_CONFLICT);
	sqlite_files_run(&f->config, "UPDATE idem_keys SET created = created - 100000");
	assert_int_equal(store_write_one(f->store, &again), PL_OK);
	assert_false(again.u.send.replayed);
	assert_int_equal(store_count(f->store, &ann, &ann), 2);

	sqlite_files_run(&f->config, "UPDATE idem_keys SET created = created - 86400000");
	write_by_new_session(f, &other);
	assert_int_equal(
	    sqlite_files_number(&f->config, "SELECT count(*) FROM idem_keys"), 0);
	store_send_fini(&first);
	store_send_fini(&again);
	store_send_fini(&other);
}

static void
drops_revocations_of_expired_tokens(void **state)
{
	struct fixture *f = *state;
	int64_t now_s = pl_clock_unix_ms() / 1000;
	struct pl_write w = {.kind = PL_WRITE_REVOKE};

	w.u.revoke.expires_unix_s = now_s - 3600;
	assert_int_equal(store_write_one(f->store, &w), PL_OK);
	/* Just expired: the token's leeway is not over. */
	w.u.revoke = (struct pl_revocation){.token_id = {1}, .expires_unix_s = now_s - 5};
	assert_int_equal(store_write_one(f->store, &w), PL_OK);
	w.u.revoke = (struct pl_revocation){.token_id = {2}, .expires_unix_s = now_s + 5};
	write_by_new_session(f, &w);
	assert_int_equal(
	    sqlite_files_number(&f->config, "SELECT count(*) FROM revocations"), 2);
}

/* ---- cost ---- */

static void
log_in_and_out(struct fixture *f, const struct pl_oid *user, uint8_t number)
{
	struct pl_write in = {.kind = PL_WRITE_SESSION, .u.session = {.user = *user}};
	struct pl_write out = {.kind = PL_WRITE_REVOKE, .u.revoke = {.user = *user}};

	in.u.session.token_id[0] = out.u.revoke.token_id[0] = number;
	in.u.session.issued_unix_s = pl_clock_unix_ms() / 1000 - 1000 + number;
	assert_int_equal(store_write_one(f->store, &in), PL_OK);
	out.u.revoke.issued_unix_s = in.u.session.issued_unix_s;
	out.u.revoke.expires_unix_s = in.u.session.issued_unix_s + PL_JWT_LIFETIME_S;
	assert_int_equal(store_write_one(f->store, &out), PL_OK);
}

static void
use_every_statement(struct fixture *f)
{
	struct pl_oid ann = store_add_user(f->store, "ann"),
		      bob = store_add_user(f->store, "bob");
	struct pl_write w = {.kind = PL_WRITE_REVOKE, .u.revoke.token_id = {1}};
	struct pl_message_pos pos;
	struct pl_message_list list;
	struct pl_user_list users;
	struct pl_revocation_list revoked;
	bool exist[2];

	store_set_status(f->store, &bob, PL_STATUS_BUSY);
	for (int i = 0; i < 300; i++) {
		char key[16];

		snprintf(key, sizeof(key), "%d", i);
		store_send_init(&w, &ann, &bob, "hi", key);
		assert_int_equal(store_write_one(f->store, &w), PL_OK);
		pos = store_pos_of(&w.u.send.message);
		store_send_fini(&w);
	}
	assert_int_equal(
	    pl_store_message_pos(f->store, &ann, &bob, &pos.id, &pos), PL_OK);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(pl_store_messages_page(f->store, &ann, &bob,
				     i ? PL_PAGE_AFTER : PL_PAGE_BEFORE, NULL, 10, &list),
		    PL_OK);
		assert_int_equal(list.count, 10);
		pl_message_list_fini(&list);
		assert_int_equal(
		    pl_store_messages_to(f->store, i ? NULL : &bob, NULL, 10, &list),
		    PL_OK);
		pl_message_list_fini(&list);
		w = store_claim(f->store, i ? NULL : &pos.id, INT64_MAX, 60000);
		assert_int_equal(w.err, PL_OK);
		store_claim_fini(&w);
	}
	w = store_reply(f->store, &pos.id, "out");
	pl_message_fini(&w.u.reply.message);
	assert_int_equal(
	    pl_store_users_exist(f->store, (struct pl_oid[]){ann, bob}, 2, exist), PL_OK);
	assert_int_equal(pl_store_users_page(f->store, &ann, 10, &users), PL_OK);
	pl_user_list_fini(&users);
	for (int i = 0; i <= PL_REVOCATIONS_MAX; i++)
		log_in_and_out(f, &ann, (uint8_t)i);
	w = (struct pl_write){.kind = PL_WRITE_REVOKE};
	pl_revocation_of_all(&w.u.revoke, &bob, 1);
	assert_int_equal(store_write_one(f->store, &w), PL_OK);
	w = (struct pl_write){.kind = PL_WRITE_SWITCH, .u.key = {"aaaaaaaa", "bbbbbbbb"}};
	assert_int_equal(store_write_one(f->store, &w), PL_OK);
	for (int64_t since = 0; since < 2; since++) {
		assert_int_equal(
		    pl_store_revocations_since(f->store, since, &revoked), PL_OK);
		assert_int_equal(revoked.list_count, 1);
		pl_revocation_list_fini(&revoked);
	}
}

static void
use_statements_of_conversations(struct fixture *f)
{
	struct pl_oid ann = store_add_user(f->store, "ann2"),
		      bob = store_add_user(f->store, "bob2");
	struct pl_message_pos pos = store_send(f->store, &ann, &bob, "hi");
	struct pl_write w = {.kind = PL_WRITE_MARK,
	    .u.mark = {bob, ann, .up_to = pos.id, .is_read = true}};
	struct pl_conversation_list list;
	struct pl_record_list records;
	struct pl_pos_list places;

	assert_int_equal(store_write_one(f->store, &w), PL_OK);
	assert_int_equal(pl_store_conversations(f->store, &ann, NULL, 10, &list), PL_OK);
	assert_int_equal(list.count, 1);
	pl_conversation_list_fini(&list);
	assert_int_equal(pl_store_positions_to(f->store, &bob, NULL, 10, &places), PL_OK);
	assert_int_equal(places.count, 1);
	pl_pos_list_fini(&places);
	assert_int_equal(
	    pl_store_export(f->store, PL_RECORD_MARKS, NULL, 10, &records), PL_OK);
	assert_int_equal(records.count, 1);
	assert_int_equal(pl_store_import(f->store, records.items, 1), PL_OK);
	assert_int_equal(records.items[0].outcome, PL_RECORD_SAME);
	pl_record_list_fini(&records);
}

/* No line of the plan may sort, nor read a table or index from one end to the other. */
static void
assert_plan_is_cheap(sqlite3 *db, const char *sql)
{
	char *explain = sqlite3_mprintf("EXPLAIN QUERY PLAN %s", sql);
	sqlite3_stmt *stmt;

	assert_int_equal(sqlite3_prepare_v2(db, explain, -1, &stmt, NULL), SQLITE_OK);
	while (sqlite3_step(stmt) == SQLITE_ROW) {
		const char *line = (const char *)sqlite3_column_text(stmt, 3);

		if (strstr(line, "TEMP B-TREE") != NULL ||
		    (strncmp(line, "SCAN", 4) == 0 &&
			strncmp(line, "SCAN (subquery", 14) != 0))
			fail_msg("%s: %s", sql, line);
	}
	sqlite3_finalize(stmt);
	sqlite3_free(explain);
}

/* The newest row of an index is one step, though its plan says SCAN; the catalog is
 * small. */
static bool
is_one_step(const char *sql)
{
	return strstr(sql, "DESC LIMIT 1") != NULL ||
	       strstr(sql, "sqlite_schema") != NULL;
}

static bool
is_of_a_page(const char *sql)
{
	return strstr(sql, "text, reply_kind, in_reply_to") != NULL &&
	       strncmp(sql, "SELECT", 6) == 0;
}

static void
reads_by_index_alone_and_never_sorts(void **state)
{
	struct fixture *f = *state;
	sqlite3 *db = pl_sqlite_of(f->store)->db;
	sqlite3_stmt *stmt = NULL;
	int seen = 0, merged = 0;

	use_every_statement(f);
	use_statements_of_conversations(f);
	while ((stmt = sqlite3_next_stmt(db, stmt)) != NULL) {
		const char *sql = sqlite3_sql(stmt);

		if (strncmp(sql, "SELECT", 6) != 0 && strncmp(sql, "UPDATE", 6) != 0 &&
		    strncmp(sql, "DELETE", 6) != 0 && strncmp(sql, "INSERT", 6) != 0)
			continue;
		seen++;
		merged += is_of_a_page(sql);
		if (!is_one_step(sql))
			assert_plan_is_cheap(db, sql);
		assert_int_equal(
		    strstr(sql, "sqlite_schema") == NULL &&
			sqlite3_stmt_status(stmt, SQLITE_STMTSTATUS_FULLSCAN_STEP, 0),
		    0);
		assert_int_equal(sqlite3_stmt_status(stmt, SQLITE_STMTSTATUS_SORT, 0), 0);
		assert_int_equal(
		    sqlite3_stmt_status(stmt, SQLITE_STMTSTATUS_AUTOINDEX, 0), 0);
	}
	assert_int_equal(merged, 4); /* both directions, forward and back */
	assert_true(seen > 20);
}

#define FLAGGED "SELECT count(*) FROM users WHERE blocks = 1"

/* Version 7 had no blocks; whoever is there can be blocked afterwards. */
static void
upgrades_a_database_without_blocks(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann"),
		      bob = store_add_user(f->store, "bob");
	struct pl_write w = {.kind = PL_WRITE_BLOCK,
	    .u.block = {.user = ann, .other = bob, .is_blocked = true, .limit = 1}};

	store_send(f->store, &ann, &bob, "hi");
	pl_store_close(f->store);
	sqlite_files_run(
	    &f->config, SQLITE_FILES_WITHOUT_BLOCKS "PRAGMA user_version = 7");
	assert_int_equal(pl_store_open(&f->config, &f->store), PL_OK);
	assert_int_equal(
	    sqlite_files_number(&f->config, "PRAGMA user_version"), SQLITE_FILES_VERSION);
	store_send(f->store, &bob, &ann, "and again");
	assert_int_equal(store_write_one(f->store, &w), PL_OK);
	assert_int_equal(pl_store_may_write(f->store, &bob, &ann), PL_E_DENIED);
	assert_int_equal(store_count(f->store, &ann, &bob), 2);
	assert_int_equal(sqlite_files_number(&f->config, FLAGGED), 2);
	w.u.block.is_blocked = false;
	assert_int_equal(store_write_one(f->store, &w), PL_OK);
	assert_int_equal(sqlite_files_number(&f->config, FLAGGED), 0);
	sqlite_files_assert_sound(&f->config);
}

/* The steps that SQLite's machine takes for the last page; counted, not timed. */
static int
page_steps(struct fixture *f, const struct pl_oid *a, const struct pl_oid *b)
{
	sqlite3 *db = pl_sqlite_of(f->store)->db;
	struct pl_message_list list;
	sqlite3_stmt *stmt = NULL;
	int steps = 0;

	assert_int_equal(
	    pl_store_messages_page(f->store, a, b, PL_PAGE_BEFORE, NULL, 20, &list),
	    PL_OK);
	assert_int_equal(list.count, 20);
	pl_message_list_fini(&list);
	while ((stmt = sqlite3_next_stmt(db, stmt)) != NULL)
		if (is_of_a_page(sqlite3_sql(stmt)))
			steps += sqlite3_stmt_status(stmt, SQLITE_STMTSTATUS_VM_STEP, 1);
	return steps;
}

static void
pages_at_the_same_cost_however_long_the_conversation(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann"),
		      bob = store_add_user(f->store, "bob");
	int at_30, at_3000;

	for (int i = 0; i < 30; i++)
		store_send(f->store, i % 2 ? &ann : &bob, i % 2 ? &bob : &ann, "hi");
	at_30 = page_steps(f, &ann, &bob);
	for (int round = 0; round < 10; round++) {
		struct pl_write sends[297], *batch[297];

		for (int i = 0; i < 297; i++) {
			store_send_init(&sends[i], i % 2 ? &ann : &bob,
			    i % 2 ? &bob : &ann, "hi", NULL);
			batch[i] = &sends[i];
		}
		pl_store_write(f->store, batch, 297);
		for (int i = 0; i < 297; i++)
			store_send_fini(&sends[i]);
	}
	at_3000 = page_steps(f, &ann, &bob);
	assert_true(at_30 > 0);
	assert_in_range(at_3000, at_30 / 2, at_30 + at_30 / 10);
}

/* What others store when the first of a page's statements has found nothing. */
struct between {
	struct pl_store *other;
	struct pl_oid ann, bob;
	int left;
};

static int
on_statement_over(unsigned kind, void *arg, void *statement, void *unused)
{
	struct between *b = arg;

	(void)kind;
	(void)unused;
	if (!is_of_a_page(sqlite3_sql(statement)) || b->left == 0)
		return 0;
	b->left = 0;
	store_send(b->other, &b->ann, &b->bob, "first");
	store_send(b->other, &b->bob, &b->ann, "second");
	return 0;
}

/* A page with "second" alone would hide "first" from those who read on from its end. */
static void
reads_both_directions_of_a_page_in_one_moment(void **state)
{
	struct fixture *f = *state;
	sqlite3 *db = pl_sqlite_of(f->store)->db;
	struct between b = {.other = store_open_patiently(&f->config), .left = 1};
	struct pl_message_list list;

	b.ann = store_add_user(f->store, "ann");
	b.bob = store_add_user(f->store, "bob");
	sqlite3_trace_v2(db, SQLITE_TRACE_PROFILE, on_statement_over, &b);
	assert_int_equal(pl_store_messages_page(
			     f->store, &b.ann, &b.bob, PL_PAGE_AFTER, NULL, 9, &list),
	    PL_OK);
	sqlite3_trace_v2(db, 0, NULL, NULL);
	assert_int_equal(b.left, 0);
	assert_int_equal(list.count, 2);
	assert_string_equal(list.items[0].text, "first");
	assert_string_equal(list.items[1].text, "second");
	pl_message_list_fini(&list);
	pl_store_close(b.other);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    STORE_TEST(reads_both_directions_of_a_page_in_one_moment),
	    STORE_TEST(keeps_its_files_from_other_users),
	    STORE_TEST(takes_no_lock_to_count_memory),
	    STORE_TEST(makes_the_folders_that_are_missing),
	    STORE_TEST(refuses_a_folder_that_cannot_be),
	    STORE_TEST(leaves_a_newer_database_alone),
	    STORE_TEST(upgrades_a_database_of_the_first_version),
	    STORE_TEST(upgrades_a_database_of_the_second_version),
	    STORE_TEST(upgrades_a_database_without_blocks),
	    STORE_TEST(lets_a_process_of_the_first_version_go_on),
	    STORE_TEST(makes_users_of_the_fourth_version_findable),
	    STORE_TEST(finds_whom_another_program_added_renamed_or_deleted),
	    STORE_TEST(keeps_shelves_in_order),
	    STORE_TEST(names_anew_what_users_show_after_each_change),
	    STORE_TEST(answers_within_its_time_while_another_holds_the_lock),
	    STORE_TEST(does_not_count_the_time_in_which_it_stood_still_itself),
	    STORE_TEST(keeps_the_order_where_the_wall_clock_stepped_back),
	    STORE_TEST(counts_a_reply_deadline_by_the_wall_clock),
	    STORE_TEST(gives_later_revocations_no_earlier_time),
	    STORE_TEST(forgets_an_idempotency_key_after_24_hours),
	    STORE_TEST(drops_revocations_of_expired_tokens),
	    STORE_TEST(reads_by_index_alone_and_never_sorts),
	    STORE_TEST(pages_at_the_same_cost_however_long_the_conversation),
	};
	int failed = store_contract_run(&sqlite_factory) + store_conversations_suite() +
		     store_erase_suite();

	return failed + cmocka_run_group_tests_name("sqlite", tests, NULL, NULL);
}
