#include "sockets/handover.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/random.h"
#include "http/service.h"

#define NAME_MAX        20   /* of a process of the gateway's: digits */
#define EARLY_BYTES_MAX 8192 /* a buffer of nginx' for heads */
#define PACKETS_AT_ONCE 64   /* then the others get their turn */
/* Tickets that a gateway which stands still is not told of yet: as many as a process has
 * connections. Those beyond it are never told: their seats are taken until it ends. */
#define ENDED_BYTES_MAX (20000 * 8)
#define ENDED_AT_ONCE   8192

typedef uint64_t ticket;

/* To one process of a gateway. It is freed when that has ended, and all that it gave. */
struct link {
	struct pl_list link;
	char name[NAME_MAX + 1];
	struct pl_loop_fd watch; /* fd -1: that process has ended */
	uint64_t id;
	ticket last;
	size_t handovers;
	struct pl_map promised; /* ticket -> struct pl_handover */
	struct pl_buf ended;    /* tickets that the gateway was not told of yet */
};

struct pl_handover {
	struct link *link;
	ticket ticket;
	pl_handover_take *take; /* NULL: it was taken */
	void *arg;
};

static struct pl_list links = {&links, &links};

static struct pl_str
key_of(const ticket *t)
{
	return pl_str_n((const char *)t, sizeof(*t));
}

/* ---- a link -------------------------------------------------------------------------- */

static void
free_if_over(struct link *l)
{
	if (l->watch.fd >= 0 || l->handovers > 0)
		return;
	pl_map_fini(&l->promised);
	pl_buf_fini(&l->ended);
	pl_mem_free(l);
}

static void
give_up(struct link *l)
{
	struct pl_handover *h;

	for (size_t it = 0; (h = pl_map_next(&l->promised, &it)) != NULL;)
		h->take(h->arg, -1, NULL, 0); /* ends h */
}

static void
close_link(struct link *l)
{
	pl_loop_fd_watch(pl_app.loop, &l->watch, 0);
	close(l->watch.fd);
	l->watch.fd = -1;
	pl_list_unlink(&l->link);
	l->handovers++; /* l stays while those that are promised end */
	give_up(l);
	l->handovers--;
	free_if_over(l);
}

/* One packet of tickets. False if it has to wait. */
static bool
tell(struct link *l, struct pl_str tickets)
{
	return send(l->watch.fd, tickets.ptr, tickets.len, MSG_NOSIGNAL | MSG_DONTWAIT) >=
	       0;
}

static void
tell_of_end(struct link *l, ticket t)
{
	if (l->watch.fd < 0 || (l->ended.len == 0 && tell(l, key_of(&t))))
		return;
	if (pl_buf_add_str(&l->ended, key_of(&t)) == PL_OK)
		pl_loop_fd_watch(pl_app.loop, &l->watch, PL_FD_READ | PL_FD_WRITE);
}

static void
tell_of_all(struct link *l)
{
	while (l->ended.len > 0) {
		size_t bytes =
		    l->ended.len < ENDED_AT_ONCE ? l->ended.len : ENDED_AT_ONCE;

		if (!tell(l, pl_str_n(l->ended.data, bytes)))
			return;
		pl_buf_consume(&l->ended, bytes);
	}
	pl_loop_fd_watch(pl_app.loop, &l->watch, PL_FD_READ);
}

/* ---- what is handed over --------------------------------------------------------------- */

/* The one descriptor of a packet; -1 if it has none, or more: those are closed. */
static int
descriptor_in(struct msghdr *message)
{
	const struct cmsghdr *c = CMSG_FIRSTHDR(message);
	size_t count;
	int fds[2] = {-1, -1};

	if (c == NULL || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
		return -1;
	count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	memcpy(fds, CMSG_DATA(c), (count < 2 ? count : 2) * sizeof(int));
	if (count == 1)
		return fds[0];
	close(fds[0]);
	close(fds[1]);
	return -1;
}

static void
keep_promise(struct link *l, ticket t, int fd, char *early, size_t len)
{
	struct pl_handover *h = pl_map_del(&l->promised, key_of(&t));
	pl_handover_take *take;

	if (h == NULL) { /* given up meanwhile */
		if (fd >= 0)
			close(fd);
		tell_of_end(l, t);
		return;
	}
	take = h->take;
	h->take = NULL; /* its end is told */
	take(h->arg, fd, early, len);
}

/* False once there is nothing to read, or the link is broken, and closed. */
static bool
read_packet(struct link *l)
{
	static char data[sizeof(ticket) + EARLY_BYTES_MAX];
	union {
		struct cmsghdr align;
		/* cppcheck-suppress unusedStructMember ; the kernel writes it */
		char bytes[CMSG_SPACE(sizeof(int))]; /* with its padding, two */
	} control;
	struct iovec part = {data, sizeof(data)};
	struct msghdr message = {.msg_iov = &part,
	    .msg_iovlen = 1,
	    .msg_control = &control,
	    .msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(l->watch.fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	bool is_dropped;
	ticket t;
	int fd;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return errno == EINTR;
	fd = n > 0 ? descriptor_in(&message) : -1;
	/* What this process has no descriptor left for, the kernel has dropped. */
	is_dropped = fd < 0 && (message.msg_flags & MSG_CTRUNC) != 0;
	if (n < (ssize_t)sizeof(t) || (fd < 0 && !is_dropped)) {
		if (fd >= 0)
			close(fd);
		close_link(l);
		return false;
	}
	memcpy(&t, data, sizeof(t));
	keep_promise(l, t, fd, data + sizeof(t), (size_t)n - sizeof(t));
	return true;
}

static void
on_ready(struct pl_loop_fd *w, unsigned ready)
{
	struct link *l = PL_CONTAINER(w, struct link, watch);

	if (ready & PL_FD_WRITE)
		tell_of_all(l);
	if (ready & PL_FD_READ)
		for (int i = 0; i < PACKETS_AT_ONCE && read_packet(l); i++)
			;
}

/* ---- promises -------------------------------------------------------------------------- */

/* Of digits alone, so it names nothing outside of the folder. */
static bool
is_name(struct pl_str name)
{
	for (size_t i = 0; i < name.len; i++)
		if (name.ptr[i] < '0' || name.ptr[i] > '9')
			return false;
	return name.len > 0 && name.len <= NAME_MAX;
}

/* -1 if nobody listens there. */
static int
connect_to(const char *name)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int length = snprintf(
	    to.sun_path, sizeof(to.sun_path), "%s/%s", pl_settings.handover_dir, name);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd >= 0 && ((size_t)length >= sizeof(to.sun_path) ||
			   connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static struct link *
open_link(const char *name)
{
	int fd = connect_to(name);
	struct link *l;

	if (fd < 0)
		return NULL;
	l = pl_mem_zalloc(sizeof(*l));
	snprintf(l->name, sizeof(l->name), "%s", name);
	pl_random_bytes(&l->id, sizeof(l->id));
	pl_map_init(&l->promised);
	pl_buf_init(&l->ended, ENDED_BYTES_MAX);
	l->watch.fd = fd;
	l->watch.on_ready = on_ready;
	pl_list_push(&links, &l->link);
	pl_loop_fd_watch(pl_app.loop, &l->watch, PL_FD_READ);
	if (tell(l, key_of(&l->id)))
		return l;
	close_link(l);
	return NULL;
}

static struct link *
link_to(struct pl_str of)
{
	char name[NAME_MAX + 1] = {0};

	memcpy(name, of.ptr, of.len);
	pl_list_for_each(it, &links)
	{
		struct link *l = PL_CONTAINER(it, struct link, link);

		if (strcmp(name, l->name) == 0)
			return l;
	}
	return open_link(name);
}

struct pl_handover *
pl_handover_promise(struct pl_str name, pl_handover_take *take, void *arg)
{
	struct link *l =
	    pl_settings.handover_dir != NULL && is_name(name) ? link_to(name) : NULL;
	struct pl_handover *h;

	if (l == NULL)
		return NULL;
	h = pl_mem_zalloc(sizeof(*h));
	*h = (struct pl_handover){l, ++l->last, take, arg};
	l->handovers++;
	(void)pl_map_put(&l->promised, key_of(&h->ticket), h);
	return h;
}

void
pl_handover_say(const struct pl_handover *h, char text[PL_HANDOVER_TEXT_BYTES])
{
	snprintf(text, PL_HANDOVER_TEXT_BYTES, "%016" PRIx64 "%016" PRIx64, h->link->id,
	    h->ticket);
}

void
pl_handover_end(struct pl_handover *h)
{
	struct link *l = h->link;

	if (h->take != NULL)
		(void)pl_map_del(&l->promised, key_of(&h->ticket));
	else
		tell_of_end(l, h->ticket);
	l->handovers--;
	free_if_over(l);
	pl_mem_free(h);
}

void
pl_handover_close(void)
{
	while (!pl_list_is_empty(&links))
		close_link(PL_CONTAINER(links.next, struct link, link));
}
