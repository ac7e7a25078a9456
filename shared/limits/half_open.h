/*
 * half_open: sessions that have not CONNECTed, by the address they came from.
 *
 * A client that opens sessions and never CONNECTs costs memory. A session counts from its
 * first byte that has to be kept, as the beginning of a frame has, and without such a
 * byte after PL_HALF_OPEN_AFTER_MS. Of those that count an address keeps
 * PL_HALF_OPEN_MAX, and all addresses together keep PL_HALF_OPEN_ALL_MAX; the others are
 * given up. A crowd behind one address sends its CONNECTs whole, and sooner than that,
 * and never notices. limits/address says which addresses count as one.
 * Threads: the loop's.
 */
#ifndef PL_LIMITS_HALF_OPEN_H
#define PL_LIMITS_HALF_OPEN_H

#include "base/list.h"
#include "base/map.h"
#include "loop/loop.h"

#define PL_HALF_OPEN_MAX      50
#define PL_HALF_OPEN_ALL_MAX  2000 /* with 16 KiB each: 32 MB */
#define PL_HALF_OPEN_AFTER_MS 5000

struct pl_half_open_address;

/* The entry of a session, which embeds it. */
struct pl_half_open {
	struct pl_half_open_address *address; /* NULL: not in the table */
	struct pl_list link; /* among the fresh, for PL_HALF_OPEN_AFTER_MS */
	int64_t begun_mono_ms;
	bool counts; /* at its address */
};

struct pl_half_open_table {
	struct pl_loop *loop;
	struct pl_map addresses;
	struct pl_list fresh; /* by age */
	unsigned counted;     /* of all addresses */
	struct pl_timer timer;
	/* h is one too many: end it. It may leave, and be freed, in here. */
	void (*on_too_many)(struct pl_half_open *h);
};

void pl_half_open_table_init(struct pl_half_open_table *t, struct pl_loop *loop,
    void (*on_too_many)(struct pl_half_open *h));
void pl_half_open_table_fini(struct pl_half_open_table *t); /* all have left */

/* h, zeroed, begins. address is copied. */
void pl_half_open_enter(
    struct pl_half_open_table *t, struct pl_half_open *h, struct pl_str address);
/* A part of a message of h's was kept: h counts from now on. t->on_too_many may follow,
 * from here. Nothing happens if it counts already, or is not in. */
void pl_half_open_count(struct pl_half_open_table *t, struct pl_half_open *h);
/* It CONNECTed, or is over. Nothing happens if it has left, or never was in. */
void pl_half_open_leave(struct pl_half_open_table *t, struct pl_half_open *h);

#endif
