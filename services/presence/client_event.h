/*
 * client_event: what clients send: which events there are, and their acknowledgements.
 *
 *   4217["typing",{"to":"65a0...","isTyping":true}]     a client's event, asking for an answer
 *   4317[]                                              done, and there is nothing to say
 *   4317[{"error":"Unknown event","code":"UNKNOWN_EVENT"}]   refused
 *
 * Whoever asks gets exactly one, whatever the event is: a stock client with `retries` sends its
 * next packet only after the answer, so that one event without would hold back all that follow.
 * An acknowledgement waits in the socket's queue like all that is sent, and counts there: a client
 * that asks without end and takes nothing is put out.  Threads: the loop's.
 */
#ifndef PRESENCE_CLIENT_EVENT_H
#define PRESENCE_CLIENT_EVENT_H

#include "presence/typing.h"

/* Carry event out for socket, which is let in. */
void client_event(struct typing *typing, struct hub_socket *socket,
    const struct pl_sio_event *event, int64_t now_mono_ms);

#endif
