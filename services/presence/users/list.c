/* GET /api/users: everybody but the caller, read and written out page by page. */
#include "presence/users/users.h"

#include "base/mem.h"
#include "http/long_read.h"

#define PAGE_USERS 500

struct listing {
	struct pl_long_read read;
	struct pl_oid caller;
	struct pl_oid last; /* of the pages before */
};

static enum pl_err
read_page(struct pl_long_read *r, struct pl_store *s, struct pl_json_out *piece)
{
	struct listing *l = PL_CONTAINER(r, struct listing, read);
	struct pl_user_list page = {0};
	enum pl_err err =
	    pl_store_users_page(s, r->goes_on ? &l->last : NULL, PAGE_USERS, &page);

	if (err != PL_OK)
		return err;
	for (size_t i = 0; i < page.count; i++)
		if (!pl_oid_eq(&page.items[i].id, &l->caller))
			pl_user_write(piece, &page.items[i], PL_USER_WITH_TIMES);
	r->is_last = page.count < PAGE_USERS;
	if (page.count > 0)
		l->last = page.items[page.count - 1].id;
	pl_user_list_fini(&page);
	return PL_OK;
}

static void
listing_free(struct pl_long_read *r)
{
	pl_mem_free(PL_CONTAINER(r, struct listing, read));
}

void
presence_users_get(struct pl_request *rq)
{
	struct listing *l = pl_mem_zalloc(sizeof(*l));

	l->read =
	    (struct pl_long_read){.rq = rq, .read = read_page, .free = listing_free};
	l->caller = rq->claims.user;
	pl_long_read_start(&l->read);
}
