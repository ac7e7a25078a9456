/*
 * session: one connection to parley.db, and the nouns that live in it.
 *
 *   store_sqlite.c   open, batches       schema.c    tables and indexes
 *   users.c          users               messages.c  messages, their order
 *   avatars.c        their own pictures  profiles.c  changes of their names
 *   replies.c        reply jobs          idem.c      Idempotency-Keys
 *   revocations.c    refused tokens      sessions.c  lists of sessions
 *   edits.c          edits and deletions of messages
 *   correspondents.c who wrote with whom, read marks
 *   conversations.c  what a user sees of it
 *   fill.c           correspondents of an older process
 *   recent.h         a user's newest rows
 *   erase.c          what is left of a user who is gone
 *   page.c           a page of a conversation
 *   positions.c      a receiver's messages in their order    own.c  all of one user
 *   people.h         finding users
 *   blocks.c         who has blocked whom   receivers.c   statuses that are known
 *   records.c        copying it all      backup.c    backup and restore
 *   invites.c        invites             disabled.c  users who may not log in
 *   query.c          statements          joined_log.c  writes to the log
 *   at_once.h        reads that wait for nothing
 *   mapped.h         what of the file is in memory, without a call of the kernel
 *   checkpoint.h     the log is emptied on a thread of its own
 *
 * Several processes share the file: WAL lets all read while one writes. Every write runs
 * inside a batch, under the database's one write lock; a write that refuses has changed
 * nothing, so that its neighbours commit.  Only store/ uses it.  Threads: the session's.
 */
#ifndef PL_STORE_SQLITE_SESSION_H
#define PL_STORE_SQLITE_SESSION_H

#include <sqlite3.h>

#include "base/list.h"
#include "store/store_backend.h"
#include "store/store_records.h"

#define PL_SQLITE_STATEMENTS_MAX 256 /* there are some 130 */
/* How long a call waits for another process's lock: less than the 3 s within which a send
 * is always answered. */
#define PL_SQLITE_BUSY_MS 2000
_Static_assert(2 * PL_SQLITE_BUSY_MS < PL_STORE_WAIT_MS,
    "who waits in line behind one slow call is still carried out");

struct pl_sqlite_known;
struct pl_sqlite_receivers;
struct pl_sqlite_checkpoint;

struct pl_sqlite {
	struct pl_store store;
	sqlite3 *db;
	int64_t busy_ms; /* the statement that waits for a lock has waited so long */
	int64_t busy_looked_mono_ms;
	int64_t patience_ms; /* how long a statement waits for a lock */
	struct {
		const char *sql;
		sqlite3_stmt *stmt;
	} statements[PL_SQLITE_STATEMENTS_MAX];
	size_t statement_count;
	int64_t purge_mono_ms; /* when the next purge is due */
	/* The time of the batch that runs; the newest message, once it was read. */
	int64_t now_unix_ms;
	struct pl_message_pos newest;
	bool newest_is_known;
	/* The rows of messages do not lie in their order: schema.c. */
	bool has_order_index;
	struct pl_sqlite_known *known;         /* pairs; NULL: none yet */
	struct pl_sqlite_receivers *receivers; /* NULL: none is known */
	/* What newest and receivers say holds until the data's version is another one. */
	unsigned data_version;
	/* Emptying the log: when it is due, 0: never, and when it was tried last. */
	int64_t empty_mono_ms;
	int64_t emptied_mono_ms;
	/* checkpoint.h: its thread, NULL: none yet; pages in the log after the last
	 * commit, and how many of them wake it. */
	struct pl_sqlite_checkpoint *checkpoint;
	int log_pages;
	int log_due_pages;
	bool is_impatient; /* waits for no other process */
	bool is_at_once;   /* nor for the disk; and any failure is PL_E_BUSY */
};

static inline struct pl_sqlite *
pl_sqlite_of(struct pl_store *s)
{
	return PL_CONTAINER(s, struct pl_sqlite, store);
}

enum pl_err pl_sqlite_exec(struct pl_sqlite *s, const char *sql) PL_MUST_CHECK;
/* A transaction that writes. What fails inside has to be rolled back; a commit that fails
 * is, and no kill brings it back. Without a transaction a rollback does nothing. */
enum pl_err pl_sqlite_begin(struct pl_sqlite *s) PL_MUST_CHECK;
enum pl_err pl_sqlite_commit(struct pl_sqlite *s) PL_MUST_CHECK;
void pl_sqlite_rollback(struct pl_sqlite *s);
/* How long a statement of this session waits for another process's lock;
 * PL_SQLITE_BUSY_MS at first. */
void pl_sqlite_set_patience(struct pl_sqlite *s, int64_t ms);
/* Make an empty file that only its owner can read, if there is none yet. */
enum pl_err pl_sqlite_make_file(const char *path) PL_MUST_CHECK;
/* Make or upgrade the tables; any number of processes may do so at once. */
enum pl_err pl_sqlite_schema(struct pl_sqlite *s) PL_MUST_CHECK;

/* An older message was stored after a newer one: have the index that tells their order. */
enum pl_err pl_sqlite_order_index(struct pl_sqlite *s) PL_MUST_CHECK;
/* What several statements read between the two is of one moment. The end gives err, or
 * its own. */
enum pl_err pl_sqlite_moment_begin(struct pl_sqlite *s) PL_MUST_CHECK;
enum pl_err pl_sqlite_moment_end(struct pl_sqlite *s, enum pl_err err) PL_MUST_CHECK;

/* ---- reads: as in store.h ---- */
enum pl_err pl_sqlite_user_by_id(
    struct pl_store *s, const struct pl_oid *id, struct pl_user *out);
enum pl_err pl_sqlite_user_by_username(
    struct pl_store *s, struct pl_str username, struct pl_user *out);
enum pl_err pl_sqlite_users_exist(
    struct pl_store *s, const struct pl_oid *ids, size_t count, bool *exist);
enum pl_err pl_sqlite_users_of(
    struct pl_store *s, const struct pl_oid *ids, size_t count, struct pl_user_list *out);
enum pl_err pl_sqlite_user_states(struct pl_store *s, const struct pl_oid *ids,
    size_t count, struct pl_user_state_list *out);
enum pl_err pl_sqlite_users_page(struct pl_store *s, const struct pl_oid *after,
    size_t limit, struct pl_user_list *out);
enum pl_err pl_sqlite_people_page(struct pl_store *store, struct pl_str query,
    const struct pl_oid *after, size_t limit, struct pl_user_list *out);
enum pl_err pl_sqlite_people_fill(struct pl_store *store, size_t limit, size_t *filled);
enum pl_err pl_sqlite_users_tag(struct pl_store *s, uint8_t tag[PL_STORE_TAG_LEN]);
enum pl_err pl_sqlite_avatar(
    struct pl_store *s, const struct pl_oid *user, struct pl_avatar *out);
enum pl_err pl_sqlite_message_pos(struct pl_store *s, const struct pl_oid *a,
    const struct pl_oid *b, const struct pl_oid *message, struct pl_message_pos *out);
enum pl_err pl_sqlite_messages_page(struct pl_store *s, const struct pl_oid *a,
    const struct pl_oid *b, enum pl_page_way way, const struct pl_message_pos *pos,
    size_t limit, struct pl_message_list *out);
enum pl_err pl_sqlite_messages_to(struct pl_store *s, const struct pl_oid *receiver,
    const struct pl_message_pos *pos, size_t limit, struct pl_message_list *out);
enum pl_err pl_sqlite_positions_to(struct pl_store *s, const struct pl_oid *receiver,
    const struct pl_message_pos *pos, size_t limit, struct pl_pos_list *out);
enum pl_err pl_sqlite_messages_of(struct pl_store *s, const struct pl_oid *ids,
    size_t count, size_t text_bytes_max, struct pl_message_list *out);
enum pl_err pl_sqlite_changes(struct pl_store *s, const struct pl_oid *user,
    const struct pl_message_pos *after, size_t limit, struct pl_pos_list *out);
int64_t pl_sqlite_tidy(struct pl_store *s);
enum pl_err pl_sqlite_positions_of(struct pl_store *s, const struct pl_oid *user,
    const struct pl_message_pos *pos, size_t limit, struct pl_pos_list *out);
enum pl_err pl_sqlite_erase_step(struct pl_store *store, struct pl_erase_step *step);
enum pl_err pl_sqlite_erasures(struct pl_store *store, size_t *count);
enum pl_err pl_sqlite_conversations(struct pl_store *s, const struct pl_oid *user,
    const struct pl_message_pos *before, size_t limit, struct pl_conversation_list *out);
enum pl_err pl_sqlite_conversation(struct pl_store *s, const struct pl_oid *user,
    const struct pl_oid *other, struct pl_conversation *out);
enum pl_err pl_sqlite_correspondents(struct pl_store *s, const struct pl_oid *user,
    const struct pl_oid *after, size_t limit, struct pl_oid *ids, size_t *count);
enum pl_err pl_sqlite_blocks_page(struct pl_store *store, const struct pl_oid *user,
    const struct pl_oid *after, size_t limit, struct pl_block_list *out);
enum pl_err pl_sqlite_may_write(
    struct pl_store *store, const struct pl_oid *from, const struct pl_oid *to);
enum pl_err pl_sqlite_overdue(struct pl_store *store, int64_t due_unix_ms, size_t limit,
    struct pl_overdue_list *out);
enum pl_err pl_sqlite_revocations_since(
    struct pl_store *s, int64_t since_unix_ms, struct pl_revocation_list *out);
enum pl_err pl_sqlite_sessions_of(
    struct pl_store *s, const struct pl_oid *user, struct pl_session_list *out);
enum pl_err pl_sqlite_invite_look(
    struct pl_store *s, const uint8_t code_id[PL_INVITE_ID_LEN]);

/* ---- writes: inside a batch ---- */
enum pl_err pl_sqlite_user_insert(struct pl_sqlite *s, const struct pl_user *user);
/* Make user findable by full_name and username, in place of what it was findable by.
 * Whoever writes either of them calls it in the same batch; people.c does for other
 * programs. */
enum pl_err pl_sqlite_people_put(struct pl_sqlite *s, const struct pl_oid *id,
    struct pl_str full_name, struct pl_str username);
/* User is found no more; the names of shelves are not theirs either. */
enum pl_err pl_sqlite_people_drop(struct pl_sqlite *s, const struct pl_oid *id);
enum pl_err pl_sqlite_erase(struct pl_sqlite *s, struct pl_write_erase *erase);
enum pl_err pl_sqlite_user_set_status(struct pl_sqlite *s, const struct pl_oid *id,
    enum pl_status status, struct pl_str note);
enum pl_err pl_sqlite_user_set_password(struct pl_sqlite *s, const struct pl_oid *id,
    const char *old_hash, const char *new_hash);
enum pl_err pl_sqlite_user_disable(
    struct pl_sqlite *s, const struct pl_write_disabled *disabled);
/* As PL_WRITE_SESSION. */
enum pl_err pl_sqlite_user_may_begin(
    struct pl_sqlite *s, const struct pl_write_session *session) PL_MUST_CHECK;
enum pl_err pl_sqlite_invite_keep(struct pl_sqlite *s, const struct pl_invite *invite);
enum pl_err pl_sqlite_user_insert_invited(
    struct pl_sqlite *s, const struct pl_write_invited *invited);
/* Records of invites: as pl_sqlite_export(), and one of an import, PL_E_CONFLICT: there
 * is one. */
enum pl_err pl_sqlite_invites_page(struct pl_sqlite *s, const struct pl_record *after,
    size_t limit, struct pl_record_list *out);
enum pl_err pl_sqlite_invite_put(struct pl_sqlite *s, const struct pl_invite *invite);
enum pl_err pl_sqlite_invite_find(
    struct pl_sqlite *s, const uint8_t code_id[PL_INVITE_ID_LEN], struct pl_invite *out);
enum pl_err pl_sqlite_profile_set(struct pl_sqlite *s, struct pl_write_profile *profile);
enum pl_err pl_sqlite_avatar_set(struct pl_sqlite *s, struct pl_write_avatar *w);
/* The bytes alone, as a record. PL_E_CONFLICT: the user has some, or is not there. */
enum pl_err pl_sqlite_avatar_put(struct pl_sqlite *s, const struct pl_avatar *avatar);
/* Store full name, gender and both pictures of user, and that it was now. */
enum pl_err pl_sqlite_user_update(struct pl_sqlite *s, struct pl_user *user);
enum pl_err pl_sqlite_user_status(
    struct pl_sqlite *s, const struct pl_oid *id, enum pl_status *out);

enum pl_err pl_sqlite_send(struct pl_sqlite *s, struct pl_write_send *send);
enum pl_err pl_sqlite_change(struct pl_sqlite *s, struct pl_write *w);
/* What is replaced or deleted in between is overwritten, also in pages that are freed
 * (edits.c). The end follows also if begin or what came after it failed with err, and
 * gives that. */
enum pl_err pl_sqlite_forget_begin(struct pl_sqlite *s) PL_MUST_CHECK;
enum pl_err pl_sqlite_forget_end(struct pl_sqlite *s, enum pl_err err) PL_MUST_CHECK;
/* The place of the last message, before all if there is none. */
enum pl_err pl_sqlite_newest(struct pl_sqlite *s, struct pl_message_pos *out);
/* Set id and times so that m comes last in the order, and insert it. PL_E_CONFLICT: it is
 * a second reply to the same message. */
enum pl_err pl_sqlite_message_insert(struct pl_sqlite *s, struct pl_message *m);
/* Insert it with the id and the times that it has. PL_E_CONFLICT: as above, or the id is
 * taken. */
enum pl_err pl_sqlite_message_put(struct pl_sqlite *s, const struct pl_message *m);
enum pl_err pl_sqlite_message_by_id(
    struct pl_sqlite *s, const struct pl_oid *id, struct pl_message *out);
/* Rows up to *out are at pos or ahead of it, and no others; if rows lie in order. */
enum pl_err pl_sqlite_row_at(
    struct pl_sqlite *s, const struct pl_message_pos *pos, int64_t *out);
enum pl_err pl_sqlite_message_by_row(
    struct pl_sqlite *s, int64_t row, struct pl_message *out);

/* The two have a message: see that the rows of their conversation are there. */
enum pl_err pl_sqlite_pair(
    struct pl_sqlite *s, const struct pl_oid *a, const struct pl_oid *b);
/* In a batch or not. */
enum pl_err pl_sqlite_pair_is_listed(
    struct pl_sqlite *s, const struct pl_oid *a, const struct pl_oid *b, bool *is_listed);
/* How many correspondents user has, counted up to most. */
enum pl_err pl_sqlite_correspondents_count(struct pl_sqlite *s, const struct pl_oid *user,
    size_t most, size_t *count) PL_MUST_CHECK;
/* What was made is gone. */
void pl_sqlite_pairs_forget(struct pl_sqlite *s);
enum pl_err pl_sqlite_mark(struct pl_sqlite *s, struct pl_write_mark *mark);
/* In: user and other. */
enum pl_err pl_sqlite_marks_of(struct pl_sqlite *s, struct pl_record_marks *marks);
enum pl_err pl_sqlite_marks_set(struct pl_sqlite *s, const struct pl_record_marks *marks);
/* What other wrote to user beyond the read mark. */
enum pl_err pl_sqlite_unread(
    struct pl_sqlite *s, const struct pl_record_marks *marks, unsigned *count);

enum pl_err pl_sqlite_block(struct pl_sqlite *s, struct pl_write_block *block);
/* What one statement says of a send: the receiver's status, whether either of the two has
 * blocked the other, and whether the receiver has to do with any block. PL_E_NOT_FOUND: no
 * such receiver. */
enum pl_err pl_sqlite_receiver(struct pl_sqlite *s, const struct pl_oid *from,
    const struct pl_oid *to, enum pl_status *status, bool *is_blocked, bool *has_blocks);
/* The same in a batch, where one to whom it was sent before is known. */
enum pl_err pl_sqlite_receiver_of_send(struct pl_sqlite *s, const struct pl_oid *from,
    const struct pl_oid *to, enum pl_status *status, bool *is_blocked);
/* Somebody may have changed a user. */
void pl_sqlite_receivers_forget(struct pl_sqlite *s);
enum pl_err pl_sqlite_is_blocked(struct pl_sqlite *s, const struct pl_oid *a,
    const struct pl_oid *b, bool *is_blocked);
/* PL_E_CONFLICT: it is there. */
enum pl_err pl_sqlite_block_put(struct pl_sqlite *s, const struct pl_block *block);

/* The message that was stored under sender's key in the last 24 h, and what it keeps of
 * its first text; PL_E_NOT_FOUND: none. */
enum pl_err pl_sqlite_idem_find(struct pl_sqlite *s, const struct pl_oid *sender,
    struct pl_str key, struct pl_message *out, struct pl_first_text *kept);
enum pl_err pl_sqlite_idem_keep(
    struct pl_sqlite *s, struct pl_str key, const struct pl_message *m);
/* If m has a key. */
enum pl_err pl_sqlite_first_text_keep(struct pl_sqlite *s, const struct pl_message *m,
    const struct pl_first_text *first_text);

enum pl_err pl_sqlite_reply_job_add(struct pl_sqlite *s, const struct pl_oid *message,
    int64_t deadline_unix_ms, const struct pl_trace *trace);
enum pl_err pl_sqlite_reply_job_end(struct pl_sqlite *s, const struct pl_oid *message);
enum pl_err pl_sqlite_reply_claim(struct pl_sqlite *s, struct pl_write_claim *claim);
enum pl_err pl_sqlite_reply(struct pl_sqlite *s, struct pl_write_reply *reply);

/* *is_new (may be NULL): it was not there. */
enum pl_err pl_sqlite_revoke(
    struct pl_sqlite *s, struct pl_revocation *revocation, bool *is_new);
enum pl_err pl_sqlite_session_add(struct pl_sqlite *s, struct pl_write_session *session);
enum pl_err pl_sqlite_session_seen(struct pl_sqlite *s, const struct pl_write_seen *seen);
/* r was just stored: its sessions have ended, and its user may have too many revocations. */
enum pl_err pl_sqlite_sessions_end(struct pl_sqlite *s, const struct pl_revocation *r);
/* Adds what pl_store_revocations_since() says of lists. */
enum pl_err pl_sqlite_lists_since(
    struct pl_sqlite *s, int64_t since_unix_ms, struct pl_revocation_list *out);
/* Appends all revocations of user; with only_listed those of listed tokens. */
enum pl_err pl_sqlite_revocations_of(struct pl_sqlite *s, const struct pl_oid *user,
    bool only_listed, struct pl_revocation_list *out);
enum pl_err pl_sqlite_revocation_drop(
    struct pl_sqlite *s, const uint8_t token_id[PL_JWT_ID_LEN]);
/* As it is in a row: user, mark, changed, live. */
struct pl_query;
/* As it is in a row: user, type, bytes. */
void pl_sqlite_avatar_read(struct pl_query *q, struct pl_avatar *out);
void pl_sqlite_first_text_read(struct pl_query *q, int column, struct pl_first_text *out);
void pl_sqlite_marks_read(struct pl_query *q, int first, struct pl_record_marks *out);
void pl_sqlite_list_read(struct pl_query *q, struct pl_session_list *out);
/* PL_E_CONFLICT: the user has one, and must_be_new. */
enum pl_err pl_sqlite_list_write(
    struct pl_sqlite *s, const struct pl_session_list *l, bool must_be_new);
enum pl_err pl_sqlite_sessions_purge(struct pl_sqlite *s, int limit, int *dropped);
enum pl_err pl_sqlite_switch(struct pl_sqlite *s, struct pl_write_switch *key);

/* Drop at most limit expired records; *dropped counts them. */
enum pl_err pl_sqlite_idem_purge(struct pl_sqlite *s, int limit, int *dropped);
enum pl_err pl_sqlite_revocations_purge(struct pl_sqlite *s, int limit, int *dropped);

/* ---- records: as in store_records.h ---- */
enum pl_err pl_sqlite_export(struct pl_store *s, enum pl_record_kind kind,
    const struct pl_record *after, size_t limit, struct pl_record_list *out);
enum pl_err pl_sqlite_import(struct pl_store *s, struct pl_record *records, size_t count);

/* ---- rows that several nouns read ---- */
#define PL_SQLITE_USER_COLUMNS                                                           \
	"u.id, u.username, u.full_name, u.password_hash, u.profile_pic, u.note, "        \
	"u.gender, u.status, u.created, u.updated, u.disabled, u.given_pic"
#define PL_SQLITE_MESSAGE_COLUMNS                                                        \
	"m.id, m.sender, m.receiver, m.text, m.created, m.reply_kind, m.in_reply_to, "   \
	"m.edited, m.deleted"
enum { PL_SQLITE_MESSAGE_WIDTH = 9 };

/* Read the columns from first on; the caller finis *out, also if the query fails. */
void pl_sqlite_user_read(struct pl_query *q, int first, struct pl_user *out);
void pl_sqlite_message_read(struct pl_query *q, int first, struct pl_message *out);

#endif
