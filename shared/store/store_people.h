/*
 * store_people: what both back ends share to find people (pl_store_people_page()), and
 * the thread that fills in those of an old database, or of many new users from another
 * program.
 *
 * One a process, started when the store is opened: it fills in a batch at a time, lets
 * others write between two, and ends when nobody is due. The log says when it begins and
 * ends.
 * Threads: any, and its own.
 */
#ifndef PL_STORE_STORE_PEOPLE_H
#define PL_STORE_STORE_PEOPLE_H

#include "base/fold.h"
#include "store/store.h"

/* The words of query, the longest first, for it finds the fewest; at most
 * PL_STORE_QUERY_WORDS_MAX. None of them is the beginning of another. */
void pl_store_query_words(struct pl_str query, struct pl_fold_words *out);
/* Begin, if this process has not begun yet; config is copied. */
void pl_store_people_start(const struct pl_store_config *config);

#endif
