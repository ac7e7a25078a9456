/* random: bytes from the system's generator, good for keys and session ids.
 * Threads: any. */
#ifndef PL_BASE_RANDOM_H
#define PL_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

void pl_random_bytes(void *out, size_t len);
uint32_t pl_random_below(uint32_t bound); /* 0 .. bound-1, without bias; bound > 0 */

#endif
