/*
 * Lists of sessions, one document a user; auth/session_list.h says what they are for. A
 * list is read, changed, and written back only if its version is still the one that was
 * read: of two processes that change it at once, one does it again.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "store/mongo/query.h"

#define TRIES 8 /* others were first each time: it is done later, or not at all */

static const char *const by_change[] = {PL_MONGO_F_CHANGED_AT, NULL};

struct versioned {
	struct pl_session_list list;
	int64_t version; /* 0: there is no document yet */
};

/* ---- one document ---- */

static enum pl_err
load(struct pl_mongo *s, const struct pl_oid *user, struct versioned *out)
{
	struct pl_find f;
	const bson_t *doc;

	pl_session_list_init(&out->list, user);
	out->version = 0;
	pl_find_start(&f, s, s->sessions);
	pl_mongo_put_oid(&f.filter, PL_USER_F_ID, user);
	pl_find_limit(&f, 1);
	while (pl_find_row(&f, &doc))
		if (pl_mongo_list_read(doc, &out->list))
			(void)pl_mongo_get_int(
			    doc, PL_MONGO_F_LIST_VERSION, &out->version);
	return pl_find_end(&f);
}

static enum pl_err
insert(struct pl_mongo *s, const struct pl_session_list *l)
{
	bson_t *doc = bson_new();
	enum pl_err err;

	pl_mongo_put_oid(doc, PL_USER_F_ID, &l->user);
	pl_mongo_list_write(doc, l, 1);
	pl_mongo_insert(s, s->sessions, &doc, 1, &err);
	bson_destroy(doc);
	return err;
}

/* PL_E_CONFLICT: somebody changed it meanwhile. */
static enum pl_err
store(struct pl_mongo *s, const struct versioned *v)
{
	bson_t selector = BSON_INITIALIZER, update = BSON_INITIALIZER, set;
	int64_t matched = 0;
	enum pl_err err;

	if (v->version == 0) {
		bson_destroy(&selector);
		bson_destroy(&update);
		return insert(s, &v->list);
	}
	pl_mongo_put_oid(&selector, PL_USER_F_ID, &v->list.user);
	bson_append_int64(&selector, PL_MONGO_F_LIST_VERSION, -1, v->version);
	bson_append_document_begin(&update, "$set", -1, &set);
	pl_mongo_list_write(&set, &v->list, v->version + 1);
	bson_append_document_end(&update, &set);
	err = pl_mongo_update_one(s, s->sessions, &selector, &update, &matched);
	bson_destroy(&selector);
	bson_destroy(&update);
	return err == PL_OK && matched == 0 ? PL_E_CONFLICT : err;
}

enum pl_err
pl_mongo_sessions_of(
    struct pl_store *s, const struct pl_oid *user, struct pl_session_list *out)
{
	struct versioned v;
	enum pl_err err = load(pl_mongo_start(s), user, &v);

	if (err == PL_OK)
		*out = v.list;
	return err;
}

/* ---- what was set since ---- */

enum pl_err
pl_mongo_lists_since(
    struct pl_mongo *s, int64_t since_unix_ms, struct pl_revocation_list *out)
{
	int64_t oldest_ms = pl_clock_unix_ms() - PL_STORE_REVOKED_SLACK_S * INT64_C(1000);
	struct versioned v;
	struct pl_find f;
	const bson_t *doc;
	enum pl_err err;

	pl_find_start(&f, s, s->sessions);
	pl_mongo_put_bound(&f.filter, PL_MONGO_F_CHANGED_AT, "$gte", since_unix_ms);
	pl_mongo_put_bound(&f.filter, PL_MONGO_F_EXPIRES_AT, "$gt", oldest_ms);
	pl_find_by_index(&f, by_change, 1, 1);
	while (pl_find_row(&f, &doc)) {
		out->lists =
		    pl_store_grow(out->lists, out->list_count, sizeof(*out->lists));
		out->list_count += pl_mongo_list_read(doc, &out->lists[out->list_count]);
	}
	err = pl_find_end(&f);
	/* From the beginning on, all revocations are in *out. Later, those that are left
	 * are added, and then the list is read again: what was merged meanwhile is in one
	 * of them. */
	for (size_t i = 0; err == PL_OK && since_unix_ms > 0 && i < out->list_count;
	     i++) {
		struct pl_oid user = out->lists[i].user;

		err = pl_mongo_revocations_of(s, &user, false, out);
		if (err == PL_OK)
			err = load(s, &user, &v);
		if (err == PL_OK)
			out->lists[i] = v.list;
	}
	return err;
}

/* ---- begin ---- */

static enum pl_err
try_to_add(
    struct pl_mongo *s, struct pl_write_session *session, struct pl_revocation *own)
{
	int64_t issued = session->issued_unix_s;
	struct pl_session fresh, ended;
	struct versioned v;
	enum pl_err err = load(s, &session->user, &v);

	if (err != PL_OK)
		return err;
	pl_session_list_expire(&v.list, s->now_unix_ms / 1000);
	pl_session_list_open(&v.list, session->token_id, &issued, &fresh);
	pl_session_list_revocation(&v.list, &fresh, own);
	session->has_ended = pl_session_list_add(&v.list, &fresh, &ended);
	if (session->has_ended)
		pl_session_list_revocation(&v.list, &ended, &session->ended);
	err = store(s, &v);
	if (err == PL_OK)
		session->issued_unix_s = issued;
	return err;
}

static enum pl_err
revoke_one(struct pl_mongo *s, struct pl_revocation *r)
{
	struct pl_write write = {.kind = PL_WRITE_REVOKE, .u.revoke = *r};
	struct pl_write *one = &write;

	pl_mongo_revokes(s, &one, 1);
	*r = write.u.revoke;
	return write.err;
}

/* Whoever disables the user, or changes the password, after this look ends the session,
 * too, for it is in the list. If the store does not answer any more, a session whose
 * password does not matter is listed all the same, and session/sessions looks again. */
static enum pl_err
look_again(struct pl_mongo *s, const struct pl_write_session *session)
{
	enum pl_err err = pl_mongo_user_may_begin(s, session);

	if (err == PL_OK || err == PL_E_NOT_FOUND || session->password_hash != NULL)
		return err;
	return PL_OK;
}

enum pl_err
pl_mongo_session_add(struct pl_mongo *s, struct pl_write_session *session)
{
	struct pl_revocation own;
	enum pl_err err = PL_E_CONFLICT, ended = PL_OK;

	for (int i = 0; err == PL_E_CONFLICT && i < TRIES; i++)
		err = try_to_add(s, session, &own);
	if (err != PL_OK)
		return err == PL_E_CONFLICT ? PL_E_UNAVAILABLE : err;
	if (session->has_ended)
		ended = revoke_one(s, &session->ended);
	err = look_again(s, session);
	/* It leaves the list again; if that fails, it stays there, and nobody has its
	 * token. */
	if (err == PL_E_NOT_FOUND || err == PL_E_CONFLICT)
		(void)revoke_one(s, &own);
	return err != PL_OK ? err : ended;
}

/* ---- use ---- */

static enum pl_err
try_to_see(struct pl_mongo *s, const struct pl_write_seen *seen)
{
	struct versioned v;
	enum pl_err err = load(s, &seen->user, &v);
	bool is_new;

	if (err != PL_OK)
		return err;
	if (!pl_session_list_see(
		&v.list, seen->token_id, seen->seen_unix_s, seen->step_s, &is_new))
		return PL_E_NOT_FOUND;
	return is_new ? store(s, &v) : PL_OK;
}

enum pl_err
pl_mongo_session_seen(struct pl_mongo *s, const struct pl_write_seen *seen)
{
	enum pl_err err = PL_E_CONFLICT;

	for (int i = 0; err == PL_E_CONFLICT && i < TRIES; i++)
		err = try_to_see(s, seen);
	return err == PL_E_CONFLICT ? PL_E_UNAVAILABLE : err;
}

/* ---- end ---- */

static enum pl_err
drop(struct pl_mongo *s, const struct pl_revocation *merged, size_t count)
{
	bson_t selector = BSON_INITIALIZER, in, ids;
	char key[16];
	enum pl_err err;

	bson_append_document_begin(&selector, PL_MESSAGE_F_ID, -1, &in);
	bson_append_array_begin(&in, "$in", -1, &ids);
	for (size_t i = 0; i < count; i++) {
		const char *index;

		bson_uint32_to_string((uint32_t)i, &index, key, sizeof(key));
		bson_append_binary(&ids, index, -1, BSON_SUBTYPE_BINARY,
		    merged[i].token_id, PL_JWT_ID_LEN);
	}
	bson_append_array_end(&in, &ids);
	bson_append_document_end(&selector, &in);
	err = pl_mongo_delete_many(s, s->revocations, &selector);
	bson_destroy(&selector);
	return err;
}

/* all: those of listed tokens that the user has. */
static enum pl_err
try_to_end(struct pl_mongo *s, const struct pl_revocation *r,
    struct pl_revocation_list *all, size_t *merged)
{
	struct versioned v;
	enum pl_err err = load(s, &r->user, &v);
	bool has_ended;

	if (err != PL_OK)
		return err;
	has_ended = pl_session_list_end(&v.list, r);
	*merged =
	    pl_session_list_merge(&v.list, all->items, all->count, s->now_unix_ms / 1000);
	if (!has_ended && *merged == 0)
		return PL_OK;
	if (*merged > 0) /* a mark by a log-out everywhere is known by that */
		v.list.changed_unix_ms = r->created_unix_ms;
	return store(s, &v);
}

enum pl_err
pl_mongo_sessions_end(struct pl_mongo *s, const struct pl_revocation *r)
{
	struct pl_revocation_list all = {0};
	enum pl_err err = PL_OK;
	size_t merged = 0;

	if (r->issued_unix_s > 0)
		err = pl_mongo_revocations_of(s, &r->user, true, &all);
	if (err == PL_OK)
		err = PL_E_CONFLICT;
	for (int i = 0; err == PL_E_CONFLICT && i < TRIES; i++)
		err = try_to_end(s, r, &all, &merged);
	/* The list tells of them now. If dropping them fails they are merged again later. */
	if (err == PL_OK && merged > 0)
		err = drop(s, all.items, merged);
	pl_revocation_list_fini(&all);
	return err == PL_E_CONFLICT ? PL_E_UNAVAILABLE : err;
}
