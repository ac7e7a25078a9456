/*
 * mark: what in a model's text was meant for a program and not for a reader.
 *
 *   <|name|>  <｜name｜>  <|name>  <name|>   a token of a chat template, whatever its name
 *   <name> </name> <name attribute>         an element that is known: <think>, <tool_call>, <s>
 *   [NAME] [/NAME]  <<SYS>>  ◁name▷  ✿NAME✿  those that are known
 *
 * What a token means is told by the words in its name, so that a family that nobody has heard
 * of is understood as well: START_THINKING, begin_of_thought, tool▁calls▁begin. A name has two
 * characters or more: a<|b|>c may be somebody's code. Sources: the chat templates of the families at
 * Hugging Face; OpenAI's harmony format; DeepSeek's, Mistral's, Kimi's and Gemma's model cards.
 * Pure.  Threads: any.
 */
#ifndef RESPONDER_MARK_H
#define RESPONDER_MARK_H

#include "base/str.h"

enum mark_kind {
	MARK_NONE,
	MARK_NOTHING, /* to be left out, the text goes on */
	MARK_BORDER,  /* a message ends or begins */
	MARK_HEADER, /* a message begins; its role follows, up to a MARK_BODY or a line end */
	MARK_CHANNEL, /* harmony: the name of a channel follows */
	MARK_BODY,    /* the header ends */
	MARK_OURS,    /* the model speaks */
	MARK_THEIRS,  /* somebody else does */
	MARK_THOUGHT, /* thoughts begin */
	MARK_THOUGHT_END,
	MARK_ANSWER, /* the answer proper begins */
	MARK_ANSWER_END,
	MARK_CALL, /* of a tool */
};

struct mark {
	enum mark_kind kind;
	size_t len;
	bool is_token; /* with bars: never a part of an ordinary text */
	bool
	    is_weak; /* an ordinary text may hold it: a mark only where one is looked for */
};

/* The mark that text begins with. */
struct mark mark_at(struct pl_str text);
/* A mark may begin here, and the text ends before it does: "<|im_e", "</thi". */
bool mark_is_unfinished(struct pl_str text);
/* Where the next mark may begin; text.len where none does. */
size_t mark_distance(struct pl_str text);
/* Is a mark in it that is not weak, or a part of a token? */
bool mark_is_in(struct pl_str text);

#endif
