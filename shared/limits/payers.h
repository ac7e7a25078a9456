/*
 * payers: one budget for all sockets of a user, those that are closed and opened again
 * too: whoever has spent it is no richer on a new connection.
 *
 *   join ---> has sockets ---- the last leaves ---> kept for PL_PAYER_KEPT_MS ---> forgotten
 *                 ^                                    |
 *                 '--------------- join ---------------'
 *
 * Pure: no kore.  Threads: one at a time.
 */
#ifndef PL_LIMITS_PAYERS_H
#define PL_LIMITS_PAYERS_H

#include "base/list.h"
#include "base/map.h"
#include "limits/budget.h"

#define PL_PAYER_KEPT_MS 60000 /* the longest debt, and a burst that comes back */
/* Without a socket; then the one that left first is forgotten. */
#define PL_PAYERS_GONE_MAX 10000

struct pl_payer {
	struct pl_budget budget;
	/* inside */
	struct pl_list link; /* among the gone */
	unsigned sockets;
	int64_t left_mono_ms;
	size_t key_len;
	char key[];
};

struct pl_payers {
	struct pl_map by_key;
	struct pl_list gone; /* by when they left */
	size_t gone_count;
};

void pl_payers_init(struct pl_payers *p);
void pl_payers_fini(struct pl_payers *p); /* all have left */

/* One more socket of key's; key is copied. */
struct pl_payer *pl_payers_join(
    struct pl_payers *p, struct pl_str key, int64_t now_mono_ms);
/* NULL is fine. */
void pl_payers_leave(struct pl_payers *p, struct pl_payer *payer, int64_t now_mono_ms);

#endif
