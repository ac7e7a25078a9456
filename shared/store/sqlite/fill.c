#include "store/sqlite/fill.h"

#include "store/sqlite/query.h"

enum { SAVED_EVERY = 1000, PAGE = 200 }; /* rows */

static const char up_to_get[] = "SELECT up_to FROM filled WHERE id = 1";
/* Only forward: another process may be further. */
static const char up_to_set[] = "UPDATE filled SET up_to = max(up_to, ?) WHERE id = 1";
static const char rows_after[] =
    "SELECT seq, sender, receiver FROM messages WHERE seq > ? ORDER BY seq LIMIT ?";

/* The side of one who was erased is not listed again; but until the pairs of an erasure
 * go, stage 4, it sweeps by them. */
static const char side_put[] =
    "INSERT INTO correspondents (user, other) SELECT ?1, ?2 "
    "WHERE EXISTS (SELECT 1 FROM users WHERE id = ?1) "
    "OR EXISTS (SELECT 1 FROM erasures WHERE user = ?1 AND stage < 4) "
    "ON CONFLICT DO NOTHING";

struct pair {
	struct pl_oid a, b;
};

struct look {
	struct pl_sqlite *s;
	int64_t saved; /* as stored */
	int64_t row;
	struct pair pairs[PAGE]; /* of the page that was read */
	size_t count;
	size_t added;
};

static enum pl_err
load(struct look *l)
{
	struct pl_query q = pl_query_start(l->s, up_to_get);

	if (pl_query_row(&q))
		l->saved = pl_query_get_int(&q, 0);
	l->row = l->saved;
	return pl_query_end(&q);
}

static enum pl_err
save(struct look *l)
{
	struct pl_query q = pl_query_start(l->s, up_to_set);

	pl_query_int(&q, l->row);
	l->saved = l->row;
	return pl_query_run(&q, NULL);
}

static enum pl_err
read_page(struct look *l)
{
	struct pl_query q = pl_query_start(l->s, rows_after);

	l->count = 0;
	pl_query_int(&q, l->row);
	pl_query_int(&q, PAGE);
	while (pl_query_row(&q)) {
		l->row = pl_query_get_int(&q, 0);
		pl_query_get_oid(&q, 1, &l->pairs[l->count].a);
		pl_query_get_oid(&q, 2, &l->pairs[l->count++].b);
	}
	return pl_query_end(&q);
}

/* Leaves those that are not listed. */
static enum pl_err
drop_listed(struct look *l)
{
	size_t kept = 0;
	enum pl_err err = PL_OK;

	for (size_t i = 0; err == PL_OK && i < l->count; i++) {
		struct pair pair = l->pairs[i];
		bool is_listed = false;

		err = pl_sqlite_pair_is_listed(l->s, &pair.a, &pair.b, &is_listed);
		if (!is_listed)
			l->pairs[kept++] = pair;
	}
	l->count = kept;
	return err;
}

static enum pl_err
list_side(
    struct look *l, const struct pl_oid *user, const struct pl_oid *other, int *rows)
{
	struct pl_query q = pl_query_start(l->s, side_put);
	int changed = 0;
	enum pl_err err;

	pl_query_oid(&q, user);
	pl_query_oid(&q, other);
	err = pl_query_run(&q, &changed);
	*rows += changed;
	return err;
}

static enum pl_err
list_pair(struct look *l, const struct pair *pair)
{
	int rows = 0;
	enum pl_err err = list_side(l, &pair->a, &pair->b, &rows);

	if (err == PL_OK)
		err = list_side(l, &pair->b, &pair->a, &rows);
	l->added += rows > 0;
	return err;
}

static enum pl_err
list_some(struct look *l, size_t first, size_t count)
{
	enum pl_err err = PL_OK;

	for (size_t i = first; err == PL_OK && i < first + count; i++)
		err = list_pair(l, &l->pairs[i]);
	if (err == PL_OK && first + count == l->count)
		err = save(l);
	return err;
}

/* Short, for a send that waits; if it fails, the next look begins at what was saved. */
static enum pl_err
list_in_steps(struct look *l)
{
	size_t first = 0;
	enum pl_err err = PL_OK;

	do {
		size_t left = l->count - first;
		size_t count = left < PL_SQLITE_FILL_PAIRS ? left : PL_SQLITE_FILL_PAIRS;

		err = pl_sqlite_begin(l->s);
		if (err != PL_OK)
			return err;
		err = list_some(l, first, count);
		if (err == PL_OK)
			err = pl_sqlite_commit(l->s);
		if (err != PL_OK)
			pl_sqlite_rollback(l->s);
		first += count;
	} while (err == PL_OK && first < l->count);
	return err;
}

static enum pl_err
look_at_page(struct look *l, size_t *rows)
{
	enum pl_err err = read_page(l);

	*rows = l->count;
	if (err == PL_OK)
		err = drop_listed(l);
	if (err == PL_OK && (l->count > 0 || l->row - l->saved >= SAVED_EVERY))
		err = list_in_steps(l);
	return err;
}

enum pl_err
pl_sqlite_fill(struct pl_sqlite *s, size_t *added)
{
	struct look l = {.s = s};
	enum pl_err err = load(&l);
	size_t rows = PAGE;

	while (err == PL_OK && rows == PAGE)
		err = look_at_page(&l, &rows);
	*added = l.added;
	return err;
}
