#include "support/busy_reader.h"

#include <stdlib.h>

static enum pl_err
run(struct pl_store_read_call *call, struct pl_store *s)
{
	struct busy_reader *b = PL_CONTAINER(call, struct busy_reader, call);

	(void)s;
	sem_post(&b->is_busy);
	while (sem_wait(&b->may_go) != 0)
		continue;
	return PL_OK;
}

static void
done(struct pl_store_read_call *call)
{
	struct busy_reader *b = PL_CONTAINER(call, struct busy_reader, call);

	b->is_done = true;
}

void
busy_reader_hold(struct busy_reader *b, struct pl_store_async *store)
{
	b->is_done = false;
	b->call = (struct pl_store_read_call){.run = run, .done = done};
	if (sem_init(&b->is_busy, 0, 0) != 0 || sem_init(&b->may_go, 0, 0) != 0 ||
	    pl_store_async_read(store, &b->call) != PL_OK)
		abort();
	while (sem_wait(&b->is_busy) != 0)
		continue;
}

void
busy_reader_let(struct busy_reader *b)
{
	sem_post(&b->may_go);
}
