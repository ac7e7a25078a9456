/*
 * list: who is online, as clients are told: getOnlineUsers, the list of everybody, to
 * most; to delta sockets (online/changes.h beside it) the list once, and then the
 * changes; to sockets that watch (online/watched.h) changes of those alone whom they
 * name.
 *
 * The list is encoded once for all: for a telling, at most one a second, the first change
 * at once and what follows within the second together; and for those that come in, who
 * share one of at most ONLINE_LIST_EVERY_FIRST_MS, in which each of them stands too.
 * Threads: the loop's.
 */
#ifndef PRESENCE_ONLINE_LIST_H
#define PRESENCE_ONLINE_LIST_H

#include "base/ref.h"
#include "online/set.h"
#include "presence/hub.h"
#include "presence/online/changes.h"
#include "presence/online/watched.h"

#define ONLINE_LIST_EVERY_MS       1000
#define ONLINE_LIST_EVERY_FIRST_MS 100

/* One that waits for the list. */
struct online_list_wait {
	void (*on_list)(void *arg);
	void *arg;
	struct pl_list link; /* inside */
};

/* The caller's; zero it and set the first five. */
struct online_list {
	const struct pl_app *app;
	struct hub *hub;
	struct watched_index *watched; /* started; it is told who came and went */
	/* Do events wait for their turn to go out? */
	bool (*is_behind)(void *arg);
	void *arg;
	/* inside */
	struct pl_online_set *set;
	struct pl_ref *packet; /* NULL once the set has changed, as is first */
	struct pl_ref *first;
	int64_t encoded_mono_ms; /* the last packet */
	struct pl_message_pos first_pos;
	int64_t first_mono_ms;
	struct pl_list awaiting; /* online_list_wait.link */
	struct pl_timer await;
	struct pl_timer telling; /* started for a second after each telling */
	struct online_changes changes;
	bool has_changed; /* since the last one: lists are due */
	bool is_retired;
};

void online_list_start(struct online_list *l);
void online_list_stop(struct online_list *l);
void online_list_join(
    struct online_list *l, const struct pl_oid *user); /* first socket here */
void online_list_leave(
    struct online_list *l, const struct pl_oid *user); /* the last one went */
/* This process ends: who was here counts out in keep_ms, unless they are elsewhere by
 * then. Once. */
void online_list_retire(struct online_list *l, int64_t keep_ms);
/* ... and the others have been told, or cannot be. */
bool online_list_is_retired(const struct online_list *l);
bool online_list_has(const struct online_list *l, const struct pl_oid *user);
void online_list_status_changed(struct online_list *l, const struct pl_oid *user);
void online_list_wait_init(
    struct online_list_wait *w, void (*on_list)(void *arg), void *arg);
/* on_list comes when the list may be taken: before this returns if it is as it was, else
 * from the loop, at most ONLINE_LIST_EVERY_FIRST_MS later when many come in. */
void online_list_await(struct online_list *l, struct online_list_wait *w);
void online_list_unwait(struct online_list_wait *w); /* twice is fine */
/* The event as it is now, a whole Engine.IO packet; one owner, the caller. */
struct pl_ref *online_list_packet(struct online_list *l);
/* The same for a socket that is new: the list is followed by an offset, *pos, so that it
 * can recover from here before it has got a message. */
struct pl_ref *online_list_first_packet(
    struct online_list *l, struct pl_message_pos *pos);

#endif
