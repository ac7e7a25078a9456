#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"
#include "completion.h"
#include "ops/metrics.h"

#define REQUEST_BYTES_MAX ((size_t)128 << 10) /* 8 KiB of text, escaped */
#define PAUSE_MS          300
#define PAUSE_JITTER_MS   200
#define ANSWER_MS         2000 /* the least that is worth a second call */
#define RETRY_LEFT_MS     3000
#define ADAPT_LEFT_MS     1000 /* less than that: a refused option cost no time */
#define CALLS_MAX         4
_Static_assert(RETRY_LEFT_MS >= PAUSE_MS + PAUSE_JITTER_MS + ANSWER_MS,
    "after the pause there is time for an answer");

struct llm {
	struct pl_loop *loop;
	struct llm_config config;
	struct dialect_options options; /* those that the server is known to take */
	struct http_client *http;
	struct breaker breaker;
	struct pl_list queue; /* struct completion.link, in the order they came */
	unsigned slots_used;
	struct pl_timer kick; /* fills free slots */
	struct pl_metrics_source metrics;
};

static void fill_slots(struct llm *llm);

/* ---- ending ---- */

static void
leave(struct completion *c)
{
	struct llm *llm = c->llm;

	if (c->state != COMPLETION_IDLE && c->state != COMPLETION_QUEUED) {
		llm->slots_used--;
		pl_timer_start(llm->loop, &llm->kick, 0);
	}
	pl_list_unlink(&c->link);
	pl_shared_limit_cancel(&c->quota);
	pl_timer_stop(llm->loop, &c->deadline);
	pl_timer_stop(llm->loop, &c->pause);
	http_post_fini(&c->post);
	pl_buf_fini(&c->body);
	c->state = COMPLETION_IDLE;
}

static void
finish(struct completion *c, enum pl_err err, struct pl_str text)
{
	leave(c);
	c->done(c, err, text);
}

/* ---- what became of a call ---- */

enum verdict {
	VERDICT_ANSWERED, /* the server works, whatever it says of this request */
	VERDICT_FAILED,   /* the server fails, or the way to it */
	VERDICT_REFUSED,  /* it refuses our set-up: another call gets the same */
};

/* For the breaker, which counts what is the server's fault. One conversation may cause a
 * 400, a 422, or a 200 that is no answer, and must not close the LLM to all. */
static enum verdict
judge(const struct http_post *post, const struct dialect_error *error)
{
	if (post->err != PL_OK)
		return post->err == PL_E_TOO_BIG ? VERDICT_ANSWERED : VERDICT_FAILED;
	switch (post->status) {
	case 403:
		return error->blames_message ? VERDICT_ANSWERED : VERDICT_REFUSED;
	case 401:
	case 402: /* the account is empty */
	case 404: /* no such model, or the wrong URL */
	case 410:
		return VERDICT_REFUSED;
	case 405:
	case 407:
	case 408:
	case 429:
		return VERDICT_FAILED;
	default:
		return post->status >= 500 || post->status < 200 ||
			       post->status / 100 == 3
			   ? VERDICT_FAILED
			   : VERDICT_ANSWERED;
	}
}

static bool
is_success(const struct http_post *post)
{
	return post->err == PL_OK && post->status / 100 == 2;
}

static bool
may_pass(const struct http_post *post)
{
	if (post->err != PL_OK)
		return post->err == PL_E_UNAVAILABLE;
	return post->status == 429 || post->status == 502 || post->status == 503 ||
	       post->status == 504;
}

static void
log_failure(const struct completion *c, const struct dialect_error *error, bool opened)
{
	const struct llm *llm = c->llm;
	const struct http_post *post = &c->post;
	const char *detail = error->text;

	if (post->detail != NULL)
		detail = post->detail;
	else if (is_success(post) && detail[0] == '\0')
		detail = "not an answer of a known form";
	if (opened)
		pl_log_warn("LLM failed, standard texts are sent until it is asked again",
		    PL_L_TRACE(c->trace), PL_L_INT("status", post->status),
		    PL_L_CSTR("detail", detail),
		    PL_L_INT("wait_ms",
			llm->breaker.open_until_mono_ms - pl_loop_now_ms(llm->loop)));
	else
		pl_log_info("LLM call failed", PL_L_TRACE(c->trace),
		    PL_L_INT("status", post->status), PL_L_CSTR("detail", detail));
}

/* How long to wait before a second call; -1: there is to be none. */
static int64_t
retry_pause_ms(const struct completion *c, const struct dialect_error *error)
{
	int64_t left_ms = c->deadline_mono_ms - pl_loop_now_ms(c->llm->loop);
	int64_t wait_ms = PAUSE_MS + pl_random_below(PAUSE_JITTER_MS);

	if (c->has_retried || c->calls >= CALLS_MAX || !may_pass(&c->post) ||
	    left_ms < RETRY_LEFT_MS)
		return -1;
	if (c->post.retry_after_ms > wait_ms)
		wait_ms = c->post.retry_after_ms;
	if (error->retry_after_ms > wait_ms)
		wait_ms = error->retry_after_ms;
	return wait_ms + ANSWER_MS <= left_ms ? wait_ms : -1;
}

/* True: this opened the breaker. */
static bool
note_verdict(struct llm *llm, enum verdict verdict)
{
	int64_t now = pl_loop_now_ms(llm->loop);

	if (verdict == VERDICT_REFUSED)
		return breaker_refused(&llm->breaker, now);
	if (verdict == VERDICT_FAILED)
		return breaker_failed(&llm->breaker, now);
	if (llm->breaker.state != BREAKER_OPEN) /* it opened after this call had begun */
		breaker_succeeded(&llm->breaker);
	return false;
}

static void
call_after(struct completion *c, int64_t pause_ms)
{
	c->state = COMPLETION_PAUSED;
	pl_timer_start(c->llm->loop, &c->pause, pause_ms);
}

/* The server refused one of our options, and may take the request without it. */
static bool
adapts(struct completion *c)
{
	const struct http_post *post = &c->post;
	int64_t left_ms = c->deadline_mono_ms - pl_loop_now_ms(c->llm->loop);

	if (post->err != PL_OK || (post->status != 400 && post->status != 422) ||
	    c->calls >= CALLS_MAX || left_ms < ADAPT_LEFT_MS)
		return false;
	if (!dialect_adapt(
		&c->llm->config.dialect, pl_buf_str(&post->answer), &c->options))
		return false;
	c->is_adapted = true;
	return true;
}

static void
on_failure(struct completion *c)
{
	struct llm *llm = c->llm;
	const struct http_post *post = &c->post;
	struct dialect_error error = {0};
	enum verdict verdict;
	int64_t pause_ms;

	if (post->err == PL_OK)
		dialect_read_error(pl_buf_str(&post->answer), llm->config.token, &error);
	verdict = judge(post, &error);
	log_failure(c, &error, note_verdict(llm, verdict));
	pause_ms = adapts(c) ? 0 : retry_pause_ms(c, &error);
	if (pause_ms >= 0 && llm->breaker.state == BREAKER_CLOSED) {
		c->has_retried = c->has_retried || verdict == VERDICT_FAILED;
		call_after(c, pause_ms);
		return;
	}
	if (post->err == PL_E_TIMEOUT)
		finish(c, PL_E_TIMEOUT, PL_STR_NONE);
	else
		finish(c, verdict == VERDICT_REFUSED ? PL_E_DENIED : PL_E_UNAVAILABLE,
		    PL_STR_NONE);
}

/* The next call begins with the options that the server took. */
static void
remember_options(struct completion *c)
{
	if (!c->is_adapted)
		return;
	c->llm->options = c->options;
	pl_log_info(
	    "LLM refuses some options, later requests do without", PL_L_TRACE(c->trace));
}

static void
on_answer(struct completion *c, enum pl_err err, struct pl_str text)
{
	pl_log_traced(c->trace, "LLM answered",
	    PL_L_INT("after_ms", (pl_clock_mono_us() - c->called_mono_us) / 1000));
	remember_options(c);
	breaker_succeeded(&c->llm->breaker);
	finish(c, err, text);
}

static void
count_call(const struct completion *c, bool is_answered)
{
	pl_metrics_count(PL_M_LLM_REQUESTS, is_answered ? "ok" : "failed", 1);
	pl_metrics_observe(
	    PL_M_LLM_SECONDS, NULL, pl_clock_mono_us() - c->called_mono_us);
}

static void
on_posted(struct http_post *post)
{
	struct completion *c = post->arg;
	struct pl_buf text;
	enum pl_err err = PL_E_INVALID;
	bool is_answered;

	pl_buf_init(&text, HTTP_POST_ANSWER_MAX);
	if (is_success(post))
		err = dialect_read_answer(pl_buf_str(&post->answer), &text);
	is_answered = err == PL_OK || err == PL_E_NOT_FOUND;
	count_call(c, is_answered);
	if (is_answered)
		on_answer(c, err, pl_buf_str(&text));
	else
		on_failure(c);
	pl_buf_fini(&text);
}

/* ---- calling ---- */

/* The options follow the prompt, and are written for each call: another completion may
 * have found out what the server takes. */
static void
write_options(struct completion *c)
{
	if (!c->is_adapted)
		c->options = c->llm->options;
	c->body.len = c->prompt_len;
	dialect_write_options(&c->body, &c->llm->config.dialect, &c->options);
}

static void
on_quota(void *arg, int64_t wait_ms)
{
	struct completion *c = arg;
	struct llm *llm = c->llm;
	int64_t now = pl_loop_now_ms(llm->loop);

	if (wait_ms > 0) {
		finish(c, PL_E_DENIED, PL_STR_NONE);
		return;
	}
	if (!breaker_allows(&llm->breaker, now)) { /* it opened meanwhile */
		finish(c, PL_E_UNAVAILABLE, PL_STR_NONE);
		return;
	}
	c->state = COMPLETION_CALLING;
	c->calls++;
	c->called_mono_us = pl_clock_mono_us();
	write_options(c);
	c->post.body = pl_buf_str(&c->body);
	c->post.trace = c->trace;
	c->post.done = on_posted;
	c->post.arg = c;
	http_post_start(llm->http, &c->post, c->deadline_mono_ms - now);
}

/* c holds a slot. */
static void
call(struct completion *c)
{
	struct llm *llm = c->llm;

	c->state = COMPLETION_ASKING;
	if (breaker_is_shut(&llm->breaker, pl_loop_now_ms(llm->loop))) {
		finish(c, PL_E_UNAVAILABLE, PL_STR_NONE);
		return;
	}
	c->quota = (struct pl_limit_ask){.on_answer = on_quota, .arg = c};
	pl_shared_limit_take(llm->config.quota, PL_STR_NONE, &c->quota);
}

static void
on_pause_over(struct pl_timer *t)
{
	call(t->arg);
}

static void
on_kick(struct pl_timer *t)
{
	fill_slots(t->arg);
}

static void
fill_slots(struct llm *llm)
{
	while (
	    llm->slots_used < llm->config.concurrency && !pl_list_is_empty(&llm->queue)) {
		struct completion *c =
		    PL_CONTAINER(pl_list_pop(&llm->queue), struct completion, link);

		llm->slots_used++;
		call(c);
	}
}

static void
on_deadline(struct pl_timer *t)
{
	struct completion *c = t->arg;

	if (c->state == COMPLETION_CALLING) {
		/* What libcurl would say a moment later. */
		http_post_cancel(&c->post);
		c->post.err = PL_E_TIMEOUT;
		c->post.detail = "no answer by the deadline";
		c->post.status = 0;
		count_call(c, false);
		on_failure(c);
	} else {
		finish(c, PL_E_TIMEOUT, PL_STR_NONE);
	}
}

/* ---- outside ---- */

static void
collect(void *arg)
{
	const struct llm *llm = arg;

	pl_metrics_set(PL_M_LLM_IN_FLIGHT, NULL, llm->slots_used);
	pl_metrics_set(PL_M_LLM_BREAKER_OPEN, NULL, llm->breaker.state != BREAKER_CLOSED);
}

struct llm *
llm_new(struct pl_loop *loop, const struct llm_config *config)
{
	struct http_client_config http = {.url = config->url,
	    .token = config->token,
	    .connections_max = config->concurrency};
	struct http_client *client = http_client_new(loop, &http);
	struct llm *llm;

	if (client == NULL)
		return NULL;
	llm = pl_mem_zalloc(sizeof(*llm));
	llm->loop = loop;
	llm->config = *config;
	llm->options = config->options;
	llm->http = client;
	llm->kick = (struct pl_timer){.on_fire = on_kick, .arg = llm};
	pl_list_init(&llm->queue);
	llm->metrics = (struct pl_metrics_source){.collect = collect, .arg = llm};
	pl_metrics_add_source(&llm->metrics);
	return llm;
}

void
llm_free(struct llm *llm)
{
	if (llm == NULL)
		return;
	pl_metrics_remove_source(&llm->metrics);
	pl_timer_stop(llm->loop, &llm->kick);
	http_client_free(llm->http);
	pl_mem_free(llm);
}

void
completion_start(struct llm *llm, struct completion *c, const struct prompt *prompt,
    int64_t deadline_mono_ms)
{
	c->llm = llm;
	c->state = COMPLETION_QUEUED;
	c->calls = 0;
	c->has_retried = false;
	c->is_adapted = false;
	c->deadline_mono_ms = deadline_mono_ms;
	c->deadline = (struct pl_timer){.on_fire = on_deadline, .arg = c};
	c->pause = (struct pl_timer){.on_fire = on_pause_over, .arg = c};
	pl_buf_init(&c->body, REQUEST_BYTES_MAX);
	dialect_write_prompt(&c->body, &llm->config.dialect, prompt);
	c->prompt_len = c->body.len;
	pl_list_push(&llm->queue, &c->link);
	pl_timer_start(
	    llm->loop, &c->deadline, deadline_mono_ms - pl_loop_now_ms(llm->loop));
	pl_timer_start(llm->loop, &llm->kick, 0);
}

void
completion_cancel(struct completion *c)
{
	if (c->state == COMPLETION_IDLE)
		return;
	/* It may have been the breaker's probe, whose end has to be reported. */
	if (c->state == COMPLETION_CALLING)
		(void)breaker_failed(&c->llm->breaker, pl_loop_now_ms(c->llm->loop));
	leave(c);
}
