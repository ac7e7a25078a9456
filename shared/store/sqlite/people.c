#include "store/sqlite/people.h"

#include "base/fold.h"
#include "base/mem.h"

static const char name_of[] = "SELECT name FROM people WHERE id = ?";
static const char forget[] = "DELETE FROM people WHERE id = ?";
static const char keep[] = "INSERT INTO people (id, name) VALUES (?, ?)";
static const char forget_words[] = "DELETE FROM people_words WHERE shelf = ? AND id = ?";
static const char keep_word[] =
    "INSERT INTO people_words (shelf, word, id) VALUES (?, ?, ?)";

static const char shelf_of[] =
    "SELECT number, name, id, count FROM people_shelves WHERE (name, id) <= (?, ?) "
    "ORDER BY name DESC, id DESC LIMIT 1";
static const char shelf_add[] =
    "INSERT INTO people_shelves (name, id, count) VALUES (?, ?, ?)";
static const char shelf_count[] =
    "UPDATE people_shelves SET count = count + ? WHERE number = ?";
static const char shelf_drop[] = "DELETE FROM people_shelves WHERE number = ?";
static const char shelf_move[] =
    "UPDATE people_shelves SET (name, id) = (SELECT name, id FROM people "
    "WHERE (name, id) > (?2, ?3) ORDER BY name, id LIMIT 1) WHERE number = ?1";
static const char place_after[] =
    "SELECT name, id FROM people WHERE (name, id) >= (?, ?) ORDER BY name, id "
    "LIMIT 1 OFFSET ?";
static const char words_move[] =
    "UPDATE people_words SET shelf = ?1 WHERE shelf = ?2 AND id IN (SELECT id FROM "
    "people WHERE (name, id) >= (?3, ?4) ORDER BY name, id LIMIT ?5)";

static const char is_due[] = "SELECT 1 FROM people_due LIMIT 1";
static const char due_list[] = "SELECT id FROM people_due LIMIT ?";
static const char due_done[] = "DELETE FROM people_due WHERE id = ?";

/* ---- places and shelves -------------------------------------------------------------- */

void
pl_place_fini(struct pl_place *p)
{
	pl_mem_free(p->name);
	*p = (struct pl_place){0};
}

void
pl_place_bind(struct pl_query *q, const struct pl_place *p)
{
	pl_query_text(q, p->name != NULL ? pl_str(p->name) : PL_STR(""));
	pl_query_blob(q, p->id.bytes, p->has_id ? PL_OID_LEN : 0);
}

void
pl_place_read(struct pl_query *q, int first, struct pl_place *out)
{
	*out = (struct pl_place){.name = pl_query_get_string(q, first)};
	out->has_id = pl_query_get_bytes(q, first + 1).len > 0;
	if (out->has_id)
		pl_query_get_oid(q, first + 1, &out->id);
}

int
pl_place_compare(const void *one, const void *other)
{
	const struct pl_place *a = one, *b = other;
	int by_name = strcmp(a->name != NULL ? a->name : "", b->name ? b->name : "");

	return by_name != 0 ? by_name : pl_oid_compare(&a->id, &b->id);
}

enum pl_err
pl_shelf_find(struct pl_sqlite *s, const struct pl_place *p, struct pl_shelf *out)
{
	struct pl_query q = pl_query_start(s, shelf_of);

	*out = (struct pl_shelf){0};
	pl_place_bind(&q, p);
	if (pl_query_row(&q)) {
		out->number = pl_query_get_int(&q, 0);
		pl_place_read(&q, 1, &out->first);
		out->count = pl_query_get_int(&q, 3);
	}
	return pl_query_end(&q);
}

static enum pl_err
change_count(struct pl_sqlite *s, int64_t shelf, int64_t by)
{
	struct pl_query q = pl_query_start(s, shelf_count);

	pl_query_int(&q, by);
	pl_query_int(&q, shelf);
	return pl_query_run(&q, NULL);
}

/* ---- splitting ----------------------------------------------------------------------- */

static enum pl_err
find_middle(struct pl_sqlite *s, const struct pl_shelf *shelf, struct pl_place *out)
{
	struct pl_query q = pl_query_start(s, place_after);

	pl_place_bind(&q, &shelf->first);
	pl_query_int(&q, shelf->count / 2);
	if (pl_query_row(&q))
		pl_place_read(&q, 0, out);
	return pl_query_end(&q);
}

static enum pl_err
add_shelf(
    struct pl_sqlite *s, const struct pl_place *first, int64_t count, int64_t *number)
{
	struct pl_query q = pl_query_start(s, shelf_add);
	enum pl_err err;

	pl_place_bind(&q, first);
	pl_query_int(&q, count);
	err = pl_query_run(&q, NULL);
	*number = sqlite3_last_insert_rowid(s->db);
	return err;
}

static enum pl_err
move_words(struct pl_sqlite *s, int64_t from, int64_t to, const struct pl_place *first,
    int64_t people)
{
	struct pl_query q = pl_query_start(s, words_move);

	pl_query_int(&q, to);
	pl_query_int(&q, from);
	pl_place_bind(&q, first);
	pl_query_int(&q, people);
	return pl_query_run(&q, NULL);
}

/* The second half gets a shelf of its own. */
static enum pl_err
split(struct pl_sqlite *s, const struct pl_shelf *shelf)
{
	int64_t moved = shelf->count - shelf->count / 2, number = 0;
	struct pl_place middle = {0};
	enum pl_err err = find_middle(s, shelf, &middle);

	if (err == PL_OK)
		err = add_shelf(s, &middle, moved, &number);
	if (err == PL_OK)
		err = move_words(s, shelf->number, number, &middle, moved);
	if (err == PL_OK)
		err = change_count(s, shelf->number, -moved);
	pl_place_fini(&middle);
	return err;
}

/* ---- putting and dropping ------------------------------------------------------------ */

static enum pl_err
run_of(struct pl_sqlite *s, const char *sql, const struct pl_oid *id)
{
	struct pl_query q = pl_query_start(s, sql);

	pl_query_oid(&q, id);
	return pl_query_run(&q, NULL);
}

enum pl_err
pl_place_find(struct pl_sqlite *s, const struct pl_oid *id, struct pl_place *out)
{
	struct pl_query q = pl_query_start(s, name_of);
	bool is_found;
	enum pl_err err;

	pl_query_oid(&q, id);
	is_found = pl_query_row(&q);
	*out = (struct pl_place){.id = *id, .has_id = true};
	if (is_found)
		out->name = pl_query_get_string(&q, 0);
	err = pl_query_end(&q);
	if (err == PL_OK && !is_found)
		err = PL_E_NOT_FOUND;
	if (err != PL_OK)
		pl_place_fini(out);
	return err;
}

static enum pl_err
drop_words(struct pl_sqlite *s, int64_t shelf, const struct pl_oid *id)
{
	struct pl_query q = pl_query_start(s, forget_words);

	pl_query_int(&q, shelf);
	pl_query_oid(&q, id);
	return pl_query_run(&q, NULL);
}

/*
 * A shelf that began with the person who stood at p begins with the next one on it, or is
 * gone with its last: else it would keep a name that nobody has any more. The first one
 * of all begins with "".
 */
static enum pl_err
begin_anew(struct pl_sqlite *s, const struct pl_shelf *shelf, const struct pl_place *p)
{
	bool is_last = shelf->count <= 1;
	struct pl_query q;

	if (pl_place_compare(&shelf->first, p) != 0)
		return PL_OK;
	q = pl_query_start(s, is_last ? shelf_drop : shelf_move);
	pl_query_int(&q, shelf->number);
	if (!is_last)
		pl_place_bind(&q, p);
	return pl_query_run(&q, NULL);
}

static enum pl_err
drop(struct pl_sqlite *s, const struct pl_oid *id)
{
	struct pl_shelf shelf = {0};
	struct pl_place place;
	enum pl_err err = pl_place_find(s, id, &place);

	if (err != PL_OK)
		return err == PL_E_NOT_FOUND ? PL_OK : err;
	err = pl_shelf_find(s, &place, &shelf);
	if (err == PL_OK)
		err = drop_words(s, shelf.number, id);
	if (err == PL_OK)
		err = run_of(s, forget, id);
	if (err == PL_OK)
		err = change_count(s, shelf.number, -1);
	if (err == PL_OK)
		err = begin_anew(s, &shelf, &place);
	pl_place_fini(&shelf.first);
	pl_place_fini(&place);
	return err;
}

enum pl_err
pl_sqlite_people_drop(struct pl_sqlite *s, const struct pl_oid *id)
{
	enum pl_err err = drop(s, id);

	return err == PL_OK ? run_of(s, due_done, id) : err;
}

static enum pl_err
add_person(struct pl_sqlite *s, const struct pl_place *p)
{
	struct pl_query q = pl_query_start(s, keep);

	pl_query_oid(&q, &p->id);
	pl_query_text(&q, pl_str(p->name));
	return pl_query_run(&q, NULL);
}

static enum pl_err
add_words(struct pl_sqlite *s, int64_t shelf, const struct pl_oid *id,
    const struct pl_fold_words *words)
{
	enum pl_err err = PL_OK;

	for (size_t i = 0; err == PL_OK && i < words->count; i++) {
		struct pl_query q = pl_query_start(s, keep_word);

		pl_query_int(&q, shelf);
		pl_query_text(&q, pl_str(words->items[i]));
		pl_query_oid(&q, id);
		err = pl_query_run(&q, NULL);
	}
	return err;
}

static enum pl_err
put(struct pl_sqlite *s, const struct pl_place *p, const struct pl_fold_words *words)
{
	struct pl_shelf shelf = {0};
	enum pl_err err = pl_shelf_find(s, p, &shelf);

	if (err == PL_OK)
		err = add_person(s, p);
	if (err == PL_OK)
		err = add_words(s, shelf.number, &p->id, words);
	if (err == PL_OK)
		err = change_count(s, shelf.number, 1);
	if (err == PL_OK && ++shelf.count > PL_SHELF_MAX)
		err = split(s, &shelf);
	pl_place_fini(&shelf.first);
	return err;
}

char *
pl_place_name(struct pl_str full_name)
{
	struct pl_buf name;

	pl_buf_init(&name, PL_BUF_UNLIMITED); /* pl_fold_name() bounds it */
	pl_fold_name(full_name, &name);
	return name.len > 0 ? pl_buf_take(&name) : pl_mem_strdup("");
}

enum pl_err
pl_sqlite_people_put(struct pl_sqlite *s, const struct pl_oid *id,
    struct pl_str full_name, struct pl_str username)
{
	struct pl_place place = {.id = *id, .has_id = true};
	struct pl_fold_words words = {0};
	enum pl_err err = drop(s, id);

	place.name = pl_place_name(full_name);
	pl_fold_words(full_name, &words);
	pl_fold_words(username, &words);
	pl_fold_words_sort(&words);
	if (err == PL_OK)
		err = put(s, &place, &words);
	if (err == PL_OK)
		err = run_of(s, due_done, id);
	pl_fold_words_fini(&words);
	pl_place_fini(&place);
	return err;
}

/* ---- those who are due --------------------------------------------------------------- */

static enum pl_err
fill_one(struct pl_sqlite *s, const struct pl_oid *id)
{
	struct pl_user user;
	enum pl_err err = pl_sqlite_user_by_id(&s->store, id, &user);

	if (err == PL_E_NOT_FOUND)
		return pl_sqlite_people_drop(s, id);
	if (err != PL_OK)
		return err;
	err = pl_sqlite_people_put(s, id, pl_str(user.full_name), pl_str(user.username));
	pl_user_fini(&user);
	return err;
}

static enum pl_err
read_due(struct pl_sqlite *s, size_t limit, struct pl_oid *ids, size_t *count)
{
	struct pl_query q = pl_query_start(s, due_list);

	pl_query_int(&q, (int64_t)limit);
	while (*count < limit && pl_query_row(&q))
		pl_query_get_oid(&q, 0, &ids[(*count)++]);
	return pl_query_end(&q);
}

static enum pl_err
fill(struct pl_sqlite *s, size_t limit, size_t *filled)
{
	struct pl_oid *ids = pl_mem_alloc(limit * sizeof(*ids));
	enum pl_err err;

	*filled = 0;
	err = read_due(s, limit, ids, filled);
	for (size_t i = 0; err == PL_OK && i < *filled; i++)
		err = fill_one(s, &ids[i]);
	pl_mem_free(ids);
	return err;
}

enum pl_err
pl_sqlite_people_fill(struct pl_store *store, size_t limit, size_t *filled)
{
	struct pl_sqlite *s = pl_sqlite_of(store);
	struct pl_query q = pl_query_start(s, is_due);
	bool is_any = pl_query_row(&q);
	enum pl_err err = pl_query_end(&q);

	*filled = 0;
	if (err != PL_OK || !is_any)
		return err;
	err = pl_sqlite_exec(s, "BEGIN IMMEDIATE");
	if (err != PL_OK)
		return err;
	err = fill(s, limit, filled);
	if (err == PL_OK)
		err = pl_sqlite_exec(s, "COMMIT");
	if (err != PL_OK && !sqlite3_get_autocommit(s->db))
		sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
	return err;
}
