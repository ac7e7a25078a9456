/*
 * gap: "what was stored since then may not have been published". A process that could not
 * publish says so to the presence processes, which read the messages from the store
 * instead.
 *
 *   parley:gap    <milliseconds since 1970>
 *
 * The note is published as soon as the bus is there, again until Redis has taken it, and
 * covers all that was noted until then. A publisher notes the last PL_GAP_START_MS when
 * it starts: the one before it may have died between a commit and its publication.
 *
 * To keep the order of messages, hold an answer back until the note is published: what is
 * sent after that answer is published after the note, and so is read from the store after
 * the gap.
 *
 * Threads: the loop's.
 */
#ifndef PL_BUS_GAP_H
#define PL_BUS_GAP_H

#include "bus/bus.h"

#define PL_CHANNEL_GAP "parley:gap"
#define PL_GAP_START_MS                                                                  \
	10000 /* more than a service takes from its death to its next start */

/* The caller's; zero it and set the first two. */
struct pl_gap_waiter {
	void (*on_published)(void *arg);
	void *arg;
	struct pl_list link; /* inside */
};

struct pl_gap;
/* Notes the last PL_GAP_START_MS. */
struct pl_gap *pl_gap_new(struct pl_loop *loop, struct pl_bus *bus);
/* Before the bus is freed. Waiters are forgotten. */
void pl_gap_free(struct pl_gap *g);
void pl_gap_note(struct pl_gap *g, int64_t since_unix_ms);
/* on_published is called once what was noted until now is published. */
void pl_gap_wait(struct pl_gap *g, struct pl_gap_waiter *w);
void pl_gap_unwait(struct pl_gap_waiter *w);
/* For how long the bus has not taken the oldest note; 0: nothing waits. */
int64_t pl_gap_age_ms(const struct pl_gap *g);

bool pl_gap_parse(struct pl_str payload, int64_t *since_unix_ms) PL_MUST_CHECK;

#endif
