/*
 * hub_tell: how events reach the sockets of the hub: from the bus, from the store, and
 * from other parts of presence. Each is encoded once, but for the offset that ends a
 * newMessage, messageUpdated or messageDeleted, which is each socket's own
 * (delivery/seen).  Threads: the loop's.
 */
#ifndef PRESENCE_HUB_TELL_H
#define PRESENCE_HUB_TELL_H

#include "presence/hub_types.h"

/* NULL: not here. */
struct hub_user *hub_find_user(const struct hub *hub, const struct pl_oid *id);
/* Hand a message that was read from the store to the sockets of its receiver that were
 * here when it was written, and have not got it. */
void hub_deliver(struct hub *hub, const struct pl_message *m);
/* The same of its last change, to the sockets of both its people. Who has got a later
 * change of it does not get an earlier one. */
void hub_deliver_change(struct hub *hub, const struct pl_message *m);
/* newMessage as a whole Engine.IO packet, for one who has seen these, and m last; one
 * owner, the caller. */
struct pl_ref *hub_message_packet(const struct seen *seen, const struct pl_message *m);
/* messageUpdated or messageDeleted; the same. */
struct pl_ref *hub_change_packet(const struct seen *seen, const struct pl_message *m);
/* Send an event to one socket, or to all of these of every user here. Adds owners to
 * packet, a whole Engine.IO packet. */
void hub_send(struct hub_socket *socket, struct pl_ref *packet);
void hub_broadcast(struct hub *hub, struct pl_ref *packet, unsigned audience);
/* To all sockets of one user, if there are any here. */
void hub_send_user(struct hub *hub, const struct pl_oid *user, struct pl_ref *packet);
bool hub_has_user(const struct hub *hub, const struct pl_oid *user);
bool hub_has(const struct hub *hub, unsigned audience); /* any socket of these */

/* on_ready to all sockets of user. */
void hub_tell_ready(struct hub_user *user);

/* The bus's, of a user (arg) and of the hub (arg); the hub listens with them. */
void hub_on_user_event(void *arg, struct pl_str channel, struct pl_str payload);
void hub_on_user_ready(void *arg, bool is_again);
void hub_on_all_event(void *arg, struct pl_str channel, struct pl_str payload);
void hub_on_all_ready(void *arg, bool is_again);

#endif
