#include "read_mark.h"

#include "base/clock.h"
#include "base/mem.h"
#include "bus/events.h"
#include "limits/bucket.h"
#include "http/reply.h"
#include "http/service.h"

struct marking {
	struct pl_store_write_call call;
	struct pl_request *rq;
};

/* Each costs a write. */
static struct pl_bucket_table *rates;

/* ---- after the commit ---------------------------------------------------------------- */

static void
publish_to(const struct pl_oid *user, const struct pl_buf *event)
{
	char channel[PL_CHANNEL_USER_LEN + 1];

	pl_channel_user(user, channel);
	pl_bus_publish(pl_app.bus, pl_str(channel), pl_buf_str(event), NULL);
}

/* While one of the two has blocked the other, what is read is the reader's own business. */
static void
tell(const struct pl_request *rq, const struct pl_write_mark *mark)
{
	struct pl_buf event;

	pl_buf_init(&event, PL_BUF_UNLIMITED);
	if (!mark->is_blocked) {
		pl_event_messages_read(
		    &event, &mark->reader, &mark->pos.id, pl_clock_unix_ms());
		publish_to(&mark->writer, &event);
		pl_metrics_count(PL_M_MARK_EVENTS, "messagesRead", 1);
		pl_buf_clear(&event);
	}
	pl_event_conversation_read(&event, &mark->writer, &mark->pos.id, mark->unread,
	    pl_request_header(rq, "x-socket-id"));
	publish_to(&mark->reader, &event);
	pl_buf_fini(&event);
	pl_metrics_count(PL_M_MARK_EVENTS, "conversationRead", 1);
}

static void
reply_marked(struct pl_request *rq, const struct pl_write_mark *mark)
{
	struct pl_json_out o;
	struct pl_buf body;

	pl_buf_init(&body, PL_BUF_UNLIMITED);
	pl_jo_init(&o, &body);
	pl_jo_object(&o);
	pl_jo_key(&o, "success");
	pl_jo_bool(&o, true);
	pl_jo_key(&o, "upTo");
	pl_jo_oid(&o, &mark->pos.id);
	pl_jo_key(&o, PL_CONVERSATION_F_UNREAD);
	pl_jo_int(&o, mark->unread);
	pl_jo_end_object(&o);
	pl_reply_json(rq, 200, pl_buf_str(&body));
	pl_buf_fini(&body);
}

/* The events leave before the answer (http/reply): whoever waits for it tells their marks
 * in order, through any process. */
static void
on_written(struct pl_store_write_call *call)
{
	struct marking *m = PL_CONTAINER(call, struct marking, call);
	const struct pl_write_mark *mark = &call->write.u.mark;

	if (call->write.err == PL_OK) {
		if (mark->moved)
			tell(m->rq, mark);
		reply_marked(m->rq, mark);
	} else if (call->write.err == PL_E_NOT_FOUND) {
		pl_reply_problem(m->rq, PL_PROBLEM_BAD_MESSAGE);
	} else {
		pl_reply_err(m->rq, call->write.err);
	}
	pl_mem_free(m);
}

/* ---- the request --------------------------------------------------------------------- */

/* False: the id or the body is wrong, and the answer says so. */
static bool
read_request(struct pl_request *rq, struct pl_oid *writer, struct pl_oid *up_to)
{
	const struct pl_json *body;
	struct pl_invalid why;

	if (!pl_request_oid(rq, writer) || !(body = pl_request_json(rq)))
		return false;
	if (pl_mark_parse(body, up_to, &why))
		return true;
	pl_reply_invalid(rq, &why);
	return false;
}

/* False: answered with 429. */
static bool
may_mark(struct pl_request *rq)
{
	int64_t wait_ms = pl_bucket_table_take(
	    rates, pl_oid_str(&rq->claims.user), pl_loop_now_ms(pl_app.loop));

	if (wait_ms > 0)
		pl_reply_retry(rq, PL_PROBLEM_TOO_MANY, wait_ms);
	return wait_ms == 0;
}

void
message_read_post(struct pl_request *rq)
{
	struct pl_oid writer, up_to;
	struct marking *m;

	if (!read_request(rq, &writer, &up_to) || !may_mark(rq))
		return;
	m = pl_mem_zalloc(sizeof(*m));
	m->rq = rq;
	m->call.done = on_written;
	m->call.write.kind = PL_WRITE_MARK;
	m->call.write.u.mark = (struct pl_write_mark){
	    .reader = rq->claims.user, .writer = writer, .up_to = up_to, .is_read = true};
	pl_store_async_write_or_done(pl_app.store, &m->call);
}

void
read_mark_start(void)
{
	rates = pl_bucket_table_new(
	    pl_bucket_rule(pl_settings.limit_marks_per_second, 1000,
		pl_settings.limit_marks_per_second * READ_MARKS_BURST_S),
	    READ_MARKS_USERS_MAX);
}

void
read_mark_stop(void)
{
	pl_bucket_table_free(rates);
	rates = NULL;
}
