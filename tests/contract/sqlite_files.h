/*
 * sqlite_files: empty SQLite databases in temporary folders, and a look inside them past
 * the store, for the tests of what only the SQLite back end promises.
 */
#ifndef TESTS_CONTRACT_SQLITE_FILES_H
#define TESTS_CONTRACT_SQLITE_FILES_H

#include "contract/store_contract.h"

extern const struct store_factory sqlite_factory;
/* In memory, if it has room: for small databases that are synced thousands of times, of
 * which nobody asks what a disk does. */
extern const struct store_factory sqlite_memory_factory;

/* Run SQL on the database file over a connection of its own; asserts that it worked. */
void sqlite_files_run(const struct pl_store_config *config, const char *sql);
/* The first value of the first row, as a number. */
int64_t sqlite_files_number(const struct pl_store_config *config, const char *sql);
/* Database and log, from one folder to another, which is there, as they are now. */
void sqlite_files_copy(const char *from, const char *to);
/* PRAGMA integrity_check. */
void sqlite_files_assert_sound(const struct pl_store_config *config);
/* A store on a file of its own, for tests in which calls fail (fail_at.h). */
int sqlite_files_setup(void **state);
int sqlite_files_teardown(void **state);
/* Send user so many messages to themselves in one batch, each of which takes a page. */
void sqlite_files_send_pages(
    struct pl_store *store, const struct pl_oid *user, size_t count);

#define SQLITE_FILES_VERSION 13 /* of a database as this version makes it */
/* As the twelfth version had it. */
#define SQLITE_FILES_RECENT_OF_12                                                        \
	"CREATE TABLE shares (bucket INTEGER NOT NULL, chunk INTEGER NOT NULL, "         \
	"  entries BLOB NOT NULL, PRIMARY KEY (bucket, chunk)) STRICT, WITHOUT ROWID; "  \
	"INSERT INTO shares SELECT * FROM recent; DROP TABLE recent; "                   \
	"ALTER TABLE shares RENAME TO recent; PRAGMA user_version = 12; "
/* Take away what a version brought, and those after it. */
#define SQLITE_FILES_WITHOUT_RECENT                                                      \
	"DROP TRIGGER recent_deleted; DROP TRIGGER recent_moved; DROP TABLE recent; "    \
	"DELETE FROM filled WHERE id = 2; "
#define SQLITE_FILES_WITHOUT_EDITS                                                       \
	SQLITE_FILES_WITHOUT_RECENT                                                      \
	"ALTER TABLE idem_keys DROP COLUMN first_text; "                                 \
	"DROP TABLE erasures; "                                                          \
	"DROP INDEX messages_changed; DROP INDEX messages_changed_from; "                \
	"DROP INDEX messages_changed_to; DROP INDEX messages_deleted; "                  \
	"ALTER TABLE messages DROP COLUMN edited; "                                      \
	"ALTER TABLE messages DROP COLUMN deleted; "                                     \
	"ALTER TABLE messages DROP COLUMN changed; "
#define SQLITE_FILES_WITHOUT_BLOCKS                                                      \
	SQLITE_FILES_WITHOUT_EDITS                                                       \
	"DROP TABLE blocks; ALTER TABLE users DROP COLUMN blocks; "
#define SQLITE_FILES_WITHOUT_AVATARS                                                     \
	SQLITE_FILES_WITHOUT_BLOCKS                                                      \
	"DROP TRIGGER avatars_deleted; DROP TABLE avatars; "                             \
	"ALTER TABLE users DROP COLUMN given_pic; "
#define SQLITE_FILES_WITHOUT_INVITES                                                     \
	SQLITE_FILES_WITHOUT_AVATARS                                                     \
	"ALTER TABLE users DROP COLUMN disabled; DROP TABLE invites; "
#define SQLITE_FILES_WITHOUT_FIFTH                                                       \
	SQLITE_FILES_WITHOUT_INVITES                                                     \
	"DROP TRIGGER users_inserted; DROP TRIGGER users_deleted; "                      \
	"DROP TRIGGER users_named; DROP TRIGGER users_changed; "                         \
	"DROP TABLE people; DROP TABLE people_shelves; DROP TABLE people_words; "        \
	"DROP TABLE people_due; DROP TABLE users_tag; "
#define SQLITE_FILES_WITHOUT_FOURTH                                                      \
	SQLITE_FILES_WITHOUT_FIFTH                                                       \
	"DROP TABLE correspondents; DROP TABLE filled; DROP INDEX messages_pair; "       \
	"CREATE INDEX messages_pair ON messages (sender, receiver, created, id); "       \
	"CREATE INDEX messages_receiver ON messages (receiver, created, id); "           \
	"CREATE INDEX messages_order ON messages (created, id); "

#endif
