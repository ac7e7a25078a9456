#include "base/mem.h"
#include "store/store_backend.h"
#include "store/store_records.h"

const char *
pl_record_kind_name(enum pl_record_kind kind)
{
	static const char *const names[] = {
	    [PL_RECORD_USER] = "users",
	    [PL_RECORD_MESSAGE] = "messages",
	    [PL_RECORD_IDEM] = "idempotency keys",
	    [PL_RECORD_JOB] = "replies owed",
	    [PL_RECORD_REVOCATION] = "revoked tokens",
	    [PL_RECORD_SESSIONS] = "session lists",
	    [PL_RECORD_MARKS] = "read marks",
	    [PL_RECORD_INVITE] = "invites",
	    [PL_RECORD_AVATAR] = "avatars",
	    [PL_RECORD_BLOCK] = "blocks",
	    [PL_RECORD_ERASURE] = "erasures",
	};

	return names[kind];
}

/* ---- out and in ---- */

static enum pl_err
export_users(struct pl_store *s, const struct pl_record *after, size_t limit,
    struct pl_record_list *out)
{
	struct pl_user_list users;
	enum pl_err err = pl_store_users_page(
	    s, after != NULL ? &after->u.user.id : NULL, limit, &users);

	if (err != PL_OK)
		return err;
	out->items = pl_mem_zalloc((users.count + 1) * sizeof(*out->items));
	out->count = users.count;
	for (size_t i = 0; i < users.count; i++)
		out->items[i] =
		    (struct pl_record){.kind = PL_RECORD_USER, .u.user = users.items[i]};
	pl_mem_free(users.items);
	return PL_OK;
}

static enum pl_err
export_messages(struct pl_store *s, const struct pl_record *after, size_t limit,
    struct pl_record_list *out)
{
	struct pl_message_list messages;
	struct pl_message_pos pos;
	enum pl_err err;

	if (after != NULL)
		pos = (struct pl_message_pos){
		    after->u.message.created_unix_ms, after->u.message.id};
	err =
	    pl_store_messages_to(s, NULL, after != NULL ? &pos : NULL, limit, &messages);
	if (err != PL_OK)
		return err;
	out->items = pl_mem_zalloc((messages.count + 1) * sizeof(*out->items));
	out->count = messages.count;
	for (size_t i = 0; i < messages.count; i++)
		out->items[i] = (struct pl_record){
		    .kind = PL_RECORD_MESSAGE, .u.message = messages.items[i]};
	pl_mem_free(messages.items);
	return PL_OK;
}

enum pl_err
pl_store_export(struct pl_store *s, enum pl_record_kind kind,
    const struct pl_record *after, size_t limit, struct pl_record_list *out)
{
	if (kind == PL_RECORD_USER)
		return export_users(s, after, limit, out);
	if (kind == PL_RECORD_MESSAGE)
		return export_messages(s, after, limit, out);
	return s->backend->export_page(s, kind, after, limit, out);
}

enum pl_err
pl_store_import(struct pl_store *s, struct pl_record *records, size_t count)
{
	return count > 0 ? s->backend->import(s, records, count) : PL_OK;
}

/* ---- memory ---- */

static void
record_fini(struct pl_record *r)
{
	switch (r->kind) {
	case PL_RECORD_USER:
		pl_user_fini(&r->u.user);
		break;
	case PL_RECORD_MESSAGE:
		pl_message_fini(&r->u.message);
		break;
	case PL_RECORD_IDEM:
		pl_mem_free(r->u.idem.key);
		break;
	case PL_RECORD_SESSIONS:
		pl_mem_free(r->u.sessions);
		break;
	case PL_RECORD_AVATAR:
		pl_avatar_fini(&r->u.avatar);
		break;
	default:
		break;
	}
}

void
pl_record_list_fini(struct pl_record_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		record_fini(&list->items[i]);
	pl_mem_free(list->items);
	*list = (struct pl_record_list){0};
}

/* ---- comparing ---- */

static bool
is_equal_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool
is_same_user(const struct pl_user *a, const struct pl_user *b)
{
	return pl_oid_eq(&a->id, &b->id) && is_equal_text(a->username, b->username) &&
	       is_equal_text(a->full_name, b->full_name) &&
	       is_equal_text(a->password_hash, b->password_hash) &&
	       is_equal_text(a->profile_pic, b->profile_pic) &&
	       is_equal_text(a->note, b->note) && a->gender == b->gender &&
	       a->status == b->status && a->is_disabled == b->is_disabled &&
	       is_equal_text(a->given_pic, b->given_pic) &&
	       a->created_unix_ms == b->created_unix_ms;
}

/* updatedAt is left out: SQLite keeps none but the time of the last change. */
static bool
is_same_message(const struct pl_message *a, const struct pl_message *b)
{
	return pl_oid_eq(&a->id, &b->id) && pl_oid_eq(&a->sender, &b->sender) &&
	       pl_oid_eq(&a->receiver, &b->receiver) &&
	       pl_str_eq(
		   pl_str_n(a->text, a->text_len), pl_str_n(b->text, b->text_len)) &&
	       a->created_unix_ms == b->created_unix_ms &&
	       a->edited_unix_ms == b->edited_unix_ms &&
	       a->deleted_unix_ms == b->deleted_unix_ms &&
	       a->reply_kind == b->reply_kind &&
	       (a->reply_kind == PL_REPLY_NONE ||
		   pl_oid_eq(&a->in_reply_to, &b->in_reply_to));
}

static bool
is_same_list(const struct pl_session_list *a, const struct pl_session_list *b)
{
	return pl_oid_eq(&a->user, &b->user) && a->before_unix_s == b->before_unix_s &&
	       a->count == b->count &&
	       memcmp(a->items, b->items, a->count * sizeof(a->items[0])) == 0;
}

static bool
is_same_place(const struct pl_message_pos *a, const struct pl_message_pos *b)
{
	return a->created_unix_ms == b->created_unix_ms && pl_oid_eq(&a->id, &b->id);
}

static bool
is_same_marks(const struct pl_record_marks *a, const struct pl_record_marks *b)
{
	return pl_oid_eq(&a->user, &b->user) && pl_oid_eq(&a->other, &b->other) &&
	       is_same_place(&a->read, &b->read) &&
	       is_same_place(&a->delivered, &b->delivered);
}

static bool
is_same_invite(const struct pl_invite *a, const struct pl_invite *b)
{
	return memcmp(a->code_id, b->code_id, PL_INVITE_ID_LEN) == 0 &&
	       a->uses == b->uses && a->used == b->used &&
	       a->expires_unix_ms == b->expires_unix_ms;
}

static bool
is_same_avatar(const struct pl_avatar *a, const struct pl_avatar *b)
{
	return pl_oid_eq(&a->user, &b->user) && a->type == b->type &&
	       pl_str_eq(pl_str_n(a->bytes, a->len), pl_str_n(b->bytes, b->len));
}

static bool
has_first_text(const struct pl_record_idem *idem, const struct pl_first_text *fresh)
{
	return !fresh->is_kept ||
	       (idem->first_text.is_kept &&
		   memcmp(idem->first_text.mac, fresh->mac, PL_FIRST_TEXT_LEN) == 0);
}

bool
pl_record_is_same(const struct pl_record *old, const struct pl_record *fresh)
{
	switch (fresh->kind) {
	case PL_RECORD_USER:
		return is_same_user(&old->u.user, &fresh->u.user);
	case PL_RECORD_MESSAGE:
		return is_same_message(&old->u.message, &fresh->u.message);
	case PL_RECORD_IDEM:
		return pl_oid_eq(&old->u.idem.sender, &fresh->u.idem.sender) &&
		       pl_oid_eq(&old->u.idem.message, &fresh->u.idem.message) &&
		       is_equal_text(old->u.idem.key, fresh->u.idem.key) &&
		       has_first_text(&old->u.idem, &fresh->u.idem.first_text);
	case PL_RECORD_JOB:
		return pl_oid_eq(&old->u.job.message, &fresh->u.job.message) &&
		       old->u.job.deadline_unix_ms == fresh->u.job.deadline_unix_ms;
	case PL_RECORD_REVOCATION:
		return memcmp(old->u.revocation.token_id, fresh->u.revocation.token_id,
			   PL_JWT_ID_LEN) == 0 &&
		       pl_oid_eq(&old->u.revocation.user, &fresh->u.revocation.user);
	case PL_RECORD_SESSIONS:
		return is_same_list(old->u.sessions, fresh->u.sessions);
	case PL_RECORD_MARKS:
		return is_same_marks(&old->u.marks, &fresh->u.marks);
	case PL_RECORD_INVITE:
		return is_same_invite(&old->u.invite, &fresh->u.invite);
	case PL_RECORD_AVATAR:
		return is_same_avatar(&old->u.avatar, &fresh->u.avatar);
	case PL_RECORD_BLOCK:
		return pl_oid_eq(&old->u.block.user, &fresh->u.block.user) &&
		       pl_oid_eq(&old->u.block.other, &fresh->u.block.other);
	case PL_RECORD_ERASURE:
		return pl_oid_eq(&old->u.erasure.user, &fresh->u.erasure.user);
	case PL_RECORD_KINDS:
		break;
	}
	return false;
}
