#include <arpa/inet.h>
#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "support/patience.h"
#include "support/redis_server.h"

#define WAIT_MS       patient_ms(10000)
#define WORDS_MAX     16
#define REPLY_TEXT    65536
#define POLL_INTERVAL 10000 /* us */

static void
die(const struct redis_server *s, const char *why)
{
	char command[128];

	fprintf(stderr, "redis_server: %s\n", why);
	snprintf(command, sizeof(command), "tail -n 20 %s/log >&2", s->dir);
	if (system(command) != 0)
		fprintf(stderr, "redis_server: no log\n");
	if (s->pid > 0)
		kill(s->pid, SIGKILL);
	abort();
}

/* A port that was free a moment ago. */
static int
free_port(void)
{
	struct sockaddr_in at = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd == -1 || bind(fd, (struct sockaddr *)&at, sizeof(at)) == -1 ||
	    getsockname(fd, (struct sockaddr *)&at, &len) == -1)
		abort();
	close(fd);
	return ntohs(at.sin_port);
}

void
redis_server_init(struct redis_server *s, const char *password)
{
	*s = (struct redis_server){.port = free_port()};
	snprintf(s->dir, sizeof(s->dir), "/tmp/parley-redis-XXXXXX");
	if (mkdtemp(s->dir) == NULL)
		abort();
	if (password != NULL)
		snprintf(s->password, sizeof(s->password), "%s", password);
	snprintf(s->url, sizeof(s->url), "redis://%s%s%s127.0.0.1:%d",
	    password != NULL ? ":" : "", s->password, password != NULL ? "@" : "",
	    s->port);
}

static void
run_server(const struct redis_server *s)
{
	char port[16], log[96];
	int fd;

	snprintf(port, sizeof(port), "%d", s->port);
	snprintf(log, sizeof(log), "%s/log", s->dir);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd == -1 || dup2(fd, 1) == -1 || dup2(fd, 2) == -1)
		_exit(126);
	execlp("redis-server", "redis-server", "--port", port, "--bind", "127.0.0.1",
	    "--dir", s->dir, "--save", "", "--appendonly", "no", "--requirepass",
	    s->password, NULL);
	_exit(127);
}

static redisContext *
connect_to(const struct redis_server *s)
{
	struct timeval limit = {.tv_sec = WAIT_MS / 1000};
	redisContext *c = redisConnectWithTimeout("127.0.0.1", s->port, limit);
	const char *words[] = {"AUTH", s->password};

	if (c == NULL || c->err != 0) {
		redisFree(c);
		return NULL;
	}
	redisSetTimeout(c, limit);
	if (s->password[0] != '\0')
		freeReplyObject(redisCommandArgv(c, 2, words, NULL));
	return c;
}

static bool
is_answering(const struct redis_server *s)
{
	redisContext *c = connect_to(s);
	redisReply *reply;
	bool is_good;

	if (c == NULL)
		return false;
	reply = redisCommand(c, "PING");
	is_good = reply != NULL && reply->type == REDIS_REPLY_STATUS;
	freeReplyObject(reply);
	redisFree(c);
	return is_good;
}

void
redis_server_start(struct redis_server *s)
{
	int64_t deadline = pl_clock_mono_ms() + WAIT_MS;

	s->pid = fork();
	if (s->pid == -1)
		die(s, "no fork");
	if (s->pid == 0)
		run_server(s);
	while (!is_answering(s)) {
		if (waitpid(s->pid, NULL, WNOHANG) != 0)
			die(s, "ended at start");
		if (pl_clock_mono_ms() > deadline)
			die(s, "does not answer");
		usleep(POLL_INTERVAL);
	}
}

void
redis_server_kill(struct redis_server *s)
{
	if (s->pid == 0)
		return;
	kill(s->pid, SIGKILL);
	waitpid(s->pid, NULL, 0);
	s->pid = 0;
}

void
redis_server_pause(struct redis_server *s)
{
	int status;

	kill(s->pid, SIGSTOP);
	waitpid(s->pid, &status, WUNTRACED);
}

void
redis_server_resume(struct redis_server *s)
{
	kill(s->pid, SIGCONT);
}

void
redis_server_fini(struct redis_server *s)
{
	char path[96];

	redis_server_kill(s);
	snprintf(path, sizeof(path), "%s/log", s->dir);
	unlink(path);
	rmdir(s->dir);
}

static void
add_text(char *out, const redisReply *reply)
{
	size_t len = strlen(out);

	switch (reply->type) {
	case REDIS_REPLY_ARRAY:
		for (size_t i = 0; i < reply->elements; i++) {
			if (i > 0)
				strncat(out, " ", REPLY_TEXT - strlen(out) - 1);
			add_text(out, reply->element[i]);
		}
		break;
	case REDIS_REPLY_INTEGER:
		snprintf(out + len, REPLY_TEXT - len, "%lld", reply->integer);
		break;
	case REDIS_REPLY_NIL:
		snprintf(out + len, REPLY_TEXT - len, "nil");
		break;
	default:
		snprintf(out + len, REPLY_TEXT - len, "%s", reply->str);
		break;
	}
}

const char *
redis_server_ask(const struct redis_server *s, const char *command)
{
	static char text[REPLY_TEXT];
	char copy[1024];
	const char *words[WORDS_MAX];
	int argc = 0;
	char *rest = copy;
	char *word;
	redisContext *c = connect_to(s);
	redisReply *reply;

	if (c == NULL)
		die(s, "does not take connections");
	snprintf(copy, sizeof(copy), "%s", command);
	while (argc < WORDS_MAX && (word = strsep(&rest, " ")) != NULL)
		words[argc++] = word;
	reply = redisCommandArgv(c, argc, words, NULL);
	if (reply == NULL)
		die(s, "did not answer");
	text[0] = '\0';
	add_text(text, reply);
	freeReplyObject(reply);
	redisFree(c);
	return text;
}
