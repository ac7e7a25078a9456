/* GET /api/users: read and written out page by page on a store thread. */
#include "users.h"

#include "base/mem.h"
#include "http/reply.h"
#include "http/service.h"

#define PAGE_USERS 500

struct listing {
	struct pl_store_read_call call;
	struct pl_request *rq;
	struct pl_oid caller;
	struct pl_buf body;
};

static void
write_page(
    struct pl_json_out *o, const struct pl_user_list *page, const struct pl_oid *caller)
{
	for (size_t i = 0; i < page->count; i++)
		if (!pl_oid_eq(&page->items[i].id, caller))
			pl_user_write(o, &page->items[i], true);
}

static enum pl_err
run(struct pl_store_read_call *call, struct pl_store *s)
{
	struct listing *l = PL_CONTAINER(call, struct listing, call);
	struct pl_json_out o;
	struct pl_oid last;
	size_t count = PAGE_USERS;
	enum pl_err err = PL_OK;

	pl_jo_init(&o, &l->body);
	pl_jo_array(&o);
	for (const struct pl_oid *after = NULL; count == PAGE_USERS; after = &last) {
		struct pl_user_list page;

		err = pl_store_users_page(s, after, PAGE_USERS, &page);
		if (err != PL_OK)
			return err;
		write_page(&o, &page, &l->caller);
		count = page.count;
		if (count > 0)
			last = page.items[count - 1].id;
		pl_user_list_fini(&page);
	}
	pl_jo_end_array(&o);
	return PL_OK;
}

static void
done(struct pl_store_read_call *call)
{
	struct listing *l = PL_CONTAINER(call, struct listing, call);

	if (call->err == PL_OK)
		pl_reply_json(l->rq, 200, pl_buf_str(&l->body));
	else
		pl_reply_err(l->rq, call->err);
	pl_buf_fini(&l->body);
	pl_mem_free(l);
}

void
presence_users_get(struct pl_request *rq)
{
	struct listing *l = pl_mem_zalloc(sizeof(*l));
	enum pl_err err;

	l->rq = rq;
	l->caller = rq->claims.user;
	l->call.run = run;
	l->call.done = done;
	pl_buf_init(&l->body, PL_BUF_UNLIMITED);
	err = pl_store_async_read(pl_app.store, &l->call);
	if (err != PL_OK) {
		l->call.err = err;
		done(&l->call);
	}
}
