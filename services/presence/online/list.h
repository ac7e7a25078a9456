/*
 * list: who is online, as clients are told: getOnlineUsers, the list of everybody, to most; to
 * delta sockets (online/changes.h beside it) the list once, and then the changes.
 *
 * The list is encoded once for all: for a telling, at most one a second, the first change at
 * once and what follows within the second together; and for those that come in, who share one
 * of at most ONLINE_LIST_EVERY_FIRST_MS, in which each of them stands himself.
 * Threads: the loop's.
 */
#ifndef PRESENCE_ONLINE_LIST_H
#define PRESENCE_ONLINE_LIST_H

#include "base/ref.h"
#include "presence/hub.h"

#define ONLINE_LIST_EVERY_MS       1000
#define ONLINE_LIST_EVERY_FIRST_MS 100

void online_list_start(void);
void online_list_stop(void);
void online_list_join(const struct pl_oid *user);  /* his first socket here */
void online_list_leave(const struct pl_oid *user); /* his last one */
/* This process ends: who was here counts out in keep_ms, if he is nowhere else by then. Once. */
void online_list_retire(int64_t keep_ms);
bool online_list_are_retired(void); /* and the others have been told, or cannot be */
void online_list_status_changed(const struct pl_oid *user);
bool online_list_has(const struct pl_oid *user);
/* socket->on_list comes, from the loop, when the list may be taken: at once, or within
 * ONLINE_LIST_EVERY_FIRST_MS where many come in. Not if it leaves (hub_leave) before. */
void online_list_await(struct hub_socket *socket);
/* The event as it is now, a whole Engine.IO packet; one owner, the caller. */
struct pl_ref *online_list_packet(void);
/* The same for a socket that is new: with an offset behind the list, *pos, so that it can
 * recover from here before it has got a message. */
struct pl_ref *online_list_first_packet(struct pl_message_pos *pos);

#endif
