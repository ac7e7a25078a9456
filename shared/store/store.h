/*
 * store: the truth. One contract, kept by store_sqlite and store_mongo alike, and shown
 * by one test suite (tests/contract).
 *
 * A struct pl_store is one session (a database connection) and belongs to one thread. All
 * calls block; services reach them through store_async, never on the event loop.
 *
 * Reads are plain calls. Writes are records handed over in batches: pl_store_write()
 * commits them all durably at once (group commit), and each gets its own outcome; one
 * that is refused never fails its neighbours. When it returns, every record with PL_OK is
 * committed: no kill or power cut takes it back (G1).
 *
 * Failures: PL_E_UNAVAILABLE, the database does not answer; PL_E_FULL, its disk is full;
 * PL_E_IO, it failed otherwise. Besides these each call names its own. After such a
 * failure SQLite has stored nothing. MongoDB may have stored it, if only the answer was
 * lost: a key makes a second try safe (Idempotency-Key, the message replied to, username,
 * token).
 *
 * The order of messages is (createdAt, _id). With SQLite it is the order of commits in
 * one database. With MongoDB it is the order of commits within one process. What two
 * processes commit at the same time is ordered by their clocks, so that a message may
 * turn up before the place that a reader has got to, by as much as the clocks differ and
 * a commit takes. A reader that follows the store reads the last seconds again, and knows
 * by their _ids which messages it has seen.
 */
#ifndef PL_STORE_STORE_H
#define PL_STORE_STORE_H

#include "auth/invite.h"
#include "auth/session_list.h"
#include "model/avatar.h"
#include "model/conversation.h"
#include "model/message.h"
#include "model/user.h"
#include "proto/trace.h"

#define PL_STORE_WAIT_MS 5000 /* in store_async's queue; then a call is dropped */

struct pl_store;

struct pl_store_config {
	const char *data_dir;  /* SQLite: the folder of parley.db; made 0700 if missing */
	const char *mongo_uri; /* MongoDB when set */
	/* Once open, logs what it cannot serve (store_adopt.h), and fills in who is due
	 * (store_people.h). */
	bool names_unservable;
	/* Once open, and from then on, looks for conversations that another program or an
	 * older process began, in a thread of its own, and logs it. */
	bool fills_pairs;
	/* Not NULL: once open, and from then on, finishes erasures, in a thread of its
	 * own (store_erase.h). Called there when one is begun: all sessions of its user
	 * were just revoked by r, which the processes are to be told. */
	void (*on_erasing)(const struct pl_revocation *r);
	/* With it, and called there, too: what user wrote is gone, for all that had been
	 * stored. Called again when what came late is gone, too, some seconds before
	 * pl_store_correspondents() knows them no more. */
	void (*on_erased)(const struct pl_oid *user);
	/* A tool's, whose calls no client waits for. MongoDB: 10 s for a connection, a
	 * minute for an answer; opening waits for indexes that are missing, up to a
	 * quarter of an hour for each. */
	bool is_patient;
};

#define PL_STORE_SQLITE_FILE "parley.db"
/* Is there a SQLite store in this folder, or a backup of one? */
bool pl_store_has_sqlite(const char *folder) PL_MUST_CHECK;

/* Can config ever be opened? Called at the start of a process, before it has threads.
 * PL_E_INVALID: mongo_uri is no such URI. PL_E_CONFLICT: what is stored breaks a rule,
 * such as two users of one username, and only the operator can mend that; the log says
 * what it is. A database that is away is fine: it may come. Nothing is left open, so that
 * the process may fork. */
enum pl_err pl_store_check(const struct pl_store_config *config) PL_MUST_CHECK;
/* Opens, and makes tables and indexes that are missing. Also fails as
 * pl_store_check(). */
enum pl_err pl_store_open(
    const struct pl_store_config *config, struct pl_store **out) PL_MUST_CHECK;
void pl_store_close(struct pl_store *s); /* NULL is fine */
/* For programs that may wait: is a step that came to err, and may be done twice, worth
 * another try? Only if the database did not answer; it then sleeps, 0.5 s and longer each
 * time, and says no after the fifth. *tries begins with 0. */
bool pl_store_try_again(enum pl_err err, int *tries) PL_MUST_CHECK;
/* The same for work that would be lost: it says no only after the eleventh, when it has
 * slept for almost a minute in all, 8 s at most at once. A replica set has elected another
 * primary by then. */
bool pl_store_try_longer(enum pl_err err, int *tries) PL_MUST_CHECK;
/* Does the database answer? For /readyz. */
enum pl_err pl_store_ping(struct pl_store *s);

/* ---- reads ---- */

/* PL_E_NOT_FOUND if there is none. The caller calls pl_user_fini() on *out. */
enum pl_err pl_store_user_by_id(
    struct pl_store *s, const struct pl_oid *id, struct pl_user *out) PL_MUST_CHECK;
enum pl_err pl_store_user_by_username(
    struct pl_store *s, struct pl_str username, struct pl_user *out) PL_MUST_CHECK;
/* exist[i]: there is a user ids[i]. At most PL_STORE_IDS_MAX ids, in any order, perhaps
 * twice. All are answered together, or none: exist is untouched unless PL_OK, so that an
 * outage never looks like users who are gone. */
#define PL_STORE_IDS_MAX 1000
enum pl_err pl_store_users_exist(struct pl_store *s, const struct pl_oid *ids,
    size_t count, bool *exist) PL_MUST_CHECK;

/* The user's own picture; PL_E_NOT_FOUND: there is none. The caller calls
 * pl_avatar_fini(). */
enum pl_err pl_store_avatar(
    struct pl_store *s, const struct pl_oid *user, struct pl_avatar *out) PL_MUST_CHECK;

struct pl_user_list {
	struct pl_user *items;
	size_t count;
};
void pl_user_list_fini(struct pl_user_list *list);
/* The users of these ids, none of them twice, at most PL_STORE_IDS_MAX: in this order,
 * without those that are not there. */
enum pl_err pl_store_users_of(struct pl_store *s, const struct pl_oid *ids, size_t count,
    struct pl_user_list *out) PL_MUST_CHECK;
/* What is asked of many users again and again, and changes: without what else they have. */
struct pl_user_state {
	struct pl_oid id;
	enum pl_status status;
	bool is_disabled;
	char *note; /* NULL: none */
};
struct pl_user_state_list {
	struct pl_user_state *items;
	size_t count;
};
void pl_user_state_list_fini(struct pl_user_state_list *list);
/* The same as pl_store_users_of(). */
enum pl_err pl_store_user_states(struct pl_store *s, const struct pl_oid *ids,
    size_t count, struct pl_user_state_list *out) PL_MUST_CHECK;
/* The first limit users with an id above after (NULL: from the start), by id. */
enum pl_err pl_store_users_page(struct pl_store *s, const struct pl_oid *after,
    size_t limit, struct pl_user_list *out) PL_MUST_CHECK;

/* The same of the users of whom each word of query, folded (base/fold), begins some word
 * of full name or username; by full name, folded, then id. A query without words matches
 * all; one of more than PL_STORE_QUERY_WORDS_MAX is the same as its longest ones.
 * PL_E_NOT_FOUND: there is no user after. */
#define PL_STORE_QUERY_WORDS_MAX 16
enum pl_err pl_store_people_page(struct pl_store *s, struct pl_str query,
    const struct pl_oid *after, size_t limit, struct pl_user_list *out) PL_MUST_CHECK;
/*
 * People are found by what is stored of their names besides them. Whom an older process
 * or another program has added or renamed is due, which the store notes by itself. A page
 * first fills in PL_STORE_PEOPLE_FILL of these, so that it has everybody unless very many
 * came at once; the many of an old database are filled in by a thread (store_people.h).
 */
#define PL_STORE_PEOPLE_FILL 256
/* Fill in at most limit that are due; *filled of them there were. */
enum pl_err pl_store_people_fill(
    struct pl_store *s, size_t limit, size_t *filled) PL_MUST_CHECK;
/* A name for what all users show now: another one after any change of it, by any program,
 * and none that was used before. PL_E_NOT_FOUND: this store has none. */
#define PL_STORE_TAG_LEN 16
enum pl_err pl_store_users_tag(
    struct pl_store *s, uint8_t tag[PL_STORE_TAG_LEN]) PL_MUST_CHECK;

struct pl_message_list {
	struct pl_message *items;
	size_t count;
	char *texts; /* the texts of all lie here; NULL: each message owns its own */
};
void pl_message_list_fini(struct pl_message_list *list);
void pl_message_list_reverse(struct pl_message_list *list);
/* The place in the order of a message between a and b; PL_E_NOT_FOUND if it is not one of
 * theirs. */
enum pl_err pl_store_message_pos(struct pl_store *s, const struct pl_oid *a,
    const struct pl_oid *b, const struct pl_oid *message,
    struct pl_message_pos *out) PL_MUST_CHECK;
/* Messages between a and b, at most limit, always given oldest first.
 *   PL_PAGE_AFTER:  the first ones after pos (NULL: from the start)
 *   PL_PAGE_BEFORE: the last ones before pos (NULL: from the end)
 * Costs the same at any place of a conversation of any length. */
enum pl_page_way { PL_PAGE_AFTER, PL_PAGE_BEFORE };
enum pl_err pl_store_messages_page(struct pl_store *s, const struct pl_oid *a,
    const struct pl_oid *b, enum pl_page_way way, const struct pl_message_pos *pos,
    size_t limit, struct pl_message_list *out) PL_MUST_CHECK;
/* Messages to a receiver (NULL: to anybody) after pos, oldest first, at most limit. */
enum pl_err pl_store_messages_to(struct pl_store *s, const struct pl_oid *receiver,
    const struct pl_message_pos *pos, size_t limit,
    struct pl_message_list *out) PL_MUST_CHECK;

struct pl_pos_list {
	struct pl_message_pos *items;
	size_t count;
};
void pl_pos_list_fini(struct pl_pos_list *list);
/* The places of the messages to a receiver after pos, oldest first, at most limit. They
 * are read from an index alone, so the length of the texts costs nothing. With MongoDB
 * the places of documents that are no messages are among them. */
enum pl_err pl_store_positions_to(struct pl_store *s, const struct pl_oid *receiver,
    const struct pl_message_pos *pos, size_t limit,
    struct pl_pos_list *out) PL_MUST_CHECK;
/* The places of the messages that user wrote or got after pos (NULL: from the start),
 * oldest first, at most limit; texts cost nothing, but all that user wrote after pos is
 * looked through: so ask for many. */
#define PL_STORE_OWN_MAX 4096
enum pl_err pl_store_positions_of(struct pl_store *s, const struct pl_oid *user,
    const struct pl_message_pos *pos, size_t limit,
    struct pl_pos_list *out) PL_MUST_CHECK;
/* The messages of these ids, in this order, without those that are not there.
 * PL_E_TOO_BIG: their texts take more than text_bytes_max; only some of them were read
 * then. */
enum pl_err pl_store_messages_of(struct pl_store *s, const struct pl_oid *ids,
    size_t count, size_t text_bytes_max, struct pl_message_list *out) PL_MUST_CHECK;

/* Where changes of messages stand in time: {when it changed, the message's id}, in this
 * order, after that one (NULL: from the first), at most limit; of messages to or from
 * user (NULL: of all). A message has the place of its last change only, so whoever reads
 * on finds it once. Costs by what is found. */
enum pl_err pl_store_changes(struct pl_store *s, const struct pl_oid *user,
    const struct pl_message_pos *after, size_t limit,
    struct pl_pos_list *out) PL_MUST_CHECK;

struct pl_conversation_list {
	struct pl_conversation *items;
	size_t count;
};
void pl_conversation_list_fini(struct pl_conversation_list *list);
/* The conversations of user, the one with the newest last message first, at most limit,
 * whose last messages come before pos (NULL: from the newest). Those with somebody who is
 * no user are passed over. Costs by the number of user's correspondents, and not of their
 * messages. */
enum pl_err pl_store_conversations(struct pl_store *s, const struct pl_oid *user,
    const struct pl_message_pos *before, size_t limit,
    struct pl_conversation_list *out) PL_MUST_CHECK;
/* The one with other; PL_E_NOT_FOUND: no such user. The caller calls
 * pl_conversation_fini(). */
enum pl_err pl_store_conversation(struct pl_store *s, const struct pl_oid *user,
    const struct pl_oid *other, struct pl_conversation *out) PL_MUST_CHECK;

/* The first limit of those who have a message from user, or wrote one to them, with an id
 * above after (NULL: from the start), by id; also of a user who is gone, while their
 * erasure goes on. ids has room for limit. */
enum pl_err pl_store_correspondents(struct pl_store *s, const struct pl_oid *user,
    const struct pl_oid *after, size_t limit, struct pl_oid *ids,
    size_t *count) PL_MUST_CHECK;

/* user does not want to hear from other. While either of two has blocked the other,
 * neither can write to the other. */
struct pl_block {
	struct pl_oid user;
	struct pl_oid other;
	int64_t created_unix_ms;
};
struct pl_block_list {
	struct pl_block *items;
	size_t count;
};
void pl_block_list_fini(struct pl_block_list *list);
/* Whom user has blocked, with an id above after (NULL: from the start), by id, at most
 * limit. Some may be no users any more. */
enum pl_err pl_store_blocks_page(struct pl_store *s, const struct pl_oid *user,
    const struct pl_oid *after, size_t limit, struct pl_block_list *out) PL_MUST_CHECK;
/* May from write to to? PL_E_NOT_FOUND: there is no such receiver; PL_E_DENIED: either
 * has blocked the other. */
enum pl_err pl_store_may_write(
    struct pl_store *s, const struct pl_oid *from, const struct pl_oid *to) PL_MUST_CHECK;

/* A message whose automatic reply was due, and is not stored. */
struct pl_overdue {
	struct pl_message_pos message;
	struct pl_trace trace; /* of its send; none if an older version stored it */
};
struct pl_overdue_list {
	struct pl_overdue *items;
	size_t count;
};
void pl_overdue_list_fini(struct pl_overdue_list *list);
/* Those that were due by due_unix_ms, first due first, at most limit. A lease does not
 * matter: the process that has it may be dead, or stand still, and the store takes one
 * reply only. */
enum pl_err pl_store_overdue(struct pl_store *s, int64_t due_unix_ms, size_t limit,
    struct pl_overdue_list *out) PL_MUST_CHECK;

struct pl_revocation_list {
	struct pl_revocation *items;
	size_t count;
	struct pl_session_list *lists; /* of users whose mark was set since */
	size_t list_count;
};
/* All revocations made at since_unix_ms or later whose tokens have not expired; and the
 * lists whose marks were set since then, and all that is left of revocations of their
 * users: some twice. */
enum pl_err pl_store_revocations_since(struct pl_store *s, int64_t since_unix_ms,
    struct pl_revocation_list *out) PL_MUST_CHECK;
void pl_revocation_list_fini(struct pl_revocation_list *list);
/* The live sessions of a user; none if there is no list. */
enum pl_err pl_store_sessions_of(struct pl_store *s, const struct pl_oid *user,
    struct pl_session_list *out) PL_MUST_CHECK;

/* May somebody sign up by the invite? PL_E_NOT_FOUND: there is none, or it is used up or
 * has expired. PL_OK promises nothing: PL_WRITE_INVITED tells. */
enum pl_err pl_store_invite_look(
    struct pl_store *s, const uint8_t code_id[PL_INVITE_ID_LEN]) PL_MUST_CHECK;

/* ---- writes ---- */

enum pl_write_kind {
	PL_WRITE_USER,     /* insert; PL_E_CONFLICT: the username is taken */
	PL_WRITE_STATUS,   /* set status and note; PL_E_NOT_FOUND: no such user */
	PL_WRITE_PASSWORD, /* replace the hash; PL_E_CONFLICT: the old one is another */
	PL_WRITE_SEND,   /* store a message, with its reply job if the receiver is BUSY */
	PL_WRITE_REVOKE, /* refuse tokens from now on; may be repeated */
	PL_WRITE_SESSION,     /* list a session whose token is about to be issued */
	PL_WRITE_SEEN,        /* note that a listed session was used */
	PL_WRITE_SWITCH,      /* note which secret signs, and which one did before */
	PL_WRITE_REPLY_CLAIM, /* take a reply job under a lease */
	PL_WRITE_REPLY, /* store the one automatic reply to a message, end its job */
	PL_WRITE_MARK,  /* note how far a user has read a conversation, or got it */

	PL_WRITE_INVITE,   /* keep an invite; drops those that have expired */
	PL_WRITE_INVITED,  /* insert a user by an invite, which loses one use */
	PL_WRITE_DISABLED, /* disable or enable a user; PL_E_NOT_FOUND: no such user */
	PL_WRITE_PROFILE,  /* change full name, gender; PL_E_NOT_FOUND: no such user */
	PL_WRITE_AVATAR, /* set or drop a user's own picture; PL_E_NOT_FOUND: no such user */
	PL_WRITE_BLOCK,  /* block a user, or no longer; may be repeated */
	PL_WRITE_EDIT,   /* give a message another text */
	PL_WRITE_DELETE, /* take its text away, and the reply that it is owed */
	PL_WRITE_ERASE, /* a user is gone; what is left of them goes later (store_erase.h) */
};

/* A message to store. The store sets id and times at the commit (see the order above).
 * PL_E_NOT_FOUND: no such receiver. PL_E_CONFLICT: idem_key was used with another
 * body. PL_E_DENIED: either of the two has blocked the other, and it is no replay. */
struct pl_write_send {
	struct pl_message
	    message; /* in: sender, receiver, text; out: all. The caller finis it */
	struct pl_str idem_key; /* the sender's Idempotency-Key, kept 24 h; empty: none */
	struct pl_trace trace;  /* in: of the request; kept in the reply job */
	bool only_replay; /* in: store nothing; PL_OK without replayed: unknown key */
	int64_t
	    reply_within_ms;   /* the job's deadline, from the commit by the wall clock */
	bool replayed;         /* out: the key was known, message is the first answer */
	bool busy;             /* out: the receiver was BUSY, a reply job was stored */
	enum pl_status status; /* out: the receiver's */
};

/* Take one job: the named message's, or the one due first. Free to take: no reply yet, no
 * lease in force, deadline at most due_before_unix_ms. PL_E_NOT_FOUND: none. Jobs of
 * messages between two of whom one has blocked the other end here. (With MongoDB, if a
 * process dies right after it has stored the reply, the job is given once more: the
 * second reply is refused, and ends it.) */
struct pl_write_claim {
	const struct pl_oid *message_id; /* NULL: the one that is due first */
	int64_t due_before_unix_ms;      /* INT64_MAX: any */
	int64_t lease_ms;
	/* out; the caller finis it */
	struct pl_message message;
	struct pl_user busy_user;
	int64_t deadline_unix_ms;
	int64_t attempt;       /* 1 at the first claim */
	struct pl_trace trace; /* of the send; none if an older version stored it */
};

/* The reply to in_reply_to, from its receiver to its sender. PL_E_CONFLICT: it has one;
 * PL_E_NOT_FOUND: no such message, or it is an automatic reply itself; PL_E_DENIED:
 * either of the two has blocked the other. The job ends either way. PL_E_NOT_FOUND also
 * if the message was deleted, or one of the two is gone. */
struct pl_write_reply {
	struct pl_oid in_reply_to;
	enum pl_reply_kind kind;
	struct pl_str text;        /* borrowed until done */
	struct pl_message message; /* out: the stored reply; the caller finis it */
};

/* How far reader has come in the conversation with writer. Marks only move forward; read
 * is delivered, too. PL_E_NOT_FOUND: up_to is no message between the two. */
struct pl_write_mark {
	struct pl_oid reader;
	struct pl_oid writer;
	struct pl_oid up_to;
	bool is_read;              /* else it is only delivered */
	bool moved;                /* out: the mark that was asked for is a new one */
	struct pl_message_pos pos; /* out: where that mark is now, perhaps beyond up_to */
	unsigned unread;           /* out: as in struct pl_conversation */
	bool is_blocked;           /* out, if it moved: either has blocked the other */
};

/*
 * user blocks other, or no longer. PL_E_NOT_FOUND: no such other, and no block of them
 * either; PL_E_TOO_BIG: user has blocked limit others already.
 *
 * Once it is stored no send that begins is accepted, in whichever process. Those that had
 * begun are over within settle_ms: whoever waits for so long afterwards may say that no
 * message is accepted any more.
 */
struct pl_write_block {
	struct pl_oid user;
	struct pl_oid other;
	bool is_blocked;   /* from now on; false: no longer */
	size_t limit;      /* of those whom user has blocked */
	int64_t settle_ms; /* out */
};

/* Only what the change names is changed, so that of two at once neither is lost. */
struct pl_write_profile {
	struct pl_oid user;
	struct pl_profile_change change; /* borrowed until done */
	struct pl_user after;            /* out: the user then; the caller finis it */
};

/* A picture and the address that shows it, or neither: the given one is shown again.
 * (With MongoDB, of two pictures that a user sets at the same moment the address of one
 * may come to stand with the bytes of the other.) */
struct pl_write_avatar {
	struct pl_oid user;
	const struct pl_avatar *avatar; /* borrowed until done; NULL: drop it */
	struct pl_user after;           /* out: the user then; the caller finis it */
};

/* An edit or a deletion by a message's sender. What was there before is nowhere in the
 * store then, but for what pl_store_tidy() still has to do. Two at once come one after
 * the other, and the later one has the later time. To delete again changes nothing and
 * gives the same message. PL_E_NOT_FOUND: no such message; PL_E_CONFLICT: refusal says
 * why. */
enum pl_change_refusal {
	PL_CHANGE_OF_ANOTHER, /* somebody else wrote it */
	PL_CHANGE_OF_REPLY,   /* an automatic reply, which can only be deleted */
	PL_CHANGE_OF_DELETED, /* an edit */
	PL_CHANGE_TOO_LATE,   /* an edit */
	PL_CHANGE_BLOCKED,    /* an edit: either of the two has blocked the other */
};
struct pl_write_change {
	struct pl_oid by;
	struct pl_oid message_id;
	struct pl_str text;             /* of an edit; borrowed until done */
	int64_t edit_within_ms;         /* after it was written; 0: never */
	bool changed;                   /* out: just now */
	enum pl_change_refusal refusal; /* out, with PL_E_CONFLICT */
	struct pl_message message;      /* out: as it is now; the caller finis it */
};

/* A session of user, known by name until its token is there. PL_E_NOT_FOUND: they are
 * disabled. PL_E_CONFLICT: they are gone, or their password is another one by now. So a
 * log-in that was under way when the password changed begins no session: whoever changed
 * it lists the sessions afterwards. */
struct pl_write_session {
	struct pl_oid user;
	/* in; borrowed until done: what the password was checked against; NULL: it does
	 * not matter */
	const char *password_hash;
	uint8_t token_id[PL_JWT_ID_LEN];
	int64_t issued_unix_s; /* in: the earliest; out: what the token must say */
	bool has_ended;        /* out: there were too many, and the oldest was revoked */
	struct pl_revocation ended;
};

/* A listed session was used at that time. Nothing is stored if a use within step_s before
 * it was. PL_E_NOT_FOUND: no list has it. */
struct pl_write_seen {
	struct pl_oid user;
	uint8_t token_id[PL_JWT_ID_LEN];
	int64_t seen_unix_s;
	int64_t step_s;
};

/*
 * The user is gone at once, with name, hash and sessions, and anybody may take the name;
 * that their texts have to be erased is noted in the same commit. (With MongoDB it is
 * noted first: if only that is done, the rest follows.) PL_E_NOT_FOUND: no such user.
 * PL_E_CONFLICT: their hash is another.
 */
struct pl_write_erase {
	struct pl_oid user;
	const char *password_hash; /* borrowed; NULL: whichever it is */
	struct pl_revocation
	    revocation; /* in: of all their tokens; the store sets its time */
};

/* The secrets by their names (pl_jwt_key_id()). The first process to note that previous
 * (empty: none) signs no more sets the time of the switch, for all processes and
 * restarts; a secret that signs again has none. */
struct pl_write_switch {
	char current[PL_JWT_KEY_ID_LEN + 1];
	char previous[PL_JWT_KEY_ID_LEN + 1];
	int64_t switched_unix_ms; /* out: of previous */
};

/* Both are stored, or neither. PL_E_NOT_FOUND: the invite is not good (any more).
 * PL_E_CONFLICT: the username is taken, and the invite is as it was. (With MongoDB, if a
 * process dies in between, the use is given back after PL_STORE_INVITE_HELD_MS.) */
#define PL_STORE_INVITE_HELD_MS 60000
struct pl_write_invited {
	struct pl_user *user; /* borrowed */
	uint8_t code_id[PL_INVITE_ID_LEN];
};

/* Sessions that are there go on: whoever disables a user revokes them after that. */
struct pl_write_disabled {
	struct pl_oid user;
	bool is_disabled;
};

struct pl_write {
	enum pl_write_kind kind;
	enum pl_err err; /* out */
	bool is_new;     /* out, of PL_WRITE_REVOKE: it was not revoked already */
	union {
		struct pl_user *user; /* borrowed */
		struct {
			struct pl_oid user;
			enum pl_status status;
			struct pl_str note; /* empty: none; borrowed */
		} status;
		struct {
			struct pl_oid user;
			const char *old_hash; /* borrowed */
			const char *new_hash;
		} password;
		struct pl_write_send send;
		struct pl_revocation revoke; /* created_unix_ms is set by the store */
		struct pl_write_session session;
		struct pl_write_seen seen;
		struct pl_write_switch key;
		struct pl_write_claim claim;
		struct pl_write_reply reply;
		struct pl_write_mark mark;
		struct pl_invite *invite; /* borrowed */
		struct pl_write_invited invited;
		struct pl_write_disabled disabled;
		struct pl_write_profile profile;
		struct pl_write_avatar avatar;
		struct pl_write_block block;
		struct pl_write_change change;
		struct pl_write_erase erase;
	} u;
};

/* Commit count writes together; the err of each says what became of it. */
void pl_store_write(struct pl_store *s, struct pl_write *const *writes, size_t count);
/* Do what can wait until nobody waits: call it after writes, and again at the time that
 * it gives, by pl_clock_mono_ms(); 0: there is nothing left to do. With SQLite it empties
 * the log, which has the texts that changed messages had. */
int64_t pl_store_tidy(struct pl_store *s);
/* From now on until the same with false, on this thread: calls on s wait for neither disk
 * nor lock nor network. A call that would, or that fails, or reads more than a row or a
 * page of messages, is PL_E_BUSY, and nothing is logged; one of a page of longer texts is
 * PL_E_TOO_BIG. False: s is no such store. */
bool pl_store_at_once(struct pl_store *s, bool is_on);

#endif
