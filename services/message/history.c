#include "history.h"

#include "base/mem.h"
#include "query.h"
#include "http/long_read.h"
#include "http/reply.h"

/* A page, or the whole conversation. A thread of the store reads it and writes its JSON,
 * or the loop that of a small page; a heavy one goes out in pieces, so that many slow
 * readers do not fill the memory. */
struct history {
	struct pl_long_read read;
	struct pl_oid me;
	struct pl_oid other;
	enum pl_page_way way; /* of the first piece; the others follow it */
	bool has_limit;
	bool has_cursor;
	struct pl_oid cursor; /* before or after this message */
	size_t limit;         /* of what is read at once */
	/* the page, known with its first piece */
	bool has_more; /* messages follow on the side that is away from the cursor */
	struct pl_message_pos first, end;
	size_t left; /* messages not written yet */
	/* of the piece */
	size_t count;
	struct pl_message_pos last;
};

static struct history *
history_of(struct pl_long_read *r)
{
	return PL_CONTAINER(r, struct history, read);
}

static void
history_free(struct pl_long_read *r)
{
	pl_mem_free(history_of(r));
}

/* ---- on a store thread, or the loop -------------------------------------------------- */

static struct pl_message_pos
pos_of(const struct pl_message *m)
{
	return (struct pl_message_pos){m->created_unix_ms, m->id};
}

/* One message more than the limit was read: it only shows that more follow. */
static void
find_page(struct history *h, const struct pl_message_list *list, size_t *from, size_t *to)
{
	h->has_more = list->count > h->limit;
	*from = h->has_more && h->way == PL_PAGE_BEFORE ? 1 : 0;
	*to = h->has_more && h->way == PL_PAGE_AFTER ? h->limit : list->count;
	h->left = *to - *from;
	if (h->left == 0)
		return;
	h->first = pos_of(&list->items[*from]);
	h->end = pos_of(&list->items[*to - 1]);
}

/* Room at once for what is going to be written, or for a whole piece of it: a buffer that
 * grows step by step is copied each time. */
static void
reserve(struct pl_buf *b, const struct pl_message_list *list, size_t from, size_t to)
{
	size_t bytes = 0;
	char *room;

	for (size_t i = from; i < to && bytes < PL_LONG_READ_PIECE_BYTES; i++)
		bytes += PL_MESSAGE_JSON_BYTES + list->items[i].text_len;
	room = pl_buf_reserve(b, bytes);
	if (room != NULL)
		*room = '\0';
}

/* A piece ends once it is heavy. Each reading of a whole conversation is a page. */
static void
write_piece_of(
    struct history *h, const struct pl_message_list *list, struct pl_json_out *piece)
{
	size_t from = 0, to = list->count < h->limit ? list->count : h->limit, at;

	if (!h->has_limit || !h->read.goes_on)
		find_page(h, list, &from, &to);
	reserve(piece->buf, list, from, to);
	for (at = from; at < to && piece->buf->len < PL_LONG_READ_PIECE_BYTES; at++)
		pl_message_write(piece, &list->items[at]);
	h->count = at - from;
	h->left -= h->count;
	if (h->count > 0)
		h->last = pos_of(&list->items[at - 1]);
	h->read.is_last =
	    h->count == 0 || (h->left == 0 && (h->has_limit || !h->has_more));
}

/* After heavy messages few are read at once, after light ones more again. */
static void
go_on(struct history *h)
{
	h->limit = h->count < HISTORY_PAGE_COUNT / 2 ? 2 * h->count : HISTORY_PAGE_COUNT;
	if (h->has_limit && h->limit > h->left)
		h->limit = h->left;
	h->way = PL_PAGE_AFTER;
}

static enum pl_err
read_piece(struct pl_long_read *r, struct pl_store *s, struct pl_json_out *piece)
{
	struct history *h = history_of(r);
	struct pl_message_pos pos;
	struct pl_message_list list;
	enum pl_err err = PL_OK;

	if (r->goes_on) {
		go_on(h);
		pos = h->last;
	} else if (h->has_cursor) {
		err = pl_store_message_pos(s, &h->me, &h->other, &h->cursor, &pos);
	}
	if (err == PL_OK)
		err = pl_store_messages_page(s, &h->me, &h->other, h->way,
		    r->goes_on || h->has_cursor ? &pos : NULL, h->limit + 1, &list);
	if (err != PL_OK)
		return err;
	write_piece_of(h, &list, piece);
	pl_message_list_fini(&list);
	return PL_OK;
}

/* ---- the head ------------------------------------------------------------------------ */

static void
add_link(struct pl_buf *link, const struct history *h, const char *cursor,
    const struct pl_oid *id, const char *rel)
{
	char other[PL_OID_HEX_LEN + 1], at[PL_OID_HEX_LEN + 1];

	pl_oid_format(&h->other, other);
	pl_oid_format(id, at);
	(void)pl_buf_printf(link, "%s</api/messages/%s?limit=%zu&%s=%s>; rel=\"%s\"",
	    link->len > 0 ? ", " : "", other, h->limit, cursor, at, rel);
}

/* RFC 8288. On the cursor's side there is always a message, the cursor itself. */
static void
reply_links(const struct history *h)
{
	bool is_before = h->way == PL_PAGE_BEFORE;
	struct pl_buf link;

	if (!h->has_limit || h->count == 0)
		return;
	pl_buf_init(&link, PL_BUF_UNLIMITED);
	if (is_before ? h->has_more : h->has_cursor)
		add_link(&link, h, "before", &h->first.id, "prev");
	if (is_before ? h->has_cursor : h->has_more)
		add_link(&link, h, "after", &h->end.id, "next");
	if (link.len > 0)
		pl_reply_header(h->read.rq, "link", link.data);
	pl_buf_fini(&link);
}

/* ---- the request --------------------------------------------------------------------- */

static bool
refuse(struct pl_request *rq, const char *text)
{
	query_refuse(rq, text);
	return false;
}

static bool
begin(struct pl_long_read *r, enum pl_err err)
{
	struct history *h = history_of(r);

	if (err == PL_E_NOT_FOUND)
		return refuse(r->rq,
		    h->way == PL_PAGE_AFTER
			? "after must be the _id of a message of this conversation"
			: "before must be the _id of a message of this conversation");
	if (err == PL_OK)
		reply_links(h);
	return true;
}

static bool
read_query(struct pl_request *rq, struct history *h)
{
	char before_text[QUERY_VALUE_MAX], after_text[QUERY_VALUE_MAX];
	struct pl_str before, after;
	bool has_limit;

	h->limit = HISTORY_PAGE_COUNT;
	if (!query_limit(rq, HISTORY_LIMIT_MAX, &h->limit, &has_limit))
		return refuse(rq, "limit must be a whole number from 1 to 200");
	if (!query_value(rq, "before", before_text, &before) ||
	    (before.ptr && !pl_oid_parse(before, &h->cursor)))
		return refuse(rq, "before must be the _id of a message");
	if (!query_value(rq, "after", after_text, &after) ||
	    (after.ptr && !pl_oid_parse(after, &h->cursor)))
		return refuse(rq, "after must be the _id of a message");
	if (before.ptr && after.ptr)
		return refuse(rq, "before and after exclude each other");
	h->has_cursor = before.ptr || after.ptr;
	/* With a cursor alone, pages of the greatest size. */
	h->has_limit = has_limit || h->has_cursor;
	h->read.is_small = h->has_limit && h->limit <= HISTORY_SMALL_COUNT;
	h->way = after.ptr || !h->has_limit ? PL_PAGE_AFTER : PL_PAGE_BEFORE;
	return true;
}

void
message_history_get(struct pl_request *rq)
{
	struct pl_oid other;
	struct history *h;

	if (!pl_request_oid(rq, &other))
		return;
	h = pl_mem_zalloc(sizeof(*h));
	h->read = (struct pl_long_read){
	    .rq = rq, .read = read_piece, .begin = begin, .free = history_free};
	h->me = rq->claims.user;
	h->other = other;
	if (read_query(rq, h))
		pl_long_read_start(&h->read);
	else
		pl_mem_free(h);
}
