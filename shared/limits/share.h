/*
 * share: what one user may have of something that all use, such as long reads of the
 * store: so many at once, and so much a second over all of theirs.
 *
 *   asked ──room──────────────► holds ──pl_share_end()──► (none)
 *     │                           ▲
 *     ├──others of theirs hold──► waits ──PL_SHARE_WAIT_MS──► refused
 *     └──PL_SHARE_WAITING_MAX of theirs wait──────────────────► refused
 *
 * Whoever holds tells what each piece cost, and hears how long to wait before the next
 * one. What is owed outlives the turn: a new one begins where the last one ended.
 *
 * A long answer is also given at an even pace, that of the rate, from its second piece
 * on: what passes it on, and perhaps compresses it, takes no turn in between while more
 * is there to be read.
 * Threads: the loop's.
 */
#ifndef PL_LIMITS_SHARE_H
#define PL_LIMITS_SHARE_H

#include "base/map.h"
#include "base/oid.h"
#include "limits/budget.h"
#include "loop/loop.h"

#define PL_SHARE_WAITING_MAX 64 /* of one user */
#define PL_SHARE_WAIT_MS     5000

struct pl_share_rule {
	int64_t at_once;              /* turns that one user may hold; 0: any number */
	struct pl_budget_rule budget; /* of one user */
};

struct pl_share {
	struct pl_loop *loop;
	struct pl_share_rule rule;
	struct pl_map
	    users; /* raw id -> struct pl_share_user: who holds, waits or owes */
};

/* Embedded in what takes the turn; pl_share_ask() fills it. */
struct pl_share_turn {
	struct pl_share *share;
	struct pl_share_user *user; /* NULL: it neither holds nor waits */
	struct pl_list link;        /* while it waits */
	bool has_waited;            /* in line */
	struct pl_timer deadline;
	void (*on_turn)(struct pl_share_turn *t, bool may);
};

void pl_share_init(
    struct pl_share *s, struct pl_loop *loop, const struct pl_share_rule *rule);
void pl_share_fini(struct pl_share *s); /* nobody holds or waits any more */

/* on_turn comes once, perhaps from inside the call: may, and t holds until
 * pl_share_end(); or may not, and t is done with. */
void pl_share_ask(struct pl_share *s, const struct pl_oid *user, struct pl_share_turn *t,
    void (*on_turn)(struct pl_share_turn *t, bool may));
/* t, which holds, has cost so much; milliseconds until it may go on, 0 for at once. With
 * nothing spent: until a new turn may begin. */
int64_t pl_share_spend(struct pl_share_turn *t, int64_t bytes, int64_t cpu_us);
/* A piece of so many bytes is passed on: milliseconds until the next one may be, of all
 * turns of the user. Nothing is spent. */
int64_t pl_share_pace(struct pl_share_turn *t, int64_t bytes);
/* t holds no more, and the next in line does; nothing if it does not hold. */
void pl_share_end(struct pl_share_turn *t);

#endif
