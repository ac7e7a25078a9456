#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/wire_proxy.h"

static struct sockaddr_in
loopback(int port)
{
	return (struct sockaddr_in){
	    .sin_family = AF_INET,
	    .sin_port = htons((uint16_t)port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
}

static void
close_with_reset(int fd)
{
	struct linger now = {.l_onoff = 1};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
}

static void
cut(struct wire_proxy_pair *pair)
{
	close_with_reset(pair->client);
	close_with_reset(pair->server);
	*pair = (struct wire_proxy_pair){.client = -1, .server = -1};
}

/* ---- the thread ---- */

static void
take_connection(struct wire_proxy *p)
{
	struct sockaddr_in at = loopback(p->target_port);
	int client = accept4(p->listener, NULL, NULL, SOCK_CLOEXEC);
	int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	for (int i = 0; client != -1 && server != -1 && i < WIRE_PROXY_PAIRS; i++) {
		if (p->pairs[i].client != -1)
			continue;
		if (connect(server, (struct sockaddr *)&at, sizeof(at)) != 0)
			break;
		p->pairs[i] = (struct wire_proxy_pair){client, server, false};
		return;
	}
	if (client != -1)
		close_with_reset(client);
	if (server != -1)
		close(server);
}

/* Pass on what one side says. False: the connection is over. */
static bool
pass(int from, int to, const char *word, bool *has_word)
{
	char data[65536];
	ssize_t len = read(from, data, sizeof(data));

	if (len <= 0)
		return false;
	*has_word = word != NULL && memmem(data, (size_t)len, word, strlen(word)) != NULL;
	for (ssize_t sent = 0, n; sent < len; sent += n) {
		n = send(to, data + sent, (size_t)(len - sent), MSG_NOSIGNAL);
		if (n <= 0)
			return false;
	}
	return true;
}

static void
on_word(struct wire_proxy *p, struct wire_proxy_pair *pair)
{
	bool has_word, is_open;
	const char *word;

	pthread_mutex_lock(&p->lock);
	word = p->way == WIRE_PROXY_LOSE || p->way == WIRE_PROXY_HOLD ? p->word : NULL;
	pthread_mutex_unlock(&p->lock);
	is_open = pass(pair->client, pair->server, word, &has_word);
	if (!is_open) {
		cut(pair);
		return;
	}
	if (!has_word)
		return;
	pair->is_marked = true;
	pthread_mutex_lock(&p->lock);
	p->seen++;
	if (p->way == WIRE_PROXY_LOSE)
		p->word = NULL; /* only this one */
	pthread_mutex_unlock(&p->lock);
}

/* ---- MongoDB's commands ---- */

#define OP_MSG 2013

struct header { /* of the machine's byte order, which is the wire's */
	int32_t length, id, answers, code;
};

/* Is this the command that has to fail? */
static bool
is_nth(struct wire_proxy *p, struct wire_proxy_pair *pair)
{
	struct header h;
	bool is_it;

	if (recv(pair->client, &h, sizeof(h), MSG_PEEK) != sizeof(h) || h.code != OP_MSG)
		return false;
	pthread_mutex_lock(&p->lock);
	is_it = p->way >= WIRE_PROXY_DROP && ++p->seen == p->n;
	pthread_mutex_unlock(&p->lock);
	return is_it;
}

/* {ok: 0.0, errmsg: "refused", code: code} */
static void
refuse(struct wire_proxy_pair *pair, int32_t code)
{
	static const char error[] = "\x01ok\0\0\0\0\0\0\0\0\0"
				    "\x02"
				    "errmsg\0\x08\0\0\0refused\0"
				    "\x10"
				    "code";
	char asked[65536], answer[128];
	ssize_t len = read(pair->client, asked, sizeof(asked));
	struct header h;
	char *at = answer + sizeof(h);
	int32_t doc_len = 4 + (int32_t)sizeof(error) + 4 + 1;

	if (len < (ssize_t)sizeof(h)) {
		cut(pair);
		return;
	}
	memcpy(&h, asked, sizeof(h));
	h = (struct header){.length = (int32_t)sizeof(h) + 4 + 1 + doc_len,
	    .id = h.id,
	    .answers = h.id,
	    .code = OP_MSG};
	memcpy(answer, &h, sizeof(h));
	memset(at, 0, 5); /* no flags; then one document */
	memcpy(at + 5, &doc_len, 4);
	memcpy(at + 9, error, sizeof(error));
	memcpy(at + 9 + sizeof(error), &code, 4);
	at[9 + sizeof(error) + 4] = 0;
	if (send(pair->client, answer, (size_t)h.length, MSG_NOSIGNAL) != h.length)
		cut(pair);
}

/* True: it has failed as it should, and goes no further. */
static bool
fail_command(struct wire_proxy *p, struct wire_proxy_pair *pair)
{
	if (!is_nth(p, pair))
		return false;
	if (p->way == WIRE_PROXY_LOSE_NTH)
		pair->is_marked = true;
	else if (p->way == WIRE_PROXY_REFUSE)
		refuse(pair, p->code);
	else
		cut(pair);
	return p->way != WIRE_PROXY_LOSE_NTH;
}

static void
on_request(struct wire_proxy *p, struct wire_proxy_pair *pair)
{
	bool marks;

	if (fail_command(p, pair))
		return;
	marks = pair->is_marked; /* by fail_command() */
	on_word(p, pair);
	if (pair->client != -1)
		pair->is_marked = pair->is_marked || marks;
}

static void
on_answer(struct wire_proxy *p, struct wire_proxy_pair *pair)
{
	bool unused, is_lost;

	pthread_mutex_lock(&p->lock);
	is_lost = pair->is_marked &&
		  (p->way == WIRE_PROXY_LOSE || p->way == WIRE_PROXY_LOSE_NTH);
	pthread_mutex_unlock(&p->lock);
	pair->is_marked = false;
	if (is_lost || !pass(pair->server, pair->client, NULL, &unused))
		cut(pair);
}

/* What was asked for from outside; false: stop. */
static bool
obey(struct wire_proxy *p, bool *is_holding)
{
	bool cuts_all, goes_on;

	pthread_mutex_lock(&p->lock);
	cuts_all = p->cuts_all || p->is_stopping;
	p->cuts_all = false;
	goes_on = !p->is_stopping;
	*is_holding = p->way == WIRE_PROXY_HOLD;
	pthread_mutex_unlock(&p->lock);
	for (int i = 0; cuts_all && i < WIRE_PROXY_PAIRS; i++)
		if (p->pairs[i].client != -1)
			cut(&p->pairs[i]);
	return goes_on;
}

static void *
thread_main(void *arg)
{
	struct wire_proxy *p = arg;
	struct pollfd fds[2 + 2 * WIRE_PROXY_PAIRS];
	bool is_holding;

	while (obey(p, &is_holding)) {
		fds[0] = (struct pollfd){.fd = p->listener, .events = POLLIN};
		fds[1] = (struct pollfd){.fd = p->wake[0], .events = POLLIN};
		for (int i = 0; i < WIRE_PROXY_PAIRS; i++) {
			struct wire_proxy_pair *pair = &p->pairs[i];
			bool is_held = is_holding && pair->is_marked;

			fds[2 + 2 * i] =
			    (struct pollfd){.fd = pair->client, .events = POLLIN};
			fds[3 + 2 * i] = (struct pollfd){
			    .fd = is_held ? -1 : pair->server, .events = POLLIN};
		}
		if (poll(fds, 2 + 2 * WIRE_PROXY_PAIRS, -1) < 0)
			continue;
		if (fds[1].revents != 0) {
			char byte;

			if (read(p->wake[0], &byte, 1) != 1)
				abort();
		}
		for (int i = 0; i < WIRE_PROXY_PAIRS; i++) {
			if (fds[2 + 2 * i].revents != 0)
				on_request(p, &p->pairs[i]);
			if (fds[3 + 2 * i].revents != 0 && p->pairs[i].server != -1)
				on_answer(p, &p->pairs[i]);
		}
		if (fds[0].revents != 0)
			take_connection(p);
	}
	return NULL;
}

/* ---- outside ---- */

static void
wake(struct wire_proxy *p)
{
	if (write(p->wake[1], "", 1) != 1)
		abort();
}

void
wire_proxy_start(struct wire_proxy *p, int target_port)
{
	struct sockaddr_in at = loopback(0);
	socklen_t len = sizeof(at);

	*p = (struct wire_proxy){.target_port = target_port};
	for (int i = 0; i < WIRE_PROXY_PAIRS; i++)
		p->pairs[i] = (struct wire_proxy_pair){.client = -1, .server = -1};
	p->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (p->listener == -1 ||
	    bind(p->listener, (struct sockaddr *)&at, sizeof(at)) != 0 ||
	    listen(p->listener, WIRE_PROXY_PAIRS) != 0 ||
	    getsockname(p->listener, (struct sockaddr *)&at, &len) != 0 ||
	    pipe2(p->wake, O_CLOEXEC) != 0)
		abort();
	p->port = ntohs(at.sin_port);
	pthread_mutex_init(&p->lock, NULL);
	if (pthread_create(&p->thread, NULL, thread_main, p) != 0)
		abort();
}

void
wire_proxy_stop(struct wire_proxy *p)
{
	pthread_mutex_lock(&p->lock);
	p->is_stopping = true;
	pthread_mutex_unlock(&p->lock);
	wake(p);
	pthread_join(p->thread, NULL);
	pthread_mutex_destroy(&p->lock);
	close(p->listener);
	close(p->wake[0]);
	close(p->wake[1]);
}

void
wire_proxy_set(struct wire_proxy *p, enum wire_proxy_way way, const char *word)
{
	pthread_mutex_lock(&p->lock);
	p->way = way;
	p->word = word;
	p->seen = 0;
	pthread_mutex_unlock(&p->lock);
	wake(p);
}

void
wire_proxy_fail(struct wire_proxy *p, enum wire_proxy_way way, unsigned n, int code)
{
	pthread_mutex_lock(&p->lock);
	p->way = way;
	p->n = n;
	p->code = code;
	p->seen = 0;
	pthread_mutex_unlock(&p->lock);
	wake(p);
}

void
wire_proxy_cut(struct wire_proxy *p)
{
	pthread_mutex_lock(&p->lock);
	p->cuts_all = true;
	pthread_mutex_unlock(&p->lock);
	wake(p);
}

unsigned
wire_proxy_seen(struct wire_proxy *p)
{
	unsigned seen;

	pthread_mutex_lock(&p->lock);
	seen = p->seen;
	pthread_mutex_unlock(&p->lock);
	return seen;
}
