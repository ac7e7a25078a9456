#include "store/sqlite/query.h"

/*
 * The rows of messages lie in the order of their places: a place is looked up by its id, and one
 * that no message has is searched by halves.
 */
static const char row_of[] = "SELECT seq FROM messages WHERE id = ? AND created = ?";
static const char last_row[] = "SELECT seq FROM messages ORDER BY seq DESC LIMIT 1";
static const char row_up_to[] = "SELECT seq, created, id FROM messages WHERE seq <= ? "
				"ORDER BY seq DESC LIMIT 1";

/* *row stays as it is if no message has the place. */
static enum pl_err
find_row_of(struct pl_sqlite *s, const struct pl_message_pos *pos, int64_t *row)
{
	struct pl_query q = pl_query_start(s, row_of);

	pl_query_oid(&q, &pos->id);
	pl_query_int(&q, pos->created_unix_ms);
	if (pl_query_row(&q))
		*row = pl_query_get_int(&q, 0);
	return pl_query_end(&q);
}

static enum pl_err
find_last_row(struct pl_sqlite *s, int64_t *out)
{
	struct pl_query q = pl_query_start(s, last_row);

	*out = 0;
	if (pl_query_row(&q))
		*out = pl_query_get_int(&q, 0);
	return pl_query_end(&q);
}

/* The last row up to seq, 0 if there is none; does its place come after pos? */
static enum pl_err
look_at_row(struct pl_sqlite *s, int64_t seq, const struct pl_message_pos *pos,
    int64_t *row, bool *is_after)
{
	struct pl_query q = pl_query_start(s, row_up_to);
	struct pl_message_pos there = {0};

	*row = 0;
	*is_after = false;
	pl_query_int(&q, seq);
	if (pl_query_row(&q)) {
		*row = pl_query_get_int(&q, 0);
		there.created_unix_ms = pl_query_get_int(&q, 1);
		pl_query_get_oid(&q, 2, &there.id);
		*is_after = pl_message_pos_compare(&there, pos) > 0;
	}
	return pl_query_end(&q);
}

static enum pl_err
search(struct pl_sqlite *s, const struct pl_message_pos *pos, int64_t *out)
{
	int64_t low = 0, high = 0; /* up to low: not after; beyond high: after */
	enum pl_err err = find_last_row(s, &high);

	while (err == PL_OK && low < high) {
		int64_t middle = low + (high - low + 1) / 2, row;
		bool is_after;

		err = look_at_row(s, middle, pos, &row, &is_after);
		if (is_after)
			high = row - 1;
		else
			low = middle;
	}
	*out = low;
	return err;
}

enum pl_err
pl_sqlite_row_at(struct pl_sqlite *s, const struct pl_message_pos *pos, int64_t *out)
{
	int64_t row = 0;
	enum pl_err err = find_row_of(s, pos, &row);

	if (err == PL_OK && row == 0)
		err = search(s, pos, &row);
	if (err == PL_OK)
		*out = row;
	return err;
}
