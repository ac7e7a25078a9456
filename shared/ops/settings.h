/*
 * settings: every variable that Parley reads, in one table, and its values in one struct.
 * The README's table, env.example and the deployments are checked against it.
 * Threads: loaded at start, read-only afterwards.
 */
#ifndef PL_OPS_SETTINGS_H
#define PL_OPS_SETTINGS_H

#include "base/config.h"

enum pl_service_bit {
	PL_SVC_AUTH = 1,
	PL_SVC_MESSAGE = 2,
	PL_SVC_PRESENCE = 4,
	PL_SVC_RESPONDER = 8,
	PL_SVC_KORE = PL_SVC_AUTH | PL_SVC_MESSAGE | PL_SVC_PRESENCE,
	PL_SVC_ALL = PL_SVC_KORE | PL_SVC_RESPONDER,
	PL_SVC_LOCAL = 16,   /* make run: deploy/local/run.sh */
	PL_SVC_GATEWAY = 32, /* gateway/render.sh, gateway-follow, and what starts them */
};

enum pl_signup_mode { PL_SIGNUP_OPEN, PL_SIGNUP_INVITE, PL_SIGNUP_CLOSED };
enum pl_online_rule { PL_ONLINE_SENDER, PL_ONLINE_BOTH, PL_ONLINE_OFF };
enum pl_llm_dialect { PL_LLM_AUTO, PL_LLM_CHAT, PL_LLM_TEXT };
enum pl_llm_system_role { PL_LLM_ROLE_SYSTEM, PL_LLM_ROLE_FOLD };

struct pl_settings {
	/* process */
	char *node_env;
	char *listen; /* host:port */
	char *process_name;
	int log_level;
	/* store and bus */
	char *data_dir;
	char *mongo_uri;
	char *redis_url;
	/* identity */
	char *jwt_secret;
	char *jwt_secret_previous;
	char *cookie_name;
	int cookie_samesite; /* Strict|Lax|None */
	char *allowed_origins;
	int64_t session_idle_s; /* 0: no limit */
	int64_t password_min_length;
	int signup; /* enum pl_signup_mode */
	/* chat */
	int chat_requires_online; /* enum pl_online_rule */
	int64_t online_ttl_s;
	int64_t message_bytes_max;
	int64_t body_bytes_max;
	int64_t avatar_bytes_max;
	char *autoreply_fallback;
	int64_t message_edit_s;
	/* rates; 0 lifts one */
	int64_t limit_login_address;
	int64_t limit_login_account;
	int64_t limit_exports_per_hour;
	int64_t limit_messages_per_second;
	int64_t limit_messages_burst;
	int64_t limit_message_bytes_per_day;
	int64_t limit_marks_per_second;
	int64_t limit_blocks;
	int64_t disk_free_bytes_min;
	int64_t limit_status_per_second;
	int64_t limit_profile_per_minute;
	int64_t limit_avatars_per_minute;
	int64_t limit_reads_at_once;
	int64_t limit_read_bytes_per_second;
	int64_t limit_read_cpu_ms;
	/* sockets */
	int64_t sockets_per_user_max;
	int64_t packet_bytes_max;
	int64_t send_queue_bytes_max;
	int64_t connections_max;
	int64_t limit_handshakes_per_second;
	int64_t limit_strangers_per_second;
	int64_t limit_socket_bytes_per_second;
	int64_t limit_socket_cpu_ms;
	int64_t ping_interval_ms;
	int64_t ping_timeout_ms;
	int64_t presence_grace_ms;
	int64_t user_check_ms;
	int64_t drain_s;
	/* llm */
	char *llm_api_url;
	char *llm_api_token;
	char *llm_model;
	int llm_dialect;        /* enum pl_llm_dialect */
	int64_t llm_max_tokens; /* 0: not sent */
	char *llm_temperature;  /* a JSON number; NULL: not sent */
	int64_t llm_concurrency;
	int64_t llm_context_messages;
	int llm_system_role; /* enum pl_llm_system_role */
	bool llm_allow_http;
	int64_t llm_daily_max;
	int64_t limit_llm_sender;
	int64_t limit_llm_user;
	/* make run and the gateway */
	int64_t port;
	char *gateway_bind;
	int64_t gateway_sockets_per_address;
	int64_t gateway_requests_per_second;
	int64_t gateway_requests_at_once;
	int64_t gateway_body_bytes_per_address;
	int64_t gateway_body_bytes_in_all;
	int64_t gateway_body_s;
	int64_t gateway_log_lines_per_second;
	int64_t log_bytes_max;
	char *allowed_hosts;
	char *gateway_tls_cert;
	char *gateway_tls_key;
	int64_t gateway_http_port;
	char *gateway_trusted_proxies;
	char *gateway_listen;
	char *gateway_status_listen;
	char *gateway_access_log;
	char *gateway_error_log;
	int64_t gateway_workers; /* 0: unset */
	int64_t gateway_answer_s;
	char *gateway_csp;
	char *www_dir;
	char *handover_dir;
	char *run_dir;
	char *run_user;
	int64_t redis_port;
	int64_t auth_processes;
	int64_t message_processes;
	int64_t presence_processes;
	int64_t responder_processes;
};

extern const struct pl_setting pl_settings_table[];
extern const size_t pl_settings_rows;

/* The values in force, after pl_settings_load(). */
extern struct pl_settings pl_settings;

/* Load for the services in mask. PL_E_INVALID: *why has a line for each bad setting. */
#define PL_SETTINGS_WHY_BYTES ((size_t)16 << 10) /* room for a line of each row */
enum pl_err pl_settings_load(unsigned mask, struct pl_buf *why) PL_MUST_CHECK;
/* The same, and log what is in force. On bad settings: the lines go to standard error,
 * and the process ends with PL_EXIT_CONFIG. */
void pl_settings_load_or_exit(unsigned mask);

/* NODE_ENV is "development": cookies then work over plain http. */
bool pl_settings_is_development(void);

#endif
