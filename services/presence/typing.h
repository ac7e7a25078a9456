/*
 * typing: "typing {to, isTyping}" of a client becomes "typing {from, isTyping}" at whom
 * it names. The server ends it by itself after TYPING_MS, when the message is sent, and
 * when the typist goes, so that nobody is left seeing somebody write for ever.
 *
 * It begins only to somebody one may write to: the store is asked each time. To a user
 * who is not there, or while one of the two has blocked the other, it is dropped without
 * a word; if the store does not answer, it begins. A block ends what is shown
 * (PL_CHANNEL_BLOCKS).
 *
 * A user who begins and ends without pause is heard a few times a second; what is said in
 * between is dropped, for it is about now. Each end that is told had a
 * beginning.  Threads: the loop's.
 */
#ifndef PRESENCE_TYPING_H
#define PRESENCE_TYPING_H

#include "base/json.h"
#include "bus/events.h"
#include "limits/bucket.h"
#include "model/invalid.h"
#include "presence/hub.h"

#define TYPING_MS                PL_TYPING_ENDS_MS
#define TYPING_PAIRS_MAX         8 /* whom one user may be typing to at once */
#define TYPING_BEGINS_PER_SECOND 2 /* of one user */
#define TYPING_BEGINS_BURST      10
#define TYPING_USERS_MAX         100000

/* The caller's; zero it and set the first. */
struct typing {
	const struct pl_app *app;
	/* inside: few people type at any moment, so that the list is short; from the
	 * oldest */
	struct pl_list pairs;
	struct pl_bucket_table *begins;
	size_t checks; /* that the store is asked for now */
	struct pl_bus_listener blocks;
};

void typing_start(struct typing *t);
/* said may be anything. False, and nothing is done, if it is not {"to": id, "isTyping":
 * bool}, or one too many: *why says so. */
bool typing_said(struct typing *t, struct hub_socket *socket, const struct pl_json *said,
    struct pl_invalid *why);
/* from has sent to a message. */
void typing_end(struct typing *t, const struct pl_oid *from, const struct pl_oid *to);
void typing_end_all(struct typing *t, const struct pl_oid *from); /* on all sockets */
void typing_end_socket(struct typing *t, const struct hub_socket *socket);
void typing_stop(struct typing *t);

#endif
