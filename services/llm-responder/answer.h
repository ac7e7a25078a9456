/*
 * answer: what an LLM wrote, made fit to be sent in somebody's name.
 *
 *   "<think>hm</think> Hello.\r\n I am bu"   cut off by the server  ->  "Hello."
 *
 * Kept is the answer alone (transcript.h). Thoughts that are said in words go, control
 * characters and invisible ones, white space at the ends, and what is past
 * ANSWER_CHARS_MAX. A text that was cut off ends with its last whole sentence.
 * Pure.  Threads: any.
 */
#ifndef RESPONDER_ANSWER_H
#define RESPONDER_ANSWER_H

#include "base/buf.h"

#define ANSWER_CHARS_MAX 2000

/* raw: valid UTF-8. PL_E_NOT_FOUND if nothing is left, or something that no person would
 * write: a mark of a template, or the call of a tool. */
enum pl_err answer_clean(
    struct pl_str raw, bool was_cut_off, struct pl_buf *out) PL_MUST_CHECK;

#endif
