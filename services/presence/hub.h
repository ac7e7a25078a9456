/*
 * hub: who is connected to this process: users, and the sockets of each.
 *
 *   struct hub_user    one with a socket here, or in the grace after a broken one
 *   struct hub_socket  a Socket.IO connection that was let in, or still asks to be
 *
 * The hub listens on the bus for the users that it has, hands each event to all sockets of its
 * user, encoded once, and keeps the roster (bus/online) told.  Threads: the loop's.
 */
#ifndef PRESENCE_HUB_H
#define PRESENCE_HUB_H

#include "auth/jwt.h"
#include "base/map.h"
#include "bus/bus.h"
#include "loop/loop.h"
#include "web/sio_server.h"

#define HUB_SOCKET_ID_LEN PL_EIO_SID_MAX

struct hub_user {
	struct pl_oid id;
	struct pl_list sockets; /* oldest first */
	unsigned socket_count;
	struct pl_bus_listener listener;
	struct pl_timer grace; /* started while there is no socket */
};

struct hub_socket {
	struct pl_list link; /* in its user; the socket is let in while it has one */
	struct pl_sio_client *client;
	struct hub_user *user; /* NULL until it was let in */
	struct pl_timer expiry;
	uint8_t token_id[PL_JWT_ID_LEN];
	char id[HUB_SOCKET_ID_LEN + 1];
};

void hub_start(void);
void hub_stop(void);
/* Let socket in for the claims' user. Past SOCKETS_PER_USER_MAX his oldest one is closed. */
void hub_join(struct hub_socket *socket, const struct pl_jwt_claims *claims);
/* The socket has ended; nothing where it was not in. with_grace: its connection just broke,
 * and the user counts as here for PRESENCE_GRACE_MS. */
void hub_leave(struct hub_socket *socket, bool with_grace);
/* Send an event to every socket of every user here. Adds owners to packet, a whole Engine.IO
 * packet. */
void hub_broadcast(struct pl_ref *packet);
/* End all sockets that came in by this token. */
void hub_end_token(const struct pl_oid *user, const uint8_t token_id[PL_JWT_ID_LEN]);

#endif
