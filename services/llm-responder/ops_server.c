#include "ops_server.h"

#include <microhttpd.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/url.h"
#include "ops/metrics.h"
#include "ops/settings.h"
#include "health/health.h"

#define CONNECTIONS_MAX   32
#define CONNECTION_IDLE_S 10
#define METRICS_BYTES_MAX ((size_t)1 << 20)

struct ops_server {
	struct ops_server_config config;
	struct MHD_Daemon *daemon;
	struct pl_loop_fd watch;
	struct pl_timer timer; /* ends connections that say nothing */
	bool is_draining;
};

/* A request for /readyz, suspended until the database has answered; then libmicrohttpd
 * asks for the answer again. */
struct readiness {
	struct ops_server *server;
	struct MHD_Connection *connection;
	int status; /* 0: not known yet */
	struct pl_buf body;
	bool is_inside; /* pl_health_ask() runs */
	bool is_gone;   /* the connection has ended; on_health() frees r */
};

/* ---- turning ---- */

static void
turn(struct ops_server *s)
{
	MHD_UNSIGNED_LONG_LONG wait_ms;

	(void)MHD_run(s->daemon);
	if (MHD_get_timeout(s->daemon, &wait_ms) == MHD_YES)
		pl_timer_start(s->config.loop, &s->timer, (int64_t)wait_ms);
	else
		pl_timer_stop(s->config.loop, &s->timer);
}

static void
on_ready(struct pl_loop_fd *w, unsigned ready)
{
	(void)ready;
	turn(w->arg);
}

static void
on_timer(struct pl_timer *t)
{
	turn(t->arg);
}

/* ---- answering ---- */

static enum MHD_Result
answer(struct MHD_Connection *c, unsigned status, const char *content_type,
    struct pl_str body)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(
	    body.len, (void *)(uintptr_t)body.ptr, MHD_RESPMEM_MUST_COPY);
	enum MHD_Result result;

	if (response == NULL)
		return MHD_NO;
	(void)MHD_add_response_header(response, "content-type", content_type);
	(void)MHD_add_response_header(response, "cache-control", "no-store");
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		(void)MHD_add_response_header(response, "allow", "GET, HEAD");
	result = MHD_queue_response(c, status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result
answer_metrics(struct MHD_Connection *c)
{
	enum MHD_Result result;
	struct pl_buf body;

	pl_buf_init(&body, METRICS_BYTES_MAX);
	pl_metrics_print(&body, PL_SVC_RESPONDER);
	result = answer(c, MHD_HTTP_OK, PL_METRICS_CONTENT_TYPE, pl_buf_str(&body));
	pl_buf_fini(&body);
	return result;
}

static void
readiness_free(struct readiness *r)
{
	pl_buf_fini(&r->body);
	pl_mem_free(r);
}

static void
on_health(void *arg, int status, struct pl_str body)
{
	struct readiness *r = arg;

	if (r->is_gone) {
		readiness_free(r);
		return;
	}
	r->status = status;
	pl_buf_add_str(&r->body, body);
	if (r->is_inside)
		return;
	MHD_resume_connection(r->connection);
	pl_timer_start(r->server->config.loop, &r->server->timer, 0);
}

static enum MHD_Result
ask_readiness(struct ops_server *s, struct MHD_Connection *c, void **kept)
{
	struct readiness *r = pl_mem_zalloc(sizeof(*r));

	r->server = s;
	r->connection = c;
	pl_buf_init(&r->body, 1024);
	*kept = r;
	r->is_inside = true;
	pl_health_ask(&(struct pl_health_question){
	    .loop = s->config.loop,
	    .store = s->config.store,
	    .bus = s->config.bus,
	    .is_draining = s->is_draining,
	    .on_answer = on_health,
	    .arg = r,
	});
	r->is_inside = false;
	if (r->status == 0) {
		MHD_suspend_connection(c);
		return MHD_YES;
	}
	return answer(c, (unsigned)r->status, "application/json", pl_buf_str(&r->body));
}

static enum MHD_Result
on_request(void *arg, struct MHD_Connection *c, const char *url, const char *method,
    const char *version, const char *upload, size_t *upload_size, void **kept)
{
	struct readiness *r = *kept;

	(void)version;
	(void)upload;
	if (r != NULL)
		return answer(
		    c, (unsigned)r->status, "application/json", pl_buf_str(&r->body));
	if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
		*upload_size = 0;
		return answer(c, MHD_HTTP_METHOD_NOT_ALLOWED, "application/json",
		    PL_STR("{\"error\":\"Method not allowed\"}"));
	}
	if (strcmp(url, "/healthz") == 0)
		return answer(
		    c, MHD_HTTP_OK, "application/json", PL_STR("{\"status\":\"ok\"}"));
	if (strcmp(url, "/readyz") == 0)
		return ask_readiness(arg, c, kept);
	if (strcmp(url, "/metrics") == 0)
		return answer_metrics(c);
	return answer(c, MHD_HTTP_NOT_FOUND, "application/json",
	    PL_STR("{\"error\":\"Not found\"}"));
}

static void
on_completed(
    void *arg, struct MHD_Connection *c, void **kept, enum MHD_RequestTerminationCode why)
{
	struct readiness *r = *kept;

	(void)arg;
	(void)c;
	(void)why;
	*kept = NULL;
	if (r == NULL)
		return;
	r->is_gone = true;
	if (r->status != 0)
		readiness_free(r);
}

/* ---- life ---- */

static struct addrinfo *
find_address(const char *listen)
{
	const struct addrinfo hints = {
	    .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
	struct addrinfo *found = NULL;
	struct pl_host_port at;
	char *host, port[sizeof("65535")];

	if (!pl_host_port_parse(pl_str(listen), &at) || !at.has_port)
		return NULL;
	host = pl_mem_strndup(at.host.ptr, at.host.len);
	snprintf(port, sizeof(port), "%u", at.port);
	if (getaddrinfo(host, port, &hints, &found) != 0)
		found = NULL;
	pl_mem_free(host);
	return found;
}

static struct MHD_Daemon *
start_daemon(struct ops_server *s)
{
	struct addrinfo *address = find_address(s->config.listen);
	unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME;
	struct MHD_Daemon *daemon;

	if (address == NULL)
		return NULL;
	if (address->ai_family == AF_INET6)
		flags |= MHD_USE_IPv6;
	daemon = MHD_start_daemon(flags, 0, NULL, NULL, on_request, s,
	    MHD_OPTION_SOCK_ADDR, address->ai_addr, MHD_OPTION_NOTIFY_COMPLETED,
	    on_completed, s, MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
	    MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)CONNECTION_IDLE_S,
	    MHD_OPTION_LISTENING_ADDRESS_REUSE, 1u, MHD_OPTION_END);
	freeaddrinfo(address);
	return daemon;
}

struct ops_server *
ops_server_new(const struct ops_server_config *config)
{
	struct ops_server *s = pl_mem_zalloc(sizeof(*s));

	s->config = *config;
	s->daemon = start_daemon(s);
	if (s->daemon == NULL) {
		pl_mem_free(s);
		return NULL;
	}
	s->timer.on_fire = on_timer;
	s->timer.arg = s;
	s->watch.fd = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
	s->watch.on_ready = on_ready;
	s->watch.arg = s;
	pl_loop_fd_watch(s->config.loop, &s->watch, PL_FD_READ);
	return s;
}

void
ops_server_drain(struct ops_server *s)
{
	s->is_draining = true;
}

void
ops_server_free(struct ops_server *s)
{
	if (s == NULL)
		return;
	pl_timer_stop(s->config.loop, &s->timer);
	pl_loop_fd_watch(s->config.loop, &s->watch, 0);
	MHD_stop_daemon(s->daemon);
	pl_mem_free(s);
}
