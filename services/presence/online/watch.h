/*
 * watch: which users a socket watches: it said {"presence":"watch"} in CONNECT, and then
 * the event
 *
 *   watch {"users": [id, ...]}     at most WATCH_USERS_MAX, instead of those of the last one
 *
 * whose acknowledgement says what is true now; what changes follows as presence
 * (online/watched.h).
 *
 *   [{"userId","online","status","statusNote"?}, ...]     in the order of the ids, each once
 *
 * Who is no user is left out, and not watched. An event that is refused,
 * {"error","code"}, changes nothing: the socket watches whom it did before. So it does
 * until the answer is there: the new users are read from the store first, all in one
 * read, and what changes meanwhile is in the answer or is told after it. A user's events
 * are carried out one after the other, a few at once in all.
 * Threads: the loop's.
 */
#ifndef PRESENCE_ONLINE_WATCH_H
#define PRESENCE_ONLINE_WATCH_H

#include "base/json.h"
#include "limits/bucket.h"
#include "loop/fair.h"
#include "presence/ack.h"
#include "presence/online/watched.h"

#define WATCH_USERS_MAX       500
#define WATCH_PER_SECOND      5 /* events of one user, in each process */
#define WATCH_BURST           40
#define WATCH_LIMIT_USERS_MAX 100000
#define WATCH_WAITING_MAX     16 /* events of one socket that are not answered yet */
#define WATCH_READS_MAX       16 /* at once */
/* All sockets of a process together, for each connection that it may have. */
#define WATCH_PER_CONNECTION 64
_Static_assert(WATCH_USERS_MAX <= PL_STORE_IDS_MAX, "they are read at once");

/* The caller's; zero it and set the first two. */
struct watches {
	const struct pl_app *app;
	struct watched_index *index;
	/* inside */
	struct pl_fair turns;
	struct pl_bucket_table *said;
	struct pl_metrics_source metrics;
};

void watch_start(struct watches *w);
void watch_stop(struct watches *w); /* after the store */
/* said may be anything. True: ack will be answered, from the loop. False: *why says why
 * not. */
bool watch_said(struct watches *w, struct hub_socket *socket, const struct pl_json *said,
    const struct ack *ack, struct pl_invalid *why);
/* socket watches nobody any more, and gets no answer. Twice is fine. */
void watch_end_socket(struct watches *w, struct hub_socket *socket);

#endif
