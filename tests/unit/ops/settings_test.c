#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ops/settings_rules.h"
#include "support/capture.h"

#define SECRET "Zk3vQp8sWm1nRt6yXc4bHd9fJg2aLe7u"

/* Load for mask in a child whose environment is only name=value (NULL: nothing), and let
 * check look at what came. Returns the exit status; the child's standard error goes to
 * *log. */
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
	       s->mongo_uri == NULL && s->jwt_secret == NULL && s->process_name != NULL &&
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
	       !s->llm_allow_http && s->port == 5000 && s->gateway_workers == 0 &&
	       s->gateway_answer_s == 15 && s->gateway_listen == NULL &&
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
name_and_processes_came(void)
{
	return strcmp(pl_settings.process_name, "a1") == 0 &&
	       pl_settings.presence_processes == 1;
}

static bool
three_processes_came(void)
{
	return pl_settings.presence_processes == 3;
}

static void
takes_an_old_name_and_says_so(void **state)
{
	char *log;

	(void)state;
	assert_int_equal(load_in_child(PL_SVC_ALL | PL_SVC_LOCAL, "INSTANCE", "a1",
			     name_and_processes_came, &log),
	    0);
	assert_non_null(strstr(log, "setting came by its old name"));
	assert_non_null(strstr(log, "\"setting\":\"INSTANCE\",\"now\":\"PROCESS_NAME\""));
	free(log);
	assert_int_equal(load_in_child(PL_SVC_LOCAL, "PRESENCE_INSTANCES", "3",
			     three_processes_came, &log),
	    0);
	assert_non_null(strstr(log, "\"now\":\"PRESENCE_PROCESSES\""));
	free(log);
	assert_int_equal(load_in_child(PL_SVC_LOCAL, "PRESENCE_PROCESSES", "3",
			     three_processes_came, &log),
	    0);
	assert_null(strstr(log, "old name"));
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
	    {"PROCESS_NAME", "a:b"},
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
knows_what_would_break_the_gateways_configuration(void **state)
{
	static const char *const bad[][2] = {
	    {"PORT", "70000"},
	    {"GATEWAY_WORKERS", "0"},
	    {"GATEWAY_ANSWER_SECONDS", "15s"},
	    {"GATEWAY_BIND", "127.0.0.1;"},
	    {"GATEWAY_TRUSTED_PROXIES", "10.0.0.0/8,127.0.0.1"},
	    {"GATEWAY_TRUSTED_PROXIES", "proxy.example.org"},
	    {"GATEWAY_TLS_CERT", "cert.pem"},
	    {"GATEWAY_HTTP_PORT", "80"},
	    {"GATEWAY_LISTEN", "127.0.0.1:80; root /"},
	    {"GATEWAY_STATUS_LISTEN", "127.0.0.1:80 }"},
	    {"GATEWAY_ACCESS_LOG", "/var/log/a|b"},
	    {"GATEWAY_ERROR_LOG", "stderr\nroot /"},
	    {"GATEWAY_CSP", "default-src \"self\""},
	    {"WWW_DIR", "/srv/$host"},
	    {"COOKIE_NAME", "jwt;"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char *log;

		assert_int_equal(
		    load_in_child(PL_SVC_GATEWAY, bad[i][0], bad[i][1], NULL, &log),
		    PL_EXIT_CONFIG);
		assert_memory_equal(log, bad[i][0], strlen(bad[i][0]));
		free(log);
	}
}

static void
takes_what_the_gateways_configuration_can_hold(void **state)
{
	static const char *const good[][2] = {
	    {"GATEWAY_BIND", "0.0.0.0 [::] chat.example.org"},
	    {"GATEWAY_TRUSTED_PROXIES", "10.0.0.0/8 fd00::/8"},
	    {"GATEWAY_LISTEN", "0.0.0.0:8080 unix:/run/parley.sock"},
	    {"GATEWAY_ACCESS_LOG", "syslog:server=127.0.0.1:514,facility=local7"},
	    {"GATEWAY_CSP", "default-src 'self'; img-src *"},
	    {"WWW_DIR", "/srv/our page"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		char *log;

		assert_int_equal(
		    load_in_child(PL_SVC_GATEWAY, good[i][0], good[i][1], NULL, &log), 0);
		free(log);
	}
}

static void
names_each_rule_that_is_broken(void **state)
{
	struct pl_settings s = {
	    .cookie_name = (char[]){"a b"},
	    .gateway_tls_key = (char[]){"key.pem"},
	    .gateway_http_port = 443,
	    .port = 443,
	};
	struct pl_buf why;

	(void)state;
	pl_buf_init(&why, PL_SETTINGS_WHY_BYTES);
	pl_settings_add_faults(&s, &why);
	assert_string_equal(why.data,
	    "COOKIE_NAME must be 1 to 64 letters, digits, '-', '_' or '.'\n"
	    "GATEWAY_TLS_KEY must be the absolute path of a PEM file, and must not hold "
	    "quotes, backslashes, line ends, or any of $ | &\n"
	    "GATEWAY_TLS_CERT and GATEWAY_TLS_KEY go together, set both\n"
	    "GATEWAY_HTTP_PORT sends to https, and needs GATEWAY_TLS_CERT and "
	    "GATEWAY_TLS_KEY\n"
	    "GATEWAY_HTTP_PORT must be another than PORT");
	pl_buf_fini(&why);
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
	    cmocka_unit_test(takes_an_old_name_and_says_so),
	    cmocka_unit_test(takes_an_empty_option_of_the_llm_for_none),
	    cmocka_unit_test(ends_on_a_bad_setting_and_names_it),
	    cmocka_unit_test(knows_what_would_break_the_gateways_configuration),
	    cmocka_unit_test(takes_what_the_gateways_configuration_can_hold),
	    cmocka_unit_test(names_each_rule_that_is_broken),
	    cmocka_unit_test(has_a_sentence_and_a_reader_for_each_row),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
