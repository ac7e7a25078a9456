#include "base/clock.h"
#include "base/mem.h"
#include "store/mongo/blocks.h"

/*
 * A job is in its message until it is done. The unique index over autoReply.inReplyTo
 * sees to it that there is one reply at most; the lease only keeps two processes from
 * working on the same. Reply and end of the job are two writes: a process that dies
 * between them leaves a job that is claimed again, and that ends when its second reply is
 * refused.
 */
#define VOID_JOBS_MAX 8 /* that one claim may pass over */

/* ---- ending jobs ---- */

static enum pl_err
end_jobs(struct pl_mongo *s, const struct pl_oid *messages, size_t count)
{
	static const char *const fields[] = {PL_MONGO_F_JOB, NULL};
	bson_t selector = BSON_INITIALIZER;
	enum pl_err err;

	pl_mongo_put_in(&selector, PL_MESSAGE_F_ID, messages, count);
	err = pl_mongo_unset_all(s, s->messages, &selector, fields);
	bson_destroy(&selector);
	return err;
}

/* ---- what is overdue ---- */

static bool
read_overdue(const bson_t *doc, struct pl_overdue *out)
{
	int64_t deadline, attempt;

	return pl_mongo_get_oid(doc, PL_MESSAGE_F_ID, &out->message.id) &&
	       pl_mongo_get_time(
		   doc, PL_MESSAGE_F_CREATED_AT, &out->message.created_unix_ms) &&
	       pl_mongo_job_read(doc, &deadline, &attempt, &out->trace);
}

enum pl_err
pl_mongo_overdue(struct pl_store *store, int64_t due_unix_ms, size_t limit,
    struct pl_overdue_list *out)
{
	static const char *const by_deadline[] = {PL_MONGO_P_DEADLINE, NULL};
	static const char *const fields[] = {
	    PL_MESSAGE_F_CREATED_AT, PL_MONGO_F_JOB, NULL};
	struct pl_mongo *s = pl_mongo_start(store);
	struct pl_overdue_list list = {0};
	struct pl_find f;
	const bson_t *doc;
	enum pl_err err;

	pl_find_start(&f, s, s->messages);
	pl_mongo_put_bound(&f.filter, PL_MONGO_P_DEADLINE, "$lte", due_unix_ms);
	pl_find_by_index(&f, by_deadline, 1, 1);
	pl_find_only(&f, fields);
	pl_find_limit(&f, limit);
	while (pl_find_row(&f, &doc)) {
		list.items = pl_store_grow(list.items, list.count, sizeof(*list.items));
		list.count += read_overdue(doc, &list.items[list.count]);
	}
	err = pl_find_end(&f);
	if (err == PL_OK)
		*out = list;
	else
		pl_overdue_list_fini(&list);
	return err;
}

/* ---- claim ---- */

static void
put_lease(bson_t *update, int64_t until_unix_ms)
{
	bson_t part;

	bson_append_document_begin(update, "$set", -1, &part);
	pl_mongo_put_time(&part, PL_MONGO_P_LEASE_UNTIL, until_unix_ms);
	bson_append_document_end(update, &part);
	bson_append_document_begin(update, "$inc", -1, &part);
	pl_mongo_put_int(&part, PL_MONGO_P_ATTEMPT, 1);
	bson_append_document_end(update, &part);
}

/* {value: the message, or null}. */
static enum pl_err
read_claimed(const bson_t *reply, struct pl_write_claim *claim)
{
	const uint8_t *data;
	bson_iter_t it;
	uint32_t len;
	bson_t doc;

	if (!bson_iter_init_find(&it, reply, "value") || !BSON_ITER_HOLDS_DOCUMENT(&it))
		return PL_E_NOT_FOUND;
	bson_iter_document(&it, &len, &data);
	if (!bson_init_static(&doc, data, len) ||
	    !pl_mongo_job_read(
		&doc, &claim->deadline_unix_ms, &claim->attempt, &claim->trace) ||
	    !pl_mongo_message_read(&doc, &claim->message))
		return PL_E_IO;
	return PL_OK;
}

/* A lease that a failover takes back costs only work done twice: the answer of one server
 * is enough. */
static void
set_claim_concern(mongoc_find_and_modify_opts_t *opts)
{
	mongoc_write_concern_t *wc = mongoc_write_concern_new();
	bson_t extra = BSON_INITIALIZER;

	mongoc_write_concern_set_w(wc, 1);
	(void)mongoc_write_concern_append(wc, &extra);
	(void)mongoc_find_and_modify_opts_append(opts, &extra);
	bson_destroy(&extra);
	mongoc_write_concern_destroy(wc);
}

/* The lease is taken in the same step that finds the job. */
static enum pl_err
take_job(struct pl_mongo *s, struct pl_write_claim *claim)
{
	mongoc_find_and_modify_opts_t *opts = mongoc_find_and_modify_opts_new();
	bson_t query = BSON_INITIALIZER, sort = BSON_INITIALIZER,
	       update = BSON_INITIALIZER, reply;
	bson_error_t error = {0};
	enum pl_err err;

	if (claim->message_id != NULL)
		pl_mongo_put_oid(&query, PL_MESSAGE_F_ID, claim->message_id);
	pl_mongo_put_bound(
	    &query, PL_MONGO_P_DEADLINE, "$lte", claim->due_before_unix_ms);
	pl_mongo_put_bound(&query, PL_MONGO_P_LEASE_UNTIL, "$lte", s->now_unix_ms);
	pl_mongo_put_int(&sort, PL_MONGO_P_DEADLINE, 1);
	put_lease(&update, s->now_unix_ms + claim->lease_ms);
	mongoc_find_and_modify_opts_set_sort(opts, &sort);
	mongoc_find_and_modify_opts_set_update(opts, &update);
	mongoc_find_and_modify_opts_set_flags(opts, MONGOC_FIND_AND_MODIFY_RETURN_NEW);
	set_claim_concern(opts);
	if (mongoc_collection_find_and_modify_with_opts(
		s->messages, &query, opts, &reply, &error))
		err = read_claimed(&reply, claim);
	else
		err = pl_mongo_err(s, &error, "claim");
	bson_destroy(&reply);
	mongoc_find_and_modify_opts_destroy(opts);
	bson_destroy(&query);
	bson_destroy(&sort);
	bson_destroy(&update);
	return err;
}

/* PL_E_NOT_FOUND also if there is a block between the two. */
static enum pl_err
read_busy_user(struct pl_mongo *s, struct pl_write_claim *claim)
{
	struct pl_pair pair = {claim->message.sender, claim->message.receiver};
	bool is_found = false, has_blocks = false, is_blocked = false;
	const bson_t *doc;
	struct pl_find f;
	enum pl_err err;

	pl_find_start(&f, s, s->users);
	pl_mongo_put_oid(&f.filter, PL_USER_F_ID, &claim->message.receiver);
	pl_find_limit(&f, 1);
	if (pl_find_row(&f, &doc)) {
		is_found = pl_mongo_user_read(doc, &claim->busy_user);
		has_blocks = pl_blocks_flag(doc);
	}
	err = pl_find_end(&f);
	if (err == PL_OK && has_blocks)
		err = pl_blocks_between(s, &pair, 1, &is_blocked);
	return err == PL_OK && (!is_found || is_blocked) ? PL_E_NOT_FOUND : err;
}

/* A job whose busy user is gone, or has to do with a block, is void; the next one may be
 * good. */
enum pl_err
pl_mongo_reply_claim(struct pl_mongo *s, struct pl_write_claim *claim)
{
	for (int i = 0; i < VOID_JOBS_MAX; i++) {
		enum pl_err err =
		    pl_mongo_has_time(s) ? take_job(s, claim) : PL_E_UNAVAILABLE;

		if (err != PL_OK)
			return err;
		err = read_busy_user(s, claim);
		if (err != PL_E_NOT_FOUND)
			return err;
		err = end_jobs(s, &claim->message.id, 1);
		pl_message_fini(&claim->message);
		pl_user_fini(&claim->busy_user);
		if (err != PL_OK)
			return err;
	}
	return PL_E_NOT_FOUND; /* the next claim goes on */
}

/* ---- replies ---- */

/* A batch of replies: read the messages that they answer, one insert, end all their
 * jobs. */
struct batch {
	struct pl_mongo *s;
	struct pl_write *const *writes;
	size_t count;
	struct pl_message_list to; /* in no order */
	int64_t looked_mono_ms;
	bool *is_blocked; /* as to */
	bool *is_void;    /* of each of them: one of its two is gone */
	bson_t **docs;
	struct fresh {
		struct pl_write *write;
		struct pl_message reply;
	} * fresh;
	enum pl_err *errs;
	size_t fresh_count;
};

static enum pl_err
read_messages(struct batch *b)
{
	struct pl_oid *ids = pl_mem_alloc(b->count * sizeof(*ids));
	struct pl_message_list *to = &b->to;
	const bson_t *doc;
	struct pl_find f;

	for (size_t i = 0; i < b->count; i++)
		ids[i] = b->writes[i]->u.reply.in_reply_to;
	pl_find_start(&f, b->s, b->s->messages);
	pl_mongo_put_in(&f.filter, PL_MESSAGE_F_ID, ids, b->count);
	pl_find_limit(&f, b->count);
	while (pl_find_row(&f, &doc)) {
		to->items = pl_store_grow(to->items, to->count, sizeof(*to->items));
		to->count += pl_mongo_message_read(doc, &to->items[to->count]);
	}
	pl_mem_free(ids);
	return pl_find_end(&f);
}

/* Replies are few: each batch of them looks. */
static enum pl_err
read_blocks(struct batch *b)
{
	struct pl_pair *pairs = pl_mem_alloc((b->to.count + 1) * sizeof(*pairs));
	enum pl_err err;

	for (size_t i = 0; i < b->to.count; i++)
		pairs[i] =
		    (struct pl_pair){b->to.items[i].sender, b->to.items[i].receiver};
	b->is_blocked = pl_mem_alloc((b->to.count + 1) * sizeof(*b->is_blocked));
	b->looked_mono_ms = pl_clock_mono_ms();
	err = pl_blocks_between(b->s, pairs, b->to.count, b->is_blocked);
	pl_mem_free(pairs);
	return err;
}

/* Nothing is said in the name of a user who is gone, nor to one. */
static enum pl_err
look_for_users(struct batch *b)
{
	struct pl_oid *ids = pl_mem_alloc((b->to.count + 1) * sizeof(*ids));
	bool *exist = pl_mem_alloc((b->to.count + 1) * sizeof(*exist));
	enum pl_err err = PL_OK;

	b->is_void = pl_mem_zalloc((b->to.count + 1) * sizeof(*b->is_void));
	for (int side = 0; err == PL_OK && b->to.count > 0 && side < 2; side++) {
		for (size_t i = 0; i < b->to.count; i++)
			ids[i] =
			    side == 0 ? b->to.items[i].receiver : b->to.items[i].sender;
		err = pl_mongo_users_there(b->s, ids, b->to.count, exist);
		for (size_t i = 0; err == PL_OK && i < b->to.count; i++)
			b->is_void[i] = b->is_void[i] || !exist[i];
	}
	pl_mem_free(exist);
	pl_mem_free(ids);
	return err;
}

static const struct pl_message *
find_message(const struct batch *b, const struct pl_oid *id)
{
	for (size_t i = 0; i < b->to.count; i++)
		if (pl_oid_eq(&b->to.items[i].id, id))
			return &b->to.items[i];
	return NULL;
}

static void
add_document(struct batch *b, struct pl_write *w, const struct pl_message *to)
{
	struct pl_write_reply *reply = &w->u.reply;
	struct fresh *fresh = &b->fresh[b->fresh_count];
	struct pl_message_pos floor = {to->created_unix_ms, to->id};
	struct pl_message_pos pos = pl_mongo_order_next(&floor);

	fresh->write = w;
	fresh->reply = (struct pl_message){
	    .id = pos.id,
	    .sender = to->receiver,
	    .receiver = to->sender,
	    .text = pl_mem_strndup(reply->text.ptr, reply->text.len),
	    .text_len = reply->text.len,
	    .created_unix_ms = pos.created_unix_ms,
	    .updated_unix_ms = pos.created_unix_ms,
	    .reply_kind = reply->kind,
	    .in_reply_to = to->id,
	};
	b->docs[b->fresh_count] = bson_new();
	pl_mongo_message_write(b->docs[b->fresh_count++], &fresh->reply);
}

/* An automatic reply never causes another. */
static enum pl_err
judge(struct batch *b, struct pl_write *w)
{
	const struct pl_message *to = find_message(b, &w->u.reply.in_reply_to);

	if (to == NULL || to->reply_kind != PL_REPLY_NONE || to->deleted_unix_ms != 0 ||
	    b->is_void[to - b->to.items])
		return PL_E_NOT_FOUND;
	if (b->is_blocked[to - b->to.items])
		return PL_E_DENIED;
	add_document(b, w, to);
	return PL_OK;
}

static void
take_back(struct batch *b)
{
	struct pl_blocks_fresh *fresh =
	    pl_mem_alloc((b->fresh_count + 1) * sizeof(*fresh));
	size_t count = 0;

	for (size_t i = 0; i < b->fresh_count; i++) {
		const struct pl_message *m = &b->fresh[i].reply;

		if (b->errs[i] == PL_OK)
			fresh[count++] = (struct pl_blocks_fresh){
			    {m->sender, m->receiver}, m->id, &b->errs[i]};
	}
	pl_blocks_take_back(b->s, b->looked_mono_ms, fresh, count);
	pl_mem_free(fresh);
}

/* A job that could not be ended ends at its next claim. */
static void
take_outcomes(struct batch *b)
{
	struct pl_oid *done = pl_mem_alloc((b->count + 1) * sizeof(*done));
	size_t done_count = 0;

	for (size_t i = 0; i < b->count; i++)
		if (b->writes[i]->err == PL_E_DENIED)
			done[done_count++] = b->writes[i]->u.reply.in_reply_to;
	for (size_t i = 0; i < b->fresh_count; i++) {
		struct fresh *fresh = &b->fresh[i];
		enum pl_err err = b->errs[i];

		fresh->write->err = err;
		if (err == PL_OK || err == PL_E_CONFLICT || err == PL_E_DENIED)
			done[done_count++] = fresh->reply.in_reply_to;
		if (err == PL_OK)
			fresh->write->u.reply.message = fresh->reply;
		else
			pl_message_fini(&fresh->reply);
		bson_destroy(b->docs[i]);
	}
	if (done_count > 0)
		(void)!end_jobs(b->s, done, done_count);
	pl_mem_free(done);
}

static void
store_new(struct batch *b)
{
	b->docs = pl_mem_alloc(b->count * sizeof(*b->docs));
	b->fresh = pl_mem_alloc(b->count * sizeof(*b->fresh));
	b->errs = pl_mem_alloc(b->count * sizeof(*b->errs));
	pl_mongo_order_lock();
	for (size_t i = 0; i < b->count; i++)
		b->writes[i]->err = judge(b, b->writes[i]);
	pl_mongo_insert(b->s, b->s->messages, b->docs, b->fresh_count, b->errs);
	pl_mongo_order_unlock();
	take_back(b);
	take_outcomes(b);
	pl_mem_free(b->docs);
	pl_mem_free(b->fresh);
	pl_mem_free(b->errs);
}

static void
end_void(struct batch *b)
{
	struct pl_oid *ids = pl_mem_alloc((b->to.count + 1) * sizeof(*ids));
	size_t count = 0;

	for (size_t i = 0; i < b->to.count; i++)
		if (b->is_void[i])
			ids[count++] = b->to.items[i].id;
	if (count > 0)
		(void)!end_jobs(b->s, ids, count); /* or else the erasure does */
	pl_mem_free(ids);
}

/* They are there already, unless another program stored the message. */
static void
note_pairs(struct batch *b)
{
	struct pl_pair *pairs = pl_mem_alloc((b->to.count + 1) * sizeof(*pairs));

	for (size_t i = 0; i < b->to.count; i++)
		pairs[i] =
		    (struct pl_pair){b->to.items[i].sender, b->to.items[i].receiver};
	pl_pairs_expect(b->s, pairs, b->to.count);
	pl_mem_free(pairs);
}

void
pl_mongo_replies(struct pl_mongo *s, struct pl_write *const *writes, size_t count)
{
	struct batch b = {.s = s, .writes = writes, .count = count};
	enum pl_err err = read_messages(&b);

	if (err == PL_OK)
		err = read_blocks(&b);
	if (err == PL_OK)
		err = look_for_users(&b);
	if (err == PL_OK) {
		note_pairs(&b);
		store_new(&b);
		end_void(&b);
	}
	for (size_t i = 0; err != PL_OK && i < count; i++)
		writes[i]->err = err;
	pl_mem_free(b.is_blocked);
	pl_mem_free(b.is_void);
	pl_message_list_fini(&b.to);
}
