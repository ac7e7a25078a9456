/*
 * hub: who is connected to this process: users, and the sockets of each.
 *
 *   struct hub_user    one with a socket here, or in the grace after a broken one
 *   struct hub_socket  a Socket.IO connection that was let in, or still asks to be
 *
 * The hub listens on the bus for the users that it has, and hands each event to all sockets of its
 * user, encoded once (but for the offset that ends a newMessage, messageUpdated or messageDeleted, which
 * is each socket's own: see delivery/seen). What others make of its users and events it does not know: it tells them by
 * struct hub_events, and includes nobody of presence but seen.  Threads: the loop's.
 */
#ifndef PRESENCE_HUB_H
#define PRESENCE_HUB_H

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
	bool is_ready;               /* the bus listens: what is published now comes */
	struct pl_bus_listener sent; /* subscribed while sent_uses > 0 */
	unsigned sent_uses;
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
	/* A user's first socket here came; the last one went, and with it the grace. Called by
	 * hub_join() and whatever ends a user: they must only take note. */
	void (*on_join)(void *arg, const struct pl_oid *user);
	void (*on_leave)(void *arg, const struct pl_oid *user);
	/* The bus brings what is published to socket's user, from now on. */
	void (*on_ready)(void *arg, struct hub_socket *socket);
	/* A newer socket of its user took the place of this one, which is closing, and has left the
	 * hub. Called by hub_join() of the newer one. */
	void (*on_put_out)(void *arg, struct hub_socket *socket);
	/* A newMessage, or a change of a message, came by the bus. True: it is left alone, because it will be read from the
	 * store and come by hub_deliver() or hub_deliver_change(). */
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
	/* The bus listens again to what is for all: changes of users may have been missed. */
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

void hub_start(struct hub *hub);
void hub_stop(struct hub *hub);
size_t hub_user_count(const struct hub *hub);
/* socket is its user's from now on, for the claims' user. Past SOCKETS_PER_USER_MAX the oldest
 * one of that user is closed. */
void hub_join(
    struct hub *hub, struct hub_socket *socket, const struct pl_jwt_claims *claims);
/* Does the bus bring what is published to socket's user from now on? If it is away, yes:
 * then delivery/tail does. Otherwise on_ready comes. */
bool hub_is_ready(const struct hub_socket *socket);
/* Hear of what user sends, until as many calls of hub_drop_sent(): else nobody here pays for it. */
void hub_hear_sent(struct hub_user *user);
void hub_drop_sent(struct hub_user *user);
/* The socket has ended; nothing if it was not in. with_grace: its connection just broke,
 * and the user counts as here for PRESENCE_GRACE_MS. */
void hub_leave(struct hub_socket *socket, bool with_grace);
/* Hand a message that was read from the store to the sockets of its receiver that were here
 * when it was written, and have not got it. */
void hub_deliver(struct hub *hub, const struct pl_message *m);
/* The same of its last change, to the sockets of both its people. Who has got a later change of it does
 * not get an earlier one. */
void hub_deliver_change(struct hub *hub, const struct pl_message *m);
/* newMessage as a whole Engine.IO packet, for one who has seen these, and m last; one owner,
 * the caller. */
struct pl_ref *hub_message_packet(const struct seen *seen, const struct pl_message *m);
/* messageUpdated or messageDeleted; the same. */
struct pl_ref *hub_change_packet(const struct seen *seen, const struct pl_message *m);
/* The longest that any user here, whose sockets all end now, has to come back; 0 for none. */
int64_t hub_grace_left_ms(const struct hub *hub);
/* Send an event to one socket, or to all of these of every user here. Adds owners to packet, a
 * whole Engine.IO packet. */
void hub_send(struct hub_socket *socket, struct pl_ref *packet);
void hub_broadcast(struct hub *hub, struct pl_ref *packet, unsigned audience);
/* To all sockets of one user, if there are any here. */
void hub_send_user(struct hub *hub, const struct pl_oid *user, struct pl_ref *packet);
bool hub_has_user(const struct hub *hub, const struct pl_oid *user);
bool hub_has(const struct hub *hub, unsigned audience); /* any socket of these */
/* End all sockets of r's user whose tokens are refused now. */
void hub_end_revoked(struct hub *hub, const struct pl_revocation *r);
/* End all sockets of user, and the grace after one. */
void hub_end_user(struct hub *hub, const struct pl_oid *user);
/* The next count users, at most, in turn: who was given comes after all others, then. Gives how
 * many those are. */
size_t hub_take_turns(struct hub *hub, struct pl_oid *users, size_t count);

#endif
