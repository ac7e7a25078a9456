/*
 * digest: a short name for bytes of any length, which nobody can make two of: BLAKE2b,
 * 128 bits. The pieces that it is made of count: "ab", "c" is another one than "a",
 * "bc".  Threads: any.
 */
#ifndef PL_BASE_DIGEST_H
#define PL_BASE_DIGEST_H

#include "base/str.h"

#define PL_DIGEST_LEN     16
#define PL_DIGEST_HEX_LEN (2 * PL_DIGEST_LEN)

/* Zeroed is the start. */
struct pl_digest {
	uint8_t bytes[PL_DIGEST_LEN];
};

void pl_digest_add(struct pl_digest *d, struct pl_str piece);
void pl_digest_format(const struct pl_digest *d, char out[PL_DIGEST_HEX_LEN + 1]);

#endif
