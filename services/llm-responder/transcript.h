/*
 * transcript: the answer alone, out of all that a model wrote.
 *
 *   <think>hm</think>Yes.<|im_end|>\n<|im_start|>user\nSo?       ->  Yes.
 *   <|channel|>analysis<|message|>hm<|end|>
 *       <|start|>assistant<|channel|>final<|message|>Yes.       ->  Yes.
 *
 * The text is read as a row of messages, whose borders are the marks of mark.h:
 *   - thoughts are left out. If only their end is marked (the template has put the
 *     beginning into the prompt), all before it is thoughts; if only their beginning is,
 *     all after it.
 *   - the answer is the model's first message that says something. What the model goes on
 *     to write in another's name, or in its own, is not.
 *   - if there are channels, the answer is the one called final.
 *   - an answer that calls a tool is none: the model would go on with the tool's result.
 * Pure.  Threads: any.
 */
#ifndef RESPONDER_TRANSCRIPT_H
#define RESPONDER_TRANSCRIPT_H

#include "base/buf.h"

/* raw: valid UTF-8. Appends nothing if there is no answer. */
void transcript_answer(struct pl_str raw, bool was_cut_off, struct pl_buf *out);

/* Is it, whole or from one of its lines on, the JSON of a call, {"name","arguments"}? */
bool transcript_is_call(struct pl_str text);

#endif
