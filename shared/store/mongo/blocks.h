/*
 * blocks: who has blocked whom. A collection of our own, parley_blocks:
 *
 *   {_id: <12 bytes user, 12 bytes other>, at: Date}
 *
 * and in the documents of both users `parleyBlocks: true`, from before their first block
 * is stored. A send reads its receiver's document anyway: only if the flag is there it
 * looks for a block of the two, by _id, once for all sends of its batch. So whoever has
 * nothing to do with a block pays nothing. The flag stays when a block goes: to take it
 * away, one would have to know that no other block is being made at this moment.
 *
 * There are no transactions, so a send that has looked may be stored after a block that
 * came meanwhile. Two times keep that from being seen:
 *
 *   send    looks ----- is stored        longer than PL_BLOCKS_FRESH_MS: looks again, takes it back
 *   block          is stored ------------ answered PL_BLOCKS_SETTLE_MS later
 *
 * A send that looked before the block is so over when the block is answered, or finds it.
 * Only store/ uses it.  Threads: the session's.
 */
#ifndef PL_STORE_MONGO_BLOCKS_H
#define PL_STORE_MONGO_BLOCKS_H

#include "store/mongo/correspondents.h"

#define PL_MONGO_BLOCKS   "parley_blocks"
#define PL_MONGO_F_BLOCKS "parleyBlocks"

#define PL_BLOCKS_FRESH_MS  250
#define PL_BLOCKS_SETTLE_MS 300
_Static_assert(PL_BLOCKS_FRESH_MS < PL_BLOCKS_SETTLE_MS, "what looked before is over");

/* Has this user's document the flag? Without it neither direction of any block is theirs. */
bool pl_blocks_flag(const bson_t *user);
/* is[i]: either of pairs[i] has blocked the other. */
enum pl_err pl_blocks_between(struct pl_mongo *s, const struct pl_pair *pairs,
    size_t count, bool *is) PL_MUST_CHECK;

/* Messages that were just stored. */
struct pl_blocks_fresh {
	struct pl_pair pair;
	struct pl_oid message;
	enum pl_err *err; /* PL_OK; PL_E_DENIED if it had to be taken back */
};
/* If it is PL_BLOCKS_FRESH_MS since the look at looked_mono_ms, look again, and delete
 * those between whom there is a block now. If that fails they may be stored or not, and
 * their err says so. */
void pl_blocks_take_back(struct pl_mongo *s, int64_t looked_mono_ms,
    const struct pl_blocks_fresh *fresh, size_t count);

bool pl_block_read(const bson_t *doc, struct pl_block *out);
void pl_block_write(bson_t *doc, const struct pl_block *block);
/* Set the flag of both, for a block that is about to be stored. */
enum pl_err pl_blocks_set_flags(
    struct pl_mongo *s, const struct pl_block *block) PL_MUST_CHECK;

#endif
