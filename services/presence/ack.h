/*
 * ack: the answer to a client's event that asks for one: each gets exactly one.
 *
 *   4217["typing",{"to":"65a0...","isTyping":true}]     a client's event, asking for an answer
 *   4317[]                                              done, and there is nothing to say
 *   4317[{"error":"Unknown event","code":"UNKNOWN_EVENT"}]   refused
 *
 * An answer waits in the socket's queue like all that is sent, and counts there: a client
 * that asks without end and takes nothing is put out.  Threads: the loop's.
 */
#ifndef PRESENCE_ACK_H
#define PRESENCE_ACK_H

#include "model/invalid.h"
#include "model/problem.h"
#include "presence/hub.h"

/* What an event asks for; copied from it, if the answer comes later. */
struct ack {
	unsigned ns;
	int64_t id; /* PL_SIO_NO_ACK: no answer */
};

static inline struct ack
ack_of(const struct pl_sio_event *event)
{
	return (struct ack){event->ns, event->ack_id};
}

/* Nothing is sent if no answer is wanted. socket has a user; args is a JSON array. */
void ack_send(struct hub_socket *socket, const struct ack *ack, struct pl_str args);
void ack_refuse(
    struct hub_socket *socket, const struct ack *ack, const struct pl_invalid *why);
/* As the answer to a request would have it; wait_s: as retryAfter, 0: without. */
void ack_problem(struct hub_socket *socket, const struct ack *ack,
    enum pl_problem problem, int64_t wait_s);

#endif
