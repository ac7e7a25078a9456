#include "overdue.h"

#include "base/clock.h"
#include "base/log.h"
#include "send.h"
#include "http/service.h"

#define SWEEP_MS  1000
#define BATCH_MAX 128

/* The reply to one message of sweep.found. */
struct reply {
	struct pl_store_write_call call;
	const struct pl_overdue *to;
};

static struct {
	enum { IDLE, READING, STORING } state;
	bool is_stopped;
	struct pl_timer timer;
	struct pl_store_read_call read;
	struct pl_overdue_list found;
	struct reply replies[BATCH_MAX];
	size_t storing; /* how many replies are not stored yet */
	bool all_ended; /* each message of the batch has its reply */
} sweep;

static void read_found(void);

/* ---- storing ---- */

static void
end_batch(void)
{
	bool has_more = sweep.found.count == BATCH_MAX && sweep.all_ended;

	pl_overdue_list_fini(&sweep.found);
	sweep.state = IDLE;
	if (has_more)
		read_found();
}

static void
publish(const struct pl_overdue *to, struct pl_write_reply *reply)
{
	struct pl_json_out o;
	struct pl_buf json;

	pl_log_info("overdue reply was stored", PL_L_TRACE(&to->trace),
	    PL_L_OID("message", &to->message.id), PL_L_OID("reply", &reply->message.id),
	    PL_L_CSTR("kind", pl_reply_kind_name(reply->kind)));
	pl_publish_typing_over(
	    message_publisher(), &reply->message.sender, &reply->message.receiver);
	pl_buf_init(&json, PL_BUF_UNLIMITED);
	pl_jo_init(&o, &json);
	pl_message_write(&o, &reply->message);
	pl_publish_message(message_publisher(), &reply->message, pl_buf_str(&json),
	    &to->trace, PL_STR_NONE, NULL, NULL);
	pl_buf_fini(&json);
	pl_message_fini(&reply->message);
}

/* PL_E_CONFLICT: another process stored a reply first, and may have died before it
 * published it. PL_E_DENIED: there is none, for one of the two has blocked the other. */
static void
on_stored(struct pl_store_write_call *call)
{
	struct reply *reply = PL_CONTAINER(call, struct reply, call);
	struct pl_gap *gap = message_publisher()->gap;
	enum pl_err err = call->write.err;

	if (err == PL_OK)
		publish(reply->to, &call->write.u.reply);
	else if (err == PL_E_CONFLICT && gap != NULL)
		pl_gap_note(gap, reply->to->message.created_unix_ms);
	else if (err != PL_E_CONFLICT && err != PL_E_DENIED)
		sweep.all_ended = false;
	if (--sweep.storing == 0)
		end_batch();
}

static bool
store(struct reply *reply, const struct pl_overdue *to)
{
	*reply = (struct reply){.to = to, .call.done = on_stored};
	reply->call.write.kind = PL_WRITE_REPLY;
	reply->call.write.u.reply = (struct pl_write_reply){
	    .in_reply_to = to->message.id,
	    .kind = PL_REPLY_FALLBACK,
	    .text = pl_str(pl_settings.autoreply_fallback),
	};
	return pl_store_async_write(pl_app.store, &reply->call) == PL_OK;
}

/* All at once, so that they are one batch of the store. */
static void
store_found(void)
{
	sweep.state = STORING;
	sweep.storing = 0;
	for (size_t i = 0; i < sweep.found.count; i++)
		if (store(&sweep.replies[i], &sweep.found.items[i]))
			sweep.storing++;
	/* If not, the store takes no more, and the next batch waits for a second. */
	sweep.all_ended = sweep.storing == sweep.found.count;
	if (sweep.storing == 0)
		end_batch();
}

/* ---- reading ---- */

/* On a reader thread. */
static enum pl_err
run(struct pl_store_read_call *call, struct pl_store *s)
{
	(void)call;
	return pl_store_overdue(s, pl_clock_unix_ms(), BATCH_MAX, &sweep.found);
}

static void
on_read(struct pl_store_read_call *call)
{
	if (call->err == PL_OK && !sweep.is_stopped) {
		store_found();
		return;
	}
	pl_overdue_list_fini(&sweep.found);
	sweep.state = IDLE;
}

static void
read_found(void)
{
	if (sweep.is_stopped)
		return;
	sweep.read = (struct pl_store_read_call){.run = run, .done = on_read};
	sweep.state = READING;
	if (pl_store_async_read(pl_app.store, &sweep.read) != PL_OK)
		sweep.state = IDLE;
}

/* ---- life ---- */

static void
on_due(struct pl_timer *t)
{
	if (sweep.state == IDLE)
		read_found();
	pl_timer_start(pl_app.loop, t, SWEEP_MS);
}

void
overdue_start(void)
{
	sweep.is_stopped = false;
	sweep.timer.on_fire = on_due;
	pl_timer_start(pl_app.loop, &sweep.timer, SWEEP_MS);
}

void
overdue_stop(void)
{
	sweep.is_stopped = true;
	pl_timer_stop(pl_app.loop, &sweep.timer);
}
