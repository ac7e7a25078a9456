/* Lists of sessions, one row a user; auth/session_list.h says what they are for. */
#include "base/clock.h"
#include "store/sqlite/query.h"

#define SELECT "SELECT user, mark, changed, live FROM sessions "

static const char by_user[] = SELECT "WHERE user = ?";
static const char since[] =
    SELECT "WHERE changed >= ? AND changed > 0 AND expires > ? ORDER BY changed";
static const char insert[] =
    "INSERT INTO sessions (user, mark, changed, expires, live) VALUES (?, ?, ?, ?, ?) "
    "ON CONFLICT DO NOTHING";
static const char put[] =
    "INSERT INTO sessions (user, mark, changed, expires, live) VALUES (?, ?, ?, ?, ?) "
    "ON CONFLICT (user) DO UPDATE SET mark = excluded.mark, changed = excluded.changed, "
    "expires = excluded.expires, live = excluded.live";
static const char purge[] = "DELETE FROM sessions WHERE user IN (SELECT user FROM "
			    "sessions WHERE expires <= ? ORDER BY expires LIMIT ?)";

static int64_t
oldest_use_s(int64_t now_unix_ms)
{
	return now_unix_ms / 1000 - PL_STORE_REVOKED_SLACK_S;
}

/* ---- rows ---- */

void
pl_sqlite_list_read(struct pl_query *q, struct pl_session_list *out)
{
	struct pl_oid user = {0};

	pl_query_get_oid(q, 0, &user);
	pl_session_list_init(out, &user);
	out->before_unix_s = pl_query_get_int(q, 1);
	out->changed_unix_ms = pl_query_get_int(q, 2);
	if (out->before_unix_s < 0 || out->before_unix_s > PL_SESSION_TIME_MAX ||
	    !pl_session_list_unpack(out, pl_query_get_bytes(q, 3)))
		pl_query_spoil(q);
}

enum pl_err
pl_sqlite_list_write(
    struct pl_sqlite *s, const struct pl_session_list *l, bool must_be_new)
{
	struct pl_query q = pl_query_start(s, must_be_new ? insert : put);
	struct pl_buf live;
	int changed = 0;
	enum pl_err err;

	pl_buf_init(&live, PL_SESSIONS_MAX * PL_SESSION_BYTES);
	pl_session_list_pack(l, &live);
	pl_query_oid(&q, &l->user);
	pl_query_int(&q, l->before_unix_s);
	pl_query_int(&q, l->changed_unix_ms);
	pl_query_int(&q, pl_session_list_expires(l));
	pl_query_blob(&q, live.data != NULL ? live.data : "", live.len);
	err = pl_query_run(&q, &changed);
	pl_buf_fini(&live);
	return err == PL_OK && changed == 0 ? PL_E_CONFLICT : err;
}

/* An empty one if there is none. */
static enum pl_err
load(struct pl_sqlite *s, const struct pl_oid *user, struct pl_session_list *out)
{
	struct pl_query q = pl_query_start(s, by_user);

	pl_session_list_init(out, user);
	pl_query_oid(&q, user);
	if (pl_query_row(&q))
		pl_sqlite_list_read(&q, out);
	return pl_query_end(&q);
}

enum pl_err
pl_sqlite_sessions_of(
    struct pl_store *s, const struct pl_oid *user, struct pl_session_list *out)
{
	return load(pl_sqlite_of(s), user, out);
}

/* ---- what was set since ---- */

enum pl_err
pl_sqlite_lists_since(
    struct pl_sqlite *s, int64_t since_unix_ms, struct pl_revocation_list *out)
{
	struct pl_query q = pl_query_start(s, since);
	enum pl_err err;

	pl_query_int(&q, since_unix_ms);
	pl_query_int(&q, oldest_use_s(pl_clock_unix_ms()));
	while (pl_query_row(&q)) {
		out->lists =
		    pl_store_grow(out->lists, out->list_count, sizeof(*out->lists));
		pl_sqlite_list_read(&q, &out->lists[out->list_count++]);
	}
	err = pl_query_end(&q);
	/* Since ever: they are all there. Else what is left, and then the list as it is
	 * by then: what was merged in between is in one of both. */
	for (size_t i = 0; err == PL_OK && since_unix_ms > 0 && i < out->list_count;
	     i++) {
		struct pl_oid user = out->lists[i].user;

		err = pl_sqlite_revocations_of(s, &user, false, out);
		if (err == PL_OK)
			err = load(s, &user, &out->lists[i]);
	}
	return err;
}

/* ---- begin and end ---- */

enum pl_err
pl_sqlite_session_add(struct pl_sqlite *s, struct pl_write_session *session)
{
	int64_t now_s = s->now_unix_ms / 1000;
	struct pl_session_list list;
	struct pl_session fresh, ended;
	enum pl_err err = pl_sqlite_user_may_begin(s, session);

	if (err == PL_OK)
		err = load(s, &session->user, &list);
	if (err != PL_OK)
		return err;
	pl_session_list_expire(&list, now_s);
	pl_session_list_open(&list, session->token_id, &session->issued_unix_s, &fresh);
	session->has_ended = pl_session_list_add(&list, &fresh, &ended);
	err = pl_sqlite_list_write(s, &list, false);
	if (err != PL_OK || !session->has_ended)
		return err;
	pl_session_list_revocation(&list, &ended, &session->ended);
	return pl_sqlite_revoke(s, &session->ended, NULL);
}

enum pl_err
pl_sqlite_session_seen(struct pl_sqlite *s, const struct pl_write_seen *seen)
{
	struct pl_session_list list;
	enum pl_err err = load(s, &seen->user, &list);
	bool is_new;

	if (err != PL_OK)
		return err;
	if (!pl_session_list_see(
		&list, seen->token_id, seen->seen_unix_s, seen->step_s, &is_new))
		return PL_E_NOT_FOUND;
	return is_new ? pl_sqlite_list_write(s, &list, false) : PL_OK;
}

/* True: some were, and the list has to be stored. */
static enum pl_err
merge(struct pl_sqlite *s, struct pl_session_list *list, size_t *merged)
{
	struct pl_revocation_list all = {0};
	enum pl_err err = pl_sqlite_revocations_of(s, &list->user, true, &all);

	*merged = 0;
	if (err == PL_OK)
		*merged = pl_session_list_merge(
		    list, all.items, all.count, s->now_unix_ms / 1000);
	for (size_t i = 0; err == PL_OK && i < *merged; i++)
		err = pl_sqlite_revocation_drop(s, all.items[i].token_id);
	pl_revocation_list_fini(&all);
	return err;
}

enum pl_err
pl_sqlite_sessions_end(struct pl_sqlite *s, const struct pl_revocation *r)
{
	struct pl_session_list list;
	enum pl_err err = load(s, &r->user, &list);
	size_t merged = 0;
	bool has_ended;

	if (err != PL_OK)
		return err;
	has_ended = pl_session_list_end(&list, r);
	if (r->issued_unix_s > 0)
		err = merge(s, &list, &merged);
	if (err != PL_OK || (!has_ended && merged == 0))
		return err;
	if (merged > 0) /* a mark by a log-out everywhere is known by that */
		list.changed_unix_ms = r->created_unix_ms;
	return pl_sqlite_list_write(s, &list, false);
}

enum pl_err
pl_sqlite_sessions_purge(struct pl_sqlite *s, int limit, int *dropped)
{
	struct pl_query q = pl_query_start(s, purge);

	pl_query_int(&q, oldest_use_s(s->now_unix_ms));
	pl_query_int(&q, limit);
	return pl_query_run(&q, dropped);
}
