/*
 * store_backup: all that a store keeps, as files in a folder, made while others use the
 * store.
 *
 *   SQLite    parley.db          the database, as it was at one moment
 *   MongoDB   <collection>.bson  the documents of each collection as they are, one after the
 *                                other: the format of mongodump's .bson files
 *
 * What was committed before the call is in. MongoDB's documents are read one after the
 * other, so that some of what is written meanwhile is in:
 *   - messages in their order, (createdAt, _id). An automatic reply comes after its message,
 *     and ends the job after it is stored: a message whose reply is missing still owes it.
 *   - then everything else, so that the users who wrote or got a message are in.
 *   - erasures last, done ones too (store_erase.h): whoever was erased meanwhile is erased again.
 * Indexes are not: opening a store makes them.
 *
 * Failures as in store.h, and those named. *why is then a line for people, or empty.
 * Threads: any; the calls block, for minutes if there is much.
 */
#ifndef PL_STORE_STORE_BACKUP_H
#define PL_STORE_STORE_BACKUP_H

#include "base/buf.h"
#include "store/store.h"

/* "messages", and how many of them. */
struct pl_backup_part {
	char *name;
	int64_t count;
};
struct pl_backup_list {
	struct pl_backup_part *items;
	size_t count;
};
void pl_backup_list_fini(struct pl_backup_list *list);

/* Write the files into folder, which is there and empty. The caller finis *parts. */
enum pl_err pl_store_backup(const struct pl_store_config *config, const char *folder,
    struct pl_backup_list *parts, struct pl_buf *why) PL_MUST_CHECK;
/*
 * Fill an empty store, which nobody else uses, from such files. PL_E_CONFLICT: it is not
 * empty. PL_E_INVALID: the files are not those of this kind of store. SQLite is filled at
 * once or not at all. MongoDB remembers in the collection parley_restore that it is being
 * filled, and from which backup (id): a restore that was broken off goes on.
 */
enum pl_err pl_store_restore(const struct pl_store_config *config, const char *folder,
    const char *id, struct pl_backup_list *parts, struct pl_buf *why) PL_MUST_CHECK;

#endif
