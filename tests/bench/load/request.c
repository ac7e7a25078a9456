#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../sockets/process.h"
#include "request.h"

#include "base/list.h"
#include "base/mem.h"

#define EVENTS_MAX 64
#define READ_BYTES (64 * 1024)

struct link {
	struct pl_list free; /* in requests.free, unless it is busy */
	bool is_busy;        /* a request is under way */
	int fd;              /* -1: the server closed it, or it was never there */
	size_t number;
	struct pl_buf answer;
};

struct requests {
	uint16_t port;
	int epoll;
	struct link *links;
	size_t count;
	struct pl_list free;
	void (*answered)(void *arg, const struct request_answer *answer);
	void *arg;
};

/* ---- connections --------------------------------------------------------------------- */

static void
dial(struct requests *r, struct link *link)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
	    .sin_port = htons(r->port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct epoll_event e = {.events = EPOLLIN, .data.ptr = link};
	int on = 1;

	link->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (link->fd == -1 ||
	    connect(link->fd, (struct sockaddr *)&to, sizeof(to)) != 0 ||
	    setsockopt(link->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0 ||
	    epoll_ctl(r->epoll, EPOLL_CTL_ADD, link->fd, &e) != 0)
		bench_die("no connection to port %u: %s", r->port, strerror(errno));
}

static void
hang_up(struct link *link)
{
	if (link->fd != -1)
		close(link->fd);
	link->fd = -1;
}

/* ---- answers ------------------------------------------------------------------------- */

/* The value of a header, or NULL. The head ends with an empty line. */
static const char *
header(const struct pl_buf *answer, const char *name)
{
	const char *found = strcasestr((const char *)answer->data, name);
	const char *end = strstr((const char *)answer->data, "\r\n\r\n");

	return found != NULL && found < end ? found + strlen(name) : NULL;
}

static bool
is_whole(const struct pl_buf *answer, size_t *body_at)
{
	const char *text = (const char *)answer->data;
	const char *end = answer->len > 0 ? strstr(text, "\r\n\r\n") : NULL;
	const char *length;

	if (end == NULL)
		return false;
	*body_at = (size_t)(end + 4 - text);
	length = header(answer, "\r\ncontent-length:");
	if (length != NULL)
		return answer->len >= *body_at + strtoul(length, NULL, 10);
	return header(answer, "\r\ntransfer-encoding: chunked") == NULL ||
	       (answer->len >= *body_at + 5 &&
		   memcmp(text + answer->len - 5, "0\r\n\r\n", 5) == 0);
}

static void
finish(struct requests *r, struct link *link, size_t body_at)
{
	const char *text = (const char *)link->answer.data;
	struct request_answer answer = {.number = link->number,
	    .status = (int)strtol(text + strlen("HTTP/1.1 "), NULL, 10),
	    .body = pl_str_n(text + body_at, link->answer.len - body_at)};

	if (header(&link->answer, "\r\nconnection: close") != NULL)
		hang_up(link);
	r->answered(r->arg, &answer);
	pl_buf_clear(&link->answer);
	link->is_busy = false;
	pl_list_push(&r->free, &link->free);
}

static void
on_readable(struct requests *r, struct link *link)
{
	char *into = pl_buf_reserve(&link->answer, READ_BYTES);
	size_t body_at = 0;
	ssize_t n;

	if (into == NULL)
		bench_die("an answer is too long");
	n = recv(link->fd, into, READ_BYTES - 1, 0);
	if (n <= 0) {
		if (link->is_busy)
			bench_die("the server hung up on a request: %s",
			    n < 0 ? strerror(errno) : "closed");
		hang_up(link);
		return;
	}
	link->answer.len += (size_t)n;
	link->answer.data[link->answer.len] = '\0';
	if (is_whole(&link->answer, &body_at))
		finish(r, link, body_at);
}

/* ---- outside ------------------------------------------------------------------------- */

struct requests *
requests_new(uint16_t port, size_t count,
    void (*answered)(void *arg, const struct request_answer *answer), void *arg)
{
	struct requests *r = pl_mem_zalloc(sizeof(*r));

	*r = (struct requests){
	    .port = port, .count = count, .answered = answered, .arg = arg};
	r->epoll = epoll_create1(EPOLL_CLOEXEC);
	r->links = pl_mem_zalloc(count * sizeof(r->links[0]));
	pl_list_init(&r->free);
	for (size_t i = 0; i < count; i++) {
		pl_buf_init(&r->links[i].answer, REQUEST_ANSWER_MAX);
		dial(r, &r->links[i]);
		pl_list_push(&r->free, &r->links[i].free);
	}
	return r;
}

void
requests_free(struct requests *r)
{
	for (size_t i = 0; i < r->count; i++) {
		hang_up(&r->links[i]);
		pl_buf_fini(&r->links[i].answer);
	}
	close(r->epoll);
	pl_mem_free(r->links);
	pl_mem_free(r);
}

int
requests_epoll(const struct requests *r)
{
	return r->epoll;
}

bool
requests_is_full(const struct requests *r)
{
	return pl_list_is_empty(&r->free);
}

void
requests_send(struct requests *r, size_t number, struct pl_str bytes)
{
	struct link *link = PL_CONTAINER(pl_list_pop(&r->free), struct link, free);

	link->is_busy = true;
	link->number = number;
	if (link->fd == -1)
		dial(r, link);
	if (send(link->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL) != (ssize_t)bytes.len)
		bench_die("a request cannot be sent: %s", strerror(errno));
}

void
requests_step(struct requests *r)
{
	struct epoll_event events[EVENTS_MAX];
	int n = epoll_wait(r->epoll, events, EVENTS_MAX, 0);

	for (int i = 0; i < n; i++)
		on_readable(r, events[i].data.ptr);
}
