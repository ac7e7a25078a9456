/*
 * mark: what in a model's text was meant for a program and not for a reader.
 *
 *   <|name|>  <｜name｜>  <|name>  <name|>   a token of a chat template, whatever its name
 *   <name> </name> <name attribute>         an element that is known: <think>, <tool_call>, <s>
 *   [NAME] [/NAME]  <<SYS>>  ◁name▷  ✿NAME✿  those that are known
 *
 * The words in its name say what a token means, so that a family of models is understood
 * that nobody has heard of: START_THINKING, begin_of_thought, tool▁calls▁begin. A name
 * has two characters or more, because a<|b|>c may be code. Sources: the chat templates of
 * the families at Hugging Face; OpenAI's harmony format; DeepSeek's, Mistral's, Kimi's
 * and Gemma's model cards.
 * Pure.  Threads: any.
 */
#ifndef RESPONDER_MARK_H
#define RESPONDER_MARK_H

#include "base/str.h"

enum mark_kind {
	MARK_NONE,
	MARK_NOTHING, /* left out, and the text goes on */
	MARK_BORDER,  /* a message ends or begins */
	MARK_HEADER,  /* a message begins; its role follows, to a MARK_BODY or line end */
	MARK_CHANNEL, /* harmony: the name of a channel follows */
	MARK_BODY,    /* the header ends */
	MARK_OURS,    /* the model speaks */
	MARK_THEIRS,  /* another speaks */
	MARK_THOUGHT, /* thoughts begin */
	MARK_THOUGHT_END,
	MARK_ANSWER, /* the answer proper begins */
	MARK_ANSWER_END,
	MARK_CALL, /* of a tool */
};

struct mark {
	enum mark_kind kind;
	size_t len;
	bool is_token; /* with bars: no ordinary text holds it */
	bool is_weak;  /* an ordinary text may hold it: counts only if it is looked for */
};

/* The mark that text begins with. */
struct mark mark_at(struct pl_str text);
/* The text may end within a mark that begins here: "<|im_e", "</thi". */
bool mark_is_unfinished(struct pl_str text);
/* Where the next mark may begin; text.len: none does. */
size_t mark_distance(struct pl_str text);
/* Does it hold a mark that is not weak, or half a token? */
bool mark_is_in(struct pl_str text);

#endif
