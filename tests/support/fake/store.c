#include "support/fake/store.h"

#include <assert.h>

struct fake_store fake_store;

void
fake_store_reset(void)
{
	fake_store = (struct fake_store){.session.backend = &fake_store.backend};
	pl_list_init(&fake_store.writes);
	pl_list_init(&fake_store.reads);
}

static size_t
count(const struct pl_list *list)
{
	size_t n = 0;

	for (const struct pl_list *it = list->next; it != list; it = it->next)
		n++;
	return n;
}

size_t
fake_store_writes(void)
{
	return count(&fake_store.writes);
}

size_t
fake_store_reads(void)
{
	return count(&fake_store.reads);
}

struct pl_store_write_call *
fake_store_next_write(enum pl_write_kind kind)
{
	pl_list_for_each(it, &fake_store.writes)
	{
		struct pl_store_write_call *call =
		    PL_CONTAINER(it, struct pl_store_write_call, link);

		if (call->write.kind != kind)
			continue;
		pl_list_unlink(it);
		return call;
	}
	assert(!"a write of this kind waits");
	return NULL;
}

void
fake_store_end_write(struct pl_store_write_call *call, enum pl_err err)
{
	call->write.err = err;
	call->done(call);
}

void
fake_store_end_read(enum pl_err err)
{
	struct pl_list *link = pl_list_pop(&fake_store.reads);
	struct pl_store_read_call *call;

	assert(link != NULL);
	call = PL_CONTAINER(link, struct pl_store_read_call, job.task.link);
	call->err = err == PL_OK ? call->run(call, &fake_store.session) : err;
	call->done(call);
}

/* ---- what store_async.h promises ---- */

enum pl_err
pl_store_async_write(struct pl_store_async *sa, struct pl_store_write_call *call)
{
	(void)sa;
	if (fake_store.is_full)
		return PL_E_BUSY;
	pl_list_push(&fake_store.writes, &call->link);
	return PL_OK;
}

enum pl_err
pl_store_async_read(struct pl_store_async *sa, struct pl_store_read_call *call)
{
	(void)sa;
	if (fake_store.is_full)
		return PL_E_BUSY;
	pl_list_push(&fake_store.reads, &call->job.task.link);
	return PL_OK;
}

/* Nothing is in memory here. */
void
pl_store_async_read_now_or_done(
    struct pl_store_async *sa, struct pl_store_read_call *call)
{
	pl_store_async_read_or_done(sa, call);
}
