#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "bus/events.h"
#include "ops/metrics.h"
#include "limits.h"
#include "responder.h"

#define SWEEP_MS 500
/* Just longer than the budget: a living process is done by then, and what a dead one held gets
 * the standard text from another, within the 10 s. */
#define LEASE_MS       (RESPONDER_BUDGET_MS + 300)
#define RESCUE_MS      3000 /* a job due this soon is taken at any load */
#define LOAD_LEAST     16
#define ATTEMPTS_MAX   2 /* whoever claims it for a third time does not ask the LLM */
#define ASK_LEFT_MS    500
#define TYPING_MS      4000 /* said again before a client, after 6 s, believes it ended */
#define STORE_AGAIN_MS 500
#define GIVE_UP_MS     120000 /* past this a job is left to a later sweep */

_Static_assert(
    LEASE_MS > RESPONDER_BUDGET_MS, "nobody takes a job that a living one works at");
_Static_assert(LEASE_MS + SWEEP_MS + STORE_AGAIN_MS < PL_REPLY_WITHIN_MS,
    "what a dead one held is swept up, and stored at the second try, in time");
_Static_assert(TYPING_MS + PL_REDIS_DEADLINE_MS < PL_TYPING_ENDS_MS,
    "typing is said again before clients believe that it ended");
_Static_assert(RESCUE_MS < RESPONDER_BUDGET_MS, "a new job is none to be rescued");

struct responder {
	struct responder_config config;
	struct pl_list jobs; /* struct job.link */
	size_t job_count;
	size_t load; /* of them, those before TELLING */
	size_t load_max;
	struct pl_timer sweep;
	bool is_sweeping; /* a claim of the sweep is on its way */
	bool is_behind;   /* there may be jobs that were left for later */
	struct limits *limits;
	bool is_stopping;
	bool is_closed;
	void (*on_idle)(void *arg);
	void *on_idle_arg;
};

struct job {
	struct pl_list link;
	struct responder *responder;
	bool is_of_sweep;
	bool is_telling;
	struct pl_oid id; /* the message's, where a wake-up named it */
	struct pl_message message;
	struct pl_user busy;
	struct pl_trace trace;
	int64_t deadline_mono_ms; /* for the LLM */
	int64_t give_up_mono_ms;
	int64_t attempt;
	bool is_unsure; /* an attempt to store the reply failed, and may have worked */
	bool is_composing;
	bool is_typing; /* as the sender was told */
	enum pl_reply_kind kind;
	struct pl_buf text;
	struct pl_message reply;
	struct pl_message_list history;
	struct limits_ask limits;
	struct completion completion;
	struct pl_timer timer; /* composing: typing; later: again */
	struct pl_store_write_call write;
	struct pl_store_read_call read;
	struct pl_redis_call telling;
};

static void sweep(struct responder *r);
static void store_reply(struct job *job);

/* ---- jobs ---- */

static bool
has_room(struct responder *r)
{
	if (r->load < r->load_max)
		return true;
	r->is_behind = true;
	return false;
}

static void
unload(struct responder *r)
{
	r->load--;
	if (!r->is_behind || r->is_stopping)
		return;
	r->is_behind = false;
	pl_timer_start(r->config.loop, &r->sweep, 0);
}

static struct job *
job_new(struct responder *r)
{
	struct job *job = pl_mem_zalloc(sizeof(*job));

	job->responder = r;
	pl_list_push(&r->jobs, &job->link);
	r->job_count++;
	r->load++;
	return job;
}

static void
job_free(struct job *job)
{
	struct responder *r = job->responder;

	completion_cancel(&job->completion);
	pl_timer_stop(r->config.loop, &job->timer);
	pl_redis_call_cancel(&job->telling);
	pl_list_unlink(&job->link);
	pl_message_fini(&job->message);
	pl_user_fini(&job->busy);
	pl_message_fini(&job->reply);
	pl_message_list_fini(&job->history);
	pl_buf_fini(&job->text);
	if (!job->is_telling)
		unload(r);
	pl_mem_free(job);
	r->job_count--;
	if (r->is_stopping && r->job_count == 0 && r->on_idle != NULL)
		r->on_idle(r->on_idle_arg);
}

/* Do it again after a while, or give the job up. */
static void
again(struct job *job, void (*on_fire)(struct pl_timer *t), int64_t delay_ms)
{
	struct pl_loop *loop = job->responder->config.loop;

	if (pl_loop_now_ms(loop) + delay_ms > job->give_up_mono_ms) {
		job_free(job);
		return;
	}
	job->timer.on_fire = on_fire;
	pl_timer_start(loop, &job->timer, delay_ms);
}

/* ---- telling ---- */

static void
publish(struct job *job, const struct pl_oid *user, const struct pl_buf *event,
    struct pl_redis_call *call)
{
	char channel[PL_CHANNEL_USER_LEN + 1];

	pl_channel_user(user, channel);
	pl_bus_publish(
	    job->responder->config.bus, pl_str(channel), pl_buf_str(event), call);
}

static void
say_typing(struct job *job, bool is_typing)
{
	struct pl_buf event;

	pl_buf_init(&event, PL_BUF_UNLIMITED);
	pl_event_typing(&event, &job->busy.id, is_typing, true);
	publish(job, &job->message.sender, &event, NULL);
	pl_buf_fini(&event);
}

static void
on_told(void *arg, enum pl_err err, const struct redisReply *reply)
{
	struct job *job = arg;

	(void)reply;
	if (err != PL_OK && !job->responder->is_stopping)
		pl_gap_note(job->responder->config.gap, job->reply.created_unix_ms);
	job_free(job);
}

/* The reply goes to whom wrote, and to the busy user's own pages, which show it too. */
static void
tell(struct job *job)
{
	struct pl_buf event;

	pl_buf_init(&event, PL_BUF_UNLIMITED);
	pl_event_message_sent(&event, &job->reply, &job->trace, PL_STR_NONE);
	publish(job, &job->reply.sender, &event, NULL);
	pl_buf_clear(&event);
	pl_event_new_message(&event, &job->reply, &job->trace);
	pl_redis_call_init(&job->telling, on_told, job);
	publish(job, &job->reply.receiver, &event, &job->telling);
	pl_buf_fini(&event);
}

/* ---- storing ---- */

static void
on_store_again(struct pl_timer *t)
{
	store_reply(t->arg);
}

static void
count_reply(const struct job *job)
{
	int64_t took_ms = job->reply.created_unix_ms - job->message.created_unix_ms;

	pl_metrics_count(PL_M_REPLIES, pl_reply_kind_name(job->kind), 1);
	pl_metrics_observe(PL_M_REPLY_SECONDS, NULL, took_ms * 1000);
}

/* The message has its reply: ours, whose answer got lost, or that of a process before us, which
 * may have died before it could tell. */
static void
note_untold(struct job *job)
{
	if ((job->is_unsure || job->attempt > 1) && !job->responder->is_stopping)
		pl_gap_note(job->responder->config.gap, job->message.created_unix_ms);
}

static void
on_stored(struct pl_store_write_call *call)
{
	struct job *job = PL_CONTAINER(call, struct job, write);
	enum pl_err err = call->write.err;

	if (err == PL_OK) {
		job->reply = call->write.u.reply.message;
		job->is_telling = true;
		unload(job->responder);
		count_reply(job);
		pl_log_info("reply was stored", PL_L_TRACE(&job->trace),
		    PL_L_OID("message", &job->message.id),
		    PL_L_OID("reply", &job->reply.id),
		    PL_L_CSTR("kind", pl_reply_kind_name(job->kind)),
		    PL_L_INT("attempt", job->attempt),
		    PL_L_INT("after_ms",
			job->reply.created_unix_ms - job->message.created_unix_ms));
		tell(job);
	} else if (err == PL_E_CONFLICT || err == PL_E_NOT_FOUND ||
		   err == PL_E_CANCELLED) {
		if (err == PL_E_CONFLICT)
			note_untold(job);
		job_free(job);
	} else {
		job->is_unsure = true;
		pl_log_warn("reply was not stored, will try again", PL_L_ERR(err),
		    PL_L_TRACE(&job->trace), PL_L_OID("message", &job->message.id),
		    PL_L_INT("wait_ms", STORE_AGAIN_MS));
		again(job, on_store_again, STORE_AGAIN_MS);
	}
}

static void
store_reply(struct job *job)
{
	job->write = (struct pl_store_write_call){.done = on_stored};
	job->write.write.kind = PL_WRITE_REPLY;
	job->write.write.u.reply = (struct pl_write_reply){
	    .in_reply_to = job->message.id,
	    .kind = job->kind,
	    .text = pl_buf_str(&job->text),
	};
	if (pl_store_async_write(job->responder->config.store, &job->write) != PL_OK)
		again(job, on_store_again, STORE_AGAIN_MS);
}

static void
reply_with(struct job *job, enum pl_reply_kind kind, struct pl_str text)
{
	/* Who had the job before, and died, may have told it. */
	if (job->is_typing || job->attempt > 1)
		say_typing(job, false);
	job->is_composing = false;
	pl_timer_stop(job->responder->config.loop, &job->timer);
	job->kind = kind;
	pl_buf_add_str(&job->text, text);
	store_reply(job);
}

static void
fall_back(struct job *job)
{
	reply_with(job, PL_REPLY_FALLBACK, pl_str(job->responder->config.fallback));
}

/* ---- composing ---- */

static void
on_typing_due(struct pl_timer *t)
{
	struct job *job = t->arg;

	job->is_typing = true;
	say_typing(job, true);
	pl_timer_start(job->responder->config.loop, t, TYPING_MS);
}

static void
on_completed(struct completion *c, enum pl_err err, struct pl_str text)
{
	struct job *job = PL_CONTAINER(c, struct job, completion);

	if (err == PL_OK)
		reply_with(job, PL_REPLY_LLM, text);
	else
		fall_back(job);
}

static void
compose(struct job *job)
{
	struct responder *r = job->responder;
	struct prompt prompt;

	prompt_init(&prompt, &job->busy, &job->message, &job->history,
	    r->config.context_messages);
	job->is_composing = true;
	job->completion.done = on_completed;
	job->completion.trace = &job->trace;
	completion_start(r->config.llm, &job->completion, &prompt, job->deadline_mono_ms);
	prompt_fini(&prompt);
	pl_message_list_fini(&job->history);
	job->timer.on_fire = on_typing_due;
	pl_timer_start(r->config.loop, &job->timer, 0);
}

/* ---- reading ---- */

/* On a reader thread. */
static enum pl_err
read_history(struct pl_store_read_call *call, struct pl_store *s)
{
	struct job *job = PL_CONTAINER(call, struct job, read);
	size_t before = job->responder->config.context_messages - 1;
	struct pl_message_pos pos = {job->message.created_unix_ms, job->message.id};

	if (before == 0)
		return PL_OK;
	return pl_store_messages_page(s, &job->message.sender, &job->message.receiver,
	    PL_PAGE_BEFORE, &pos, before, &job->history);
}

static void
on_read(struct pl_store_read_call *call)
{
	struct job *job = PL_CONTAINER(call, struct job, read);

	if (call->err == PL_E_CANCELLED)
		job_free(job);
	else if (call->err != PL_OK || job->responder->is_stopping)
		fall_back(job);
	else
		compose(job);
}

/* ---- may the LLM be asked? ---- */

static bool
may_ask(const struct job *job)
{
	const struct responder *r = job->responder;

	return r->config.llm != NULL && !r->is_stopping && job->attempt <= ATTEMPTS_MAX &&
	       job->deadline_mono_ms - pl_loop_now_ms(r->config.loop) >= ASK_LEFT_MS;
}

static void
on_limits(void *arg, bool is_granted)
{
	struct job *job = arg;

	if (job->responder->is_closed)
		return; /* responder_free() ends the job */
	if (!is_granted || !may_ask(job)) {
		fall_back(job);
		return;
	}
	job->read = (struct pl_store_read_call){.run = read_history, .done = on_read};
	if (pl_store_async_read(job->responder->config.store, &job->read) != PL_OK)
		fall_back(job);
}

/* Taking a place under the limits comes last. */
static void
start_reply(struct job *job)
{
	if (!may_ask(job)) {
		fall_back(job);
		return;
	}
	job->limits = (struct limits_ask){.on_answer = on_limits, .arg = job};
	limits_take(
	    job->responder->limits, &job->limits, &job->message.sender, &job->busy.id);
}

/* ---- claiming ---- */

static void
take_claimed(struct job *job, struct pl_write_claim *claim)
{
	struct pl_loop *loop = job->responder->config.loop;
	int64_t now = pl_loop_now_ms(loop);
	/* Clocks differ between machines: never more than the whole budget. */
	int64_t left_ms =
	    claim->message.created_unix_ms + RESPONDER_BUDGET_MS - pl_clock_unix_ms();

	if (left_ms > RESPONDER_BUDGET_MS)
		left_ms = RESPONDER_BUDGET_MS;
	job->message = claim->message;
	job->busy = claim->busy_user;
	job->attempt = claim->attempt;
	job->trace = claim->trace;
	job->deadline_mono_ms = now + left_ms;
	job->give_up_mono_ms = now + GIVE_UP_MS;
	job->timer = (struct pl_timer){.arg = job};
	pl_buf_init(&job->text, PL_BUF_UNLIMITED);
	pl_log_traced(&job->trace, "message was claimed for its reply",
	    PL_L_OID("message", &job->message.id), PL_L_INT("attempt", job->attempt));
}

static void
on_claimed(struct pl_store_write_call *call)
{
	struct job *job = PL_CONTAINER(call, struct job, write);
	struct responder *r = job->responder;
	bool is_of_sweep = job->is_of_sweep, is_taken = call->write.err == PL_OK;

	if (is_of_sweep)
		r->is_sweeping = false;
	if (is_taken) {
		take_claimed(job, &call->write.u.claim);
		start_reply(job);
	} else {
		job_free(job);
	}
	if (is_of_sweep && is_taken && !r->is_stopping)
		sweep(r);
}

/* The named message's job, or (NULL) the one due first. */
static bool
claim(struct responder *r, const struct pl_oid *message, int64_t due_before_unix_ms)
{
	struct job *job = job_new(r);

	job->is_of_sweep = message == NULL;
	if (message != NULL)
		job->id = *message;
	job->write.done = on_claimed;
	job->write.write.kind = PL_WRITE_REPLY_CLAIM;
	job->write.write.u.claim = (struct pl_write_claim){
	    .message_id = message != NULL ? &job->id : NULL,
	    .due_before_unix_ms = due_before_unix_ms,
	    .lease_ms = LEASE_MS,
	};
	if (pl_store_async_write(r->config.store, &job->write) == PL_OK)
		return true;
	job_free(job);
	return false;
}

/* One claim at a time, until there is none to take. At full load only what is nearly due: it
 * gets the standard text, in time. */
static void
sweep(struct responder *r)
{
	int64_t before = has_room(r) ? INT64_MAX : pl_clock_unix_ms() + RESCUE_MS;

	if (!r->is_sweeping)
		r->is_sweeping = claim(r, NULL, before);
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
	r->load_max = 2 * (size_t)config->concurrency;
	if (r->load_max < LOAD_LEAST)
		r->load_max = LOAD_LEAST;
	pl_list_init(&r->jobs);
	r->limits = limits_new(config->loop, config->redis, config->sender_per_minute,
	    config->user_per_minute);
	r->sweep = (struct pl_timer){.on_fire = on_sweep_due, .arg = r};
	pl_timer_start(config->loop, &r->sweep, 0);
	return r;
}

void
responder_wake(struct responder *r, const struct pl_oid *message)
{
	if (!r->is_stopping && has_room(r))
		(void)claim(r, message, INT64_MAX);
}

static void
on_stop_due(struct pl_timer *t)
{
	struct responder *r = t->arg;

	if (r->job_count == 0) {
		r->on_idle(r->on_idle_arg);
		return;
	}
	pl_list_for_each_safe(it, &r->jobs)
	{
		struct job *job = PL_CONTAINER(it, struct job, link);

		if (!job->is_composing)
			continue;
		completion_cancel(&job->completion);
		fall_back(job);
	}
}

void
responder_stop(struct responder *r, void (*on_idle)(void *arg), void *arg)
{
	r->is_stopping = true;
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
	pl_list_for_each_safe(it, &r->jobs) job_free(PL_CONTAINER(it, struct job, link));
	limits_free(r->limits);
	pl_mem_free(r);
}
