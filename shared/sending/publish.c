#include "sending/publish.h"

#include "base/mem.h"
#include "bus/events.h"
#include "redis/reply.h"

#define EVENT_BYTES 384 /* around a message: as most are */

struct publishing {
	struct pl_redis_call call;
	struct pl_publisher *by;
	int64_t since_unix_ms; /* when the message was written, or changed */
	bool is_sent;          /* a messageSent of sender */
	struct pl_oid sender;
	uint64_t changes; /* of by->unheard, when it was published */
	void (*done)(void *arg, enum pl_err err);
	void *arg;
};

static void
note_if_unheard(const struct publishing *p, const struct redisReply *reply)
{
	if (p->is_sent && p->by->unheard != NULL &&
	    pl_redis_reply_is(reply, REDIS_REPLY_INTEGER) && reply->integer == 0)
		pl_unheard_note(p->by->unheard, &p->sender, p->changes);
}

static void
on_published(void *arg, enum pl_err err, const struct redisReply *reply)
{
	struct publishing *p = arg;

	note_if_unheard(p, reply);
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
publish_sent(
    struct publishing *p, const struct pl_oid *sender, const struct pl_buf *event)
{
	char channel[PL_CHANNEL_USER_LEN + 1];

	p->is_sent = true;
	p->sender = *sender;
	p->changes = pl_unheard_changes(p->by->unheard, sender);
	pl_channel_sent(sender, channel);
	pl_bus_publish(p->by->bus, pl_str(channel), pl_buf_str(event), &p->call);
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
	bool is_heard = !pl_unheard_has(by->unheard, &m->sender);
	struct pl_buf event;

	pl_buf_init(&event, PL_BUF_UNLIMITED);
	(void)pl_buf_reserve(&event, EVENT_BYTES + json.len);
	pl_event_new_message_of(&event, m, json, trace);
	/* in one pipeline, so the last one's answer is that of both */
	publish_call(by, &m->receiver, &event, is_heard ? NULL : &p->call);
	if (is_heard) {
		pl_buf_clear(&event);
		pl_event_message_sent_of(&event, m, json, trace, not_socket);
		publish_sent(p, &m->sender, &event);
	}
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
	*p = (struct pl_publisher){.bus = bus,
	    .gap = pl_gap_new(loop, bus),
	    .unheard = pl_unheard_new(loop, bus)};
}

void
pl_publisher_stop(struct pl_publisher *p)
{
	pl_gap_free(p->gap);
	p->gap = NULL;
	pl_unheard_free(p->unheard);
	p->unheard = NULL;
}
