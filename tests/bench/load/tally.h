/*
 * tally: which messages were sent, taken and delivered, and how long that took from when
 * each was due, not from when a busy client got round to it.  Threads: one.
 */
#ifndef BENCH_TALLY_H
#define BENCH_TALLY_H

#include "base/str.h"

struct tally_message {
	int64_t due_us;
	int32_t taken_us;     /* after it was due; 0: not yet */
	int32_t delivered_us; /* likewise */
	uint32_t receiver;
	uint32_t copies; /* that came */
};

struct tally {
	struct tally_message *messages;
	size_t count;
	size_t taken;
	size_t delivered;
	size_t doubled;
	size_t refused;
	size_t astray; /* came to somebody else, or were never sent */
};

void tally_init(struct tally *t, size_t count);
void tally_fini(struct tally *t);
void tally_due(struct tally *t, size_t number, size_t receiver, int64_t due_us);
void tally_taken(struct tally *t, size_t number, int64_t now_us);
void tally_delivered(struct tally *t, size_t number, size_t receiver, int64_t now_us);
/* Messages from..count in one line of JSON, with the client's own CPU time. The times are
 * in ms. */
void tally_print(struct tally *t, size_t from, double seconds, double own_cpu_ms);

#endif
