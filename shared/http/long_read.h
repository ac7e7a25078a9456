/*
 * long_read: an answer that is a JSON array of what the store has, of any length, or
 * another document. It is read and written out on a store thread piece by piece, so that
 * it never sits in memory whole, and its user has no more than their share
 * (limits/share): LIMIT_READS_AT_ONCE, LIMIT_READ_BYTES_PER_SECOND, LIMIT_READ_CPU_MS.
 * Who owes of the last one waits before the next.
 *
 *   waits ──turn──► (pause) ──► reads ──► begin() ──last──► answered whole
 *     │                                     │
 *     └──refused──► 429                     └──► piece ──taken──► (pause) ──► reads ──► piece ... ──► end
 *
 * A piece goes out in slices of PL_LONG_READ_SLICE_BYTES, at an even pace: what passes it
 * on and compresses it takes all that is there in one turn of its loop, and others wait.
 *
 * The first piece of what is_small is read on the loop, if the store has it in memory: to
 * hand it over to a thread and back costs as much as half of the reading.
 * Threads: the loop's, but for read().
 */
#ifndef PL_HTTP_LONG_READ_H
#define PL_HTTP_LONG_READ_H

#include "base/json_out.h"
#include "http/service.h"
#include "limits/share.h"

/* Embedded in what is read. The owner fills the first part. */
struct pl_long_read {
	struct pl_request *rq;
	/* On a store thread: write the elements of the next piece, about
	 * PL_LONG_READ_PIECE_BYTES or less, and set is_last with those behind which
	 * nothing comes. The buffer begins with '[' or ',', unless is_single. */
	enum pl_err (*read)(
	    struct pl_long_read *r, struct pl_store *s, struct pl_json_out *piece);
	/* The first piece has been read, or not (err): set headers, or answer otherwise
	 * than by err itself: false. May be NULL. */
	bool (*begin)(struct pl_long_read *r, enum pl_err err);
	void (*free)(struct pl_long_read *r); /* rq has been answered, or is */
	int64_t
	    least_bytes; /* what a whole answer counts as at least, if it costs more to find */
	/* The loop may read the first piece, too. Until read succeeds it changes nothing:
	 * it may be called on the loop in vain, with PL_E_BUSY or PL_E_TOO_BIG from the
	 * store, and then on a thread. */
	bool is_small;
	bool
	    is_single; /* the answer is no array: read writes all of it, brackets and commas too */
	/* Between the two. */
	bool is_last;
	bool
	    is_ahead; /* set by read: what it wrote is paid but not sent, begin comes later */
	bool goes_on; /* the first piece has been written */
	/* Ours. */
	struct pl_buf body; /* a piece, with the brackets and commas around it */
	bool has_elements;  /* some were in a piece that is sent */
	size_t written;     /* of the piece */
	size_t slice;       /* what was written last */
	int64_t cpu_us;     /* that it took to read, not spent yet */
	struct pl_share_turn turn;
	struct pl_store_read_call call;
	struct pl_timer pause;
};

#define PL_LONG_READ_PIECE_BYTES (128 * 1024)
#define PL_LONG_READ_SLICE_BYTES (32 * 1024)

/* Answers r->rq, now or later, and frees r then. */
void pl_long_read_start(struct pl_long_read *r);

#endif
