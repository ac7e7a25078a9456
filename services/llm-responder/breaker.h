/*
 * breaker: do not ask a server that does not answer.
 *
 *   CLOSED   calls pass
 *   OPEN     none pass, until open_until_mono_ms
 *   PROBING  one call is on its way; no other passes
 *
 *   CLOSED --BREAKER_FAILURES in a row--> OPEN --time--> PROBING --success--> CLOSED
 *                                          ^---------------+ failure
 * Pure: the clock is the caller's.  Threads: one at a time.
 */
#ifndef RESPONDER_BREAKER_H
#define RESPONDER_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

#define BREAKER_FAILURES   5
#define BREAKER_OPEN_MS    30000
#define BREAKER_REFUSED_MS 60000 /* after a refusal, which another call does not change */

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_PROBING };

struct breaker { /* zeroed: closed */
	enum breaker_state state;
	unsigned failures; /* in a row */
	int64_t open_until_mono_ms;
};

/* Would breaker_allows() refuse? */
bool breaker_is_shut(const struct breaker *b, int64_t now_mono_ms);
/* May a call start now? If so, the caller has to report what becomes of it. */
bool breaker_allows(struct breaker *b, int64_t now_mono_ms);
/* The server works, also if it answered with nothing that we can use. */
void breaker_succeeded(struct breaker *b);
/* True: this opened it. */
bool breaker_failed(struct breaker *b, int64_t now_mono_ms);
/* The server refuses our set-up: open at once, and for longer. */
bool breaker_refused(struct breaker *b, int64_t now_mono_ms);

#endif
