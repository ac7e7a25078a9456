#include "base/clock.h"
#include "base/mem.h"
#include "store/mongo/blocks.h"
#include "store/mongo/idem.h"

/*
 * A batch of sends in three steps, whatever its size: the statuses of all receivers, what
 * is stored under all keys, one insert of what is new. A message, its key and its reply
 * job are one document. Before the first message of two people comes one insert more; and
 * one look-up more if some receiver has ever had to do with a block (blocks.h).
 */
struct batch {
	struct pl_mongo *s;
	struct pl_write *const *writes;
	size_t count;
	int64_t looked_mono_ms;  /* for receivers and blocks */
	struct pl_map receivers; /* id -> struct receiver */
	bool *is_blocked;        /* as writes; NULL: none is */
	struct pl_idem_keys keys;
	/* what is to be inserted */
	bson_t **docs;
	struct fresh {
		struct pl_write *write;
		struct pl_message_pos pos;
	} * fresh;
	enum pl_err *errs;
	size_t fresh_count;
};

struct receiver {
	struct pl_oid id;
	enum pl_status status;
	bool has_blocks;
};

static void
batch_init(
    struct batch *b, struct pl_mongo *s, struct pl_write *const *writes, size_t count)
{
	*b = (struct batch){.s = s, .writes = writes, .count = count};
	pl_map_init(&b->receivers);
	pl_idem_keys_init(&b->keys);
	b->docs = pl_mem_alloc(count * sizeof(*b->docs));
	b->fresh = pl_mem_alloc(count * sizeof(*b->fresh));
	b->errs = pl_mem_alloc(count * sizeof(*b->errs));
}

static void
batch_fini(struct batch *b)
{
	struct receiver *r;

	for (size_t it = 0; (r = pl_map_next(&b->receivers, &it)) != NULL;) {
		pl_map_del(&b->receivers, pl_oid_str(&r->id));
		pl_mem_free(r);
	}
	pl_map_fini(&b->receivers);
	pl_idem_keys_fini(&b->keys);
	for (size_t i = 0; i < b->fresh_count; i++)
		bson_destroy(b->docs[i]);
	pl_mem_free(b->docs);
	pl_mem_free(b->fresh);
	pl_mem_free(b->errs);
	pl_mem_free(b->is_blocked);
}

/* ---- what has to be known ---- */

static void
note_receiver(struct batch *b, const bson_t *doc)
{
	struct receiver *r = pl_mem_alloc(sizeof(*r));

	r->status = pl_mongo_user_status_read(doc);
	r->has_blocks = pl_blocks_flag(doc);
	if (!pl_mongo_get_oid(doc, PL_USER_F_ID, &r->id) ||
	    pl_map_get(&b->receivers, pl_oid_str(&r->id)) != NULL)
		pl_mem_free(r);
	else
		pl_map_put(&b->receivers, pl_oid_str(&r->id), r);
}

static enum pl_err
read_receivers(struct batch *b)
{
	static const char *const fields[] = {PL_USER_F_STATUS, PL_MONGO_F_BLOCKS, NULL};
	struct pl_oid *ids = pl_mem_alloc(b->count * sizeof(*ids));
	const bson_t *doc;
	struct pl_find f;

	b->looked_mono_ms = pl_clock_mono_ms();
	for (size_t i = 0; i < b->count; i++)
		ids[i] = b->writes[i]->u.send.message.receiver;
	pl_find_start(&f, b->s, b->s->users);
	pl_mongo_put_in(&f.filter, PL_USER_F_ID, ids, b->count);
	pl_find_only(&f, fields);
	pl_find_limit(&f, b->count);
	while (pl_find_row(&f, &doc))
		note_receiver(b, doc);
	pl_mem_free(ids);
	return pl_find_end(&f);
}

/* Of all sends, if it has to be asked at all. */
static enum pl_err
read_blocks(struct batch *b)
{
	struct pl_pair *pairs = pl_mem_alloc(b->count * sizeof(*pairs));
	enum pl_err err = PL_OK;
	bool has_any = false;

	for (size_t i = 0; i < b->count; i++) {
		const struct pl_message *m = &b->writes[i]->u.send.message;
		const struct receiver *r =
		    pl_map_get(&b->receivers, pl_oid_str(&m->receiver));

		pairs[i] = (struct pl_pair){m->sender, m->receiver};
		has_any = has_any || (r != NULL && r->has_blocks);
	}
	if (has_any) {
		b->is_blocked = pl_mem_alloc(b->count * sizeof(*b->is_blocked));
		err = pl_blocks_between(b->s, pairs, b->count, b->is_blocked);
	}
	pl_mem_free(pairs);
	return err;
}

static enum pl_err
read_keys(struct batch *b)
{
	for (size_t i = 0; i < b->count; i++)
		(void)pl_idem_key_of(&b->keys, &b->writes[i]->u.send);
	return pl_idem_keys_read(&b->keys, b->s);
}

/* Those whose messages are about to be stored. */
static void
note_pairs(struct batch *b)
{
	struct pl_pair *pairs = pl_mem_alloc(b->count * sizeof(*pairs));
	size_t count = 0;

	for (size_t i = 0; i < b->count; i++) {
		const struct pl_write_send *send = &b->writes[i]->u.send;
		const struct pl_message *m = &send->message;
		const struct pl_idem_key *key = pl_idem_key_of(&b->keys, send);

		if (send->only_replay || (key != NULL && key->first.text != NULL) ||
		    (b->is_blocked != NULL && b->is_blocked[i]) ||
		    pl_map_get(&b->receivers, pl_oid_str(&m->receiver)) == NULL)
			continue;
		pairs[count++] = (struct pl_pair){m->sender, m->receiver};
	}
	pl_pairs_expect(b->s, pairs, count);
	pl_mem_free(pairs);
}

/* ---- what is new ---- */

static void
add_document(struct batch *b, struct pl_write *w, struct pl_idem_key *key)
{
	struct pl_write_send *send = &w->u.send;
	struct fresh *fresh = &b->fresh[b->fresh_count];
	struct pl_message m = send->message;
	bson_t *doc = bson_new();

	fresh->write = w;
	fresh->pos = pl_mongo_order_next(NULL);
	m.id = fresh->pos.id;
	m.created_unix_ms = m.updated_unix_ms = fresh->pos.created_unix_ms;
	m.reply_kind = PL_REPLY_NONE;
	pl_mongo_message_write(doc, &m);
	if (key != NULL) {
		pl_idem_key_write(doc, key, b->s->now_unix_ms + PL_STORE_IDEM_KEPT_MS);
		key->leader = w;
	}
	if (send->status == PL_STATUS_BUSY)
		pl_mongo_job_write(
		    doc, b->s->now_unix_ms + send->reply_within_ms, 0, &send->trace);
	b->docs[b->fresh_count++] = doc;
}

/* Decide what can be decided of one send before anything is stored; a new one gets a
 * document, and its outcome later. */
static enum pl_err
judge(struct batch *b, size_t at)
{
	struct pl_write *w = b->writes[at];
	struct pl_write_send *send = &w->u.send;
	struct receiver *r =
	    pl_map_get(&b->receivers, pl_oid_str(&send->message.receiver));
	struct pl_idem_key *key = pl_idem_key_of(&b->keys, send);

	if (r == NULL)
		return PL_E_NOT_FOUND;
	send->status = r->status;
	if (key != NULL && key->first.text != NULL)
		return pl_store_replay(send, &key->first, &key->kept);
	if (send->only_replay)
		return PL_OK;
	if (b->is_blocked != NULL && b->is_blocked[at])
		return PL_E_DENIED;
	if (key == NULL || key->leader == NULL)
		add_document(b, w, key);
	return PL_OK;
}

/* If another process has stored under the same key since we looked, its message is the
 * answer. The conflict came only when a majority had that message. */
static enum pl_err
answer_conflicts(struct batch *b)
{
	for (size_t i = 0; i < b->fresh_count; i++)
		if (b->errs[i] == PL_E_CONFLICT)
			return pl_idem_keys_read(&b->keys, b->s);
	return PL_OK;
}

static void
take_outcome(struct batch *b, size_t at, enum pl_err looked)
{
	struct pl_write *w = b->fresh[at].write;
	struct pl_write_send *send = &w->u.send;
	struct pl_idem_key *key = pl_idem_key_of(&b->keys, send);

	w->err = b->errs[at];
	if (w->err == PL_OK) {
		send->message.id = b->fresh[at].pos.id;
		send->message.created_unix_ms = b->fresh[at].pos.created_unix_ms;
		send->message.updated_unix_ms = b->fresh[at].pos.created_unix_ms;
		send->busy = send->status == PL_STATUS_BUSY;
	} else if (w->err == PL_E_CONFLICT && looked != PL_OK) {
		w->err = looked;
	} else if (w->err == PL_E_CONFLICT) {
		/* without a key, the id is taken: a fault of the generator */
		w->err = key != NULL && key->first.text != NULL
			     ? pl_store_replay(send, &key->first, &key->kept)
			     : PL_E_IO;
	}
}

/* A send whose key another one of the batch has just stored under. */
static void
follow(struct batch *b, struct pl_write *w)
{
	const struct pl_idem_key *key = pl_idem_key_of(&b->keys, &w->u.send);

	if (w->err != PL_OK || key == NULL || key->leader == NULL || key->leader == w)
		return;
	if (key->first.text != NULL) /* another process was faster than the leader */
		w->err = pl_store_replay(&w->u.send, &key->first, &key->kept);
	else if (key->leader->err == PL_OK)
		w->err = pl_store_replay(&w->u.send, &key->leader->u.send.message, NULL);
	else
		w->err = key->leader->err;
}

static void
take_back(struct batch *b)
{
	struct pl_blocks_fresh *fresh =
	    pl_mem_alloc((b->fresh_count + 1) * sizeof(*fresh));
	size_t count = 0;

	for (size_t i = 0; i < b->fresh_count; i++) {
		const struct pl_message *m = &b->fresh[i].write->u.send.message;

		if (b->errs[i] == PL_OK)
			fresh[count++] = (struct pl_blocks_fresh){
			    {m->sender, m->receiver}, b->fresh[i].pos.id, &b->errs[i]};
	}
	pl_blocks_take_back(b->s, b->looked_mono_ms, fresh, count);
	pl_mem_free(fresh);
}

static void
store_new(struct batch *b)
{
	enum pl_err looked;

	pl_mongo_order_lock();
	for (size_t i = 0; i < b->count; i++)
		b->writes[i]->err = judge(b, i);
	pl_mongo_insert(b->s, b->s->messages, b->docs, b->fresh_count, b->errs);
	pl_mongo_order_unlock();
	take_back(b);
	looked = answer_conflicts(b);
	for (size_t i = 0; i < b->fresh_count; i++)
		take_outcome(b, i, looked);
	for (size_t i = 0; i < b->count; i++)
		follow(b, b->writes[i]);
}

void
pl_mongo_sends(struct pl_mongo *s, struct pl_write *const *writes, size_t count)
{
	struct batch b;
	enum pl_err err;

	batch_init(&b, s, writes, count);
	err = read_receivers(&b);
	if (err == PL_OK)
		err = read_blocks(&b);
	if (err == PL_OK)
		err = read_keys(&b);
	if (err == PL_OK) {
		note_pairs(&b);
		store_new(&b);
	}
	for (size_t i = 0; err != PL_OK && i < count; i++)
		writes[i]->err = err;
	batch_fini(&b);
}
