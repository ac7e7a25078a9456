#include "base/clock.h"
#include "base/mem.h"
#include "store/mongo/query.h"

static const char *const by_time[] = {PL_USER_F_CREATED_AT, NULL};

enum pl_err
pl_mongo_revocations_since(
    struct pl_store *store, int64_t since_unix_ms, struct pl_revocation_list *out)
{
	struct pl_mongo *s = pl_mongo_start(store);
	int64_t oldest_ms = pl_clock_unix_ms() - PL_STORE_REVOKED_SLACK_S * INT64_C(1000);
	struct pl_revocation_list list = {0};
	struct pl_find f;
	const bson_t *doc;
	enum pl_err err;

	pl_find_start(&f, s, s->revocations);
	pl_mongo_put_bound(&f.filter, PL_USER_F_CREATED_AT, "$gte", since_unix_ms);
	pl_mongo_put_bound(&f.filter, PL_MONGO_F_EXPIRES_AT, "$gt", oldest_ms);
	pl_find_by_index(&f, by_time, 1, 1);
	while (pl_find_row(&f, &doc)) {
		list.items = pl_store_grow(list.items, list.count, sizeof(*list.items));
		list.count += pl_mongo_revocation_read(doc, &list.items[list.count]);
	}
	err = pl_find_end(&f);
	if (err == PL_OK)
		*out = list;
	else
		pl_revocation_list_fini(&list);
	return err;
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
		writes[i]->err = errs[i] == PL_E_CONFLICT ? PL_OK : errs[i];
		bson_destroy(docs[i]);
	}
	pl_mem_free(errs);
	pl_mem_free(docs);
}
