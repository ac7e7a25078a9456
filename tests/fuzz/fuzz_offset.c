/*
 * fuzz_offset: the recovery offset that a client comes back with, the CONNECT payload's.
 * What is taken stays within its bounds.
 */
#include <stdlib.h>

#include "services/presence/delivery/seen.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct seen_offset offset;
	struct pl_oid id = {0};

	if (!seen_offset_parse(pl_str_n(data, size), &offset))
		return 0;
	if (offset.count > SEEN_OFFSET_MAX ||
	    size > PL_MESSAGE_POS_LEN + 1 + 8 * SEEN_OFFSET_MAX)
		abort();
	for (unsigned i = 0; i < offset.count; i++) {
		memcpy(
		    id.bytes + PL_OID_LEN - SEEN_ID_BYTES, offset.ids[i], SEEN_ID_BYTES);
		if (!seen_offset_has(&offset, &id))
			abort();
	}
	return 0;
}
