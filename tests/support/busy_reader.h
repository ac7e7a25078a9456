/*
 * busy_reader: the only reader of a store, kept busy: what is asked meanwhile waits for it,
 * and is not read at once.
 *
 *   busy_reader_hold(&b, store);      returns once the reader is busy
 *   ...                               what is asked now waits
 *   busy_reader_let(&b);              then it is read, in its order
 *   UNTIL(b.is_done);                 before b goes, or instead, to let all of it be done
 *
 * Threads: the loop's.
 */
#ifndef TESTS_SUPPORT_BUSY_READER_H
#define TESTS_SUPPORT_BUSY_READER_H

#include <semaphore.h>

#include "store/store_async.h"

struct busy_reader {
	struct pl_store_read_call call;
	sem_t is_busy, may_go;
	bool is_done;
};

void busy_reader_hold(struct busy_reader *b, struct pl_store_async *store);
void busy_reader_let(struct busy_reader *b);

#endif
