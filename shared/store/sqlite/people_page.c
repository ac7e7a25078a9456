/* Pages of people: all in order, or those who are found. people.h says how. */
#include "store/sqlite/people.h"

#include <stdlib.h>

#include "base/fold.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/store_people.h"

/* If more are found on a shelf, it is cheaper to walk along it than to look up each one's
 * place. */
#define LOOKED_UP_MAX 64

static const char shelves_from[] =
    "SELECT number, name, id FROM people_shelves WHERE (name, id) >= (?, ?) "
    "ORDER BY name, id";
static const char walk[] =
    "SELECT id FROM people WHERE (name, id) >= (?, ?) ORDER BY name, id LIMIT ?";
static const char page_of_all[] =
    "SELECT " PL_SQLITE_USER_COLUMNS " FROM people AS p CROSS JOIN users AS u "
    "ON u.id = p.id WHERE (p.name, p.id) > (?, ?) ORDER BY p.name, p.id LIMIT ?";
static const char with_word[] =
    "SELECT id FROM people_words WHERE shelf = ? AND word >= ? AND word < ?";
static const char tag_now[] = "SELECT tag FROM users_tag";

/* ---- a page of all ------------------------------------------------------------------- */

static enum pl_err
read_all(struct pl_sqlite *s, const struct pl_place *after, size_t limit,
    struct pl_user_list *list)
{
	struct pl_query q = pl_query_start(s, page_of_all);

	pl_place_bind(&q, after);
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
add_after(struct pl_sqlite *s, const struct pl_place *places, size_t count,
    const struct pl_place *from, size_t limit, struct pl_user_list *list)
{
	enum pl_err err = PL_OK;

	for (size_t i = 0; err == PL_OK && i < count && list->count < limit; i++)
		if (!from->has_id || pl_place_compare(&places[i], from) > 0)
			err = add_user(s, &places[i].id, list);
	return err;
}

static enum pl_err
add_looked_up(struct pl_sqlite *s, const struct ids *ids, const struct pl_place *from,
    size_t limit, struct pl_user_list *list)
{
	struct pl_place places[LOOKED_UP_MAX] = {0};
	enum pl_err err = PL_OK;
	size_t count = 0;

	for (size_t i = 0; err == PL_OK && i < ids->count; i++) {
		err = pl_place_find(s, &ids->items[i], &places[count]);
		if (err == PL_OK)
			count++;
		else if (err == PL_E_NOT_FOUND)
			err = PL_OK;
	}
	qsort(places, count, sizeof(*places), pl_place_compare);
	if (err == PL_OK)
		err = add_after(s, places, count, from, limit, list);
	while (count > 0)
		pl_place_fini(&places[--count]);
	return err;
}

/* Along the shelf that begins at first. */
static enum pl_err
add_on_the_way(struct pl_sqlite *s, const struct ids *ids, const struct pl_place *first,
    const struct pl_place *from, size_t limit, struct pl_user_list *list)
{
	bool is_inside = from->has_id && pl_place_compare(from, first) >= 0;
	struct pl_query q = pl_query_start(s, walk);
	enum pl_err err = PL_OK, end;
	struct pl_oid id;

	pl_place_bind(&q, is_inside ? from : first);
	pl_query_int(&q, PL_SHELF_MAX);
	while (err == PL_OK && list->count < limit && pl_query_row(&q)) {
		pl_query_get_oid(&q, 0, &id);
		if (ids_have(ids, &id) && !(is_inside && pl_oid_eq(&id, &from->id)))
			err = add_user(s, &id, list);
	}
	end = pl_query_end(&q);
	return err != PL_OK ? err : end;
}

static enum pl_err
read_shelf(struct pl_sqlite *s, const struct pl_shelf *shelf,
    const struct pl_fold_words *words, const struct pl_place *from, size_t limit,
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
    const struct pl_place *from, size_t limit, struct pl_user_list *list)
{
	struct pl_shelf shelf;
	enum pl_err err = pl_shelf_find(s, from, &shelf), end;
	struct pl_query q;

	if (err != PL_OK) {
		pl_place_fini(&shelf.first);
		return err;
	}
	q = pl_query_start(s, shelves_from);
	pl_place_bind(&q, &shelf.first);
	while (err == PL_OK && list->count < limit && pl_query_row(&q)) {
		struct pl_shelf next = {.number = pl_query_get_int(&q, 0)};

		pl_place_read(&q, 1, &next.first);
		err = read_shelf(s, &next, words, from, limit, list);
		pl_place_fini(&next.first);
	}
	end = pl_query_end(&q);
	pl_place_fini(&shelf.first);
	return err != PL_OK ? err : end;
}

/* ---- pages --------------------------------------------------------------------------- */

/* By their name as it is now: those who are due stand nowhere yet. */
static enum pl_err
place_of_user(struct pl_sqlite *s, const struct pl_oid *id, struct pl_place *out)
{
	struct pl_user user;
	enum pl_err err = pl_sqlite_user_by_id(&s->store, id, &user);

	if (err != PL_OK)
		return err;
	*out = (struct pl_place){pl_place_name(pl_str(user.full_name)), *id, true};
	pl_user_fini(&user);
	return PL_OK;
}

static enum pl_err
read_page(struct pl_sqlite *s, const struct pl_fold_words *words,
    const struct pl_oid *after, size_t limit, struct pl_user_list *list)
{
	struct pl_place from = {0};
	enum pl_err err = after != NULL ? place_of_user(s, after, &from) : PL_OK;

	if (err == PL_OK)
		err = words->count == 0 ? read_all(s, &from, limit, list)
					: read_found(s, words, &from, limit, list);
	pl_place_fini(&from);
	return err;
}

/* Of one moment. */
static enum pl_err
read_at_once(struct pl_sqlite *s, const struct pl_fold_words *words,
    const struct pl_oid *after, size_t limit, struct pl_user_list *list)
{
	enum pl_err err = pl_sqlite_moment_begin(s);

	if (err != PL_OK)
		return err;
	err = read_page(s, words, after, limit, list);
	return pl_sqlite_moment_end(s, err);
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
