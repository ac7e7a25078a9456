/*
 * ObjectId: the 12-byte document identifier shared by MongoDB and SQLite rows.
 *   bytes  0..3   seconds since 1970-01-01, big-endian (creation time)
 *   bytes  4..8   random value drawn once per process
 *   bytes  9..11  counter, big-endian, random start, wraps at 2^24
 * Source: mongodb/specifications, bson-objectid.  Threads: pl_oid_new() from any.
 */
#ifndef PL_BASE_OID_H
#define PL_BASE_OID_H

#include "base/err.h"
#include "base/str.h"

#define PL_OID_LEN     12
#define PL_OID_HEX_LEN 24

struct pl_oid {
	uint8_t bytes[PL_OID_LEN];
};

void pl_oid_new(struct pl_oid *out);
/* Parse exactly PL_OID_HEX_LEN hex digits, either case, into *out; false for any other
 * length or character, *out then untouched. */
bool pl_oid_parse(struct pl_str text, struct pl_oid *out) PL_MUST_CHECK;
/* 24 lower-case hex digits and a NUL. */
void pl_oid_format(const struct pl_oid *oid, char out[PL_OID_HEX_LEN + 1]);
int pl_oid_compare(const struct pl_oid *a, const struct pl_oid *b); /* as memcmp() */
static inline bool
pl_oid_eq(const struct pl_oid *a, const struct pl_oid *b)
{
	return memcmp(a->bytes, b->bytes, PL_OID_LEN) == 0;
}
static inline struct pl_str
pl_oid_str(const struct pl_oid *oid) /* the 12 raw bytes, as a map key */
{
	return pl_str_n(oid->bytes, PL_OID_LEN);
}

#endif
