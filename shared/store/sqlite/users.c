#include "base/mem.h"
#include "store/sqlite/query.h"

#define SELECT_USER "SELECT " PL_SQLITE_USER_COLUMNS " FROM users AS u "

static const char by_id[] = SELECT_USER "WHERE u.id = ?";
static const char one_by_id[] = "SELECT 1 FROM users WHERE id = ?";
static const char by_username[] = SELECT_USER "WHERE u.username = ?";
static const char page[] = SELECT_USER "WHERE u.id > ? ORDER BY u.id LIMIT ?";
static const char state_by_id[] = "SELECT status, disabled, note FROM users WHERE id = ?";
static const char status_by_id[] = "SELECT status FROM users WHERE id = ?";
static const char insert[] =
    "INSERT INTO users (id, username, full_name, password_hash, "
    "profile_pic, note, gender, "
    "status, created, updated, disabled, given_pic) VALUES (?, ?, ?, ?, ?, ?, "
    "?, ?, ?, ?, nullif(?, 0), ?) ON CONFLICT DO NOTHING";
static const char set_status[] =
    "UPDATE users SET status = ?, note = ?, updated = ? WHERE id = ?";
static const char set_password[] =
    "UPDATE users SET password_hash = ? WHERE id = ? AND password_hash = ?";

/* ---- reads ---- */

void
pl_sqlite_user_read(struct pl_query *q, int first, struct pl_user *out)
{
	*out = (struct pl_user){
	    .username = pl_query_get_string(q, first + 1),
	    .full_name = pl_query_get_string(q, first + 2),
	    .password_hash = pl_query_get_string(q, first + 3),
	    .profile_pic = pl_query_get_string(q, first + 4),
	    .note = pl_query_get_string(q, first + 5),
	    .created_unix_ms = pl_query_get_int(q, first + 8),
	    .updated_unix_ms = pl_query_get_int(q, first + 9),
	    .is_disabled = pl_query_get_int(q, first + 10) != 0,
	    .given_pic = pl_query_get_string(q, first + 11),
	};
	pl_query_get_oid(q, first, &out->id);
	if (!pl_gender_parse(pl_query_get_text(q, first + 6), &out->gender) ||
	    !pl_status_parse(pl_query_get_text(q, first + 7), &out->status))
		pl_query_spoil(q);
}

/* The one user that q finds. */
static enum pl_err
read_one(struct pl_query *q, struct pl_user *out)
{
	struct pl_user user = {0};
	bool is_found = pl_query_row(q);
	enum pl_err err;

	if (is_found)
		pl_sqlite_user_read(q, 0, &user);
	err = pl_query_end(q);
	if (err == PL_OK && !is_found)
		err = PL_E_NOT_FOUND;
	if (err == PL_OK)
		*out = user;
	else
		pl_user_fini(&user);
	return err;
}

enum pl_err
pl_sqlite_user_by_id(struct pl_store *s, const struct pl_oid *id, struct pl_user *out)
{
	struct pl_query q = pl_query_start(pl_sqlite_of(s), by_id);

	pl_query_oid(&q, id);
	return read_one(&q, out);
}

enum pl_err
pl_sqlite_user_by_username(
    struct pl_store *s, struct pl_str username, struct pl_user *out)
{
	struct pl_query q = pl_query_start(pl_sqlite_of(s), by_username);

	pl_query_text(&q, username);
	return read_one(&q, out);
}

enum pl_err
pl_sqlite_users_exist(
    struct pl_store *store, const struct pl_oid *ids, size_t count, bool *exist)
{
	struct pl_sqlite *s = pl_sqlite_of(store);
	bool found[PL_STORE_IDS_MAX];
	enum pl_err err = pl_sqlite_moment_begin(s);

	if (err != PL_OK)
		return err;
	for (size_t i = 0; i < count && err == PL_OK; i++) {
		struct pl_query q = pl_query_start(s, one_by_id);

		pl_query_oid(&q, &ids[i]);
		found[i] = pl_query_row(&q);
		err = pl_query_end(&q);
	}
	err = pl_sqlite_moment_end(s, err);
	if (err == PL_OK)
		/* cppcheck-suppress uninitvar ; count of them are filled */
		memcpy(exist, found, count * sizeof(*exist));
	return err;
}

/* In one moment: the lock of the log, which costs more than a read, is taken once. */
enum pl_err
pl_sqlite_users_of(
    struct pl_store *s, const struct pl_oid *ids, size_t count, struct pl_user_list *out)
{
	struct pl_user_list list = {0};
	enum pl_err err = pl_sqlite_moment_begin(pl_sqlite_of(s));

	if (err != PL_OK)
		return err;
	list.items = pl_mem_alloc(count * sizeof(*list.items));
	for (size_t i = 0; i < count && err == PL_OK; i++) {
		err = pl_sqlite_user_by_id(s, &ids[i], &list.items[list.count]);
		list.count += err == PL_OK;
		if (err == PL_E_NOT_FOUND)
			err = PL_OK;
	}
	err = pl_sqlite_moment_end(pl_sqlite_of(s), err);
	if (err == PL_OK)
		*out = list;
	else
		pl_user_list_fini(&list);
	return err;
}

/* The next of the list, if there is such a user. */
static enum pl_err
add_state(struct pl_sqlite *s, const struct pl_oid *id, struct pl_user_state_list *list)
{
	struct pl_query q = pl_query_start(s, state_by_id);

	pl_query_oid(&q, id);
	if (pl_query_row(&q)) {
		struct pl_user_state *state = &list->items[list->count++];

		*state = (struct pl_user_state){
		    .id = *id,
		    .is_disabled = pl_query_get_int(&q, 1) != 0,
		    .note = pl_query_get_string(&q, 2),
		};
		if (!pl_status_parse(pl_query_get_text(&q, 0), &state->status))
			pl_query_spoil(&q);
	}
	return pl_query_end(&q);
}

enum pl_err
pl_sqlite_user_states(struct pl_store *s, const struct pl_oid *ids, size_t count,
    struct pl_user_state_list *out)
{
	struct pl_user_state_list list = {0};
	enum pl_err err = pl_sqlite_moment_begin(pl_sqlite_of(s));

	if (err != PL_OK)
		return err;
	list.items = pl_mem_alloc(count * sizeof(*list.items));
	for (size_t i = 0; i < count && err == PL_OK; i++)
		err = add_state(pl_sqlite_of(s), &ids[i], &list);
	err = pl_sqlite_moment_end(pl_sqlite_of(s), err);
	if (err == PL_OK)
		*out = list;
	else
		pl_user_state_list_fini(&list);
	return err;
}

enum pl_err
pl_sqlite_users_page(struct pl_store *s, const struct pl_oid *after, size_t limit,
    struct pl_user_list *out)
{
	struct pl_query q = pl_query_start(pl_sqlite_of(s), page);
	struct pl_user_list list = {0};
	enum pl_err err;

	pl_query_blob(
	    &q, after ? (const char *)after->bytes : "", after ? PL_OID_LEN : 0);
	pl_query_int(&q, (int64_t)limit);
	while (pl_query_row(&q)) {
		list.items = pl_store_grow(list.items, list.count, sizeof(*list.items));
		pl_sqlite_user_read(&q, 0, &list.items[list.count++]);
	}
	err = pl_query_end(&q);
	if (err == PL_OK)
		*out = list;
	else
		pl_user_list_fini(&list);
	return err;
}

enum pl_err
pl_sqlite_user_status(struct pl_sqlite *s, const struct pl_oid *id, enum pl_status *out)
{
	struct pl_query q = pl_query_start(s, status_by_id);
	enum pl_err err;
	bool is_found;

	pl_query_oid(&q, id);
	is_found = pl_query_row(&q);
	if (is_found && !pl_status_parse(pl_query_get_text(&q, 0), out))
		pl_query_spoil(&q);
	err = pl_query_end(&q);
	return err == PL_OK && !is_found ? PL_E_NOT_FOUND : err;
}

/* ---- writes ---- */

enum pl_err
pl_sqlite_user_insert(struct pl_sqlite *s, const struct pl_user *user)
{
	struct pl_query q = pl_query_start(s, insert);
	int changed = 0;
	enum pl_err err;

	pl_query_oid(&q, &user->id);
	pl_query_text(&q, pl_str(user->username));
	pl_query_text(&q, pl_str(user->full_name));
	pl_query_text(&q, pl_str(user->password_hash));
	pl_query_text(&q, pl_str(user->profile_pic));
	if (user->note != NULL)
		pl_query_text(&q, pl_str(user->note));
	else
		pl_query_null(&q);
	pl_query_text(&q, pl_str(pl_gender_name(user->gender)));
	pl_query_text(&q, pl_str(pl_status_name(user->status)));
	pl_query_int(&q, user->created_unix_ms);
	pl_query_int(&q, user->updated_unix_ms);
	pl_query_int(&q, user->is_disabled);
	if (user->given_pic != NULL)
		pl_query_text(&q, pl_str(user->given_pic));
	else
		pl_query_null(&q);
	err = pl_query_run(&q, &changed);
	if (err == PL_OK && changed == 0)
		return PL_E_CONFLICT;
	return err != PL_OK ? err
			    : pl_sqlite_people_put(s, &user->id, pl_str(user->full_name),
				  pl_str(user->username));
}

enum pl_err
pl_sqlite_user_set_status(struct pl_sqlite *s, const struct pl_oid *id,
    enum pl_status status, struct pl_str note)
{
	struct pl_query q = pl_query_start(s, set_status);
	int changed = 0;
	enum pl_err err;

	pl_query_text(&q, pl_str(pl_status_name(status)));
	if (note.len > 0)
		pl_query_text(&q, note);
	else
		pl_query_null(&q);
	pl_query_int(&q, s->now_unix_ms);
	pl_query_oid(&q, id);
	err = pl_query_run(&q, &changed);
	return err == PL_OK && changed == 0 ? PL_E_NOT_FOUND : err;
}

enum pl_err
pl_sqlite_user_set_password(struct pl_sqlite *s, const struct pl_oid *id,
    const char *old_hash, const char *new_hash)
{
	struct pl_query q = pl_query_start(s, set_password);
	int changed = 0;
	enum pl_err err;

	pl_query_text(&q, pl_str(new_hash));
	pl_query_oid(&q, id);
	pl_query_text(&q, pl_str(old_hash));
	err = pl_query_run(&q, &changed);
	return err == PL_OK && changed == 0 ? PL_E_CONFLICT : err;
}
