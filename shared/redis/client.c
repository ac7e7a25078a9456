#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"
#include "redis/client.h"
#include "redis/dial.h"
#include "redis/reply.h"
#include "redis/url.h"
#include "ops/metrics.h"

#define BACKOFF_LEAST_MS 200    /* halved by jitter */
#define PING_AFTER_MS    5000   /* of silence: notices a connection cut without a FIN */
#define SENT_MAX         200000 /* commands without an answer */
#define READ_BYTES       16384
#define READS_A_TURN     16 /* then others on the loop have their turn */

enum state {
	WAITING,    /* no descriptor; the timer connects */
	DIALING,    /* no descriptor; a name is looked up */
	CONNECTING, /* connect() is under way; the timer is its deadline */
	GREETING,   /* AUTH, SELECT and PING are sent; the timer is their deadline */
	UP, /* commands are taken; the timer is the oldest one's deadline, or a ping */
};

enum said { SAID_NOTHING, SAID_UP, SAID_DOWN }; /* what the log said last */

struct command {
	struct pl_list link;
	struct pl_redis_flight flight;
	int64_t due_mono_ms;
	int64_t given_mono_us;
};

struct pl_redis {
	struct pl_loop *loop;
	struct pl_redis_config config; /* its url is not kept */
	struct pl_redis_url url;
	struct pl_redis_dial *dial;
	enum state state;
	struct pl_loop_fd watch;
	struct redisReader *reader; /* NULL without a descriptor */
	struct pl_buf out;
	struct pl_task writing; /* of out, after what this turn adds */
	bool is_writing_posted;
	struct pl_list sent; /* commands in the order of their replies */
	size_t sent_count;
	struct pl_list failed; /* commands that failed, until fail_timer says so */
	struct pl_timer fail_timer;
	struct pl_timer timer;
	int64_t heard_mono_ms;
	int64_t up_since_mono_ms;
	unsigned times_up;
	int64_t backoff_ms;
	struct pl_redis_call greeting;
	unsigned greetings_due;
	enum said said;
	unsigned depth; /* callbacks of ours on the stack: the memory stays until 0 */
	bool is_closed;
};

/* ---- life ---- */

static void
leave(struct pl_redis *r)
{
	if (--r->depth > 0 || !r->is_closed)
		return;
	pl_redis_url_fini(&r->url);
	pl_buf_fini(&r->out);
	pl_mem_free(r);
}

/* Each command of list has failed; a callback may add more. */
static void
fail_all(struct pl_list *list, enum pl_err err)
{
	struct pl_list *link;

	while ((link = pl_list_pop(list)) != NULL) {
		struct command *c = PL_CONTAINER(link, struct command, link);

		pl_metrics_count(PL_M_REDIS_FAILURES, NULL, 1);
		pl_redis_flight_land(&c->flight, err, NULL);
		pl_mem_free(c);
	}
}

static void
on_fail_timer(struct pl_timer *t)
{
	struct pl_redis *r = t->arg;
	struct pl_list now;

	/* Commands that these callbacks add wait for the next turn, or this could go on
	 * for ever. */
	pl_list_init(&now);
	pl_list_splice(&now, &r->failed);
	r->depth++;
	fail_all(&now, PL_E_UNAVAILABLE);
	leave(r);
}

static void
unpost_writing(struct pl_redis *r)
{
	if (r->is_writing_posted)
		pl_loop_unpost(r->loop, &r->writing);
	r->is_writing_posted = false;
}

static void
disconnect(struct pl_redis *r)
{
	if (r->reader == NULL)
		return;
	pl_loop_fd_watch(r->loop, &r->watch, 0);
	unpost_writing(r);
	close(r->watch.fd);
	redisReaderFree(r->reader);
	r->reader = NULL;
	pl_buf_clear(&r->out);
}

/* One line a change, however often connecting fails. */
static void
log_state(struct pl_redis *r, enum said now, struct pl_str why)
{
	if (r->said == now)
		return;
	r->said = now;
	if (now == SAID_UP)
		pl_log_info("redis connected", PL_L_CSTR("role", r->config.role),
		    PL_L_CSTR("host", r->url.host), PL_L_INT("port", r->url.port));
	else
		pl_log_warn("redis went away, connecting again until it is back",
		    PL_L_CSTR("role", r->config.role), PL_L_CSTR("host", r->url.host),
		    PL_L_INT("port", r->url.port), PL_L_STR("why", why));
}

/* Give the connection up, fail all that waited, and try again later. */
static void
lose_as(struct pl_redis *r, enum pl_err err, struct pl_str why)
{
	bool was_up = r->state == UP;
	int64_t now = pl_loop_now_ms(r->loop);
	struct pl_list orphans;

	log_state(r, SAID_DOWN, why);
	disconnect(r);
	if (was_up && now - r->up_since_mono_ms >= PL_REDIS_RECONNECT_MOST_MS)
		r->backoff_ms = BACKOFF_LEAST_MS;
	r->state = WAITING;
	pl_timer_start(r->loop, &r->timer,
	    r->backoff_ms / 2 + pl_random_below((uint32_t)r->backoff_ms / 2 + 1));
	r->backoff_ms *= 2;
	if (r->backoff_ms > PL_REDIS_RECONNECT_MOST_MS)
		r->backoff_ms = PL_REDIS_RECONNECT_MOST_MS;
	pl_list_init(&orphans);
	pl_list_splice(&orphans, &r->sent);
	r->sent_count = 0;
	if (was_up && r->config.on_state != NULL)
		r->config.on_state(r->config.arg, false);
	fail_all(&orphans, err);
}

static void
lose(struct pl_redis *r, struct pl_str why)
{
	lose_as(r, PL_E_UNAVAILABLE, why);
}

static void
lose_late(struct pl_redis *r)
{
	lose_as(r, PL_E_TIMEOUT, PL_STR("no answer in time"));
}

/* ---- sending ---- */

static void
add_head(struct pl_buf *out, char kind, size_t count)
{
	pl_buf_add_char(out, kind);
	pl_buf_add_number(out, count);
	pl_buf_add(out, "\r\n", 2);
}

/* *words as a RESP array, whole or not at all. */
static bool
encode(struct pl_buf *out, const struct pl_str *words, size_t argc)
{
	size_t need = 24;

	for (size_t i = 0; i < argc; i++)
		need += words[i].len + 24;
	if (pl_buf_reserve(out, need) == NULL) {
		out->overflowed = false;
		return false;
	}
	add_head(out, '*', argc);
	for (size_t i = 0; i < argc; i++) {
		add_head(out, '$', words[i].len);
		pl_buf_add_str(out, words[i]);
		pl_buf_add(out, "\r\n", 2);
	}
	return true;
}

static void
write_soon(struct pl_redis *r)
{
	if (r->is_writing_posted || (r->watch.wanted & PL_FD_WRITE))
		return;
	r->is_writing_posted = true;
	pl_loop_post(r->loop, &r->writing);
}

static void
fail_later(struct pl_redis *r, struct command *c)
{
	pl_list_push(&r->failed, &c->link);
	if (!r->is_closed)
		pl_timer_start(r->loop, &r->fail_timer, 0);
}

static struct command *
command_new(struct pl_redis_call *call)
{
	struct command *c = pl_mem_zalloc(sizeof(*c));

	pl_redis_flight_start(&c->flight, call);
	return c;
}

static void
queue(struct pl_redis *r, const struct pl_str *words, size_t argc,
    struct pl_redis_call *call)
{
	struct command *c = command_new(call);

	c->due_mono_ms = pl_loop_now_ms(r->loop) + r->config.deadline_ms;
	c->given_mono_us = pl_clock_mono_us();
	if (r->state < GREETING || r->sent_count >= SENT_MAX ||
	    !encode(&r->out, words, argc)) {
		fail_later(r, c);
		return;
	}
	pl_list_push(&r->sent, &c->link);
	r->sent_count++;
	write_soon(r);
	if (r->timer.due_mono_ms > c->due_mono_ms)
		pl_timer_start(r->loop, &r->timer, r->config.deadline_ms);
}

/* ---- greeting ---- */

static void
on_greeting(void *arg, enum pl_err err, const struct redisReply *reply)
{
	struct pl_redis *r = arg;

	if (err != PL_OK && err != PL_E_IO)
		return;
	if (!pl_redis_reply_is(reply, REDIS_REPLY_STATUS)) {
		/* A wrong password, or a server that is loading its data. */
		lose(r, pl_redis_reply_str(reply));
		return;
	}
	if (--r->greetings_due > 0)
		return;
	r->state = UP;
	r->times_up++;
	log_state(r, SAID_UP, PL_STR_NONE);
	r->up_since_mono_ms = pl_loop_now_ms(r->loop);
	pl_timer_start(r->loop, &r->timer, PING_AFTER_MS);
	if (r->config.on_state != NULL)
		r->config.on_state(r->config.arg, true);
}

static void
greet(struct pl_redis *r)
{
	char number[12];
	struct pl_str auth[3] = {PL_STR("AUTH")};
	struct pl_str select[2] = {PL_STR("SELECT")};
	struct pl_str ping[1] = {PL_STR("PING")};
	size_t argc = 1;

	r->state = GREETING;
	r->greetings_due = 1;
	if (r->url.user != NULL)
		auth[argc++] = pl_str(r->url.user);
	if (r->url.password != NULL) {
		auth[argc++] = pl_str(r->url.password);
		r->greetings_due++;
		queue(r, auth, argc, &r->greeting);
	}
	if (r->url.db != 0) {
		snprintf(number, sizeof(number), "%u", r->url.db);
		select[1] = pl_str(number);
		r->greetings_due++;
		queue(r, select, 2, &r->greeting);
	}
	queue(r, ping, 1, &r->greeting);
}

/* ---- the descriptor ---- */

static bool
is_message(const struct redisReply *reply)
{
	return pl_str_eq(
	    pl_redis_reply_str(pl_redis_reply_at(reply, 0)), PL_STR("message"));
}

static void
deliver(struct pl_redis *r, const struct redisReply *reply)
{
	struct command *c;

	if (r->config.on_push != NULL && is_message(reply)) {
		r->config.on_push(r->config.arg, reply);
		return;
	}
	if (pl_list_is_empty(&r->sent)) {
		/* "-ERR max number of clients reached" comes unasked. */
		lose(r, pl_redis_reply_str(reply));
		return;
	}
	c = PL_CONTAINER(r->sent.next, struct command, link);
	pl_list_unlink(&c->link);
	r->sent_count--;
	pl_metrics_observe(
	    PL_M_REDIS_SECONDS, NULL, pl_clock_mono_us() - c->given_mono_us);
	pl_redis_flight_land(&c->flight,
	    pl_redis_reply_is(reply, REDIS_REPLY_ERROR) ? PL_E_IO : PL_OK, reply);
	pl_mem_free(c);
}

/* Deliver what the reader holds; false once the connection is gone. */
static bool
deliver_all(struct pl_redis *r)
{
	void *reply;

	for (;;) {
		if (redisReaderGetReply(r->reader, &reply) != REDIS_OK) {
			lose(r, PL_STR("protocol error"));
			return false;
		}
		if (reply == NULL)
			return true;
		deliver(r, reply);
		freeReplyObject(reply);
		if (r->reader == NULL)
			return false;
	}
}

static void
read_some(struct pl_redis *r)
{
	PL_UNCLEARED char bytes[READ_BYTES];

	for (unsigned i = 0; i < READS_A_TURN; i++) {
		ssize_t n = recv(r->watch.fd, bytes, sizeof(bytes), 0);

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 && errno == EAGAIN)
			return;
		if (n <= 0) {
			lose(r, n == 0 ? PL_STR("closed by the server")
				       : pl_str(strerror(errno)));
			return;
		}
		r->heard_mono_ms = pl_loop_now_ms(r->loop);
		if (redisReaderFeed(r->reader, bytes, (size_t)n) != REDIS_OK) {
			lose(r, PL_STR("protocol error"));
			return;
		}
		if (!deliver_all(r) || (size_t)n < sizeof(bytes))
			return;
	}
}

static void
write_some(struct pl_redis *r)
{
	while (r->out.len > 0) {
		ssize_t n = send(r->watch.fd, r->out.data, r->out.len, MSG_NOSIGNAL);

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 && errno == EAGAIN) {
			pl_loop_fd_watch(r->loop, &r->watch, PL_FD_READ | PL_FD_WRITE);
			return;
		}
		if (n == -1) {
			lose(r, pl_str(strerror(errno)));
			return;
		}
		pl_buf_consume(&r->out, (size_t)n);
	}
	pl_loop_fd_watch(r->loop, &r->watch, PL_FD_READ);
}

static void
on_writing(struct pl_task *task)
{
	struct pl_redis *r = PL_CONTAINER(task, struct pl_redis, writing);

	r->is_writing_posted = false;
	r->depth++;
	if (r->state >= GREETING)
		write_some(r);
	leave(r);
}

/* The socket that was connecting is writable: it is connected, or it failed. */
static void
finish_connect(struct pl_redis *r)
{
	int err = 0;
	socklen_t len = sizeof(err);

	if (getsockopt(r->watch.fd, SOL_SOCKET, SO_ERROR, &err, &len) == -1)
		err = errno;
	if (err != 0)
		lose(r, pl_str(strerror(err)));
	else
		greet(r);
}

static void
on_ready(struct pl_loop_fd *w, unsigned ready)
{
	struct pl_redis *r = w->arg;

	r->depth++;
	if (r->state == CONNECTING)
		finish_connect(r);
	else if (ready & PL_FD_READ)
		read_some(r);
	if (r->state >= GREETING && (ready & PL_FD_WRITE))
		write_some(r);
	leave(r);
}

/* ---- time ---- */

static void
on_dialled(void *arg, int fd)
{
	struct pl_redis *r = arg;

	if (fd == PL_REDIS_DIAL_LATER)
		return;
	r->depth++;
	if (fd == PL_REDIS_DIAL_FAILED) {
		lose(r, PL_STR("no address could be dialled"));
	} else if ((r->reader = redisReaderCreate()) == NULL) {
		close(fd);
		lose(r, PL_STR("no memory"));
	} else {
		r->state = CONNECTING;
		r->watch = (struct pl_loop_fd){.fd = fd, .on_ready = on_ready, .arg = r};
		pl_loop_fd_watch(r->loop, &r->watch, PL_FD_WRITE);
		pl_timer_start(r->loop, &r->timer, PL_REDIS_DEADLINE_MS);
	}
	leave(r);
}

static const struct command *
oldest(const struct pl_redis *r)
{
	if (pl_list_is_empty(&r->sent))
		return NULL;
	return PL_CONTAINER(r->sent.next, const struct command, link);
}

/*
 * Is the oldest command overdue? If this process itself stood still, the reply may be
 * there and unread, so what is there is read first. A subscriber that is being flooded
 * gets its replies late, but gets something.
 */
static bool
is_overdue(struct pl_redis *r)
{
	int64_t now = pl_loop_now_ms(r->loop);
	const struct command *c = oldest(r);

	if (c == NULL || c->due_mono_ms > now)
		return false;
	read_some(r);
	if (r->state != UP)
		return false;
	c = oldest(r);
	if (c == NULL || c->due_mono_ms > now)
		return false;
	return r->config.on_push == NULL ||
	       now - r->heard_mono_ms >= r->config.deadline_ms;
}

static void
watch_over(struct pl_redis *r)
{
	struct pl_str ping[1] = {PL_STR("PING")};
	int64_t now = pl_loop_now_ms(r->loop);
	int64_t wait_ms;

	if (is_overdue(r)) {
		lose_late(r);
		return;
	}
	if (r->state != UP)
		return;
	if (oldest(r) == NULL && now - r->heard_mono_ms >= PING_AFTER_MS)
		queue(r, ping, 1, NULL);
	if (oldest(r) != NULL)
		wait_ms = oldest(r)->due_mono_ms - now;
	else
		wait_ms = r->heard_mono_ms + PING_AFTER_MS - now;
	pl_timer_start(r->loop, &r->timer, wait_ms > 0 ? wait_ms : r->config.deadline_ms);
}

static void
on_timer(struct pl_timer *t)
{
	struct pl_redis *r = t->arg;

	r->depth++;
	if (r->state == WAITING) {
		r->state = DIALING;
		on_dialled(r, pl_redis_dial_start(r->dial));
	} else if (r->state == UP) {
		watch_over(r);
	} else {
		lose_late(r);
	}
	leave(r);
}

/* ---- the outside ---- */

struct pl_redis *
pl_redis_new(struct pl_loop *loop, const struct pl_redis_config *config)
{
	struct pl_redis *r = pl_mem_zalloc(sizeof(*r));
	enum pl_err err = pl_redis_url_parse(config->url, &r->url);

	assert(err == PL_OK); /* the caller has asked pl_redis_url_check() */
	(void)err;
	r->loop = loop;
	r->config = *config;
	r->config.url = NULL;
	if (r->config.deadline_ms == 0)
		r->config.deadline_ms = PL_REDIS_DEADLINE_MS;
	r->dial = pl_redis_dial_new(loop, r->url.host, r->url.port, on_dialled, r);
	pl_buf_init(&r->out, PL_REDIS_QUEUE_BYTES);
	pl_list_init(&r->sent);
	pl_list_init(&r->failed);
	pl_redis_call_init(&r->greeting, on_greeting, r);
	r->writing.run = on_writing;
	r->fail_timer = (struct pl_timer){.on_fire = on_fail_timer, .arg = r};
	r->timer = (struct pl_timer){.on_fire = on_timer, .arg = r};
	r->backoff_ms = BACKOFF_LEAST_MS;
	pl_timer_start(loop, &r->timer, 0);
	return r;
}

void
pl_redis_free(struct pl_redis *r)
{
	if (r == NULL || r->is_closed)
		return;
	r->depth++;
	r->is_closed = true;
	disconnect(r);
	r->state = WAITING;
	pl_redis_dial_free(r->dial);
	pl_timer_stop(r->loop, &r->timer);
	pl_timer_stop(r->loop, &r->fail_timer);
	fail_all(&r->sent, PL_E_CANCELLED);
	fail_all(&r->failed, PL_E_CANCELLED);
	leave(r);
}

void
pl_redis_command(struct pl_redis *r, const struct pl_str *words, size_t argc,
    struct pl_redis_call *call)
{
	if (r->state == UP)
		queue(r, words, argc, call);
	else
		fail_later(r, command_new(call));
}

void
pl_redis_flush(struct pl_redis *r)
{
	ssize_t n;

	if (r->state != UP || r->out.len == 0)
		return;
	/* An error shows again in the loop's next turn, when callbacks may be called. */
	n = send(r->watch.fd, r->out.data, r->out.len, MSG_NOSIGNAL);
	if (n > 0)
		pl_buf_consume(&r->out, (size_t)n);
	if (r->out.len == 0)
		unpost_writing(r);
}

bool
pl_redis_is_up(const struct pl_redis *r)
{
	return r != NULL && r->state == UP;
}

unsigned
pl_redis_times_up(const struct pl_redis *r)
{
	return r->times_up;
}

bool
pl_redis_local_host(const struct pl_redis *r, char out[INET6_ADDRSTRLEN])
{
	struct sockaddr_storage own;
	socklen_t len = sizeof(own);

	return pl_redis_is_up(r) &&
	       getsockname(r->watch.fd, (struct sockaddr *)&own, &len) == 0 &&
	       getnameinfo((struct sockaddr *)&own, len, out, INET6_ADDRSTRLEN, NULL, 0,
		   NI_NUMERICHOST) == 0;
}
