#include "base/clock.h"
#include "store/sqlite/query.h"

#define SELECT "SELECT token_id, user, expires, created, issued FROM revocations "

static const char since[] = SELECT "WHERE created >= ? AND expires > ? ORDER BY created";
static const char of_user[] = SELECT "WHERE user = ? AND expires > ?";
static const char of_user_listed[] =
    SELECT "WHERE user = ? AND issued IS NOT NULL AND expires > ?";
static const char latest[] =
    "SELECT created FROM revocations ORDER BY created DESC LIMIT 1";
static const char insert[] =
    "INSERT INTO revocations (token_id, user, expires, created, issued) "
    "VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING";
static const char drop_older[] =
    "DELETE FROM revocations WHERE token_id >= ? AND token_id < ?";
static const char drop[] = "DELETE FROM revocations WHERE token_id = ?";
static const char created_of[] = "SELECT created FROM revocations WHERE token_id = ?";
static const char purge[] =
    "DELETE FROM revocations WHERE token_id IN (SELECT token_id FROM revocations "
    "WHERE expires <= ? ORDER BY expires LIMIT ?)";

/* What expired before this is of no use: no token of that time is accepted any more. */
static int64_t
oldest_use_s(int64_t now_unix_ms)
{
	return now_unix_ms / 1000 - PL_STORE_REVOKED_SLACK_S;
}

/* All rows of q; ends it. */
static enum pl_err
read_all(struct pl_query *q, struct pl_revocation_list *list)
{
	while (pl_query_row(q)) {
		struct pl_revocation *r;

		list->items =
		    pl_store_grow(list->items, list->count, sizeof(*list->items));
		r = &list->items[list->count++];
		pl_query_get_blob(q, 0, r->token_id, PL_JWT_ID_LEN);
		pl_query_get_oid(q, 1, &r->user);
		r->expires_unix_s = pl_query_get_int(q, 2);
		r->created_unix_ms = pl_query_get_int(q, 3);
		r->issued_unix_s = pl_query_get_int(q, 4); /* 0 for NULL */
	}
	return pl_query_end(q);
}

enum pl_err
pl_sqlite_revocations_of(struct pl_sqlite *s, const struct pl_oid *user, bool only_listed,
    struct pl_revocation_list *out)
{
	struct pl_query q = pl_query_start(s, only_listed ? of_user_listed : of_user);

	pl_query_oid(&q, user);
	pl_query_int(&q, oldest_use_s(pl_clock_unix_ms()));
	return read_all(&q, out);
}

enum pl_err
pl_sqlite_revocations_since(
    struct pl_store *store, int64_t since_unix_ms, struct pl_revocation_list *out)
{
	struct pl_sqlite *s = pl_sqlite_of(store);
	struct pl_query q = pl_query_start(s, since);
	struct pl_revocation_list list = {0};
	enum pl_err err;

	pl_query_int(&q, since_unix_ms);
	pl_query_int(&q, oldest_use_s(pl_clock_unix_ms()));
	err = read_all(&q, &list);
	if (err == PL_OK)
		err = pl_sqlite_lists_since(s, since_unix_ms, &list);
	if (err == PL_OK)
		*out = list;
	else
		pl_revocation_list_fini(&list);
	return err;
}

/* A process that asks for all since the last one it knows misses none, even if the wall
 * clock stepped back: in the order of commits, times never fall. */
static enum pl_err
next_created(struct pl_sqlite *s, int64_t *out)
{
	struct pl_query q = pl_query_start(s, latest);
	int64_t created = s->now_unix_ms;
	enum pl_err err;

	if (pl_query_row(&q) && pl_query_get_int(&q, 0) > created)
		created = pl_query_get_int(&q, 0);
	err = pl_query_end(&q);
	if (err == PL_OK)
		*out = created;
	return err;
}

static enum pl_err
insert_row(struct pl_sqlite *s, const struct pl_revocation *r, int *changed)
{
	struct pl_query q = pl_query_start(s, insert);

	pl_query_blob(&q, r->token_id, PL_JWT_ID_LEN);
	pl_query_oid(&q, &r->user);
	pl_query_int(&q, r->expires_unix_s);
	pl_query_int(&q, r->created_unix_ms);
	if (r->issued_unix_s > 0)
		pl_query_int(&q, r->issued_unix_s);
	else
		pl_query_null(&q);
	return pl_query_run(&q, changed);
}

/* Of one user's "all before a time" the last says it all; their ids are in the order of
 * times. */
static enum pl_err
drop_earlier(struct pl_sqlite *s, const struct pl_revocation *r)
{
	uint8_t first[PL_JWT_ID_LEN];
	struct pl_query q;

	if (!pl_revocation_replaces(r, first))
		return PL_OK;
	q = pl_query_start(s, drop_older);
	pl_query_blob(&q, first, PL_JWT_ID_LEN);
	pl_query_blob(&q, r->token_id, PL_JWT_ID_LEN);
	return pl_query_run(&q, NULL);
}

enum pl_err
pl_sqlite_revoke(struct pl_sqlite *s, struct pl_revocation *revocation, bool *is_new)
{
	enum pl_err err = next_created(s, &revocation->created_unix_ms);
	int changed = 0;

	if (err == PL_OK)
		err = insert_row(s, revocation, &changed);
	if (err == PL_OK)
		err = drop_earlier(s, revocation);
	if (err == PL_OK && !pl_revocation_is_of_key(revocation))
		err = pl_sqlite_sessions_end(s, revocation);
	if (is_new != NULL)
		*is_new = changed > 0;
	return err;
}

enum pl_err
pl_sqlite_revocation_drop(struct pl_sqlite *s, const uint8_t token_id[PL_JWT_ID_LEN])
{
	struct pl_query q = pl_query_start(s, drop);

	pl_query_blob(&q, token_id, PL_JWT_ID_LEN);
	return pl_query_run(&q, NULL);
}

/* ---- secrets ---- */

static enum pl_err
forget_switch(struct pl_sqlite *s, const char *key_id)
{
	struct pl_revocation r;

	pl_revocation_of_key(&r, key_id);
	return pl_sqlite_revocation_drop(s, r.token_id);
}

static enum pl_err
read_created(struct pl_sqlite *s, const struct pl_revocation *r, int64_t *out)
{
	struct pl_query q = pl_query_start(s, created_of);

	pl_query_blob(&q, r->token_id, PL_JWT_ID_LEN);
	if (pl_query_row(&q))
		*out = pl_query_get_int(&q, 0);
	return pl_query_end(&q);
}

enum pl_err
pl_sqlite_switch(struct pl_sqlite *s, struct pl_write_switch *key)
{
	enum pl_err err = forget_switch(s, key->current);
	struct pl_revocation r;

	if (err != PL_OK || key->previous[0] == '\0')
		return err;
	pl_revocation_of_key(&r, key->previous);
	err = pl_sqlite_revoke(s, &r, NULL);
	if (err == PL_OK)
		err = read_created(s, &r, &key->switched_unix_ms);
	return err;
}

enum pl_err
pl_sqlite_revocations_purge(struct pl_sqlite *s, int limit, int *dropped)
{
	struct pl_query q = pl_query_start(s, purge);

	pl_query_int(&q, oldest_use_s(s->now_unix_ms));
	pl_query_int(&q, limit);
	return pl_query_run(&q, dropped);
}
