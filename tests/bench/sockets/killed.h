/*
 * killed: kill -9 of a presence process full of sockets, beside another, to which all
 * come back. Meanwhile somebody there sends, through the message service, to a witness
 * there and to some of those who come back.
 *
 *   the other one    users 0 .. KILLED_OTHERS-1: the sender, the witness, and some more
 *   the one killed   as many from there on as there are sockets
 */
#ifndef BENCH_KILLED_H
#define BENCH_KILLED_H

#include "stack.h"

#define KILLED_OTHERS 64

/* stack: with a fresh presence, the other one. */
void killed_measure(struct stack *stack, const char *build, size_t sockets);

#endif
