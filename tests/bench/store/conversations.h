/*
 * conversations: what the first 30 of 10, 1,000 and 10,000 correspondents cost in a store
 * of few messages and in one of many; what a socket missed; a read mark; and a send to
 * somebody who is known. Both stores have the same users, who wrote the same newest
 * messages, and are measured in turn: what differs is how much lies below. A line is one
 * of these, with the ratio: for the first 30 of 1,000 it may be 1.2. What is looked up in
 * the index of pairs grows more, as places that lay on one page come to lie on pages of
 * their own: what is unread, one each, and all for somebody with 10, two each.
 */
#ifndef TESTS_BENCH_STORE_CONVERSATIONS_H
#define TESTS_BENCH_STORE_CONVERSATIONS_H

#include "bench/store/cost.h"

/* In two empty databases; messages: in the second one at last. Returns whether no bar was
 * missed. */
bool conversations_bench(const char *name, const struct pl_store_config *few_config,
    const struct pl_store_config *many_config, size_t messages);

#endif
