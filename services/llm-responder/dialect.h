/*
 * dialect: the JSON of LLM servers.
 *
 *            request                                    answer
 *   CHAT     {"model","messages":[{"role","content"}],  choices[0].message.content, a string
 *             "stream":false,"max_tokens",               or an array of {"type":"text","text"};
 *             "temperature"}                             choices[0].finish_reason
 *   OLLAMA   the same, "options":{"num_predict",        message.content; done, done_reason
 *             "temperature"}
 *   TEXT     {"inputs","parameters":{"max_new_tokens",  [0].generated_text, or generated_text;
 *             "temperature","return_full_text",          details.finish_reason
 *             "details"}}
 *
 * Answers are read by what they look like, whatever was asked: servers mix the forms, and
 * some stream although "stream" is false:
 *
 *   data: {"choices":[{"delta":{"content":"Hi"}}]}      an event stream, or a JSON a line;
 *   data: [DONE]                                        without an end it is no answer
 *
 * Sources: Hugging Face's inference and text-generation-inference references, OpenAI's
 * chat completions, Ollama's docs/api, HTML Living Standard 9.2.6 (event streams).
 * Pure.  Threads: any.
 */
#ifndef RESPONDER_DIALECT_H
#define RESPONDER_DIALECT_H

#include "endpoint.h"
#include "prompt.h"

/* ---- asking ---- */

struct dialect {
	enum endpoint_kind kind;
	const char *model;
	bool folds_system; /* the instruction goes into the first user message */
};

enum dialect_stream { DIALECT_STREAM_NO, DIALECT_STREAM_UNSAID, DIALECT_STREAM_YES };

/* What is sent beside the prompt, as far as the server takes it. */
struct dialect_options {
	int64_t max_tokens;      /* 0: not sent */
	const char *temperature; /* a JSON number; NULL: not sent */
	const char
	    *tokens_name; /* constant, if the server wants another; NULL: the usual one */
	enum dialect_stream stream;
	bool is_without_details; /* of TEXT */
};

/* A request is its prompt and then its options. */
void dialect_write_prompt(
    struct pl_buf *out, const struct dialect *d, const struct prompt *prompt);
void dialect_write_options(
    struct pl_buf *out, const struct dialect *d, const struct dialect_options *options);

/* body came with a 400 or 422. If it refuses one of the options, or wants another name
 * for it, change *options to what the server may take. False: it is about something else,
 * or nothing is left to change. Each option changes twice at most. */
bool dialect_adapt(
    const struct dialect *d, struct pl_str body, struct dialect_options *options);

/* ---- answers ---- */

/* The answer in a body, cleaned. PL_E_INVALID: no answer, or the server says that it
 * failed; PL_E_NOT_FOUND: it says nothing (a refusal, a tool call, thoughts only). */
enum pl_err dialect_read_answer(struct pl_str body, struct pl_buf *text) PL_MUST_CHECK;

/* What an error's body says, for the log; empty and 0 if it says nothing. A text that
 * holds the secret (NULL: there is none) is hidden: a server may repeat the token that it
 * got. */
struct dialect_error {
	char text[161];
	int64_t retry_after_ms; /* "estimated_time" of a model that is loading */
	bool blames_message;    /* it refuses what was written, not us */
};
void dialect_read_error(
    struct pl_str body, const char *secret, struct dialect_error *out);

#endif
