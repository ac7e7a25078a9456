/*
 * changes: who came, went or changed their status, one event each, for sockets that said
 * {"presence":"delta"} in CONNECT: on a large site the whole list each second is too
 * much.
 *
 *   presence {userId, online, status}
 *
 * An event says what is true when it is sent, so one too many does no harm; and if many
 * users changed at once, or the store does not tell their statuses, the sockets get the
 * list again instead, as on connecting. They never differ from the list by more than what
 * is still noted here.  Threads: the loop's.
 */
#ifndef PRESENCE_ONLINE_CHANGES_H
#define PRESENCE_ONLINE_CHANGES_H

#include "model/user.h"
#include "presence/hub.h"

#define ONLINE_CHANGES_MAX 32 /* a telling; beyond it the list */

struct online_change {
	struct pl_oid user;
	enum pl_status status; /* once it was looked up */
};

/* The caller's; zero it and set the first five. */
struct online_changes {
	const struct pl_app *app;
	struct hub *hub;
	/* The list as a packet, one owner for us; and whether user is in it. */
	struct pl_ref *(*list)(void *arg);
	bool (*has)(void *arg, const struct pl_oid *user);
	void *arg;
	/* inside */
	struct online_change noted[ONLINE_CHANGES_MAX];
	size_t count;
	bool is_too_many; /* noted is not all */
	/* the look into the store, one at a time */
	struct pl_store_read_call call;
	struct online_change reading[ONLINE_CHANGES_MAX];
	size_t reading_count;
	bool is_reading;
	bool is_stopped;
};

/* user changed in some way. */
void online_changes_note(struct online_changes *c, const struct pl_oid *user);
bool online_changes_are_due(const struct online_changes *c); /* something is noted */
/* Tell what was noted, now or after a look into the store. What an earlier telling is
 * still looking up stays noted for the next. */
void online_changes_tell(struct online_changes *c);
void online_changes_stop(struct online_changes *c);

#endif
