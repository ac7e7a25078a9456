/*
 * changes: who came, went or changed his status, one event each, for sockets that said
 * {"presence":"delta"} in CONNECT: on a large site the whole list each second is too much.
 *
 *   presence {userId, online, status}
 *
 * An event says what is true when it is sent, so one too many does no harm; and where many
 * users changed at once, or the store does not tell their statuses, the sockets get the list
 * again instead, as on connecting. They never differ from the list by more than what is still
 * noted here.  Threads: the loop's.
 */
#ifndef PRESENCE_ONLINE_CHANGES_H
#define PRESENCE_ONLINE_CHANGES_H

#include "base/oid.h"

#define ONLINE_CHANGES_MAX 32 /* a telling; beyond it the list */

void online_changes_start(void);
void online_changes_stop(void);
void online_changes_note(const struct pl_oid *user); /* he changed in some way */
bool online_changes_is_due(void);                    /* something is noted */
/* Tell what was noted, now or after a look into the store. What a telling before is still
 * looking up stays noted for the next. */
void online_changes_tell(void);

#endif
