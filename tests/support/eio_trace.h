/*
 * eio_trace: what a session or connection told its owner, as one line of text.
 *
 *   poll<4hello>   the waiting GET was answered     ws<4hi>  ws<#0102>   a message, text
 *   ended<slow>    PL_EIO_ENDED with its reason      or binary in hex
 *   close<1001>    PL_EIO_WS_CLOSE with its code    free     PL_EIO_FREE
 *   got<hello>  got<#0102>   what a test's callbacks noted with eio_trace_note()
 */
#ifndef TESTS_SUPPORT_EIO_TRACE_H
#define TESTS_SUPPORT_EIO_TRACE_H

#include "proto/eio_session.h"

struct eio_trace {
	struct pl_buf text;
	struct pl_eio_out out;
};

typedef enum pl_eio_action eio_next_fn(void *machine, struct pl_eio_out *out);

void eio_trace_init(struct eio_trace *t);
void eio_trace_fini(struct eio_trace *t);
/* Note "word<bytes>", separated from what is there. */
void eio_trace_note(
    struct eio_trace *t, const char *word, struct pl_str bytes, bool is_binary);
/* Pull from machine until it waits or is to be freed. */
void eio_trace_pull(struct eio_trace *t, eio_next_fn *next, void *machine);
/* What was noted so far, borrowed until the next call; starts anew. */
const char *eio_trace_take(struct eio_trace *t);

#endif
