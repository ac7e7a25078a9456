/* Invites, one row each; auth/invite.h says what they are. */
#include "base/clock.h"
#include "base/mem.h"
#include "store/sqlite/query.h"

#define SELECT "SELECT code, uses, used, created, expires FROM invites "

static const char good[] =
    "SELECT 1 FROM invites WHERE code = ? AND used < uses AND expires > ?";
static const char use[] = "UPDATE invites SET used = used + 1 WHERE code = ?";
static const char purge[] = "DELETE FROM invites WHERE expires <= ?";
static const char insert[] =
    "INSERT INTO invites (code, uses, used, created, expires) VALUES (?, ?, ?, ?, ?) "
    "ON CONFLICT DO NOTHING";
static const char page[] = SELECT "WHERE expires > ? AND code > ? ORDER BY code LIMIT ?";
static const char by_code[] = SELECT "WHERE code = ?";

static void
bind_code(struct pl_query *q, const uint8_t code_id[PL_INVITE_ID_LEN])
{
	pl_query_blob(q, code_id, PL_INVITE_ID_LEN);
}

static void
read_row(struct pl_query *q, struct pl_invite *out)
{
	pl_query_get_blob(q, 0, out->code_id, PL_INVITE_ID_LEN);
	out->uses = pl_query_get_int(q, 1);
	out->used = pl_query_get_int(q, 2);
	out->created_unix_ms = pl_query_get_int(q, 3);
	out->expires_unix_ms = pl_query_get_int(q, 4);
}

/* ---- signing up by one ---- */

static enum pl_err
look(struct pl_sqlite *s, const uint8_t code_id[PL_INVITE_ID_LEN], int64_t now_unix_ms)
{
	struct pl_query q = pl_query_start(s, good);
	bool is_good;
	enum pl_err err;

	bind_code(&q, code_id);
	pl_query_int(&q, now_unix_ms);
	is_good = pl_query_row(&q);
	err = pl_query_end(&q);
	return err == PL_OK && !is_good ? PL_E_NOT_FOUND : err;
}

enum pl_err
pl_sqlite_invite_look(struct pl_store *s, const uint8_t code_id[PL_INVITE_ID_LEN])
{
	return look(pl_sqlite_of(s), code_id, pl_clock_unix_ms());
}

/* A batch has the write lock: what is good here stays so until the commit. */
enum pl_err
pl_sqlite_user_insert_invited(struct pl_sqlite *s, const struct pl_write_invited *invited)
{
	enum pl_err err = look(s, invited->code_id, s->now_unix_ms);
	struct pl_query q;

	if (err == PL_OK)
		err = pl_sqlite_user_insert(s, invited->user);
	if (err != PL_OK)
		return err;
	q = pl_query_start(s, use);
	bind_code(&q, invited->code_id);
	return pl_query_run(&q, NULL);
}

/* ---- keeping them ---- */

enum pl_err
pl_sqlite_invite_put(struct pl_sqlite *s, const struct pl_invite *invite)
{
	struct pl_query q = pl_query_start(s, insert);
	int changed = 0;
	enum pl_err err;

	bind_code(&q, invite->code_id);
	pl_query_int(&q, invite->uses);
	pl_query_int(&q, invite->used);
	pl_query_int(&q, invite->created_unix_ms);
	pl_query_int(&q, invite->expires_unix_ms);
	err = pl_query_run(&q, &changed);
	return err == PL_OK && changed == 0 ? PL_E_CONFLICT : err;
}

/* The only way in which they get more, so that expired ones need no other end. */
enum pl_err
pl_sqlite_invite_keep(struct pl_sqlite *s, const struct pl_invite *invite)
{
	struct pl_query q = pl_query_start(s, purge);
	enum pl_err err;

	pl_query_int(&q, s->now_unix_ms);
	err = pl_query_run(&q, NULL);
	return err == PL_OK ? pl_sqlite_invite_put(s, invite) : err;
}

/* ---- copying them ---- */

enum pl_err
pl_sqlite_invites_page(struct pl_sqlite *s, const struct pl_record *after, size_t limit,
    struct pl_record_list *out)
{
	struct pl_query q = pl_query_start(s, page);
	struct pl_record_list list = {0};
	enum pl_err err;

	pl_query_int(&q, pl_clock_unix_ms());
	pl_query_blob(&q, after != NULL ? (const char *)after->u.invite.code_id : "",
	    after != NULL ? PL_INVITE_ID_LEN : 0);
	pl_query_int(&q, (int64_t)limit);
	while (pl_query_row(&q)) {
		list.items = pl_store_grow(list.items, list.count, sizeof(*list.items));
		list.items[list.count] = (struct pl_record){.kind = PL_RECORD_INVITE};
		read_row(&q, &list.items[list.count++].u.invite);
	}
	err = pl_query_end(&q);
	if (err == PL_OK)
		*out = list;
	else
		pl_record_list_fini(&list);
	return err;
}

enum pl_err
pl_sqlite_invite_find(
    struct pl_sqlite *s, const uint8_t code_id[PL_INVITE_ID_LEN], struct pl_invite *out)
{
	struct pl_query q = pl_query_start(s, by_code);
	bool is_found;
	enum pl_err err;

	bind_code(&q, code_id);
	is_found = pl_query_row(&q);
	if (is_found)
		read_row(&q, out);
	err = pl_query_end(&q);
	return err == PL_OK && !is_found ? PL_E_NOT_FOUND : err;
}
