#include "sending/send.h"

#include "base/clock.h"
#include "base/mem.h"
#include "bus/wake.h"
#include "ops/settings.h"

#define A_DAY_MS 86400000

struct sending {
	struct pl_sending *by;
	struct pl_timer patience; /* started while the bus is waited for */
	struct pl_gap_waiter gap;
	bool is_in_gap;          /* it waits there */
	struct pl_fair_job turn; /* of a long text, until written; group NULL: none */
	int64_t since_ms;        /* with turn */
	struct pl_store_write_call call;
	struct pl_buf
	    json; /* of the message, once it is stored: for its events and the answer */
	struct pl_log_field from;
	struct pl_str not_socket;
	void (*done)(void *arg, const struct pl_send_outcome *outcome); /* NULL: it was */
	void *arg;
	/* only_replay: the answer if the key is not known; else 0, no refusal. */
	enum pl_problem refusal;
};

static void
sending_end(struct sending *s)
{
	pl_message_fini(&s->call.write.u.send.message);
	pl_buf_fini(&s->json);
	pl_mem_free(s);
}

static void
tell(struct sending *s, const struct pl_send_outcome *outcome)
{
	void (*done)(void *arg, const struct pl_send_outcome *outcome) = s->done;

	s->done = NULL;
	s->by->under_way--;
	done(s->arg, outcome);
}

static void
refuse_and_end(struct sending *s, enum pl_problem problem)
{
	tell(s, &(struct pl_send_outcome){.problem = problem});
	sending_end(s);
}

/* ---- after the commit ---------------------------------------------------------------- */

/* s may still wait for the bus. */
static void
answer(struct sending *s)
{
	pl_timer_stop(s->by->loop, &s->patience);
	tell(s, &(struct pl_send_outcome){
		    .sent = &s->call.write.u.send, .json = pl_buf_str(&s->json)});
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
	struct pl_gap *gap = s->by->publisher.gap;

	if (gap == NULL || pl_gap_age_ms(gap) > PL_SEND_BUS_PATIENCE_MS) {
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
	pl_timer_start(s->by->loop, &s->patience, PL_SEND_BUS_PATIENCE_MS);
}

static void
on_published(void *arg, enum pl_err err)
{
	struct sending *s = arg;

	if (s->done == NULL)
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

	pl_log_traced(&sent->trace, what, s->from, PL_L_OID("message", &sent->message.id),
	    PL_L_OID("sender", &sent->message.sender),
	    PL_L_OID("receiver", &sent->message.receiver),
	    PL_L_CSTR("status", pl_status_name(sent->status)));
}

/* The answer waits until the bus has the message: the sender's next message may go by
 * another process, and would overtake this one. */
static void
publish(struct sending *s)
{
	const struct pl_write_send *sent = &s->call.write.u.send;

	log_sent(s, "message was stored");
	be_patient(s);
	pl_publish_message(&s->by->publisher, &sent->message, pl_buf_str(&s->json),
	    &sent->trace, s->not_socket, on_published, s);
	if (sent->busy)
		pl_wake_send(s->by->redis, &sent->message.id);
}

/* The process that stored the message may have died before it published it. Sockets that
 * have it do not get it again. */
static void
answer_replay(struct sending *s)
{
	int64_t created_unix_ms = s->call.write.u.send.message.created_unix_ms;
	struct pl_gap *gap = s->by->publisher.gap;

	log_sent(s, "message was stored before, under its key");
	if (gap == NULL ||
	    pl_clock_unix_ms() - created_unix_ms > PL_SEND_RETRY_TELLS_MS) {
		answer_and_end(s);
		return;
	}
	be_patient(s);
	pl_gap_note(gap, created_unix_ms);
	answer_after_gap(s);
}

/* MongoDB may have stored the message although its answer was lost (store.h). Presence
 * looks, whether the sender tries again or not. */
static void
note_unsure(const struct sending *s)
{
	struct pl_gap *gap = s->by->publisher.gap;

	if (pl_settings.mongo_uri && !s->call.write.u.send.only_replay && gap != NULL)
		pl_gap_note(gap, pl_clock_unix_ms() - PL_SEND_UNSURE_MS);
}

static void
on_stored(struct sending *s)
{
	const struct pl_write_send *sent = &s->call.write.u.send;
	struct pl_json_out o;

	if (sent->only_replay && !sent->replayed) {
		refuse_and_end(s, s->refusal);
		return;
	}
	(void)pl_buf_reserve(&s->json, PL_MESSAGE_JSON_BYTES + sent->message.text_len);
	pl_jo_init(&o, &s->json);
	pl_message_write(&o, &sent->message);
	if (sent->replayed)
		answer_replay(s);
	else
		publish(s);
}

static void
end_turn(struct sending *s)
{
	if (s->turn.group != NULL)
		pl_fair_done(&s->by->turns, &s->turn);
}

static void
on_written(struct pl_store_write_call *call)
{
	struct sending *s = PL_CONTAINER(call, struct sending, call);

	end_turn(s);
	switch (call->write.err) {
	case PL_OK:
		on_stored(s);
		break;
	case PL_E_NOT_FOUND:
		/* That the sender is offline comes first. */
		refuse_and_end(s,
		    s->refusal == PL_PROBLEM_OFFLINE ? s->refusal : PL_PROBLEM_NO_USER);
		break;
	case PL_E_CONFLICT:
		refuse_and_end(s, PL_PROBLEM_IDEMPOTENCY);
		break;
	case PL_E_DENIED:
		refuse_and_end(s, PL_PROBLEM_BLOCKED);
		break;
	case PL_E_UNAVAILABLE:
		note_unsure(s);
		/* fall through */
	default:
		refuse_and_end(s, pl_problem_of(call->write.err));
		break;
	}
}

/* While the store is away each text could take an attempt's time, and the last of them
 * the sum. */
static void
on_turn(struct pl_fair_job *turn)
{
	struct sending *s = PL_CONTAINER(turn, struct sending, turn);

	if (pl_loop_now_ms(s->by->loop) - s->since_ms > PL_SEND_TURN_MS) {
		end_turn(s);
		refuse_and_end(s, pl_problem_of(PL_E_TIMEOUT));
	} else {
		pl_store_async_write_or_done(s->by->store, &s->call);
	}
}

static void
write_it(struct sending *s)
{
	const struct pl_message *m = &s->call.write.u.send.message;

	if (m->text_len < PL_SEND_LONG_BYTES) {
		pl_store_async_write_or_done(s->by->store, &s->call);
		return;
	}
	s->since_ms = pl_loop_now_ms(s->by->loop);
	pl_fair_add(&s->by->turns, &s->turn, pl_oid_str(&m->sender));
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
		pl_online_ask(s->by->online, &s->call.write.u.send.message.receiver,
		    on_receiver_online, s);
	} else {
		write_it(s);
	}
}

/* ---- the request --------------------------------------------------------------------- */

/* 1 to PL_SEND_KEY_MAX visible ASCII characters. */
static bool
key_is_good(struct pl_str key)
{
	if (key.len == 0 || key.len > PL_SEND_KEY_MAX)
		return false;
	for (size_t i = 0; i < key.len; i++)
		if (key.ptr[i] < '!' || key.ptr[i] > '~')
			return false;
	return true;
}

void
pl_send_bad_key(struct pl_invalid *why)
{
	pl_invalid_set(why, "INVALID_FIELD",
	    "The idempotency key must be 1 to %d visible ASCII characters, given once",
	    PL_SEND_KEY_MAX);
}

enum pl_err
pl_send_read(const struct pl_json *body, struct pl_str key, struct pl_str *text,
    struct pl_invalid *why)
{
	enum pl_err err =
	    pl_message_parse(body, (size_t)pl_settings.message_bytes_max, text, why);

	if (err == PL_OK && key.ptr != NULL && !key_is_good(key)) {
		pl_send_bad_key(why);
		return PL_E_INVALID;
	}
	return err;
}

bool
pl_send_may_write(struct pl_sending *by, const struct pl_oid *id, size_t bytes,
    struct pl_send_outcome *out)
{
	struct pl_str user = pl_oid_str(id);
	int64_t now_ms = pl_loop_now_ms(by->loop);

	*out = (struct pl_send_outcome){0};
	if (bytes > 0 && !pl_room_is_left(&by->room)) {
		out->problem = PL_PROBLEM_FULL;
		return false;
	}
	out->problem = PL_PROBLEM_TOO_MANY;
	out->wait_ms = pl_bucket_table_take(by->rates, user, now_ms);
	if (out->wait_ms > 0)
		return false;
	out->problem = PL_PROBLEM_QUOTA;
	if (bytes > 0)
		out->wait_ms =
		    pl_bucket_table_take_many(by->quotas, user, (int64_t)bytes, now_ms);
	return out->wait_ms == 0;
}

int64_t
pl_send_wait_ms(const struct pl_sending *by, const struct pl_oid *sender)
{
	return pl_bucket_table_wait_ms(
	    by->rates, pl_oid_str(sender), pl_loop_now_ms(by->loop));
}

static struct sending *
sending_new(struct pl_sending *by, const struct pl_send *send)
{
	struct sending *s = pl_mem_zalloc(sizeof(*s));
	struct pl_write_send *write = &s->call.write.u.send;

	s->by = by;
	pl_buf_init(&s->json, PL_BUF_UNLIMITED);
	s->from = send->from;
	s->not_socket = send->not_socket;
	s->done = send->done;
	s->arg = send->arg;
	s->call.done = on_written;
	s->call.write.kind = PL_WRITE_SEND;
	write->idem_key = send->key;
	write->trace = send->trace;
	write->reply_within_ms = PL_REPLY_WITHIN_MS;
	pl_message_init(&write->message, &send->sender, &send->receiver, send->text, 0);
	return s;
}

void
pl_send(struct pl_sending *by, const struct pl_send *send)
{
	struct pl_send_outcome refused;
	struct sending *s;

	if (!pl_send_may_write(by, &send->sender, send->text.len, &refused)) {
		send->done(send->arg, &refused);
		return;
	}
	s = sending_new(by, send);
	by->under_way++;
	if (pl_settings.chat_requires_online == PL_ONLINE_OFF)
		write_it(s);
	else
		pl_online_ask(by->online, &send->sender, on_sender_online, s);
}

/* ---- life ---------------------------------------------------------------------------- */

void
pl_sending_start(struct pl_sending *by)
{
	int64_t burst = pl_settings.limit_messages_burst;

	pl_fair_init(&by->turns, PL_SEND_LONG_MAX, PL_SEND_LONG_OF_USER_MAX, on_turn);
	pl_publisher_start(&by->publisher, by->loop, by->bus);
	pl_room_start(&by->room, by->loop);
	/* 0 in either setting lifts the limit. */
	by->rates = pl_bucket_table_new(
	    pl_bucket_rule(
		burst > 0 ? pl_settings.limit_messages_per_second : 0, 1000, burst),
	    PL_SEND_USERS_MAX);
	by->quotas =
	    pl_bucket_table_new(pl_bucket_rule(pl_settings.limit_message_bytes_per_day,
				    A_DAY_MS, pl_settings.limit_message_bytes_per_day),
		PL_SEND_USERS_MAX);
}

void
pl_sending_stop(struct pl_sending *by)
{
	pl_bucket_table_free(by->rates);
	by->rates = NULL;
	pl_bucket_table_free(by->quotas);
	by->quotas = NULL;
	pl_room_stop(&by->room);
	pl_publisher_stop(&by->publisher);
}
