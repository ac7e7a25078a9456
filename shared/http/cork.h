/*
 * cork: answers of one turn of the loop leave together.
 *
 * Each answer that leaves by itself is a system call that wakes whoever reads it, and
 * what a request published is another one, to Redis. Where these are asleep again before the
 * next answer is ready, that costs more than the answer. So answers are held:
 *
 *   from a handler              until dispatch finds that kore handles no other request
 *                               right after this one
 *   to a request that waited    until the callbacks of this turn are over
 *
 * Then all that was published leaves in one piece, and the answers after it. An answer
 * that is PL_CORK_US old leaves before another one is held or handled, and so do
 * PL_CORK_MAX.
 *
 * Threads: the loop's.
 */
#ifndef PL_HTTP_CORK_H
#define PL_HTTP_CORK_H

#include <stdbool.h>

#include <kore.h>

#define PL_CORK_MAX 64
#define PL_CORK_US  1000

/* What c has to send is held, and kore sends nothing of it meanwhile. It leaves at once,
 * after what was published, where it cannot wait.
 * is_in_handler: whoever called the handler calls pl_cork_release(). */
void pl_cork_hold(struct connection *c, bool is_in_handler);
/* Is it as many as may be held, or for as long? */
bool pl_cork_is_over(void);
/* All that is held leaves. */
void pl_cork_release(void);

#endif
