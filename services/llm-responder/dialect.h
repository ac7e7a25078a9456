/*
 * dialect: the JSON of LLM servers.
 *
 *            request                                    answer
 *   CHAT     {"model","messages":[{"role","content"}],  choices[0].message.content, a string
 *             "max_tokens","temperature","stream":      or an array of {"type":"text","text"};
 *             false}                                    choices[0].finish_reason
 *   OLLAMA   the same, "options":{"num_predict"}        message.content; done_reason
 *   TEXT     {"inputs","parameters":{"max_new_tokens",  [0].generated_text, or generated_text;
 *             "return_full_text","details"}}             details.finish_reason
 *
 * Answers are read by what they look like, whatever was asked: servers mix the forms. Sources:
 * Hugging Face's inference and text-generation-inference references, OpenAI's chat
 * completions, Ollama's docs/api.  Pure.  Threads: any.
 */
#ifndef RESPONDER_DIALECT_H
#define RESPONDER_DIALECT_H

#include "endpoint.h"
#include "prompt.h"

#define DIALECT_TOKENS_MAX 80 /* of an answer: two sentences */

struct dialect {
	enum endpoint_kind kind;
	const char *model;
	bool folds_system; /* the instruction goes into the first user message */
};

void dialect_write_request(
    struct pl_buf *out, const struct dialect *d, const struct prompt *prompt);

/* The answer in a 200's body, cleaned. PL_E_INVALID: not an answer; PL_E_NOT_FOUND: one that
 * says nothing (a refusal, a tool call, thoughts only). */
enum pl_err dialect_read_answer(struct pl_str body, struct pl_buf *text) PL_MUST_CHECK;

/* What an error's body says, for the log; empty and 0 where it says nothing. A text with the
 * secret in it (a server may say anything, even the token it got) is hidden; NULL: none. */
struct dialect_error {
	char text[161];
	int64_t retry_after_ms; /* "estimated_time" of a model that is loading */
};
void dialect_read_error(
    struct pl_str body, const char *secret, struct dialect_error *out);

#endif
