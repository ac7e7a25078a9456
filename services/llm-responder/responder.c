#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "bus/events.h"
#include "ops/metrics.h"
#include "job.h"
#include "limits.h"
#include "load.h"
#include "responder.h"

#define SWEEP_MS  500
#define TYPING_MS 4000 /* shown again before a client takes it for over, after 6 s */

_Static_assert(JOB_LEASE_MS + SWEEP_MS + JOB_STORE_AGAIN_MS < PL_REPLY_WITHIN_MS,
    "what a dead process held is swept up, and stored at the second try, in time");
_Static_assert(TYPING_MS + PL_REDIS_DEADLINE_MS < PL_TYPING_ENDS_MS,
    "typing is said again before clients believe that it ended");
_Static_assert(
    LOAD_RESCUE_MS < JOB_BUDGET_MS, "a new message is not one to be rescued at any load");

struct responder {
	struct responder_config config;
	struct job_rules rules;
	struct load load;
	struct pl_list replies; /* struct replying.link */
	size_t reply_count;
	struct pl_timer sweep;
	struct replying *swept; /* the claim of the sweep that is on its way, or NULL */
	struct limits *limits;
	bool is_closed;
	void (*on_idle)(void *arg);
	void *on_idle_arg;
};

/* A job, and what its states work with. */
struct replying {
	struct pl_list link;
	struct responder *responder;
	struct job job;
	struct pl_oid id; /* the message's, if a wake-up named it */
	struct pl_message message;
	struct pl_user busy;
	struct pl_trace trace;
	bool is_typing_shown; /* to the sender, by us or by a process that died */
	struct pl_buf text;
	struct pl_message reply;
	struct pl_message_list history;
	struct limits_ask limits;
	struct completion completion;
	struct pl_timer timer; /* COMPOSING: typing; PAUSED: its end */
	struct pl_store_write_call write;
	struct pl_store_read_call read;
	struct pl_redis_call published;
};

static void sweep(struct responder *r);
static void went(struct replying *rp, enum pl_err outcome);

/* ---- life ---- */

static void
unload(struct responder *r)
{
	if (load_drop(&r->load) && !r->rules.is_stopping)
		pl_timer_start(r->config.loop, &r->sweep, 0);
}

static struct replying *
replying_new(struct responder *r)
{
	struct replying *rp = pl_mem_zalloc(sizeof(*rp));

	rp->responder = r;
	rp->timer.arg = rp;
	job_init(&rp->job, &r->rules);
	pl_list_push(&r->replies, &rp->link);
	r->reply_count++;
	load_add(&r->load);
	return rp;
}

static void
tell_if_idle(struct responder *r)
{
	void (*on_idle)(void *arg) = r->on_idle;

	if (r->reply_count > 0 || on_idle == NULL)
		return;
	r->on_idle = NULL;
	on_idle(r->on_idle_arg);
}

static void
replying_free(struct replying *rp)
{
	struct responder *r = rp->responder;

	completion_cancel(&rp->completion);
	pl_timer_stop(r->config.loop, &rp->timer);
	pl_redis_call_cancel(&rp->published);
	pl_list_unlink(&rp->link);
	pl_message_fini(&rp->message);
	pl_user_fini(&rp->busy);
	pl_message_fini(&rp->reply);
	pl_message_list_fini(&rp->history);
	pl_buf_fini(&rp->text);
	pl_mem_free(rp);
	r->reply_count--;
	tell_if_idle(r);
}

/* ---- CHECKING ---- */

static void
on_limits(void *arg, bool is_granted)
{
	struct replying *rp = arg;

	if (rp->responder->is_closed)
		return; /* responder_free() ends it */
	went(rp, is_granted ? PL_OK : PL_E_DENIED);
}

static void
check(struct replying *rp)
{
	rp->limits = (struct limits_ask){.on_answer = on_limits, .arg = rp};
	limits_take(
	    rp->responder->limits, &rp->limits, &rp->message.sender, &rp->busy.id);
}

/* ---- READING ---- */

/* On a reader thread. */
static enum pl_err
read_history(struct pl_store_read_call *call, struct pl_store *s)
{
	struct replying *rp = PL_CONTAINER(call, struct replying, read);
	size_t before = rp->responder->config.context_messages - 1;
	struct pl_message_pos pos = {rp->message.created_unix_ms, rp->message.id};

	if (before == 0)
		return PL_OK;
	return pl_store_messages_page(s, &rp->message.sender, &rp->message.receiver,
	    PL_PAGE_BEFORE, &pos, before, &rp->history);
}

static void
on_read(struct pl_store_read_call *call)
{
	went(PL_CONTAINER(call, struct replying, read), call->err);
}

static void
read_conversation(struct replying *rp)
{
	rp->read = (struct pl_store_read_call){.run = read_history, .done = on_read};
	pl_store_async_read_or_done(rp->responder->config.store, &rp->read);
}

/* ---- the bus ---- */

static void
publish_to(struct replying *rp, const struct pl_oid *user, const struct pl_buf *event,
    struct pl_redis_call *call)
{
	char channel[PL_CHANNEL_USER_LEN + 1];

	pl_channel_user(user, channel);
	pl_bus_publish(
	    rp->responder->config.bus, pl_str(channel), pl_buf_str(event), call);
}

static void
publish_sent(struct replying *rp, const struct pl_buf *event)
{
	char channel[PL_CHANNEL_USER_LEN + 1];

	pl_channel_sent(&rp->reply.sender, channel);
	pl_bus_publish(
	    rp->responder->config.bus, pl_str(channel), pl_buf_str(event), NULL);
}

static void
show_typing(struct replying *rp, bool is_typing)
{
	struct pl_buf event;

	rp->is_typing_shown = is_typing;
	pl_buf_init(&event, PL_BUF_UNLIMITED);
	pl_event_typing(&event, &rp->busy.id, is_typing, true);
	publish_to(rp, &rp->message.sender, &event, NULL);
	pl_buf_fini(&event);
}

/* ---- COMPOSING ---- */

static void
on_typing_due(struct pl_timer *t)
{
	struct replying *rp = t->arg;

	show_typing(rp, true);
	pl_timer_start(rp->responder->config.loop, t, TYPING_MS);
}

static void
on_completed(struct completion *c, enum pl_err err, struct pl_str text)
{
	struct replying *rp = PL_CONTAINER(c, struct replying, completion);

	if (err == PL_OK)
		pl_buf_add_str(&rp->text, text);
	went(rp, err);
}

static void
compose(struct replying *rp)
{
	struct responder *r = rp->responder;
	struct prompt prompt;

	prompt_init(
	    &prompt, &rp->busy, &rp->message, &rp->history, r->config.context_messages);
	rp->completion.done = on_completed;
	rp->completion.trace = &rp->trace;
	completion_start(
	    r->config.llm, &rp->completion, &prompt, rp->job.deadline_mono_ms);
	prompt_fini(&prompt);
	pl_message_list_fini(&rp->history);
	rp->timer.on_fire = on_typing_due;
	pl_timer_start(r->config.loop, &rp->timer, 0);
}

/* ---- STORING, PAUSED ---- */

static void
log_stored(const struct replying *rp, int64_t took_ms)
{
	pl_log_info("reply was stored", PL_L_TRACE(&rp->trace),
	    PL_L_OID("message", &rp->message.id), PL_L_OID("reply", &rp->reply.id),
	    PL_L_CSTR("kind", pl_reply_kind_name(rp->job.kind)),
	    PL_L_INT("attempt", rp->job.attempt), PL_L_INT("after_ms", took_ms));
}

static void
take_stored(struct replying *rp, const struct pl_message *reply)
{
	int64_t took_ms = reply->created_unix_ms - rp->message.created_unix_ms;

	rp->reply = *reply;
	pl_metrics_count(PL_M_REPLIES, pl_reply_kind_name(rp->job.kind), 1);
	pl_metrics_observe(PL_M_REPLY_SECONDS, NULL, took_ms * 1000);
	log_stored(rp, took_ms);
}

static void
on_stored(struct pl_store_write_call *call)
{
	struct replying *rp = PL_CONTAINER(call, struct replying, write);
	enum pl_err err = call->write.err;

	if (err == PL_OK)
		take_stored(rp, &call->write.u.reply.message);
	else if (err != PL_E_CONFLICT && err != PL_E_NOT_FOUND && err != PL_E_DENIED &&
		 err != PL_E_CANCELLED)
		pl_log_warn("reply was not stored, will try again", PL_L_ERR(err),
		    PL_L_TRACE(&rp->trace), PL_L_OID("message", &rp->message.id),
		    PL_L_INT("wait_ms", JOB_STORE_AGAIN_MS));
	went(rp, err);
}

static void
store_reply(struct replying *rp)
{
	const struct responder *r = rp->responder;
	enum pl_err err;

	if (rp->is_typing_shown)
		show_typing(rp, false);
	pl_timer_stop(r->config.loop, &rp->timer);
	rp->write = (struct pl_store_write_call){.done = on_stored};
	rp->write.write.kind = PL_WRITE_REPLY;
	rp->write.write.u.reply = (struct pl_write_reply){
	    .in_reply_to = rp->message.id,
	    .kind = rp->job.kind,
	    .text = rp->job.kind == PL_REPLY_LLM ? pl_buf_str(&rp->text)
						 : pl_str(r->config.fallback),
	};
	err = pl_store_async_write(r->config.store, &rp->write);
	if (err != PL_OK)
		went(rp, err);
}

static void
on_pause_over(struct pl_timer *t)
{
	went(t->arg, PL_OK);
}

static void
pause_storing(struct replying *rp)
{
	rp->timer.on_fire = on_pause_over;
	pl_timer_start(rp->responder->config.loop, &rp->timer, JOB_STORE_AGAIN_MS);
}

/* ---- PUBLISHING ---- */

static void
on_published(void *arg, enum pl_err err, const struct redisReply *reply)
{
	(void)reply;
	went(arg, err);
}

/* To the receiver, and to the sockets of the busy user, who sees what was written in
 * their name. */
static void
publish_reply(struct replying *rp)
{
	struct pl_buf event;

	pl_buf_init(&event, PL_BUF_UNLIMITED);
	pl_event_message_sent(&event, &rp->reply, &rp->trace, PL_STR_NONE);
	publish_sent(rp, &event);
	pl_buf_clear(&event);
	pl_event_new_message(&event, &rp->reply, &rp->trace);
	pl_redis_call_init(&rp->published, on_published, rp);
	publish_to(rp, &rp->reply.receiver, &event, &rp->published);
	pl_buf_fini(&event);
}

/* ---- from state to state ---- */

static void
end(struct replying *rp)
{
	struct pl_gap *gap = rp->responder->config.gap;
	bool is_ours = rp->reply.text != NULL;

	if (rp->job.owes_gap)
		pl_gap_note(gap,
		    is_ours ? rp->reply.created_unix_ms : rp->message.created_unix_ms);
	replying_free(rp);
}

/* What the state asked for came to outcome: on to the next. */
static void
went(struct replying *rp, enum pl_err outcome)
{
	struct responder *r = rp->responder;
	bool was_load = job_is_load(&rp->job);
	enum job_state state =
	    job_next(&rp->job, outcome, pl_loop_now_ms(r->config.loop));

	if (was_load && !job_is_load(&rp->job))
		unload(r);
	switch (state) {
	case JOB_CHECKING:
		check(rp);
		break;
	case JOB_READING:
		read_conversation(rp);
		break;
	case JOB_COMPOSING:
		compose(rp);
		break;
	case JOB_STORING:
		store_reply(rp);
		break;
	case JOB_PAUSED:
		pause_storing(rp);
		break;
	case JOB_PUBLISHING:
		publish_reply(rp);
		break;
	case JOB_CLAIMING: /* only at its beginning */
	case JOB_OVER:
		end(rp);
		break;
	}
}

/* ---- CLAIMING ---- */

static void
take_claimed(struct replying *rp, const struct pl_write_claim *claim)
{
	rp->message = claim->message;
	rp->busy = claim->busy_user;
	rp->trace = claim->trace;
	pl_buf_init(&rp->text, PL_BUF_UNLIMITED);
	job_claimed(&rp->job, claim->attempt,
	    pl_clock_unix_ms() - claim->message.created_unix_ms,
	    pl_loop_now_ms(rp->responder->config.loop));
	rp->is_typing_shown = claim->attempt > 1;
	pl_log_traced(&rp->trace, "message was claimed for its reply",
	    PL_L_OID("message", &rp->message.id), PL_L_INT("attempt", claim->attempt));
}

static void
on_claimed(struct pl_store_write_call *call)
{
	struct replying *rp = PL_CONTAINER(call, struct replying, write);
	struct responder *r = rp->responder;
	bool is_of_sweep = rp == r->swept, is_taken = call->write.err == PL_OK;

	if (is_of_sweep)
		r->swept = NULL;
	if (is_taken)
		take_claimed(rp, &call->write.u.claim);
	went(rp, call->write.err);
	if (is_of_sweep && is_taken && !r->rules.is_stopping)
		sweep(r);
}

/* The named message, or (NULL) the one due first. NULL: the store has too much to do. */
static struct replying *
claim(struct responder *r, const struct pl_oid *message, int64_t due_before_unix_ms)
{
	struct replying *rp = replying_new(r);
	enum pl_err err;

	if (message != NULL)
		rp->id = *message;
	rp->write.done = on_claimed;
	rp->write.write.kind = PL_WRITE_REPLY_CLAIM;
	rp->write.write.u.claim = (struct pl_write_claim){
	    .message_id = message != NULL ? &rp->id : NULL,
	    .due_before_unix_ms = due_before_unix_ms,
	    .lease_ms = JOB_LEASE_MS,
	};
	err = pl_store_async_write(r->config.store, &rp->write);
	if (err == PL_OK)
		return rp;
	went(rp, err);
	return NULL;
}

/* One claim at a time, until there is nothing to take. */
static void
sweep(struct responder *r)
{
	int64_t before = load_due_before(&r->load, pl_clock_unix_ms());

	if (r->swept == NULL)
		r->swept = claim(r, NULL, before);
}

static void
on_sweep_due(struct pl_timer *t)
{
	struct responder *r = t->arg;

	sweep(r);
	pl_timer_start(r->config.loop, t, SWEEP_MS);
}

/* ---- outside ---- */

struct responder *
responder_new(const struct responder_config *config)
{
	struct responder *r = pl_mem_zalloc(sizeof(*r));

	r->config = *config;
	r->rules.has_llm = config->llm != NULL;
	load_init(&r->load, config->concurrency);
	pl_list_init(&r->replies);
	r->limits = limits_new(config->loop, config->redis, config->sender_per_minute,
	    config->user_per_minute);
	r->sweep = (struct pl_timer){.on_fire = on_sweep_due, .arg = r};
	pl_timer_start(config->loop, &r->sweep, 0);
	return r;
}

void
responder_wake(struct responder *r, const struct pl_oid *message)
{
	if (!r->rules.is_stopping && load_has_room(&r->load))
		(void)claim(r, message, INT64_MAX);
}

static void
on_stop_due(struct pl_timer *t)
{
	struct responder *r = t->arg;

	tell_if_idle(r);
	pl_list_for_each_safe(it, &r->replies)
	{
		struct replying *rp = PL_CONTAINER(it, struct replying, link);

		if (rp->job.state != JOB_COMPOSING)
			continue;
		completion_cancel(&rp->completion);
		went(rp, PL_E_CANCELLED);
	}
}

void
responder_stop(struct responder *r, void (*on_idle)(void *arg), void *arg)
{
	r->rules.is_stopping = true;
	r->on_idle = on_idle;
	r->on_idle_arg = arg;
	r->sweep.on_fire = on_stop_due;
	pl_timer_start(r->config.loop, &r->sweep, 0);
}

void
responder_close(struct responder *r)
{
	r->is_closed = true;
}

void
responder_free(struct responder *r)
{
	if (r == NULL)
		return;
	r->on_idle = NULL;
	pl_timer_stop(r->config.loop, &r->sweep);
	pl_list_for_each_safe(it, &r->replies)
	    replying_free(PL_CONTAINER(it, struct replying, link));
	limits_free(r->limits);
	pl_mem_free(r);
}
