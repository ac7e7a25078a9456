/*
 * gateway-follow: writes who serves into a file, for the gateway's nginx (members.lua),
 * each time that changes.
 *
 *   usage: gateway-follow PREFIX      writes PREFIX/run/members, a line for each process:
 *
 *     presence p1 10.0.0.7:8080 up
 *
 * The file is always whole: a new one takes the old one's place. While Redis is away, or
 * this program is, it stays as it was. Needs REDIS_URL alone.  SIGTERM ends it.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/log.h"
#include "processes/list.h"
#include "loop/loop_epoll.h"
#include "loop/daemon.h"
#include "ops/sandbox.h"
#include "ops/settings.h"

#define FILE_BYTES_MAX ((size_t)1 << 20)
#define PATH_MAX_BYTES 4096

static struct app {
	struct pl_loop *loop;
	struct pl_redis *redis;
	struct pl_bus *bus;
	struct pl_process_list *processes;
	struct pl_loop_fd signals;
	char path[PATH_MAX_BYTES];
	char new_path[PATH_MAX_BYTES + 8];
} app;

/* ---- the file ---- */

static bool
write_all(int fd, struct pl_str text)
{
	while (text.len > 0) {
		ssize_t n = write(fd, text.ptr, text.len);

		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		text = pl_str_n(text.ptr + n, text.len - (size_t)n);
	}
	return true;
}

static bool
write_file(struct pl_str text)
{
	int fd = open(app.new_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	bool is_whole;

	if (fd == -1)
		return false;
	is_whole = write_all(fd, text);
	return close(fd) == 0 && is_whole && rename(app.new_path, app.path) == 0;
}

static void
on_change(void *arg)
{
	struct pl_buf text;

	(void)arg;
	pl_buf_init(&text, FILE_BYTES_MAX);
	pl_process_list_print(app.processes, &text);
	if (!write_file(pl_buf_str(&text)))
		pl_log_error("list of processes was not written, the old one stays",
		    PL_L_CSTR("file", app.path), PL_L_CSTR("err", strerror(errno)));
	else
		pl_log_info("list of processes changed",
		    PL_L_STR("processes", pl_buf_str(&text)));
	pl_buf_fini(&text);
}

/* ---- the process ---- */

static void
on_signal(struct pl_loop_fd *w, unsigned ready)
{
	(void)w;
	(void)ready;
	pl_loop_epoll_stop(app.loop);
}

static void
start(void)
{
	struct pl_redis_config commands = {
	    .url = pl_settings.redis_url, .role = "commands"};

	app.loop = pl_loop_epoll_new();
	app.signals.on_ready = on_signal;
	pl_loop_fd_watch(app.loop, &app.signals, PL_FD_READ);
	app.redis = pl_redis_new(app.loop, &commands);
	app.bus = pl_bus_redis_new(app.loop, app.redis, pl_settings.redis_url);
	app.processes =
	    pl_process_list_new(app.loop, app.redis, app.bus, on_change, NULL);
}

static void
finish(void)
{
	pl_process_list_free(app.processes);
	pl_bus_free(app.bus);
	pl_redis_free(app.redis);
	pl_loop_fd_watch(app.loop, &app.signals, 0);
	close(app.signals.fd);
	pl_loop_epoll_free(app.loop);
	pl_config_free(pl_settings_table, pl_settings_rows, PL_SVC_GATEWAY, &pl_settings);
}

static void
fail(const char *why)
{
	fprintf(stderr, "gateway-follow: %s\n", why);
	exit(PL_EXIT_CONFIG);
}

int
main(int argc, char **argv)
{
	const char *fault;
	int len;

	pl_log_init("gateway", PL_LOG_INFO);
	app.signals.fd = pl_daemon_prepare();
	if (argc != 2)
		fail("usage: gateway-follow PREFIX");
	len = snprintf(app.path, sizeof(app.path), "%s/run/members", argv[1]);
	if (len < 0 || (size_t)len >= sizeof(app.path))
		fail("PREFIX is too long");
	snprintf(app.new_path, sizeof(app.new_path), "%s.new", app.path);
	pl_settings_load_or_exit(PL_SVC_GATEWAY);
	pl_log_init("gateway", (enum pl_log_level)pl_settings.log_level);
	pl_sandbox_enter(false);
	fault = pl_redis_url_fault(pl_settings.redis_url);
	if (fault != NULL)
		fail(fault);
	start();
	pl_loop_epoll_run(app.loop);
	finish();
	return 0;
}
