/*
 * online_users: who is online, as clients are told: getOnlineUsers, the list of everybody, to
 * most; to delta sockets (presence/delta) the list once, and then the changes.
 *
 * The list is encoded once for all: for a telling, at most one a second, the first change at
 * once and what follows within the second together; and for those that come in, who share one
 * of at most ONLINE_USERS_EVERY_FIRST_MS, in which each of them stands himself.
 * Threads: the loop's.
 */
#ifndef PRESENCE_ONLINE_USERS_H
#define PRESENCE_ONLINE_USERS_H

#include "base/ref.h"
#include "hub.h"

#define ONLINE_USERS_EVERY_MS       1000
#define ONLINE_USERS_EVERY_FIRST_MS 100

void online_users_start(void);
void online_users_stop(void);
void online_users_join(const struct pl_oid *user);  /* his first socket here */
void online_users_leave(const struct pl_oid *user); /* his last one */
/* This process ends: who was here counts out in keep_ms, if he is nowhere else by then. Once. */
void online_users_retire(int64_t keep_ms);
bool online_users_are_retired(void); /* and the others have been told, or cannot be */
void online_users_status_changed(const struct pl_oid *user);
bool online_users_has(const struct pl_oid *user);
/* socket->on_list comes, from the loop, when the list may be taken: at once, or within
 * ONLINE_USERS_EVERY_FIRST_MS where many come in. Not if it leaves (hub_leave) before. */
void online_users_await(struct hub_socket *socket);
/* The event as it is now, a whole Engine.IO packet; one owner, the caller. */
struct pl_ref *online_users_packet(void);
/* The same for a socket that is new: with an offset behind the list, *pos, so that it can
 * recover from here before it has got a message. */
struct pl_ref *online_users_first_packet(struct pl_message_pos *pos);

#endif
