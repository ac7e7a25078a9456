#include "redis/call.h"

void
pl_redis_call_init(struct pl_redis_call *call, pl_redis_on_done *on_done, void *arg)
{
	call->on_done = on_done;
	call->arg = arg;
	pl_list_init(&call->flights);
}

void
pl_redis_call_cancel(struct pl_redis_call *call)
{
	struct pl_list *link;

	if (call->flights.next == NULL)
		return;
	while ((link = pl_list_pop(&call->flights)) != NULL)
		PL_CONTAINER(link, struct pl_redis_flight, link)->call = NULL;
}

bool
pl_redis_call_is_waiting(const struct pl_redis_call *call)
{
	return call->flights.next != NULL && !pl_list_is_empty(&call->flights);
}

void
pl_redis_flight_start(struct pl_redis_flight *f, struct pl_redis_call *call)
{
	f->call = call;
	pl_list_init(&f->link);
	if (call != NULL)
		pl_list_push(&call->flights, &f->link);
}

void
pl_redis_flight_land(
    struct pl_redis_flight *f, enum pl_err err, const struct redisReply *reply)
{
	struct pl_redis_call *call = f->call;

	if (call == NULL)
		return;
	pl_list_unlink(&f->link);
	f->call = NULL;
	call->on_done(call->arg, err, reply);
}
