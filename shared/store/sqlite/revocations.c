#include "base/clock.h"
#include "store/sqlite/query.h"

static const char since[] = "SELECT token_id, user, expires, created FROM revocations "
			    "WHERE created >= ? AND expires > ? ORDER BY created";
static const char latest[] =
    "SELECT created FROM revocations ORDER BY created DESC LIMIT 1";
static const char insert[] =
    "INSERT INTO revocations (token_id, user, expires, created) VALUES (?, ?, ?, ?) "
    "ON CONFLICT DO NOTHING";
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

enum pl_err
pl_sqlite_revocations_since(
    struct pl_store *s, int64_t since_unix_ms, struct pl_revocation_list *out)
{
	struct pl_query q = pl_query_start(pl_sqlite_of(s), since);
	struct pl_revocation_list list = {0};
	enum pl_err err;

	pl_query_int(&q, since_unix_ms);
	pl_query_int(&q, oldest_use_s(pl_clock_unix_ms()));
	while (pl_query_row(&q)) {
		struct pl_revocation *r;

		list.items = pl_store_grow(list.items, list.count, sizeof(*list.items));
		r = &list.items[list.count++];
		pl_query_get_blob(&q, 0, r->token_id, PL_JWT_ID_LEN);
		pl_query_get_oid(&q, 1, &r->user);
		r->expires_unix_s = pl_query_get_int(&q, 2);
		r->created_unix_ms = pl_query_get_int(&q, 3);
	}
	err = pl_query_end(&q);
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

enum pl_err
pl_sqlite_revoke(struct pl_sqlite *s, struct pl_revocation *revocation)
{
	enum pl_err err = next_created(s, &revocation->created_unix_ms);
	struct pl_query q;

	if (err != PL_OK)
		return err;
	q = pl_query_start(s, insert);
	pl_query_blob(&q, revocation->token_id, PL_JWT_ID_LEN);
	pl_query_oid(&q, &revocation->user);
	pl_query_int(&q, revocation->expires_unix_s);
	pl_query_int(&q, revocation->created_unix_ms);
	return pl_query_run(&q, NULL);
}

/* ---- secrets ---- */

static enum pl_err
forget_switch(struct pl_sqlite *s, const char *key_id)
{
	struct pl_query q = pl_query_start(s, drop);
	struct pl_revocation r;

	pl_revocation_of_key(&r, key_id);
	pl_query_blob(&q, r.token_id, PL_JWT_ID_LEN);
	return pl_query_run(&q, NULL);
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
	err = pl_sqlite_revoke(s, &r);
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
