/*
 * store_backend: what a database must offer to be a store. A back end is a set of these
 * calls and an open; store.c picks one by the configuration and passes each call on. Only
 * store/ uses it.  Threads: see store.h.
 */
#ifndef PL_STORE_STORE_BACKEND_H
#define PL_STORE_STORE_BACKEND_H

#include "auth/first_text.h"
#include "store/store.h"
#include "store/store_adopt.h"
#include "store/store_backup.h"
#include "store/store_erase.h"
#include "store/store_records.h"

/* Each call means what the one of the same name in store.h or store_records.h says. */
struct pl_store_backend {
	void (*close)(struct pl_store *s);
	enum pl_err (*ping)(struct pl_store *s);
	enum pl_err (*user_by_id)(
	    struct pl_store *s, const struct pl_oid *id, struct pl_user *out);
	enum pl_err (*user_by_username)(
	    struct pl_store *s, struct pl_str username, struct pl_user *out);
	enum pl_err (*users_exist)(
	    struct pl_store *s, const struct pl_oid *ids, size_t count, bool *exist);
	enum pl_err (*users_of)(struct pl_store *s, const struct pl_oid *ids,
	    size_t count, struct pl_user_list *out);
	enum pl_err (*user_states)(struct pl_store *s, const struct pl_oid *ids,
	    size_t count, struct pl_user_state_list *out);
	enum pl_err (*users_page)(struct pl_store *s, const struct pl_oid *after,
	    size_t limit, struct pl_user_list *out);
	enum pl_err (*message_pos)(struct pl_store *s, const struct pl_oid *a,
	    const struct pl_oid *b, const struct pl_oid *message,
	    struct pl_message_pos *out);
	enum pl_err (*messages_page)(struct pl_store *s, const struct pl_oid *a,
	    const struct pl_oid *b, enum pl_page_way way,
	    const struct pl_message_pos *pos, size_t limit, struct pl_message_list *out);
	enum pl_err (*messages_to)(struct pl_store *s, const struct pl_oid *receiver,
	    const struct pl_message_pos *pos, size_t limit, struct pl_message_list *out);
	enum pl_err (*positions_to)(struct pl_store *s, const struct pl_oid *receiver,
	    const struct pl_message_pos *pos, size_t limit, struct pl_pos_list *out);
	enum pl_err (*positions_of)(struct pl_store *s, const struct pl_oid *user,
	    const struct pl_message_pos *pos, size_t limit, struct pl_pos_list *out);
	enum pl_err (*messages_of)(struct pl_store *s, const struct pl_oid *ids,
	    size_t count, size_t text_bytes_max, struct pl_message_list *out);
	enum pl_err (*changes)(struct pl_store *s, const struct pl_oid *user,
	    const struct pl_message_pos *after, size_t limit, struct pl_pos_list *out);
	enum pl_err (*conversations)(struct pl_store *s, const struct pl_oid *user,
	    const struct pl_message_pos *before, size_t limit,
	    struct pl_conversation_list *out);
	enum pl_err (*conversation)(struct pl_store *s, const struct pl_oid *user,
	    const struct pl_oid *other, struct pl_conversation *out);
	enum pl_err (*correspondents)(struct pl_store *s, const struct pl_oid *user,
	    const struct pl_oid *after, size_t limit, struct pl_oid *ids, size_t *count);
	enum pl_err (*people_page)(struct pl_store *s, struct pl_str query,
	    const struct pl_oid *after, size_t limit, struct pl_user_list *out);
	enum pl_err (*people_fill)(struct pl_store *s, size_t limit, size_t *filled);
	enum pl_err (*users_tag)(struct pl_store *s, uint8_t tag[PL_STORE_TAG_LEN]);
	enum pl_err (*avatar)(
	    struct pl_store *s, const struct pl_oid *user, struct pl_avatar *out);
	enum pl_err (*blocks_page)(struct pl_store *s, const struct pl_oid *user,
	    const struct pl_oid *after, size_t limit, struct pl_block_list *out);
	enum pl_err (*may_write)(
	    struct pl_store *s, const struct pl_oid *from, const struct pl_oid *to);
	enum pl_err (*overdue)(struct pl_store *s, int64_t due_unix_ms, size_t limit,
	    struct pl_overdue_list *out);
	enum pl_err (*revocations_since)(
	    struct pl_store *s, int64_t since_unix_ms, struct pl_revocation_list *out);
	enum pl_err (*sessions_of)(
	    struct pl_store *s, const struct pl_oid *user, struct pl_session_list *out);
	enum pl_err (*invite_look)(
	    struct pl_store *s, const uint8_t code_id[PL_INVITE_ID_LEN]);
	enum pl_err (*erase_step)(struct pl_store *s, struct pl_erase_step *step);
	enum pl_err (*erasures)(struct pl_store *s, size_t *count);
	/* Sets each write's err; store.c then clears the outputs of those that failed. */
	void (*write)(struct pl_store *s, struct pl_write *const *writes, size_t count);
	int64_t (*tidy)(struct pl_store *s);             /* NULL: it never has to */
	bool (*at_once)(struct pl_store *s, bool is_on); /* NULL: it cannot */
	/* Pages of a kind that store.h has no pages of. */
	enum pl_err (*export_page)(struct pl_store *s, enum pl_record_kind kind,
	    const struct pl_record *after, size_t limit, struct pl_record_list *out);
	enum pl_err (*import)(
	    struct pl_store *s, struct pl_record *records, size_t count);
};

/* A back end's session starts with this. */
struct pl_store {
	const struct pl_store_backend *backend;
};

/* How long an Idempotency-Key is known. */
#define PL_STORE_IDEM_KEPT_MS    (24 * 3600 * INT64_C(1000))
#define PL_STORE_REVOKED_SLACK_S (2 * PL_JWT_LEEWAY_S)
_Static_assert(PL_STORE_REVOKED_SLACK_S > PL_JWT_LEEWAY_S,
    "a revocation outlives its token, which is good for the leeway longer");

enum pl_err pl_store_sqlite_open(
    const struct pl_store_config *config, struct pl_store **out) PL_MUST_CHECK;
enum pl_err pl_store_mongo_open(
    const struct pl_store_config *config, struct pl_store **out) PL_MUST_CHECK;
enum pl_err pl_store_mongo_check(const struct pl_store_config *config) PL_MUST_CHECK;

/* Each as in store_backup.h; *parts is empty. */
enum pl_err pl_sqlite_backup(const struct pl_store_config *config, const char *folder,
    struct pl_backup_list *parts, struct pl_buf *why) PL_MUST_CHECK;
enum pl_err pl_sqlite_restore(const struct pl_store_config *config, const char *folder,
    struct pl_backup_list *parts, struct pl_buf *why) PL_MUST_CHECK;
enum pl_err pl_mongo_backup(const struct pl_store_config *config, const char *folder,
    struct pl_backup_list *parts, struct pl_buf *why) PL_MUST_CHECK;
enum pl_err pl_mongo_restore(const struct pl_store_config *config, const char *folder,
    const char *id, struct pl_backup_list *parts, struct pl_buf *why) PL_MUST_CHECK;
/* Each as in store_adopt.h; *out, *count are zeroed. */
enum pl_err pl_mongo_adopt(const struct pl_store_config *config, bool is_dry,
    const struct pl_adopt_calls *calls, struct pl_adopt_report *out) PL_MUST_CHECK;
enum pl_err pl_mongo_name_unservable(const struct pl_store_config *config,
    const struct pl_adopt_calls *calls, int64_t *count) PL_MUST_CHECK;
/* Valid until the next one is added. */
struct pl_backup_part *pl_backup_list_add(struct pl_backup_list *list, const char *name);

/* Answer a send under a known key with the first message that was stored under it, as it
 * is now; PL_E_CONFLICT if that has another receiver or text. kept (NULL: nothing): of
 * the text that it had before it was edited or deleted; if nothing was kept, any text
 * counts as that one. */
enum pl_err pl_store_replay(struct pl_write_send *send, const struct pl_message *first,
    const struct pl_first_text *kept) PL_MUST_CHECK;
/* What is to be kept beside m's key when it changes for the first time, as it is before
 * that; nothing if it has changed, or its key has expired. */
struct pl_first_text pl_store_first_text(const struct pl_message *m, int64_t now_unix_ms);
/* May w, an edit or a deletion, change m, as it is at now? If so, m is as it is
 * afterwards, and its time of change is later than all times that it had. PL_E_CONFLICT:
 * no. For a deletion again, m stays as it is, and changed is false. */
enum pl_err pl_store_change(
    struct pl_write *w, struct pl_message *m, int64_t now_unix_ms) PL_MUST_CHECK;
/* The array in which rows are gathered, with room for one more after count. */
void *pl_store_grow(void *items, size_t count, size_t item_size);
/* The first limit of a and b, both in their order, each once: a message to oneself is in
 * both. The caller finis *out. */
void pl_pos_list_merge(const struct pl_pos_list *a, const struct pl_pos_list *b,
    size_t limit, struct pl_pos_list *out);

#endif
