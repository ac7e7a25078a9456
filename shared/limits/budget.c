#include "limits/budget.h"

#define US_PER_S 1000000

static int64_t
time_for(int64_t amount, const struct pl_allowance *a)
{
	return a->per_second > 0 ? amount * US_PER_S / a->per_second : 0;
}

static void
add(int64_t *paid_us, int64_t amount, const struct pl_allowance *a, int64_t now_us)
{
	*paid_us = (*paid_us > now_us ? *paid_us : now_us) + time_for(amount, a);
}

static int64_t
debt_us(int64_t paid_us, const struct pl_allowance *a, int64_t now_us)
{
	return a->per_second > 0 ? paid_us - now_us - time_for(a->at_once, a) : 0;
}

static bool
has_half_left(int64_t paid_us, const struct pl_allowance *a, int64_t now_us)
{
	return a->per_second == 0 || paid_us - now_us <= time_for(a->at_once, a) / 2;
}

void
pl_budget_spend(struct pl_budget *b, const struct pl_budget_rule *rule, int64_t bytes,
    int64_t cpu_us, int64_t now_mono_ms)
{
	int64_t now_us = now_mono_ms * 1000;

	if (has_half_left(b->bytes_paid_us, &rule->bytes, now_us) &&
	    has_half_left(b->cpu_paid_us, &rule->cpu_us, now_us))
		b->over_since_ms = 0;
	add(&b->bytes_paid_us, bytes, &rule->bytes, now_us);
	add(&b->cpu_paid_us, cpu_us, &rule->cpu_us, now_us);
	if (b->over_since_ms == 0 && pl_budget_wait_ms(b, rule, now_mono_ms) > 0)
		b->over_since_ms = now_mono_ms;
}

int64_t
pl_budget_wait_ms(
    const struct pl_budget *b, const struct pl_budget_rule *rule, int64_t now_mono_ms)
{
	int64_t bytes_us = debt_us(b->bytes_paid_us, &rule->bytes, now_mono_ms * 1000);
	int64_t cpu_us = debt_us(b->cpu_paid_us, &rule->cpu_us, now_mono_ms * 1000);
	int64_t most_us = bytes_us > cpu_us ? bytes_us : cpu_us;

	return most_us > 0 ? (most_us + 999) / 1000 : 0;
}

bool
pl_budget_is_used_up(
    const struct pl_budget *b, const struct pl_budget_rule *rule, int64_t now_mono_ms)
{
	int64_t wait_ms = pl_budget_wait_ms(b, rule, now_mono_ms);

	return wait_ms > 0 &&
	       now_mono_ms + wait_ms - b->over_since_ms > PL_BUDGET_PATIENCE_MS;
}
