#include <assert.h>
#include <errno.h>

#include "base/log.h"
#include "base/mem.h"
#include "store/sqlite/query.h"

static bool
is_no_room(int error)
{
	return error == ENOSPC || error == EDQUOT || error == EFBIG;
}

static bool
file_met_no_room(sqlite3_file *file)
{
	int error = 0;

	if (file == NULL || file->pMethods == NULL)
		return false;
	file->pMethods->xFileControl(file, SQLITE_FCNTL_LAST_ERRNO, &error);
	return is_no_room(error);
}

/* A full disk is SQLITE_FULL, but a quota or a limit of the file's size is an I/O error.
 * If it came inside a COMMIT, sqlite3_system_errno() does not know of it, so the files
 * are asked. */
static bool
disk_is_full(struct pl_sqlite *s)
{
	sqlite3_file *data = NULL, *log = NULL;

	sqlite3_file_control(s->db, NULL, SQLITE_FCNTL_FILE_POINTER, &data);
	sqlite3_file_control(s->db, NULL, SQLITE_FCNTL_JOURNAL_POINTER, &log);
	return is_no_room(sqlite3_system_errno(s->db)) || file_met_no_room(log) ||
	       file_met_no_room(data);
}

static enum pl_err
err_of(struct pl_sqlite *s, int rc)
{
	switch (rc & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return PL_OK;
	case SQLITE_FULL:
		return PL_E_FULL;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
	case SQLITE_PROTOCOL:
		return PL_E_UNAVAILABLE;
	case SQLITE_CANTOPEN:
		return disk_is_full(s) ? PL_E_FULL : PL_E_UNAVAILABLE;
	case SQLITE_IOERR:
		return disk_is_full(s) ? PL_E_FULL : PL_E_IO;
	default:
		return PL_E_IO;
	}
}

enum pl_err
pl_sqlite_err(struct pl_sqlite *s, int rc, const char *what)
{
	enum pl_err err = err_of(s, rc);

	if (err != PL_OK && s->is_at_once)
		return PL_E_BUSY; /* who asks again hears why */
	if (err != PL_OK)
		pl_log_error_sampled("database failed, the call was given up",
		    PL_L_CSTR("what", what), PL_L_ERR(err), PL_L_INT("sqlite", rc),
		    PL_L_CSTR("meaning", sqlite3_errstr(rc)),
		    PL_L_INT("errno", sqlite3_system_errno(s->db)));
	return err;
}

/* The session's statement of this text; prepared at its first run. */
static int
find_statement(struct pl_sqlite *s, const char *sql, sqlite3_stmt **out)
{
	size_t i = 0;
	int rc;

	while (i < s->statement_count && s->statements[i].sql != sql)
		i++;
	if (i == s->statement_count) {
		assert(i < PL_SQLITE_STATEMENTS_MAX);
		rc = sqlite3_prepare_v3(s->db, sql, -1, SQLITE_PREPARE_PERSISTENT,
		    &s->statements[i].stmt, NULL);
		if (rc != SQLITE_OK)
			return rc;
		s->statements[i].sql = sql;
		s->statement_count++;
	}
	*out = s->statements[i].stmt;
	return SQLITE_OK;
}

struct pl_query
pl_query_start(struct pl_sqlite *s, const char *sql)
{
	struct pl_query q = {.session = s};

	q.rc = find_statement(s, sql, &q.stmt);
	return q;
}

/* ---- in ---- */

void
pl_query_int(struct pl_query *q, int64_t value)
{
	if (q->rc == SQLITE_OK)
		q->rc = sqlite3_bind_int64(q->stmt, ++q->bound, value);
}

void
pl_query_text(struct pl_query *q, struct pl_str text)
{
	if (q->rc == SQLITE_OK) /* a NULL pointer would bind NULL */
		q->rc = sqlite3_bind_text64(q->stmt, ++q->bound, text.ptr ? text.ptr : "",
		    text.len, SQLITE_STATIC, SQLITE_UTF8);
}

void
pl_query_blob(struct pl_query *q, const void *data, size_t len)
{
	if (q->rc == SQLITE_OK)
		q->rc =
		    sqlite3_bind_blob64(q->stmt, ++q->bound, data, len, SQLITE_STATIC);
}

void
pl_query_null(struct pl_query *q)
{
	if (q->rc == SQLITE_OK)
		q->rc = sqlite3_bind_null(q->stmt, ++q->bound);
}

/* ---- out ---- */

bool
pl_query_row(struct pl_query *q)
{
	if (q->rc != SQLITE_OK && q->rc != SQLITE_ROW)
		return false;
	q->rc = sqlite3_step(q->stmt);
	return q->rc == SQLITE_ROW;
}

bool
pl_query_is_null(struct pl_query *q, int column)
{
	return sqlite3_column_type(q->stmt, column) == SQLITE_NULL;
}

int64_t
pl_query_get_int(struct pl_query *q, int column)
{
	return sqlite3_column_int64(q->stmt, column);
}

struct pl_str
pl_query_get_text(struct pl_query *q, int column)
{
	const unsigned char *text = sqlite3_column_text(q->stmt, column);

	return pl_str_n(text, text ? (size_t)sqlite3_column_bytes(q->stmt, column) : 0);
}

struct pl_str
pl_query_get_bytes(struct pl_query *q, int column)
{
	const void *data = sqlite3_column_blob(q->stmt, column);

	return pl_str_n(data, data ? (size_t)sqlite3_column_bytes(q->stmt, column) : 0);
}

char *
pl_query_get_string(struct pl_query *q, int column)
{
	struct pl_str text = pl_query_get_text(q, column);

	return text.ptr ? pl_mem_strndup(text.ptr, text.len) : NULL;
}

void
pl_query_get_blob(struct pl_query *q, int column, void *out, size_t len)
{
	const void *data = sqlite3_column_blob(q->stmt, column);

	if (data == NULL || (size_t)sqlite3_column_bytes(q->stmt, column) != len) {
		pl_query_spoil(q);
		return;
	}
	memcpy(out, data, len);
}

void
pl_query_spoil(struct pl_query *q)
{
	q->rc = SQLITE_CORRUPT;
}

/* ---- the end ---- */

enum pl_err
pl_query_end(struct pl_query *q)
{
	int rc = sqlite3_reset(q->stmt);

	/* It repeats the step's code; only here it tells that there was no memory for a
	 * column. */
	if (rc != SQLITE_OK && (q->rc == SQLITE_ROW || q->rc == SQLITE_DONE))
		q->rc = rc;
	if (q->stmt != NULL)
		sqlite3_clear_bindings(q->stmt);
	return pl_sqlite_err(q->session, q->rc, "statement");
}

enum pl_err
pl_query_run(struct pl_query *q, int *changed)
{
	if (pl_query_row(q))
		pl_query_spoil(q);
	if (changed != NULL && q->rc == SQLITE_DONE)
		*changed = sqlite3_changes(q->session->db);
	return pl_query_end(q);
}
