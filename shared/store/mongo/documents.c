#include "base/mem.h"
#include "base/utf8.h"
#include "store/mongo/documents.h"

/* What stands for bytes that are not UTF-8. */
#define REPLACEMENT "\xef\xbf\xbd"

/* ---- values ---- */

void
pl_mongo_put_oid(bson_t *doc, const char *key, const struct pl_oid *oid)
{
	bson_oid_t value;

	memcpy(value.bytes, oid->bytes, PL_OID_LEN);
	bson_append_oid(doc, key, -1, &value);
}

void
pl_mongo_put_str(bson_t *doc, const char *key, struct pl_str text)
{
	/* a NULL pointer would become null */
	bson_append_utf8(doc, key, -1, text.ptr ? text.ptr : "", (int)text.len);
}

void
pl_mongo_put_time(bson_t *doc, const char *key, int64_t unix_ms)
{
	bson_append_date_time(doc, key, -1, unix_ms);
}

void
pl_mongo_put_int(bson_t *doc, const char *key, int32_t value)
{
	bson_append_int32(doc, key, -1, value);
}

void
pl_mongo_put_bound(bson_t *doc, const char *key, const char *op, int64_t unix_ms)
{
	bson_t bound;

	bson_append_document_begin(doc, key, -1, &bound);
	pl_mongo_put_time(&bound, op, unix_ms);
	bson_append_document_end(doc, &bound);
}

void
pl_mongo_put_type(bson_t *doc, const char *key, int type)
{
	bson_t is;

	bson_append_document_begin(doc, key, -1, &is);
	pl_mongo_put_int(&is, "$type", type);
	bson_append_document_end(doc, &is);
}

void
pl_mongo_put_in(bson_t *doc, const char *key, const struct pl_oid *ids, size_t count)
{
	bson_t in, list;

	bson_append_document_begin(doc, key, -1, &in);
	bson_append_array_begin(&in, "$in", -1, &list);
	for (size_t i = 0; i < count; i++) {
		const char *at;
		char text[16];

		bson_uint32_to_string((uint32_t)i, &at, text, sizeof(text));
		pl_mongo_put_oid(&list, at, &ids[i]);
	}
	bson_append_array_end(&in, &list);
	bson_append_document_end(doc, &in);
}

bool
pl_mongo_get_oid(const bson_t *doc, const char *key, struct pl_oid *out)
{
	bson_iter_t it;

	if (!bson_iter_init_find(&it, doc, key) || !BSON_ITER_HOLDS_OID(&it))
		return false;
	memcpy(out->bytes, bson_iter_oid(&it)->bytes, PL_OID_LEN);
	return true;
}

bool
pl_mongo_get_str(const bson_t *doc, const char *key, struct pl_str *out)
{
	bson_iter_t it;
	uint32_t len;
	const char *text;

	if (!bson_iter_init_find(&it, doc, key) || !BSON_ITER_HOLDS_UTF8(&it))
		return false;
	text = bson_iter_utf8(&it, &len);
	*out = pl_str_n(text, len);
	if (!pl_utf8_is_valid(*out))
		*out = PL_STR(REPLACEMENT);
	return true;
}

bool
pl_mongo_get_time(const bson_t *doc, const char *key, int64_t *out)
{
	bson_iter_t it;

	if (!bson_iter_init_find(&it, doc, key) || !BSON_ITER_HOLDS_DATE_TIME(&it))
		return false;
	*out = bson_iter_date_time(&it);
	return true;
}

bool
pl_mongo_get_int(const bson_t *doc, const char *key, int64_t *out)
{
	bson_iter_t it, found;

	if (!bson_iter_init(&it, doc) || !bson_iter_find_descendant(&it, key, &found) ||
	    !BSON_ITER_HOLDS_INT(&found))
		return false;
	*out = bson_iter_as_int64(&found);
	return true;
}

/* As a C string, which ends at a NUL. If it is absent, a copy of fallback (NULL:
 * NULL). */
static char *
dup_text(const bson_t *doc, const char *key, const char *fallback)
{
	struct pl_str text;

	if (!pl_mongo_get_str(doc, key, &text))
		return pl_mem_strdup(fallback);
	if (memchr(text.ptr, '\0', text.len) != NULL)
		text = PL_STR(REPLACEMENT);
	return pl_mem_strndup(text.ptr, text.len);
}

int64_t
pl_mongo_time_of(const struct pl_oid *id)
{
	uint32_t seconds = 0;

	for (int i = 0; i < 4; i++)
		seconds = seconds << 8 | id->bytes[i];
	return (int64_t)seconds * 1000;
}

/* ---- users ---- */

enum pl_status
pl_mongo_user_status_read(const bson_t *doc)
{
	enum pl_status status = PL_STATUS_AVAILABLE;
	struct pl_str text;

	if (pl_mongo_get_str(doc, PL_USER_F_STATUS, &text) &&
	    !pl_status_parse(text, &status))
		status = PL_STATUS_AVAILABLE;
	return status;
}

bool
pl_mongo_disabled_read(const bson_t *doc)
{
	bson_iter_t it;

	return bson_iter_init_find(&it, doc, PL_MONGO_F_DISABLED) &&
	       BSON_ITER_HOLDS_BOOL(&it) && bson_iter_bool(&it);
}

bool
pl_mongo_user_read(const bson_t *doc, struct pl_user *out)
{
	struct pl_user user = {.gender = PL_GENDER_MALE};
	struct pl_str text;

	if (!pl_mongo_get_oid(doc, PL_USER_F_ID, &user.id) ||
	    !pl_mongo_get_str(doc, PL_USER_F_USERNAME, &text))
		return false;
	user.username = dup_text(doc, PL_USER_F_USERNAME, NULL);
	user.full_name = dup_text(doc, PL_USER_F_FULL_NAME, user.username);
	user.password_hash = dup_text(doc, PL_USER_F_PASSWORD, "");
	user.profile_pic = dup_text(doc, PL_USER_F_PROFILE_PIC, "");
	user.note = dup_text(doc, PL_USER_F_NOTE, NULL);
	user.given_pic = dup_text(doc, PL_MONGO_F_GIVEN_PIC, NULL);
	if (pl_mongo_get_str(doc, PL_USER_F_GENDER, &text))
		(void)pl_gender_parse(text, &user.gender);
	user.status = pl_mongo_user_status_read(doc);
	user.is_disabled = pl_mongo_disabled_read(doc);
	if (!pl_mongo_get_time(doc, PL_USER_F_CREATED_AT, &user.created_unix_ms))
		user.created_unix_ms = pl_mongo_time_of(&user.id);
	if (!pl_mongo_get_time(doc, PL_USER_F_UPDATED_AT, &user.updated_unix_ms))
		user.updated_unix_ms = user.created_unix_ms;
	*out = user;
	return true;
}

const char *const pl_mongo_user_state_fields[] = {
    PL_USER_F_USERNAME, PL_USER_F_STATUS, PL_MONGO_F_DISABLED, PL_USER_F_NOTE, NULL};

bool
pl_mongo_user_state_read(const bson_t *doc, struct pl_user_state *out)
{
	struct pl_user_state state = {0};
	struct pl_str username;

	if (!pl_mongo_get_oid(doc, PL_USER_F_ID, &state.id) ||
	    !pl_mongo_get_str(doc, PL_USER_F_USERNAME, &username))
		return false;
	state.status = pl_mongo_user_status_read(doc);
	state.is_disabled = pl_mongo_disabled_read(doc);
	state.note = dup_text(doc, PL_USER_F_NOTE, NULL);
	*out = state;
	return true;
}

void
pl_mongo_user_write(bson_t *doc, const struct pl_user *user)
{
	pl_mongo_put_oid(doc, PL_USER_F_ID, &user->id);
	pl_mongo_put_str(doc, PL_USER_F_FULL_NAME, pl_str(user->full_name));
	pl_mongo_put_str(doc, PL_USER_F_USERNAME, pl_str(user->username));
	pl_mongo_put_str(doc, PL_USER_F_PASSWORD, pl_str(user->password_hash));
	pl_mongo_put_str(doc, PL_USER_F_GENDER, pl_str(pl_gender_name(user->gender)));
	pl_mongo_put_str(doc, PL_USER_F_PROFILE_PIC, pl_str(user->profile_pic));
	pl_mongo_put_str(doc, PL_USER_F_STATUS, pl_str(pl_status_name(user->status)));
	if (user->note != NULL)
		pl_mongo_put_str(doc, PL_USER_F_NOTE, pl_str(user->note));
	if (user->is_disabled)
		bson_append_bool(doc, PL_MONGO_F_DISABLED, -1, true);
	if (user->given_pic != NULL)
		pl_mongo_put_str(doc, PL_MONGO_F_GIVEN_PIC, pl_str(user->given_pic));
	pl_mongo_put_time(doc, PL_USER_F_CREATED_AT, user->created_unix_ms);
	pl_mongo_put_time(doc, PL_USER_F_UPDATED_AT, user->updated_unix_ms);
	pl_mongo_put_int(doc, PL_MESSAGE_F_VERSION, 0);
	pl_mongo_people_write(doc, user);
}

/* ---- messages ---- */

/* Only as a whole: without both fields it is an ordinary message. */
static void
read_auto_reply(const bson_t *doc, struct pl_message *m)
{
	enum pl_reply_kind kind;
	struct pl_oid to;
	struct pl_str name;
	bson_iter_t it;
	const uint8_t *data;
	uint32_t len;
	bson_t reply;

	if (!bson_iter_init_find(&it, doc, PL_MESSAGE_F_AUTO_REPLY) ||
	    !BSON_ITER_HOLDS_DOCUMENT(&it))
		return;
	bson_iter_document(&it, &len, &data);
	if (!bson_init_static(&reply, data, len) ||
	    !pl_mongo_get_str(&reply, PL_MESSAGE_F_KIND, &name) ||
	    !pl_reply_kind_parse(name, &kind) ||
	    !pl_mongo_get_oid(&reply, PL_MESSAGE_F_IN_REPLY_TO, &to))
		return;
	m->reply_kind = kind;
	m->in_reply_to = to;
}

bool
pl_mongo_message_read(const bson_t *doc, struct pl_message *out)
{
	struct pl_message m = {.reply_kind = PL_REPLY_NONE};
	struct pl_str text;

	if (!pl_mongo_get_oid(doc, PL_MESSAGE_F_ID, &m.id) ||
	    !pl_mongo_get_oid(doc, PL_MESSAGE_F_SENDER, &m.sender) ||
	    !pl_mongo_get_oid(doc, PL_MESSAGE_F_RECEIVER, &m.receiver) ||
	    !pl_mongo_get_time(doc, PL_MESSAGE_F_CREATED_AT, &m.created_unix_ms) ||
	    !pl_mongo_get_str(doc, PL_MESSAGE_F_TEXT, &text))
		return false;
	if (!pl_mongo_get_time(doc, PL_MESSAGE_F_UPDATED_AT, &m.updated_unix_ms))
		m.updated_unix_ms = m.created_unix_ms;
	read_auto_reply(doc, &m);
	(void)pl_mongo_get_time(doc, PL_MESSAGE_F_EDITED_AT, &m.edited_unix_ms);
	if (pl_mongo_get_time(doc, PL_MESSAGE_F_DELETED_AT, &m.deleted_unix_ms))
		text = PL_STR("");
	m.text = pl_mem_strndup(text.ptr, text.len);
	m.text_len = text.len;
	*out = m;
	return true;
}

void
pl_mongo_message_write(bson_t *doc, const struct pl_message *m)
{
	const char *kind = pl_reply_kind_name(m->reply_kind);
	bson_t reply;

	pl_mongo_put_oid(doc, PL_MESSAGE_F_ID, &m->id);
	pl_mongo_put_oid(doc, PL_MESSAGE_F_SENDER, &m->sender);
	pl_mongo_put_oid(doc, PL_MESSAGE_F_RECEIVER, &m->receiver);
	pl_mongo_put_str(doc, PL_MESSAGE_F_TEXT, pl_str_n(m->text, m->text_len));
	if (kind != NULL) {
		bson_append_document_begin(doc, PL_MESSAGE_F_AUTO_REPLY, -1, &reply);
		pl_mongo_put_str(&reply, PL_MESSAGE_F_KIND, pl_str(kind));
		pl_mongo_put_oid(&reply, PL_MESSAGE_F_IN_REPLY_TO, &m->in_reply_to);
		bson_append_document_end(doc, &reply);
	}
	pl_mongo_put_time(doc, PL_MESSAGE_F_CREATED_AT, m->created_unix_ms);
	pl_mongo_put_time(doc, PL_MESSAGE_F_UPDATED_AT, m->updated_unix_ms);
	if (m->edited_unix_ms != 0)
		pl_mongo_put_time(doc, PL_MESSAGE_F_EDITED_AT, m->edited_unix_ms);
	if (m->deleted_unix_ms != 0)
		pl_mongo_put_time(doc, PL_MESSAGE_F_DELETED_AT, m->deleted_unix_ms);
	if (pl_message_changed(m) != 0)
		pl_mongo_put_time(doc, PL_MONGO_F_CHANGED_AT, pl_message_changed(m));
	pl_mongo_put_int(doc, PL_MESSAGE_F_VERSION, 0);
}

void
pl_mongo_job_write(
    bson_t *doc, int64_t deadline_unix_ms, int32_t attempt, const struct pl_trace *trace)
{
	bson_t job;

	bson_append_document_begin(doc, PL_MONGO_F_JOB, -1, &job);
	pl_mongo_put_time(&job, PL_MONGO_F_DEADLINE, deadline_unix_ms);
	pl_mongo_put_time(&job, PL_MONGO_F_LEASE_UNTIL, 0);
	pl_mongo_put_int(&job, PL_MONGO_F_ATTEMPT, attempt);
	if (!pl_trace_is_none(trace))
		pl_mongo_put_str(&job, PL_MONGO_F_TRACE, pl_str(trace->text));
	bson_append_document_end(doc, &job);
}

static void
read_trace(const bson_t *doc, struct pl_trace *out)
{
	bson_iter_t it, found;
	const char *text;
	uint32_t len;

	*out = (struct pl_trace){0};
	if (!bson_iter_init(&it, doc) ||
	    !bson_iter_find_descendant(&it, PL_MONGO_P_TRACE, &found) ||
	    !BSON_ITER_HOLDS_UTF8(&found))
		return;
	text = bson_iter_utf8(&found, &len);
	(void)!pl_trace_parse(pl_str_n(text, len), out);
}

bool
pl_mongo_job_read(const bson_t *doc, int64_t *deadline_unix_ms, int64_t *attempt,
    struct pl_trace *trace)
{
	bson_iter_t it, found;

	if (!bson_iter_init(&it, doc) ||
	    !bson_iter_find_descendant(&it, PL_MONGO_P_DEADLINE, &found) ||
	    !BSON_ITER_HOLDS_DATE_TIME(&found) ||
	    !pl_mongo_get_int(doc, PL_MONGO_P_ATTEMPT, attempt))
		return false;
	*deadline_unix_ms = bson_iter_date_time(&found);
	read_trace(doc, trace);
	return true;
}

/* Documents from which no message can be read are not even sent, so that a page is short
 * only at the end of the conversation. An array matches if one of its items does: those
 * are told apart. */
void
pl_mongo_put_readable(bson_t *filter)
{
	static const char *const fields[] = {PL_MESSAGE_F_SENDER, PL_MESSAGE_F_RECEIVER,
	    PL_MESSAGE_F_CREATED_AT, PL_MESSAGE_F_TEXT};
	bson_t none, item;

	bson_append_array_begin(filter, "$nor", -1, &none);
	for (uint32_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		const char *at;
		char text[16];

		bson_uint32_to_string(i, &at, text, sizeof(text));
		bson_append_document_begin(&none, at, -1, &item);
		pl_mongo_put_type(&item, fields[i], PL_MONGO_T_ARRAY);
		bson_append_document_end(&none, &item);
	}
	bson_append_array_end(filter, &none);
	pl_mongo_put_type(filter, PL_MESSAGE_F_ID, PL_MONGO_T_OID);
	pl_mongo_put_type(filter, PL_MESSAGE_F_TEXT, PL_MONGO_T_STRING);
}

/* ---- revocations ---- */

bool
pl_mongo_revocation_read(const bson_t *doc, struct pl_revocation *out)
{
	struct pl_revocation r = {0};
	int64_t expires_unix_ms, issued_unix_ms;
	bson_subtype_t subtype;
	const uint8_t *id;
	uint32_t len;
	bson_iter_t it;

	if (!bson_iter_init_find(&it, doc, PL_MESSAGE_F_ID) ||
	    !BSON_ITER_HOLDS_BINARY(&it))
		return false;
	bson_iter_binary(&it, &subtype, &len, &id);
	if (len != PL_JWT_ID_LEN || !pl_mongo_get_oid(doc, PL_MONGO_F_USER, &r.user) ||
	    !pl_mongo_get_time(doc, PL_USER_F_CREATED_AT, &r.created_unix_ms) ||
	    !pl_mongo_get_time(doc, PL_MONGO_F_EXPIRES_AT, &expires_unix_ms))
		return false;
	memcpy(r.token_id, id, len);
	r.expires_unix_s = expires_unix_ms / 1000;
	if (pl_mongo_get_time(doc, PL_MONGO_F_ISSUED_AT, &issued_unix_ms))
		r.issued_unix_s = issued_unix_ms / 1000;
	*out = r;
	return true;
}

void
pl_mongo_revocation_write(bson_t *doc, const struct pl_revocation *r)
{
	bson_append_binary(
	    doc, PL_MESSAGE_F_ID, -1, BSON_SUBTYPE_BINARY, r->token_id, PL_JWT_ID_LEN);
	pl_mongo_put_oid(doc, PL_MONGO_F_USER, &r->user);
	pl_mongo_put_time(doc, PL_USER_F_CREATED_AT, r->created_unix_ms);
	pl_mongo_put_time(doc, PL_MONGO_F_EXPIRES_AT,
	    r->expires_unix_s < INT64_MAX / 1000 ? r->expires_unix_s * 1000 : INT64_MAX);
	if (r->issued_unix_s > 0)
		pl_mongo_put_time(doc, PL_MONGO_F_ISSUED_AT, r->issued_unix_s * 1000);
}

/* ---- lists of sessions ---- */

static bool
read_live(const bson_t *doc, struct pl_session_list *out)
{
	bson_subtype_t subtype;
	const uint8_t *bytes;
	uint32_t len;
	bson_iter_t it;

	if (!bson_iter_init_find(&it, doc, PL_MONGO_F_LIVE) ||
	    !BSON_ITER_HOLDS_BINARY(&it))
		return false;
	bson_iter_binary(&it, &subtype, &len, &bytes);
	return pl_session_list_unpack(out, pl_str_n(bytes, len));
}

bool
pl_mongo_list_read(const bson_t *doc, struct pl_session_list *out)
{
	int64_t mark_unix_ms;
	struct pl_oid user;

	if (!pl_mongo_get_oid(doc, PL_USER_F_ID, &user) ||
	    !pl_mongo_get_time(doc, PL_MONGO_F_MARK, &mark_unix_ms))
		return false;
	if (mark_unix_ms < 0 || mark_unix_ms / 1000 > PL_SESSION_TIME_MAX)
		return false;
	pl_session_list_init(out, &user);
	if (!read_live(doc, out))
		return false;
	out->before_unix_s = mark_unix_ms / 1000;
	(void)pl_mongo_get_time(doc, PL_MONGO_F_CHANGED_AT, &out->changed_unix_ms);
	return true;
}

void
pl_mongo_list_write(bson_t *doc, const struct pl_session_list *l, int64_t version)
{
	struct pl_buf live;

	pl_buf_init(&live, PL_SESSIONS_MAX * PL_SESSION_BYTES);
	pl_session_list_pack(l, &live);
	pl_mongo_put_time(doc, PL_MONGO_F_MARK, l->before_unix_s * 1000);
	pl_mongo_put_time(doc, PL_MONGO_F_EXPIRES_AT, pl_session_list_expires(l) * 1000);
	bson_append_binary(doc, PL_MONGO_F_LIVE, -1, BSON_SUBTYPE_BINARY,
	    (const uint8_t *)(live.data != NULL ? live.data : ""), (uint32_t)live.len);
	bson_append_int64(doc, PL_MONGO_F_LIST_VERSION, -1, version);
	if (l->changed_unix_ms > 0)
		pl_mongo_put_time(doc, PL_MONGO_F_CHANGED_AT, l->changed_unix_ms);
	pl_buf_fini(&live);
}
