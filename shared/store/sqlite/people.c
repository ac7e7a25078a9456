/*
 * people: finding users by the beginnings of their words, in the order of their names.
 *
 * A page has to cost the same whether a query finds everybody, nobody, or only those at the end of
 * the alphabet. So people stand on shelves: runs of the order by (name, id), of at most SHELF_MAX,
 * and words are found shelf by shelf.
 *
 *   people_shelves  1: from ("", "")       2: from ("ines paz", ...)     3: from ...
 *   people_words    1 aisha, 1 garcia ...  2 ines, 2 paz ...
 *
 * A shelf where no word begins so costs one look-up; one where some do is read as a whole, put in
 * order, and mostly fills the page. A shelf that becomes too long is split in two halves.
 */
#include <stdlib.h>

#include "base/fold.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/sqlite/query.h"
#include "store/store_people.h"

#define SHELF_MAX 512
/* If more are found on a shelf, it is cheaper to walk along it than to look up each one's place. */
#define LOOKED_UP_MAX 64

static const char name_of[] = "SELECT name FROM people WHERE id = ?";
static const char forget[] = "DELETE FROM people WHERE id = ?";
static const char keep[] = "INSERT INTO people (id, name) VALUES (?, ?)";
static const char forget_words[] = "DELETE FROM people_words WHERE shelf = ? AND id = ?";
static const char keep_word[] =
    "INSERT INTO people_words (shelf, word, id) VALUES (?, ?, ?)";

static const char shelf_of[] =
    "SELECT number, name, id, count FROM people_shelves WHERE (name, id) <= (?, ?) "
    "ORDER BY name DESC, id DESC LIMIT 1";
static const char shelves_from[] =
    "SELECT number, name, id FROM people_shelves WHERE (name, id) >= (?, ?) "
    "ORDER BY name, id";
static const char shelf_add[] =
    "INSERT INTO people_shelves (name, id, count) VALUES (?, ?, ?)";
static const char shelf_count[] =
    "UPDATE people_shelves SET count = count + ? WHERE number = ?";
static const char place_after[] =
    "SELECT name, id FROM people WHERE (name, id) >= (?, ?) ORDER BY name, id "
    "LIMIT 1 OFFSET ?";
static const char walk[] =
    "SELECT id FROM people WHERE (name, id) >= (?, ?) ORDER BY name, id LIMIT ?";
static const char words_move[] =
    "UPDATE people_words SET shelf = ?1 WHERE shelf = ?2 AND id IN (SELECT id FROM "
    "people WHERE (name, id) >= (?3, ?4) ORDER BY name, id LIMIT ?5)";

static const char is_due[] = "SELECT 1 FROM people_due LIMIT 1";
static const char due_list[] = "SELECT id FROM people_due LIMIT ?";
static const char due_done[] = "DELETE FROM people_due WHERE id = ?";

static const char page_of_all[] =
    "SELECT " PL_SQLITE_USER_COLUMNS " FROM people AS p CROSS JOIN users AS u "
    "ON u.id = p.id WHERE (p.name, p.id) > (?, ?) ORDER BY p.name, p.id LIMIT ?";
static const char with_word[] =
    "SELECT id FROM people_words WHERE shelf = ? AND word >= ? AND word < ?";
static const char tag_now[] = "SELECT tag FROM users_tag";

/* ---- places and shelves -------------------------------------------------------------- */

/* A place in the order; zeroed, it comes before all. */
struct place {
	char *name; /* owned; NULL for "" */
	struct pl_oid id;
	bool has_id;
};

static void
place_fini(struct place *p)
{
	pl_mem_free(p->name);
	*p = (struct place){0};
}

static void
bind_place(struct pl_query *q, const struct place *p)
{
	pl_query_text(q, p->name != NULL ? pl_str(p->name) : PL_STR(""));
	pl_query_blob(q, p->id.bytes, p->has_id ? PL_OID_LEN : 0);
}

/* The columns name and id. */
static void
read_place(struct pl_query *q, int first, struct place *out)
{
	*out = (struct place){.name = pl_query_get_string(q, first)};
	out->has_id = pl_query_get_bytes(q, first + 1).len > 0;
	if (out->has_id)
		pl_query_get_oid(q, first + 1, &out->id);
}

static int
compare_places(const void *one, const void *other)
{
	const struct place *a = one, *b = other;
	int by_name = strcmp(a->name != NULL ? a->name : "", b->name ? b->name : "");

	return by_name != 0 ? by_name : pl_oid_compare(&a->id, &b->id);
}

struct shelf {
	int64_t number;
	int64_t count;
	struct place first;
};

/* The one on which p stands, or would. */
static enum pl_err
find_shelf(struct pl_sqlite *s, const struct place *p, struct shelf *out)
{
	struct pl_query q = pl_query_start(s, shelf_of);

	*out = (struct shelf){0};
	bind_place(&q, p);
	if (pl_query_row(&q)) {
		out->number = pl_query_get_int(&q, 0);
		read_place(&q, 1, &out->first);
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
find_middle(struct pl_sqlite *s, const struct shelf *shelf, struct place *out)
{
	struct pl_query q = pl_query_start(s, place_after);

	bind_place(&q, &shelf->first);
	pl_query_int(&q, shelf->count / 2);
	if (pl_query_row(&q))
		read_place(&q, 0, out);
	return pl_query_end(&q);
}

static enum pl_err
add_shelf(struct pl_sqlite *s, const struct place *first, int64_t count, int64_t *number)
{
	struct pl_query q = pl_query_start(s, shelf_add);
	enum pl_err err;

	bind_place(&q, first);
	pl_query_int(&q, count);
	err = pl_query_run(&q, NULL);
	*number = sqlite3_last_insert_rowid(s->db);
	return err;
}

static enum pl_err
move_words(struct pl_sqlite *s, int64_t from, int64_t to, const struct place *first,
    int64_t people)
{
	struct pl_query q = pl_query_start(s, words_move);

	pl_query_int(&q, to);
	pl_query_int(&q, from);
	bind_place(&q, first);
	pl_query_int(&q, people);
	return pl_query_run(&q, NULL);
}

/* The second half gets a shelf of its own. */
static enum pl_err
split(struct pl_sqlite *s, const struct shelf *shelf)
{
	int64_t moved = shelf->count - shelf->count / 2, number = 0;
	struct place middle = {0};
	enum pl_err err = find_middle(s, shelf, &middle);

	if (err == PL_OK)
		err = add_shelf(s, &middle, moved, &number);
	if (err == PL_OK)
		err = move_words(s, shelf->number, number, &middle, moved);
	if (err == PL_OK)
		err = change_count(s, shelf->number, -moved);
	place_fini(&middle);
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

/* PL_E_NOT_FOUND: they stand nowhere. */
static enum pl_err
find_place(struct pl_sqlite *s, const struct pl_oid *id, struct place *out)
{
	struct pl_query q = pl_query_start(s, name_of);
	bool is_found;
	enum pl_err err;

	pl_query_oid(&q, id);
	is_found = pl_query_row(&q);
	*out = (struct place){.id = *id, .has_id = true};
	if (is_found)
		out->name = pl_query_get_string(&q, 0);
	err = pl_query_end(&q);
	if (err == PL_OK && !is_found)
		err = PL_E_NOT_FOUND;
	if (err != PL_OK)
		place_fini(out);
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

static enum pl_err
drop(struct pl_sqlite *s, const struct pl_oid *id)
{
	struct shelf shelf = {0};
	struct place place;
	enum pl_err err = find_place(s, id, &place);

	if (err != PL_OK)
		return err == PL_E_NOT_FOUND ? PL_OK : err;
	err = find_shelf(s, &place, &shelf);
	if (err == PL_OK)
		err = drop_words(s, shelf.number, id);
	if (err == PL_OK)
		err = run_of(s, forget, id);
	if (err == PL_OK)
		err = change_count(s, shelf.number, -1);
	place_fini(&shelf.first);
	place_fini(&place);
	return err;
}

static enum pl_err
add_person(struct pl_sqlite *s, const struct place *p)
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
put(struct pl_sqlite *s, const struct place *p, const struct pl_fold_words *words)
{
	struct shelf shelf = {0};
	enum pl_err err = find_shelf(s, p, &shelf);

	if (err == PL_OK)
		err = add_person(s, p);
	if (err == PL_OK)
		err = add_words(s, shelf.number, &p->id, words);
	if (err == PL_OK)
		err = change_count(s, shelf.number, 1);
	if (err == PL_OK && ++shelf.count > SHELF_MAX)
		err = split(s, &shelf);
	place_fini(&shelf.first);
	return err;
}

static char *
folded_name(struct pl_str full_name)
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
	struct place place = {.id = *id, .has_id = true};
	struct pl_fold_words words = {0};
	enum pl_err err = drop(s, id);

	place.name = folded_name(full_name);
	pl_fold_words(full_name, &words);
	pl_fold_words(username, &words);
	pl_fold_words_sort(&words);
	if (err == PL_OK)
		err = put(s, &place, &words);
	if (err == PL_OK)
		err = run_of(s, due_done, id);
	pl_fold_words_fini(&words);
	place_fini(&place);
	return err;
}

/* ---- those who are due --------------------------------------------------------------- */

static enum pl_err
fill_one(struct pl_sqlite *s, const struct pl_oid *id)
{
	struct pl_user user;
	enum pl_err err = pl_sqlite_user_by_id(&s->store, id, &user);

	if (err == PL_E_NOT_FOUND) {
		err = drop(s, id);
		return err != PL_OK ? err : run_of(s, due_done, id);
	}
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

/* ---- a page of all ------------------------------------------------------------------- */

static enum pl_err
read_all(struct pl_sqlite *s, const struct place *after, size_t limit,
    struct pl_user_list *list)
{
	struct pl_query q = pl_query_start(s, page_of_all);

	bind_place(&q, after);
	pl_query_int(&q, (int64_t)limit);
	while (pl_query_row(&q)) {
		list->items =
		    pl_store_grow(list->items, list->count, sizeof(*list->items));
		pl_sqlite_user_read(&q, 0, &list->items[list->count++]);
	}
	return pl_query_end(&q);
}

/* ---- a page of those who are found --------------------------------------------------- */

struct ids {
	struct pl_oid *items;
	size_t count;
};

static int
compare_ids(const void *a, const void *b)
{
	return pl_oid_compare(a, b);
}

static void
ids_sort(struct ids *ids)
{
	size_t kept = 0;

	if (ids->count > 0)
		qsort(ids->items, ids->count, sizeof(*ids->items), compare_ids);
	for (size_t i = 0; i < ids->count; i++)
		if (kept == 0 || !pl_oid_eq(&ids->items[i], &ids->items[kept - 1]))
			ids->items[kept++] = ids->items[i];
	ids->count = kept;
}

/* Whose words on a shelf begin with word. */
static enum pl_err
read_ids(struct pl_sqlite *s, int64_t shelf, const char *word, struct ids *out)
{
	struct pl_query q = pl_query_start(s, with_word);
	struct pl_buf end;
	enum pl_err err;

	pl_buf_init(&end, PL_BUF_UNLIMITED);
	(void)pl_buf_printf(&end, "%s\xff", word); /* above all that begin so */
	pl_query_int(&q, shelf);
	pl_query_text(&q, pl_str(word));
	pl_query_text(&q, pl_buf_str(&end));
	while (pl_query_row(&q)) {
		out->items = pl_store_grow(out->items, out->count, sizeof(*out->items));
		pl_query_get_oid(&q, 0, &out->items[out->count++]);
	}
	err = pl_query_end(&q);
	pl_buf_fini(&end);
	ids_sort(out);
	return err;
}

static bool
ids_have(const struct ids *ids, const struct pl_oid *id)
{
	return ids->count > 0 && bsearch(id, ids->items, ids->count, sizeof(*ids->items),
				     compare_ids) != NULL;
}

static void
keep_common(struct ids *ids, const struct ids *other)
{
	size_t kept = 0;

	for (size_t i = 0; i < ids->count; i++)
		if (ids_have(other, &ids->items[i]))
			ids->items[kept++] = ids->items[i];
	ids->count = kept;
}

static enum pl_err
read_common(struct pl_sqlite *s, int64_t shelf, const struct pl_fold_words *words,
    struct ids *out)
{
	enum pl_err err = read_ids(s, shelf, words->items[0], out);

	for (size_t i = 1; err == PL_OK && out->count > 0 && i < words->count; i++) {
		struct ids other = {0};

		err = read_ids(s, shelf, words->items[i], &other);
		keep_common(out, &other);
		pl_mem_free(other.items);
	}
	return err;
}

static enum pl_err
add_user(struct pl_sqlite *s, const struct pl_oid *id, struct pl_user_list *list)
{
	enum pl_err err;

	list->items = pl_store_grow(list->items, list->count, sizeof(*list->items));
	err = pl_sqlite_user_by_id(&s->store, id, &list->items[list->count]);
	if (err == PL_OK)
		list->count++;
	return err == PL_E_NOT_FOUND ? PL_OK : err;
}

/* Those of places that come after from, up to limit in list. */
static enum pl_err
add_after(struct pl_sqlite *s, const struct place *places, size_t count,
    const struct place *from, size_t limit, struct pl_user_list *list)
{
	enum pl_err err = PL_OK;

	for (size_t i = 0; err == PL_OK && i < count && list->count < limit; i++)
		if (!from->has_id || compare_places(&places[i], from) > 0)
			err = add_user(s, &places[i].id, list);
	return err;
}

static enum pl_err
add_looked_up(struct pl_sqlite *s, const struct ids *ids, const struct place *from,
    size_t limit, struct pl_user_list *list)
{
	struct place places[LOOKED_UP_MAX];
	enum pl_err err = PL_OK;
	size_t count = 0;

	for (size_t i = 0; err == PL_OK && i < ids->count; i++) {
		err = find_place(s, &ids->items[i], &places[count]);
		if (err == PL_OK)
			count++;
		else if (err == PL_E_NOT_FOUND)
			err = PL_OK;
	}
	qsort(places, count, sizeof(*places), compare_places);
	if (err == PL_OK)
		err = add_after(s, places, count, from, limit, list);
	while (count > 0)
		place_fini(&places[--count]);
	return err;
}

/* Along the shelf that begins at first. */
static enum pl_err
add_on_the_way(struct pl_sqlite *s, const struct ids *ids, const struct place *first,
    const struct place *from, size_t limit, struct pl_user_list *list)
{
	bool is_inside = from->has_id && compare_places(from, first) >= 0;
	struct pl_query q = pl_query_start(s, walk);
	enum pl_err err = PL_OK, end;
	struct pl_oid id;

	bind_place(&q, is_inside ? from : first);
	pl_query_int(&q, SHELF_MAX);
	while (err == PL_OK && list->count < limit && pl_query_row(&q)) {
		pl_query_get_oid(&q, 0, &id);
		if (ids_have(ids, &id) && !(is_inside && pl_oid_eq(&id, &from->id)))
			err = add_user(s, &id, list);
	}
	end = pl_query_end(&q);
	return err != PL_OK ? err : end;
}

static enum pl_err
read_shelf(struct pl_sqlite *s, const struct shelf *shelf,
    const struct pl_fold_words *words, const struct place *from, size_t limit,
    struct pl_user_list *list)
{
	struct ids ids = {0};
	enum pl_err err = read_common(s, shelf->number, words, &ids);

	if (err == PL_OK && ids.count > LOOKED_UP_MAX)
		err = add_on_the_way(s, &ids, &shelf->first, from, limit, list);
	else if (err == PL_OK && ids.count > 0)
		err = add_looked_up(s, &ids, from, limit, list);
	pl_mem_free(ids.items);
	return err;
}

static enum pl_err
read_found(struct pl_sqlite *s, const struct pl_fold_words *words,
    const struct place *from, size_t limit, struct pl_user_list *list)
{
	struct shelf shelf;
	enum pl_err err = find_shelf(s, from, &shelf), end;
	struct pl_query q;

	if (err != PL_OK)
		return err;
	q = pl_query_start(s, shelves_from);
	bind_place(&q, &shelf.first);
	while (err == PL_OK && list->count < limit && pl_query_row(&q)) {
		struct shelf next = {.number = pl_query_get_int(&q, 0)};

		read_place(&q, 1, &next.first);
		err = read_shelf(s, &next, words, from, limit, list);
		place_fini(&next.first);
	}
	end = pl_query_end(&q);
	place_fini(&shelf.first);
	return err != PL_OK ? err : end;
}

/* ---- pages --------------------------------------------------------------------------- */

/* By their name as it is now: those who are due stand nowhere yet. */
static enum pl_err
place_of_user(struct pl_sqlite *s, const struct pl_oid *id, struct place *out)
{
	struct pl_user user;
	enum pl_err err = pl_sqlite_user_by_id(&s->store, id, &user);

	if (err != PL_OK)
		return err;
	*out = (struct place){folded_name(pl_str(user.full_name)), *id, true};
	pl_user_fini(&user);
	return PL_OK;
}

static enum pl_err
read_page(struct pl_sqlite *s, const struct pl_fold_words *words,
    const struct pl_oid *after, size_t limit, struct pl_user_list *list)
{
	struct place from = {0};
	enum pl_err err = after != NULL ? place_of_user(s, after, &from) : PL_OK;

	if (err == PL_OK)
		err = words->count == 0 ? read_all(s, &from, limit, list)
					: read_found(s, words, &from, limit, list);
	place_fini(&from);
	return err;
}

/* Of one moment. */
static enum pl_err
read_at_once(struct pl_sqlite *s, const struct pl_fold_words *words,
    const struct pl_oid *after, size_t limit, struct pl_user_list *list)
{
	static const char begin[] = "BEGIN", end[] = "COMMIT";
	struct pl_query q = pl_query_start(s, begin);
	enum pl_err err = pl_query_run(&q, NULL), ended;

	if (err != PL_OK)
		return err;
	err = read_page(s, words, after, limit, list);
	q = pl_query_start(s, end);
	ended = pl_query_run(&q, NULL);
	return err != PL_OK ? err : ended;
}

/* What cannot be filled in now is not found yet; the failure was logged. */
static void
fill_first(struct pl_store *store)
{
	size_t filled;

	if (pl_sqlite_people_fill(store, PL_STORE_PEOPLE_FILL, &filled) != PL_OK)
		pl_log_warn_sampled("people who are due were not filled in, a page goes "
				    "without them");
}

enum pl_err
pl_sqlite_people_page(struct pl_store *store, struct pl_str query,
    const struct pl_oid *after, size_t limit, struct pl_user_list *out)
{
	struct pl_user_list list = {0};
	struct pl_fold_words words = {0};
	enum pl_err err;

	fill_first(store);
	pl_store_query_words(query, &words);
	err = read_at_once(pl_sqlite_of(store), &words, after, limit, &list);
	pl_fold_words_fini(&words);
	if (err == PL_OK)
		*out = list;
	else
		pl_user_list_fini(&list);
	return err;
}

enum pl_err
pl_sqlite_users_tag(struct pl_store *s, uint8_t tag[PL_STORE_TAG_LEN])
{
	struct pl_query q = pl_query_start(pl_sqlite_of(s), tag_now);
	uint8_t found[PL_STORE_TAG_LEN] = {0};
	enum pl_err err;

	if (pl_query_row(&q))
		pl_query_get_blob(&q, 0, found, sizeof(found));
	else
		pl_query_spoil(&q);
	err = pl_query_end(&q);
	if (err == PL_OK)
		memcpy(tag, found, sizeof(found));
	return err;
}
