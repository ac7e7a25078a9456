/*
 * refusal: which parameters the body of a 400 or 422 is about.
 *
 *   {"error":{"message":"Unsupported parameter: 'max_tokens'","param":"max_tokens"}}
 *   {"detail":[{"type":"extra_forbidden","loc":["body","temperature"],"msg":"Extra inputs ..."}]}
 *
 * Fields that name a parameter (param, loc and the like) decide, if there are any; else
 * the sentences do. Nothing else that a server sends back, such as the request, is read.
 * Pure.  Threads: any.
 */
#ifndef RESPONDER_REFUSAL_H
#define RESPONDER_REFUSAL_H

#include "base/buf.h"

struct refusal {
	struct pl_buf fields; /* a line each */
	struct pl_buf text;
};

void refusal_init(struct refusal *r, struct pl_str body);
void refusal_fini(struct refusal *r);
/* Is it about this parameter? */
bool refusal_names(const struct refusal *r, const char *parameter);
/* The same of a name that is a common word, too: in a sentence it must be quoted. */
bool refusal_quotes(const struct refusal *r, const char *parameter);
/* Does a sentence hold this word, or this part, in any case? */
bool refusal_says(const struct refusal *r, const char *word);
bool refusal_says_part(const struct refusal *r, const char *part);
/* Is the conversation too long for the model? That is no parameter's fault. */
bool refusal_is_of_length(const struct refusal *r);

#endif
