/*
 * store_async: the store from the event loop. One writer thread takes its whole queue
 * each time and commits it as one batch; it is woken at the end of a turn of the loop, so
 * that what a turn brings is one, too. A few reader threads serve reads. Each thread
 * opens its own session and, if the database is away, tries again by itself with a
 * back-off: calls fail with PL_E_UNAVAILABLE meanwhile, and nothing needs a restart.
 *
 * Each call is answered once, on the loop, never inside the call, but for those that say
 * so. A call that waited longer than PL_STORE_WAIT_MS in the queue is not carried out any
 * more: PL_E_TIMEOUT. A call that waited while another did not reach the database fails
 * like it, with PL_E_UNAVAILABLE: so no outage takes more of a caller's time than one
 * attempt.
 * Threads: the loop's.
 */
#ifndef PL_STORE_STORE_ASYNC_H
#define PL_STORE_STORE_ASYNC_H

#include "loop/offload.h"
#include "store/store.h"

#define PL_STORE_QUEUE_MAX 4096 /* calls waiting, for each of the two kinds */
/* of a turn of the loop, for reads at once; the one that is over it ends */
#define PL_STORE_AT_ONCE_US 2000
#define PL_STORE_BATCH_MAX  512 /* writes in one commit */

struct pl_store_async;

/* Never fails: a store that cannot be opened yet is opened later. config is copied. */
struct pl_store_async *pl_store_async_new(
    struct pl_loop *loop, const struct pl_store_config *config, unsigned readers);
/* Queued calls are done with PL_E_CANCELLED, from here. */
void pl_store_async_free(struct pl_store_async *sa);

/* Both structs are the caller's, untouched by it until done; done may free them. */
struct pl_store_write_call {
	struct pl_write write; /* the outcome is in write.err */
	void (*done)(struct pl_store_write_call *call);
	/* inside */
	struct pl_list link;
	int64_t queued_mono_us;
};

struct pl_store_read_call {
	/* On a reader thread, or on the loop if it is tried there; s is never NULL. Returns what becomes err. */
	enum pl_err (*run)(struct pl_store_read_call *call, struct pl_store *s);
	void (*done)(struct pl_store_read_call *call); /* on the loop; err is set */
	enum pl_err err;
	/* Whose read it is, if one of many may be long; borrowed until it is queued. Users
	 * take turns, each with one at a time while another's waits, and all of them leave
	 * a reader for those of nobody. NULL: nobody's. */
	const struct pl_oid *user;
	/* inside */
	struct pl_job job;
	struct pl_store_async *owner;
	int64_t queued_mono_us;
};

/* PL_E_BUSY if the queue is full: done is not called then. After PL_OK the call belongs
 * to another thread, which may have set its err by now: never write this result into
 * it. */
enum pl_err pl_store_async_write(
    struct pl_store_async *sa, struct pl_store_write_call *call) PL_MUST_CHECK;
enum pl_err pl_store_async_read(
    struct pl_store_async *sa, struct pl_store_read_call *call) PL_MUST_CHECK;
/* The same for a caller whose done answers for all failures: a call that is refused is
 * done at once, from here. */
static inline void
pl_store_async_write_or_done(struct pl_store_async *sa, struct pl_store_write_call *call)
{
	enum pl_err err = pl_store_async_write(sa, call);

	if (err == PL_OK)
		return; /* the call is another thread's by now */
	call->write.err = err;
	call->done(call);
}

static inline void
pl_store_async_read_or_done(struct pl_store_async *sa, struct pl_store_read_call *call)
{
	enum pl_err err = pl_store_async_read(sa, call);

	if (err == PL_OK)
		return;
	call->err = err;
	call->done(call);
}

/*
 * A small read, of a row or of a page of messages: if a reader is idle, and all that is
 * read is in memory, it is done at once, from here; done, too. Otherwise as above: run may
 * have been called in vain before, with PL_E_BUSY or PL_E_TOO_BIG from the store. To hand
 * it over to a thread and back costs several times what a row does. A turn of the loop has
 * about PL_STORE_AT_ONCE_US for them, however many ask.
 */
void pl_store_async_read_now_or_done(
    struct pl_store_async *sa, struct pl_store_read_call *call);

/* Did the last call that touched the database reach it? For health and logs. */
bool pl_store_async_is_up(const struct pl_store_async *sa);

#endif
