/*
 * GET /api/users: everybody but the caller, read and written out page by page.
 *
 * Its ETag stands in the head, before anything is read: it is made of the store's own tag
 * of what users show. If the store has none (MongoDB, where other programs change users),
 * all are read once ahead for a digest, page by page like the answer, so that memory
 * stays flat. What fits into one page is read once.
 */
#include "presence/users/users.h"

#include "base/mem.h"
#include "http/etag.h"
#include "http/long_read.h"

#define PAGE_USERS 500

struct listing {
	struct pl_long_read read;
	struct pl_oid caller;
	struct pl_etags had;
	enum { TAG_UNKNOWN, TAG_BY_READING, TAG_KNOWN } state;
	struct pl_digest tag;
	bool is_same; /* as the client has */
	bool has_last;
	struct pl_oid last; /* of the pages before */
};

/* ---- on a store thread --------------------------------------------------------------- */

static struct pl_str
bytes_of(const struct pl_oid *id)
{
	return pl_str_n((const char *)id->bytes, PL_OID_LEN);
}

/* The tag is known; if the client has the answer nothing more is read. */
static void
settle(struct listing *l)
{
	l->state = TAG_KNOWN;
	l->is_same = pl_etags_have(&l->had, &l->tag);
	if (l->is_same)
		l->read.is_last = true;
}

static enum pl_err
ask_tag(struct listing *l, struct pl_store *s)
{
	uint8_t tag[PL_STORE_TAG_LEN];
	enum pl_err err = pl_store_users_tag(s, tag);

	if (err == PL_E_NOT_FOUND) {
		l->state = TAG_BY_READING;
		return PL_OK;
	}
	if (err != PL_OK)
		return err;
	pl_digest_add(&l->tag, pl_str_n((const char *)tag, sizeof(tag)));
	pl_digest_add(&l->tag, bytes_of(&l->caller));
	settle(l);
	return PL_OK;
}

static enum pl_err
read_users(struct listing *l, struct pl_store *s, struct pl_json_out *piece)
{
	struct pl_user_list page = {0};
	enum pl_err err =
	    pl_store_users_page(s, l->has_last ? &l->last : NULL, PAGE_USERS, &page);

	if (err != PL_OK)
		return err;
	for (size_t i = 0; i < page.count; i++)
		if (!pl_oid_eq(&page.items[i].id, &l->caller))
			pl_user_write(piece, &page.items[i], PL_USER_WITH_TIMES);
	l->read.is_last = page.count < PAGE_USERS;
	if (page.count > 0) {
		l->last = page.items[page.count - 1].id;
		l->has_last = true;
	}
	pl_user_list_fini(&page);
	return PL_OK;
}

/* A page was read for its digest. The first one is the answer if it is the last, too. */
static void
digest_page(struct listing *l, bool is_first, struct pl_json_out *piece)
{
	bool is_last = l->read.is_last;

	pl_digest_add(&l->tag, pl_buf_str(piece->buf));
	l->read.is_last = false;
	l->read.is_ahead = true;
	if (!is_last)
		return;
	settle(l);
	l->has_last = false; /* from the start */
	if (!is_first && !l->is_same)
		return;
	l->read.is_ahead = false;
	l->read.is_last = true;
}

static enum pl_err
read_page(struct pl_long_read *r, struct pl_store *s, struct pl_json_out *piece)
{
	struct listing *l = PL_CONTAINER(r, struct listing, read);
	bool is_first = !l->has_last;
	enum pl_err err = l->state == TAG_UNKNOWN ? ask_tag(l, s) : PL_OK;

	if (err == PL_OK && !l->is_same)
		err = read_users(l, s, piece);
	if (err == PL_OK && l->state == TAG_BY_READING)
		digest_page(l, is_first, piece);
	return err;
}

/* ---- the request --------------------------------------------------------------------- */

static bool
begin(struct pl_long_read *r, enum pl_err err)
{
	struct listing *l = PL_CONTAINER(r, struct listing, read);

	if (err != PL_OK)
		return true;
	pl_reply_etag(r->rq, &l->tag);
	if (l->is_same)
		pl_reply_not_modified(r->rq);
	return !l->is_same;
}

static void
listing_free(struct pl_long_read *r)
{
	struct listing *l = PL_CONTAINER(r, struct listing, read);

	pl_etags_fini(&l->had);
	pl_mem_free(l);
}

void
presence_users_get(struct pl_request *rq)
{
	struct listing *l;

	if (users_page_asked(rq)) {
		users_page_get(rq);
		return;
	}
	l = pl_mem_zalloc(sizeof(*l));
	l->read = (struct pl_long_read){
	    .rq = rq, .read = read_page, .begin = begin, .free = listing_free};
	l->caller = rq->claims.user;
	pl_etags_read(&l->had, rq);
	pl_long_read_start(&l->read);
}
