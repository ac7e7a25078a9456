/*
 * fake store: stands in for store_async in tests of services. What a service asks of the
 * store waits here until the test answers it, outside the call that asked, as the store
 * does.
 *
 *   a write   call = fake_store_next_write(PL_WRITE_SEND);   looked at, and its outcome set
 *             fake_store_end_write(call, PL_OK);
 *   a read    fake_store.backend.user_by_id = ...;           what the read finds
 *             fake_store_end_read(PL_OK);
 *
 * Threads: the test's.
 */
#ifndef PL_TESTS_FAKE_STORE_H
#define PL_TESTS_FAKE_STORE_H

#include "store/store_async.h"
#include "store/store_backend.h"

struct fake_store {
	struct pl_store_backend backend; /* what reads call */
	bool is_full;                    /* refuses with PL_E_BUSY */
	/* inside */
	struct pl_store session;
	struct pl_list writes;
	struct pl_list reads;
};
extern struct fake_store fake_store;

void fake_store_reset(void);
size_t fake_store_writes(void); /* how many wait */
size_t fake_store_reads(void);
/* The oldest of this kind, which must be there. It waits no more. */
struct pl_store_write_call *fake_store_next_write(enum pl_write_kind kind);
void fake_store_end_write(struct pl_store_write_call *call, enum pl_err err);
/* Answer the oldest read: with PL_OK it runs, and its own result counts. */
void fake_store_end_read(enum pl_err err);

#endif
