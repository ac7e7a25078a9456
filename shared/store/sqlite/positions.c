#include <stdlib.h>

#include "base/mem.h"
#include "store/sqlite/query.h"
#include "store/sqlite/recent.h"

/*
 * The messages to one receiver in their order: the index messages_pair holds them sender
 * by sender, each in order, and these runs are merged. A run is read a few places at a
 * time, and senders are skipped over, so that it costs by the senders and the places
 * given, never by the messages.
 *
 * A receiver with many correspondents has missed messages from a few of them: those with
 * whom there is a row after pos, which is noted (recent.h). So theirs are the runs, and
 * it costs by what came since. If too much did, the walk gives up, and the steps are
 * taken.
 */
enum { OTHERS_FEW = 32 };

static const char next_sender[] = "SELECT sender FROM messages WHERE receiver = ? AND "
				  "(sender, created, id) > (?, ?, ?) "
				  "ORDER BY sender, created, id LIMIT 1";
static const char places_of_sender[] =
    "SELECT created, id FROM messages WHERE receiver = ? AND sender = ? "
    "AND (created, id) > (?, ?) ORDER BY created, id LIMIT ?";

enum { AT_ONCE = 8 };

/* One sender's places, as far as they were read. */
struct run {
	struct pl_oid sender;
	struct pl_message_pos places[AT_ONCE];
	size_t count;
	size_t given;
};

/* A heap, the run with the oldest next place on top. */
struct merge {
	struct pl_sqlite *s;
	const struct pl_oid *receiver;
	struct run *runs;
	size_t count;
};

/* ---- runs ---- */

static enum pl_err
read_run(struct merge *m, struct run *run, const struct pl_message_pos *after)
{
	struct pl_query q = pl_query_start(m->s, places_of_sender);

	pl_query_oid(&q, m->receiver);
	pl_query_oid(&q, &run->sender);
	pl_query_int(&q, after->created_unix_ms);
	pl_query_oid(&q, &after->id);
	pl_query_int(&q, AT_ONCE);
	run->count = run->given = 0;
	while (pl_query_row(&q)) {
		run->places[run->count].created_unix_ms = pl_query_get_int(&q, 0);
		pl_query_get_oid(&q, 1, &run->places[run->count++].id);
	}
	return pl_query_end(&q);
}

/* How far the walk over senders has come. */
struct walk {
	struct pl_oid sender;
	size_t len;                       /* of sender; 0 at the start */
	const struct pl_message_pos *pos; /* of sender's messages */
};

/* Who wrote the next message in the index. PL_E_NOT_FOUND: nobody. */
static enum pl_err
find_sender(struct merge *m, const struct walk *w, struct pl_oid *out)
{
	struct pl_query q = pl_query_start(m->s, next_sender);
	struct pl_oid found = {0};
	enum pl_err err;
	bool is_found;

	pl_query_oid(&q, m->receiver);
	pl_query_blob(&q, w->len > 0 ? (const void *)w->sender.bytes : "", w->len);
	pl_query_int(&q, w->pos->created_unix_ms);
	pl_query_oid(&q, &w->pos->id);
	is_found = pl_query_row(&q);
	if (is_found)
		pl_query_get_oid(&q, 0, &found);
	err = pl_query_end(&q);
	if (err == PL_OK && !is_found)
		err = PL_E_NOT_FOUND;
	if (err == PL_OK)
		*out = found;
	return err;
}

static enum pl_err
add_run(struct merge *m, const struct pl_oid *sender, const struct pl_message_pos *pos)
{
	struct run *run;

	m->runs = pl_store_grow(m->runs, m->count, sizeof(*m->runs));
	run = &m->runs[m->count++];
	run->sender = *sender;
	return read_run(m, run, pos);
}

/* One step in the index for a sender who wrote nothing after pos: what comes next there
 * is the next sender's. */
static enum pl_err
find_runs(struct merge *m, const struct pl_message_pos *pos)
{
	static const struct pl_message_pos after_all = {.created_unix_ms = INT64_MAX};
	struct walk w = {.pos = pos};
	enum pl_err err = PL_OK;

	while (err == PL_OK) {
		struct pl_oid found;

		err = find_sender(m, &w, &found);
		if (err != PL_OK)
			break;
		if (w.len > 0 && pl_oid_eq(&found, &w.sender)) {
			err = add_run(m, &found, pos);
			w.pos = &after_all;
		} else {
			w = (struct walk){found, PL_OID_LEN, pos};
		}
	}
	return err == PL_E_NOT_FOUND ? PL_OK : err;
}

/* ---- who may have written since ---- */

struct met {
	struct pl_oid *others; /* each at least once */
	size_t count;
};

static bool
meet(void *arg, int64_t row, const struct pl_oid *other)
{
	struct met *met = arg;

	(void)row;
	met->others = pl_store_grow(met->others, met->count, sizeof(*met->others));
	met->others[met->count++] = *other;
	return true;
}

static int
compare_oids(const void *a, const void *b)
{
	return pl_oid_compare(a, b);
}

static enum pl_err
add_runs_of(struct merge *m, struct met *met, const struct pl_message_pos *pos)
{
	enum pl_err err = PL_OK;

	if (met->count > 0)
		qsort(met->others, met->count, sizeof(*met->others), compare_oids);
	for (size_t i = 0; err == PL_OK && i < met->count; i++) {
		if (i > 0 && pl_oid_eq(&met->others[i], &met->others[i - 1]))
			continue;
		err = add_run(m, &met->others[i], pos);
		if (m->runs[m->count - 1].count == 0)
			m->count--; /* they were written to */
	}
	return err;
}

/* *is_done: all runs are there. Else none is. */
static enum pl_err
find_recent_runs(struct merge *m, const struct pl_message_pos *pos, bool *is_done)
{
	struct met met = {0};
	struct pl_sqlite_walk w = {
	    .session = m->s, .user = *m->receiver, .visit = meet, .arg = &met};
	enum pl_err err =
	    pl_sqlite_correspondents_count(m->s, m->receiver, OTHERS_FEW, &w.others);

	if (err != PL_OK || w.others < OTHERS_FEW)
		return err;
	err = pl_sqlite_row_at(m->s, pos, &w.after_row);
	if (err == PL_OK)
		err = pl_sqlite_recent_walk(&w);
	*is_done = w.is_whole;
	if (err == PL_OK && w.is_whole)
		err = add_runs_of(m, &met, pos);
	pl_mem_free(met.others);
	return err;
}

static enum pl_err
find_all_runs(struct merge *m, const struct pl_message_pos *pos)
{
	bool is_done = false;
	enum pl_err err = PL_OK;

	if (!m->s->has_order_index && pos->created_unix_ms > 0)
		err = find_recent_runs(m, pos, &is_done);
	return err != PL_OK || is_done ? err : find_runs(m, pos);
}

/* ---- the heap ---- */

static bool
comes_first(const struct run *a, const struct run *b)
{
	return pl_message_pos_compare(&a->places[a->given], &b->places[b->given]) < 0;
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

/* The oldest place that was not given yet. */
static enum pl_err
take_first(struct merge *m, struct pl_message_pos *out)
{
	struct run *top = &m->runs[0];
	enum pl_err err = PL_OK;

	*out = top->places[top->given++];
	if (top->given == top->count && top->count == AT_ONCE)
		err = read_run(m, top, out);
	if (top->given == top->count)
		*top = m->runs[--m->count];
	sink(m, 0);
	return err;
}

static enum pl_err
merge(struct merge *m, const struct pl_message_pos *pos, size_t limit,
    struct pl_pos_list *out)
{
	enum pl_err err = find_all_runs(m, pos);

	for (size_t i = m->count / 2; i-- > 0;)
		sink(m, i);
	while (err == PL_OK && m->count > 0 && out->count < limit) {
		out->items = pl_store_grow(out->items, out->count, sizeof(*out->items));
		err = take_first(m, &out->items[out->count++]);
	}
	return err;
}

/* ---- reads ---- */

static enum pl_err
read_positions(struct pl_sqlite *s, const struct pl_oid *receiver,
    const struct pl_message_pos *pos, size_t limit, struct pl_pos_list *out)
{
	static const struct pl_message_pos before_all = {.created_unix_ms = INT64_MIN};
	struct merge m = {.s = s, .receiver = receiver};
	enum pl_err err = merge(&m, pos != NULL ? pos : &before_all, limit, out);

	pl_mem_free(m.runs);
	return err;
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
