#include "overdue.h"

#include "base/clock.h"
#include "base/log.h"
#include "tell.h"
#include "web/service.h"

#define SWEEP_MS 1000
#define LEASE_MS 5000

static struct {
	enum { IDLE, CLAIMING, STORING } state;
	bool is_stopped;
	struct pl_timer timer;
	struct pl_store_write_call call;
	struct pl_oid message; /* what the reply is to */
	int64_t message_unix_ms;
	struct pl_trace trace; /* of its send */
	bool is_second_try;
	bool takes_leased; /* nothing is left that nobody has */
} sweep;

static void claim(void);

static void
write_it(void (*done)(struct pl_store_write_call *call))
{
	sweep.call.done = done;
	if (pl_store_async_write(pl_app.store, &sweep.call) != PL_OK)
		sweep.state = IDLE; /* the store has more than enough to do */
}

/* PL_E_CONFLICT: a responder was quicker after all; or one stored it before, and may have died
 * before it could tell. */
static void
on_stored(struct pl_store_write_call *call)
{
	struct pl_write_reply *reply = &call->write.u.reply;
	enum pl_err err = call->write.err;

	sweep.state = IDLE;
	if (err == PL_OK) {
		pl_log_info("overdue reply was stored", PL_L_TRACE(&sweep.trace),
		    PL_L_OID("message", &sweep.message),
		    PL_L_OID("reply", &reply->message.id),
		    PL_L_CSTR("kind", pl_reply_kind_name(reply->kind)));
		message_tell(&reply->message, &sweep.trace, PL_STR_NONE, NULL, NULL);
		pl_message_fini(&reply->message);
	}
	if (err == PL_E_CONFLICT && sweep.is_second_try && message_gap() != NULL)
		pl_gap_note(message_gap(), sweep.message_unix_ms);
	if (err == PL_OK || err == PL_E_CONFLICT || err == PL_E_NOT_FOUND)
		claim();
}

static void
on_claimed(struct pl_store_write_call *call)
{
	struct pl_write_claim *claimed = &call->write.u.claim;
	enum pl_err err = call->write.err;

	sweep.state = IDLE;
	if (err == PL_E_NOT_FOUND && !sweep.takes_leased) {
		sweep.takes_leased = true;
		claim();
	}
	if (err != PL_OK)
		return; /* by now the call may be another claim */
	sweep.message = claimed->message.id;
	sweep.message_unix_ms = claimed->message.created_unix_ms;
	sweep.trace = claimed->trace;
	sweep.is_second_try = claimed->attempt > 1;
	pl_message_fini(&claimed->message);
	pl_user_fini(&claimed->busy_user);
	sweep.state = STORING;
	sweep.call = (struct pl_store_write_call){.write.kind = PL_WRITE_REPLY};
	sweep.call.write.u.reply = (struct pl_write_reply){
	    .in_reply_to = sweep.message,
	    .kind = PL_REPLY_FALLBACK,
	    .text = pl_str(pl_settings.autoreply_fallback),
	};
	write_it(on_stored);
}

static void
claim(void)
{
	if (sweep.is_stopped)
		return;
	sweep.state = CLAIMING;
	sweep.call = (struct pl_store_write_call){.write.kind = PL_WRITE_REPLY_CLAIM};
	sweep.call.write.u.claim = (struct pl_write_claim){
	    .due_before_unix_ms = pl_clock_unix_ms(),
	    .lease_ms = LEASE_MS,
	    .takes_leased = sweep.takes_leased,
	};
	write_it(on_claimed);
}

static void
on_due(struct pl_timer *t)
{
	sweep.takes_leased = false;
	if (sweep.state == IDLE)
		claim();
	pl_timer_start(pl_app.loop, t, SWEEP_MS);
}

void
overdue_start(void)
{
	sweep.timer.on_fire = on_due;
	pl_timer_start(pl_app.loop, &sweep.timer, SWEEP_MS);
}

void
overdue_stop(void)
{
	sweep.is_stopped = true;
	pl_timer_stop(pl_app.loop, &sweep.timer);
}
