/*
 * gone: users whom another program deleted from the store. Each request asks whether its
 * user is there (session/sessions), but a socket asks once, and may live for days: so the
 * users of the sockets here are looked for again, all of them once in USER_CHECK_MS, and
 * one who is gone is logged out.
 *
 *   1 to 1000 users      one read in USER_CHECK_MS
 *   each 1000 more       one more, evenly spread over that time
 *
 * Only a store that answers can say that somebody is gone: a read that fails changes
 * nothing.
 * Threads: the loop's.
 */
#ifndef PRESENCE_GONE_H
#define PRESENCE_GONE_H

#include "presence/hub.h"
#include "presence/typing.h"

/* The caller's; zero it and set the first three. */
struct gone {
	const struct pl_app *app;
	struct hub *hub;
	struct typing *typing;
	/* inside */
	struct pl_timer next;
	bool is_looking;
};

void gone_start(struct gone *g);
void gone_stop(struct gone *g); /* after the store: no call to it is under way any more */

#endif
