#include "contract/store_faults.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/hex.h"
#include "base/mem.h"
#include "store/store_backend.h"
#include "store/store_records.h"

#define STEPS_MAX 20000
/* Each step up to the first fails, and one of so many beyond it: some calls take
 * thousands. FAULTS_EACH=1 in the environment: each, in some minutes. */
#define EACH_UP_TO 100
#define ONE_OF     7

/* Written over each output before a call. */
#define UNTOUCHED 0x5a

static void
say_oid(struct pl_buf *out, const struct pl_oid *id)
{
	char hex[PL_OID_HEX_LEN + 1];

	pl_oid_format(id, hex);
	hex[PL_OID_HEX_LEN] = '\0';
	pl_buf_printf(out, " %s", hex);
}

static void
say_bytes(struct pl_buf *out, const uint8_t *bytes, size_t len)
{
	pl_buf_add_char(out, ' ');
	for (size_t i = 0; i < len; i++)
		pl_buf_printf(out, "%02x", bytes[i]);
}

/* ---- what is said of each thing ---- */

static void
say_user(struct pl_buf *out, const struct pl_user *u)
{
	pl_buf_printf(out, "user");
	say_oid(out, &u->id);
	pl_buf_printf(out, " %s %s %s %s %d %d %s\n", u->username, u->full_name,
	    u->password_hash, u->profile_pic, u->gender, u->status,
	    u->note != NULL ? u->note : "-");
}

static void
say_message(struct pl_buf *out, const struct pl_message *m)
{
	pl_buf_printf(out, "message");
	say_oid(out, &m->id);
	say_oid(out, &m->sender);
	say_oid(out, &m->receiver);
	pl_buf_printf(out, " %lld %d %lld %lld %zu %s\n", (long long)m->created_unix_ms,
	    m->reply_kind, (long long)m->edited_unix_ms, (long long)m->deleted_unix_ms,
	    m->text_len, m->text);
}

static void
say_revocation(struct pl_buf *out, const struct pl_revocation *r)
{
	pl_buf_printf(out, "revocation");
	say_bytes(out, r->token_id, PL_JWT_ID_LEN);
	say_oid(out, &r->user);
	pl_buf_printf(out, " %lld %lld\n", (long long)r->expires_unix_s,
	    (long long)r->issued_unix_s);
}

static void
say_sessions(struct pl_buf *out, const struct pl_session_list *l)
{
	pl_buf_printf(out, "sessions");
	say_oid(out, &l->user);
	pl_buf_printf(out, " %lld %lld", (long long)l->before_unix_s,
	    (long long)l->changed_unix_ms);
	for (size_t i = 0; i < l->count; i++)
		say_bytes(out, l->items[i].token_id, PL_JWT_ID_LEN);
	pl_buf_add_char(out, '\n');
}

static void
say_marks(struct pl_buf *out, const struct pl_record_marks *m)
{
	pl_buf_printf(out, "marks");
	say_oid(out, &m->user);
	say_oid(out, &m->other);
	pl_buf_printf(out, " %lld %lld\n", (long long)m->read.created_unix_ms,
	    (long long)m->delivered.created_unix_ms);
}

static void
say_record(struct pl_buf *out, const struct pl_record *r)
{
	switch (r->kind) {
	case PL_RECORD_USER:
		say_user(out, &r->u.user);
		break;
	case PL_RECORD_MESSAGE:
		say_message(out, &r->u.message);
		break;
	case PL_RECORD_IDEM:
		pl_buf_printf(out, "idem");
		say_oid(out, &r->u.idem.sender);
		say_oid(out, &r->u.idem.message);
		pl_buf_printf(out, " %s\n", r->u.idem.key);
		break;
	case PL_RECORD_JOB:
		pl_buf_printf(out, "job");
		say_oid(out, &r->u.job.message);
		pl_buf_printf(out, " %lld\n", (long long)r->u.job.attempt);
		break;
	case PL_RECORD_REVOCATION:
		say_revocation(out, &r->u.revocation);
		break;
	case PL_RECORD_SESSIONS:
		say_sessions(out, r->u.sessions);
		break;
	case PL_RECORD_MARKS:
		say_marks(out, &r->u.marks);
		break;
	case PL_RECORD_INVITE:
		pl_buf_printf(out, "invite");
		say_bytes(out, r->u.invite.code_id, PL_INVITE_ID_LEN);
		pl_buf_printf(out, " %lld %lld\n", (long long)r->u.invite.uses,
		    (long long)r->u.invite.used);
		break;
	case PL_RECORD_AVATAR:
		pl_buf_printf(out, "avatar");
		say_oid(out, &r->u.avatar.user);
		pl_buf_printf(out, " %d", r->u.avatar.type);
		say_bytes(out, (const uint8_t *)r->u.avatar.bytes, r->u.avatar.len);
		pl_buf_add_char(out, '\n');
		break;
	case PL_RECORD_BLOCK:
		pl_buf_printf(out, "block");
		say_oid(out, &r->u.block.user);
		say_oid(out, &r->u.block.other);
		pl_buf_printf(out, " %lld\n", (long long)r->u.block.created_unix_ms);
		break;
	case PL_RECORD_ERASURE:
		pl_buf_printf(out, "erasure");
		say_oid(out, &r->u.erasure.user);
		pl_buf_printf(out, "\n");
		break;
	case PL_RECORD_KINDS:
		break;
	}
}

static enum pl_err
say_records(struct pl_store *s, enum pl_record_kind kind, struct pl_buf *out)
{
	struct pl_record_list list;
	enum pl_err err = pl_store_export(s, kind, NULL, 10000, &list);

	if (err != PL_OK)
		return err;
	for (size_t i = 0; i < list.count; i++)
		say_record(out, &list.items[i]);
	pl_record_list_fini(&list);
	return PL_OK;
}

char *
store_faults_all(struct pl_store *s)
{
	struct pl_buf out;

	pl_buf_init(&out, PL_BUF_UNLIMITED);
	for (enum pl_record_kind kind = 0; kind < PL_RECORD_KINDS; kind++)
		assert_int_equal(say_records(s, kind, &out), PL_OK);
	return pl_buf_take(&out);
}

/* ---- reads ---- */

static enum pl_err
user_by_id(struct faults_scene *s, struct pl_buf *out)
{
	struct pl_user user;
	enum pl_err err = pl_store_user_by_id(s->store, &s->bob, &user);

	if (err == PL_OK) {
		say_user(out, &user);
		pl_user_fini(&user);
	}
	return err;
}

static enum pl_err
user_by_username(struct faults_scene *s, struct pl_buf *out)
{
	struct pl_user user;
	enum pl_err err = pl_store_user_by_username(s->store, PL_STR("bob"), &user);

	if (err == PL_OK) {
		say_user(out, &user);
		pl_user_fini(&user);
	}
	return err;
}

static enum pl_err
users_exist(struct faults_scene *s, struct pl_buf *out)
{
	struct pl_oid ids[3] = {s->ann, s->first, s->bob};
	bool exist[3] = {false, true, false};
	enum pl_err err = pl_store_users_exist(s->store, ids, 3, exist);

	if (err == PL_OK)
		pl_buf_printf(out, "%d %d %d\n", exist[0], exist[1], exist[2]);
	else
		assert_true(!exist[0] && exist[1] && !exist[2]);
	return err;
}

static enum pl_err
say_users(enum pl_err err, struct pl_user_list *list, struct pl_buf *out)
{
	if (err != PL_OK)
		return err;
	for (size_t i = 0; i < list->count; i++)
		say_user(out, &list->items[i]);
	pl_user_list_fini(list);
	return PL_OK;
}

static enum pl_err
users_page(struct faults_scene *s, struct pl_buf *out)
{
	struct pl_user_list list;

	return say_users(pl_store_users_page(s->store, NULL, 2, &list), &list, out);
}

static enum pl_err
people_page(struct faults_scene *s, struct pl_buf *out)
{
	struct pl_user_list list;

	if (s->store->backend->people_page == NULL)
		return PL_OK;
	return say_users(
	    pl_store_people_page(s->store, PL_STR("s"), NULL, 2, &list), &list, out);
}

static enum pl_err
say_messages(enum pl_err err, struct pl_message_list *list, struct pl_buf *out)
{
	if (err != PL_OK)
		return err;
	for (size_t i = 0; i < list->count; i++)
		say_message(out, &list->items[i]);
	pl_message_list_fini(list);
	return PL_OK;
}

static enum pl_err
message_pos(struct faults_scene *s, struct pl_buf *out)
{
	struct pl_message_pos pos;
	enum pl_err err =
	    pl_store_message_pos(s->store, &s->ann, &s->bob, &s->second, &pos);

	if (err == PL_OK)
		pl_buf_printf(out, "%lld\n", (long long)pos.created_unix_ms);
	return err;
}

static enum pl_err
page_after(struct faults_scene *s, struct pl_buf *out)
{
	struct pl_message_list list;

	return say_messages(pl_store_messages_page(s->store, &s->ann, &s->bob,
				PL_PAGE_AFTER, &s->first_pos, 2, &list),
	    &list, out);
}

static enum pl_err
page_before(struct faults_scene *s, struct pl_buf *out)
{
	struct pl_message_list list;
	struct pl_message_pos pos = {INT64_MAX, s->first};

	return say_messages(pl_store_messages_page(s->store, &s->bob, &s->ann,
				PL_PAGE_BEFORE, &pos, 2, &list),
	    &list, out);
}

static enum pl_err
messages_to(struct faults_scene *s, struct pl_buf *out)
{
	struct pl_message_list list;

	return say_messages(
	    pl_store_messages_to(s->store, &s->bob, NULL, 2, &list), &list, out);
}

static enum pl_err
messages_of(struct faults_scene *s, struct pl_buf *out)
{
	struct pl_oid ids[3] = {s->second, s->ann, s->first};
	struct pl_message_list list;

	return say_messages(
	    pl_store_messages_of(s->store, ids, 3, 1 << 20, &list), &list, out);
}

static enum pl_err
positions_to(struct faults_scene *s, struct pl_buf *out)
{
	struct pl_pos_list list;
	enum pl_err err = pl_store_positions_to(s->store, &s->bob, NULL, 2, &list);

	if (err != PL_OK)
		return err;
	for (size_t i = 0; i < list.count; i++)
		say_oid(out, &list.items[i].id);
	pl_pos_list_fini(&list);
	return PL_OK;
}

static void
say_conversation(struct pl_buf *out, const struct pl_conversation *c)
{
	say_user(out, &c->user);
	if (c->has_last)
		say_message(out, &c->last);
	pl_buf_printf(out, "%u\n", c->unread);
}

static enum pl_err
conversations(struct faults_scene *s, struct pl_buf *out)
{
	struct pl_conversation_list list;
	enum pl_err err;

	if (s->store->backend->conversations == NULL)
		return PL_OK;
	err = pl_store_conversations(s->store, &s->bob, NULL, 10, &list);
	if (err != PL_OK)
		return err;
	for (size_t i = 0; i < list.count; i++)
		say_conversation(out, &list.items[i]);
	pl_conversation_list_fini(&list);
	return PL_OK;
}

static enum pl_err
correspondents(struct faults_scene *s, struct pl_buf *out)
{
	struct pl_oid ids[10];
	char hex[PL_OID_HEX_LEN + 1];
	size_t count = 0;
	enum pl_err err =
	    pl_store_correspondents(s->store, &s->bob, NULL, 10, ids, &count);

	for (size_t i = 0; err == PL_OK && i < count; i++) {
		pl_oid_format(&ids[i], hex);
		pl_buf_printf(out, "%s\n", hex);
	}
	return err;
}

static enum pl_err
conversation(struct faults_scene *s, struct pl_buf *out)
{
	struct pl_conversation c;
	enum pl_err err;

	if (s->store->backend->conversation == NULL)
		return PL_OK;
	err = pl_store_conversation(s->store, &s->bob, &s->ann, &c);
	if (err != PL_OK)
		return err;
	say_conversation(out, &c);
	pl_conversation_fini(&c);
	return PL_OK;
}

static enum pl_err
overdue(struct faults_scene *s, struct pl_buf *out)
{
	struct pl_overdue_list list;
	enum pl_err err = pl_store_overdue(s->store, INT64_MAX, 2, &list);

	if (err != PL_OK)
		return err;
	for (size_t i = 0; i < list.count; i++)
		say_oid(out, &list.items[i].message.id);
	pl_overdue_list_fini(&list);
	return PL_OK;
}

static enum pl_err
revocations_since(struct faults_scene *s, struct pl_buf *out)
{
	struct pl_revocation_list list;
	enum pl_err err = pl_store_revocations_since(s->store, 1, &list);

	if (err != PL_OK)
		return err;
	for (size_t i = 0; i < list.count; i++)
		say_revocation(out, &list.items[i]);
	for (size_t i = 0; i < list.list_count; i++)
		say_sessions(out, &list.lists[i]);
	pl_revocation_list_fini(&list);
	return PL_OK;
}

static enum pl_err
sessions_of(struct faults_scene *s, struct pl_buf *out)
{
	struct pl_session_list list;
	enum pl_err err = pl_store_sessions_of(s->store, &s->ann, &list);

	if (err == PL_OK)
		say_sessions(out, &list);
	return err;
}

static enum pl_err
ping(struct faults_scene *s, struct pl_buf *out)
{
	(void)out;
	return pl_store_ping(s->store);
}

static enum pl_err
exports(struct faults_scene *s, struct pl_buf *out)
{
	enum pl_err err = PL_OK;

	for (enum pl_record_kind kind = 0; err == PL_OK && kind < PL_RECORD_KINDS; kind++)
		err = say_records(s->store, kind, out);
	return err;
}

static enum pl_err
another_session(struct faults_scene *s, struct pl_buf *out)
{
	struct pl_store *store = NULL;
	enum pl_err err = pl_store_open(s->config, &store);

	(void)out;
	if (err == PL_OK)
		pl_store_close(store);
	else
		assert_null(store);
	return err;
}

/* ---- writes: what is of this round is new, and the same at each try ---- */

static enum pl_err
add_user(struct faults_scene *s, struct pl_buf *out)
{
	char name[16];
	struct pl_oid id;

	(void)out;
	snprintf(name, sizeof(name), "u%u", s->round);
	return store_insert_user(s->store, name, &id);
}

static enum pl_err
set_status(struct faults_scene *s, struct pl_buf *out)
{
	char note[16];
	struct pl_write w = {.kind = PL_WRITE_STATUS,
	    .u.status = {.user = s->bob, .status = PL_STATUS_BUSY}};

	(void)out;
	snprintf(note, sizeof(note), "note %u", s->round);
	w.u.status.note = pl_str(note);
	return store_write_one(s->store, &w);
}

static void
read_hash(struct faults_scene *s)
{
	struct pl_user user;

	if (pl_store_user_by_id(s->f->store, &s->ann, &user) != PL_OK)
		return; /* all fails still: nothing was stored */
	snprintf(s->hash, sizeof(s->hash), "%s", user.password_hash);
	pl_user_fini(&user);
}

static enum pl_err
set_password(struct faults_scene *s, struct pl_buf *out)
{
	char fresh[sizeof(s->hash)];
	struct pl_write w = {.kind = PL_WRITE_PASSWORD,
	    .u.password = {.user = s->ann, .old_hash = s->hash, .new_hash = fresh}};
	enum pl_err err;

	(void)out;
	snprintf(fresh, sizeof(fresh), "hash %u", s->round);
	err = store_write_one(s->store, &w);
	if (err == PL_OK)
		memcpy(s->hash, fresh, sizeof(fresh));
	else
		read_hash(s); /* it may be stored */
	return err;
}

/* Three at once: two that are stored, one to nobody between them. */
static enum pl_err
send_batch(struct faults_scene *s, struct pl_buf *out)
{
	struct pl_write sends[3], *batch[3] = {&sends[0], &sends[1], &sends[2]};
	char key[16];
	enum pl_err err;

	(void)out;
	snprintf(key, sizeof(key), "key %u", s->round);
	store_send_init(&sends[0], &s->ann, &s->bob, "sent with a key", key);
	store_send_init(&sends[1], &s->ann, &s->first, "to nobody", NULL);
	store_send_init(&sends[2], &s->bob, &s->ann, "in the same batch", NULL);
	pl_store_write(s->store, batch, 3);
	err = sends[0].err != PL_OK ? sends[0].err : sends[2].err;
	if (err == PL_OK)
		assert_int_equal(sends[1].err, PL_E_NOT_FOUND);
	else
		assert_int_not_equal(sends[1].err, PL_OK);
	if (sends[0].err != PL_OK)
		assert_false(sends[0].u.send.busy);
	for (int i = 0; i < 3; i++)
		store_send_fini(&sends[i]);
	return err;
}

static enum pl_err
revoke(struct faults_scene *s, struct pl_buf *out)
{
	struct pl_write w = {.kind = PL_WRITE_REVOKE};

	(void)out;
	w.u.revoke.user = s->ann;
	w.u.revoke.token_id[0] = (uint8_t)s->round;
	w.u.revoke.token_id[1] = (uint8_t)(s->round >> 8);
	w.u.revoke.issued_unix_s = pl_clock_unix_ms() / 1000;
	w.u.revoke.expires_unix_s = pl_clock_unix_ms() / 1000 + 100000;
	return store_write_one(s->store, &w);
}

static enum pl_err
open_login(struct faults_scene *s, struct pl_buf *out)
{
	struct pl_write w = {.kind = PL_WRITE_SESSION, .u.session = {.user = s->ann}};

	(void)out;
	memcpy(w.u.session.token_id, &s->round, sizeof(s->round));
	w.u.session.issued_unix_s = pl_clock_unix_ms() / 1000;
	return store_write_one(s->store, &w);
}

static enum pl_err
note_switch(struct faults_scene *s, struct pl_buf *out)
{
	struct pl_write w = {.kind = PL_WRITE_SWITCH};

	(void)out;
	snprintf(w.u.key.current, sizeof(w.u.key.current), "%08x", s->round + 1);
	snprintf(w.u.key.previous, sizeof(w.u.key.previous), "%08x", s->round);
	return store_write_one(s->store, &w);
}

static enum pl_err
claim(struct faults_scene *s, struct pl_buf *out)
{
	struct pl_write w = store_claim(s->store, NULL, INT64_MAX, 0);

	(void)out;
	if (w.err == PL_OK)
		assert_int_equal(
		    w.u.claim.message.text_len, strlen(w.u.claim.message.text));
	store_claim_fini(&w);
	return w.err;
}

static enum pl_err
reply(struct faults_scene *s, struct pl_buf *out)
{
	struct pl_write w = store_reply(s->store, &s->owed, "an answer");

	(void)out;
	if (w.err == PL_OK)
		pl_message_fini(&w.u.reply.message);
	else
		assert_null(w.u.reply.message.text);
	return w.err;
}

static enum pl_err
mark(struct faults_scene *s, struct pl_buf *out)
{
	struct pl_write w = {.kind = PL_WRITE_MARK,
	    .u.mark = {
		.reader = s->bob, .writer = s->ann, .up_to = s->second, .is_read = true}};
	enum pl_err err = store_write_one(s->store, &w);

	(void)out;
	return err == PL_E_INVALID ? PL_OK : err; /* no back end has them yet */
}

/* A code of this round's own. */
static void
invite_of(const struct faults_scene *s, struct pl_invite *out)
{
	*out = (struct pl_invite){.uses = 2,
	    .created_unix_ms = 1700000000000,
	    .expires_unix_ms = INT64_C(4102444800000)};
	memcpy(out->code_id, &s->round, sizeof(s->round));
}

static enum pl_err
keep_invite(struct faults_scene *s, struct pl_buf *out)
{
	struct pl_invite invite;
	struct pl_write w = {.kind = PL_WRITE_INVITE, .u.invite = &invite};

	(void)out;
	invite_of(s, &invite);
	return store_write_one(s->store, &w);
}

static enum pl_err
disable(struct faults_scene *s, struct pl_buf *out)
{
	struct pl_write w = {.kind = PL_WRITE_DISABLED,
	    .u.disabled = {.user = s->bob, .is_disabled = true}};

	(void)out;
	return store_write_one(s->store, &w);
}

static enum pl_err
look_at_invite(struct faults_scene *s, struct pl_buf *out)
{
	struct pl_invite invite;
	enum pl_err err;

	invite_of(s, &invite);
	err = pl_store_invite_look(s->store, invite.code_id);
	if (err == PL_OK || err == PL_E_NOT_FOUND)
		pl_buf_printf(out, "good %d\n", err == PL_OK);
	return err == PL_E_NOT_FOUND ? PL_OK : err;
}

static enum pl_err
import_user(struct faults_scene *s, struct pl_buf *out)
{
	char name[16];
	struct pl_record r = {.kind = PL_RECORD_USER};
	enum pl_err err;

	(void)out;
	snprintf(name, sizeof(name), "i%u", s->round);
	r.u.user = (struct pl_user){.username = name,
	    .full_name = name,
	    .password_hash = name,
	    .profile_pic = name};
	memcpy(r.u.user.id.bytes, &s->round, sizeof(s->round));
	err = pl_store_import(s->store, &r, 1);
	if (err == PL_OK)
		assert_int_not_equal(r.outcome, PL_RECORD_DIFFERS);
	return err;
}

/* ---- the calls ---- */

/* A new message that is owed a reply. */
static void
owe_reply(struct faults_scene *s)
{
	s->owed = store_send(s->f->store, &s->ann, &s->bob, "owed").id;
}

/* The note of which secret signs, and a mark, are the same when made again; the lease of
 * a claim ends. */
const struct faults_call store_faults_calls[] = {
    {"ping", .run = ping},
    {"user_by_id", .run = user_by_id},
    {"user_by_username", .run = user_by_username},
    {"users_exist", .run = users_exist},
    {"users_page", .run = users_page},
    {"people_page", .run = people_page},
    {"message_pos", .run = message_pos},
    {"messages_page after", .run = page_after},
    {"messages_page before", .run = page_before},
    {"messages_to", .run = messages_to},
    {"messages_of", .run = messages_of},
    {"positions_to", .run = positions_to},
    {"conversations", .run = conversations},
    {"conversation", .run = conversation},
    {"correspondents", .run = correspondents},
    {"overdue", .run = overdue},
    {"revocations_since", .run = revocations_since},
    {"sessions_of", .run = sessions_of},
    {"invite_look", .run = look_at_invite},
    {"export", .run = exports},
    {"open", .run = another_session},
    {"write user", add_user, .writes = true},
    {"write status", set_status, .writes = true},
    {"write password", set_password, .writes = true},
    {"write send", send_batch, .writes = true},
    {"write revoke", revoke, .writes = true},
    {"write session", open_login, .writes = true},
    {"write switch", note_switch, .writes = true, .steps = FAULTS_COMMANDS},
    {"write claim", claim, .writes = true, .steps = FAULTS_COMMANDS},
    {"write reply", reply, .writes = true, .prepare = owe_reply},
    {"write mark", mark, .writes = true, .steps = FAULTS_COMMANDS},
    {"write invite", keep_invite, .writes = true},
    {"write disabled", disable, .writes = true},
    {"import", import_user, .writes = true},
    {.name = NULL},
};

/* ---- the scene ---- */

static struct pl_oid
send_id(struct pl_store *s, const struct pl_oid *from, const struct pl_oid *to,
    const char *text)
{
	return store_send(s, from, to, text).id;
}

void
store_faults_play(struct faults_scene *s, struct fixture *f)
{
	/* So long that it lies on pages of its own. */
	char *text = pl_mem_zalloc(9001);
	struct pl_buf unused;

	memset(text, 'x', 9000);
	*s = (struct faults_scene){.f = f, .store = f->store, .config = &f->config};
	snprintf(s->hash, sizeof(s->hash), "hash");
	pl_buf_init(&unused, 1);
	s->ann = store_add_user(f->store, "ann");
	s->bob = store_add_user(f->store, "bob");
	store_set_status(f->store, &s->bob, PL_STATUS_BUSY);
	s->first_pos = store_send(f->store, &s->ann, &s->bob, "first");
	s->first = s->first_pos.id;
	s->second = send_id(f->store, &s->ann, &s->bob, text);
	s->owed = send_id(f->store, &s->ann, &s->bob, "owed");
	send_id(f->store, &s->bob, &s->ann, "back");
	for (s->round = 1000; s->round < 1003; s->round++) {
		assert_int_equal(revoke(s, &unused), PL_OK);
		assert_int_equal(open_login(s, &unused), PL_OK);
	}
	store_faults_play_own(s);
	pl_buf_fini(&unused);
	pl_mem_free(text);
}

static bool
holds_line(const char *all, const char *line, size_t len)
{
	for (const char *at = all; *at != '\0'; at = strchr(at, '\n') + 1)
		if (strncmp(at, line, len) == 0)
			return true;
	return false;
}

/* How much of a line is still there if what it tells of is: kind, and id of the message. */
static size_t
len_of_name(const char *line, size_t len, const struct pl_oid *changing)
{
	char hex[PL_OID_HEX_LEN + 1] = "";

	pl_oid_format(changing, hex);
	return memmem(line, len, hex, PL_OID_HEX_LEN) != NULL
		   ? sizeof("message") + PL_OID_HEX_LEN
		   : len;
}

/* Of messages and revocations nothing is ever taken back, but what a message says. */
static void
assert_nothing_lost(
    const struct faults_scene *s, const char *call, const char *before, const char *after)
{
	const char *next;

	for (const char *line = before; *line != '\0'; line = next) {
		size_t len;

		next = strchr(line, '\n') + 1;
		len = (size_t)(next - line);
		if (strncmp(line, "message", 7) == 0)
			len = len_of_name(line, len, &s->changing);
		else if (strncmp(line, "rev", 3) != 0)
			continue;
		if (!holds_line(after, line, len))
			fail_msg("%s: lost: %.*s", call, (int)(next - line), line);
	}
}

static void
open_again(struct faults_scene *s)
{
	pl_store_close(s->store);
	s->store = store_open_patiently(s->config);
}

static bool
may_be_stored(const struct store_faults *faults, const struct faults_call *c)
{
	return faults->may_be_stored || c->steps == FAULTS_COMMITS ||
	       (c->steps == FAULTS_COMMANDS && faults->is_in_steps);
}

static void
check_failed(struct faults_scene *s, const struct store_faults *faults,
    const struct faults_call *c, unsigned n, enum pl_err err, const char *before)
{
	char *after;

	if (!faults->is_right(err))
		fail_msg(
		    "%s, %s %u: not the right error: %d", c->name, faults->name, n, err);
	after = before != NULL ? store_faults_all(s->f->store) : NULL;
	if (before == NULL)
		;
	else if (may_be_stored(faults, c))
		assert_nothing_lost(s, c->name, before, after);
	else if (strcmp(before, after) != 0)
		fail_msg("%s, %s %u: failed, and stored something:\n%s\nbefore\n%s",
		    c->name, faults->name, n, after, before);
	pl_mem_free(after);
	if (c->writes && c->steps != FAULTS_COMMITS && faults->look != NULL)
		faults->look(faults->arg, before);
	if (c->check != NULL && may_be_stored(faults, c))
		c->check(s);
	if (faults->loses_session)
		open_again(s);
	err = pl_store_ping(s->store);
	if (err == PL_OK && c->writes)
		err = set_status(s, NULL);
	if (err != PL_OK)
		fail_msg("%s, %s %u: the session is of no use afterwards: %d", c->name,
		    faults->name, n, err);
}

/* True: a step failed. */
static bool
try(struct faults_scene *s, const struct store_faults *faults,
    const struct faults_call *c, unsigned n, const char *expected)
{
	char *before = c->writes ? store_faults_all(s->f->store) : NULL;
	struct pl_buf said;
	enum pl_err err;
	bool failed;

	pl_buf_init(&said, PL_BUF_UNLIMITED);
	faults->begin(faults->arg, n);
	err = c->run(s, &said);
	failed = faults->end(faults->arg);
	if (err != PL_OK && !failed && !(c->run == reply && err == PL_E_CONFLICT) &&
	    !(c->run == add_user && err == PL_E_CONFLICT) &&
	    !(c->run == set_password && err == PL_E_CONFLICT))
		fail_msg("%s, %s: without a failure: %d", c->name, faults->name, err);
	if (err != PL_OK && failed)
		check_failed(s, faults, c, n, err, before);
	if (err == PL_OK && expected != NULL &&
	    strcmp(expected, said.data != NULL ? said.data : "") != 0)
		fail_msg("%s, %s %u: success, but not what is stored:\n%s\nnot\n%s",
		    c->name, faults->name, n, said.data, expected);
	pl_buf_fini(&said);
	pl_mem_free(before);
	return failed;
}

static void
new_round(struct faults_scene *s, const struct faults_call *c)
{
	s->round++;
	if (c->prepare != NULL)
		c->prepare(s);
}

/* What the call gives when nothing fails. */
static void
say_healthy(struct faults_scene *s, const struct faults_call *c, struct pl_buf *out)
{
	struct pl_store *store = s->store;

	pl_buf_clear(out);
	pl_buf_add_cstr(out, "");
	s->store = s->f->store;
	assert_int_equal(c->run(s, out), PL_OK);
	s->store = store;
}

static unsigned
step_after(unsigned n)
{
	return n < EACH_UP_TO || getenv("FAULTS_EACH") != NULL ? n + 1 : n + ONE_OF;
}

static unsigned
fail_each_step(struct faults_scene *s, const struct store_faults *faults,
    const struct faults_call *c)
{
	struct pl_buf healthy;
	unsigned n = 1, failures = 0;
	bool has_failed = true;

	pl_buf_init(&healthy, PL_BUF_UNLIMITED);
	for (; has_failed; n = step_after(n)) {
		/* A new session has no statement prepared yet: that can fail, too. */
		open_again(s);
		new_round(s, c);
		if (!c->writes && n == 1)
			say_healthy(s, c, &healthy);
		assert_true(n < STEPS_MAX);
		has_failed = try(s, faults, c, n, c->writes ? NULL : healthy.data);
		failures += has_failed;
	}
	pl_buf_fini(&healthy);
	return failures;
}

unsigned
store_faults_run(struct faults_scene *s, const struct store_faults *faults,
    const struct faults_call *calls)
{
	unsigned failures = 0;

	for (const struct faults_call *c = calls; c->name != NULL; c++)
		if (c->writes || !faults->only_writes)
			failures += fail_each_step(s, faults, c);
	return failures;
}
