#include "http/accept.h"

#include <sys/socket.h>

#include "http/wire.h"

#define AT_ONCE_MAX 16 /* then those that are here have their turn, as with kore */

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
	c = kore_connection_new(l);
	c->fd = fd;
	c->family = l->family;
	memcpy(&c->addr, &from, len < sizeof(c->addr) ? len : sizeof(c->addr));
	c->handle = kore_connection_handle;
	pl_wire_take(c);
	c->state = CONN_STATE_ESTABLISHED;
	c->proto = CONN_PROTO_HTTP;
	c->idle_timer.length = (u_int64_t)http_keepalive_time * 1000;
	TAILQ_INSERT_TAIL(&connections, c, list);
	net_recv_queue(c, http_header_max, NETBUF_CALL_CB_ALWAYS, http_header_recv);
	kore_connection_start_idletimer(c);
	worker_active_connections++;
	kore_platform_event_all(fd, c);
	return true;
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
		if (worker_active_connections >= worker_max_connections || !take_one(l))
			return;
}

/* kore sets TCP_NODELAY itself. */
void
pl_accept_init(const struct kore_server *server, bool has_sockets)
{
	int send_buffer = PL_ACCEPT_SEND_BUFFER, recv_buffer = PL_ACCEPT_RECV_BUFFER;
	struct listener *l;

	LIST_FOREACH(l, &server->listeners, list)
	{
		l->evt.handle = on_listener;
		if (!has_sockets)
			continue;
		setsockopt(
		    l->fd, SOL_SOCKET, SO_SNDBUF, &send_buffer, sizeof(send_buffer));
		setsockopt(
		    l->fd, SOL_SOCKET, SO_RCVBUF, &recv_buffer, sizeof(recv_buffer));
	}
}
