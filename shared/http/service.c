#include "http/service.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "auth/first_text.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/url.h"
#include "redis/client.h"
#include "http/accept.h"
#include "http/aside.h"
#include "http/loop_kore.h"
#include "ops/end.h"
#include "ops/sandbox.h"
#include "proto/http_origin.h"
#include "http/cork.h"
#include "http/dispatch.h"
#include "http/exchange.h"
#include "http/heads.h"
#include "session/sessions.h"

#include <hooks.h>
#include <seccomp.h>

#define STORE_READERS 3 /* two of them for long reads of users (loop/offload) */
#define READ_BURST_S  2
#define IDLE_S        75 /* above the gateway's 60, so that it closes first */
/* A connection keeps a buffer of this size. Above 8192 kore takes it from malloc(), below
 * from a pool that never shrinks: 80 MB, after 10,000 connections at once. */
#define HEAD_BYTES_MAX 8200
/* kore touches all of a pool when it makes it, and then lets it grow by a quarter of
 * that. */
#define POOL_FIRST      512
#define OWN_DESCRIPTORS 256  /* store, Redis, threads, what kore has */
#define DRAIN_MORE_MS   5000 /* for requests, after DRAIN_SECONDS for sockets */
#define ROOM_CHECK_MS   100  /* how long kore may spin if no connection fits */
#define QUIET_MS        300  /* without a request: the gateway has seen that we drain */
#define LEAVE_MS        500  /* for the last note to other processes */
#define CLEANUP_MS      50   /* for callbacks of what was just closed */
#define GIVE_BACK_MS    5000
#define SLACK_BYTES     ((size_t)2 << 20)
/* A parent that is ending does not look at a worker's status. Another one puts a new worker
 * in the place of one that was ended alone, but not if that ended with 0. */
#define ALONE EXIT_FAILURE

struct pl_app pl_app;

static pid_t parent_pid;
static u_int32_t connections_max;
static struct pl_timer room;
static struct pl_timer give_back;
static bool is_accepting = true;
static volatile sig_atomic_t ends; /* signals to end that came to the parent */

/* ---- the parent ----------------------------------------------------------------------- */

/* kore prints by stdio: unsent lines would be printed again by each child. */
__attribute__((constructor)) static void
buffer_lines(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
}

static void
exit_on(const char *why)
{
	fprintf(stderr, "%s\n", why);
	exit(PL_EXIT_CONFIG);
}

static struct pl_store_config
store_config(void)
{
	return (struct pl_store_config){
	    .data_dir = pl_settings.data_dir,
	    .mongo_uri = pl_settings.mongo_uri,
	    .names_unservable = pl_service.bit == PL_SVC_AUTH, /* one is enough */
	    .fills_pairs = pl_service.bit == PL_SVC_MESSAGE,
	    .on_erasing = pl_service.on_erasing,
	    .on_erased = pl_service.on_erased,
	};
}

static void
check_store(void)
{
	struct pl_store_config config = store_config();
	enum pl_err err = pl_store_check(&config);

	if (err == PL_E_INVALID)
		exit_on("MONGO_DB_URI must be mongodb://... or mongodb+srv://...");
	if (err != PL_OK)
		exit(PL_EXIT_CONFIG); /* the store has logged why */
}

static void
load_settings(void)
{
	const char *why = NULL;
	const char *previous;

	pl_log_init(pl_service.name, PL_LOG_INFO);
	pl_settings_load_or_exit(pl_service.bit);
	pl_log_init(pl_service.name, (enum pl_log_level)pl_settings.log_level);
	if (pl_service.is_bare)
		return;
	previous = pl_settings.jwt_secret_previous;
	if (pl_jwt_init(pl_settings.jwt_secret, previous, &why) != PL_OK)
		exit_on(why);
	pl_first_text_init(pl_settings.jwt_secret, previous);
	why = pl_redis_url_fault(pl_settings.redis_url);
	if (why != NULL)
		exit_on(why);
	if (!pl_http_origin_list_is_good(pl_str(pl_settings.allowed_origins)))
		exit_on("ALLOWED_ORIGINS " PL_HTTP_ORIGIN_LIST_RULE);
	check_store();
	if (previous != NULL && strlen(previous) < PL_JWT_SECRET_MIN)
		pl_log_warn(
		    "JWT_SECRET_PREVIOUS was found to be short, verifying with it",
		    PL_L_INT("bytes_min", PL_JWT_SECRET_MIN));
}

/* As many connections as the limit on descriptors lets us have: kore spins if accept()
 * fails for want of one. */
static int64_t
affordable_connections(int64_t wanted)
{
	rlim_t needed = (rlim_t)(wanted + OWN_DESCRIPTORS);
	/* kore asks each possible descriptor whether it is open: that takes minutes if
	 * the limit is a thousand million. So it is lowered, too. */
	struct rlimit limit = {needed, needed};

	if (setrlimit(RLIMIT_NOFILE, &limit) == 0 ||
	    getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_max >= needed)
		return wanted;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	wanted = (int64_t)limit.rlim_max - OWN_DESCRIPTORS;
	pl_log_warn("limit on open files was found low, taking fewer connections",
	    PL_L_INT("connections", wanted));
	return wanted;
}

static size_t
longest_body(void)
{
	const int64_t *own = pl_service.body_bytes_max;

	return (size_t)(own != NULL && *own > pl_settings.body_bytes_max
			    ? *own
			    : pl_settings.body_bytes_max);
}

static void
configure_kore(void)
{
	int64_t affordable = affordable_connections(pl_settings.connections_max);

	if (affordable < 64)
		exit_on("The limit on open files is too low, see ulimit -n");
	worker_count = 1;
	/* Else the first CPU would do the work of all services. */
	worker_set_affinity = 0;
	pl_settings.connections_max = affordable;
	connections_max = (u_int32_t)affordable;
	/* kore adds what is open already, and must not come out above the limit. */
	worker_rlimit_nofiles = (u_int32_t)(affordable + OWN_DESCRIPTORS / 2);
	worker_max_connections = http_request_limit = POOL_FIRST;
	http_request_ms = 1000; /* kore delays what does not fit into this by 100 ms */
	http_header_max = HEAD_BYTES_MAX;
	http_header_timeout = IDLE_S; /* kore counts idle time between requests as such */
	http_keepalive_time = IDLE_S;
	/* A body that is a little too big gets an answer of ours. */
	http_body_max = longest_body() * 2;
	http_hsts_enable = 0; /* the gateway's */
	http_server_version("");
}

static void
listen_at(const char *address)
{
	struct kore_server *server = kore_server_create(pl_service.name);
	struct kore_domain *domain = kore_domain_new("*");
	struct pl_host_port at = {0};
	char *host, port[sizeof("65535")];

	(void)!pl_host_port_parse(pl_str(address), &at); /* pl_settings has checked it */
	host = pl_mem_strndup(at.host.ptr, at.host.len);
	snprintf(port, sizeof(port), "%u", at.port);
	server->tls = 0;
	if (!kore_server_bind(server, host, port, NULL)) {
		pl_log_error(
		    "address cannot be listened on", PL_L_CSTR("listen", address));
		exit(EXIT_FAILURE);
	}
	pl_accept_init(server, pl_service.has_sockets);
	kore_domain_attach(domain, server);
	if (!kore_module_handler_new(
		domain, "^/", PL_DISPATCH_NAME, NULL, HANDLER_TYPE_DYNAMIC))
		exit_on("kore does not find " PL_DISPATCH_NAME);
	kore_server_finalize(server);
	pl_mem_free(host);
}

/* The first signal lets the worker end what it has begun; kore then waits for it and
 * hears no other, so the second one goes to the worker from here. */
static void
on_end_signal(int sig)
{
	if (ends++ > 0)
		kore_worker_dispatch_signal(sig);
	sig_recv = sig;
}

/* kore keeps one signal alone, and that a worker ended must not take the place of an
 * end that was asked for. */
static void
on_child(int sig)
{
	if (ends == 0)
		sig_recv = sig;
}

static void
set_signals(void)
{
	struct sigaction action = {.sa_handler = on_end_signal};
	struct sigaction child = {.sa_handler = on_child};

	sigfillset(&action.sa_mask);
	sigfillset(&child.sa_mask);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGCHLD, &child, NULL);
	signal(SIGHUP, SIG_IGN); /* kore would load our module again below our threads */
}

static void
mask_end_signals(int how)
{
	sigset_t ends_by;

	sigemptyset(&ends_by);
	sigaddset(&ends_by, SIGTERM);
	sigaddset(&ends_by, SIGINT);
	sigprocmask(how, &ends_by, NULL);
}

static void
block_end_signals(void)
{
	mask_end_signals(SIG_BLOCK);
}

static void
unblock_end_signals(void)
{
	mask_end_signals(SIG_UNBLOCK);
}

/* A new worker loses the signals that it gets before it has set up its handlers: so they
 * are blocked, from the fork until kore_worker_configure(). */
static void
keep_early_signals(void)
{
	pthread_atfork(block_end_signals, unblock_end_signals, NULL);
}

void
kore_parent_configure(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	pl_sandbox_forbid_dumps();
	load_settings();
	configure_kore();
	listen_at(pl_settings.listen);
	set_signals();
	keep_early_signals();
	parent_pid = getpid();
}

/* kore's own list kills a worker that starts a thread; ours (ops/sandbox) is laid on top
 * when a worker has started. */
void
kore_seccomp_hook(void)
{
	static struct sock_filter all[] = {KORE_BPF_RET(SECCOMP_RET_ALLOW)};

	kore_seccomp_filter("parley", all, KORE_FILTER_LEN(all));
}

/* ---- the worker ----------------------------------------------------------------------- */

/* A worker without its parent would go on serving the port, and nobody could end it. */
static void
die_with_parent(void)
{
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent_pid)
		raise(SIGTERM);
}

/* Until then every token is refused. */
static bool
knows_sessions(void)
{
	return pl_sessions_are_current(pl_app.sessions);
}

static void
connect_app(void)
{
	struct pl_store_config store = store_config();
	struct pl_redis_config commands = {
	    .url = pl_settings.redis_url, .role = "commands"};
	const int64_t bytes_per_second = pl_settings.limit_read_bytes_per_second;
	const int64_t cpu_us_per_second = pl_settings.limit_read_cpu_ms * 1000;
	const struct pl_share_rule reads = {
	    .at_once = pl_settings.limit_reads_at_once,
	    .budget.bytes = {bytes_per_second, READ_BURST_S * bytes_per_second},
	    .budget.cpu_us = {cpu_us_per_second, READ_BURST_S * cpu_us_per_second},
	};
	struct pl_announcement_config announcement = {
	    .service = pl_service.name,
	    .name = pl_settings.process_name,
	    .listen = pl_settings.listen,
	    .is_ready = knows_sessions,
	    .on_renamed = pl_service.on_renamed,
	};

	pl_app.store = pl_store_async_new(pl_app.loop, &store, STORE_READERS);
	pl_app.redis = pl_redis_new(pl_app.loop, &commands);
	pl_app.bus = pl_bus_redis_new(pl_app.loop, pl_app.redis, pl_settings.redis_url);
	pl_app.online = pl_online_new(
	    pl_app.loop, pl_app.redis, pl_app.bus, pl_settings.online_ttl_s * 1000);
	pl_app.sessions = pl_sessions_new(pl_app.loop, pl_app.store, pl_app.bus);
	pl_app.announcement =
	    pl_announcement_new(pl_app.loop, pl_app.redis, &announcement);
	pl_share_init(&pl_app.reads, pl_app.loop, &reads);
}

/* kore leaves its listener armed while it takes no more connections: each turn of its
 * loop would then begin at once, for nothing. */
static void
check_room(struct pl_timer *t)
{
	bool has_room = worker_active_connections < worker_max_connections;

	if (has_room != is_accepting && worker->has_lock) {
		is_accepting = has_room;
		if (has_room)
			kore_platform_enable_accept();
		else
			kore_platform_disable_accept();
	}
	pl_timer_start(pl_app.loop, t, ROOM_CHECK_MS);
}

static void
on_give_back(struct pl_timer *t)
{
	(void)pl_mem_give_back(SLACK_BYTES);
	pl_timer_start(pl_app.loop, t, GIVE_BACK_MS);
}

void
kore_worker_configure(void)
{
	signal(SIGHUP, SIG_IGN);
	unblock_end_signals();
	die_with_parent();
	pl_sandbox_enter(pl_service.has_sockets);
	worker_max_connections = connections_max;
	http_request_limit = connections_max; /* each may wait for an event */
	pl_app.loop = pl_loop_kore_new();
	room.on_fire = check_room;
	pl_timer_start(pl_app.loop, &room, ROOM_CHECK_MS);
	pl_heads_start(pl_app.loop);
	give_back.on_fire = on_give_back;
	pl_timer_start(pl_app.loop, &give_back, GIVE_BACK_MS);
	if (!pl_service.is_bare)
		connect_app();
	if (pl_service.start != NULL)
		pl_service.start();
	pl_log_info("worker started", PL_L_CSTR("listen", pl_settings.listen),
	    PL_L_CSTR("process", pl_settings.process_name));
}

/* Has no request come for a while? Then none will come: the gateway sends them
 * elsewhere. */
static bool
is_quiet(void)
{
	static uint64_t count = UINT64_MAX;
	static int64_t since_mono_ms;

	if (pl_service.is_bare)
		return true;
	if (count != pl_exchange_count()) {
		count = pl_exchange_count();
		since_mono_ms = pl_loop_now_ms(pl_app.loop);
	}
	return pl_loop_now_ms(pl_app.loop) - since_mono_ms >= QUIET_MS;
}

static size_t
in_flight(void)
{
	return pl_exchange_in_flight() +
	       (pl_service.in_flight != NULL ? pl_service.in_flight() : 0);
}

static bool
is_drained(void *arg)
{
	bool is_silent = is_quiet();

	(void)arg;
	if (sig_recv == SIGTERM || sig_recv == SIGINT || sig_recv == SIGQUIT)
		return true; /* asked again: end now */
	return is_silent && in_flight() == 0 &&
	       (pl_service.is_drained == NULL || pl_service.is_drained());
}

static bool
has_left(void *arg)
{
	(void)arg;
	return pl_service.has_left();
}

static bool
never(void *arg)
{
	(void)arg;
	return false;
}

/* Requests in flight are answered, and the service ends what is long-lived; then all that
 * pl_app has is freed. */
void
kore_worker_teardown(void)
{
	pl_app.is_draining = true;
	if (pl_app.announcement != NULL)
		pl_announcement_drain(pl_app.announcement);
	pl_log_info("worker is ending", PL_L_INT("in_flight", in_flight()));
	if (pl_service.drain != NULL)
		pl_service.drain();
	pl_loop_kore_drain(
	    pl_app.loop, is_drained, NULL, pl_settings.drain_s * 1000 + DRAIN_MORE_MS);
	pl_cork_release();
	if (pl_app.announcement != NULL)
		pl_announcement_leave(pl_app.announcement);
	if (pl_service.leave != NULL) {
		pl_service.leave();
		pl_loop_kore_drain(pl_app.loop, has_left, NULL, LEAVE_MS);
	}
	if (in_flight() > 0) {
		/* The calls that they wait for would come back into what is freed
		 * below. */
		pl_log_warn("requests were cut off", PL_L_INT("in_flight", in_flight()));
		pl_end(ALONE);
	}
	pl_heads_stop(pl_app.loop);
	pl_timer_stop(pl_app.loop, &room);
	pl_timer_stop(pl_app.loop, &give_back);
	if (worker->has_lock && is_accepting)
		kore_platform_disable_accept();
	pl_store_async_free(pl_app.store);
	pl_app.store = NULL; /* from here on dispatch refuses */
	if (pl_service.stop != NULL)
		pl_service.stop();
	pl_sessions_free(pl_app.sessions);
	pl_loop_kore_drain(pl_app.loop, never, NULL, CLEANUP_MS);
	/* WebSockets that have not answered our Close by now have timers on the loop. */
	pl_aside_disconnect();
	kore_connection_prune(KORE_CONNECTION_PRUNE_ALL);
	if (!pl_service.is_bare)
		pl_share_fini(&pl_app.reads);
	pl_online_free(pl_app.online);
	pl_announcement_free(pl_app.announcement);
	pl_bus_free(pl_app.bus);
	pl_redis_free(pl_app.redis);
	pl_loop_kore_free(pl_app.loop);
	pl_first_text_fini();
	pl_jwt_fini();
	pl_log_info("worker ended");
	pl_config_free(pl_settings_table, pl_settings_rows, pl_service.bit, &pl_settings);
	pl_end(ALONE);
}
