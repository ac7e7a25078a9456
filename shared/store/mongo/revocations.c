#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/mongo/query.h"

static const char *const by_time[] = {PL_USER_F_CREATED_AT, NULL};

/* All that f gives; ends it. */
static enum pl_err
read_all(struct pl_find *f, struct pl_revocation_list *list)
{
	const bson_t *doc;

	while (pl_find_row(f, &doc)) {
		list->items =
		    pl_store_grow(list->items, list->count, sizeof(*list->items));
		list->count += pl_mongo_revocation_read(doc, &list->items[list->count]);
	}
	return pl_find_end(f);
}

static int64_t
oldest_use_ms(void)
{
	return pl_clock_unix_ms() - PL_STORE_REVOKED_SLACK_S * INT64_C(1000);
}

enum pl_err
pl_mongo_revocations_of(struct pl_mongo *s, const struct pl_oid *user, bool only_listed,
    struct pl_revocation_list *out)
{
	struct pl_find f;

	pl_find_start(&f, s, s->revocations);
	pl_mongo_put_oid(&f.filter, PL_MONGO_F_USER, user);
	pl_mongo_put_bound(&f.filter, PL_MONGO_F_EXPIRES_AT, "$gt", oldest_use_ms());
	if (only_listed)
		pl_mongo_put_bound(&f.filter, PL_MONGO_F_ISSUED_AT, "$gt", 0);
	return read_all(&f, out);
}

enum pl_err
pl_mongo_revocations_since(
    struct pl_store *store, int64_t since_unix_ms, struct pl_revocation_list *out)
{
	struct pl_mongo *s = pl_mongo_start(store);
	struct pl_revocation_list list = {0};
	struct pl_find f;
	enum pl_err err;

	pl_find_start(&f, s, s->revocations);
	pl_mongo_put_bound(&f.filter, PL_USER_F_CREATED_AT, "$gte", since_unix_ms);
	pl_mongo_put_bound(&f.filter, PL_MONGO_F_EXPIRES_AT, "$gt", oldest_use_ms());
	pl_find_by_index(&f, by_time, 1, 1);
	err = read_all(&f, &list);
	if (err == PL_OK)
		err = pl_mongo_lists_since(s, since_unix_ms, &list);
	if (err == PL_OK)
		*out = list;
	else
		pl_revocation_list_fini(&list);
	return err;
}

/* Of one user's "all before a time" the last one says it all. Their ids are in the order
 * of their times. */
static enum pl_err
drop_earlier(struct pl_mongo *s, const struct pl_revocation *r)
{
	bson_t selector = BSON_INITIALIZER, bounds;
	uint8_t first[PL_JWT_ID_LEN];
	enum pl_err err;

	if (!pl_revocation_replaces(r, first)) {
		bson_destroy(&selector);
		return PL_OK;
	}
	bson_append_document_begin(&selector, PL_MESSAGE_F_ID, -1, &bounds);
	bson_append_binary(
	    &bounds, "$gte", -1, BSON_SUBTYPE_BINARY, first, PL_JWT_ID_LEN);
	bson_append_binary(
	    &bounds, "$lt", -1, BSON_SUBTYPE_BINARY, r->token_id, PL_JWT_ID_LEN);
	bson_append_document_end(&selector, &bounds);
	pl_mongo_put_oid(&selector, PL_MONGO_F_USER, &r->user);
	err = pl_mongo_delete_many(s, s->revocations, &selector);
	bson_destroy(&selector);
	return err;
}

/* What follows from a revocation that is stored. If it fails that costs room, until the
 * next revocation of the user does it; the revocation itself holds. */
static void
follow_up(struct pl_mongo *s, const struct pl_revocation *r)
{
	if (pl_revocation_is_of_key(r))
		return;
	if (drop_earlier(s, r) != PL_OK || pl_mongo_sessions_end(s, r) != PL_OK)
		pl_log_warn("list of sessions was not brought up to date",
		    PL_L_OID("user", &r->user));
}

/* The token's id is the document's, so that storing the same again is a conflict, and
 * fine. A process that asks for all since the last one it knows misses none of this
 * process. */
void
pl_mongo_revokes(struct pl_mongo *s, struct pl_write *const *writes, size_t count)
{
	bson_t **docs = pl_mem_alloc(count * sizeof(*docs));
	enum pl_err *errs = pl_mem_alloc(count * sizeof(*errs));

	pl_mongo_order_lock();
	for (size_t i = 0; i < count; i++) {
		struct pl_revocation *r = &writes[i]->u.revoke;

		r->created_unix_ms = pl_mongo_order_next_revocation();
		docs[i] = bson_new();
		pl_mongo_revocation_write(docs[i], r);
	}
	pl_mongo_insert(s, s->revocations, docs, count, errs);
	pl_mongo_order_unlock();
	for (size_t i = 0; i < count; i++) {
		writes[i]->is_new = errs[i] == PL_OK;
		writes[i]->err = errs[i] == PL_E_CONFLICT ? PL_OK : errs[i];
		bson_destroy(docs[i]);
		if (writes[i]->err == PL_OK)
			follow_up(s, &writes[i]->u.revoke);
	}
	pl_mem_free(errs);
	pl_mem_free(docs);
}

/* ---- secrets ---- */

static void
put_id(bson_t *doc, const struct pl_revocation *r)
{
	bson_append_binary(
	    doc, PL_MESSAGE_F_ID, -1, BSON_SUBTYPE_BINARY, r->token_id, PL_JWT_ID_LEN);
}

static enum pl_err
forget_switch(struct pl_mongo *s, const char *key_id)
{
	bson_t selector = BSON_INITIALIZER;
	struct pl_revocation r;
	enum pl_err err;

	pl_revocation_of_key(&r, key_id);
	put_id(&selector, &r);
	err = pl_mongo_delete_many(s, s->revocations, &selector);
	bson_destroy(&selector);
	return err;
}

static enum pl_err
read_created(struct pl_mongo *s, const struct pl_revocation *r, int64_t *out)
{
	struct pl_revocation found;
	bool is_found = false;
	enum pl_err err;
	struct pl_find f;
	const bson_t *doc;

	pl_find_start(&f, s, s->revocations);
	put_id(&f.filter, r);
	pl_find_limit(&f, 1);
	while (pl_find_row(&f, &doc))
		if (pl_mongo_revocation_read(doc, &found))
			is_found = true;
	err = pl_find_end(&f);
	if (err == PL_OK && !is_found) /* another process' secret signs again */
		err = PL_E_UNAVAILABLE;
	if (err == PL_OK)
		*out = found.created_unix_ms;
	return err;
}

enum pl_err
pl_mongo_switch(struct pl_mongo *s, struct pl_write_switch *key)
{
	struct pl_write write = {.kind = PL_WRITE_REVOKE};
	struct pl_write *one = &write;
	enum pl_err err = forget_switch(s, key->current);

	if (err != PL_OK || key->previous[0] == '\0')
		return err;
	pl_revocation_of_key(&write.u.revoke, key->previous);
	pl_mongo_revokes(s, &one, 1);
	return write.err == PL_OK
		   ? read_created(s, &write.u.revoke, &key->switched_unix_ms)
		   : write.err;
}
