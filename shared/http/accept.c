#include "http/accept.h"

#include <sys/socket.h>
#include <unistd.h>

#include "http/wire.h"

#define AT_ONCE_MAX 16 /* then those that are here have their turn, as with kore */

/* Of a connection, or of a listener, whose connections then have them, too. */
static void
set_buffers(int fd)
{
	int send_buffer = PL_ACCEPT_SEND_BUFFER, recv_buffer = PL_ACCEPT_RECV_BUFFER;

	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &send_buffer, sizeof(send_buffer));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &recv_buffer, sizeof(recv_buffer));
}

static struct connection *
add(struct listener *l, int fd)
{
	struct connection *c = kore_connection_new(l);

	c->fd = fd;
	c->family = l->family;
	c->state = CONN_STATE_ESTABLISHED;
	TAILQ_INSERT_TAIL(&connections, c, list);
	worker_active_connections++;
	return c;
}

static bool
take_one(struct listener *l)
{
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);
	struct connection *c;
	int fd =
	    accept4(l->fd, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		return false;
	c = add(l, fd);
	memcpy(&c->addr, &from, len < sizeof(c->addr) ? len : sizeof(c->addr));
	c->handle = kore_connection_handle;
	pl_wire_take(c);
	c->proto = CONN_PROTO_HTTP;
	c->idle_timer.length = (u_int64_t)http_keepalive_time * 1000;
	net_recv_queue(c, http_header_max, NETBUF_CALL_CB_ALWAYS, http_header_recv);
	kore_connection_start_idletimer(c);
	kore_platform_event_all(fd, c);
	return true;
}

bool
pl_accept_has_room(void)
{
	return worker_active_connections < worker_max_connections;
}

struct connection *
pl_accept_descriptor(struct listener *l, int fd)
{
	struct connection *c;

	if (!pl_accept_has_room()) {
		close(fd);
		return NULL;
	}
	c = add(l, fd);
	set_buffers(fd);
	kore_platform_event_all(fd, c);
	return c;
}

static void
on_listener(void *arg, int error)
{
	struct listener *l = arg;

	if (error)
		fatal("error on listening socket");
	if ((l->evt.flags & KORE_EVENT_READ) == 0)
		return;
	for (int i = 0; i < AT_ONCE_MAX; i++)
		if (!pl_accept_has_room() || !take_one(l))
			return;
}

/* kore sets TCP_NODELAY itself. */
void
pl_accept_init(const struct kore_server *server, bool has_sockets)
{
	struct listener *l;

	LIST_FOREACH(l, &server->listeners, list)
	{
		l->evt.handle = on_listener;
		if (has_sockets)
			set_buffers(l->fd);
	}
}
