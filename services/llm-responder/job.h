/*
 * job: how far the reply to one message has come, and what comes next.
 *
 *   CLAIMING --> CHECKING --> READING --> COMPOSING --> STORING <--> PAUSED
 *     | |           |            |            |          ^ | |
 *     | '-----------+------------+------------+----------' | '----> PUBLISHING
 *     |                the standard text                   |           |
 *     '-- no message --> OVER <-- it has a reply, or is gone           |
 *                         ^--------------------------------------------'
 *
 * Each state asks for something, and job_next(), the one place where the state changes,
 * gets what that came to:
 *
 *   state       asks                         if well            otherwise
 *   CLAIMING    the store for a message      CHECKING *         OVER
 *   CHECKING    the limits for a place       READING *          STORING the standard text
 *   READING     the store for what was said  COMPOSING *        STORING the standard text
 *   COMPOSING   the LLM for a text           STORING it         STORING the standard text
 *   STORING     the store to keep the reply  PUBLISHING         PAUSED, in the end OVER
 *   PAUSED      the clock for half a second  STORING
 *   PUBLISHING  the bus to carry the reply   OVER               OVER, and owes a gap
 *
 *   * STORING the standard text, if the LLM may not be asked any more
 *
 *   budget   From the message's createdAt the LLM has JOB_BUDGET_MS. It is not asked if
 *            less than JOB_ASK_LEFT_MS of that is left, nor after JOB_ATTEMPTS_MAX claims:
 *            the processes that made those may have died of this very message.
 *   lease    For JOB_LEASE_MS nobody else takes the message. That is longer than the
 *            budget, so a process that lives is not overtaken. It also ends early enough
 *            for another to store the standard text in time.
 *   cancel   When CLAIMING, READING or STORING is cancelled, the store goes away: the job
 *            is OVER, and a later claim finds the message. When COMPOSING is, this process
 *            ends: the standard text is stored.
 *
 * Pure.  Threads: any.
 */
#ifndef RESPONDER_JOB_H
#define RESPONDER_JOB_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "model/message.h"

/* The rest of PL_REPLY_WITHIN_MS is for storing and delivering. */
#define JOB_BUDGET_MS      (PL_REPLY_WITHIN_MS - 1500)
#define JOB_LEASE_MS       (JOB_BUDGET_MS + 300)
#define JOB_ATTEMPTS_MAX   2
#define JOB_ASK_LEFT_MS    500
#define JOB_STORE_AGAIN_MS 500
#define JOB_GIVE_UP_MS     120000 /* after that, a later claim may do better */

enum job_state {
	JOB_CLAIMING,
	JOB_CHECKING,
	JOB_READING,
	JOB_COMPOSING,
	JOB_STORING,
	JOB_PAUSED,
	JOB_PUBLISHING,
	JOB_OVER,
};

/* What is the same for all jobs of a process. */
struct job_rules {
	bool has_llm;
	bool is_stopping;
};

struct job {
	const struct job_rules *rules;
	enum job_state state;
	enum pl_reply_kind kind;  /* from STORING on: whose text it is */
	int64_t attempt;          /* how many times the message was claimed */
	int64_t deadline_mono_ms; /* of the LLM */
	int64_t give_up_mono_ms;
	bool may_be_stored; /* already: by a try of ours, or by a process that died */
	bool owes_gap; /* OVER, and a user may not have got the reply: note the gap */
};

/* CLAIMING. rules stays borrowed. */
void job_init(struct job *job, const struct job_rules *rules);
/* What was claimed, before job_next(): the message is age_ms old, by clocks that may
 * differ. */
void job_claimed(struct job *job, int64_t attempt, int64_t age_ms, int64_t now_mono_ms);
/* What the state asked for came to outcome; of CHECKING, PL_OK is a place. Begin what the
 * state that it returns asks for. */
enum job_state job_next(struct job *job, enum pl_err outcome, int64_t now_mono_ms);

/* Does it hold the process up? A reply that is stored does not. */
static inline bool
job_is_load(const struct job *job)
{
	return job->state < JOB_PUBLISHING;
}

#endif
