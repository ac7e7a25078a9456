#include "base/mem.h"
#include "store/sqlite/query.h"

static const char find[] = "SELECT user, type, bytes FROM avatars WHERE user = ?";
static const char set[] =
    "INSERT INTO avatars (user, type, bytes) VALUES (?, ?, ?) "
    "ON CONFLICT (user) DO UPDATE SET type = excluded.type, bytes = excluded.bytes";
static const char put[] =
    "INSERT INTO avatars (user, type, bytes) SELECT ?1, ?2, ?3 "
    "WHERE EXISTS (SELECT 1 FROM users WHERE id = ?1) ON CONFLICT DO NOTHING";
static const char drop[] = "DELETE FROM avatars WHERE user = ?";

void
pl_sqlite_avatar_read(struct pl_query *q, struct pl_avatar *out)
{
	struct pl_str bytes = pl_query_get_bytes(q, 2);

	*out = (struct pl_avatar){
	    .bytes = pl_mem_strndup(bytes.ptr, bytes.len), .len = bytes.len};
	pl_query_get_oid(q, 0, &out->user);
	if (!pl_avatar_type_parse(pl_query_get_text(q, 1), &out->type))
		pl_query_spoil(q);
}

enum pl_err
pl_sqlite_avatar(struct pl_store *s, const struct pl_oid *user, struct pl_avatar *out)
{
	struct pl_query q = pl_query_start(pl_sqlite_of(s), find);
	struct pl_avatar avatar = {0};
	bool is_found;
	enum pl_err err;

	pl_query_oid(&q, user);
	is_found = pl_query_row(&q);
	if (is_found)
		pl_sqlite_avatar_read(&q, &avatar);
	err = pl_query_end(&q);
	if (err == PL_OK && !is_found)
		err = PL_E_NOT_FOUND;
	if (err == PL_OK)
		*out = avatar;
	else
		pl_avatar_fini(&avatar);
	return err;
}

static enum pl_err
run_with(
    struct pl_sqlite *s, const char *sql, const struct pl_avatar *avatar, int *changed)
{
	struct pl_query q = pl_query_start(s, sql);

	pl_query_oid(&q, &avatar->user);
	pl_query_text(&q, pl_str(pl_avatar_type_name(avatar->type)));
	pl_query_blob(&q, avatar->bytes, avatar->len);
	return pl_query_run(&q, changed);
}

enum pl_err
pl_sqlite_avatar_put(struct pl_sqlite *s, const struct pl_avatar *avatar)
{
	int changed = 0;
	enum pl_err err = run_with(s, put, avatar, &changed);

	return err == PL_OK && changed == 0 ? PL_E_CONFLICT : err;
}

static enum pl_err
drop_bytes(struct pl_sqlite *s, const struct pl_oid *user)
{
	struct pl_query q = pl_query_start(s, drop);

	pl_query_oid(&q, user);
	return pl_query_run(&q, NULL);
}

enum pl_err
pl_sqlite_avatar_set(struct pl_sqlite *s, struct pl_write_avatar *w)
{
	enum pl_err err = pl_sqlite_user_by_id(&s->store, &w->user, &w->after);
	struct pl_digest digest;
	char *address = NULL;

	if (err != PL_OK)
		return err;
	if (w->avatar != NULL) {
		pl_avatar_digest(pl_str_n(w->avatar->bytes, w->avatar->len), &digest);
		address = pl_avatar_address(&w->user, &digest);
	}
	pl_user_set_picture(&w->after, address);
	pl_mem_free(address);
	err = w->avatar != NULL ? run_with(s, set, w->avatar, NULL)
				: drop_bytes(s, &w->user);
	return err == PL_OK ? pl_sqlite_user_update(s, &w->after) : err;
}
