/*
 * query: one run of a prepared statement of a session.
 *
 *   static const char user_by_id[] = "SELECT username FROM users WHERE id = ?";
 *
 *   struct pl_query q = pl_query_start(s, user_by_id);
 *   pl_query_oid(&q, id);
 *   while (pl_query_row(&q))
 *           name = pl_query_get_string(&q, 0);
 *   err = pl_query_end(&q);
 *
 * Values are bound in the order of the question marks and never become SQL. The first
 * failure stays: calls after it do nothing, and pl_query_end() returns it. A statement is
 * prepared once a session, known by the address of its text.  Only store/ uses it.
 * Threads: the session's.
 */
#ifndef PL_STORE_SQLITE_QUERY_H
#define PL_STORE_SQLITE_QUERY_H

#include <sqlite3.h>

#include "store/sqlite/session.h"

struct pl_query {
	struct pl_sqlite *session;
	sqlite3_stmt *stmt; /* NULL if it could not be prepared */
	int rc;             /* the first failure, or what the last step said */
	int bound;
};

struct pl_query pl_query_start(struct pl_sqlite *s, const char *sql);

/* ---- in: borrowed until the end ---- */
void pl_query_int(struct pl_query *q, int64_t value);
void pl_query_text(struct pl_query *q, struct pl_str text);
void pl_query_blob(struct pl_query *q, const void *data, size_t len);
void pl_query_null(struct pl_query *q);
/* NULL for none. */
static inline void
pl_query_trace(struct pl_query *q, const struct pl_trace *trace)
{
	if (pl_trace_is_none(trace))
		pl_query_null(q);
	else
		pl_query_text(q, pl_str(trace->text));
}
static inline void
pl_query_oid(struct pl_query *q, const struct pl_oid *oid)
{
	pl_query_blob(q, oid->bytes, PL_OID_LEN);
}

/* ---- out ---- */
bool pl_query_row(struct pl_query *q);
bool pl_query_is_null(struct pl_query *q, int column);
int64_t pl_query_get_int(struct pl_query *q, int column);
/* Borrowed until the next row or the end. */
struct pl_str pl_query_get_text(struct pl_query *q, int column);
struct pl_str pl_query_get_bytes(struct pl_query *q, int column); /* of a blob */
char *pl_query_get_string(struct pl_query *q, int column); /* owned; NULL for NULL */
/* Exactly len bytes; anything else fails the query. */
void pl_query_get_blob(struct pl_query *q, int column, void *out, size_t len);
static inline void
pl_query_get_oid(struct pl_query *q, int column, struct pl_oid *out)
{
	pl_query_get_blob(q, column, out->bytes, PL_OID_LEN);
}
/* No trace if the column does not hold one. */
static inline void
pl_query_get_trace(struct pl_query *q, int column, struct pl_trace *out)
{
	*out = (struct pl_trace){0};
	(void)!pl_trace_parse(pl_query_get_text(q, column), out);
}
/* Fail the query: a row holds what the schema does not allow. */
void pl_query_spoil(struct pl_query *q);

/* ---- the end: the statement is free for its next run ---- */
enum pl_err pl_query_end(struct pl_query *q) PL_MUST_CHECK;
/* Run a query that gives no rows, and end it; *changed (may be NULL): rows it changed. */
enum pl_err pl_query_run(struct pl_query *q, int *changed) PL_MUST_CHECK;

/* What a result code of SQLite means; logs a failure. what: "commit". */
enum pl_err pl_sqlite_err(struct pl_sqlite *s, int rc, const char *what);

#endif
