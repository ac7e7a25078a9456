/*
 * erased: the texts of a user who was erased leave the screens of those who wrote with
 * them.
 *
 *   userDeleted {userId}       once to each socket of a correspondent here
 *   messageDeleted {message}   of the newest ERASED_NEWEST messages of the two, what the user wrote
 *
 * A user may have written very many messages to very many people, so what is told is
 * bounded, and read step by step: the correspondents by ids, and messages only for those
 * who are connected here. What is older a page takes away by the first event, or reads as
 * deleted when it loads it. One user at a time; ERASED_WAITING wait, and of one more
 * nothing is told. Who is away hears of it when they recover.
 * Threads: the loop's.
 */
#ifndef PRESENCE_ERASED_H
#define PRESENCE_ERASED_H

#include "presence/hub.h"

#define ERASED_NEWEST  50 /* as many as a page loads at first */
#define ERASED_WAITING 64
#define ERASED_AT_ONCE                                                                   \
	2 /* correspondents whose messages one read brings: 6.4 MB at most */

struct erased_look;

/* The caller's; zero it and set the first two. */
struct erased {
	const struct pl_app *app;
	struct hub *hub;
	/* inside */
	struct pl_oid waiting[ERASED_WAITING]; /* the first one is looked at */
	size_t waiting_count;
	struct erased_look *look; /* NULL: nothing is under way */
};

/* All that user had written is gone. */
void erased_tell(struct erased *e, const struct pl_oid *user);
void erased_stop(
    struct erased *e); /* after the store: no call to it is under way any more */

#endif
