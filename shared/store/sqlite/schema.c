#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/sqlite/query.h"

/*
 * Ids are 12-byte blobs, times are milliseconds since 1970 (expires: seconds, as in a
 * token). Version n is made from n - 1 by steps[n - 1]; PRAGMA user_version tells which
 * one is there. A step that was released never changes: add another.
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
 * Live sessions (auth/session_list.h): live holds them as bytes, mark is in seconds, and
 * changed says when it was set, 0: never. issued: of a listed token, else NULL.
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

/*
 * Correspondents: user has a message to or from other. NULL: no mark. filled: they are
 * found for all rows of messages up to that one (fill.h).
 *
 * Messages are stored in their order, so that the order of rows tells it. Only a copy of
 * older messages into a store that has newer ones breaks that: then there is
 * messages_order.
 */
static const char fourth[] =
    "CREATE TABLE correspondents ("
    "  user BLOB NOT NULL,"
    "  other BLOB NOT NULL,"
    "  read_at INTEGER,"
    "  read_id BLOB,"
    "  delivered_at INTEGER,"
    "  delivered_id BLOB,"
    "  PRIMARY KEY (user, other)"
    ") STRICT, WITHOUT ROWID;"
    "DROP INDEX IF EXISTS messages_receiver;"
    "DROP INDEX IF EXISTS messages_pair;"
    "CREATE INDEX messages_pair ON messages (receiver, sender, created, id);"
    "INSERT INTO correspondents (user, other)"
    "  SELECT DISTINCT receiver, sender FROM messages;"
    "INSERT OR IGNORE INTO correspondents (user, other)"
    "  SELECT DISTINCT sender, receiver FROM messages;"
    "CREATE TABLE filled (id INTEGER PRIMARY KEY, up_to INTEGER NOT NULL) STRICT;"
    "INSERT INTO filled SELECT 1, ifnull(max(seq), 0) FROM messages;"
    "PRAGMA user_version = 4;";

/*
 * People as they are looked for (people.h): names and words folded (base/fold). Whose
 * name changed, by whatever program, is due, as all are at first. A change of base/fold
 * needs a step that makes all due again. The tag is another after each change that a list
 * of users shows.
 */
static const char fifth[] =
    "CREATE TABLE people ("
    "  id BLOB NOT NULL PRIMARY KEY,"
    "  name TEXT NOT NULL"
    ") STRICT, WITHOUT ROWID;"
    "CREATE INDEX people_name ON people (name, id);"
    "CREATE TABLE people_shelves ("
    "  number INTEGER PRIMARY KEY,"
    "  name TEXT NOT NULL," /* of the first place of the shelf; with id */
    "  id BLOB NOT NULL,"
    "  count INTEGER NOT NULL"
    ") STRICT;"
    "CREATE UNIQUE INDEX people_shelves_name ON people_shelves (name, id);"
    "INSERT INTO people_shelves (name, id, count) VALUES ('', x'', 0);"
    "CREATE TABLE people_words ("
    "  shelf INTEGER NOT NULL,"
    "  word TEXT NOT NULL,"
    "  id BLOB NOT NULL,"
    "  PRIMARY KEY (shelf, word, id)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE people_due (id BLOB NOT NULL PRIMARY KEY) STRICT, WITHOUT ROWID;"
    "INSERT INTO people_due SELECT id FROM users;"
    "CREATE TABLE users_tag (tag BLOB NOT NULL) STRICT;"
    "INSERT INTO users_tag VALUES (randomblob(16));"

    "CREATE TRIGGER users_inserted AFTER INSERT ON users BEGIN"
    "  INSERT OR IGNORE INTO people_due VALUES (NEW.id);"
    "  UPDATE users_tag SET tag = randomblob(16);"
    "END;"
    "CREATE TRIGGER users_deleted AFTER DELETE ON users BEGIN"
    "  INSERT OR IGNORE INTO people_due VALUES (OLD.id);"
    "  UPDATE users_tag SET tag = randomblob(16);"
    "END;"
    "CREATE TRIGGER users_named AFTER UPDATE OF id, username, full_name ON users BEGIN"
    "  INSERT OR IGNORE INTO people_due VALUES (OLD.id);"
    "  INSERT OR IGNORE INTO people_due VALUES (NEW.id);"
    "END;"
    "CREATE TRIGGER users_changed AFTER UPDATE OF id, username, full_name, profile_pic,"
    "  note, status, created, updated ON users BEGIN"
    "  UPDATE users_tag SET tag = randomblob(16);"
    "END;"
    "PRAGMA user_version = 5;";

/* code: its digest (auth/invite.h); times in milliseconds. disabled: NULL or 0: the user
 * is not. */
static const char invites[] = "ALTER TABLE users ADD COLUMN disabled INTEGER;"
			      "CREATE TABLE invites ("
			      "  code BLOB NOT NULL PRIMARY KEY,"
			      "  uses INTEGER NOT NULL,"
			      "  used INTEGER NOT NULL,"
			      "  created INTEGER NOT NULL,"
			      "  expires INTEGER NOT NULL"
			      ") STRICT, WITHOUT ROWID;"
			      "PRAGMA user_version = 6;";

/* Users' own pictures, which go with them, whoever deletes them. given_pic: what
 * profile_pic was before; NULL: there is none of their own. */
static const char avatars[] = "ALTER TABLE users ADD COLUMN given_pic TEXT;"
			      "CREATE TABLE avatars ("
			      "  user BLOB NOT NULL PRIMARY KEY,"
			      "  type TEXT NOT NULL,"
			      "  bytes BLOB NOT NULL"
			      ") STRICT;"
			      "CREATE TRIGGER avatars_deleted AFTER DELETE ON users BEGIN"
			      "  DELETE FROM avatars WHERE user = OLD.id;"
			      "END;"
			      "PRAGMA user_version = 7;";

/* Who has blocked whom (blocks.c). users.blocks: 1 for those who have to do with a block,
 * whether they made it or not; else NULL. */
static const char blocks[] = "CREATE TABLE blocks ("
			     "  user BLOB NOT NULL,"
			     "  other BLOB NOT NULL,"
			     "  created INTEGER NOT NULL,"
			     "  PRIMARY KEY (user, other)"
			     ") STRICT, WITHOUT ROWID;"
			     "CREATE INDEX blocks_other ON blocks (other);"
			     "ALTER TABLE users ADD COLUMN blocks INTEGER;"
			     "PRAGMA user_version = 8;";

/*
 * When a message was edited and deleted, and the later of both, by which others hear of
 * it (edits.c). An index has only messages of which that can be said: sends do not write
 * to it.
 *
 * When the first page of messages was full, its rows moved to others, and processes of
 * older versions left a copy of the texts in it. It is overwritten when it is full of
 * places of pages, or here: these rows take more pages than it has room for, and go
 * again.
 */
static const char edits[] =
    "PRAGMA secure_delete = ON;"
    "WITH RECURSIVE n (i) AS (SELECT 1 WHERE EXISTS (SELECT 1 FROM messages) "
    "  UNION ALL SELECT i + 1 FROM n WHERE i < 400) "
    "INSERT INTO messages (seq, id, sender, receiver, text, created) "
    "  SELECT -i, randomblob(12), x'', x'', hex(zeroblob(1700)), 0 FROM n;"
    "DELETE FROM messages WHERE seq < 0;"
    "PRAGMA secure_delete = FAST;"
    "ALTER TABLE messages ADD COLUMN edited INTEGER;"
    "ALTER TABLE messages ADD COLUMN deleted INTEGER;"
    "ALTER TABLE messages ADD COLUMN changed INTEGER;"
    "CREATE INDEX messages_changed ON messages (changed, id)"
    "  WHERE changed IS NOT NULL;"
    "CREATE INDEX messages_changed_from ON messages (sender, changed, id, receiver)"
    "  WHERE changed IS NOT NULL;"
    "CREATE INDEX messages_changed_to ON messages (receiver, changed, id)"
    "  WHERE changed IS NOT NULL;"
    "CREATE INDEX messages_deleted ON messages (receiver, sender, created, id, deleted)"
    "  WHERE deleted IS NOT NULL;"
    "PRAGMA user_version = 9;";

/*
 * Users who are gone, and of whom something may be left (erase.c). at_*: the last message
 * that the sweep has seen, by its receiver; NULL: none yet. worker has it until
 * lease_until.
 */
static const char erasures[] = "CREATE TABLE erasures ("
			       "  user BLOB NOT NULL PRIMARY KEY,"
			       "  noted INTEGER NOT NULL,"
			       "  stage INTEGER NOT NULL,"
			       "  at_receiver BLOB,"
			       "  at_created INTEGER,"
			       "  at_id BLOB,"
			       "  worker INTEGER NOT NULL,"
			       "  lease_until INTEGER NOT NULL"
			       ") STRICT, WITHOUT ROWID;"
			       "PRAGMA user_version = 10;";

/* What the key's message keeps of its first text once it has changed (auth/first_text.h);
 * else NULL. */
static const char first_texts[] = "ALTER TABLE idem_keys ADD COLUMN first_text BLOB;"
				  "PRAGMA user_version = 11;";

/*
 * Which rows of messages are a user's, newest first (recent.h), up to filled.up_to of id
 * 2. Our programs delete no row of messages; if somebody does, its number may be given
 * again, so that its chunk of 2,048 rows and all that follow are noted anew.
 */
static const char recent[] =
    "CREATE TABLE recent ("
    "  bucket INTEGER NOT NULL,"
    "  chunk INTEGER NOT NULL,"
    "  entries BLOB NOT NULL,"
    "  PRIMARY KEY (bucket, chunk)"
    ") STRICT, WITHOUT ROWID;"
    "INSERT INTO filled VALUES (2, 0);"
    "CREATE TRIGGER recent_deleted AFTER DELETE ON messages BEGIN"
    "  UPDATE filled SET up_to = OLD.seq / 2048 * 2048 - 1"
    "    WHERE id = 2 AND up_to >= OLD.seq;"
    "END;"
    "CREATE TRIGGER recent_moved AFTER UPDATE OF seq, sender, receiver"
    "  ON messages BEGIN"
    "  UPDATE filled SET up_to = min(OLD.seq, NEW.seq) / 2048 * 2048 - 1"
    "    WHERE id = 2 AND up_to >= min(OLD.seq, NEW.seq);"
    "END;"
    "PRAGMA user_version = 12;";

/* A table without row numbers gives each row of more than 1,002 bytes pages of its own,
 * which are mostly empty then; this one fills its pages. Processes of the version before
 * may go on with it. */
static const char recent_filling_pages[] =
    "CREATE TABLE recent_shares ("
    "  bucket INTEGER NOT NULL,"
    "  chunk INTEGER NOT NULL,"
    "  entries BLOB NOT NULL,"
    "  PRIMARY KEY (bucket, chunk)"
    ") STRICT;"
    "INSERT INTO recent_shares SELECT * FROM recent ORDER BY chunk, bucket;"
    "DROP TABLE recent;"
    "ALTER TABLE recent_shares RENAME TO recent;"
    "PRAGMA user_version = 13;";

static const char *const steps[] = {first, second, third, fourth, fifth, invites, avatars,
    blocks, edits, erasures, first_texts, recent, recent_filling_pages};
enum { ORDER_BY_ROWS = 4, VERSION = sizeof(steps) / sizeof(steps[0]) };

#define ORDER_INDEX "messages_order"

static enum pl_err
read_version(struct pl_sqlite *s, int64_t *out)
{
	static const char sql[] = "PRAGMA user_version";
	struct pl_query q = pl_query_start(s, sql);

	if (pl_query_row(&q))
		*out = pl_query_get_int(&q, 0);
	return pl_query_end(&q);
}

/* ---- the order of rows ---- */

static enum pl_err
read_order_index(struct pl_sqlite *s)
{
	static const char sql[] =
	    "SELECT 1 FROM sqlite_schema WHERE name = '" ORDER_INDEX "'";
	struct pl_query q = pl_query_start(s, sql);
	bool is_there = pl_query_row(&q);
	enum pl_err err = pl_query_end(&q);

	if (err == PL_OK)
		s->has_order_index = is_there;
	return err;
}

enum pl_err
pl_sqlite_order_index(struct pl_sqlite *s)
{
	if (!s->has_order_index)
		pl_log_info(
		    "older messages came after newer ones, an index keeps their order");
	s->has_order_index = true;
	/* Asked each time: one that was made in this session may have been rolled back. */
	return pl_sqlite_exec(
	    s, "CREATE INDEX IF NOT EXISTS " ORDER_INDEX " ON messages (created, id)");
}

static enum pl_err
find_whether_rows_lie_in_order(struct pl_sqlite *s, bool *out)
{
	static const char sql[] = "SELECT seq FROM messages ORDER BY created, id";
	struct pl_query q = pl_query_start(s, sql);
	int64_t before = INT64_MIN;

	*out = true;
	while (*out && pl_query_row(&q)) {
		int64_t seq = pl_query_get_int(&q, 0);

		*out = seq > before;
		before = seq;
	}
	return pl_query_end(&q);
}

static enum pl_err
drop_order_index(struct pl_sqlite *s, bool is_new)
{
	bool is_in_order = true;
	enum pl_err err =
	    is_new ? PL_OK : find_whether_rows_lie_in_order(s, &is_in_order);

	if (err == PL_OK && is_in_order)
		err = pl_sqlite_exec(s, "DROP INDEX IF EXISTS " ORDER_INDEX);
	return err;
}

/* ---- upgrade ---- */

static enum pl_err
take_steps(struct pl_sqlite *s, int64_t from)
{
	enum pl_err err = PL_OK;

	for (int64_t version = from; err == PL_OK && version < VERSION; version++)
		err = pl_sqlite_exec(s, steps[version]);
	if (err == PL_OK && from < ORDER_BY_ROWS)
		err = drop_order_index(s, from == 0);
	return err;
}

/* How many rows messages has had, which says how long it will take. */
static enum pl_err
log_start(struct pl_sqlite *s, int64_t version)
{
	static const char sql[] = "SELECT max(seq) FROM messages";
	struct pl_query q = pl_query_start(s, sql);

	if (pl_query_row(&q))
		pl_log_info("upgrading the database, which takes some seconds for each "
			    "million messages",
		    PL_L_INT("version", version), PL_L_INT("to", (int64_t)VERSION),
		    PL_L_INT("messages", pl_query_get_int(&q, 0)));
	return pl_query_end(&q);
}

/* From the version that is there to ours, inside a transaction. */
static enum pl_err
upgrade(struct pl_sqlite *s)
{
	int64_t version = 0, start_mono_ms = pl_clock_mono_ms();
	enum pl_err err = read_version(s, &version);
	bool is_told = version > 0 && version < VERSION;

	if (err == PL_OK && is_told)
		err = log_start(s, version);
	if (err == PL_OK)
		err = take_steps(s, version);
	if (err == PL_OK && is_told)
		pl_log_info("database was upgraded",
		    PL_L_INT("took_ms", pl_clock_mono_ms() - start_mono_ms));
	return err;
}

static enum pl_err
upgrade_at_once(struct pl_sqlite *s)
{
	enum pl_err err = pl_sqlite_exec(s, "BEGIN EXCLUSIVE");

	if (err != PL_OK)
		return err;
	err = upgrade(s); /* looks again: another process may have been first */
	if (err == PL_OK)
		err = pl_sqlite_exec(s, "COMMIT");
	if (err != PL_OK)
		sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
	return err;
}

/* An index of many messages is sorted in files beside the database, not in memory; /tmp
 * may not be ours to write. */
static enum pl_err
upgrade_in_files(struct pl_sqlite *s)
{
	const char *path = sqlite3_db_filename(s->db, "main");
	const char *slash = strrchr(path, '/');
	char *folder = pl_mem_strndup(path, slash != NULL ? (size_t)(slash - path) : 0);
	enum pl_err err = pl_sqlite_exec(s, "PRAGMA temp_store = FILE"), ended;

	sqlite3_temp_directory = folder;
	if (err == PL_OK)
		err = upgrade_at_once(s);
	sqlite3_temp_directory = NULL;
	ended = pl_sqlite_exec(s, "PRAGMA temp_store = MEMORY");
	pl_mem_free(folder);
	return err != PL_OK ? err : ended;
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
	if (err == PL_OK && version != VERSION)
		err = version == 0 ? upgrade_at_once(s) : upgrade_in_files(s);
	return err == PL_OK ? read_order_index(s) : err;
}
