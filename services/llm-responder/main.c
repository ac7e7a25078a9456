/*
 * llm-responder: writes the replies of BUSY users. One loop, a few store threads, one
 * connection pool to the LLM. Redis or the store may come and go: it waits for them.
 *
 * SIGTERM: ends within 2 s; what the LLM is still writing becomes the standard text.
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/log.h"
#include "bus/gap.h"
#include "bus/wake.h"
#include "loop/loop_epoll.h"
#include "loop/daemon.h"
#include "ops/end.h"
#include "ops/sandbox.h"
#include "ops_server.h"
#include "responder.h"

#define STORE_READERS 2
#define STOP_MS       1200 /* for the jobs that are under way */
#define END_S         1    /* after that, for threads and connections */

static struct app {
	struct pl_loop *loop;
	struct pl_store_async *store;
	struct pl_redis *redis;
	struct pl_bus *bus;
	struct pl_gap *gap;
	struct pl_shared_limit *quota;
	struct pl_wake *wake;
	struct endpoint endpoint;
	struct llm *llm;
	struct responder *responder;
	struct ops_server *ops;
	struct pl_loop_fd signals;
	struct pl_timer stop_limit;
	bool is_stopping;
} app;

static void
fail(const char *why)
{
	pl_log_error("llm-responder did not start", PL_L_CSTR("err", why));
	exit(PL_EXIT_CONFIG);
}

/* ---- the process ---- */

static void
end_loop(void *arg)
{
	(void)arg;
	pl_loop_epoll_stop(app.loop);
}

static void
on_stop_limit(struct pl_timer *t)
{
	(void)t;
	pl_log_warn("jobs were left, another process will take them");
	pl_loop_epoll_stop(app.loop);
}

static void
on_signal(struct pl_loop_fd *w, unsigned ready)
{
	struct signalfd_siginfo info;

	(void)ready;
	if (read(w->fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	if (app.is_stopping)
		_exit(0); /* asked twice */
	app.is_stopping = true;
	pl_log_info("llm-responder is ending");
	ops_server_drain(app.ops);
	pl_wake_free(app.wake);
	app.wake = NULL;
	responder_stop(app.responder, end_loop, NULL);
	pl_timer_start(app.loop, &app.stop_limit, STOP_MS);
}

/* ---- what it is made of ---- */

static void
on_wake(void *arg, const struct pl_oid *messages, size_t count)
{
	(void)arg;
	for (size_t i = 0; i < count; i++)
		responder_wake(app.responder, &messages[i]);
}

static void
start_llm(const struct pl_settings *s)
{
	struct endpoint_config endpoint = endpoint_config_of(s);
	struct llm_config config = {
	    .token = s->llm_api_token,
	    .concurrency = (unsigned)s->llm_concurrency,
	    .quota = app.quota,
	};
	const char *why;

	if (endpoint_init(&app.endpoint, &endpoint, &why) != PL_OK)
		fail(why);
	if (app.endpoint.kind == ENDPOINT_NONE) {
		pl_log_info("no LLM is set, every reply will be the standard text");
		return;
	}
	config.url = app.endpoint.url;
	config.dialect = (struct dialect){
	    .kind = app.endpoint.kind,
	    .model = s->llm_model,
	    .folds_system = s->llm_system_role == PL_LLM_ROLE_FOLD,
	};
	config.options = (struct dialect_options){
	    .max_tokens = s->llm_max_tokens,
	    .temperature = s->llm_temperature,
	};
	app.llm = llm_new(app.loop, &config);
	if (app.llm == NULL)
		fail("libcurl did not start");
}

static void
start_ops(const struct pl_settings *s)
{
	struct ops_server_config config = {
	    .loop = app.loop, .store = app.store, .bus = app.bus, .listen = s->listen};

	app.ops = ops_server_new(&config);
	if (app.ops != NULL)
		return;
	pl_log_error("address cannot be listened on", PL_L_CSTR("listen", s->listen));
	exit(EXIT_FAILURE);
}

static void
start(const struct pl_settings *s)
{
	struct pl_store_config store = {
	    .data_dir = s->data_dir, .mongo_uri = s->mongo_uri};
	struct pl_redis_config commands = {.url = s->redis_url, .role = "commands"};
	const char *fault = pl_redis_url_fault(s->redis_url);
	enum pl_err err;
	struct responder_config config = {
	    .fallback = s->autoreply_fallback,
	    .concurrency = (unsigned)s->llm_concurrency,
	    .context_messages = (size_t)s->llm_context_messages,
	    .sender_per_minute = s->limit_llm_sender,
	    .user_per_minute = s->limit_llm_user,
	};

	if (fault != NULL)
		fail(fault);
	err = pl_store_check(&store);
	if (err == PL_E_INVALID)
		fail("MONGO_DB_URI must be mongodb://... or mongodb+srv://...");
	if (err != PL_OK)
		exit(PL_EXIT_CONFIG); /* the store has logged why */
	app.loop = pl_loop_epoll_new();
	app.redis = pl_redis_new(app.loop, &commands);
	app.bus = pl_bus_redis_new(app.loop, app.redis, s->redis_url);
	app.quota = pl_shared_limit_new_day(app.loop, app.redis, "llm", s->llm_daily_max);
	start_llm(s);
	app.store = pl_store_async_new(app.loop, &store, STORE_READERS);
	config.loop = app.loop;
	config.store = app.store;
	config.redis = app.redis;
	config.bus = app.bus;
	app.gap = config.gap = pl_gap_new(app.loop, app.bus);
	config.llm = app.llm;
	app.responder = responder_new(&config);
	start_ops(s);
	app.wake = pl_wake_new(app.loop, s->redis_url, s->process_name, on_wake, NULL);
	app.stop_limit.on_fire = on_stop_limit;
	app.signals.on_ready = on_signal;
	pl_loop_fd_watch(app.loop, &app.signals, PL_FD_READ);
}

static void
end_now(int sig)
{
	(void)sig;
	_exit(0);
}

/* A database that hangs does not keep the process: a reply is stored, or another process
 * takes its job over. */
static void
finish(void)
{
	(void)signal(SIGALRM, end_now);
	(void)alarm(END_S);
	pl_wake_free(app.wake);
	responder_close(app.responder);
	pl_store_async_free(app.store);
	ops_server_free(app.ops);
	pl_gap_free(app.gap);
	pl_bus_free(app.bus);
	pl_redis_free(app.redis);
	responder_free(app.responder);
	llm_free(app.llm);
	pl_shared_limit_free(app.quota);
	endpoint_fini(&app.endpoint);
	pl_timer_stop(app.loop, &app.stop_limit);
	pl_loop_fd_watch(app.loop, &app.signals, 0);
	close(app.signals.fd);
	pl_loop_epoll_free(app.loop);
	pl_config_free(
	    pl_settings_table, pl_settings_rows, PL_SVC_RESPONDER, &pl_settings);
}

int
main(void)
{
	pl_log_init("llm-responder", PL_LOG_INFO);
	app.signals.fd = pl_daemon_prepare();
	pl_settings_load_or_exit(PL_SVC_RESPONDER);
	pl_log_init("llm-responder", (enum pl_log_level)pl_settings.log_level);
	pl_sandbox_enter(false);
	start(&pl_settings);
	pl_log_info("llm-responder started",
	    PL_L_CSTR("process", pl_settings.process_name),
	    PL_L_STR("llm", endpoint_shown(&app.endpoint)));
	pl_loop_epoll_run(app.loop);
	finish();
	pl_log_info("llm-responder ended");
	pl_end(EXIT_SUCCESS);
}
