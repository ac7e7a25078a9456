/*
 * secret: a password from the operator: typed without echo, or the first line of standard
 * input; and the answer to a question. Signals that end the program while it asks give
 * the terminal its echo back.
 */
#ifndef PARLEY_ADMIN_SECRET_H
#define PARLEY_ADMIN_SECRET_H

#include "base/buf.h"

#define SECRET_BYTES_MAX                                                                 \
	1100 /* more than a password may have, so that its own rule refuses it */

/* Is standard input a terminal, whose user can be asked? */
bool secret_can_ask(void);
/* The line that is typed, twice the same; empty: none. PL_E_INVALID: the two differ, or
 * it is too long. The caller wipes it. */
enum pl_err secret_ask(struct pl_buf *out) PL_MUST_CHECK;
/* The first line of standard input, without its end. PL_E_INVALID: there is none, or it
 * is too long. */
enum pl_err secret_read(struct pl_buf *out) PL_MUST_CHECK;
/* Is the line that is typed after the question the same as expected? */
bool secret_confirm(const char *question, const char *expected);
/* Wipe and free. */
void secret_fini(struct pl_buf *secret);

#endif
