/*
 * load: how many jobs a process works at, and which it takes on.
 *
 *   room       any message
 *   no room    None that a wake-up names: another process may have room, or a sweep finds
 *              it later. Of a sweep, only what is due within LOAD_RESCUE_MS, at any load: it
 *              gets the standard text, in time.
 *
 * Once a message was left and there is room again, a sweep is due at once.
 * Pure.  Threads: one at a time.
 */
#ifndef RESPONDER_LOAD_H
#define RESPONDER_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOAD_LEAST     16
#define LOAD_RESCUE_MS 3000

struct load {
	size_t count;
	size_t count_max;
	bool has_left_some; /* messages, for later */
};

/* concurrency: of calls to the LLM; as many jobs again may wait. */
void load_init(struct load *l, unsigned concurrency);
/* May a message that a wake-up names be taken? */
bool load_has_room(struct load *l);
/* A sweep takes what is due before this. */
int64_t load_due_before(struct load *l, int64_t now_unix_ms);
void load_add(struct load *l);
/* True: there is room for what was left, sweep. */
bool load_drop(struct load *l);

#endif
