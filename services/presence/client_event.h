/*
 * client_event: what clients send: which events there are, and who carries them out.
 *
 * Whoever asks for an acknowledgement gets exactly one (presence/ack), whatever the event
 * is: a stock client with `retries` sends its next packet only after the answer, so that
 * one event without would hold back all that follow.  Threads: the loop's.
 */
#ifndef PRESENCE_CLIENT_EVENT_H
#define PRESENCE_CLIENT_EVENT_H

#include "presence/delivered.h"
#include "presence/online/watch.h"
#include "presence/send.h"
#include "presence/typing.h"

/* Who carries events out. The caller's. */
struct client_events {
	struct typing *typing;
	struct delivered *delivered;
	struct watches *watches;
	struct sends *sends;
};

/* Carry event out for socket, which is let in. */
void client_event(const struct client_events *by, struct hub_socket *socket,
    const struct pl_sio_event *event);
/* socket has left, or another connection takes its place: what it said holds no longer. */
void client_event_end(const struct client_events *by, struct hub_socket *socket);

#endif
