#include "base/log.h"
#include "store/sqlite/query.h"

/*
 * Ids are 12-byte blobs, times are milliseconds since 1970 (expires: seconds, as in a token).
 * Version n is made from n - 1 by steps[n - 1]; PRAGMA user_version tells which one is there.
 * A step that was released never changes: add another.
 */
static const char first[] =
    "CREATE TABLE users ("
    "  id BLOB NOT NULL PRIMARY KEY,"
    "  username TEXT NOT NULL UNIQUE,"
    "  full_name TEXT NOT NULL,"
    "  password_hash TEXT NOT NULL,"
    "  profile_pic TEXT NOT NULL,"
    "  note TEXT,"
    "  gender TEXT NOT NULL,"
    "  status TEXT NOT NULL,"
    "  created INTEGER NOT NULL,"
    "  updated INTEGER NOT NULL"
    ") STRICT, WITHOUT ROWID;"

    "CREATE TABLE messages ("
    "  seq INTEGER PRIMARY KEY,"
    "  id BLOB NOT NULL UNIQUE,"
    "  sender BLOB NOT NULL,"
    "  receiver BLOB NOT NULL,"
    "  text TEXT NOT NULL,"
    "  created INTEGER NOT NULL,"
    "  reply_kind TEXT,"
    "  in_reply_to BLOB"
    ") STRICT;"
    "CREATE INDEX messages_pair ON messages (sender, receiver, created, id);"
    "CREATE INDEX messages_receiver ON messages (receiver, created, id);"
    "CREATE INDEX messages_order ON messages (created, id);"
    "CREATE UNIQUE INDEX messages_in_reply_to ON messages (in_reply_to)"
    "  WHERE in_reply_to IS NOT NULL;"

    "CREATE TABLE idem_keys ("
    "  sender BLOB NOT NULL,"
    "  idem_key TEXT NOT NULL,"
    "  message BLOB NOT NULL,"
    "  created INTEGER NOT NULL,"
    "  PRIMARY KEY (sender, idem_key)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE INDEX idem_keys_created ON idem_keys (created);"

    "CREATE TABLE reply_jobs ("
    "  message BLOB NOT NULL PRIMARY KEY,"
    "  deadline INTEGER NOT NULL,"
    "  lease_until INTEGER NOT NULL," /* 0: never claimed */
    "  attempt INTEGER NOT NULL"
    ") STRICT, WITHOUT ROWID;"
    "CREATE INDEX reply_jobs_deadline ON reply_jobs (deadline, lease_until);"

    "CREATE TABLE revocations ("
    "  token_id BLOB NOT NULL PRIMARY KEY,"
    "  user BLOB NOT NULL,"
    "  expires INTEGER NOT NULL,"
    "  created INTEGER NOT NULL"
    ") STRICT, WITHOUT ROWID;"
    "CREATE INDEX revocations_expires ON revocations (expires);"
    "CREATE INDEX revocations_created ON revocations (created);"

    "PRAGMA user_version = 1;";

/* The traceparent of the send (proto/trace.h); NULL: none. */
static const char second[] = "ALTER TABLE reply_jobs ADD COLUMN trace TEXT;"
			     "PRAGMA user_version = 2;";

/*
 * Live sessions (auth/session_list.h): live holds them as bytes, mark is in seconds, and changed says
 * when it was set, 0: never. issued: of a listed token, else NULL.
 */
static const char third[] =
    "ALTER TABLE revocations ADD COLUMN issued INTEGER;"
    "CREATE INDEX revocations_user ON revocations (user, issued);"
    "CREATE TABLE sessions ("
    "  user BLOB NOT NULL PRIMARY KEY,"
    "  mark INTEGER NOT NULL,"
    "  changed INTEGER NOT NULL,"
    "  expires INTEGER NOT NULL,"
    "  live BLOB NOT NULL"
    ") STRICT, WITHOUT ROWID;"
    "CREATE INDEX sessions_changed ON sessions (changed) WHERE changed > 0;"
    "CREATE INDEX sessions_expires ON sessions (expires);"
    "PRAGMA user_version = 3;";

static const char *const steps[] = {first, second, third};
enum { VERSION = sizeof(steps) / sizeof(steps[0]) };

static enum pl_err
read_version(struct pl_sqlite *s, int64_t *out)
{
	static const char sql[] = "PRAGMA user_version";
	struct pl_query q = pl_query_start(s, sql);

	if (pl_query_row(&q))
		*out = pl_query_get_int(&q, 0);
	return pl_query_end(&q);
}

/* From the version that is there to ours, inside a transaction. */
static enum pl_err
upgrade(struct pl_sqlite *s)
{
	int64_t version = 0;
	enum pl_err err = read_version(s, &version);

	while (err == PL_OK && version < VERSION)
		err = pl_sqlite_exec(s, steps[version++]);
	return err;
}

enum pl_err
pl_sqlite_schema(struct pl_sqlite *s)
{
	int64_t version = 0;
	enum pl_err err = read_version(s, &version);

	if (err == PL_OK && (version < 0 || version > VERSION)) {
		pl_log_error("database was made by a newer version, not touching it",
		    PL_L_INT("version", version), PL_L_INT("known", (int64_t)VERSION));
		return PL_E_IO;
	}
	if (err != PL_OK || version == VERSION)
		return err;
	err = pl_sqlite_exec(s, "BEGIN EXCLUSIVE");
	if (err != PL_OK)
		return err;
	err = upgrade(s); /* looks again: another process may have been first */
	if (err == PL_OK)
		err = pl_sqlite_exec(s, "COMMIT");
	if (err != PL_OK)
		sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
	return err;
}
