#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"
#include "completion.h"
#include "ops/metrics.h"

#define REQUEST_BYTES_MAX ((size_t)128 << 10) /* 8 KiB of text, escaped */
#define PAUSE_MS          300
#define PAUSE_JITTER_MS   200
#define ANSWER_MS         2000 /* a second call is not worth it with less left for it */
#define RETRY_LEFT_MS     3000

struct llm {
	struct pl_loop *loop;
	struct llm_config config;
	struct http_client *http;
	struct breaker breaker;
	struct pl_list queue; /* struct completion.link, the first come first */
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
	pl_quota_cancel(&c->quota);
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

/* Fixed facts of our set-up, by the server's word: another call gets the same answer. A 400 or
 * 422 is not among them: one conversation may cause it, and must not close the LLM to all. */
static bool
is_refusal(int status)
{
	return status == 401 || status == 402 || status == 403 || status == 404 ||
	       status == 410;
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
	else if (post->status == 200)
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

/* How long to wait before a second call; -1 where there is to be none. */
static int64_t
retry_pause_ms(const struct completion *c, const struct dialect_error *error)
{
	int64_t left_ms = c->deadline_mono_ms - pl_loop_now_ms(c->llm->loop);
	int64_t wait_ms = PAUSE_MS + pl_random_below(PAUSE_JITTER_MS);

	if (c->calls > 1 || !may_pass(&c->post) || left_ms < RETRY_LEFT_MS)
		return -1;
	if (c->post.retry_after_ms > wait_ms)
		wait_ms = c->post.retry_after_ms;
	if (error->retry_after_ms > wait_ms)
		wait_ms = error->retry_after_ms;
	return wait_ms + ANSWER_MS <= left_ms ? wait_ms : -1;
}

static void
on_failure(struct completion *c)
{
	struct llm *llm = c->llm;
	const struct http_post *post = &c->post;
	struct dialect_error error = {0};
	bool is_refused = post->err == PL_OK && is_refusal(post->status);
	int64_t now = pl_loop_now_ms(llm->loop), pause_ms;
	bool opened;

	if (post->err == PL_OK)
		dialect_read_error(pl_buf_str(&post->answer), llm->config.token, &error);
	opened = is_refused ? breaker_refused(&llm->breaker, now)
			    : breaker_failed(&llm->breaker, now);
	log_failure(c, &error, opened);
	pause_ms = retry_pause_ms(c, &error);
	if (pause_ms >= 0 && llm->breaker.state == BREAKER_CLOSED) {
		c->state = COMPLETION_PAUSED;
		pl_timer_start(llm->loop, &c->pause, pause_ms);
		return;
	}
	if (post->err == PL_E_TIMEOUT)
		finish(c, PL_E_TIMEOUT, PL_STR_NONE);
	else
		finish(c, is_refused ? PL_E_DENIED : PL_E_UNAVAILABLE, PL_STR_NONE);
}

static void
on_posted(struct http_post *post)
{
	struct completion *c = post->arg;
	struct pl_buf text;
	enum pl_err err = PL_E_INVALID;
	bool is_answered;

	pl_buf_init(&text, HTTP_POST_ANSWER_MAX);
	if (post->err == PL_OK && post->status == 200)
		err = dialect_read_answer(pl_buf_str(&post->answer), &text);
	is_answered = err == PL_OK || err == PL_E_NOT_FOUND;
	pl_metrics_count(PL_M_LLM_REQUESTS, is_answered ? "ok" : "failed", 1);
	pl_metrics_observe(
	    PL_M_LLM_SECONDS, NULL, pl_clock_mono_us() - c->called_mono_us);
	if (is_answered) {
		pl_log_traced(c->trace, "LLM answered",
		    PL_L_INT(
			"after_ms", (pl_clock_mono_us() - c->called_mono_us) / 1000));
		breaker_succeeded(&c->llm->breaker);
		finish(c, err, pl_buf_str(&text));
	} else {
		on_failure(c);
	}
	pl_buf_fini(&text);
}

/* ---- calling ---- */

static void
on_quota(void *arg, bool is_granted)
{
	struct completion *c = arg;
	struct llm *llm = c->llm;
	int64_t now = pl_loop_now_ms(llm->loop);

	if (!is_granted) {
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
	c->quota = (struct pl_quota_ask){.on_answer = on_quota, .arg = c};
	pl_quota_take(llm->config.quota, &c->quota);
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
		/* As libcurl would have told a moment later. */
		http_post_cancel(&c->post);
		c->post.err = PL_E_TIMEOUT;
		c->post.detail = "no answer by the deadline";
		c->post.status = 0;
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
	c->deadline_mono_ms = deadline_mono_ms;
	c->deadline = (struct pl_timer){.on_fire = on_deadline, .arg = c};
	c->pause = (struct pl_timer){.on_fire = on_pause_over, .arg = c};
	pl_buf_init(&c->body, REQUEST_BYTES_MAX);
	dialect_write_request(&c->body, &llm->config.dialect, prompt);
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
	/* It may have been the probe, and somebody has to say what became of that. */
	if (c->state == COMPLETION_CALLING)
		(void)breaker_failed(&c->llm->breaker, pl_loop_now_ms(c->llm->loop));
	leave(c);
}
