/*
 * session: one client of a MongoDB server or replica set, and the nouns that live there.
 *
 *   store_mongo.c  open, batches          client.c       the URI, deadlines, safety
 *   documents.c    BSON and the model     query.c        finds, inserts, updates
 *   indexes.c      indexes                index_there.c  those that are there already
 *   users.c        users                  survey.c       what we cannot serve
 *   diagnosis.c    what is wrong with it  adopt.c        mending it, with adopt_move.c
 *   messages.c     reading messages       send.c         storing messages
 *   idem.c         Idempotency-Keys       order.c        places in the order
 *   replies.c      reply jobs             revocations.c  refused tokens
 *   sessions.c     lists of sessions      records.c      copying it all
 *   backup.c       a backup               restore.c      filling a store from it
 *   correspondents.c  who writes to whom  fill.c         finding that out, fill_thread.c
 *   conversations.c   their list          ranges.c       the ends of many of them
 *   marks.c        how far one has read
 *   people.c       finding users          disabled.c     users who may not log in
 *   invites.c      invites                blocks.c       who has blocked whom
 *   erase*.c       what is left of a user who is gone       own.c  all messages of one user
 *
 * A session has a client of its own rather than one of a pool: a store thread uses one
 * client all its life, so that there are as many connections as threads either way, and
 * this one needs no threads of the driver beside kore's, notices an outage inside the
 * call that meets it, and keeps every deadline in that call.
 *
 * Nothing here needs transactions: what belongs together is one document. Every write but
 * a lease waits for the journal of a majority.  Only store/ uses it.  Threads: the
 * session's.
 */
#ifndef PL_STORE_MONGO_SESSION_H
#define PL_STORE_MONGO_SESSION_H

#include <mongoc/mongoc.h>

#include "base/list.h"
#include "store/store_backend.h"

/*
 * A call that meets an outage is over within PL_MONGO_SOCKET_MS: no other command begins
 * after the first one that does not reach the server. If the server is merely slow, none
 * begins after PL_MONGO_BEGIN_MS.
 */
#define PL_MONGO_BEGIN_MS   3000
#define PL_MONGO_SOCKET_MS  1500
#define PL_MONGO_CONNECT_MS 1000
/* What takes longer than a command and a half stood still with the machine, and the
 * server did, too: the rest does not count. */
#define PL_MONGO_STEP_MS 2500
/* The time for one command at the server, which gives up before we do. */
#define PL_MONGO_SERVER_MS 1400
_Static_assert(PL_MONGO_SERVER_MS < PL_MONGO_SOCKET_MS, "the server's word comes first");
_Static_assert(PL_MONGO_CONNECT_MS < PL_MONGO_SOCKET_MS, "an outage is one wait");
_Static_assert(PL_MONGO_BEGIN_MS + PL_MONGO_SOCKET_MS < PL_STORE_WAIT_MS,
    "who waits in line behind one slow call is still carried out");
/* The time for an index before it is asked for again. */
#define PL_MONGO_BUILD_MS (15 * 60 * 1000)
/* The same times for tools: for each answer, and for a call to begin commands in; for a
 * connection, whenever answers have more time than a service's; for the server. */
#define PL_MONGO_PATIENT_MS         60000
#define PL_MONGO_PATIENT_CONNECT_MS 10000
#define PL_MONGO_PATIENT_SERVER_MS  54000
_Static_assert(
    PL_MONGO_PATIENT_SERVER_MS < PL_MONGO_PATIENT_MS, "the server's word comes first");

struct pl_known_pairs;

struct pl_mongo {
	struct pl_store store;
	mongoc_client_t *client;
	mongoc_collection_t *users;
	mongoc_collection_t *messages;
	mongoc_collection_t *revocations;
	mongoc_collection_t *sessions;
	mongoc_collection_t *correspondents;
	mongoc_collection_t *invites;
	mongoc_collection_t *avatars;
	mongoc_collection_t *blocks;
	mongoc_collection_t *erasures;
	struct pl_known_pairs *known; /* correspondents.c's; NULL until it knows one */
	bool is_patient;              /* a tool's, as in struct pl_store_config */
	int64_t begin_ms;       /* left for the call that runs to begin commands in */
	int64_t looked_mono_ms; /* when that was so */
	bool is_lost;           /* a command of the call did not reach the server */
	int64_t now_unix_ms;    /* of the batch that runs */
	int64_t purge_mono_ms;  /* when the next purge is due */
};

/* The session behind s, at the beginning of a call. */
struct pl_mongo *pl_mongo_start(struct pl_store *s);

/* ---- the client ---- */

/* A client with our deadlines (answers within answer_ms), write concern and read
 * preference, whatever the URI says of them; the rest of the URI is the driver's.
 * PL_E_INVALID: it is not a MongoDB URI. */
enum pl_err pl_mongo_client_new(
    const char *text, int32_t answer_ms, mongoc_client_t **out) PL_MUST_CHECK;
/* The database that the URI names; "test" if it names none, as with mongoose. */
const char *pl_mongo_database(const mongoc_client_t *client);

/* A session, without a look at its indexes. */
enum pl_err pl_mongo_connect(
    const char *uri, int32_t answer_ms, struct pl_mongo **out) PL_MUST_CHECK;
/* Make the indexes that are missing. PL_E_CONFLICT: what is stored already breaks a rule
 * that we need; the log says which. PL_E_UNAVAILABLE also if the server has to work on it
 * for longer: a thread of this process waits for it, and opening succeeds then. */
enum pl_err pl_mongo_indexes(struct pl_mongo *s, const char *uri) PL_MUST_CHECK;
enum pl_err pl_mongo_indexes_make(struct pl_mongo *s) PL_MUST_CHECK; /* nothing else */
enum pl_err pl_mongo_indexes_make_messages(struct pl_mongo *s) PL_MUST_CHECK;
/* Open with the patience that making indexes takes, up to PL_MONGO_BUILD_MS. */
enum pl_err pl_mongo_open_patient(const char *uri, struct pl_store **out) PL_MUST_CHECK;

/* Once a process, in a thread of its own: look for what cannot be served, and log it. */
void pl_mongo_survey(const char *uri);

/* A collection that is in a database while it is being filled. */
#define PL_MONGO_RESTORE "parley_restore"

/* ---- reads: as in store.h ---- */
enum pl_err pl_mongo_user_by_id(
    struct pl_store *s, const struct pl_oid *id, struct pl_user *out);
enum pl_err pl_mongo_user_by_username(
    struct pl_store *s, struct pl_str username, struct pl_user *out);
enum pl_err pl_mongo_users_exist(
    struct pl_store *s, const struct pl_oid *ids, size_t count, bool *exist);
enum pl_err pl_mongo_users_of(
    struct pl_store *s, const struct pl_oid *ids, size_t count, struct pl_user_list *out);
enum pl_err pl_mongo_user_states(struct pl_store *s, const struct pl_oid *ids,
    size_t count, struct pl_user_state_list *out);
enum pl_err pl_mongo_users_page(struct pl_store *s, const struct pl_oid *after,
    size_t limit, struct pl_user_list *out);
enum pl_err pl_mongo_people_page(struct pl_store *store, struct pl_str query,
    const struct pl_oid *after, size_t limit, struct pl_user_list *out);
enum pl_err pl_mongo_people_fill(struct pl_store *store, size_t limit, size_t *filled);
enum pl_err pl_mongo_users_tag(struct pl_store *s, uint8_t tag[PL_STORE_TAG_LEN]);
enum pl_err pl_mongo_avatar(
    struct pl_store *s, const struct pl_oid *user, struct pl_avatar *out);
enum pl_err pl_mongo_message_pos(struct pl_store *s, const struct pl_oid *a,
    const struct pl_oid *b, const struct pl_oid *message, struct pl_message_pos *out);
enum pl_err pl_mongo_messages_page(struct pl_store *s, const struct pl_oid *a,
    const struct pl_oid *b, enum pl_page_way way, const struct pl_message_pos *pos,
    size_t limit, struct pl_message_list *out);
enum pl_err pl_mongo_messages_to(struct pl_store *s, const struct pl_oid *receiver,
    const struct pl_message_pos *pos, size_t limit, struct pl_message_list *out);
enum pl_err pl_mongo_positions_to(struct pl_store *s, const struct pl_oid *receiver,
    const struct pl_message_pos *pos, size_t limit, struct pl_pos_list *out);
enum pl_err pl_mongo_messages_of(struct pl_store *s, const struct pl_oid *ids,
    size_t count, size_t text_bytes_max, struct pl_message_list *out);
enum pl_err pl_mongo_positions_of(struct pl_store *s, const struct pl_oid *user,
    const struct pl_message_pos *pos, size_t limit, struct pl_pos_list *out);
enum pl_err pl_mongo_erase_step(struct pl_store *store, struct pl_erase_step *step);
enum pl_err pl_mongo_erasures(struct pl_store *store, size_t *count);
enum pl_err pl_mongo_overdue(struct pl_store *store, int64_t due_unix_ms, size_t limit,
    struct pl_overdue_list *out);
enum pl_err pl_mongo_revocations_since(
    struct pl_store *s, int64_t since_unix_ms, struct pl_revocation_list *out);
enum pl_err pl_mongo_sessions_of(
    struct pl_store *s, const struct pl_oid *user, struct pl_session_list *out);

enum pl_err pl_mongo_invite_look(
    struct pl_store *s, const uint8_t code_id[PL_INVITE_ID_LEN]);

enum pl_err pl_mongo_changes(struct pl_store *store, const struct pl_oid *user,
    const struct pl_message_pos *after, size_t limit, struct pl_pos_list *out);
enum pl_err pl_mongo_correspondents(struct pl_store *s, const struct pl_oid *user,
    const struct pl_oid *after, size_t limit, struct pl_oid *ids, size_t *count);
enum pl_err pl_mongo_conversations(struct pl_store *s, const struct pl_oid *user,
    const struct pl_message_pos *before, size_t limit, struct pl_conversation_list *out);
enum pl_err pl_mongo_conversation(struct pl_store *s, const struct pl_oid *user,
    const struct pl_oid *other, struct pl_conversation *out);
enum pl_err pl_mongo_blocks_page(struct pl_store *store, const struct pl_oid *user,
    const struct pl_oid *after, size_t limit, struct pl_block_list *out);
enum pl_err pl_mongo_may_write(
    struct pl_store *store, const struct pl_oid *from, const struct pl_oid *to);

/* ---- the same within a call that began already ---- */
enum pl_err pl_mongo_user_find(
    struct pl_mongo *s, const struct pl_oid *id, struct pl_user *out) PL_MUST_CHECK;
enum pl_err pl_mongo_pos_of(struct pl_mongo *s, const struct pl_oid *a,
    const struct pl_oid *b, const struct pl_oid *message,
    struct pl_message_pos *out) PL_MUST_CHECK;
enum pl_err pl_mongo_page_read(struct pl_mongo *s, const struct pl_oid *a,
    const struct pl_oid *b, enum pl_page_way way, const struct pl_message_pos *pos,
    size_t limit, struct pl_message_list *out) PL_MUST_CHECK;
/* Adds to a filter: (createdAt, _id) after pos, or before it. */
void pl_mongo_put_place(bson_t *filter, bool is_after, const struct pl_message_pos *pos);
/* As pl_store_users_exist(). */
enum pl_err pl_mongo_users_there(struct pl_mongo *s, const struct pl_oid *ids,
    size_t count, bool *exist) PL_MUST_CHECK;
enum pl_err pl_mongo_list_of(struct pl_mongo *s, const struct pl_oid *ids, size_t count,
    size_t text_bytes_max, struct pl_message_list *out) PL_MUST_CHECK;

/* ---- records: as in store_records.h ---- */
enum pl_err pl_mongo_export(struct pl_store *s, enum pl_record_kind kind,
    const struct pl_record *after, size_t limit, struct pl_record_list *out);
enum pl_err pl_mongo_import(struct pl_store *s, struct pl_record *records, size_t count);

/* ---- writes: count of one kind, in the order of the batch; each one's err is set ---- */
void pl_mongo_users_insert(
    struct pl_mongo *s, struct pl_write *const *writes, size_t count);
void pl_mongo_sends(struct pl_mongo *s, struct pl_write *const *writes, size_t count);
void pl_mongo_replies(struct pl_mongo *s, struct pl_write *const *writes, size_t count);
void pl_mongo_revokes(struct pl_mongo *s, struct pl_write *const *writes, size_t count);
enum pl_err pl_mongo_user_set_status(struct pl_mongo *s, const struct pl_oid *id,
    enum pl_status status, struct pl_str note);
enum pl_err pl_mongo_user_set_password(struct pl_mongo *s, const struct pl_oid *id,
    const char *old_hash, const char *new_hash);
enum pl_err pl_mongo_user_disable(
    struct pl_mongo *s, const struct pl_write_disabled *disabled);
/* As PL_WRITE_SESSION. */
enum pl_err pl_mongo_user_may_begin(
    struct pl_mongo *s, const struct pl_write_session *session) PL_MUST_CHECK;
enum pl_err pl_mongo_invite_keep(struct pl_mongo *s, const struct pl_invite *invite);
enum pl_err pl_mongo_user_insert_invited(
    struct pl_mongo *s, const struct pl_write_invited *invited);
enum pl_err pl_mongo_profile_set(struct pl_mongo *s, struct pl_write_profile *profile);
enum pl_err pl_mongo_avatar_set(struct pl_mongo *s, struct pl_write_avatar *w);
/* Read the user, let change() alter it, and store full name, gender and both pictures, if
 * nobody has changed them meanwhile: then it begins anew. PL_E_NOT_FOUND: no such user.
 * The caller finis *out. */
enum pl_err pl_mongo_user_change(struct pl_mongo *s, const struct pl_oid *id,
    void (*change)(struct pl_user *user, const void *arg), const void *arg,
    struct pl_user *out) PL_MUST_CHECK;
enum pl_err pl_mongo_session_add(struct pl_mongo *s, struct pl_write_session *session);
enum pl_err pl_mongo_session_seen(struct pl_mongo *s, const struct pl_write_seen *seen);
/* r was just stored: its sessions have ended, and its user may have too many revocations. */
enum pl_err pl_mongo_sessions_end(struct pl_mongo *s, const struct pl_revocation *r);
/* Adds what pl_store_revocations_since() says of lists. */
enum pl_err pl_mongo_lists_since(
    struct pl_mongo *s, int64_t since_unix_ms, struct pl_revocation_list *out);
/* Appends all revocations of user; with only_listed those of listed tokens. */
enum pl_err pl_mongo_revocations_of(struct pl_mongo *s, const struct pl_oid *user,
    bool only_listed, struct pl_revocation_list *out);
enum pl_err pl_mongo_switch(struct pl_mongo *s, struct pl_write_switch *key);
enum pl_err pl_mongo_reply_claim(struct pl_mongo *s, struct pl_write_claim *claim);
enum pl_err pl_mongo_erase(struct pl_mongo *s, struct pl_write_erase *erase);
void pl_mongo_erasure_write(bson_t *doc, const struct pl_record_erasure *erasure);
/* Those of a backup, in erasures: also what was done then may be undone by it. */
enum pl_err pl_mongo_erasures_begin_anew(
    struct pl_mongo *s, mongoc_collection_t *erasures) PL_MUST_CHECK;
enum pl_err pl_mongo_mark(struct pl_mongo *s, struct pl_write_mark *mark);
enum pl_err pl_mongo_block(struct pl_mongo *s, struct pl_write_block *w);
enum pl_err pl_mongo_change(struct pl_mongo *s, struct pl_write *w);

/* Drop at most limit expired Idempotency-Keys; *dropped counts them. */
enum pl_err pl_mongo_idem_purge(struct pl_mongo *s, size_t limit, size_t *dropped);

/* ---- the order ---- */

/*
 * From pl_mongo_order_lock() to _unlock() nobody else in this process stores a message,
 * so that the places that pl_mongo_order_next() gives are in the order of this process's
 * commits: each after the one before, and after floor (NULL: none). Other processes go by
 * their clocks.
 */
void pl_mongo_order_lock(void);
void pl_mongo_order_unlock(void);
struct pl_message_pos pl_mongo_order_next(const struct pl_message_pos *floor);
/* The time of the next revocation, never before the last one's. */
int64_t pl_mongo_order_next_revocation(void);

#endif
