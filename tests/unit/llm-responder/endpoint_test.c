#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/llm-responder/endpoint.h"

static enum pl_err
try(const char *url, const char *token, enum pl_llm_dialect dialect, struct endpoint *out)
{
	struct endpoint_config config = {.url = url, .token = token, .dialect = dialect};
	const char *why = NULL;
	enum pl_err err = endpoint_init(out, &config, &why);

	if (err != PL_OK)
		assert_non_null(strstr(why, "LLM_"));
	return err;
}

static void
assert_endpoint(const char *url, enum pl_llm_dialect dialect, enum endpoint_kind kind,
    const char *expected)
{
	struct endpoint e;

	assert_int_equal(try(url, "hf_token", dialect, &e), PL_OK);
	assert_int_equal(e.kind, kind);
	assert_string_equal(e.url, expected);
	endpoint_fini(&e);
}

static void
has_no_llm_without_url_and_token(void **state)
{
	struct endpoint e;

	(void)state;
	assert_int_equal(try(NULL, NULL, PL_LLM_AUTO, &e), PL_OK);
	assert_int_equal(e.kind, ENDPOINT_NONE);
	assert_null(e.url);
	assert_true(pl_str_eq(endpoint_shown(&e), PL_STR("none")));
	endpoint_fini(&e);
}

static void
asks_hugging_face_with_a_token_alone(void **state)
{
	struct endpoint e;

	(void)state;
	assert_endpoint(NULL, PL_LLM_AUTO, ENDPOINT_CHAT,
	    "https://router.huggingface.co/v1/chat/completions");
	assert_int_equal(try(NULL, "hf_token", PL_LLM_TEXT, &e), PL_E_INVALID);
}

static void
knows_the_dialect_by_the_path(void **state)
{
	static const struct {
		const char *url;
		enum endpoint_kind kind;
		const char *expected;
	} cases[] = {
	    {"https://a.b", ENDPOINT_CHAT, "https://a.b/v1/chat/completions"},
	    {"https://a.b/", ENDPOINT_CHAT, "https://a.b/v1/chat/completions"},
	    {"https://a.b:8443/v1", ENDPOINT_CHAT,
		"https://a.b:8443/v1/chat/completions"},
	    {"https://a.b/x/v1/", ENDPOINT_CHAT, "https://a.b/x/v1/chat/completions"},
	    {"https://a.b/v1?k=1", ENDPOINT_CHAT, "https://a.b/v1/chat/completions?k=1"},
	    {"https://a.b?k=1", ENDPOINT_CHAT, "https://a.b/v1/chat/completions?k=1"},
	    {"https://a.b/v1/chat/completions", ENDPOINT_CHAT,
		"https://a.b/v1/chat/completions"},
	    {"https://a.b/models/x/y/v1/chat/completions", ENDPOINT_CHAT,
		"https://a.b/models/x/y/v1/chat/completions"},
	    {"https://a.b/v1/chat/completions/", ENDPOINT_CHAT,
		"https://a.b/v1/chat/completions"},
	    /* a base of any path */
	    {"https://a.b/v1beta/openai", ENDPOINT_CHAT,
		"https://a.b/v1beta/openai/chat/completions"},
	    {"https://a.b/v1beta/openai/", ENDPOINT_CHAT,
		"https://a.b/v1beta/openai/chat/completions"},
	    {"https://a.b/openai/v1/", ENDPOINT_CHAT,
		"https://a.b/openai/v1/chat/completions"},
	    {"https://a.b/api/v1", ENDPOINT_CHAT, "https://a.b/api/v1/chat/completions"},
	    {"https://a.b/api/paas/v4", ENDPOINT_CHAT,
		"https://a.b/api/paas/v4/chat/completions"},
	    {"https://a.b/inference", ENDPOINT_CHAT,
		"https://a.b/inference/chat/completions"},
	    {"https://a.b/v1/chat", ENDPOINT_CHAT, "https://a.b/v1/chat/completions"},
	    {"https://a.b/openai/deployments/x?api-version=2024-10-21", ENDPOINT_CHAT,
		"https://a.b/openai/deployments/x/chat/completions"
		"?api-version=2024-10-21"},
	    {"https://a.b/openai/deployments/x/chat/completions?api-version=1",
		ENDPOINT_CHAT,
		"https://a.b/openai/deployments/x/chat/completions?api-version=1"},
	    {"https://a.b/models/x/y/v1", ENDPOINT_CHAT,
		"https://a.b/models/x/y/v1/chat/completions"},
	    {"https://a.b/models?api-version=1", ENDPOINT_CHAT,
		"https://a.b/models/chat/completions?api-version=1"},
	    {"https://a.b/endpoints/x/invocations", ENDPOINT_CHAT,
		"https://a.b/endpoints/x/invocations"},
	    {"https://a.b/generate_stream", ENDPOINT_TEXT, "https://a.b/generate_stream"},
	    {"http://localhost:11434/api/chat", ENDPOINT_OLLAMA,
		"http://localhost:11434/api/chat"},
	    {"https://a.b/models/org/Name-7B", ENDPOINT_TEXT,
		"https://a.b/models/org/Name-7B"},
	    {"https://a.b/generate", ENDPOINT_TEXT, "https://a.b/generate"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_endpoint(
		    cases[i].url, PL_LLM_AUTO, cases[i].kind, cases[i].expected);
}

static void
lets_the_setting_decide(void **state)
{
	(void)state;
	assert_endpoint("https://a.b/own", PL_LLM_TEXT, ENDPOINT_TEXT, "https://a.b/own");
	assert_endpoint("https://a.b", PL_LLM_TEXT, ENDPOINT_TEXT, "https://a.b");
	assert_endpoint(
	    "https://a.b/generate", PL_LLM_CHAT, ENDPOINT_CHAT, "https://a.b/generate");
	assert_endpoint(
	    "https://a.b/api/chat", PL_LLM_CHAT, ENDPOINT_OLLAMA, "https://a.b/api/chat");
}

static void
takes_plain_http_to_this_machine_only(void **state)
{
	static const char *const good[] = {"http://127.0.0.1:8000/v1", "http://127.9.9.9",
	    "http://[::1]:8000/v1", "http://[::ffff:127.0.0.1]:8000/v1",
	    "http://localhost", "HTTP://LocalHost:1/v1"};
	static const char *const bad[] = {"http://a.b/v1", "http://10.0.0.1",
	    "http://128.0.0.1", "http://127.0.0.1.a.b", "http://localhost.a.b",
	    "http://[::2]", "http://0.0.0.0", "http://169.254.169.254/", "http://127.1",
	    "http://2130706433"};
	struct endpoint_config config = {.url = "http://a.b/v1", .allow_http = true};
	struct endpoint e;
	const char *why;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(try(good[i], NULL, PL_LLM_AUTO, &e), PL_OK);
		assert_false(e.is_tls);
		endpoint_fini(&e);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(try(bad[i], NULL, PL_LLM_AUTO, &e), PL_E_INVALID);
	assert_int_equal(endpoint_init(&e, &config, &why), PL_OK);
	endpoint_fini(&e);
}

static void
refuses_other_urls(void **state)
{
	static const char *const bad[] = {"", "a.b/v1", "ftp://a.b", "file:///etc/passwd",
	    "https://", "https:///v1", "https://?x", "https://u:p@a.b/v1",
	    "https://u@a.b", "http://127.0.0.1\\@a.b/", "http://a.b#@127.0.0.1/",
	    "https://a b/", "https://[::1", "https://[]/", "https://a.b/\r\nX: y",
	    "https://a.b/\xC3\xA9", "https://a.b:", "https://a.b:0/v1",
	    "https://a.b:65536/v1", "https://a.b:http/v1", "https://[::1]8000/v1",
	    "https://a.b:1:2/v1"};
	struct endpoint e;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(try(bad[i], NULL, PL_LLM_AUTO, &e), PL_E_INVALID);
}

static void
refuses_a_token_that_would_break_its_header(void **state)
{
	struct endpoint e;

	(void)state;
	assert_int_equal(
	    try("https://a.b", "a\r\nX-Y: z", PL_LLM_AUTO, &e), PL_E_INVALID);
	assert_int_equal(try("https://a.b", "a b", PL_LLM_AUTO, &e), PL_E_INVALID);
	assert_int_equal(try("https://a.b", "a\xFF", PL_LLM_AUTO, &e), PL_E_INVALID);
}

static void
shows_no_query(void **state)
{
	struct endpoint e;

	(void)state;
	assert_int_equal(try("https://a.b/v1?key=secret", NULL, PL_LLM_AUTO, &e), PL_OK);
	assert_true(
	    pl_str_eq(endpoint_shown(&e), PL_STR("https://a.b/v1/chat/completions")));
	endpoint_fini(&e);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(has_no_llm_without_url_and_token),
	    cmocka_unit_test(asks_hugging_face_with_a_token_alone),
	    cmocka_unit_test(knows_the_dialect_by_the_path),
	    cmocka_unit_test(lets_the_setting_decide),
	    cmocka_unit_test(takes_plain_http_to_this_machine_only),
	    cmocka_unit_test(refuses_other_urls),
	    cmocka_unit_test(refuses_a_token_that_would_break_its_header),
	    cmocka_unit_test(shows_no_query),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
