#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "ops/settings_rules.h"

struct pl_settings pl_settings;

/* ---- the table ---- */

#define AUTH      PL_SVC_AUTH
#define MESSAGE   PL_SVC_MESSAGE
#define PRESENCE  PL_SVC_PRESENCE
#define RESPONDER PL_SVC_RESPONDER
#define KORE      PL_SVC_KORE
#define ALL       PL_SVC_ALL
#define LOCAL     PL_SVC_LOCAL
#define GATEWAY   PL_SVC_GATEWAY

#define AT(field_) .offset = offsetof(struct pl_settings, field_)
/* clang-format off */
#define TEXT(name_, preset_, services_, field_, help_) \
	{.name = name_, .type = PL_SETTING_STRING, .preset = preset_, .services = services_, \
	 .help = help_, AT(field_)},
#define SECRET(name_, alias_, preset_, services_, field_, help_) \
	{.name = name_, .alias = alias_, .type = PL_SETTING_SECRET, .preset = preset_, \
	 .services = services_, .help = help_, AT(field_)},
#define INT(name_, preset_, least_, most_, unit_, services_, field_, help_) \
	{.name = name_, .type = PL_SETTING_INT, .preset = preset_, .least = least_, \
	 .most = most_, .unit = unit_, .services = services_, .help = help_, AT(field_)},
/* Empty: none, which is 0. */
#define INT_OR_NONE(name_, preset_, least_, most_, unit_, services_, field_, help_) \
	{.name = name_, .type = PL_SETTING_INT, .preset = preset_, .least = least_, \
	 .most = most_, .unit = unit_, .empty_is_none = true, .services = services_, \
	 .help = help_, AT(field_)},
#define TEXT_OR_NONE(name_, preset_, services_, field_, help_) \
	{.name = name_, .type = PL_SETTING_STRING, .preset = preset_, .empty_is_none = true, \
	 .services = services_, .help = help_, AT(field_)},
/* before_: the name that it had. */
#define RENAMED(name_, before_) .name = name_, .alias = before_, .alias_is_old = true
#define PROCESSES(kind_, least_, field_, help_) \
	{RENAMED(kind_ "_PROCESSES", kind_ "_INSTANCES"), .type = PL_SETTING_INT, \
	 .preset = "1", .least = least_, .most = 64, .unit = "processes", .services = LOCAL, \
	 .help = help_, AT(field_)},
#define BOOL(name_, preset_, services_, field_, help_) \
	{.name = name_, .type = PL_SETTING_BOOL, .preset = preset_, .services = services_, \
	 .help = help_, AT(field_)},
#define CHOICE(name_, preset_, choices_, services_, field_, help_) \
	{.name = name_, .type = PL_SETTING_CHOICE, .preset = preset_, .choices = choices_, \
	 .services = services_, .help = help_, AT(field_)},

const struct pl_setting pl_settings_table[] = {
	/* process */
	TEXT("NODE_ENV", "production", ALL | LOCAL, node_env,
	    "`development` drops Secure from the cookie if it is asked for by plain http; all else is production.")
	TEXT("LISTEN", "127.0.0.1:8080", ALL, listen,
	    "Address and port the service listens on, for the gateway and for /metrics.")
	{RENAMED("PROCESS_NAME", "INSTANCE"), .type = PL_SETTING_STRING, .services = ALL,
	 AT(process_name),
	 .help = "This process' name among those of its service; if unset it draws one."},
	CHOICE("LOG_LEVEL", "info", "debug|info|warn|error", ALL | GATEWAY, log_level,
	    "The least level that is logged.")
	/* store and bus */
	TEXT("DATA_DIR", "data", ALL | LOCAL, data_dir,
	    "Folder of the embedded SQLite store; not used with MongoDB.")
	SECRET("MONGO_DB_URI", "MONGODB_URI", NULL, ALL | LOCAL, mongo_uri,
	    "MongoDB to keep everything in; if unset the store is SQLite in DATA_DIR.")
	SECRET("REDIS_URL", NULL, "redis://127.0.0.1:6379", ALL | GATEWAY, redis_url,
	    "Redis that carries events between processes: redis://[:password@]host:port[/db].")
	/* identity */
	SECRET("JWT_SECRET", NULL, NULL, KORE | LOCAL, jwt_secret,
	    "Signs the session tokens; required, at least 32 bytes, the same for all services.")
	SECRET("JWT_SECRET_PREVIOUS", NULL, NULL, KORE | LOCAL, jwt_secret_previous,
	    "The secret before the last change; its tokens from before stay good until they "
	    "expire, for 400 days at most.")
	TEXT("COOKIE_NAME", "jwt", KORE | GATEWAY, cookie_name,
	    "Name of the session cookie; `__Host-jwt` is always Secure, and the cure if others share "
	    "the domain.")
	CHOICE("COOKIE_SAMESITE", "Strict", "Strict|Lax|None", AUTH, cookie_samesite,
	    "SameSite of the cookie; `None` for a front end on another site.")
	TEXT("ALLOWED_ORIGINS", NULL, KORE | GATEWAY, allowed_origins,
	    "Other origins whose pages may use the API, comma-separated; Parley's own always may.")
	INT("SESSION_IDLE_SECONDS", "0", 0, 34560000, "s", KORE, session_idle_s,
	    "Time without a request and without a socket after which a session is over, up to a "
	    "twentieth of it (an hour at most) early; of a token of no list, such as the MERN application's, "
	    "time since it was issued; 0: no limit.")
	INT("PASSWORD_MIN_LENGTH", "8", 1, 64, "characters", AUTH, password_min_length,
	    "Shortest password at sign-up.")
	CHOICE("SIGNUP", "open", "open|invite|closed", AUTH, signup,
	    "Who may sign up: everybody, those who have a code of `parley-admin invite`, or nobody.")
	/* chat */
	CHOICE("CHAT_REQUIRES_ONLINE", "sender", "sender|both|off", MESSAGE | PRESENCE,
	    chat_requires_online, "Who must be online for a message to be taken.")
	INT("ONLINE_TTL", "300", 1, 86400, "s", KORE, online_ttl_s,
	    "How long a request counts its user as online without a socket.")
	INT("MESSAGE_BYTES_MAX", "65536", 1, 524288, "bytes", MESSAGE | PRESENCE, message_bytes_max,
	    "Longest message.")
	INT("BODY_BYTES_MAX", "102400", 1024, 1048576, "bytes", KORE | GATEWAY,
	    body_bytes_max, "Longest request body.")
	INT("AVATAR_BYTES_MAX", "262144", 1024, 1048576, "bytes", AUTH | GATEWAY,
	    avatar_bytes_max, "Longest file of a user's own picture.")
	TEXT("AUTOREPLY_FALLBACK",
	    "I'm unavailable right now and will answer you as soon as I can.",
	    MESSAGE | RESPONDER, autoreply_fallback,
	    "What a busy user's correspondent reads if no LLM answers in time.")
	INT("MESSAGE_EDIT_SECONDS", "900", 0, 1000000000, "s", AUTH | MESSAGE, message_edit_s,
	    "How long after it was written a message may be edited; 0: never.")
	/* rates */
	INT("LIMIT_LOGIN_ADDRESS", "60", 0, 1000000, "in 15 min", AUTH, limit_login_address,
	    "Failed logins and sign-ups from one address (IPv6: one /64), and of sign-ups from "
	    "everywhere a hundred times as many; 0 lifts both.")
	INT("LIMIT_LOGIN_ACCOUNT", "10", 0, 1000000, "in 15 min", AUTH, limit_login_account,
	    "Failed logins from one address to one account, and of right ones ten times as many; "
	    "0 lifts both.")
	INT("LIMIT_EXPORTS_PER_HOUR", "10", 0, 1000000, "an hour", AUTH, limit_exports_per_hour,
	    "Exports of one user's data, one at a time; 0 lifts the count.")
	INT("LIMIT_MESSAGES_PER_SECOND", "20", 0, 1000000, "a second", MESSAGE | PRESENCE,
	    limit_messages_per_second, "Messages of one user, in each process; 0 lifts it.")
	INT("LIMIT_MESSAGES_BURST", "60", 0, 1000000, "messages", MESSAGE | PRESENCE,
	    limit_messages_burst, "Messages that one user may send at once; 0 lifts the limit.")
	INT("LIMIT_MESSAGE_BYTES_PER_DAY", "100000000", 0, 10000000000, "bytes", MESSAGE | PRESENCE,
	    limit_message_bytes_per_day,
	    "What one user may send in a day, in each process; beyond it 429; 0 lifts it.")
	INT("LIMIT_MARKS_PER_SECOND", "20", 0, 1000000, "a second", MESSAGE | PRESENCE,
	    limit_marks_per_second,
	    "How often one user may say what they have read, and what their clients got, in each process, fifteen seconds' worth at once; 0 lifts it.")
	INT("LIMIT_BLOCKS", "1000", 1, 100000, "users", PRESENCE, limit_blocks,
	    "How many others one user may have blocked; beyond it 409.")
	INT("DISK_FREE_BYTES_MIN", "100000000", 0, 1000000000000, "bytes", MESSAGE | PRESENCE,
	    disk_free_bytes_min,
	    "Room that sends leave on the disk of DATA_DIR; below it 507; 0: all of it may be used.")
	INT("LIMIT_STATUS_PER_SECOND", "1", 0, 1000000, "a second", PRESENCE,
	    limit_status_per_second,
	    "Changes of one user's status, in each process, ten at once; 0 lifts it.")
	INT("LIMIT_PROFILE_PER_MINUTE", "60", 0, 1000000, "a minute", AUTH,
	    limit_profile_per_minute,
	    "Changes of one user's name, gender or password; 0 lifts it.")
	INT("LIMIT_AVATARS_PER_MINUTE", "30", 0, 1000000, "a minute", AUTH,
	    limit_avatars_per_minute, "Pictures that one user may send; 0 lifts it.")
	INT("LIMIT_READS_AT_ONCE", "4", 0, 1000000, "reads", AUTH | MESSAGE | PRESENCE,
	    limit_reads_at_once,
	    "Histories, conversations, lists of users and exports that one user reads at once, in each process; others wait for "
	    "up to 5 s; 0 lifts it.")
	INT("LIMIT_READ_BYTES_PER_SECOND", "8000000", 0, 1000000000, "bytes a second",
	    AUTH | MESSAGE | PRESENCE, limit_read_bytes_per_second,
	    "What one user reads of them, in each process, twice as much at once; 0 lifts it.")
	INT("LIMIT_READ_CPU_MS", "250", 0, 10000, "ms a second", AUTH | MESSAGE | PRESENCE,
	    limit_read_cpu_ms,
	    "Processor time that goes into them, of one user, in each process, twice as much at once; 0 lifts it.")
	/* sockets */
	INT("SOCKETS_PER_USER_MAX", "20", 1, 10000, "sockets", PRESENCE,
	    sockets_per_user_max, "Sockets of one user in a process; beyond it the oldest is closed.")
	INT("PACKET_BYTES_MAX", "1000000", 1024, 16000000, "bytes", PRESENCE | GATEWAY,
	    packet_bytes_max, "Longest packet from a client.")
	INT("SEND_QUEUE_BYTES_MAX", "1048576", 65536, 67108864, "bytes", PRESENCE,
	    send_queue_bytes_max, "Unsent bytes of one socket; beyond it the socket is closed.")
	INT("CONNECTIONS_MAX", "20000", 64, 1000000, "connections", KORE | LOCAL, connections_max,
	    "Connections to one process.")
	INT("LIMIT_HANDSHAKES_PER_SECOND", "500", 0, 1000000, "a second", PRESENCE,
	    limit_handshakes_per_second,
	    "Sessions of sockets that begin in a process; more wait for their turn, polling ones for 3 s, WebSockets for 15 s, or get 503; 0 lifts it.")
	INT("LIMIT_STRANGERS_PER_SECOND", "100", 0, 1000000, "a second", PRESENCE,
	    limit_strangers_per_second,
	    "The same of those whose handshake brings no good token, in a line of their own, once five seconds' worth of them were not let in with CONNECT either; no more than of the others. 0: they always stand in line with the others.")
	INT("LIMIT_SOCKET_BYTES_PER_SECOND", "2000000", 0, 1000000000, "bytes a second",
	    PRESENCE, limit_socket_bytes_per_second,
	    "What one socket may send; beyond it, four seconds' worth at once, it is not read for a while, and closed after 30 s of that; 0 lifts it.")
	INT("LIMIT_SOCKET_CPU_MS", "10", 0, 1000, "ms a second", PRESENCE,
	    limit_socket_cpu_ms,
	    "Processor time that goes into what one socket sends; beyond it, twenty seconds' worth at once, the same; 0 lifts it.")
	INT("PING_INTERVAL_MS", "25000", 100, 300000, "ms", PRESENCE, ping_interval_ms,
	    "Time between two Engine.IO pings.")
	INT("PING_TIMEOUT_MS", "20000", 100, 300000, "ms", PRESENCE, ping_timeout_ms,
	    "Time for a client to answer a ping.")
	INT("PRESENCE_GRACE_MS", "5000", 0, 60000, "ms", PRESENCE, presence_grace_ms,
	    "How long a user whose connection broke still counts as online.")
	INT("USER_CHECK_MS", "60000", 1000, 3600000, "ms", PRESENCE, user_check_ms,
	    "Time in which every user with a socket is looked for in the store; one who was deleted or disabled without a word is logged out.")
	INT("DRAIN_SECONDS", "10", 0, 600, "s", KORE | LOCAL, drain_s,
	    "Time over which a process that ends closes its sockets.")
	/* llm */
	SECRET("LLM_API_URL", NULL, NULL, RESPONDER, llm_api_url, /* its query may hold a key */
	    "The model's endpoint; a token without it means Hugging Face's router, neither: no LLM.")
	SECRET("LLM_API_TOKEN", "LLM_API_KEY", NULL, RESPONDER, llm_api_token,
	    "Sent to the endpoint as a bearer token, to no other host, and never logged.")
	TEXT("LLM_MODEL", "mistralai/Mistral-7B-Instruct-v0.2:featherless-ai", RESPONDER,
	    llm_model, "The model's name at the endpoint.")
	CHOICE("LLM_DIALECT", "auto", "auto|chat|text", RESPONDER, llm_dialect,
	    "`chat` for /chat/completions and alike, `text` for text generation; `auto` looks at the URL.")
	CHOICE("LLM_SYSTEM_ROLE", "system", "system|fold", RESPONDER, llm_system_role,
	    "`fold` puts the instructions into the first user message, for models that refuse the system role.")
	INT_OR_NONE("LLM_MAX_TOKENS", "80", 1, 1000000, "tokens", RESPONDER, llm_max_tokens,
	    "Longest answer, thoughts included: more for models that think first; empty: not sent.")
	TEXT_OR_NONE("LLM_TEMPERATURE", "0.5", RESPONDER, llm_temperature,
	    "How freely the model chooses its words, from 0 to 2; empty: not sent.")
	INT("LLM_CONCURRENCY", "8", 1, 256, "requests", RESPONDER, llm_concurrency,
	    "Requests to the LLM at once, a process.")
	INT("LLM_CONTEXT_MESSAGES", "20", 1, 20, "messages", RESPONDER, llm_context_messages,
	    "Latest messages of the conversation that the LLM gets to see.")
	BOOL("LLM_ALLOW_HTTP", "0", RESPONDER, llm_allow_http,
	    "Allow an LLM_API_URL without TLS on another machine; this machine always may.")
	INT("LLM_DAILY_MAX", "0", 0, 100000000, "a day", RESPONDER, llm_daily_max,
	    "Requests to the LLM a day (UTC); beyond it the standard text; 0: no limit.")
	INT("LIMIT_LLM_SENDER", "6", 0, 1000000, "a minute", RESPONDER, limit_llm_sender,
	    "LLM replies to one sender; beyond it the standard text; 0 lifts it.")
	INT("LIMIT_LLM_USER", "30", 0, 1000000, "a minute", RESPONDER, limit_llm_user,
	    "LLM replies in one busy user's name; beyond it the standard text; 0 lifts it.")
	/* make run and the gateway */
	INT("PORT", "5000", 1, 65535, "", LOCAL | GATEWAY, port,
	    "Port of the gateway: where the web page and the API are.")
	TEXT("GATEWAY_BIND", "127.0.0.1 [::1]", LOCAL | GATEWAY, gateway_bind,
	    "Addresses that the gateway listens on; `0.0.0.0` for other machines.")
	INT("GATEWAY_SOCKETS_PER_ADDRESS", "2000", 0, 65535, "sockets", LOCAL | GATEWAY,
	    gateway_sockets_per_address,
	    "Sockets and waiting polls of one address; beyond it 429; 0: no limit.")
	INT("GATEWAY_REQUESTS_PER_SECOND", "2000", 0, 1000000, "a second", LOCAL | GATEWAY,
	    gateway_requests_per_second,
	    "Requests of one address, but for sockets, twice as many at once; beyond it they "
	    "wait for up to half a second, then 429; 0: no limit.")
	INT("GATEWAY_REQUESTS_AT_ONCE", "1000", 0, 65535, "requests", LOCAL | GATEWAY,
	    gateway_requests_at_once,
	    "Requests of one address under way, but for sockets; beyond it 429; 0: no limit.")
	INT("GATEWAY_BODY_BYTES_PER_ADDRESS", "16777216", 0, 999999999, "bytes",
	    LOCAL | GATEWAY, gateway_body_bytes_per_address,
	    "Request bodies of one address under way; beyond it 429; 0: no limit.")
	INT("GATEWAY_BODY_BYTES_IN_ALL", "67108864", 0, 999999999, "bytes", LOCAL | GATEWAY,
	    gateway_body_bytes_in_all,
	    "Request bodies of all addresses under way, in memory; beyond it 503; 0: no limit.")
	INT("GATEWAY_BODY_SECONDS", "30", 1, 600, "s", LOCAL | GATEWAY, gateway_body_s,
	    "Time for a request's body to be there; then its connection is closed.")
	INT("GATEWAY_LOG_LINES_PER_SECOND", "200", 0, 1000000, "a second", LOCAL | GATEWAY,
	    gateway_log_lines_per_second,
	    "Lines of one address in the access log, five times as many of all; the rest is counted in the next line; 0: all lines.")
	INT("LOG_BYTES_MAX", "67108864", 65536, 999999999, "bytes", LOCAL | GATEWAY,
	    log_bytes_max, "A log file beyond it is begun anew; the one before is kept.")
	TEXT("ALLOWED_HOSTS", NULL, LOCAL | GATEWAY, allowed_hosts,
	    "Hosts that are served, comma-separated, each with or without a port; others get 421; any if unset.")
	TEXT("GATEWAY_TLS_CERT", NULL, LOCAL | GATEWAY, gateway_tls_cert,
	    "PEM file of a certificate and its chain: the gateway then speaks https, HTTP/2 too.")
	TEXT("GATEWAY_TLS_KEY", NULL, LOCAL | GATEWAY, gateway_tls_key,
	    "PEM file of that certificate's key, without a password.")
	INT("GATEWAY_HTTP_PORT", "0", 0, 65535, "", LOCAL | GATEWAY, gateway_http_port,
	    "Port of plain http, which sends to https; 80 if people type the name; 0: none.")
	TEXT("GATEWAY_TRUSTED_PROXIES", NULL, LOCAL | GATEWAY, gateway_trusted_proxies,
	    "Networks of your own load balancers, space-separated; they may say who the client is.")
	TEXT("GATEWAY_LISTEN", NULL, GATEWAY, gateway_listen,
	    "Addresses with ports, space-separated, that the gateway listens on in place of GATEWAY_BIND and PORT.")
	TEXT("GATEWAY_STATUS_LISTEN", NULL, GATEWAY, gateway_status_listen,
	    "Address and port of /healthz and /stub_status, for operators.")
	TEXT("GATEWAY_ACCESS_LOG", "logs/access.log", GATEWAY, gateway_access_log,
	    "Where the gateway writes a line for each request; containers and systemd's unit set their own.")
	TEXT("GATEWAY_ERROR_LOG", "logs/error.log", GATEWAY, gateway_error_log,
	    "Where nginx writes what goes wrong; containers and systemd's unit set their own.")
	INT("GATEWAY_WORKERS", NULL, 1, 1024, "processes", GATEWAY, gateway_workers,
	    "Processes of nginx; one a core, at most 4, if unset.")
	INT("GATEWAY_ANSWER_SECONDS", "15", 1, 600, "s", GATEWAY, gateway_answer_s,
	    "Time for requests to be answered when the gateway's container is told to end; then its sockets are cut.")
	TEXT("GATEWAY_CSP", NULL, GATEWAY, gateway_csp,
	    "Content-Security-Policy of the web page; strict for ours, wider for another front end.")
	TEXT_OR_NONE("HANDOVER_DIR", NULL, PRESENCE | LOCAL | GATEWAY, handover_dir,
	    "Folder by which the gateway hands open WebSockets over to presence on the same machine; none if unset: they stay the gateway's.")
	TEXT("RUN_DIR", NULL, LOCAL, run_dir,
	    "Folder for logs, process ids and configuration of `make run`; DATA_DIR/run if unset.")
	TEXT("WWW_DIR", NULL, LOCAL | GATEWAY, www_dir,
	    "Folder of another front end to serve instead of ours.")
	TEXT("RUN_USER", NULL, LOCAL, run_user,
	    "Whom `make run` goes on as if root starts it; parley-run if unset, `root` to stay root.")
	INT("REDIS_PORT", "0", 0, 65535, "", LOCAL, redis_port,
	    "Port for the Redis that `make run` starts; 0: a free one.")
	PROCESSES("AUTH", 1, auth_processes, "auth processes that `make run` starts.")
	PROCESSES("MESSAGE", 1, message_processes, "message processes that `make run` starts.")
	PROCESSES("PRESENCE", 1, presence_processes, "presence processes that `make run` starts.")
	PROCESSES("RESPONDER", 0, responder_processes, "llm-responder processes that `make run` starts.")
};
/* clang-format on */

const size_t pl_settings_rows = sizeof(pl_settings_table) / sizeof(pl_settings_table[0]);

/* ---- loading ---- */

static void
name_process(void)
{
	char host[49] = "", name[64];

	if (pl_settings.process_name != NULL)
		return;
	(void)gethostname(host, sizeof(host) - 1);
	snprintf(name, sizeof(name), "%s-%ld",
	    pl_settings_is_name(host, sizeof(host)) ? host : "parley", (long)getpid());
	pl_settings.process_name = pl_mem_strdup(name);
}

enum pl_err
pl_settings_load(unsigned mask, struct pl_buf *why)
{
	enum pl_err err =
	    pl_config_load(pl_settings_table, pl_settings_rows, mask, &pl_settings, why);

	if (err != PL_OK)
		return err;
	pl_settings_add_faults(&pl_settings, why);
	return why->len == 0 ? PL_OK : PL_E_INVALID;
}

void
pl_settings_load_or_exit(unsigned mask)
{
	struct pl_buf why;

	pl_buf_init(&why, PL_SETTINGS_WHY_BYTES);
	if (pl_settings_load(mask, &why) != PL_OK) {
		fprintf(stderr, "%s\n", why.data);
		exit(PL_EXIT_CONFIG);
	}
	pl_buf_fini(&why);
	if ((mask & PL_SVC_ALL) != 0)
		name_process();
	pl_config_log(pl_settings_table, pl_settings_rows, mask, &pl_settings);
}

bool
pl_settings_is_development(void)
{
	return pl_settings.node_env != NULL &&
	       strcmp(pl_settings.node_env, "development") == 0;
}
