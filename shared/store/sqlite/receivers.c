#include "base/mem.h"
#include "store/sqlite/query.h"

/*
 * To whom a session's batches have sent: their statuses, so that a send to one of them reads
 * nothing. It is all in the writing session, under the write lock: what is remembered is
 * what the database has for as long as nobody else has committed, of which SQLite tells by
 * the version of its data, and no batch of ours has changed more than messages. Whoever
 * has to do with a block is not remembered, for there it matters who sends.
 */
enum { KNOWN_RECEIVERS = 1024 }; /* 16 KiB, of a session that writes; a power of two */

struct receiver {
	struct pl_oid id;
	bool is_known;
	unsigned char status;
};

struct pl_sqlite_receivers {
	struct receiver places[KNOWN_RECEIVERS];
};

static struct receiver *
place_of(struct pl_sqlite *s, const struct pl_oid *id)
{
	uint64_t hash;

	if (s->receivers == NULL)
		s->receivers = pl_mem_zalloc(sizeof(*s->receivers));
	memcpy(&hash, id->bytes + PL_OID_LEN - sizeof(hash), sizeof(hash));
	hash *= UINT64_C(0x9e3779b97f4a7c15);
	return &s->receivers->places[(hash >> 54) % KNOWN_RECEIVERS];
}

void
pl_sqlite_receivers_forget(struct pl_sqlite *s)
{
	pl_mem_free(s->receivers);
	s->receivers = NULL;
}

enum pl_err
pl_sqlite_receiver_of_send(struct pl_sqlite *s, const struct pl_oid *from,
    const struct pl_oid *to, enum pl_status *status, bool *is_blocked)
{
	struct receiver *known = place_of(s, to);
	bool has_blocks = false;
	enum pl_err err;

	*is_blocked = false;
	if (known->is_known && pl_oid_eq(&known->id, to)) {
		*status = (enum pl_status)known->status;
		return PL_OK;
	}
	err = pl_sqlite_receiver(s, from, to, status, is_blocked, &has_blocks);
	if (err == PL_OK && !has_blocks)
		*known = (struct receiver){*to, true, (unsigned char)*status};
	return err;
}
