/*
 * unheard: senders whose messageSent nobody listens to, so that it need not be published.
 *
 *   this process                      Redis                      presence
 *   PUBLISH parley:sent:<id>    ──►
 *                               ◄──   0: nobody has subscribed
 *                                           ◄──  SUBSCRIBE parley:sent:<id>, confirmed
 *   forgotten                   ◄──   parley:hears <id>   ◄──    and said (presence/hub_sent.h)
 *
 * presence lets a socket that asks for messageSent in after that, so what is sent
 * afterwards is published. While this process knows that it cannot hear parley:hears, all
 * of it is. Two sockets may miss what is sent just after they came: one that came while
 * this process' connection was dead, and nobody knew (6 s at most), and one at a presence
 * process of the version before, which says nothing (PL_UNHEARD_MS).
 * Threads: the loop's.
 */
#ifndef PL_SENDING_UNHEARD_H
#define PL_SENDING_UNHEARD_H

#include "base/oid.h"
#include "bus/bus.h"

#define PL_UNHEARD_MS    20000
#define PL_UNHEARD_USERS 4096 /* of more some are forgotten: theirs is published */

struct pl_unheard;

struct pl_unheard *pl_unheard_new(struct pl_loop *loop, struct pl_bus *bus);
void pl_unheard_free(struct pl_unheard *u); /* before the bus */
/* Nobody listens to what user sends. (Of NULL nobody knows, and so it is published.) */
bool pl_unheard_has(const struct pl_unheard *u, const struct pl_oid *user);
/* A number that is another one once somebody has begun to listen to user. */
uint64_t pl_unheard_changes(const struct pl_unheard *u, const struct pl_oid *user);
/* Redis says that nobody had subscribed, of something of user's that was published when
 * that was changes: ignored if it is another one now. */
void pl_unheard_note(struct pl_unheard *u, const struct pl_oid *user, uint64_t changes);

#endif
