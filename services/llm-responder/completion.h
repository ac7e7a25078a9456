/*
 * completion: one answer of the LLM to one prompt, by a deadline.
 *
 *   QUEUED --a slot is free--> ASKING --the day's quota has one--> CALLING --> done
 *                                 ^                                   |
 *                                 '-------- PAUSED <--worth a retry---'
 *
 * At most `concurrency` are ASKING, CALLING or PAUSED; others wait, until their deadline.
 *
 * A second call is made if there was no connection, or the answer was 429, 502, 503 or
 * 504, and if there is time for the wait that the server asks for and for an answer. If
 * the server refuses one of our options (max_tokens, temperature), it is asked again at
 * once, without the option or with the name that it wants; the options that it then takes
 * are remembered for all. In all there are at most 4 calls, and each counts against the
 * day's quota.
 *
 * A server that fails is left alone for a while (breaker.h), so that its failures cost no
 * waiting. A failure is no connection, a time-out, 5xx, 429, or another status that
 * refuses our set-up. An answer that this one conversation may have caused (400, 422,
 * empty, odd) is none.
 * Threads: the loop's.
 */
#ifndef RESPONDER_COMPLETION_H
#define RESPONDER_COMPLETION_H

#include "breaker.h"
#include "limits/shared_limit.h"
#include "dialect.h"
#include "http_post.h"
#include "proto/trace.h"

struct llm;

struct llm_config {
	const char *url;
	const char *token; /* NULL: none */
	struct dialect dialect;
	struct dialect_options options; /* as they are set */
	unsigned concurrency;
	struct pl_shared_limit *quota; /* of calls; borrowed */
};

/* NULL: libcurl did not start. What config points at is borrowed until llm_free(). */
struct llm *llm_new(struct pl_loop *loop, const struct llm_config *config);
void llm_free(struct llm *llm); /* no completion may be under way */

enum completion_state {
	COMPLETION_IDLE,    /* not started, or done */
	COMPLETION_QUEUED,  /* in llm->queue */
	COMPLETION_ASKING,  /* asks the day's quota; holds a slot */
	COMPLETION_CALLING, /* its post is on its way; holds a slot */
	COMPLETION_PAUSED,  /* waits to call again; holds a slot */
};

/* The caller's; zero it, set done and trace. */
struct completion {
	const struct pl_trace *trace; /* of the message; borrowed until done */
	/* text: the cleaned answer, borrowed until done returns. Failures:
	 *   PL_E_TIMEOUT
	 *   PL_E_UNAVAILABLE   the server failed, gave no answer, or is being left alone
	 *   PL_E_DENIED        it refuses us, or the day's quota is used up
	 *   PL_E_NOT_FOUND     its answer said nothing */
	void (*done)(struct completion *c, enum pl_err err, struct pl_str text);
	/* inside */
	struct llm *llm;
	struct pl_list link;
	enum completion_state state;
	unsigned calls;
	bool has_retried; /* after a failure */
	bool is_adapted;  /* options differ from the LLM's */
	struct dialect_options options;
	size_t prompt_len; /* of body: what comes before the options */
	int64_t deadline_mono_ms;
	int64_t called_mono_us;
	struct pl_timer deadline;
	struct pl_timer pause;
	struct pl_buf body;
	struct pl_limit_ask quota;
	struct http_post post;
};

/* prompt is used at once, not kept. done comes once, by the deadline, never from here. */
void completion_start(struct llm *llm, struct completion *c, const struct prompt *prompt,
    int64_t deadline_mono_ms);
void completion_cancel(struct completion *c); /* done is not called any more */

#endif
