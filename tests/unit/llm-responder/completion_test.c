#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/mem.h"
#include "ops/metrics.h"
#include "ops/settings.h"
#include "services/llm-responder/completion.h"
#include "support/fake_loop.h"

#define BUDGET_MS 6000
#define ANSWER    "{\"choices\":[{\"message\":{\"content\":\"Later!\"}}]}"

/* ---- the server, which the test plays ---- */

static struct http_post *posted; /* the last one that is on its way */
static int posts;

struct http_client *
http_client_new(struct pl_loop *loop, const struct http_client_config *config)
{
	static char client;

	(void)loop, (void)config;
	return (struct http_client *)(void *)&client; /* never looked into */
}

void
http_client_free(struct http_client *client)
{
	(void)client;
}

void
http_post_start(struct http_client *client, struct http_post *post, int64_t timeout_ms)
{
	(void)client, (void)timeout_ms;
	pl_buf_fini(&post->answer);
	pl_buf_init(&post->answer, HTTP_POST_ANSWER_MAX);
	posted = post;
	posts++;
}

void
http_post_cancel(struct http_post *post)
{
	if (post == posted)
		posted = NULL;
}

void
http_post_fini(struct http_post *post)
{
	http_post_cancel(post);
	pl_buf_fini(&post->answer);
}

static void
server_answers(int status, const char *body)
{
	struct http_post *post = posted;

	posted = NULL;
	post->err = PL_OK;
	post->status = status;
	pl_buf_add_cstr(&post->answer, body);
	post->done(post);
}

/* ---- the fixture ---- */

struct world {
	struct pl_loop *loop;
	struct pl_shared_limit *quota;
	struct llm *llm;
	struct completion completion;
	struct pl_trace trace;
	enum pl_err err;
	int ends;
};

static void
on_done(struct completion *c, enum pl_err err, struct pl_str text)
{
	struct world *w = PL_CONTAINER(c, struct world, completion);

	assert_int_equal(text.len > 0, err == PL_OK);
	w->err = err;
	w->ends++;
}

static int
setup(void **state)
{
	static struct world w;
	struct llm_config config = {.url = "http://127.0.0.1",
	    .dialect = {.kind = ENDPOINT_CHAT, .model = "m"},
	    .concurrency = 1};

	w = (struct world){.loop = fake_loop_new()};
	w.quota = pl_shared_limit_new_day(w.loop, NULL, "llm", 0);
	config.quota = w.quota;
	w.llm = llm_new(w.loop, &config);
	posts = 0;
	*state = &w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	completion_cancel(&w->completion);
	llm_free(w->llm);
	pl_shared_limit_free(w->quota);
	fake_loop_free(w->loop);
	return 0;
}

static void
start(struct world *w)
{
	static char name[] = "Bea", text[] = "Are you there?";
	struct pl_user busy = {.full_name = name};
	struct pl_message message = {.text = text, .text_len = sizeof(text) - 1};
	struct pl_message_list history = {0};
	struct prompt prompt;

	prompt_init(&prompt, &busy, &message, &history, 1);
	w->completion = (struct completion){.trace = &w->trace, .done = on_done};
	completion_start(
	    w->llm, &w->completion, &prompt, pl_loop_now_ms(w->loop) + BUDGET_MS);
	prompt_fini(&prompt);
	fake_loop_run(w->loop);
}

/* The value of a metric in this process. */
static unsigned
value_of(const char *name)
{
	struct pl_buf text;
	unsigned value = 0;
	const char *at;

	pl_buf_init(&text, PL_BUF_UNLIMITED);
	pl_metrics_print(&text, PL_SVC_RESPONDER);
	at = strstr(text.data, name);
	assert_non_null(at);
	assert_int_equal(sscanf(at + strlen(name), " %u", &value), 1);
	pl_buf_fini(&text);
	return value;
}

#define REQUESTS(outcome) value_of("\nparley_llm_requests_total{outcome=\"" outcome "\"}")
#define TIMED             value_of("\nparley_llm_seconds_count")

/* ---- calls are counted ---- */

static void
counts_a_call_that_was_answered(void **state)
{
	struct world *w = *state;
	unsigned ok = REQUESTS("ok"), failed = REQUESTS("failed"), timed = TIMED;

	start(w);
	server_answers(200, ANSWER);
	assert_int_equal(w->ends, 1);
	assert_int_equal(w->err, PL_OK);
	assert_int_equal(REQUESTS("ok"), ok + 1);
	assert_int_equal(REQUESTS("failed"), failed);
	assert_int_equal(TIMED, timed + 1);
}

static void
counts_each_try_of_a_server_that_fails(void **state)
{
	struct world *w = *state;
	unsigned failed = REQUESTS("failed");

	start(w);
	server_answers(503, "");
	fake_loop_advance(w->loop, 1000);
	assert_int_equal(posts, 2);
	server_answers(503, "");
	assert_int_equal(w->err, PL_E_UNAVAILABLE);
	assert_int_equal(REQUESTS("failed"), failed + 2);
}

static void
counts_a_call_that_has_no_answer_by_the_deadline(void **state)
{
	struct world *w = *state;
	unsigned failed = REQUESTS("failed"), timed = TIMED;

	start(w);
	assert_non_null(posted);
	fake_loop_advance(w->loop, BUDGET_MS);
	assert_null(posted);
	assert_int_equal(w->ends, 1);
	assert_int_equal(w->err, PL_E_TIMEOUT);
	assert_int_equal(REQUESTS("failed"), failed + 1);
	assert_int_equal(TIMED, timed + 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		counts_a_call_that_was_answered, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		counts_each_try_of_a_server_that_fails, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		counts_a_call_that_has_no_answer_by_the_deadline, setup, teardown),
	};

	return cmocka_run_group_tests_name("completion", tests, NULL, NULL);
}
