#include "job.h"

#include <assert.h>

_Static_assert(JOB_LEASE_MS > JOB_BUDGET_MS,
    "nobody takes a message that a living process works at");

void
job_init(struct job *job, const struct job_rules *rules)
{
	*job = (struct job){.rules = rules, .state = JOB_CLAIMING};
}

void
job_claimed(struct job *job, int64_t attempt, int64_t age_ms, int64_t now_mono_ms)
{
	assert(job->state == JOB_CLAIMING);
	/* Clocks differ between machines: never more than the whole budget. */
	job->deadline_mono_ms = now_mono_ms + JOB_BUDGET_MS - (age_ms > 0 ? age_ms : 0);
	job->give_up_mono_ms = now_mono_ms + JOB_GIVE_UP_MS;
	job->attempt = attempt;
	job->may_be_stored = attempt > 1;
}

static bool
may_ask_llm(const struct job *job, int64_t now_mono_ms)
{
	return job->rules->has_llm && !job->rules->is_stopping &&
	       job->attempt <= JOB_ATTEMPTS_MAX &&
	       job->deadline_mono_ms - now_mono_ms >= JOB_ASK_LEFT_MS;
}

static enum job_state
store(struct job *job, enum pl_reply_kind kind)
{
	job->kind = kind;
	return JOB_STORING;
}

/* The way to the LLM's text goes on to `next`, or ends at the standard text. */
static enum job_state
go_on_if(struct job *job, bool is_well, enum job_state next)
{
	return is_well ? next : store(job, PL_REPLY_FALLBACK);
}

static enum job_state
end(struct job *job, bool leaves_gap)
{
	/* The next process that starts notes a gap for what was stored just before. */
	job->owes_gap = leaves_gap && !job->rules->is_stopping;
	return JOB_OVER;
}

static enum job_state
after_storing(struct job *job, enum pl_err outcome, int64_t now_mono_ms)
{
	switch (outcome) {
	case PL_OK:
		return JOB_PUBLISHING;
	case PL_E_CONFLICT: /* stored before, by us or by a process that may have died */
		return end(job, job->may_be_stored);
	case PL_E_NOT_FOUND:
	case PL_E_DENIED: /* one of the two has blocked the other meanwhile */
	case PL_E_CANCELLED:
		return end(job, false);
	case PL_E_BUSY: /* not even tried */
		break;
	default:
		job->may_be_stored = true;
		break;
	}
	return now_mono_ms + JOB_STORE_AGAIN_MS > job->give_up_mono_ms ? end(job, false)
								       : JOB_PAUSED;
}

static enum job_state
after(struct job *job, enum pl_err outcome, int64_t now_mono_ms)
{
	switch (job->state) {
	case JOB_CLAIMING:
		if (outcome != PL_OK)
			return end(job, false);
		return go_on_if(job, may_ask_llm(job, now_mono_ms), JOB_CHECKING);
	case JOB_CHECKING:
		return go_on_if(
		    job, outcome == PL_OK && may_ask_llm(job, now_mono_ms), JOB_READING);
	case JOB_READING:
		if (outcome == PL_E_CANCELLED)
			return end(job, false);
		return go_on_if(
		    job, outcome == PL_OK && !job->rules->is_stopping, JOB_COMPOSING);
	case JOB_COMPOSING:
		return store(job, outcome == PL_OK ? PL_REPLY_LLM : PL_REPLY_FALLBACK);
	case JOB_STORING:
		return after_storing(job, outcome, now_mono_ms);
	case JOB_PAUSED:
		return JOB_STORING;
	case JOB_PUBLISHING:
		return end(job, outcome != PL_OK);
	case JOB_OVER:
		break;
	}
	assert(job->state != JOB_OVER); /* nothing comes to a job that is over */
	return JOB_OVER;
}

enum job_state
job_next(struct job *job, enum pl_err outcome, int64_t now_mono_ms)
{
	job->state = after(job, outcome, now_mono_ms);
	return job->state;
}
