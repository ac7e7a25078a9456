/*
 * The way of a message: the request's form, room on the disk, the sender's rate and quota,
 * who is online, one insert (the message, and the job of its reply if the receiver is
 * BUSY), the bus, 201. Once the message is stored the answer is 201, whatever becomes of
 * the bus: presence reads a gap from the store.
 */
#include "send.h"

#include "base/clock.h"
#include "base/mem.h"
#include "bus/wake.h"
#include "limits/bucket.h"
#include "publish.h"
#include "room.h"
#include "http/reply.h"
#include "http/service.h"

#define A_DAY_MS 86400000

struct sending {
	struct pl_timer patience; /* started while the bus is waited for */
	struct pl_gap_waiter gap;
	bool is_in_gap; /* it waits there */
	struct pl_store_write_call call;
	struct pl_request *rq; /* holds the bytes of the Idempotency-Key */
	/* only_replay: the answer if the key is not known; else 0, no refusal. */
	enum pl_problem refusal;
};

static struct pl_bucket_table *rates;
static struct pl_bucket_table *quotas; /* of bytes */

static void
sending_end(struct sending *s)
{
	pl_message_fini(&s->call.write.u.send.message);
	pl_mem_free(s);
}

/* ---- after the commit ---------------------------------------------------------------- */

static void
reply_sent(struct pl_request *rq, const struct pl_write_send *sent)
{
	struct pl_json_out o;
	struct pl_buf body;

	if (sent->replayed)
		pl_reply_header(rq, "idempotent-replayed", "true");
	pl_buf_init(&body, PL_BUF_UNLIMITED);
	pl_jo_init(&o, &body);
	pl_message_write(&o, &sent->message);
	pl_reply_json(rq, 201, pl_buf_str(&body));
	pl_buf_fini(&body);
}

/* s may still wait for the bus. */
static void
answer(struct sending *s)
{
	pl_timer_stop(pl_app.loop, &s->patience);
	reply_sent(s->rq, &s->call.write.u.send);
	s->rq = NULL;
}

static void
answer_and_end(void *arg)
{
	struct sending *s = arg;

	answer(s);
	sending_end(s);
}

/* Presence reads a gap from the store. It hears of the gap before the sender has the
 * answer and sends the next message, which would overtake this one. If the bus has been
 * away for a while, presence knows by itself. */
static void
answer_after_gap(struct sending *s)
{
	struct pl_gap *gap = unpublished_gap();

	if (gap == NULL || pl_gap_age_ms(gap) > SEND_BUS_PATIENCE_MS) {
		answer_and_end(s);
		return;
	}
	s->is_in_gap = true;
	s->gap = (struct pl_gap_waiter){.on_published = answer_and_end, .arg = s};
	pl_gap_wait(gap, &s->gap);
}

static void
on_patience_over(struct pl_timer *t)
{
	struct sending *s = t->arg;

	answer(s);
	if (!s->is_in_gap)
		return; /* on_published() ends s */
	pl_gap_unwait(&s->gap);
	sending_end(s);
}

static void
be_patient(struct sending *s)
{
	s->patience = (struct pl_timer){.on_fire = on_patience_over, .arg = s};
	pl_timer_start(pl_app.loop, &s->patience, SEND_BUS_PATIENCE_MS);
}

static void
on_published(void *arg, enum pl_err err)
{
	struct sending *s = arg;

	if (s->rq == NULL)
		sending_end(s);
	else if (err == PL_OK)
		answer_and_end(s);
	else
		answer_after_gap(s);
}

static void
log_sent(const struct sending *s, const char *what)
{
	const struct pl_write_send *sent = &s->call.write.u.send;

	pl_log_traced(&sent->trace, what, PL_L_STR("req", pl_request_id(s->rq)),
	    PL_L_OID("message", &sent->message.id),
	    PL_L_OID("sender", &sent->message.sender),
	    PL_L_OID("receiver", &sent->message.receiver),
	    PL_L_CSTR("status", pl_status_name(sent->status)));
}

/* The 201 waits until the bus has the message: the sender's next message may go by
 * another process, and would overtake this one. */
static void
publish(struct sending *s)
{
	const struct pl_write_send *sent = &s->call.write.u.send;

	log_sent(s, "message was stored");
	be_patient(s);
	publish_message(&sent->message, &sent->trace,
	    pl_request_header(s->rq, "x-socket-id"), on_published, s);
	if (sent->busy)
		pl_wake_send(pl_app.redis, &sent->message.id);
}

/* The process that stored the message may have died before it published it. Sockets that
 * have it do not get it again. */
static void
answer_replay(struct sending *s)
{
	int64_t created_unix_ms = s->call.write.u.send.message.created_unix_ms;

	log_sent(s, "message was stored before, under its key");
	if (unpublished_gap() == NULL ||
	    pl_clock_unix_ms() - created_unix_ms > SEND_RETRY_TELLS_MS) {
		answer_and_end(s);
		return;
	}
	be_patient(s);
	pl_gap_note(unpublished_gap(), created_unix_ms);
	answer_after_gap(s);
}

/* MongoDB may have stored the message although its answer was lost (store.h). Presence
 * looks, whether the sender tries again or not. */
static void
note_unsure(const struct pl_write_send *sent)
{
	if (pl_settings.mongo_uri && !sent->only_replay && unpublished_gap())
		pl_gap_note(unpublished_gap(), pl_clock_unix_ms() - SEND_UNSURE_MS);
}

static void
on_written(struct pl_store_write_call *call)
{
	struct sending *s = PL_CONTAINER(call, struct sending, call);
	struct pl_write_send *sent = &call->write.u.send;

	switch (call->write.err) {
	case PL_OK:
		if (sent->only_replay && !sent->replayed) {
			pl_reply_problem(s->rq, s->refusal);
			break;
		}
		if (sent->replayed)
			answer_replay(s);
		else
			publish(s);
		return;
	case PL_E_NOT_FOUND:
		/* That the sender is offline comes first. */
		pl_reply_problem(s->rq,
		    s->refusal == PL_PROBLEM_OFFLINE ? s->refusal : PL_PROBLEM_NO_USER);
		break;
	case PL_E_CONFLICT:
		pl_reply_problem(s->rq, PL_PROBLEM_IDEMPOTENCY);
		break;
	case PL_E_UNAVAILABLE:
		note_unsure(sent);
		pl_reply_err(s->rq, call->write.err);
		break;
	default:
		pl_reply_err(s->rq, call->write.err);
		break;
	}
	sending_end(s);
}

static void
write_it(struct sending *s)
{
	pl_store_async_write_or_done(pl_app.store, &s->call);
}

/* ---- the online rule ----------------------------------------------------------------- */

/* A send that comes again under its key gets its first answer, even if a user is offline
 * by now. Any other gets problem. */
static void
refuse(struct sending *s, enum pl_problem problem)
{
	s->refusal = problem;
	s->call.write.u.send.only_replay = true;
	write_it(s);
}

static void
on_receiver_online(void *arg, bool is_online)
{
	struct sending *s = arg;

	if (is_online)
		write_it(s);
	else
		refuse(s, PL_PROBLEM_RECIPIENT_OFFLINE);
}

static void
on_sender_online(void *arg, bool is_online)
{
	struct sending *s = arg;

	if (!is_online) {
		refuse(s, PL_PROBLEM_OFFLINE);
	} else if (pl_settings.chat_requires_online == PL_ONLINE_BOTH) {
		pl_online_ask(pl_app.online, &s->call.write.u.send.message.receiver,
		    on_receiver_online, s);
	} else {
		write_it(s);
	}
}

/* ---- the request --------------------------------------------------------------------- */

/* 1 to SEND_IDEM_KEY_MAX visible ASCII characters. */
static bool
idem_key_is_good(struct pl_str key)
{
	if (key.len == 0 || key.len > SEND_IDEM_KEY_MAX)
		return false;
	for (size_t i = 0; i < key.len; i++)
		if (key.ptr[i] < '!' || key.ptr[i] > '~')
			return false;
	return true;
}

/* False: the id, the text or the key is wrong, and the answer says so. */
static bool
read_request(struct pl_request *rq, struct pl_oid *receiver, struct pl_str *text,
    struct pl_str *idem_key)
{
	const struct pl_json *body;
	struct pl_invalid why;

	*idem_key = pl_request_header(rq, "idempotency-key");
	if (!pl_request_oid(rq, receiver) || !(body = pl_request_json(rq)))
		return false;
	if (pl_message_parse(body, (size_t)pl_settings.message_bytes_max, text, &why) !=
	    PL_OK) {
		pl_reply_invalid(rq, &why);
		return false;
	}
	if ((idem_key->ptr && !idem_key_is_good(*idem_key)) ||
	    pl_request_header_repeats(rq, "idempotency-key")) {
		pl_invalid_set(&why, "INVALID_FIELD",
		    "Idempotency-Key must be one header of 1 to %d visible ASCII "
		    "characters",
		    SEND_IDEM_KEY_MAX);
		pl_reply_invalid(rq, &why);
		return false;
	}
	return true;
}

/* False: answered. */
static bool
may_send(struct pl_request *rq, size_t bytes)
{
	struct pl_str user = pl_oid_str(&rq->claims.user);
	int64_t now_ms = pl_loop_now_ms(pl_app.loop), wait_ms;

	if (!room_is_left()) {
		pl_reply_problem(rq, PL_PROBLEM_FULL);
		return false;
	}
	wait_ms = pl_bucket_table_take(rates, user, now_ms);
	if (wait_ms > 0) {
		pl_reply_retry(rq, PL_PROBLEM_TOO_MANY, wait_ms);
		return false;
	}
	wait_ms = pl_bucket_table_take_many(quotas, user, (int64_t)bytes, now_ms);
	if (wait_ms > 0)
		pl_reply_retry(rq, PL_PROBLEM_QUOTA, wait_ms);
	return wait_ms == 0;
}

void
message_send_post(struct pl_request *rq)
{
	struct pl_str text, idem_key;
	struct pl_oid receiver;
	struct sending *s;

	if (!read_request(rq, &receiver, &text, &idem_key))
		return;
	if (!may_send(rq, text.len))
		return;
	s = pl_mem_zalloc(sizeof(*s));
	s->rq = rq;
	s->call.done = on_written;
	s->call.write.kind = PL_WRITE_SEND;
	s->call.write.u.send.idem_key = idem_key;
	s->call.write.u.send.trace = *pl_request_trace(rq);
	s->call.write.u.send.reply_within_ms = PL_REPLY_WITHIN_MS;
	pl_message_init(
	    &s->call.write.u.send.message, &rq->claims.user, &receiver, text, 0);
	if (pl_settings.chat_requires_online == PL_ONLINE_OFF)
		write_it(s);
	else
		pl_online_ask(pl_app.online, &rq->claims.user, on_sender_online, s);
}

void
send_start(void)
{
	int64_t burst = pl_settings.limit_messages_burst;

	/* 0 in either setting lifts the limit. */
	rates = pl_bucket_table_new(
	    pl_bucket_rule(
		burst > 0 ? pl_settings.limit_messages_per_second : 0, 1000, burst),
	    SEND_USERS_MAX);
	quotas =
	    pl_bucket_table_new(pl_bucket_rule(pl_settings.limit_message_bytes_per_day,
				    A_DAY_MS, pl_settings.limit_message_bytes_per_day),
		SEND_USERS_MAX);
}

void
send_stop(void)
{
	pl_bucket_table_free(rates);
	rates = NULL;
	pl_bucket_table_free(quotas);
	quotas = NULL;
}
