/*
 * hub: who is connected to this process: users, and the sockets of each.
 *
 *   struct hub_user    one with a socket here, or in the grace after a broken one
 *   struct hub_socket  a Socket.IO connection that was let in, or still asks to be
 *
 * The hub listens on the bus for the users that it has, and hands each event to all
 * sockets of its user, encoded once (but for the offset that ends a newMessage,
 * messageUpdated or messageDeleted, which is each socket's own: see delivery/seen). What
 * others make of its users and events it does not know: it tells them by struct
 * hub_events, and includes nobody of presence but seen.  Threads: the loop's.
 */
#ifndef PRESENCE_HUB_H
#define PRESENCE_HUB_H

#include "presence/hub_sent.h"
#include "presence/hub_tell.h"

void hub_start(struct hub *hub);
void hub_stop(struct hub *hub);
size_t hub_user_count(const struct hub *hub);
/* socket is its user's from now on, for the claims' user. Past SOCKETS_PER_USER_MAX the
 * oldest one of that user is closed. */
void hub_join(
    struct hub *hub, struct hub_socket *socket, const struct pl_jwt_claims *claims);
/* Does the bus bring what is published to socket's user from now on, and what the user sends
 * if socket asks for that? If it is away, yes: then delivery/tail does, but for what the
 * user sends, which is missed. Otherwise on_ready comes. */
bool hub_is_ready(const struct hub_socket *socket);
/* The socket has ended; nothing if it was not in. with_grace: its connection just broke,
 * and the user counts as here for PRESENCE_GRACE_MS. */
void hub_leave(struct hub_socket *socket, bool with_grace);
/* The longest that any user here, whose sockets all end now, has to come back; 0 for
 * none. */
int64_t hub_grace_left_ms(const struct hub *hub);
/* End all sockets of r's user whose tokens are refused now. */
void hub_end_revoked(struct hub *hub, const struct pl_revocation *r);
/* End all sockets of user, and the grace after one. */
void hub_end_user(struct hub *hub, const struct pl_oid *user);
/* The next count users, at most, in turn: who was given comes after all others, then.
 * Gives how many those are. */
size_t hub_take_turns(struct hub *hub, struct pl_oid *users, size_t count);

#endif
