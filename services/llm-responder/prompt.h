/*
 * prompt: what the LLM gets to read: one fixed instruction and the latest messages of
 * this one conversation.
 *
 *   system     the instruction; the busy user's name and note stand in it as JSON strings
 *   turns      the sender's messages (user) and the busy user's (assistant), in turn,
 *              beginning and ending with the sender's
 *
 * What users wrote is never part of the instruction. All is at most PROMPT_BYTES_MAX
 * long, with at most messages_max messages: the oldest are left out.
 * Pure.  Threads: any.
 */
#ifndef RESPONDER_PROMPT_H
#define RESPONDER_PROMPT_H

#include "base/buf.h"
#include "store/store.h"

#define PROMPT_BYTES_MAX    8192
#define PROMPT_MESSAGES_MAX 20

struct prompt_turn {
	bool is_reply;      /* the busy user's */
	struct pl_buf text; /* messages of one turn, a line each */
};

struct prompt {
	char *system;
	size_t count;
	struct prompt_turn turns[PROMPT_MESSAGES_MAX];
};

/* message: the one to answer; history: what came before it, oldest first. Messages of any
 * other pair are left out. */
void prompt_init(struct prompt *p, const struct pl_user *busy,
    const struct pl_message *message, const struct pl_message_list *history,
    size_t messages_max);
void prompt_fini(struct prompt *p);

#endif
