#include "base/mem.h"
#include "store/sqlite/query.h"

/*
 * A page merges the two directions of a conversation, each read in order from its own
 * range of the index messages_pair, row by row, until the page is full. Both statements
 * are under way at once, so that what they read is of one moment.
 */
#define ONE_WAY(range, way)                                                              \
	"SELECT id, created, text, reply_kind, in_reply_to, edited, deleted "            \
	"FROM messages WHERE receiver = ? AND sender = ? " range "ORDER BY created " way \
	", id " way
#define AFTER  "AND (created, id) > (?, ?) "
#define BEFORE "AND (created, id) < (?, ?) "

/* Each its own text: they are known by their addresses, and two run at once. */
static const char to_first[] = ONE_WAY("", "ASC"), from_first[] = ONE_WAY("", "ASC");
static const char to_last[] = ONE_WAY("", "DESC"), from_last[] = ONE_WAY("", "DESC");
static const char to_after[] = ONE_WAY(AFTER, "ASC"),
		  from_after[] = ONE_WAY(AFTER, "ASC");
static const char to_before[] = ONE_WAY(BEFORE, "DESC"),
		  from_before[] = ONE_WAY(BEFORE, "DESC");

/* By the direction, whether there is a cursor, and whether it is the way from the other. */
static const char *const statements[2][2][2] = {
    [false] = {{to_last, from_last}, {to_before, from_before}},
    [true] = {{to_first, from_first}, {to_after, from_after}},
};

enum { ITEMS_FIRST = 64 };

/* What a session has in its own memory is read without the file, and counted by none but
 * this. */
#define AT_ONCE_BYTES_MAX (64 * 1024)

struct way {
	struct pl_query q;
	const struct pl_oid *sender, *receiver;
	struct pl_message_pos at; /* of the row, while there is one */
	bool has_row;
};

struct page {
	struct way ways[2];
	size_t way_count; /* 1: messages to oneself */
	bool is_after;
	struct pl_message_list list;
	struct pl_buf texts; /* each with a NUL, in the order of the list */
};

/* ---- one way ---- */

static void
start_way(
    struct way *w, struct pl_sqlite *s, const char *sql, const struct pl_message_pos *pos)
{
	w->q = pl_query_start(s, sql);
	pl_query_oid(&w->q, w->receiver);
	pl_query_oid(&w->q, w->sender);
	if (pos == NULL)
		return;
	pl_query_int(&w->q, pos->created_unix_ms);
	pl_query_oid(&w->q, &pos->id);
}

static void
step(struct way *w)
{
	w->has_row = pl_query_row(&w->q);
	if (!w->has_row)
		return;
	pl_query_get_oid(&w->q, 0, &w->at.id);
	w->at.created_unix_ms = pl_query_get_int(&w->q, 1);
}

static void
read_reply(struct pl_query *q, struct pl_message *m)
{
	if (pl_query_is_null(q, 3))
		return;
	if (!pl_reply_kind_parse(pl_query_get_text(q, 3), &m->reply_kind))
		pl_query_spoil(q);
	pl_query_get_oid(q, 4, &m->in_reply_to);
}

/* Its text goes to texts. */
static void
read_row(struct way *w, struct pl_message *m, struct pl_buf *texts)
{
	struct pl_str text = pl_query_get_bytes(&w->q, 2);

	*m = (struct pl_message){
	    .id = w->at.id,
	    .sender = *w->sender,
	    .receiver = *w->receiver,
	    .text_len = text.len,
	    .created_unix_ms = w->at.created_unix_ms,
	    .updated_unix_ms = w->at.created_unix_ms,
	    .edited_unix_ms = pl_query_get_int(&w->q, 5),
	    .deleted_unix_ms = pl_query_get_int(&w->q, 6),
	};
	if (pl_message_changed(m) != 0)
		m->updated_unix_ms = pl_message_changed(m);
	(void)pl_buf_add_str(texts, text);
	(void)pl_buf_add_char(texts, '\0');
	read_reply(&w->q, m);
}

/* ---- the page ---- */

/* If the first way had no row, its statement was over, and the second one's moment may be
 * a later one, in which it has some. */
static void
step_first(struct page *p)
{
	for (size_t i = 0; i < p->way_count; i++)
		step(&p->ways[i]);
	if (p->way_count > 1 && p->ways[1].has_row && p->ways[0].q.rc == SQLITE_DONE) {
		p->ways[0].q.rc = sqlite3_reset(p->ways[0].q.stmt);
		step(&p->ways[0]);
	}
}

/* The way whose row comes next; NULL: none. */
static struct way *
next_way(struct page *p)
{
	struct way *a = &p->ways[0], *b = &p->ways[1];
	int order;

	if (!a->has_row || !b->has_row)
		return a->has_row ? a : b->has_row ? b : NULL;
	order = pl_message_pos_compare(&a->at, &b->at);
	return (order < 0) == p->is_after ? a : b;
}

static struct pl_message *
add_item(struct pl_message_list *list)
{
	if (list->count == 0)
		list->items = pl_mem_alloc(ITEMS_FIRST * sizeof(*list->items));
	else if (list->count >= ITEMS_FIRST)
		list->items =
		    pl_store_grow(list->items, list->count, sizeof(*list->items));
	return &list->items[list->count++];
}

/* To be read at once. */
static bool
is_too_long(const struct page *p)
{
	return p->ways[0].q.session->is_at_once && p->texts.len > AT_ONCE_BYTES_MAX;
}

static void
read_rows(struct page *p, size_t limit)
{
	struct way *w;

	step_first(p);
	while (p->list.count < limit && !is_too_long(p) && (w = next_way(p)) != NULL) {
		read_row(w, add_item(&p->list), &p->texts);
		step(w);
	}
}

static enum pl_err
end_ways(struct page *p)
{
	enum pl_err err = PL_OK;

	for (size_t i = 0; i < p->way_count; i++) {
		enum pl_err ended = pl_query_end(&p->ways[i].q);

		if (err == PL_OK)
			err = ended;
	}
	return err;
}

/* The buffer of the texts has grown for the last time. */
static void
place_texts(struct page *p)
{
	char *text = p->list.texts = pl_buf_take(&p->texts);

	for (size_t i = 0; i < p->list.count; i++) {
		p->list.items[i].text = text;
		text += p->list.items[i].text_len + 1;
	}
}

enum pl_err
pl_sqlite_messages_page(struct pl_store *store, const struct pl_oid *a,
    const struct pl_oid *b, enum pl_page_way way, const struct pl_message_pos *pos,
    size_t limit, struct pl_message_list *out)
{
	struct pl_sqlite *s = pl_sqlite_of(store);
	struct page p = {
	    .ways = {{.sender = a, .receiver = b}, {.sender = b, .receiver = a}},
	    .way_count = pl_oid_eq(a, b) ? 1 : 2,
	    .is_after = way == PL_PAGE_AFTER,
	};
	enum pl_err err;

	pl_buf_init(&p.texts, PL_BUF_UNLIMITED); /* limit texts, each bounded */
	for (size_t i = 0; i < p.way_count; i++)
		start_way(&p.ways[i], s, statements[p.is_after][pos != NULL][i], pos);
	read_rows(&p, limit);
	err = end_ways(&p);
	if (err == PL_OK && is_too_long(&p))
		err = PL_E_TOO_BIG;
	place_texts(&p);
	if (err != PL_OK) {
		pl_message_list_fini(&p.list);
		return err;
	}
	if (!p.is_after)
		pl_message_list_reverse(&p.list);
	*out = p.list;
	return PL_OK;
}
