#include "handover.h"

#include <ngx_event.h>

#include <stdint.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define BACKLOG         64
#define NAME_DIGITS     (NGX_INT64_LEN + 10)
#define NUMBER_DIGITS   16 /* of LINK, and of TICKET */
#define TICKETS_AT_ONCE 1024

typedef uint64_t number;

/* To one process of a service. */
struct link {
	ngx_queue_t queue;
	ngx_connection_t *connection;
	bool has_said; /* its number */
	number number;
	ngx_rbtree_t given; /* by ticket */
	ngx_rbtree_node_t sentinel;
};

/* A seat that a service has. */
struct given {
	ngx_rbtree_node_t node; /* key: the ticket */
	ngx_shm_zone_t *zone;
	struct seat *seat;
};

static struct {
	ngx_connection_t *listening; /* NULL: nothing is handed over */
	ngx_queue_t links;
	struct sockaddr_un at;
	u_char name[NAME_DIGITS];
	size_t name_len;
} here;

/* ---- seats ------------------------------------------------------------------------ */

static void
leave(struct link *link, ngx_rbtree_node_t *node)
{
	struct given *given = (struct given *)(void *)node;

	ngx_rbtree_delete(&link->given, node);
	seats_leave(given->zone, given->seat);
	ngx_free(given);
}

static void
leave_all(struct link *link)
{
	while (link->given.root != &link->sentinel)
		leave(link, link->given.root);
}

/* A ticket that is not known is nobody's seat. */
static void
take_back(struct link *link, number ticket)
{
	ngx_rbtree_node_t *node = link->given.root;

	while (node != &link->sentinel && node->key != ticket)
		node = ticket < node->key ? node->left : node->right;
	if (node != &link->sentinel)
		leave(link, node);
}

/* ---- links ------------------------------------------------------------------------ */

static void
close_link(struct link *link)
{
	leave_all(link);
	ngx_queue_remove(&link->queue);
	ngx_close_connection(link->connection);
	ngx_free(link);
}

static void
read_tickets(struct link *link, const number *numbers, size_t count)
{
	if (count > 0 && !link->has_said) {
		link->number = numbers[0];
		link->has_said = true;
		numbers++;
		count--;
	}
	for (size_t i = 0; i < count; i++)
		take_back(link, numbers[i]);
}

/* Of a socket of packets: none is cut, or joined with the next. */
static void
on_packets(ngx_event_t *event)
{
	static number numbers[TICKETS_AT_ONCE];
	ngx_connection_t *connection = event->data;
	struct link *link = connection->data;
	ssize_t count;

	do {
		count = recv(connection->fd, numbers, sizeof(numbers), 0);
		if (count > 0)
			read_tickets(link, numbers, (size_t)count / sizeof(number));
	} while (count > 0 || (count == -1 && ngx_socket_errno == NGX_EINTR));
	if (count == 0 || ngx_socket_errno != NGX_EAGAIN)
		close_link(link);
}

static void
on_nothing(ngx_event_t *event)
{
	(void)event;
}

/* A connection of nginx' for fd, whose events come to handler; fd is closed if there is
 * none. */
static ngx_connection_t *
watch(ngx_socket_t fd, ngx_event_handler_pt handler)
{
	ngx_connection_t *connection = ngx_get_connection(fd, ngx_cycle->log);

	if (connection == NULL) {
		(void)ngx_close_socket(fd);
		return NULL;
	}
	connection->log = connection->read->log = connection->write->log = ngx_cycle->log;
	connection->log_error = NGX_ERROR_INFO;
	connection->read->handler = handler;
	connection->write->handler = on_nothing;
	if (ngx_add_event(connection->read, NGX_READ_EVENT, NGX_CLEAR_EVENT) == NGX_OK)
		return connection;
	ngx_close_connection(connection);
	return NULL;
}

static void
add_link(ngx_socket_t fd)
{
	struct link *link = ngx_calloc(sizeof(*link), ngx_cycle->log);

	if (link == NULL) {
		(void)ngx_close_socket(fd);
		return;
	}
	link->connection = watch(fd, on_packets);
	if (link->connection == NULL) {
		ngx_free(link);
		return;
	}
	link->connection->data = link;
	ngx_rbtree_init(&link->given, &link->sentinel, ngx_rbtree_insert_value);
	ngx_queue_insert_tail(&here.links, &link->queue);
	on_packets(link->connection->read);
}

static void
on_links(ngx_event_t *event)
{
	ngx_connection_t *listening = event->data;
	ngx_socket_t fd;

	while (
	    (fd = accept4(listening->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) != -1)
		add_link(fd);
}

static struct link *
find_link(number wanted)
{
	ngx_queue_t *at;

	for (at = ngx_queue_head(&here.links); at != ngx_queue_sentinel(&here.links);
	     at = ngx_queue_next(at)) {
		struct link *link = ngx_queue_data(at, struct link, queue);

		if (link->has_said && link->number == wanted)
			return link;
	}
	return NULL;
}

/* Of one that is new no event may have told yet: it said its number before it promised. */
static struct link *
link_of(number wanted)
{
	struct link *link = find_link(wanted);

	if (link == NULL) {
		on_links(here.listening->read);
		link = find_link(wanted);
	}
	return link;
}

/* ---- what is given ---------------------------------------------------------------- */

static bool
read_number(const u_char *digits, number *out)
{
	number sum = 0;

	for (int i = 0; i < NUMBER_DIGITS; i++) {
		ngx_int_t digit = ngx_hextoi((u_char *)(uintptr_t)digits + i, 1);

		if (digit == NGX_ERROR)
			return false;
		sum = sum << 4 | (number)digit;
	}
	*out = sum;
	return true;
}

static bool
send_descriptor(struct link *link, number ticket, const ngx_buf_t *early, int fd)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {.head = {.cmsg_len = CMSG_LEN(sizeof(int)),
			 .cmsg_level = SOL_SOCKET,
			 .cmsg_type = SCM_RIGHTS}};
	struct iovec parts[] = {
	    {&ticket, sizeof(ticket)}, {early->pos, (size_t)(early->last - early->pos)}};
	struct msghdr message = {.msg_iov = parts,
	    .msg_iovlen = 2,
	    .msg_control = &control,
	    .msg_controllen = sizeof(control)};

	ngx_memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
	return sendmsg(link->connection->fd, &message, MSG_NOSIGNAL) != -1;
}

static void
note_given(struct link *link, struct given *given, number ticket, ngx_shm_zone_t *zone,
    struct seat *seat)
{
	if (given == NULL)
		return;
	given->zone = zone;
	given->seat = seat;
	given->node.key = ticket;
	ngx_rbtree_insert(&link->given, &given->node);
}

bool
handover_give(ngx_connection_t *client, const ngx_buf_t *early, const ngx_str_t *promise,
    ngx_shm_zone_t *zone, struct seat *seat)
{
	number wanted, ticket;
	struct given *given;
	struct link *link;

	if (here.listening == NULL || promise->len != 2 * NUMBER_DIGITS ||
	    !read_number(promise->data, &wanted) ||
	    !read_number(promise->data + NUMBER_DIGITS, &ticket) ||
	    (link = link_of(wanted)) == NULL)
		return false;
	given = seat != NULL ? ngx_alloc(sizeof(*given), client->log) : NULL;
	if ((seat != NULL && given == NULL) ||
	    !send_descriptor(link, ticket, early, client->fd)) {
		ngx_free(given);
		return false;
	}
	note_given(link, given, ticket, zone, seat);
	/* The descriptor's file lives on, and epoll would go on with it. */
	(void)ngx_del_conn(client, 0);
	return true;
}

/* ---- life ------------------------------------------------------------------------- */

/* A name in the folder, of at most what the kernel takes. */
static bool
set_place(const ngx_str_t *folder)
{
	u_char *end;

	/* With drawn digits, for a service on another machine may find one of the same pid. */
	here.name_len = (size_t)(ngx_sprintf(here.name, "%P%09ui", ngx_pid,
				     (ngx_uint_t)ngx_random() % 1000000000) -
				 here.name);
	here.at.sun_family = AF_UNIX;
	end = ngx_snprintf((u_char *)here.at.sun_path, sizeof(here.at.sun_path),
	    "%V/%*s%Z", folder, here.name_len, here.name);
	return end < (u_char *)here.at.sun_path + sizeof(here.at.sun_path);
}

static ngx_socket_t
listen_there(void)
{
	ngx_socket_t fd =
	    socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	/* Nobody can connect before it listens. */
	if (fd != -1 && (bind(fd, (struct sockaddr *)&here.at, sizeof(here.at)) == -1 ||
			    chmod(here.at.sun_path, S_IRUSR | S_IWUSR) == -1 ||
			    listen(fd, BACKLOG) == -1)) {
		(void)ngx_close_socket(fd);
		fd = -1;
	}
	return fd;
}

bool
handover_listen(ngx_cycle_t *cycle, const ngx_str_t *folder)
{
	ngx_socket_t fd = -1;

	ngx_queue_init(&here.links);
	if (set_place(folder))
		fd = listen_there();
	if (fd != -1)
		here.listening = watch(fd, on_links);
	if (here.listening == NULL)
		ngx_log_error(NGX_LOG_WARN, cycle->log, ngx_errno,
		    "WebSockets are not handed over: cannot listen in \"%V\"", folder);
	return here.listening != NULL;
}

void
handover_end(void)
{
	if (here.listening == NULL)
		return;
	(void)unlink(here.at.sun_path);
	ngx_close_connection(here.listening);
	here.listening = NULL;
	while (!ngx_queue_empty(&here.links))
		close_link(
		    ngx_queue_data(ngx_queue_head(&here.links), struct link, queue));
}

ngx_str_t
handover_name(void)
{
	return here.listening != NULL ? (ngx_str_t){here.name_len, here.name}
				      : (ngx_str_t)ngx_null_string;
}
