#include "history.h"

#include "base/mem.h"
#include "proto/http_query.h"
#include "http/reply.h"
#include "http/service.h"
#include "http/stream.h"

/* A page, or the whole conversation: read and written out on a store thread, in pieces where it
 * is heavy, so that what many slow readers wait for does not fill the memory. */
struct history {
	struct pl_store_read_call call;
	struct pl_request *rq;
	struct pl_oid me;
	struct pl_oid other;
	enum pl_page_way way; /* of the first piece; the others follow it */
	bool has_limit;
	bool has_cursor;
	struct pl_oid cursor; /* before or after this message */
	size_t limit;         /* of this reading */
	/* of the page, known with its first piece */
	bool has_more; /* on its far side */
	struct pl_message_pos first, end;
	size_t left; /* messages not written yet */
	/* of the piece */
	struct pl_buf body; /* messages, with commas between them, without the brackets */
	size_t count;
	struct pl_message_pos last;
	bool is_last;
	bool goes_on; /* it is not the first */
};

static void
history_free(struct history *h)
{
	pl_buf_fini(&h->body);
	pl_mem_free(h);
}

/* ---- on a store thread --------------------------------------------------------------- */

static struct pl_message_pos
pos_of(const struct pl_message *m)
{
	return (struct pl_message_pos){m->created_unix_ms, m->id};
}

/* What belongs to the page: one message more than the limit only tells of more. */
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

/* A piece ends where it is heavy. Of a whole conversation each reading is a page of its own. */
static void
write_piece_of(struct history *h, const struct pl_message_list *list)
{
	struct pl_json_out o;
	size_t from = 0, to = list->count < h->limit ? list->count : h->limit, at;

	if (!h->has_limit || !h->goes_on)
		find_page(h, list, &from, &to);
	pl_buf_clear(&h->body);
	pl_jo_init(&o, &h->body);
	for (at = from; at < to && h->body.len < HISTORY_PIECE_BYTES; at++)
		pl_message_write(&o, &list->items[at]);
	h->count = at - from;
	h->left -= h->count;
	if (h->count > 0)
		h->last = pos_of(&list->items[at - 1]);
	h->is_last = h->count == 0 || (h->left == 0 && (h->has_limit || !h->has_more));
}

static enum pl_err
run(struct pl_store_read_call *call, struct pl_store *s)
{
	struct history *h = PL_CONTAINER(call, struct history, call);
	struct pl_message_pos pos;
	struct pl_message_list list;
	enum pl_err err = PL_OK;

	if (h->goes_on)
		pos = h->last;
	else if (h->has_cursor)
		err = pl_store_message_pos(s, &h->me, &h->other, &h->cursor, &pos);
	if (err == PL_OK)
		err = pl_store_messages_page(s, &h->me, &h->other, h->way,
		    h->goes_on || h->has_cursor ? &pos : NULL, h->limit + 1, &list);
	if (err != PL_OK)
		return err;
	write_piece_of(h, &list);
	pl_message_list_fini(&list);
	return PL_OK;
}

static void
read_piece(struct history *h)
{
	enum pl_err err = pl_store_async_read(pl_app.store, &h->call);

	if (err != PL_OK) { /* else the call is a store thread's by now */
		h->call.err = err;
		h->call.done(&h->call);
	}
}

/* ---- what is one piece --------------------------------------------------------------- */

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

/* RFC 8288. On the side that the page was asked from there is the cursor itself, at least. */
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
		pl_reply_header(h->rq, "link", link.data);
	pl_buf_fini(&link);
}

static void
reply_whole(struct history *h)
{
	struct pl_buf body;

	pl_buf_init(&body, PL_BUF_UNLIMITED); /* one piece */
	(void)pl_buf_add_char(&body, '[');
	(void)pl_buf_add_str(&body, pl_buf_str(&h->body));
	(void)pl_buf_add_char(&body, ']');
	pl_reply_json(h->rq, 200, pl_buf_str(&body));
	pl_buf_fini(&body);
	history_free(h);
}

/* ---- what comes in pieces ------------------------------------------------------------ */

static void
write_piece(struct history *h)
{
	struct pl_buf piece;

	pl_buf_init(&piece, PL_BUF_UNLIMITED);
	/* What was there a moment ago may have been deleted, by another program than ours. */
	if (!h->goes_on)
		(void)pl_buf_add_char(&piece, '[');
	else if (h->count > 0)
		(void)pl_buf_add_char(&piece, ',');
	(void)pl_buf_add_str(&piece, pl_buf_str(&h->body));
	if (h->is_last)
		(void)pl_buf_add_char(&piece, ']');
	h->goes_on = true;
	pl_stream_write(h->rq, pl_buf_str(&piece));
	pl_buf_fini(&piece);
}

static void
on_more(struct pl_request *rq)
{
	struct history *h = rq->arg;

	if (!h->goes_on) {
		write_piece(h);
	} else if (!h->is_last && !rq->is_gone) {
		/* Behind heavy messages few are read at once, behind light ones more again. */
		h->limit =
		    h->count < HISTORY_PAGE_COUNT / 2 ? 2 * h->count : HISTORY_PAGE_COUNT;
		if (h->has_limit && h->limit > h->left)
			h->limit = h->left;
		h->way = PL_PAGE_AFTER;
		read_piece(h);
	} else {
		pl_stream_end(rq);
		history_free(h);
	}
}

static void
on_next_piece(struct history *h)
{
	if (h->call.err == PL_OK) {
		write_piece(h);
		return;
	}
	pl_stream_abort(h->rq);
	history_free(h);
}

/* ---- the request --------------------------------------------------------------------- */

static bool
refuse(struct pl_request *rq, const char *text)
{
	struct pl_invalid why;

	pl_invalid_set(&why, "INVALID_FIELD", "%s", text);
	pl_reply_invalid(rq, &why);
	return false;
}

static void
on_read(struct pl_store_read_call *call)
{
	struct history *h = PL_CONTAINER(call, struct history, call);

	if (h->goes_on) {
		on_next_piece(h);
	} else if (call->err == PL_E_NOT_FOUND) {
		refuse(h->rq,
		    h->way == PL_PAGE_AFTER
			? "after must be the _id of a message of this conversation"
			: "before must be the _id of a message of this conversation");
		history_free(h);
	} else if (call->err != PL_OK) {
		pl_reply_err(h->rq, call->err);
		history_free(h);
	} else if (h->is_last) {
		reply_links(h);
		reply_whole(h);
	} else {
		reply_links(h);
		h->rq->arg = h;
		if (!pl_stream_start(h->rq, 200, "application/json", on_more))
			history_free(h);
	}
}

/* A query parameter: absent (true, empty), or its value in out; false for a broken one. */
static bool
query_value(struct pl_request *rq, const char *name, char out[64], struct pl_str *value)
{
	enum pl_err err = pl_http_query_get(rq->query, pl_str(name), out, 64, value);

	if (err == PL_E_NOT_FOUND)
		*value = PL_STR_NONE;
	return err == PL_OK || err == PL_E_NOT_FOUND;
}

static bool
read_query(struct pl_request *rq, struct history *h)
{
	char limit_text[64], before_text[64], after_text[64];
	struct pl_str limit, before, after;
	uint64_t count = HISTORY_PAGE_COUNT;

	if (!query_value(rq, "limit", limit_text, &limit) ||
	    (limit.ptr &&
		(!pl_str_to_u64(limit, HISTORY_LIMIT_MAX, &count) || count == 0)))
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
	h->has_limit = limit.ptr || h->has_cursor;
	h->limit = count;
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
	h->rq = rq;
	h->me = rq->claims.user;
	h->other = other;
	h->call.run = run;
	h->call.done = on_read;
	pl_buf_init(&h->body, PL_BUF_UNLIMITED); /* one piece */
	if (!read_query(rq, h)) {
		history_free(h);
		return;
	}
	read_piece(h);
}
