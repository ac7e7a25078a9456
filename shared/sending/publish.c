#include "sending/publish.h"

#include "base/mem.h"
#include "bus/events.h"

#define EVENT_BYTES 384 /* around a message: as most are */

struct publishing {
	struct pl_redis_call call;
	struct pl_publisher *by;
	int64_t since_unix_ms; /* when the message was written, or changed */
	void (*done)(void *arg, enum pl_err err);
	void *arg;
};

static void
on_published(void *arg, enum pl_err err, const struct redisReply *reply)
{
	struct publishing *p = arg;

	(void)reply;
	if (err != PL_OK && p->by->gap != NULL)
		pl_gap_note(p->by->gap, p->since_unix_ms);
	if (p->done != NULL)
		p->done(p->arg, err);
	pl_mem_free(p);
}

static void
publish_call(struct pl_publisher *p, const struct pl_oid *user,
    const struct pl_buf *event, struct pl_redis_call *call)
{
	char channel[PL_CHANNEL_USER_LEN + 1];

	pl_channel_user(user, channel);
	pl_bus_publish(p->bus, pl_str(channel), pl_buf_str(event), call);
}

static void
publish_to(struct pl_publisher *p, const struct pl_oid *user, const struct pl_buf *event)
{
	publish_call(p, user, event, NULL);
}

static void
publish_sent(struct pl_publisher *p, const struct pl_oid *user,
    const struct pl_buf *event, struct pl_redis_call *call)
{
	char channel[PL_CHANNEL_USER_LEN + 1];

	pl_channel_sent(user, channel);
	pl_bus_publish(p->bus, pl_str(channel), pl_buf_str(event), call);
}

static struct publishing *
publishing_new(struct pl_publisher *by, int64_t since_unix_ms,
    void (*done)(void *arg, enum pl_err err), void *arg)
{
	struct publishing *p = pl_mem_alloc(sizeof(*p));

	*p = (struct publishing){
	    .by = by, .since_unix_ms = since_unix_ms, .done = done, .arg = arg};
	pl_redis_call_init(&p->call, on_published, p);
	return p;
}

void
pl_publish_message(struct pl_publisher *by, const struct pl_message *m,
    struct pl_str json, const struct pl_trace *trace, struct pl_str not_socket,
    void (*done)(void *arg, enum pl_err err), void *arg)
{
	struct publishing *p = publishing_new(by, m->created_unix_ms, done, arg);
	struct pl_buf event;

	pl_buf_init(&event, PL_BUF_UNLIMITED);
	(void)pl_buf_reserve(&event, EVENT_BYTES + json.len);
	pl_event_new_message_of(&event, m, json, trace);
	publish_to(by, &m->receiver, &event);
	pl_buf_clear(&event);
	pl_event_message_sent_of(&event, m, json, trace, not_socket);
	/* in one pipeline, so the last */
	publish_sent(by, &m->sender, &event, &p->call);
	pl_buf_fini(&event);
}

void
pl_publish_change(struct pl_publisher *by, const struct pl_message *m, struct pl_str json,
    const struct pl_trace *trace, struct pl_str not_socket,
    void (*done)(void *arg, enum pl_err err), void *arg)
{
	struct publishing *p = publishing_new(by, pl_message_changed(m), done, arg);
	struct pl_buf event;

	pl_buf_init(&event, PL_BUF_UNLIMITED);
	pl_event_message_changed(&event, m, json, trace, not_socket);
	if (!pl_oid_eq(&m->receiver, &m->sender))
		publish_to(by, &m->receiver, &event);
	publish_call(by, &m->sender, &event, &p->call);
	pl_buf_fini(&event);
}

void
pl_publish_typing_over(
    struct pl_publisher *p, const struct pl_oid *from, const struct pl_oid *to)
{
	struct pl_buf event;

	pl_buf_init(&event, PL_BUF_UNLIMITED);
	pl_event_typing(&event, from, false, true);
	publish_to(p, to, &event);
	pl_buf_fini(&event);
}

void
pl_publisher_start(struct pl_publisher *p, struct pl_loop *loop, struct pl_bus *bus)
{
	*p = (struct pl_publisher){.bus = bus, .gap = pl_gap_new(loop, bus)};
}

void
pl_publisher_stop(struct pl_publisher *p)
{
	pl_gap_free(p->gap);
	p->gap = NULL;
}
