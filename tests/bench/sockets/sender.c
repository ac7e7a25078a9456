#include <errno.h>
#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sender.h"

#include "base/clock.h"
#include "bus/events.h"

#define REQUEST_BYTES (256 * 1024)
#define ANSWER_BYTES  (256 * 1024)

void
sender_init(struct sender *s, const struct stack *stack, size_t user)
{
	*s = (struct sender){.stack = stack, .user = user};
	s->fd = stack_dial(stack->message_port);
	if (s->fd == -1)
		bench_die("the message service takes no connection");
	s->redis = redisConnect("127.0.0.1", stack->redis.port);
	if (s->redis == NULL || s->redis->err != 0)
		bench_die("Redis takes no connection");
}

void
sender_fini(struct sender *s)
{
	close(s->fd);
	redisFree(s->redis);
}

static void
write_request(
    const struct sender *s, size_t receiver, const char *text, struct pl_buf *out)
{
	char id[PL_OID_HEX_LEN + 1];

	pl_oid_format(&s->stack->users[receiver], id);
	pl_buf_printf(out,
	    "POST /api/messages/send/%s HTTP/1.1\r\nHost: bench\r\nCookie: jwt=", id);
	stack_token(s->stack, s->user, out);
	pl_buf_printf(out,
	    "\r\nContent-Type: application/json\r\nContent-Length: "
	    "%zu\r\n\r\n{\"message\":\"%s\"}",
	    strlen(text) + strlen("{\"message\":\"\"}"), text);
}

static bool
is_whole(const char *answer, size_t len)
{
	const char *body = memmem(answer, len, "\r\n\r\n", 4);
	const char *length = strcasestr(answer, "\r\ncontent-length:");

	return body != NULL && length != NULL &&
	       len >= (size_t)(body + 4 - answer) + strtoul(length + 17, NULL, 10);
}

static void
read_answer(struct sender *s)
{
	static char answer[ANSWER_BYTES];
	size_t len = 0;

	do {
		ssize_t n = recv(s->fd, answer + len, sizeof(answer) - 1 - len, 0);

		if (n <= 0)
			bench_die("the message service hung up: %s", strerror(errno));
		len += (size_t)n;
		answer[len] = '\0';
	} while (!is_whole(answer, len));
	if (strncmp(answer, "HTTP/1.1 201", 12) != 0)
		bench_die("a message was not taken: %.300s", answer);
}

void
sender_post(struct sender *s, size_t receiver, const char *text)
{
	struct pl_buf request;

	pl_buf_init(&request, REQUEST_BYTES);
	write_request(s, receiver, text, &request);
	for (size_t sent = 0; sent < request.len;) {
		ssize_t n =
		    send(s->fd, request.data + sent, request.len - sent, MSG_NOSIGNAL);

		if (n <= 0)
			bench_die("the message service hung up: %s", strerror(errno));
		sent += (size_t)n;
	}
	pl_buf_fini(&request);
	read_answer(s);
}

void
sender_publish(struct sender *s, size_t receiver, const char *text)
{
	char channel[PL_CHANNEL_USER_LEN + 1];
	struct pl_message m;
	struct pl_buf event;
	redisReply *reply;

	pl_message_init(&m, &s->stack->users[s->user], &s->stack->users[receiver],
	    pl_str(text), pl_clock_unix_ms());
	pl_channel_user(&m.receiver, channel);
	pl_buf_init(&event, PL_BUF_UNLIMITED);
	pl_event_new_message(&event, &m, NULL);
	reply = redisCommand(s->redis, "PUBLISH %s %b", channel, event.data, event.len);
	if (reply == NULL || reply->type != REDIS_REPLY_INTEGER)
		bench_die("Redis did not take an event");
	freeReplyObject(reply);
	pl_buf_fini(&event);
	pl_message_fini(&m);
}
