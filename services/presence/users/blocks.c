/*
 * POST and DELETE /api/users/block/:id, GET /api/users/blocked: whom one does not want to
 * hear from.
 *
 * A block holds from its commit, because each send asks the store (store/store.h). It is
 * answered when the sends that had begun by then are over: after the answer no message is
 * accepted.
 */
#include "presence/users/users.h"

#include "base/mem.h"
#include "bus/events.h"
#include "http/long_read.h"
#include "http/reply.h"
#include "http/service.h"
#include "limits/bucket.h"

#define PAGE_BLOCKS 500
_Static_assert(PAGE_BLOCKS <= PL_STORE_IDS_MAX, "the users of a page are read at once");

static struct pl_bucket_table *rates;

/* ---- POST, DELETE -------------------------------------------------------------------- */

struct blocking {
	struct pl_store_write_call call;
	struct pl_request *rq;
	struct pl_timer settled;
};

/* Who is shown to be typing to whom ends; nothing depends on it. */
static void
tell(const struct pl_write_block *block)
{
	struct pl_buf event;

	pl_buf_init(&event, PL_BUF_UNLIMITED);
	pl_event_blocked_write(&event, &block->user, &block->other);
	pl_bus_publish(pl_app.bus, PL_STR(PL_CHANNEL_BLOCKS), pl_buf_str(&event), NULL);
	pl_buf_fini(&event);
}

static void
answer(struct blocking *b)
{
	pl_reply_json(b->rq, 200, PL_STR("{\"success\":true}"));
	pl_mem_free(b);
}

/* A drain waits for requests in flight, and so for this. */
static void
on_settled(struct pl_timer *t)
{
	answer(t->arg);
}

static void
refuse(struct blocking *b, enum pl_err err)
{
	if (err == PL_E_NOT_FOUND)
		pl_reply_problem(b->rq, PL_PROBLEM_NO_USER);
	else if (err == PL_E_TOO_BIG)
		pl_reply_problem(b->rq, PL_PROBLEM_BLOCKS_MANY);
	else
		pl_reply_err(b->rq, err);
	pl_mem_free(b);
}

static void
on_written(struct pl_store_write_call *call)
{
	struct blocking *b = PL_CONTAINER(call, struct blocking, call);
	const struct pl_write_block *block = &call->write.u.block;

	if (call->write.err != PL_OK) {
		refuse(b, call->write.err);
		return;
	}
	if (block->is_blocked)
		tell(block);
	if (block->settle_ms == 0) {
		answer(b);
		return;
	}
	b->settled = (struct pl_timer){.on_fire = on_settled, .arg = b};
	pl_timer_start(pl_app.loop, &b->settled, block->settle_ms);
}

/* False: answered. */
static bool
may_change(struct pl_request *rq, struct pl_oid *other)
{
	int64_t wait_ms;

	if (!pl_request_oid(rq, other) || !pl_request_is_no_form(rq))
		return false;
	if (pl_oid_eq(other, &rq->claims.user)) {
		pl_reply_problem(rq, PL_PROBLEM_BLOCKS_ONESELF);
		return false;
	}
	wait_ms = pl_bucket_table_take(
	    rates, pl_oid_str(&rq->claims.user), pl_loop_now_ms(pl_app.loop));
	if (wait_ms > 0)
		pl_reply_retry(rq, PL_PROBLEM_TOO_MANY, wait_ms);
	return wait_ms == 0;
}

static void
change(struct pl_request *rq, bool is_blocked)
{
	struct pl_oid other;
	struct blocking *b;

	if (!may_change(rq, &other))
		return;
	b = pl_mem_zalloc(sizeof(*b));
	b->rq = rq;
	b->call.done = on_written;
	b->call.write.kind = PL_WRITE_BLOCK;
	b->call.write.u.block = (struct pl_write_block){.user = rq->claims.user,
	    .other = other,
	    .is_blocked = is_blocked,
	    .limit = (size_t)pl_settings.limit_blocks};
	pl_store_async_write_or_done(pl_app.store, &b->call);
}

void
presence_block_post(struct pl_request *rq)
{
	change(rq, true);
}

void
presence_block_delete(struct pl_request *rq)
{
	change(rq, false);
}

/* ---- GET ----------------------------------------------------------------------------- */

struct listing {
	struct pl_long_read read;
	struct pl_oid caller;
	bool has_last;
	struct pl_oid last; /* of the pages before */
};

/* Those who are no users any more are passed over. */
static enum pl_err
write_users(
    struct pl_store *s, const struct pl_block_list *page, struct pl_json_out *piece)
{
	struct pl_oid ids[PAGE_BLOCKS];
	struct pl_user_list users;
	enum pl_err err;

	for (size_t i = 0; i < page->count; i++)
		ids[i] = page->items[i].other;
	err = pl_store_users_of(s, ids, page->count, &users);
	if (err != PL_OK)
		return err;
	for (size_t i = 0; i < users.count; i++)
		pl_user_write(piece, &users.items[i], 0);
	pl_user_list_fini(&users);
	return PL_OK;
}

static enum pl_err
read_page(struct pl_long_read *r, struct pl_store *s, struct pl_json_out *piece)
{
	struct listing *l = PL_CONTAINER(r, struct listing, read);
	struct pl_block_list page;
	enum pl_err err = pl_store_blocks_page(
	    s, &l->caller, l->has_last ? &l->last : NULL, PAGE_BLOCKS, &page);

	if (err != PL_OK)
		return err;
	r->is_last = page.count < PAGE_BLOCKS;
	if (page.count > 0) {
		l->last = page.items[page.count - 1].other;
		l->has_last = true;
	}
	err = write_users(s, &page, piece);
	pl_block_list_fini(&page);
	return err;
}

static void
listing_free(struct pl_long_read *r)
{
	pl_mem_free(PL_CONTAINER(r, struct listing, read));
}

void
presence_blocked_get(struct pl_request *rq)
{
	struct listing *l = pl_mem_zalloc(sizeof(*l));

	l->read =
	    (struct pl_long_read){.rq = rq, .read = read_page, .free = listing_free};
	l->caller = rq->claims.user;
	pl_long_read_start(&l->read);
}

/* ---- life ---------------------------------------------------------------------------- */

void
blocks_start(void)
{
	rates = pl_bucket_table_new(
	    pl_bucket_rule(BLOCKS_PER_SECOND, 1000, BLOCKS_BURST), BLOCKS_USERS_MAX);
}

void
blocks_stop(void)
{
	pl_bucket_table_free(rates);
	rates = NULL;
}
