#include "conversations.h"

#include "base/mem.h"
#include "query.h"
#include "http/long_read.h"
#include "http/reply.h"

/* A page. A thread of the store reads it and writes its JSON; one whose messages are long
 * goes out in pieces. */
struct page {
	struct pl_long_read read;
	struct pl_oid me;
	bool has_before;
	struct pl_message_pos before; /* the next piece comes before this */
	size_t limit;
	/* known with the first piece */
	bool has_more;
	struct pl_message_pos end; /* of the page's last entry */
	size_t left;               /* entries not written yet */
	size_t count;              /* written in the last piece */
};

static struct page *
page_of(struct pl_long_read *r)
{
	return PL_CONTAINER(r, struct page, read);
}

static void
page_free(struct pl_long_read *r)
{
	pl_mem_free(page_of(r));
}

/* ---- on a store thread --------------------------------------------------------------- */

static struct pl_message_pos
pos_of(const struct pl_conversation *c)
{
	return (struct pl_message_pos){c->last.created_unix_ms, c->last.id};
}

/* One entry more than the limit was read: it only shows that more follow. */
static void
find_end(struct page *p, const struct pl_conversation_list *list)
{
	p->has_more = list->count > p->limit;
	p->left = p->has_more ? p->limit : list->count;
	if (p->left > 0)
		p->end = pos_of(&list->items[p->left - 1]);
}

/* Whom somebody wrote to since the first piece stands before it by now, and who follows
 * in their place belongs to the next page. */
static bool
is_of_page(const struct page *p, const struct pl_conversation *c)
{
	struct pl_message_pos pos = pos_of(c);

	return pl_message_pos_compare(&pos, &p->end) >= 0;
}

static void
write_piece(
    struct page *p, const struct pl_conversation_list *list, struct pl_json_out *piece)
{
	size_t at = 0;

	while (at < list->count && p->left > 0 && is_of_page(p, &list->items[at]) &&
	       piece->buf->len < PL_LONG_READ_PIECE_BYTES) {
		pl_conversation_write(piece, &list->items[at++]);
		p->left--;
	}
	p->count = at;
	if (at > 0)
		p->before = pos_of(&list->items[at - 1]);
	p->has_before = p->has_before || at > 0;
	p->read.is_last = at == 0 || p->left == 0;
}

/* After long messages few are read at once. */
static size_t
to_read(const struct page *p)
{
	if (!p->read.goes_on)
		return p->limit + 1;
	return 2 * p->count < p->left ? 2 * p->count : p->left;
}

static enum pl_err
read_piece(struct pl_long_read *r, struct pl_store *s, struct pl_json_out *piece)
{
	struct page *p = page_of(r);
	struct pl_conversation_list list;
	enum pl_err err = pl_store_conversations(
	    s, &p->me, p->has_before ? &p->before : NULL, to_read(p), &list);

	if (err != PL_OK)
		return err;
	if (!r->goes_on)
		find_end(p, &list);
	write_piece(p, &list, piece);
	pl_conversation_list_fini(&list);
	return PL_OK;
}

/* ---- the request --------------------------------------------------------------------- */

/* RFC 8288. */
static bool
begin(struct pl_long_read *r, enum pl_err err)
{
	const struct page *p = page_of(r);
	char cursor[PL_MESSAGE_POS_LEN + 1];
	struct pl_buf link;

	if (err != PL_OK || !p->has_more)
		return true;
	pl_message_pos_format(&p->end, cursor);
	pl_buf_init(&link, PL_BUF_UNLIMITED);
	(void)pl_buf_printf(&link,
	    "</api/conversations?limit=%zu&before=%s>; rel=\"next\"", p->limit, cursor);
	pl_reply_header(r->rq, "link", link.data);
	pl_buf_fini(&link);
	return true;
}

/* False: answered. */
static bool
read_query(struct pl_request *rq, struct page *p)
{
	char text[QUERY_VALUE_MAX];
	struct pl_str before;

	p->limit = CONVERSATIONS_LIMIT;
	if (!query_limit(rq, CONVERSATIONS_LIMIT_MAX, &p->limit, NULL)) {
		query_refuse(rq, "limit must be a whole number from 1 to 100");
		return false;
	}
	if (!query_value(rq, "before", text, &before) ||
	    (before.ptr && !pl_message_pos_parse(before, &p->before))) {
		query_refuse(rq, "before must be the cursor of a page's Link");
		return false;
	}
	p->has_before = before.ptr != NULL;
	return true;
}

void
message_conversations_get(struct pl_request *rq)
{
	struct page *p = pl_mem_zalloc(sizeof(*p));

	p->read = (struct pl_long_read){
	    .rq = rq, .read = read_piece, .begin = begin, .free = page_free};
	p->me = rq->claims.user;
	if (read_query(rq, p))
		pl_long_read_start(&p->read);
	else
		pl_mem_free(p);
}

/* ---- one ----------------------------------------------------------------------------- */

struct one {
	struct pl_long_read read;
	struct pl_oid me;
	struct pl_oid other;
};

static enum pl_err
read_one(struct pl_long_read *r, struct pl_store *s, struct pl_json_out *piece)
{
	struct one *one = PL_CONTAINER(r, struct one, read);
	struct pl_conversation c;
	enum pl_err err = pl_store_conversation(s, &one->me, &one->other, &c);

	r->is_last = true;
	if (err != PL_OK)
		return err;
	pl_conversation_write(piece, &c);
	pl_conversation_fini(&c);
	return PL_OK;
}

static bool
begin_one(struct pl_long_read *r, enum pl_err err)
{
	if (err == PL_E_NOT_FOUND)
		pl_reply_problem(r->rq, PL_PROBLEM_NO_USER);
	return err != PL_E_NOT_FOUND;
}

static void
one_free(struct pl_long_read *r)
{
	pl_mem_free(PL_CONTAINER(r, struct one, read));
}

void
message_conversation_get(struct pl_request *rq)
{
	struct pl_oid other;
	struct one *one;

	if (!pl_request_oid(rq, &other))
		return;
	one = pl_mem_zalloc(sizeof(*one));
	one->read = (struct pl_long_read){.rq = rq,
	    .is_single = true,
	    .read = read_one,
	    .begin = begin_one,
	    .free = one_free};
	one->me = rq->claims.user;
	one->other = other;
	pl_long_read_start(&one->read);
}
