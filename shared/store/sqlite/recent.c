#include "store/sqlite/recent.h"

#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "store/sqlite/query.h"

enum {
	CHUNK = PL_SQLITE_RECENT_CHUNK,
	BUCKETS = PL_SQLITE_RECENT_BUCKETS,
	SLOTS = 2 * CHUNK, /* a power of two */
};

static const char ends_get[] =
    "SELECT up_to, ifnull((SELECT seq FROM messages ORDER BY seq DESC LIMIT 1), 0) "
    "FROM filled WHERE id = 2";
static const char up_to_set[] = "UPDATE filled SET up_to = ? WHERE id = 2";
static const char row_after[] =
    "SELECT seq FROM messages WHERE seq > ? ORDER BY seq LIMIT 1";
static const char rows_of_chunk[] = "SELECT seq, sender, receiver, id FROM messages "
				    "WHERE seq BETWEEN ? AND ? ORDER BY seq DESC";
static const char is_there[] = "SELECT 1 FROM messages WHERE seq = ? AND id = ?";
static const char share_put[] =
    "INSERT OR REPLACE INTO recent (bucket, chunk, entries) VALUES (?, ?, ?)";

struct pair {
	struct pl_oid low, high;
};

struct chunk {
	struct pl_sqlite *s;
	int64_t number;
	int64_t up_to; /* as it was then */
	int64_t last;  /* row that was read; 0: none yet */
	struct pl_oid last_id;
	/* Conversations that were met, by their hash. */
	struct pair *slots[SLOTS];
	struct pair pairs[CHUNK];
	size_t count;
	struct pl_buf shares[BUCKETS];
};

static uint64_t
hash_of(const struct pl_oid *user)
{
	uint64_t a, b;

	memcpy(&a, user->bytes, sizeof(a));
	memcpy(&b, user->bytes + PL_OID_LEN - sizeof(b), sizeof(b));
	a = (a ^ (b << 29 | b >> 35)) * UINT64_C(0x9e3779b97f4a7c15);
	a = (a ^ a >> 32) * UINT64_C(0xd6e8feb86659fd93);
	return a ^ a >> 32;
}

struct pl_sqlite_recent_key
pl_sqlite_recent_key(const struct pl_oid *user)
{
	uint64_t hash = hash_of(user);
	struct pl_sqlite_recent_key key = {.bucket = (unsigned)(hash % BUCKETS)};

	for (size_t i = 0; i < sizeof(key.hash); i++)
		key.hash[i] = (uint8_t)(hash >> (32 + 8 * i));
	return key;
}

/* ---- one chunk, from its newest row on ---- */

static bool
is_met(struct chunk *c, const struct pair *pair)
{
	size_t at = (hash_of(&pair->low) ^ hash_of(&pair->high) >> 1) % SLOTS;

	while (c->slots[at] != NULL && (!pl_oid_eq(&c->slots[at]->low, &pair->low) ||
					   !pl_oid_eq(&c->slots[at]->high, &pair->high)))
		at = (at + 1) % SLOTS;
	if (c->slots[at] != NULL)
		return true;
	c->pairs[c->count] = *pair;
	c->slots[at] = &c->pairs[c->count++];
	return false;
}

static void
note(struct chunk *c, const struct pl_oid *user, int64_t row)
{
	struct pl_sqlite_recent_key key = pl_sqlite_recent_key(user);
	uint8_t entry[PL_SQLITE_RECENT_ENTRY];
	unsigned place = (unsigned)(row % CHUNK);

	memcpy(entry, key.hash, sizeof(key.hash));
	entry[4] = (uint8_t)(place >> 8);
	entry[5] = (uint8_t)place;
	(void)!pl_buf_add(&c->shares[key.bucket], entry, sizeof(entry));
}

static void
look_at(struct chunk *c, int64_t row, const struct pl_oid *a, const struct pl_oid *b)
{
	bool is_sorted = pl_oid_compare(a, b) <= 0;
	struct pair pair = {is_sorted ? *a : *b, is_sorted ? *b : *a};

	if (is_met(c, &pair))
		return;
	note(c, &pair.low, row);
	if (!pl_oid_eq(&pair.low, &pair.high))
		note(c, &pair.high, row);
}

static enum pl_err
read_rows(struct chunk *c)
{
	struct pl_query q = pl_query_start(c->s, rows_of_chunk);

	pl_query_int(&q, c->number * CHUNK);
	pl_query_int(&q, c->number * CHUNK + CHUNK - 1);
	while (pl_query_row(&q)) {
		struct pl_oid sender, receiver;

		if (c->last == 0) {
			c->last = pl_query_get_int(&q, 0);
			pl_query_get_oid(&q, 3, &c->last_id);
		}
		pl_query_get_oid(&q, 1, &sender);
		pl_query_get_oid(&q, 2, &receiver);
		look_at(c, pl_query_get_int(&q, 0), &sender, &receiver);
	}
	return pl_query_end(&q);
}

static enum pl_err
write_shares(struct chunk *c)
{
	enum pl_err err = PL_OK;
	struct pl_query q;

	for (int bucket = 0; err == PL_OK && bucket < BUCKETS; bucket++) {
		if (c->shares[bucket].len == 0)
			continue;
		q = pl_query_start(c->s, share_put);
		pl_query_int(&q, bucket);
		pl_query_int(&q, c->number);
		pl_query_blob(&q, c->shares[bucket].data, c->shares[bucket].len);
		err = pl_query_run(&q, NULL);
	}
	if (err != PL_OK)
		return err;
	q = pl_query_start(c->s, up_to_set);
	pl_query_int(&q, c->last);
	return pl_query_run(&q, NULL);
}

/* ---- what is due ---- */

enum pl_err
pl_sqlite_recent_up_to(struct pl_sqlite *s, int64_t *up_to, int64_t *last)
{
	struct pl_query q = pl_query_start(s, ends_get);

	*up_to = *last = 0;
	if (pl_query_row(&q)) {
		*up_to = pl_query_get_int(&q, 0);
		*last = pl_query_get_int(&q, 1);
	}
	return pl_query_end(&q);
}

/* Of the first row that is not noted. */
static enum pl_err
find_chunk(struct pl_sqlite *s, int64_t up_to, int64_t *number)
{
	struct pl_query q = pl_query_start(s, row_after);

	pl_query_int(&q, up_to);
	if (pl_query_row(&q))
		*number = pl_query_get_int(&q, 0) / CHUNK;
	return pl_query_end(&q);
}

/* The chunk that is due, in one moment; last 0: none is. */
static enum pl_err
read_chunk(struct chunk *c)
{
	int64_t last;
	enum pl_err err = pl_sqlite_recent_up_to(c->s, &c->up_to, &last);

	if (err != PL_OK || last - c->up_to < PL_SQLITE_RECENT_DUE)
		return err;
	err = find_chunk(c->s, c->up_to, &c->number);
	return err == PL_OK ? read_rows(c) : err;
}

/* Another process may have been first. Or somebody deleted rows, whose numbers were given
 * again: the last one's then, too. */
static enum pl_err
find_whether_it_holds(struct chunk *c, bool *holds)
{
	int64_t up_to, last;
	enum pl_err err = pl_sqlite_recent_up_to(c->s, &up_to, &last);
	struct pl_query q;

	*holds = false;
	if (err != PL_OK || up_to != c->up_to)
		return err;
	q = pl_query_start(c->s, is_there);
	pl_query_int(&q, c->last);
	pl_query_oid(&q, &c->last_id);
	*holds = pl_query_row(&q);
	return pl_query_end(&q);
}

/* With the write lock, for which sends wait: so all was read before. */
static enum pl_err
write_chunk(struct chunk *c)
{
	bool holds = false;
	enum pl_err err = pl_sqlite_begin(c->s);

	if (err != PL_OK)
		return err;
	err = find_whether_it_holds(c, &holds);
	if (err == PL_OK && holds)
		err = write_shares(c);
	if (err == PL_OK)
		err = pl_sqlite_commit(c->s);
	if (err != PL_OK)
		pl_sqlite_rollback(c->s);
	return err;
}

static enum pl_err
note_chunk(struct chunk *c)
{
	enum pl_err err = pl_sqlite_moment_begin(c->s);

	if (err != PL_OK)
		return err;
	err = pl_sqlite_moment_end(c->s, read_chunk(c));
	return err == PL_OK && c->last != 0 ? write_chunk(c) : err;
}

static enum pl_err
note_next(struct pl_sqlite *s)
{
	struct chunk *c = pl_mem_zalloc(sizeof(*c));
	enum pl_err err;

	c->s = s;
	for (size_t i = 0; i < BUCKETS; i++)
		pl_buf_init(&c->shares[i], (size_t)2 * CHUNK * PL_SQLITE_RECENT_ENTRY);
	err = note_chunk(c);
	for (size_t i = 0; i < BUCKETS; i++)
		pl_buf_fini(&c->shares[i]);
	pl_mem_free(c);
	return err;
}

static enum pl_err
find_whether_due(struct pl_sqlite *s, bool *is_due)
{
	int64_t up_to, last;
	enum pl_err err = pl_sqlite_recent_up_to(s, &up_to, &last);

	*is_due = err == PL_OK && last - up_to >= PL_SQLITE_RECENT_DUE;
	return err;
}

enum pl_err
pl_sqlite_recent_fill(struct pl_sqlite *s, bool *is_behind)
{
	enum pl_err err = find_whether_due(s, is_behind);

	if (err != PL_OK || !*is_behind)
		return err;
	err = note_next(s);
	if (err == PL_OK)
		return find_whether_due(s, is_behind);
	*is_behind = false;
	return err;
}
