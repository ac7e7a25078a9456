#include "base/clock.h"
#include "base/mem.h"
#include "store/sqlite/query.h"

#define SELECT_IDEM                                                                      \
	"SELECT sender, message, idem_key, created, first_text FROM idem_keys "
#define SELECT_JOB "SELECT message, deadline, attempt, trace FROM reply_jobs "
#define SELECT_REVOCATION                                                                \
	"SELECT token_id, user, expires, created, issued FROM revocations "
#define SELECT_SESSIONS "SELECT user, mark, changed, live FROM sessions "
#define SELECT_MARKS                                                                     \
	"SELECT user, other, read_at, read_id, delivered_at, delivered_id "              \
	"FROM correspondents "
#define SELECT_AVATAR "SELECT user, type, bytes FROM avatars "

#define SELECT_BLOCK   "SELECT user, other, created FROM blocks "
#define SELECT_ERASURE "SELECT user, noted FROM erasures "

/* An expired record counts as none. */
static const char idem_page[] =
    SELECT_IDEM "WHERE created > ?1 AND (sender, idem_key) > (?2, ?3) "
		"ORDER BY sender, idem_key LIMIT ?4";
static const char job_page[] = SELECT_JOB "WHERE message > ? ORDER BY message LIMIT ?";
static const char revocation_page[] =
    SELECT_REVOCATION "WHERE expires > ? AND token_id > ? ORDER BY token_id LIMIT ?";

static const char sessions_page[] =
    SELECT_SESSIONS "WHERE expires > ? AND user > ? ORDER BY user LIMIT ?";
/* What is read is delivered, so that there is no read mark alone. */
static const char marks_page[] =
    SELECT_MARKS "WHERE (user, other) > (?, ?) AND delivered_at IS NOT NULL "
		 "ORDER BY user, other LIMIT ?";

static const char avatar_page[] = SELECT_AVATAR "WHERE user > ? ORDER BY user LIMIT ?";
static const char block_page[] =
    SELECT_BLOCK "WHERE (user, other) > (?, ?) ORDER BY user, other LIMIT ?";
static const char erasure_page[] = SELECT_ERASURE "WHERE user > ? ORDER BY user LIMIT ?";

static const char idem_find[] = SELECT_IDEM "WHERE sender = ? AND idem_key = ?";
static const char job_find[] = SELECT_JOB "WHERE message = ?";
static const char revocation_find[] = SELECT_REVOCATION "WHERE token_id = ?";
static const char sessions_find[] = SELECT_SESSIONS "WHERE user = ?";
static const char avatar_find[] = SELECT_AVATAR "WHERE user = ?";
static const char marks_find[] =
    SELECT_MARKS "WHERE user = ? AND other = ? AND delivered_at IS NOT NULL";

static const char block_find[] = SELECT_BLOCK "WHERE user = ? AND other = ?";
static const char erasure_find[] = SELECT_ERASURE "WHERE user = ?";

/* A key is as old as its message (idem.c). An expired one makes room. */
static const char idem_put[] =
    "INSERT INTO idem_keys (sender, message, idem_key, created, first_text) "
    "SELECT ?1, ?2, ?3, created, ?4 FROM messages WHERE id = ?2 "
    "ON CONFLICT (sender, idem_key) DO UPDATE SET message = excluded.message, "
    "created = excluded.created, first_text = excluded.first_text "
    "WHERE idem_keys.created <= ?5";
static const char job_put[] =
    "INSERT INTO reply_jobs (message, deadline, lease_until, attempt, trace) "
    "SELECT ?1, ?2, 0, ?3, ?4 WHERE EXISTS (SELECT 1 FROM messages WHERE id = ?1) "
    "ON CONFLICT DO NOTHING";
static const char revocation_put[] =
    "INSERT INTO revocations (token_id, user, expires, created, issued) "
    "VALUES (?, ?, ?, ?, nullif(?, 0)) ON CONFLICT DO NOTHING";

static const char erasure_put[] =
    "INSERT INTO erasures (user, noted, stage, worker, lease_until) "
    "VALUES (?, ?, 0, 0, 0) ON CONFLICT DO NOTHING";

static int64_t
idem_alive_since(void)
{
	return pl_clock_unix_ms() - PL_STORE_IDEM_KEPT_MS;
}

static void
bind_alive_since(struct pl_query *q, enum pl_record_kind kind)
{
	if (kind == PL_RECORD_IDEM)
		pl_query_int(q, idem_alive_since());
	else if (kind == PL_RECORD_REVOCATION || kind == PL_RECORD_SESSIONS)
		pl_query_int(q, pl_clock_unix_ms() / 1000 - PL_STORE_REVOKED_SLACK_S);
}

/* ---- rows ---- */

static void
read_row(struct pl_query *q, struct pl_record *r)
{
	switch (r->kind) {
	case PL_RECORD_IDEM:
		pl_query_get_oid(q, 0, &r->u.idem.sender);
		pl_query_get_oid(q, 1, &r->u.idem.message);
		r->u.idem.key = pl_query_get_string(q, 2);
		r->u.idem.created_unix_ms = pl_query_get_int(q, 3);
		pl_sqlite_first_text_read(q, 4, &r->u.idem.first_text);
		break;
	case PL_RECORD_JOB:
		pl_query_get_oid(q, 0, &r->u.job.message);
		r->u.job.deadline_unix_ms = pl_query_get_int(q, 1);
		r->u.job.attempt = pl_query_get_int(q, 2);
		pl_query_get_trace(q, 3, &r->u.job.trace);
		break;
	case PL_RECORD_SESSIONS:
		r->u.sessions = pl_mem_alloc(sizeof(*r->u.sessions));
		pl_sqlite_list_read(q, r->u.sessions);
		break;
	case PL_RECORD_MARKS:
		pl_query_get_oid(q, 0, &r->u.marks.user);
		pl_query_get_oid(q, 1, &r->u.marks.other);
		pl_sqlite_marks_read(q, 2, &r->u.marks);
		break;
	case PL_RECORD_AVATAR:
		pl_sqlite_avatar_read(q, &r->u.avatar);
		break;
	case PL_RECORD_BLOCK:
		pl_query_get_oid(q, 0, &r->u.block.user);
		pl_query_get_oid(q, 1, &r->u.block.other);
		r->u.block.created_unix_ms = pl_query_get_int(q, 2);
		break;
	case PL_RECORD_ERASURE:
		pl_query_get_oid(q, 0, &r->u.erasure.user);
		r->u.erasure.noted_unix_ms = pl_query_get_int(q, 1);
		break;
	default:
		pl_query_get_blob(q, 0, r->u.revocation.token_id, PL_JWT_ID_LEN);
		pl_query_get_oid(q, 1, &r->u.revocation.user);
		r->u.revocation.expires_unix_s = pl_query_get_int(q, 2);
		r->u.revocation.created_unix_ms = pl_query_get_int(q, 3);
		r->u.revocation.issued_unix_s = pl_query_get_int(q, 4);
		break;
	}
}

static enum pl_err
read_rows(struct pl_query *q, enum pl_record_kind kind, struct pl_record_list *out)
{
	struct pl_record_list list = {0};
	enum pl_err err;

	while (pl_query_row(q)) {
		list.items = pl_store_grow(list.items, list.count, sizeof(*list.items));
		list.items[list.count] = (struct pl_record){.kind = kind};
		read_row(q, &list.items[list.count++]);
	}
	err = pl_query_end(q);
	if (err == PL_OK)
		*out = list;
	else
		pl_record_list_fini(&list);
	return err;
}

/* ---- out ---- */

/* The empty key comes before all. */
static void
bind_after(struct pl_query *q, enum pl_record_kind kind, const struct pl_record *after)
{
	if (after == NULL) {
		pl_query_blob(q, "", 0);
		if (kind == PL_RECORD_IDEM)
			pl_query_text(q, PL_STR(""));
		if (kind == PL_RECORD_MARKS || kind == PL_RECORD_BLOCK)
			pl_query_blob(q, "", 0);
	} else if (kind == PL_RECORD_IDEM) {
		pl_query_oid(q, &after->u.idem.sender);
		pl_query_text(q, pl_str(after->u.idem.key));
	} else if (kind == PL_RECORD_JOB) {
		pl_query_oid(q, &after->u.job.message);
	} else if (kind == PL_RECORD_SESSIONS) {
		pl_query_oid(q, &after->u.sessions->user);
	} else if (kind == PL_RECORD_AVATAR) {
		pl_query_oid(q, &after->u.avatar.user);
	} else if (kind == PL_RECORD_MARKS) {
		pl_query_oid(q, &after->u.marks.user);
		pl_query_oid(q, &after->u.marks.other);
	} else if (kind == PL_RECORD_BLOCK) {
		pl_query_oid(q, &after->u.block.user);
		pl_query_oid(q, &after->u.block.other);
	} else if (kind == PL_RECORD_ERASURE) {
		pl_query_oid(q, &after->u.erasure.user);
	} else {
		pl_query_blob(q, after->u.revocation.token_id, PL_JWT_ID_LEN);
	}
}

enum pl_err
pl_sqlite_export(struct pl_store *store, enum pl_record_kind kind,
    const struct pl_record *after, size_t limit, struct pl_record_list *out)
{
	static const char *const pages[] = {
	    [PL_RECORD_IDEM] = idem_page,
	    [PL_RECORD_JOB] = job_page,
	    [PL_RECORD_REVOCATION] = revocation_page,
	    [PL_RECORD_SESSIONS] = sessions_page,
	    [PL_RECORD_MARKS] = marks_page,
	    [PL_RECORD_AVATAR] = avatar_page,
	    [PL_RECORD_BLOCK] = block_page,
	    [PL_RECORD_ERASURE] = erasure_page,
	};
	struct pl_query q;

	if (kind == PL_RECORD_INVITE)
		return pl_sqlite_invites_page(pl_sqlite_of(store), after, limit, out);
	q = pl_query_start(pl_sqlite_of(store), pages[kind]);
	bind_alive_since(&q, kind);
	bind_after(&q, kind, after);
	pl_query_int(&q, (int64_t)limit);
	return read_rows(&q, kind, out);
}

/* ---- in ---- */

static enum pl_err
run_put(struct pl_query *q)
{
	int changed = 0;
	enum pl_err err = pl_query_run(q, &changed);

	return err == PL_OK && changed == 0 ? PL_E_CONFLICT : err;
}

static enum pl_err
put_idem(struct pl_sqlite *s, const struct pl_record_idem *idem)
{
	struct pl_query q = pl_query_start(s, idem_put);

	pl_query_oid(&q, &idem->sender);
	pl_query_oid(&q, &idem->message);
	pl_query_text(&q, pl_str(idem->key));
	if (idem->first_text.is_kept)
		pl_query_blob(&q, idem->first_text.mac, PL_FIRST_TEXT_LEN);
	else
		pl_query_null(&q);
	pl_query_int(&q, idem_alive_since());
	return run_put(&q);
}

static enum pl_err
put_job(struct pl_sqlite *s, const struct pl_record_job *job)
{
	struct pl_query q = pl_query_start(s, job_put);

	pl_query_oid(&q, &job->message);
	pl_query_int(&q, job->deadline_unix_ms);
	pl_query_int(&q, job->attempt);
	pl_query_trace(&q, &job->trace);
	return run_put(&q);
}

static enum pl_err
put_revocation(struct pl_sqlite *s, const struct pl_revocation *r)
{
	struct pl_query q = pl_query_start(s, revocation_put);

	pl_query_blob(&q, r->token_id, PL_JWT_ID_LEN);
	pl_query_oid(&q, &r->user);
	pl_query_int(&q, r->expires_unix_s);
	pl_query_int(&q, r->created_unix_ms);
	pl_query_int(&q, r->issued_unix_s);
	return run_put(&q);
}

/* Where both marks stand is a message of the two; read is not beyond delivered. */
static enum pl_err
check_marks(struct pl_sqlite *s, const struct pl_record_marks *marks)
{
	const struct pl_message_pos *places[] = {&marks->read, &marks->delivered}, *place;
	enum pl_err err = PL_OK;
	struct pl_message_pos there;

	for (size_t i = 0; err == PL_OK && i < 2; i++) {
		place = places[i];
		if (place->created_unix_ms == 0)
			continue;
		err = pl_sqlite_message_pos(
		    &s->store, &marks->user, &marks->other, &place->id, &there);
		if (err == PL_OK && pl_message_pos_compare(&there, place) != 0)
			err = PL_E_NOT_FOUND;
	}
	if (err == PL_OK && pl_message_pos_compare(&marks->read, &marks->delivered) > 0)
		err = PL_E_NOT_FOUND;
	return err == PL_E_NOT_FOUND ? PL_E_CONFLICT : err;
}

static enum pl_err
put_marks(struct pl_sqlite *s, const struct pl_record_marks *marks)
{
	struct pl_record_marks old = {.user = marks->user, .other = marks->other};
	enum pl_err err = pl_sqlite_marks_of(s, &old);

	if (err == PL_OK && old.delivered.created_unix_ms != 0)
		err = PL_E_CONFLICT;
	if (err == PL_OK)
		err = check_marks(s, marks);
	return err == PL_OK ? pl_sqlite_marks_set(s, marks) : err;
}

static enum pl_err
put_erasure(struct pl_sqlite *s, const struct pl_record_erasure *erasure)
{
	struct pl_query q = pl_query_start(s, erasure_put);

	pl_query_oid(&q, &erasure->user);
	pl_query_int(&q, erasure->noted_unix_ms);
	return run_put(&q);
}

/* PL_E_CONFLICT: its place is taken, nothing changed. */
static enum pl_err
put(struct pl_sqlite *s, const struct pl_record *r)
{
	switch (r->kind) {
	case PL_RECORD_USER:
		return pl_sqlite_user_insert(s, &r->u.user);
	case PL_RECORD_MESSAGE:
		return pl_sqlite_message_put(s, &r->u.message);
	case PL_RECORD_IDEM:
		return put_idem(s, &r->u.idem);
	case PL_RECORD_JOB:
		return put_job(s, &r->u.job);
	case PL_RECORD_SESSIONS:
		return pl_sqlite_list_write(s, r->u.sessions, true);
	case PL_RECORD_MARKS:
		return put_marks(s, &r->u.marks);
	case PL_RECORD_INVITE:
		return pl_sqlite_invite_put(s, &r->u.invite);
	case PL_RECORD_AVATAR:
		return pl_sqlite_avatar_put(s, &r->u.avatar);
	case PL_RECORD_BLOCK:
		return pl_sqlite_block_put(s, &r->u.block);
	case PL_RECORD_ERASURE:
		return put_erasure(s, &r->u.erasure);
	default:
		return put_revocation(s, &r->u.revocation);
	}
}

/* The record with the key of r, in a list of one. */
static enum pl_err
find(struct pl_sqlite *s, const struct pl_record *r, struct pl_record_list *out)
{
	struct pl_query q;

	switch (r->kind) {
	case PL_RECORD_IDEM:
		q = pl_query_start(s, idem_find);
		pl_query_oid(&q, &r->u.idem.sender);
		pl_query_text(&q, pl_str(r->u.idem.key));
		break;
	case PL_RECORD_JOB:
		q = pl_query_start(s, job_find);
		pl_query_oid(&q, &r->u.job.message);
		break;
	case PL_RECORD_SESSIONS:
		q = pl_query_start(s, sessions_find);
		pl_query_oid(&q, &r->u.sessions->user);
		break;
	case PL_RECORD_MARKS:
		q = pl_query_start(s, marks_find);
		pl_query_oid(&q, &r->u.marks.user);
		pl_query_oid(&q, &r->u.marks.other);
		break;
	case PL_RECORD_AVATAR:
		q = pl_query_start(s, avatar_find);
		pl_query_oid(&q, &r->u.avatar.user);
		break;
	case PL_RECORD_BLOCK:
		q = pl_query_start(s, block_find);
		pl_query_oid(&q, &r->u.block.user);
		pl_query_oid(&q, &r->u.block.other);
		break;
	case PL_RECORD_ERASURE:
		q = pl_query_start(s, erasure_find);
		pl_query_oid(&q, &r->u.erasure.user);
		break;
	default:
		q = pl_query_start(s, revocation_find);
		pl_query_blob(&q, r->u.revocation.token_id, PL_JWT_ID_LEN);
		break;
	}
	return read_rows(&q, r->kind, out);
}

/* The record with the key of r, of a kind that has a file of its own. */
static enum pl_err
find_one(struct pl_sqlite *s, const struct pl_record *r, struct pl_record *out)
{
	if (r->kind == PL_RECORD_USER)
		return pl_sqlite_user_by_id(&s->store, &r->u.user.id, &out->u.user);
	if (r->kind == PL_RECORD_INVITE)
		return pl_sqlite_invite_find(s, r->u.invite.code_id, &out->u.invite);
	return pl_sqlite_message_by_id(s, &r->u.message.id, &out->u.message);
}

/* Is the record in the place of r equal to it? */
static enum pl_err
compare(struct pl_sqlite *s, struct pl_record *r)
{
	struct pl_record_list list = {0};
	enum pl_err err;

	if (r->kind == PL_RECORD_USER || r->kind == PL_RECORD_MESSAGE ||
	    r->kind == PL_RECORD_INVITE) {
		list.items = pl_mem_zalloc(sizeof(*list.items));
		list.items[0].kind = r->kind;
		err = find_one(s, r, &list.items[0]);
		list.count = err == PL_OK;
	} else {
		err = find(s, r, &list);
	}
	r->outcome = list.count > 0 && pl_record_is_same(&list.items[0], r)
			 ? PL_RECORD_SAME
			 : PL_RECORD_DIFFERS;
	pl_record_list_fini(&list);
	return err == PL_E_NOT_FOUND ? PL_OK : err;
}

static enum pl_err
import_all(struct pl_sqlite *s, struct pl_record *records, size_t count)
{
	enum pl_err err = PL_OK;

	for (size_t i = 0; err == PL_OK && i < count; i++) {
		err = put(s, &records[i]);
		records[i].outcome = PL_RECORD_ADDED;
		if (err == PL_E_CONFLICT)
			err = compare(s, &records[i]);
	}
	return err;
}

enum pl_err
pl_sqlite_import(struct pl_store *store, struct pl_record *records, size_t count)
{
	struct pl_sqlite *s = pl_sqlite_of(store);
	enum pl_err err = pl_sqlite_begin(s);

	if (err != PL_OK)
		return err;
	s->newest_is_known = false;
	err = import_all(s, records, count);
	if (err == PL_OK)
		err = pl_sqlite_commit(s);
	if (err != PL_OK)
		pl_sqlite_rollback(s);
	return err;
}
