/* hub_types: what the hub is made of (hub.h).  Threads: the loop's. */
#ifndef PRESENCE_HUB_TYPES_H
#define PRESENCE_HUB_TYPES_H

#include "auth/revocation.h"
#include "base/map.h"
#include "http/service.h"
#include "model/message.h"
#include "presence/delivery/seen.h"
#include "sockets/sio_server.h"

#define HUB_SOCKET_ID_LEN PL_EIO_SID_MAX

struct hub;
struct watcher;
struct send_line;

/* Which sockets an event is for, and which of them a socket is; several may be or-ed. */
enum hub_audience {
	HUB_LIST = 1,  /* those that are told who is online by the whole list each time */
	HUB_DELTA = 2, /* by the changes */
	HUB_WATCH = 4, /* of users whom they name, and of no others */
	HUB_ALL = HUB_LIST | HUB_DELTA | HUB_WATCH,
};

struct hub_user {
	struct hub *hub;
	struct pl_oid id;
	struct pl_list turn;    /* among all users, see hub_take_turns() */
	struct pl_list sockets; /* oldest first */
	unsigned socket_count;
	struct pl_bus_listener listener;
	bool is_ready;         /* the bus listens: what is published now comes */
	struct hub_sent *sent; /* hub_sent's; NULL: nobody here listens */
	struct pl_timer grace; /* started while there is no socket */
};

struct hub_socket {
	struct pl_list link; /* in its user */
	struct pl_sio_client *client;
	struct hub_user *user; /* from hub_join() to hub_leave(), else NULL */
	struct pl_timer expiry;
	bool is_at_end; /* when the timer fires; else the session's use is told */
	struct pl_jwt_claims claims; /* of the token that let it in */
	char id[HUB_SOCKET_ID_LEN + 1];
	struct seen seen;
	/* A message came while the socket was not let in yet. */
	bool has_missed;
	enum hub_audience wants; /* one of them */
	bool wants_sent;         /* messageSent; set before hub_join() */
	struct watcher *watcher; /* online/watch's; NULL: it has named nobody */
	struct send_line *sends; /* send's; NULL: nothing is under way */
};

/* What the hub tells; all are set. What is given is borrowed until they return. */
struct hub_events {
	/* A user's first socket here came; the last one went, and with it the grace.
	 * Called by hub_join() and whatever ends a user: they must only take note. */
	void (*on_join)(void *arg, const struct pl_oid *user);
	void (*on_leave)(void *arg, const struct pl_oid *user);
	/* The bus may bring what socket waits for, from now on: hub_is_ready() says so. */
	void (*on_ready)(void *arg, struct hub_socket *socket);
	/* A newer socket of its user took the place of this one, which is closing, and
	 * has left the hub. Called by hub_join() of the newer one. */
	void (*on_put_out)(void *arg, struct hub_socket *socket);
	/* A newMessage, or a change of a message, came by the bus. True: it is left
	 * alone, because it will be read from the store and come by hub_deliver() or
	 * hub_deliver_change(). */
	bool (*on_message)(void *arg);
	/* The bus listens again for a user: something may have been missed meanwhile. */
	void (*on_gap)(void *arg);
	/* User sent a message, for whom hub_hear_sent() was called. */
	void (*on_sent)(void *arg, const struct pl_oid *user);
	/* The bus says that user has another status. */
	void (*on_status)(void *arg, const struct pl_oid *user);
	/* The same of user's profile; packet is the event, a whole Engine.IO packet. */
	void (*on_updated)(void *arg, const struct pl_oid *user, struct pl_ref *packet);
	/* All that user had written is gone. */
	void (*on_erased)(void *arg, const struct pl_oid *user);
	/* The bus listens again to what is for all: changes of users may have been
	 * missed. */
	void (*on_all_gap)(void *arg);
};

/* The caller's; zero it and set the first three. */
struct hub {
	const struct pl_app *app;
	const struct hub_events *events;
	void *arg; /* of the events */
	/* inside */
	struct pl_map users;  /* id -> struct hub_user */
	struct pl_list turns; /* all of them, hub_user.turn */
	struct pl_bus_listener all;
	size_t wanting[HUB_WATCH + 1]; /* the number of sockets of each audience */
};

static inline int64_t
hub_now_ms(const struct hub *hub)
{
	return pl_loop_now_ms(hub->app->loop);
}

#endif
