/*
 * budget: what one client may cost this process a second: bytes that it sends, and time
 * of the processor that is spent on them.
 *
 *   10 ms a second, 200 ms at once:  what was spent is told afterwards, as nobody knows before
 *   what a packet costs. One that cost 300 ms leaves a debt of 100 ms, and the client waits
 *   for 10 s; nothing more is read from it meanwhile.
 *
 *   within ──debt──► waits ──paid──► within ...      after half a burst of rest: as new
 *                      └── for PL_BUDGET_PATIENCE_MS without that rest: used up, it goes
 *
 * Pure: no kore.  Threads: one at a time.
 */
#ifndef PL_LIMITS_BUDGET_H
#define PL_LIMITS_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

/* Less than the 60 s for which the gateway waits for an answer to a POST. */
#define PL_BUDGET_PATIENCE_MS 30000

struct pl_allowance {
	int64_t per_second; /* 0: no limit */
	int64_t at_once;
};

struct pl_budget_rule {
	struct pl_allowance bytes;
	struct pl_allowance cpu_us;
};

/* Zeroed is one that spent nothing. */
struct pl_budget {
	int64_t bytes_paid_us; /* when what was spent will be paid; monotonic */
	int64_t cpu_paid_us;
	int64_t over_since_ms; /* 0: it rested since its last debt */
};

/* It has cost so much. */
void pl_budget_spend(struct pl_budget *b, const struct pl_budget_rule *rule,
    int64_t bytes, int64_t cpu_us, int64_t now_mono_ms);
/* How long it has to wait; 0: not at all. */
int64_t pl_budget_wait_ms(
    const struct pl_budget *b, const struct pl_budget_rule *rule, int64_t now_mono_ms);
/* Has it been over for so long that it should go? */
bool pl_budget_is_used_up(
    const struct pl_budget *b, const struct pl_budget_rule *rule, int64_t now_mono_ms);

#endif
