#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"
#include "store/sqlite/at_once.h"
#include "store/sqlite/checkpoint.h"
#include "store/sqlite/fill.h"
#include "store/sqlite/joined_log.h"
#include "store/sqlite/query.h"

#define PURGE_INTERVAL_MS 60000
#define PURGE_ROWS        256 /* in one batch, of each kind */

static const struct pl_store_backend backend;

enum pl_err
pl_sqlite_exec(struct pl_sqlite *s, const char *sql)
{
	return pl_sqlite_err(s, sqlite3_exec(s->db, sql, NULL, NULL, NULL), "statement");
}

static enum pl_err
run(struct pl_sqlite *s, const char *sql)
{
	struct pl_query q = pl_query_start(s, sql);

	return pl_query_run(&q, NULL);
}

/* ---- transactions ---- */

static const char begin[] = "BEGIN IMMEDIATE", commit[] = "COMMIT",
		  rollback[] = "ROLLBACK";

/* A transaction that cannot be ended keeps all other processes from writing, and that may
 * be for want of memory: so the statement that ends it is made beforehand. */
static enum pl_err
prepare_rollback(struct pl_sqlite *s)
{
	struct pl_query q = pl_query_start(s, rollback);

	return pl_query_end(&q);
}

enum pl_err
pl_sqlite_begin(struct pl_sqlite *s)
{
	if (!sqlite3_get_autocommit(s->db))
		pl_sqlite_rollback(s); /* of the one before, which could not be ended */
	return run(s, begin);
}

/*
 * If the disk fails when the commit is synced, all of it is in the write-ahead log
 * already, and whoever opens the database after a kill would take it for committed. So
 * another commit that changes nothing is written over its beginning. If this one cannot
 * be synced either, it is still in the place of the other.
 */
static void
write_over_failed_commit(struct pl_sqlite *s)
{
	static const char change_nothing[] = "PRAGMA application_id = 0";

	if (run(s, change_nothing) != PL_OK)
		pl_log_warn("database could not be synced after a failed commit");
}

enum pl_err
pl_sqlite_commit(struct pl_sqlite *s)
{
	enum pl_err err = run(s, commit);

	if (err == PL_OK)
		return PL_OK;
	pl_sqlite_rollback(s);
	write_over_failed_commit(s);
	return err;
}

void
pl_sqlite_rollback(struct pl_sqlite *s)
{
	/* Some failures have ended the transaction already. */
	if (!sqlite3_get_autocommit(s->db) && run(s, rollback) != PL_OK)
		pl_log_error("database keeps a transaction open, ending it next time");
	pl_sqlite_pairs_forget(s);
	pl_sqlite_receivers_forget(s);
	s->newest_is_known = false;
}

/* ---- open ---- */

void
pl_sqlite_set_patience(struct pl_sqlite *s, int64_t ms)
{
	s->patience_ms = ms;
}

#define PAUSE_MOST_MS 500
#define SHORT_PAUSES  4

/* Wait a little at a time, and not in step with other waiting processes: with SQLite's
 * own steps of up to 100 ms a process would wait much longer than the batch before it
 * takes. Notes (recent.h) take far less than a batch: so the first pauses are short. On a
 * machine that stands still, whoever holds the lock does so, too: of a pause that took
 * longer than PAUSE_MOST_MS the rest does not count. */
static int
on_busy(void *arg, int calls_before)
{
	struct pl_sqlite *s = arg;
	int64_t now = pl_clock_mono_ms(), passed = now - s->busy_looked_mono_ms;
	uint32_t most_ns = calls_before < SHORT_PAUSES ? 200000 : 1800000;
	struct timespec pause = {.tv_nsec = most_ns / 9 + pl_random_below(most_ns)};

	if (calls_before == 0)
		s->busy_ms = 0;
	else
		s->busy_ms += passed < PAUSE_MOST_MS ? passed : PAUSE_MOST_MS;
	s->busy_looked_mono_ms = now;
	if (s->is_impatient || s->busy_ms >= s->patience_ms)
		return 0;
	nanosleep(&pause, NULL);
	return 1;
}

static enum pl_err
err_of_errno(const char *what, const char *path)
{
	int error = errno;
	enum pl_err err =
	    error == ENOSPC || error == EDQUOT ? PL_E_FULL : PL_E_UNAVAILABLE;

	pl_log_error("data folder could not be used", PL_L_CSTR("what", what),
	    PL_L_CSTR("path", path), PL_L_INT("errno", error), PL_L_ERR(err));
	return err;
}

/* Make path and the folders above it, if they are missing. */
static enum pl_err
make_folder(const char *path)
{
	char *part = pl_mem_strdup(path);
	enum pl_err err = PL_OK;
	char *slash = *part != '\0' ? part : NULL;

	while (err == PL_OK && slash != NULL) {
		slash = strchr(slash + 1, '/');
		if (slash != NULL)
			*slash = '\0';
		if (mkdir(part, 0700) != 0 && errno != EEXIST)
			err = err_of_errno("mkdir", part);
		if (slash != NULL)
			*slash = '/';
	}
	pl_mem_free(part);
	return err;
}

/* One process at a time makes the file, switches it to WAL (for which no busy handler
 * waits) and upgrades the tables. The lock is on the folder and ends with the
 * descriptor. */
static enum pl_err
lock_folder(const char *path, int *out)
{
	int64_t give_up_mono_ms = pl_clock_mono_ms() + PL_SQLITE_BUSY_MS;
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return err_of_errno("open", path);
	while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		struct timespec pause = {.tv_nsec = 2000000};

		if (errno != EWOULDBLOCK || pl_clock_mono_ms() >= give_up_mono_ms) {
			enum pl_err err = err_of_errno("flock", path);

			close(fd);
			return err;
		}
		nanosleep(&pause, NULL);
	}
	*out = fd;
	return PL_OK;
}

/* SQLite would make the file readable for others, and its -wal and -shm get the same
 * mode. A file that is there is left alone: closing it here would drop this process's
 * locks on it. */
enum pl_err
pl_sqlite_make_file(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd >= 0)
		close(fd);
	else if (errno != EEXIST)
		return err_of_errno("create", path);
	return PL_OK;
}

static enum pl_err
set_wal(struct pl_sqlite *s)
{
	static const char sql[] = "PRAGMA journal_mode = WAL";
	struct pl_query q = pl_query_start(s, sql);

	if (pl_query_row(&q) && !pl_str_eq(pl_query_get_text(&q, 0), PL_STR("wal"))) {
		pl_log_error("the data folder's file system has no write-ahead log");
		pl_query_spoil(&q);
	}
	return pl_query_end(&q);
}

static enum pl_err
open_file(struct pl_sqlite *s, const char *path)
{
	int rc = sqlite3_open_v2(path, &s->db,
	    SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
	    pl_sqlite_joined_log());
	enum pl_err err = pl_sqlite_err(s, rc, "open");

	if (err != PL_OK)
		return err;
	pl_sqlite_set_patience(s, PL_SQLITE_BUSY_MS);
	sqlite3_busy_handler(s->db, on_busy, s);
	sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(s->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	err = set_wal(s);
	if (err == PL_OK)
		err = pl_sqlite_exec(s, "PRAGMA synchronous = FULL;"
					"PRAGMA temp_store = MEMORY;"
					"PRAGMA secure_delete = FAST;"
					"PRAGMA journal_size_limit = 67108864;");
	pl_sqlite_checkpoint_watch(s);
	if (err == PL_OK)
		err = pl_sqlite_schema(s);
	return err != PL_OK ? err : prepare_rollback(s);
}

/* SQLite adds up its memory under one lock, which all threads take at each allocation, and
 * nobody asks for the sum. It can be told so only before its first use. */
static void
count_no_memory(void)
{
	(void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

enum pl_err
pl_store_sqlite_open(const struct pl_store_config *config, struct pl_store **out)
{
	static pthread_once_t is_told = PTHREAD_ONCE_INIT;
	struct pl_sqlite *s = pl_mem_zalloc(sizeof(*s));
	struct pl_buf path;
	int lock_fd = -1;
	enum pl_err err;

	(void)pthread_once(&is_told, count_no_memory);
	s->store.backend = &backend;
	s->empty_mono_ms = pl_clock_mono_ms(); /* as edits.c says */
	pl_buf_init(&path, PL_BUF_UNLIMITED);
	pl_buf_printf(&path, "%s/" PL_STORE_SQLITE_FILE, config->data_dir);
	err = make_folder(config->data_dir);
	if (err == PL_OK)
		err = lock_folder(config->data_dir, &lock_fd);
	if (err == PL_OK)
		err = pl_sqlite_make_file(path.data);
	if (err == PL_OK)
		err = open_file(s, path.data);
	if (lock_fd >= 0)
		close(lock_fd);
	pl_buf_fini(&path);
	if (err != PL_OK) {
		backend.close(&s->store);
		return err;
	}
	if (config->fills_pairs)
		pl_sqlite_fill_start(config->data_dir);
	*out = &s->store;
	return PL_OK;
}

static void
close_session(struct pl_store *store)
{
	struct pl_sqlite *s = pl_sqlite_of(store);

	pl_sqlite_checkpoint_stop(s);
	for (size_t i = 0; i < s->statement_count; i++)
		sqlite3_finalize(s->statements[i].stmt);
	sqlite3_close(s->db);
	pl_sqlite_pairs_forget(s);
	pl_sqlite_receivers_forget(s);
	pl_mem_free(s);
}

static enum pl_err
ping(struct pl_store *store)
{
	static const char sql[] = "SELECT count(*) FROM sqlite_schema";
	struct pl_query q = pl_query_start(pl_sqlite_of(store), sql);

	(void)pl_query_row(&q);
	return pl_query_end(&q);
}

static bool
at_once(struct pl_store *store, bool is_on)
{
	struct pl_sqlite *s = pl_sqlite_of(store);

	s->is_at_once = is_on && pl_sqlite_at_once_begin();
	s->is_impatient = s->is_at_once;
	if (!s->is_at_once)
		pl_sqlite_at_once_end();
	return s->is_at_once;
}

/* ---- batches ---- */

static enum pl_err
write_one(struct pl_sqlite *s, struct pl_write *w)
{
	switch (w->kind) {
	case PL_WRITE_USER:
		return pl_sqlite_user_insert(s, w->u.user);
	case PL_WRITE_STATUS:
		return pl_sqlite_user_set_status(
		    s, &w->u.status.user, w->u.status.status, w->u.status.note);
	case PL_WRITE_PASSWORD:
		return pl_sqlite_user_set_password(s, &w->u.password.user,
		    w->u.password.old_hash, w->u.password.new_hash);
	case PL_WRITE_SEND:
		return pl_sqlite_send(s, &w->u.send);
	case PL_WRITE_REVOKE:
		return pl_sqlite_revoke(s, &w->u.revoke, &w->is_new);
	case PL_WRITE_SESSION:
		return pl_sqlite_session_add(s, &w->u.session);
	case PL_WRITE_SEEN:
		return pl_sqlite_session_seen(s, &w->u.seen);
	case PL_WRITE_SWITCH:
		return pl_sqlite_switch(s, &w->u.key);
	case PL_WRITE_REPLY_CLAIM:
		return pl_sqlite_reply_claim(s, &w->u.claim);
	case PL_WRITE_REPLY:
		return pl_sqlite_reply(s, &w->u.reply);
	case PL_WRITE_MARK:
		return pl_sqlite_mark(s, &w->u.mark);
	case PL_WRITE_INVITE:
		return pl_sqlite_invite_keep(s, w->u.invite);
	case PL_WRITE_INVITED:
		return pl_sqlite_user_insert_invited(s, &w->u.invited);
	case PL_WRITE_DISABLED:
		return pl_sqlite_user_disable(s, &w->u.disabled);
	case PL_WRITE_PROFILE:
		return pl_sqlite_profile_set(s, &w->u.profile);
	case PL_WRITE_AVATAR:
		return pl_sqlite_avatar_set(s, &w->u.avatar);
	case PL_WRITE_BLOCK:
		return pl_sqlite_block(s, &w->u.block);
	case PL_WRITE_EDIT:
	case PL_WRITE_DELETE:
		return pl_sqlite_change(s, w);
	case PL_WRITE_ERASE:
		return pl_sqlite_erase(s, &w->u.erase);
	}
	return PL_E_INVALID;
}

/* The write was refused and changed nothing: its neighbours go on. */
static bool
is_refusal(enum pl_err err)
{
	return err == PL_E_NOT_FOUND || err == PL_E_CONFLICT || err == PL_E_DENIED ||
	       err == PL_E_TOO_BIG;
}

/* After a write of that kind what is known of receivers holds. */
static bool
keeps_users(enum pl_write_kind kind)
{
	return kind == PL_WRITE_SEND || kind == PL_WRITE_MARK || kind == PL_WRITE_SEEN;
}

static enum pl_err
write_all(struct pl_sqlite *s, struct pl_write *const *writes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		writes[i]->err = write_one(s, writes[i]);
		if (!keeps_users(writes[i]->kind))
			pl_sqlite_receivers_forget(s);
		if (writes[i]->err != PL_OK && !is_refusal(writes[i]->err))
			return writes[i]->err;
	}
	return PL_OK;
}

/* Drop a few expired records, now and then; more at once if there are many. */
static enum pl_err
purge(struct pl_sqlite *s)
{
	int64_t now = pl_clock_mono_ms();
	int keys = 0, tokens = 0, lists = 0;
	enum pl_err err;

	if (now < s->purge_mono_ms)
		return PL_OK;
	err = pl_sqlite_idem_purge(s, PURGE_ROWS, &keys);
	if (err == PL_OK)
		err = pl_sqlite_revocations_purge(s, PURGE_ROWS, &tokens);
	if (err == PL_OK)
		err = pl_sqlite_sessions_purge(s, PURGE_ROWS, &lists);
	if (keys < PURGE_ROWS && tokens < PURGE_ROWS && lists < PURGE_ROWS)
		s->purge_mono_ms = now + PURGE_INTERVAL_MS;
	return err;
}

enum pl_err
pl_sqlite_moment_begin(struct pl_sqlite *s)
{
	static const char moment[] = "BEGIN";

	if (!sqlite3_get_autocommit(s->db))
		pl_sqlite_rollback(s);
	return run(s, moment);
}

enum pl_err
pl_sqlite_moment_end(struct pl_sqlite *s, enum pl_err err)
{
	enum pl_err ended = PL_OK;

	if (!sqlite3_get_autocommit(s->db))
		ended = run(s, commit);
	if (ended != PL_OK)
		pl_sqlite_rollback(s);
	return err != PL_OK ? err : ended;
}

/* Another one after each commit, ours or not; 0: it is not known. */
static unsigned
data_version(struct pl_sqlite *s)
{
	unsigned version = 0;

	(void)sqlite3_file_control(s->db, NULL, SQLITE_FCNTL_DATA_VERSION, &version);
	return version;
}

/* Has anybody committed since our last batch? */
static void
forget_if_changed(struct pl_sqlite *s)
{
	unsigned version = data_version(s);

	if (version != 0 && version == s->data_version)
		return;
	s->newest_is_known = false;
	pl_sqlite_receivers_forget(s);
}

static enum pl_err
commit_batch(struct pl_sqlite *s, struct pl_write *const *writes, size_t count)
{
	enum pl_err err = pl_sqlite_begin(s);

	if (err != PL_OK)
		return err;
	s->now_unix_ms = pl_clock_unix_ms();
	forget_if_changed(s);
	err = write_all(s, writes, count);
	if (err == PL_OK)
		err = purge(s);
	if (err == PL_OK)
		err = pl_sqlite_commit(s);
	if (err != PL_OK)
		pl_sqlite_rollback(s);
	s->data_version = err == PL_OK ? data_version(s) : 0;
	return err;
}

/* A batch is one transaction: if it fails, nothing of it was stored. */
static void
write_batch(struct pl_store *store, struct pl_write *const *writes, size_t count)
{
	enum pl_err err = commit_batch(pl_sqlite_of(store), writes, count);

	for (size_t i = 0; err != PL_OK && i < count; i++)
		writes[i]->err = err;
}

static const struct pl_store_backend backend = {
    .close = close_session,
    .ping = ping,
    .user_by_id = pl_sqlite_user_by_id,
    .user_by_username = pl_sqlite_user_by_username,
    .users_exist = pl_sqlite_users_exist,
    .users_of = pl_sqlite_users_of,
    .user_states = pl_sqlite_user_states,
    .users_page = pl_sqlite_users_page,
    .people_page = pl_sqlite_people_page,
    .people_fill = pl_sqlite_people_fill,
    .users_tag = pl_sqlite_users_tag,
    .message_pos = pl_sqlite_message_pos,
    .messages_page = pl_sqlite_messages_page,
    .messages_to = pl_sqlite_messages_to,
    .positions_to = pl_sqlite_positions_to,
    .positions_of = pl_sqlite_positions_of,
    .messages_of = pl_sqlite_messages_of,
    .changes = pl_sqlite_changes,
    .tidy = pl_sqlite_tidy,
    .at_once = at_once,
    .conversations = pl_sqlite_conversations,
    .conversation = pl_sqlite_conversation,
    .correspondents = pl_sqlite_correspondents,
    .avatar = pl_sqlite_avatar,
    .blocks_page = pl_sqlite_blocks_page,
    .may_write = pl_sqlite_may_write,
    .overdue = pl_sqlite_overdue,
    .revocations_since = pl_sqlite_revocations_since,
    .sessions_of = pl_sqlite_sessions_of,
    .invite_look = pl_sqlite_invite_look,
    .erase_step = pl_sqlite_erase_step,
    .erasures = pl_sqlite_erasures,
    .write = write_batch,
    .export_page = pl_sqlite_export,
    .import = pl_sqlite_import,
};
