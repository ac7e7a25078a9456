#include "base/digest.h"

#include <sodium.h>

#include "base/hex.h"

/* Each piece is hashed under what came before it as a key. */
void
pl_digest_add(struct pl_digest *d, struct pl_str piece)
{
	uint8_t next[PL_DIGEST_LEN];

	(void)crypto_generichash(next, sizeof(next), (const unsigned char *)piece.ptr,
	    piece.len, d->bytes, sizeof(d->bytes));
	memcpy(d->bytes, next, sizeof(next));
}

void
pl_digest_format(const struct pl_digest *d, char out[PL_DIGEST_HEX_LEN + 1])
{
	pl_hex_encode(d->bytes, sizeof(d->bytes), out);
}
