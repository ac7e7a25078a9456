#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ops/settings.h"
#include "support/capture.h"

#define SECRET "Zk3vQp8sWm1nRt6yXc4bHd9fJg2aLe7u"

/* Load for mask in a child whose environment is only name=value (NULL: nothing), and let check
 * look at what came. Returns the exit status; the child's standard error goes to *log. */
static int
load_in_child(
    unsigned mask, const char *name, const char *value, bool (*check)(void), char **log)
{
	int status = -1;
	pid_t child;

	capture_stderr();
	child = fork();
	if (child == 0) {
		clearenv();
		if (name != NULL)
			setenv(name, value, 1);
		pl_settings_load_or_exit(mask);
		_exit(check == NULL || check() ? 0 : 1);
	}
	waitpid(child, &status, 0);
	*log = capture_end();
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static bool
defaults_are_as_documented(void)
{
	const struct pl_settings *s = &pl_settings;

	return strcmp(s->node_env, "production") == 0 && !pl_settings_is_development() &&
	       s->mongo_uri == NULL && s->jwt_secret == NULL && s->instance != NULL &&
	       strcmp(s->cookie_name, "jwt") == 0 && s->cookie_samesite == 0 &&
	       s->password_min_length == 8 &&
	       s->chat_requires_online == PL_ONLINE_SENDER && s->online_ttl_s == 300 &&
	       s->message_bytes_max == 65536 && s->body_bytes_max == 102400 &&
	       s->limit_login_address == 60 && s->limit_login_account == 10 &&
	       s->limit_messages_per_second == 20 && s->limit_messages_burst == 60 &&
	       s->sockets_per_user_max == 20 && s->packet_bytes_max == 1000000 &&
	       s->send_queue_bytes_max == 1048576 && s->ping_interval_ms == 25000 &&
	       s->ping_timeout_ms == 20000 && s->presence_grace_ms == 5000 &&
	       s->user_check_ms == 60000 && s->drain_s == 10 &&
	       s->llm_dialect == PL_LLM_AUTO && s->llm_max_tokens == 80 &&
	       strcmp(s->llm_temperature, "0.5") == 0 && s->llm_context_messages == 20 &&
	       !s->llm_allow_http && s->port == 5000 &&
	       strcmp(s->autoreply_fallback,
		   "I'm unavailable right now and will answer you as soon as I can.") ==
		   0;
}

static void
has_the_documented_defaults(void **state)
{
	char *log;

	(void)state;
	assert_int_equal(load_in_child(PL_SVC_ALL | PL_SVC_LOCAL | PL_SVC_GATEWAY, NULL,
			     NULL, defaults_are_as_documented, &log),
	    0);
	free(log);
}

static bool
only_the_responders_rows_came(void)
{
	return pl_settings.allowed_origins == NULL && pl_settings.cookie_name == NULL &&
	       pl_settings.llm_model != NULL && pl_settings.jwt_secret == NULL &&
	       getenv("JWT_SECRET") == NULL;
}

static void
loads_only_what_the_service_reads(void **state)
{
	char *log;

	(void)state;
	assert_int_equal(load_in_child(PL_SVC_RESPONDER, "JWT_SECRET", SECRET,
			     only_the_responders_rows_came, &log),
	    0);
	free(log);
}

static bool
secret_came(void)
{
	return strcmp(pl_settings.jwt_secret, SECRET) == 0;
}

static void
logs_secrets_as_set_only(void **state)
{
	char *log;

	(void)state;
	assert_int_equal(
	    load_in_child(PL_SVC_AUTH, "JWT_SECRET", SECRET, secret_came, &log), 0);
	assert_null(strstr(log, SECRET));
	assert_non_null(strstr(log, "\"name\":\"JWT_SECRET\",\"value\":\"set\""));
	free(log);
}

static bool
mongo_came_by_its_alias(void)
{
	return strcmp(pl_settings.mongo_uri, "mongodb://db/parley") == 0;
}

static void
knows_the_other_names(void **state)
{
	char *log;

	(void)state;
	assert_int_equal(load_in_child(PL_SVC_AUTH, "MONGODB_URI", "mongodb://db/parley",
			     mongo_came_by_its_alias, &log),
	    0);
	free(log);
}

static bool
no_tokens_and_half_a_degree(void)
{
	return pl_settings.llm_max_tokens == 0 &&
	       strcmp(pl_settings.llm_temperature, "0.5") == 0;
}

static bool
no_temperature(void)
{
	return pl_settings.llm_max_tokens == 80 && pl_settings.llm_temperature == NULL;
}

static bool
is_hot(void)
{
	return strcmp(pl_settings.llm_temperature, "2.0") == 0;
}

static void
takes_an_empty_option_of_the_llm_for_none(void **state)
{
	static const struct {
		const char *name, *value;
		bool (*check)(void);
	} cases[] = {{"LLM_MAX_TOKENS", "", no_tokens_and_half_a_degree},
	    {"LLM_TEMPERATURE", "", no_temperature}, {"LLM_TEMPERATURE", "2.0", is_hot}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *log;

		assert_int_equal(load_in_child(PL_SVC_RESPONDER, cases[i].name,
				     cases[i].value, cases[i].check, &log),
		    0);
		free(log);
	}
}

static void
ends_on_a_bad_setting_and_names_it(void **state)
{
	static const char *const bad[][2] = {
	    {"ONLINE_TTL", "0"},
	    {"ONLINE_TTL", "5m"},
	    {"CHAT_REQUIRES_ONLINE", "yes"},
	    {"LLM_ALLOW_HTTP", "maybe"},
	    {"COOKIE_NAME", "a b"},
	    {"COOKIE_NAME", "a;b"},
	    {"INSTANCE", "a:b"},
	    {"LLM_MAX_TOKENS", "0"},
	    {"LLM_MAX_TOKENS", "many"},
	    {"LLM_TEMPERATURE", "-1"},
	    {"LLM_TEMPERATURE", "2.1"},
	    {"LLM_TEMPERATURE", "3"},
	    {"LLM_TEMPERATURE", "0,5"},
	    {"LLM_TEMPERATURE", ".5"},
	    {"LLM_TEMPERATURE", "1."},
	    {"LLM_TEMPERATURE", "0.5,\"n\":9"},
	    {"LISTEN", "8080"},
	    {"LISTEN", "::1:8080"},
	    {"LISTEN", "[::1]"},
	    {"LISTEN", "host:65536"},
	    {"AUTOREPLY_FALLBACK", "Sp\xE4ter"},
	    {"AUTOREPLY_FALLBACK", " \xE3\x80\x80"},
	    {"AUTOREPLY_FALLBACK", "\xE2\x80\x8B\xE3\x85\xA4"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char *log;

		assert_int_equal(
		    load_in_child(PL_SVC_ALL, bad[i][0], bad[i][1], NULL, &log),
		    PL_EXIT_CONFIG);
		assert_memory_equal(log, bad[i][0], strlen(bad[i][0]));
		assert_ptr_equal(strchr(log, '\n'), log + strlen(log) - 1);
		free(log);
	}
}

static void
has_a_sentence_and_a_reader_for_each_row(void **state)
{
	(void)state;
	for (size_t i = 0; i < pl_settings_rows; i++) {
		const struct pl_setting *row = &pl_settings_table[i];

		assert_int_equal(row->help[strlen(row->help) - 1], '.');
		assert_int_not_equal(row->services, 0);
		assert_null(strchr(row->help, '|'));
		for (size_t j = 0; j < i; j++) {
			assert_string_not_equal(row->name, pl_settings_table[j].name);
			assert_int_not_equal(row->offset, pl_settings_table[j].offset);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(has_the_documented_defaults),
	    cmocka_unit_test(loads_only_what_the_service_reads),
	    cmocka_unit_test(logs_secrets_as_set_only),
	    cmocka_unit_test(knows_the_other_names),
	    cmocka_unit_test(takes_an_empty_option_of_the_llm_for_none),
	    cmocka_unit_test(ends_on_a_bad_setting_and_names_it),
	    cmocka_unit_test(has_a_sentence_and_a_reader_for_each_row),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
