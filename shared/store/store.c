#include <assert.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "store/store_backend.h"
#include "store/store_erase.h"
#include "store/store_people.h"

#define TRIES_MAX        5
#define TRIES_LONGER_MAX 11
#define WAIT_FIRST_MS    500L /* before the second; then twice as long each time */
#define WAIT_MAX_MS      8000L

enum pl_err
pl_store_open(const struct pl_store_config *config, struct pl_store **out)
{
	enum pl_err err = config->mongo_uri != NULL ? pl_store_mongo_open(config, out)
						    : pl_store_sqlite_open(config, out);

	if (err == PL_OK && config->names_unservable)
		pl_store_people_start(config);
	if (err == PL_OK && config->on_erasing != NULL)
		pl_store_erase_start(config);
	return err;
}

bool
pl_store_has_sqlite(const char *folder)
{
	struct pl_buf path;
	bool is;

	pl_buf_init(&path, PL_BUF_UNLIMITED);
	(void)pl_buf_printf(&path, "%s/" PL_STORE_SQLITE_FILE, folder);
	is = access(path.data, F_OK) == 0;
	pl_buf_fini(&path);
	return is;
}

enum pl_err
pl_store_check(const struct pl_store_config *config)
{
	enum pl_err err =
	    config->mongo_uri != NULL ? pl_store_mongo_check(config) : PL_OK;

	return err == PL_E_INVALID || err == PL_E_CONFLICT ? err : PL_OK;
}

void
pl_store_close(struct pl_store *s)
{
	if (s != NULL)
		s->backend->close(s);
}

enum pl_err
pl_store_ping(struct pl_store *s)
{
	return s->backend->ping(s);
}

static bool
try_up_to(int tries_max, enum pl_err err, int *tries)
{
	long doubled_ms = WAIT_FIRST_MS << *tries;
	long wait_ms = doubled_ms < WAIT_MAX_MS ? doubled_ms : WAIT_MAX_MS;
	struct timespec wait = {wait_ms / 1000, wait_ms % 1000 * 1000000};

	if (err != PL_E_UNAVAILABLE || ++*tries == tries_max)
		return false;
	nanosleep(&wait, NULL);
	return true;
}

bool
pl_store_try_again(enum pl_err err, int *tries)
{
	return try_up_to(TRIES_MAX, err, tries);
}

bool
pl_store_try_longer(enum pl_err err, int *tries)
{
	return try_up_to(TRIES_LONGER_MAX, err, tries);
}

/* ---- reads ---- */

enum pl_err
pl_store_user_by_id(struct pl_store *s, const struct pl_oid *id, struct pl_user *out)
{
	return s->backend->user_by_id(s, id, out);
}

enum pl_err
pl_store_user_by_username(struct pl_store *s, struct pl_str username, struct pl_user *out)
{
	return s->backend->user_by_username(s, username, out);
}

enum pl_err
pl_store_users_exist(
    struct pl_store *s, const struct pl_oid *ids, size_t count, bool *exist)
{
	assert(count <= PL_STORE_IDS_MAX);
	return count > 0 ? s->backend->users_exist(s, ids, count, exist) : PL_OK;
}

enum pl_err
pl_store_users_of(
    struct pl_store *s, const struct pl_oid *ids, size_t count, struct pl_user_list *out)
{
	assert(count <= PL_STORE_IDS_MAX);
	*out = (struct pl_user_list){0};
	return count > 0 ? s->backend->users_of(s, ids, count, out) : PL_OK;
}

enum pl_err
pl_store_user_states(struct pl_store *s, const struct pl_oid *ids, size_t count,
    struct pl_user_state_list *out)
{
	assert(count <= PL_STORE_IDS_MAX);
	*out = (struct pl_user_state_list){0};
	return count > 0 ? s->backend->user_states(s, ids, count, out) : PL_OK;
}

enum pl_err
pl_store_users_page(struct pl_store *s, const struct pl_oid *after, size_t limit,
    struct pl_user_list *out)
{
	return s->backend->users_page(s, after, limit, out);
}

enum pl_err
pl_store_message_pos(struct pl_store *s, const struct pl_oid *a, const struct pl_oid *b,
    const struct pl_oid *message, struct pl_message_pos *out)
{
	return s->backend->message_pos(s, a, b, message, out);
}

enum pl_err
pl_store_messages_page(struct pl_store *s, const struct pl_oid *a, const struct pl_oid *b,
    enum pl_page_way way, const struct pl_message_pos *pos, size_t limit,
    struct pl_message_list *out)
{
	return s->backend->messages_page(s, a, b, way, pos, limit, out);
}

enum pl_err
pl_store_messages_to(struct pl_store *s, const struct pl_oid *receiver,
    const struct pl_message_pos *pos, size_t limit, struct pl_message_list *out)
{
	return s->backend->messages_to(s, receiver, pos, limit, out);
}

enum pl_err
pl_store_positions_to(struct pl_store *s, const struct pl_oid *receiver,
    const struct pl_message_pos *pos, size_t limit, struct pl_pos_list *out)
{
	return s->backend->positions_to(s, receiver, pos, limit, out);
}

enum pl_err
pl_store_positions_of(struct pl_store *s, const struct pl_oid *user,
    const struct pl_message_pos *pos, size_t limit, struct pl_pos_list *out)
{
	assert(limit <= PL_STORE_OWN_MAX);
	return s->backend->positions_of(s, user, pos, limit, out);
}

enum pl_err
pl_store_messages_of(struct pl_store *s, const struct pl_oid *ids, size_t count,
    size_t text_bytes_max, struct pl_message_list *out)
{
	return s->backend->messages_of(s, ids, count, text_bytes_max, out);
}

enum pl_err
pl_store_changes(struct pl_store *s, const struct pl_oid *user,
    const struct pl_message_pos *after, size_t limit, struct pl_pos_list *out)
{
	return s->backend->changes(s, user, after, limit, out);
}

enum pl_err
pl_store_overdue(
    struct pl_store *s, int64_t due_unix_ms, size_t limit, struct pl_overdue_list *out)
{
	return s->backend->overdue(s, due_unix_ms, limit, out);
}

enum pl_err
pl_store_revocations_since(
    struct pl_store *s, int64_t since_unix_ms, struct pl_revocation_list *out)
{
	return s->backend->revocations_since(s, since_unix_ms, out);
}

enum pl_err
pl_store_sessions_of(
    struct pl_store *s, const struct pl_oid *user, struct pl_session_list *out)
{
	enum pl_err err = s->backend->sessions_of(s, user, out);

	if (err == PL_OK)
		pl_session_list_expire(out, pl_clock_unix_ms() / 1000);
	return err;
}

enum pl_err
pl_store_invite_look(struct pl_store *s, const uint8_t code_id[PL_INVITE_ID_LEN])
{
	return s->backend->invite_look(s, code_id);
}

void
pl_pos_list_fini(struct pl_pos_list *list)
{
	if (list == NULL)
		return;
	pl_mem_free(list->items);
	*list = (struct pl_pos_list){0};
}

void
pl_pos_list_merge(const struct pl_pos_list *a, const struct pl_pos_list *b, size_t limit,
    struct pl_pos_list *out)
{
	size_t ai = 0, bi = 0;

	*out = (struct pl_pos_list){
	    .items = pl_mem_alloc((a->count + b->count + 1) * sizeof(*out->items))};
	while (out->count < limit && (ai < a->count || bi < b->count)) {
		int way = ai == a->count ? 1
			  : bi == b->count
			      ? -1
			      : pl_message_pos_compare(&a->items[ai], &b->items[bi]);

		out->items[out->count++] = way <= 0 ? a->items[ai] : b->items[bi];
		ai += way <= 0;
		bi += way >= 0;
	}
}

void
pl_user_list_fini(struct pl_user_list *list)
{
	if (list == NULL)
		return;
	for (size_t i = 0; i < list->count; i++)
		pl_user_fini(&list->items[i]);
	pl_mem_free(list->items);
	*list = (struct pl_user_list){0};
}

void
pl_user_state_list_fini(struct pl_user_state_list *list)
{
	if (list == NULL)
		return;
	for (size_t i = 0; i < list->count; i++)
		pl_mem_free(list->items[i].note);
	pl_mem_free(list->items);
	*list = (struct pl_user_state_list){0};
}

void
pl_message_list_fini(struct pl_message_list *list)
{
	if (list == NULL)
		return;
	for (size_t i = 0; list->texts == NULL && i < list->count; i++)
		pl_message_fini(&list->items[i]);
	pl_mem_free(list->texts);
	pl_mem_free(list->items);
	*list = (struct pl_message_list){0};
}

void
pl_message_list_reverse(struct pl_message_list *list)
{
	for (size_t i = 0, k = list->count; i + 1 < k; i++) {
		struct pl_message m = list->items[--k];

		list->items[k] = list->items[i];
		list->items[i] = m;
	}
}

void
pl_overdue_list_fini(struct pl_overdue_list *list)
{
	if (list == NULL)
		return;
	pl_mem_free(list->items);
	*list = (struct pl_overdue_list){0};
}

void
pl_revocation_list_fini(struct pl_revocation_list *list)
{
	if (list == NULL)
		return;
	pl_mem_free(list->items);
	pl_mem_free(list->lists);
	*list = (struct pl_revocation_list){0};
}

void *
pl_store_grow(void *items, size_t count, size_t item_size)
{
	if (count != 0 && (count < 16 || (count & (count - 1)) != 0))
		return items;
	return pl_mem_realloc(items, (count < 16 ? 16 : count * 2) * item_size);
}

/* ---- writes ---- */

/* The outputs of a write start empty, so that a failure leaves nothing to free. */
static void
clear_outputs(struct pl_write *w)
{
	w->is_new = false;
	if (w->kind == PL_WRITE_SEND) {
		w->u.send.replayed = false;
		w->u.send.busy = false;
	} else if (w->kind == PL_WRITE_REPLY_CLAIM) {
		w->u.claim.message = (struct pl_message){0};
		w->u.claim.busy_user = (struct pl_user){0};
		w->u.claim.trace = (struct pl_trace){0};
	} else if (w->kind == PL_WRITE_SESSION) {
		w->u.session.has_ended = false;
	} else if (w->kind == PL_WRITE_MARK) {
		w->u.mark.is_blocked = false;
	} else if (w->kind == PL_WRITE_BLOCK) {
		w->u.block.settle_ms = 0;
	} else if (w->kind == PL_WRITE_REPLY) {
		w->u.reply.message = (struct pl_message){0};
	} else if (w->kind == PL_WRITE_PROFILE) {
		w->u.profile.after = (struct pl_user){0};
	} else if (w->kind == PL_WRITE_AVATAR) {
		w->u.avatar.after = (struct pl_user){0};
	} else if (w->kind == PL_WRITE_EDIT || w->kind == PL_WRITE_DELETE) {
		w->u.change.message = (struct pl_message){0};
		w->u.change.changed = false;
	}
}

static void
drop_outputs(struct pl_write *w)
{
	if (w->kind == PL_WRITE_REPLY_CLAIM) {
		pl_message_fini(&w->u.claim.message);
		pl_user_fini(&w->u.claim.busy_user);
	} else if (w->kind == PL_WRITE_REPLY) {
		pl_message_fini(&w->u.reply.message);
	} else if (w->kind == PL_WRITE_PROFILE) {
		pl_user_fini(&w->u.profile.after);
	} else if (w->kind == PL_WRITE_AVATAR) {
		pl_user_fini(&w->u.avatar.after);
	} else if (w->kind == PL_WRITE_EDIT || w->kind == PL_WRITE_DELETE) {
		pl_message_fini(&w->u.change.message);
	}
	clear_outputs(w);
}

void
pl_store_write(struct pl_store *s, struct pl_write *const *writes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		clear_outputs(writes[i]);
	s->backend->write(s, writes, count);
	for (size_t i = 0; i < count; i++)
		if (writes[i]->err != PL_OK)
			drop_outputs(writes[i]);
}

int64_t
pl_store_tidy(struct pl_store *s)
{
	return s->backend->tidy != NULL ? s->backend->tidy(s) : 0;
}

bool
pl_store_at_once(struct pl_store *s, bool is_on)
{
	return s->backend->at_once != NULL && s->backend->at_once(s, is_on);
}

static void
set_text(struct pl_message *m, struct pl_str text)
{
	pl_mem_free(m->text);
	m->text = pl_mem_strndup(text.len > 0 ? text.ptr : "", text.len);
	m->text_len = text.len;
}

struct pl_first_text
pl_store_first_text(const struct pl_message *m, int64_t now_unix_ms)
{
	if (pl_message_changed(m) != 0 ||
	    now_unix_ms - m->created_unix_ms >= PL_STORE_IDEM_KEPT_MS)
		return (struct pl_first_text){0};
	return pl_first_text_of(&m->id, pl_str_n(m->text, m->text_len));
}

static bool
had_text(
    const struct pl_message *first, const struct pl_first_text *kept, struct pl_str text)
{
	if (pl_message_changed(first) == 0)
		return pl_str_eq(pl_str_n(first->text, first->text_len), text);
	return kept == NULL || pl_first_text_may_be(kept, &first->id, text);
}

enum pl_err
pl_store_replay(struct pl_write_send *send, const struct pl_message *first,
    const struct pl_first_text *kept)
{
	struct pl_message *m = &send->message;
	struct pl_str text = pl_str_n(first->text, first->text_len);

	if (!pl_oid_eq(&first->receiver, &m->receiver) ||
	    !had_text(first, kept, pl_str_n(m->text, m->text_len)))
		return PL_E_CONFLICT;
	m->id = first->id;
	m->created_unix_ms = first->created_unix_ms;
	m->updated_unix_ms = first->updated_unix_ms;
	m->edited_unix_ms = first->edited_unix_ms;
	m->deleted_unix_ms = first->deleted_unix_ms;
	if (pl_message_changed(first) != 0)
		set_text(m, text);
	send->replayed = true;
	return PL_OK;
}

static bool
may_change(struct pl_write *w, const struct pl_message *m, int64_t now_unix_ms)
{
	struct pl_write_change *c = &w->u.change;
	bool is_edit = w->kind == PL_WRITE_EDIT;

	if (!pl_oid_eq(&m->sender, &c->by))
		c->refusal = PL_CHANGE_OF_ANOTHER;
	else if (is_edit && m->reply_kind != PL_REPLY_NONE)
		c->refusal = PL_CHANGE_OF_REPLY;
	else if (is_edit && m->deleted_unix_ms != 0)
		c->refusal = PL_CHANGE_OF_DELETED;
	else if (is_edit && now_unix_ms - m->created_unix_ms >= c->edit_within_ms)
		c->refusal = PL_CHANGE_TOO_LATE;
	else
		return true;
	return false;
}

enum pl_err
pl_store_change(struct pl_write *w, struct pl_message *m, int64_t now_unix_ms)
{
	struct pl_write_change *c = &w->u.change;
	int64_t before =
	    pl_message_changed(m) != 0 ? pl_message_changed(m) : m->created_unix_ms;
	int64_t at = now_unix_ms > before ? now_unix_ms : before + 1;

	if (!may_change(w, m, now_unix_ms))
		return PL_E_CONFLICT;
	c->changed = w->kind == PL_WRITE_EDIT || m->deleted_unix_ms == 0;
	if (!c->changed)
		return PL_OK;
	set_text(m, w->kind == PL_WRITE_EDIT ? c->text : PL_STR(""));
	if (w->kind == PL_WRITE_EDIT)
		m->edited_unix_ms = at;
	else
		m->deleted_unix_ms = at;
	m->updated_unix_ms = at;
	return PL_OK;
}

void
pl_conversation_list_fini(struct pl_conversation_list *list)
{
	if (list == NULL)
		return;
	for (size_t i = 0; i < list->count; i++)
		pl_conversation_fini(&list->items[i]);
	pl_mem_free(list->items);
	*list = (struct pl_conversation_list){0};
}

enum pl_err
pl_store_conversations(struct pl_store *s, const struct pl_oid *user,
    const struct pl_message_pos *before, size_t limit, struct pl_conversation_list *out)
{
	return s->backend->conversations(s, user, before, limit, out);
}

enum pl_err
pl_store_conversation(struct pl_store *s, const struct pl_oid *user,
    const struct pl_oid *other, struct pl_conversation *out)
{
	return s->backend->conversation(s, user, other, out);
}

enum pl_err
pl_store_correspondents(struct pl_store *s, const struct pl_oid *user,
    const struct pl_oid *after, size_t limit, struct pl_oid *ids, size_t *count)
{
	return s->backend->correspondents(s, user, after, limit, ids, count);
}

enum pl_err
pl_store_people_page(struct pl_store *s, struct pl_str query, const struct pl_oid *after,
    size_t limit, struct pl_user_list *out)
{
	return s->backend->people_page(s, query, after, limit, out);
}

enum pl_err
pl_store_people_fill(struct pl_store *s, size_t limit, size_t *filled)
{
	return s->backend->people_fill(s, limit, filled);
}

enum pl_err
pl_store_users_tag(struct pl_store *s, uint8_t tag[PL_STORE_TAG_LEN])
{
	return s->backend->users_tag(s, tag);
}

enum pl_err
pl_store_avatar(struct pl_store *s, const struct pl_oid *user, struct pl_avatar *out)
{
	return s->backend->avatar(s, user, out);
}

void
pl_block_list_fini(struct pl_block_list *list)
{
	if (list == NULL)
		return;
	pl_mem_free(list->items);
	*list = (struct pl_block_list){0};
}

enum pl_err
pl_store_blocks_page(struct pl_store *s, const struct pl_oid *user,
    const struct pl_oid *after, size_t limit, struct pl_block_list *out)
{
	return s->backend->blocks_page(s, user, after, limit, out);
}

enum pl_err
pl_store_may_write(struct pl_store *s, const struct pl_oid *from, const struct pl_oid *to)
{
	return s->backend->may_write(s, from, to);
}
