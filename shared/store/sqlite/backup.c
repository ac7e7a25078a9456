#include "base/log.h"
#include "base/mem.h"
#include "store/sqlite/query.h"

/* A database file, opened without what a session adds (tables, write-ahead log). */
struct file {
	struct pl_sqlite s;
	char *path;
};

static enum pl_err
file_open(struct file *f, const char *folder, int flags)
{
	struct pl_buf path;
	enum pl_err err;
	int rc;

	pl_buf_init(&path, PL_BUF_UNLIMITED);
	(void)pl_buf_printf(&path, "%s/" PL_STORE_SQLITE_FILE, folder);
	f->path = pl_buf_take(&path);
	err = (flags & SQLITE_OPEN_CREATE) != 0 ? pl_sqlite_make_file(f->path) : PL_OK;
	if (err != PL_OK)
		return err;
	rc = sqlite3_open_v2(
	    f->path, &f->s.db, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_busy_timeout(f->s.db, PL_SQLITE_BUSY_MS);
	return pl_sqlite_err(&f->s, rc, "open");
}

static void
file_close(struct file *f)
{
	sqlite3_close(f->s.db);
	pl_mem_free(f->path);
}

/* The number that a statement gives. */
static enum pl_err
ask(sqlite3 *db, const char *sql, int64_t *out)
{
	struct pl_sqlite s = {.db = db};
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);

	if (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW)
		*out = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return rc == SQLITE_ROW ? PL_OK : pl_sqlite_err(&s, rc, "statement");
}

/* ---- the copy ---- */

/* In one step, so that it is of one moment: with a write-ahead log a reader stops nobody,
 * and a copy in several steps begins anew with each commit of another process. */
static enum pl_err
copy(sqlite3 *from, sqlite3 *to)
{
	struct pl_sqlite s = {.db = to};
	sqlite3_backup *b = sqlite3_backup_init(to, "main", from, "main");
	int rc;

	if (b == NULL)
		return pl_sqlite_err(&s, sqlite3_extended_errcode(to), "copy");
	rc = sqlite3_backup_step(b, -1);
	if (rc == SQLITE_DONE)
		rc = sqlite3_backup_finish(b);
	else
		(void)sqlite3_backup_finish(b);
	return pl_sqlite_err(&s, rc, "copy");
}

/* The one row "ok", or what is wrong. */
static enum pl_err
check(sqlite3 *db, struct pl_buf *why)
{
	sqlite3_stmt *stmt = NULL;
	bool is_well = false;

	if (sqlite3_prepare_v2(db, "PRAGMA integrity_check(1)", -1, &stmt, NULL) ==
		SQLITE_OK &&
	    sqlite3_step(stmt) == SQLITE_ROW) {
		const char *said = (const char *)sqlite3_column_text(stmt, 0);

		is_well = said != NULL && strcmp(said, "ok") == 0;
		if (!is_well)
			(void)pl_buf_printf(
			    why, "the backup is broken: %s", said != NULL ? said : "");
	}
	sqlite3_finalize(stmt);
	return is_well ? PL_OK : PL_E_IO;
}

static enum pl_err
count_parts(sqlite3 *db, struct pl_backup_list *parts)
{
	static const struct {
		const char *name;
		const char *sql;
	} tables[] = {
	    {"users", "SELECT count(*) FROM users"},
	    {"messages", "SELECT count(*) FROM messages"},
	    {"idempotency keys", "SELECT count(*) FROM idem_keys"},
	    {"replies owed", "SELECT count(*) FROM reply_jobs"},
	    {"revoked tokens", "SELECT count(*) FROM revocations"},
	};
	enum pl_err err = PL_OK;

	for (size_t i = 0; err == PL_OK && i < sizeof(tables) / sizeof(tables[0]); i++)
		err = ask(
		    db, tables[i].sql, &pl_backup_list_add(parts, tables[i].name)->count);
	return err;
}

/* ---- out ---- */

enum pl_err
pl_sqlite_backup(const struct pl_store_config *config, const char *folder,
    struct pl_backup_list *parts, struct pl_buf *why)
{
	struct file from = {0}, to = {0};
	enum pl_err err = file_open(&from, config->data_dir, SQLITE_OPEN_READWRITE);

	if (err == PL_OK)
		err = file_open(&to, folder, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
	if (err == PL_OK)
		err = copy(from.s.db, to.s.db);
	/* Make it one file, which can be read where nothing can be written. */
	if (err == PL_OK)
		err = pl_sqlite_exec(&to.s, "PRAGMA journal_mode = DELETE");
	if (err == PL_OK)
		err = check(to.s.db, why);
	if (err == PL_OK)
		err = count_parts(to.s.db, parts);
	file_close(&to);
	file_close(&from);
	return err;
}

/* ---- in ---- */

static bool
is_empty(const struct pl_backup_list *parts)
{
	for (size_t i = 0; i < parts->count; i++)
		if (parts->items[i].count > 0)
			return false;
	return true;
}

/* Is it a store, of a version that the new store `to` knows? */
static enum pl_err
check_version(sqlite3 *from, sqlite3 *to, struct pl_buf *why)
{
	int64_t there = 0, known = 0;
	enum pl_err err = ask(from, "PRAGMA user_version", &there);

	if (err == PL_OK)
		err = ask(to, "PRAGMA user_version", &known);
	if (err == PL_OK && (there < 1 || there > known)) {
		(void)pl_buf_printf(why, there < 1 ? "the backup is no store of Parley's"
						   : "the backup is of a newer version");
		err = PL_E_INVALID;
	}
	return err;
}

static enum pl_err
check_empty(struct pl_sqlite *to, struct pl_buf *why)
{
	struct pl_backup_list parts = {0};
	enum pl_err err = count_parts(to->db, &parts);

	if (err == PL_OK && !is_empty(&parts)) {
		(void)pl_buf_printf(why, "it is not empty; nothing was overwritten");
		err = PL_E_CONFLICT;
	}
	pl_backup_list_fini(&parts);
	return err;
}

/* One transaction: if it is broken off, the store is as empty as before. */
static enum pl_err
fill(struct pl_sqlite *to, const char *folder, struct pl_backup_list *parts,
    struct pl_buf *why)
{
	struct file from = {0};
	enum pl_err err = file_open(&from, folder, SQLITE_OPEN_READONLY);

	if (err == PL_OK)
		err = check_version(from.s.db, to->db, why);
	if (err == PL_OK)
		err = check_empty(to, why);
	if (err == PL_OK)
		err = check(from.s.db, why);
	if (err == PL_OK)
		err = count_parts(from.s.db, parts);
	if (err == PL_OK)
		err = copy(from.s.db, to->db);
	/* It is filled, and has to be called so. If it cannot be brought from an older
	 * version to ours now, whoever opens it next does that. */
	if (err == PL_OK && pl_sqlite_schema(to) != PL_OK)
		pl_log_warn("restored, but not upgraded; the next start does that");
	file_close(&from);
	return err;
}

enum pl_err
pl_sqlite_restore(const struct pl_store_config *config, const char *folder,
    struct pl_backup_list *parts, struct pl_buf *why)
{
	struct pl_store *store;
	enum pl_err err = pl_store_sqlite_open(config, &store);

	if (err != PL_OK)
		return err;
	err = fill(pl_sqlite_of(store), folder, parts, why);
	pl_store_close(store);
	return err;
}
