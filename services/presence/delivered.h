/*
 * delivered: "delivered {from, upTo}" of a client says that it has all that from wrote,
 * up to that message. It is stored, and the writer's sockets get messagesDelivered if the
 * mark moved.
 *
 *            said                   stored or refused
 *   (none) --------> WRITING ------------------------------> RESTING
 *      ^                ^  ^ said: kept, the newest             |  ^ said: the same
 *      |                |                                       |
 *      |                '------- after a second, with one kept -+
 *      '------------------------ after a second, with none -----'
 *
 * So a pair of users costs one write a second at most, whatever their clients say. What
 * was refused wrote nothing: the next one is then taken at once. What the store did not
 * take is tried again, for some time. What is kept when the process is killed is lost:
 * the mark is behind then, until the next one. A drain writes it before the process ends.
 *
 * Which of two messages is the newer one their _ids say, and if they do not (two
 * processes made them in one second) the order in which they were said. Whether upTo is a
 * message of the two the store says: whoever began to write is acknowledged by what it
 * says. Whoever asks for an answer in the second after that is answered by a look into
 * the store, which waits for no write; what is no message of the two is refused then, and
 * not kept in place of one that is. A user has as many looks as writes; beyond them what
 * is said is kept and acknowledged unseen.
 * Threads: the loop's.
 */
#ifndef PRESENCE_DELIVERED_H
#define PRESENCE_DELIVERED_H

#include "base/json.h"
#include "limits/bucket.h"
#include "presence/ack.h"

#define DELIVERED_REST_MS   1000
#define DELIVERED_TRIES     10 /* to write one; a second lies between two */
#define DELIVERED_BURST_S   15 /* so many seconds' worth of writes at once */
#define DELIVERED_PAIRS_MAX 50000
#define DELIVERED_USERS_MAX 100000 /* whose rate is remembered at once */

/* The caller's; zero it and set the first. */
struct delivered {
	const struct pl_app *app;
	/* inside */
	struct pl_map pairs;   /* who got it, who wrote it -> struct pair */
	struct pl_list asking; /* of them, those whose write somebody waits for */
	size_t writing;        /* of them */
	struct pl_list looks;  /* that the store has not answered yet */
	struct pl_bucket_table *rates;
	struct pl_bucket_table *look_rates;
	struct pl_metrics_source metrics;
	bool is_leaving; /* what is kept is written at once */
};

void delivered_start(struct delivered *d);
/* said may be anything. True: ack is answered, now or from the loop. False, and nothing
 * is done, if it is not {"from": id, "upTo": id}, or one too many: *why says so. */
bool delivered_said(struct delivered *d, struct hub_socket *socket,
    const struct pl_json *said, const struct ack *ack, struct pl_invalid *why);
/* socket gets no answer any more; what it said is written all the same. */
void delivered_end_socket(struct delivered *d, const struct hub_socket *socket);
/* Write what is kept; no more is said. */
void delivered_leave(struct delivered *d);
bool delivered_has_left(const struct delivered *d);
void delivered_stop(struct delivered *d); /* after the store */

#endif
