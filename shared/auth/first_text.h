/*
 * first_text: what a changed message keeps of the text that it had at first, so that a
 * send which is repeated under its Idempotency-Key is told from one that has another
 * text.
 *
 *   HMAC-SHA256 over the message's id and the text, the first 16 bytes
 *
 * Its key is made from JWT_SECRET, which no store has: whoever reads the store, or a copy
 * of it, cannot find a short text by trying all of them. What the previous secret made is
 * still known while JWT_SECRET_PREVIOUS is set. A program that was given no secret makes
 * none, and knows none.
 *
 * Threads: init and fini before there are others; the rest any.
 */
#ifndef PL_AUTH_FIRST_TEXT_H
#define PL_AUTH_FIRST_TEXT_H

#include "base/oid.h"
#include "base/str.h"

#define PL_FIRST_TEXT_LEN 16

/* Zeroed: nothing was kept. */
struct pl_first_text {
	bool is_kept;
	uint8_t mac[PL_FIRST_TEXT_LEN];
};

/* Both as pl_jwt_init() has accepted them; previous: NULL or "" if there is none. */
void pl_first_text_init(const char *secret, const char *previous);
void pl_first_text_fini(void);

/* Nothing is kept if there is no secret. */
struct pl_first_text pl_first_text_of(const struct pl_oid *message, struct pl_str text);
/* Could kept be of this text? Yes also if nothing was kept. */
bool pl_first_text_may_be(const struct pl_first_text *kept, const struct pl_oid *message,
    struct pl_str text) PL_MUST_CHECK;

#endif
