/*
 * conversations: what the first 30 of 10, 1,000 and 10,000 correspondents cost, with few
 * messages in the store and with many; what a socket missed; a read mark; and a send to
 * somebody who is known. Each line is of one size of the store, the last one the ratio.
 */
#ifndef TESTS_BENCH_STORE_CONVERSATIONS_H
#define TESTS_BENCH_STORE_CONVERSATIONS_H

#include "bench/store/cost.h"

/* In an empty database; many: messages in the store at last. */
void conversations_bench(
    const char *name, const struct pl_store_config *config, size_t many);

#endif
