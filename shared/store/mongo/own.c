#include "base/mem.h"
#include "store/mongo/query.h"

/*
 * The messages that a user wrote or got, in their order. What they got is a range of an
 * index. What they wrote is another's, receiver by receiver: the server looks through the
 * keys of it, which have all that is asked here, and keeps the first ones.
 */
static const char *const by_pair[] = {PL_MESSAGE_F_SENDER, PL_MESSAGE_F_RECEIVER,
    PL_MESSAGE_F_CREATED_AT, PL_MESSAGE_F_ID, NULL};
static const char *const place[] = {PL_MESSAGE_F_CREATED_AT, PL_MESSAGE_F_ID, NULL};

static const struct pl_message_pos before_all = {.created_unix_ms = INT64_MIN};

static void
put_keys(bson_t *opts, const char *option, const char *const *keys)
{
	bson_t part;

	bson_append_document_begin(opts, option, -1, &part);
	for (size_t i = 0; keys[i] != NULL; i++)
		pl_mongo_put_int(&part, keys[i], 1);
	bson_append_document_end(opts, &part);
}

static enum pl_err
read_written(struct pl_mongo *s, const struct pl_oid *user,
    const struct pl_message_pos *pos, size_t limit, struct pl_pos_list *out)
{
	struct pl_find f;
	const bson_t *doc;

	pl_find_start(&f, s, s->messages);
	pl_mongo_put_oid(&f.filter, PL_MESSAGE_F_SENDER, user);
	pl_mongo_put_place(&f.filter, true, pos);
	pl_find_type(&f, PL_MESSAGE_F_ID, PL_MONGO_T_OID);
	pl_find_only(&f, place);
	put_keys(&f.opts, "sort", place);
	put_keys(&f.opts, "hint", by_pair);
	pl_find_limit(&f, limit);
	while (pl_find_row(&f, &doc)) {
		struct pl_message_pos at;

		if (!pl_mongo_get_oid(doc, PL_MESSAGE_F_ID, &at.id) ||
		    !pl_mongo_get_time(doc, PL_MESSAGE_F_CREATED_AT, &at.created_unix_ms))
			continue;
		out->items = pl_store_grow(out->items, out->count, sizeof(*out->items));
		out->items[out->count++] = at;
	}
	return pl_find_end(&f);
}

enum pl_err
pl_mongo_positions_of(struct pl_store *store, const struct pl_oid *user,
    const struct pl_message_pos *pos, size_t limit, struct pl_pos_list *out)
{
	struct pl_mongo *s = pl_mongo_start(store);
	struct pl_pos_list written = {0}, got = {0};
	enum pl_err err =
	    read_written(s, user, pos != NULL ? pos : &before_all, limit, &written);

	if (err == PL_OK)
		err = pl_mongo_positions_to(store, user, pos, limit, &got);
	if (err == PL_OK)
		pl_pos_list_merge(&written, &got, limit, out);
	pl_pos_list_fini(&written);
	pl_pos_list_fini(&got);
	return err;
}
