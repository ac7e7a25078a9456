#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "support/mongo_server.h"
#include "support/patience.h"

#define WAIT_MS patient_ms(30000)
#define SCRIPT  "tests/support/mongo/serve.sh"

static void
die(const struct mongo_server *s, const char *why)
{
	char command[128];

	fprintf(stderr, "mongo_server: %s\n", why);
	snprintf(command, sizeof(command), "tail -n 20 %s/log >&2", s->dir);
	if (system(command) != 0)
		fprintf(stderr, "mongo_server: no log\n");
	if (s->pid > 0)
		kill(s->pid, SIGKILL);
	abort();
}

void
mongo_server_init(struct mongo_server *s, bool persists)
{
	*s = (struct mongo_server){0};
	snprintf(s->dir, sizeof(s->dir), "/tmp/parley-mongo-XXXXXX");
	if (mkdtemp(s->dir) == NULL)
		abort();
	if (persists)
		snprintf(s->file, sizeof(s->file), "%s/store", s->dir);
}

static void
run_server(const struct mongo_server *s, int out)
{
	char port[16], log[96];
	int fd;

	snprintf(port, sizeof(port), "%d", s->port);
	snprintf(log, sizeof(log), "%s/log", s->dir);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd == -1 || dup2(out, 1) == -1 || dup2(fd, 2) == -1)
		_exit(126);
	execl(SCRIPT, SCRIPT, port, s->file[0] != '\0' ? s->file : NULL, NULL);
	_exit(127);
}

/* The port from its line "listening on 40123"; 0 if it ended instead, or says nothing. */
static int
read_port(int fd)
{
	char text[64] = "";
	size_t len = 0;
	int64_t deadline = pl_clock_mono_ms() + WAIT_MS;
	int port = 0;

	while (strchr(text, '\n') == NULL && len < sizeof(text) - 1) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		int64_t left = deadline - pl_clock_mono_ms();
		ssize_t n;

		if (left <= 0 || poll(&p, 1, (int)left) <= 0)
			return 0;
		n = read(fd, text + len, sizeof(text) - 1 - len);
		if (n <= 0)
			return 0;
		len += (size_t)n;
	}
	return sscanf(text, "listening on %d\n", &port) == 1 ? port : 0;
}

void
mongo_server_start(struct mongo_server *s)
{
	int out[2];

	if (pipe2(out, O_CLOEXEC) == -1)
		abort();
	s->pid = fork();
	if (s->pid == -1)
		die(s, "no fork");
	if (s->pid == 0)
		run_server(s, out[1]);
	close(out[1]);
	s->port = read_port(out[0]);
	close(out[0]);
	if (s->port == 0)
		die(s, "does not start; was `make build/mongo/ready` run?");
}

static void
end_by(struct mongo_server *s, int signal)
{
	int64_t deadline = pl_clock_mono_ms() + WAIT_MS;

	if (s->pid == 0)
		return;
	kill(s->pid, signal);
	while (waitpid(s->pid, NULL, WNOHANG) == 0) {
		if (pl_clock_mono_ms() > deadline)
			die(s, "does not end");
		usleep(5000);
	}
	s->pid = 0;
}

void
mongo_server_stop(struct mongo_server *s)
{
	end_by(s, SIGTERM);
}

void
mongo_server_kill(struct mongo_server *s)
{
	end_by(s, SIGKILL);
}

void
mongo_server_pause(struct mongo_server *s)
{
	int status;

	kill(s->pid, SIGSTOP);
	waitpid(s->pid, &status, WUNTRACED);
}

void
mongo_server_resume(struct mongo_server *s)
{
	kill(s->pid, SIGCONT);
}

void
mongo_server_fini(struct mongo_server *s)
{
	char path[96];

	mongo_server_kill(s);
	if (s->file[0] != '\0')
		unlink(s->file);
	snprintf(path, sizeof(path), "%s/log", s->dir);
	unlink(path);
	rmdir(s->dir);
}

const char *
mongo_server_uri(const struct mongo_server *s, const char *database)
{
	static char uri[128];

	snprintf(uri, sizeof(uri), "mongodb://127.0.0.1:%d/%s", s->port, database);
	return uri;
}
