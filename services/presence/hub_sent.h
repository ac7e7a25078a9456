/*
 * hub_sent: what users of this process send elsewhere, for those who listen to it here:
 * sockets that ask for messageSent, and who is shown that one types.
 *
 * Whoever publishes leaves out what nobody listens to (sending/unheard.h), and so is told
 * when somebody begins to. Redis answers a PUBLISH before it has written it to all; by its
 * answer to the second it has. From then on nothing that is sent is left out: whoever
 * publishes reads that before a message that comes later is stored.
 * Threads: the loop's.
 */
#ifndef PRESENCE_HUB_SENT_H
#define PRESENCE_HUB_SENT_H

#include "presence/hub_types.h"

/* Hear of what user sends, until as many calls of hub_drop_sent(): else nobody here pays
 * for it. */
void hub_hear_sent(struct hub_user *user);
void hub_drop_sent(struct hub_user *user);
/* user ends, whoever listens. */
void hub_end_sent(struct hub_user *user);
/* Is all heard that user sends from now on? hub_tell_ready() follows once it is. */
bool hub_hears_sent(const struct hub_user *user);

#endif
