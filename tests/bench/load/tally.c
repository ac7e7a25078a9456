#include <stdio.h>

#include "../sockets/figure.h"
#include "tally.h"

#include "base/mem.h"

void
tally_init(struct tally *t, size_t count)
{
	*t = (struct tally){.count = count};
	t->messages = pl_mem_zalloc(count * sizeof(t->messages[0]));
}

void
tally_fini(struct tally *t)
{
	pl_mem_free(t->messages);
}

void
tally_due(struct tally *t, size_t number, size_t receiver, int64_t due_us)
{
	t->messages[number].due_us = due_us;
	t->messages[number].receiver = (uint32_t)receiver;
}

void
tally_taken(struct tally *t, size_t number, int64_t now_us)
{
	t->taken++;
	t->messages[number].taken_us = (int32_t)(now_us - t->messages[number].due_us) | 1;
}

void
tally_delivered(struct tally *t, size_t number, size_t receiver, int64_t now_us)
{
	struct tally_message *m = number < t->count ? &t->messages[number] : NULL;

	if (m == NULL || m->due_us == 0 || m->receiver != receiver) {
		t->astray++;
		return;
	}
	if (m->copies++ > 0) {
		t->doubled++;
		return;
	}
	t->delivered++;
	m->delivered_us = (int32_t)(now_us - m->due_us) | 1;
}

/* {"p50":...,"p99":...} of one of the two times. */
static void
print_times(const struct tally *t, size_t from, bool of_delivery, double *values)
{
	double p99 = 0, p50 = 0;
	size_t n = 0;

	for (size_t i = from; i < t->count; i++) {
		int32_t us =
		    of_delivery ? t->messages[i].delivered_us : t->messages[i].taken_us;

		if (us > 0)
			values[n++] = us / 1000.0;
	}
	if (n > 0) {
		p99 = figure_p99(values, n); /* and sorts them */
		p50 = values[n / 2];
	}
	printf("{\"p50\":%.3f,\"p99\":%.3f}", p50, p99);
}

void
tally_print(struct tally *t, size_t from, double seconds, double own_cpu_ms)
{
	double *values = pl_mem_alloc((t->count - from + 1) * sizeof(*values));

	printf("{\"seconds\":%.3f,\"messages\":%zu,\"taken\":%zu,\"delivered\":%zu,"
	       "\"lost\":%zu,"
	       "\"doubled\":%zu,\"refused\":%zu,\"astray\":%zu,\"ownCpuMs\":%.1f,"
	       "\"taking\":",
	    seconds, t->count - from, t->taken, t->delivered,
	    t->taken > t->delivered ? t->taken - t->delivered : 0, t->doubled, t->refused,
	    t->astray, own_cpu_ms);
	print_times(t, from, false, values);
	printf(",\"delivery\":");
	print_times(t, from, true, values);
	printf("}\n");
	pl_mem_free(values);
}
