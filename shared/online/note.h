/*
 * note: what a process says on parley:online.
 *
 *   presence-1 1700000000001 +65a0...01 -65a0...02   users who came and went; its number is
 *                                                    one more than the last
 *   presence-1 1700000000001                         still here; the number of the last
 *   presence-1 1700000000002 .                       retired
 *
 * A number that does not follow the last one means that a note was missed: read the set
 * again. (A process that ends and keeps its users for a while ends with such a number.)
 * Threads: any.
 */
#ifndef PL_ONLINE_NOTE_H
#define PL_ONLINE_NOTE_H

#include "base/err.h"
#include "base/oid.h"

#define PL_ONLINE_NAME_MAX   64
#define PL_ONLINE_CHANGE_LEN (2 + PL_OID_HEX_LEN) /* " +65a0...01" */
#define PL_ONLINE_NUMBER_MAX ((uint64_t)1 << 62)

struct pl_online_note {
	struct pl_str process;
	uint64_t number;
	bool is_retired;
	struct pl_str changes; /* each PL_ONLINE_CHANGE_LEN; all of them were checked */
};

/* Takes any bytes; slices are borrowed from payload. */
bool pl_online_note_parse(
    struct pl_str payload, struct pl_online_note *out) PL_MUST_CHECK;
/* Take the next change off *changes; false at the end. */
bool pl_online_note_next(struct pl_str *changes, bool *is_join, struct pl_oid *user);
/* May this be a process's name: 1..PL_ONLINE_NAME_MAX visible ASCII characters? */
bool pl_online_name_check(struct pl_str name);

#endif
