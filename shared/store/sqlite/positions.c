#include "base/mem.h"
#include "store/sqlite/query.h"

/*
 * The messages to one receiver in their order: the index messages_pair holds their rows sender by
 * sender, each in order, and these runs are merged. A run is read a few rows at a time, and senders
 * are skipped over, so that it costs by the senders and the places given, never by the messages.
 */
static const char senders_after_row[] =
    "WITH RECURSIVE senders(sender) AS ("
    "  SELECT min(sender) FROM messages WHERE receiver = ?1"
    "  UNION ALL SELECT (SELECT min(m.sender) FROM messages AS m"
    "    WHERE m.receiver = ?1 AND m.sender > senders.sender)"
    "  FROM senders WHERE senders.sender IS NOT NULL) "
    "SELECT sender FROM senders WHERE EXISTS (SELECT 1 FROM messages AS m "
    "  WHERE m.receiver = ?1 AND m.sender = senders.sender AND m.seq > ?2)";
static const char rows_of_sender[] =
    "SELECT seq FROM messages WHERE receiver = ? AND sender = ? AND seq > ? "
    "ORDER BY seq LIMIT ?";
static const char place_of_row[] = "SELECT created, id FROM messages WHERE seq = ?";
/* If rows do not lie in the order. */
static const char places_after[] =
    "SELECT created, id FROM messages WHERE receiver = ? AND (created, id) > (?, ?) "
    "ORDER BY created, id LIMIT ?";

enum { AT_ONCE = 8 };

/* One sender's rows, as far as they were read. */
struct run {
	struct pl_oid sender;
	int64_t rows[AT_ONCE];
	size_t count;
	size_t given;
};

/* A heap, the run with the oldest next row on top. */
struct merge {
	struct pl_sqlite *s;
	const struct pl_oid *receiver;
	struct run *runs;
	size_t count;
};

/* ---- runs ---- */

static enum pl_err
read_run(struct merge *m, struct run *run, int64_t after)
{
	struct pl_query q = pl_query_start(m->s, rows_of_sender);

	pl_query_oid(&q, m->receiver);
	pl_query_oid(&q, &run->sender);
	pl_query_int(&q, after);
	pl_query_int(&q, AT_ONCE);
	run->count = run->given = 0;
	while (pl_query_row(&q))
		run->rows[run->count++] = pl_query_get_int(&q, 0);
	return pl_query_end(&q);
}

static enum pl_err
find_senders(struct merge *m, int64_t after)
{
	struct pl_query q = pl_query_start(m->s, senders_after_row);

	pl_query_oid(&q, m->receiver);
	pl_query_int(&q, after);
	while (pl_query_row(&q)) {
		m->runs = pl_store_grow(m->runs, m->count, sizeof(*m->runs));
		pl_query_get_oid(&q, 0, &m->runs[m->count++].sender);
	}
	return pl_query_end(&q);
}

static enum pl_err
find_runs(struct merge *m, int64_t after)
{
	enum pl_err err = find_senders(m, after);

	for (size_t i = 0; err == PL_OK && i < m->count; i++)
		err = read_run(m, &m->runs[i], after);
	return err;
}

/* ---- the heap ---- */

static bool
comes_first(const struct run *a, const struct run *b)
{
	return a->rows[a->given] < b->rows[b->given];
}

static void
sink(struct merge *m, size_t at)
{
	for (;;) {
		size_t first = at;

		for (size_t k = 2 * at + 1; k <= 2 * at + 2 && k < m->count; k++)
			if (comes_first(&m->runs[k], &m->runs[first]))
				first = k;
		if (first == at)
			return;
		struct run run = m->runs[at];

		m->runs[at] = m->runs[first];
		m->runs[first] = run;
		at = first;
	}
}

/* The oldest row that was not given yet. */
static enum pl_err
take_first(struct merge *m, int64_t *out)
{
	struct run *top = &m->runs[0];
	enum pl_err err = PL_OK;

	*out = top->rows[top->given++];
	if (top->given == top->count && top->count == AT_ONCE)
		err = read_run(m, top, *out);
	if (top->given == top->count)
		*top = m->runs[--m->count];
	sink(m, 0);
	return err;
}

static void
add_place(struct pl_query *q, struct pl_pos_list *out)
{
	struct pl_message_pos *pos;

	out->items = pl_store_grow(out->items, out->count, sizeof(*out->items));
	pos = &out->items[out->count++];
	pos->created_unix_ms = pl_query_get_int(q, 0);
	pl_query_get_oid(q, 1, &pos->id);
}

static enum pl_err
add_place_of(struct pl_sqlite *s, int64_t row, struct pl_pos_list *out)
{
	struct pl_query q = pl_query_start(s, place_of_row);
	bool is_found;
	enum pl_err err;

	pl_query_int(&q, row);
	is_found = pl_query_row(&q);
	if (is_found)
		add_place(&q, out);
	err = pl_query_end(&q);
	return err == PL_OK && !is_found ? PL_E_IO : err; /* the index names it */
}

static enum pl_err
merge(struct merge *m, int64_t after, size_t limit, struct pl_pos_list *out)
{
	enum pl_err err = find_runs(m, after);

	for (size_t i = m->count / 2; i-- > 0;)
		sink(m, i);
	while (err == PL_OK && m->count > 0 && out->count < limit) {
		int64_t row;

		err = take_first(m, &row);
		if (err == PL_OK)
			err = add_place_of(m->s, row, out);
	}
	return err;
}

/* ---- reads ---- */

static enum pl_err
read_by_rows(struct pl_sqlite *s, const struct pl_oid *receiver,
    const struct pl_message_pos *pos, size_t limit, struct pl_pos_list *out)
{
	struct merge m = {.s = s, .receiver = receiver};
	int64_t row = 0;
	enum pl_err err = pos != NULL ? pl_sqlite_row_at(s, pos, &row) : PL_OK;

	if (err == PL_OK)
		err = merge(&m, row, limit, out);
	pl_mem_free(m.runs);
	return err;
}

static enum pl_err
read_by_places(struct pl_sqlite *s, const struct pl_oid *receiver,
    const struct pl_message_pos *pos, size_t limit, struct pl_pos_list *out)
{
	static const struct pl_message_pos before_all = {.created_unix_ms = INT64_MIN};
	struct pl_query q = pl_query_start(s, places_after);

	if (pos == NULL)
		pos = &before_all;
	pl_query_oid(&q, receiver);
	pl_query_int(&q, pos->created_unix_ms);
	pl_query_oid(&q, &pos->id);
	pl_query_int(&q, (int64_t)limit);
	while (pl_query_row(&q))
		add_place(&q, out);
	return pl_query_end(&q);
}

static enum pl_err
read_positions(struct pl_sqlite *s, const struct pl_oid *receiver,
    const struct pl_message_pos *pos, size_t limit, struct pl_pos_list *out)
{
	return s->has_order_index ? read_by_places(s, receiver, pos, limit, out)
				  : read_by_rows(s, receiver, pos, limit, out);
}

enum pl_err
pl_sqlite_positions_to(struct pl_store *store, const struct pl_oid *receiver,
    const struct pl_message_pos *pos, size_t limit, struct pl_pos_list *out)
{
	struct pl_sqlite *s = pl_sqlite_of(store);
	struct pl_pos_list list = {0};
	enum pl_err err = pl_sqlite_moment_begin(s);

	if (err != PL_OK)
		return err;
	err = pl_sqlite_moment_end(s, read_positions(s, receiver, pos, limit, &list));
	if (err == PL_OK)
		*out = list;
	else
		pl_pos_list_fini(&list);
	return err;
}
