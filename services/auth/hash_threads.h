/*
 * hash_threads: how many passwords may be hashed at once. Each takes PASSWORD_MEMORY_KIB.
 *
 *   the least of    the processors that this process may run on (sched_getaffinity), but
 *                   one, which stays free for everybody's loops: beside a thread that
 *                   computes, a loop that wakes waits for a slice of the scheduler's
 *                   the processor time that its control group leaves, rounded up
 *                   half of its memory (of its control group, or of the machine), by 19 MiB
 *   and one, always
 *
 *   32 processors, 256 MiB: 6    2 processors, 256 MiB: 1    32 processors at 150 %: 2
 *
 * The other half is for everything else. Threads: any.
 */
#ifndef PL_AUTH_HASH_THREADS_H
#define PL_AUTH_HASH_THREADS_H

#include <stdint.h>

struct hash_room {
	int64_t processors;
	int64_t cpu_milli;    /* thousandths of a processor; INT64_MAX: no limit */
	int64_t memory_bytes; /* INT64_MAX: no limit */
};

/* What the kernel says of this process. */
struct hash_room hash_room_here(void);
unsigned hash_threads(const struct hash_room *room);

#endif
