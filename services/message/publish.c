#include "publish.h"

#include "base/mem.h"
#include "bus/events.h"
#include "http/service.h"

struct publishing {
	struct pl_redis_call call;
	int64_t created_unix_ms; /* of the message */
	void (*done)(void *arg, enum pl_err err);
	void *arg;
};

static struct pl_gap *gap;

static void
on_published(void *arg, enum pl_err err, const struct redisReply *reply)
{
	struct publishing *p = arg;

	(void)reply;
	if (err != PL_OK && gap != NULL)
		pl_gap_note(gap, p->created_unix_ms);
	if (p->done != NULL)
		p->done(p->arg, err);
	pl_mem_free(p);
}

static void
publish_to(
    const struct pl_oid *user, const struct pl_buf *event, struct pl_redis_call *call)
{
	char channel[PL_CHANNEL_USER_LEN + 1];

	pl_channel_user(user, channel);
	pl_bus_publish(pl_app.bus, pl_str(channel), pl_buf_str(event), call);
}

static void
publish_sent(
    const struct pl_oid *user, const struct pl_buf *event, struct pl_redis_call *call)
{
	char channel[PL_CHANNEL_USER_LEN + 1];

	pl_channel_sent(user, channel);
	pl_bus_publish(pl_app.bus, pl_str(channel), pl_buf_str(event), call);
}

void
publish_message(const struct pl_message *m, const struct pl_trace *trace,
    struct pl_str not_socket, void (*done)(void *arg, enum pl_err err), void *arg)
{
	struct publishing *p = pl_mem_alloc(sizeof(*p));
	struct pl_buf event;

	*p = (struct publishing){
	    .created_unix_ms = m->created_unix_ms, .done = done, .arg = arg};
	pl_redis_call_init(&p->call, on_published, p);
	pl_buf_init(&event, PL_BUF_UNLIMITED);
	pl_event_new_message(&event, m, trace);
	publish_to(&m->receiver, &event, NULL);
	pl_buf_clear(&event);
	pl_event_message_sent(&event, m, trace, not_socket);
	publish_sent(&m->sender, &event, &p->call); /* in one pipeline, so the last */
	pl_buf_fini(&event);
}

void
publish_typing_over(const struct pl_oid *from, const struct pl_oid *to)
{
	struct pl_buf event;

	pl_buf_init(&event, PL_BUF_UNLIMITED);
	pl_event_typing(&event, from, false, true);
	publish_to(to, &event, NULL);
	pl_buf_fini(&event);
}

struct pl_gap *
unpublished_gap(void)
{
	return gap;
}

void
publish_start(void)
{
	gap = pl_gap_new(pl_app.loop, pl_app.bus);
}

void
publish_stop(void)
{
	pl_gap_free(gap);
	gap = NULL;
}
