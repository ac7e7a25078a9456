/*
 * endpoint: where the LLM is, and what it speaks.
 *
 *   LLM_API_URL                            the request goes to       and speaks
 *   unset, with a token                    Hugging Face's router     CHAT
 *   https://host                           /v1/chat/completions      CHAT
 *   https://host/any/base[?query]          .../chat/completions      CHAT
 *   .../completions, .../invocations       as given                  CHAT
 *   .../api/chat                           as given                  OLLAMA
 *   .../models/<name>, .../generate        as given                  TEXT
 *
 * If LLM_DIALECT is not auto, it decides what the server speaks. Plain http is refused,
 * unless the host is this machine or LLM_ALLOW_HTTP says so: the token and what users
 * write would be readable on the way.  Pure.  Threads: any.
 */
#ifndef RESPONDER_ENDPOINT_H
#define RESPONDER_ENDPOINT_H

#include "ops/settings.h"

#define ENDPOINT_ROUTER_URL "https://router.huggingface.co/v1/chat/completions"

enum endpoint_kind {
	ENDPOINT_NONE,   /* no LLM: every reply is the standard text */
	ENDPOINT_CHAT,   /* OpenAI's chat completions, as most servers speak it */
	ENDPOINT_OLLAMA, /* Ollama's own chat */
	ENDPOINT_TEXT,   /* Hugging Face's text generation */
};

struct endpoint {
	enum endpoint_kind kind;
	char *url; /* NULL for ENDPOINT_NONE */
	bool is_tls;
};

struct endpoint_config {
	const char *url;   /* NULL: unset */
	const char *token; /* NULL: unset */
	enum pl_llm_dialect dialect;
	bool allow_http;
};

/* Borrows its texts from the settings. */
struct endpoint_config endpoint_config_of(const struct pl_settings *s);
/* PL_E_INVALID: *why is a constant sentence that names the setting. */
enum pl_err endpoint_init(struct endpoint *e, const struct endpoint_config *config,
    const char **why) PL_MUST_CHECK;
/* The URL for a log, without its query, which may hold a key; "none" if there is no
 * URL. */
struct pl_str endpoint_shown(const struct endpoint *e);
void endpoint_fini(struct endpoint *e);

#endif
