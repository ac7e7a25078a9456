#include <pthread.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "base/hex.h"
#include "base/oid.h"
#include "base/random.h"

#define RANDOM_LEN 5

static _Atomic uint64_t process_part; /* the low RANDOM_LEN bytes */
static atomic_uint counter;           /* the low 3 bytes */

/* A child that went on with its parent's part and counter would repeat the parent's
 * ids. */
static void
draw_process_part(void)
{
	uint64_t part;
	unsigned first;

	pl_random_bytes(&part, sizeof(part));
	pl_random_bytes(&first, sizeof(first));
	atomic_store(&process_part, part);
	atomic_store(&counter, first);
}

static void
start(void)
{
	draw_process_part();
	pthread_atfork(NULL, NULL, draw_process_part);
}

static void
put_be(uint8_t *out, uint64_t value, int bytes)
{
	while (bytes-- > 0) {
		out[bytes] = (uint8_t)value;
		value >>= 8;
	}
}

void
pl_oid_new(struct pl_oid *out)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, start);
	put_be(out->bytes, (uint64_t)(pl_clock_unix_ms() / 1000), 4);
	put_be(out->bytes + 4, atomic_load(&process_part), RANDOM_LEN);
	put_be(out->bytes + 9, atomic_fetch_add(&counter, 1), 3);
}

bool
pl_oid_parse(struct pl_str text, struct pl_oid *out)
{
	struct pl_oid oid;

	if (!pl_hex_decode(text, oid.bytes, PL_OID_LEN))
		return false;
	/* cppcheck-suppress uninitvar ; pl_hex_decode() filled it */
	*out = oid;
	return true;
}

void
pl_oid_format(const struct pl_oid *oid, char out[PL_OID_HEX_LEN + 1])
{
	pl_hex_encode(oid->bytes, PL_OID_LEN, out);
}

int
pl_oid_compare(const struct pl_oid *a, const struct pl_oid *b)
{
	return memcmp(a->bytes, b->bytes, PL_OID_LEN);
}
