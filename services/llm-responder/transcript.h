/*
 * transcript: the answer alone, out of all that a model wrote.
 *
 *   <think>hm</think>Yes.<|im_end|>\n<|im_start|>user\nSo?       ->  Yes.
 *   <|channel|>analysis<|message|>hm<|end|>
 *       <|start|>assistant<|channel|>final<|message|>Yes.       ->  Yes.
 *
 * The text is read as a row of messages, whose borders are the marks of mark.h:
 *   - thoughts are left out. An end without a beginning, which the template has put into the
 *     prompt, makes all before it thoughts; a beginning without an end all behind it.
 *   - the first message of the model's that says something is the answer; what it goes on to
 *     write in another's name, or its own, is not.
 *   - where there are channels, only the one called final is.
 *   - an answer in which a tool is called is none: the model means to go on when it has heard.
 * Pure.  Threads: any.
 */
#ifndef RESPONDER_TRANSCRIPT_H
#define RESPONDER_TRANSCRIPT_H

#include "base/buf.h"

/* raw: valid UTF-8. Appends nothing where there is no answer. */
void transcript_answer(struct pl_str raw, bool was_cut_off, struct pl_buf *out);

/* Is it, as a whole or from one of its lines on, the JSON of a call, {"name","arguments"}? */
bool transcript_is_call(struct pl_str text);

#endif
