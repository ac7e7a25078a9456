/*
 * idem: Idempotency-Keys. A key lives in the message that was first stored under it, as
 * idemKey "<senderId>:<key>" under a unique index, until idemUntil; so that message and
 * key are one insert, and of two processes that store under the same key one is refused.
 * When the message first changes, idemText (auth/first_text.h) is put beside it.
 * Only store/ uses it.  Threads: the session's.
 */
#ifndef PL_STORE_MONGO_IDEM_H
#define PL_STORE_MONGO_IDEM_H

#include "base/map.h"
#include "store/mongo/query.h"

/* A key of a batch. */
struct pl_idem_key {
	char *name;                    /* as stored */
	struct pl_message first;       /* what is stored under it; text NULL: nothing */
	struct pl_first_text kept;     /* of the text that this had before it changed */
	const struct pl_write *leader; /* of the batch, the first to store under it */
};

struct pl_idem_keys {
	struct pl_map by_name;
};

void pl_idem_keys_init(struct pl_idem_keys *keys);
void pl_idem_keys_fini(struct pl_idem_keys *keys);
/* The key of a send, made if it is missing; NULL: the send has none. */
struct pl_idem_key *pl_idem_key_of(
    struct pl_idem_keys *keys, const struct pl_write_send *send);
/* Read what a majority has under all keys; expired keys are taken from their messages. */
enum pl_err pl_idem_keys_read(
    struct pl_idem_keys *keys, struct pl_mongo *s) PL_MUST_CHECK;
/* Nothing if the document has none. */
struct pl_first_text pl_first_text_read(const bson_t *doc);
void pl_first_text_write(bson_t *doc, const struct pl_first_text *first_text);
void pl_idem_key_write(bson_t *doc, const struct pl_idem_key *key, int64_t until_unix_ms);

#endif
