#include "base/mem.h"
#include "store/mongo/query.h"

/* The indexes that the reads use; indexes.c makes them. */
static const char *const by_pair[] = {PL_MESSAGE_F_SENDER, PL_MESSAGE_F_RECEIVER,
    PL_MESSAGE_F_CREATED_AT, PL_MESSAGE_F_ID, NULL};
static const char *const by_receiver[] = {
    PL_MESSAGE_F_RECEIVER, PL_MESSAGE_F_CREATED_AT, PL_MESSAGE_F_ID, NULL};
static const char *const by_id[] = {PL_MESSAGE_F_ID, NULL};
static const char *const by_time[] = {PL_MESSAGE_F_CREATED_AT, PL_MESSAGE_F_ID, NULL};

/* Before, and after, every message that can be. */
static const struct pl_message_pos before_all = {.created_unix_ms = INT64_MIN};
static const struct pl_message_pos after_all = {
    .created_unix_ms = INT64_MAX, .id = {{0xff}}};

/* ---- from a place on ---- */

/*
 * (createdAt, _id) after pos, or before it. The walk over the index begins at the first
 * bound; the $or then only passes over the few of the same millisecond. It also leaves
 * out a createdAt that is no Date: such documents have no place in the order.
 */
void
pl_mongo_put_place(bson_t *filter, bool is_after, const struct pl_message_pos *pos)
{
	const char *strict = is_after ? "$gt" : "$lt";
	bson_t list, either, bound;

	pl_mongo_put_bound(filter, PL_MESSAGE_F_CREATED_AT, is_after ? "$gte" : "$lte",
	    pos->created_unix_ms);
	bson_append_array_begin(filter, "$or", -1, &list);
	bson_append_document_begin(&list, "0", -1, &either);
	pl_mongo_put_bound(
	    &either, PL_MESSAGE_F_CREATED_AT, strict, pos->created_unix_ms);
	bson_append_document_end(&list, &either);
	bson_append_document_begin(&list, "1", -1, &either);
	bson_append_document_begin(&either, PL_MESSAGE_F_ID, -1, &bound);
	pl_mongo_put_oid(&bound, strict, &pos->id);
	bson_append_document_end(&either, &bound);
	bson_append_document_end(&list, &either);
	bson_append_array_end(filter, &list);
}

/* All messages that f gives; ends it. */
static enum pl_err
read_list(struct pl_find *f, struct pl_message_list *out)
{
	struct pl_message_list list = {0};
	const bson_t *doc;
	enum pl_err err;

	while (pl_find_row(f, &doc)) {
		list.items = pl_store_grow(list.items, list.count, sizeof(*list.items));
		list.count += pl_mongo_message_read(doc, &list.items[list.count]);
	}
	err = pl_find_end(f);
	if (err == PL_OK)
		*out = list;
	else
		pl_message_list_fini(&list);
	return err;
}

/* ---- pages ---- */

/* One direction of a conversation, in the order that the page is read in. */
static enum pl_err
read_direction(struct pl_mongo *s, const struct pl_oid *from, const struct pl_oid *to,
    bool is_after, const struct pl_message_pos *pos, size_t limit,
    struct pl_message_list *out)
{
	struct pl_find f;

	pl_find_start(&f, s, s->messages);
	pl_mongo_put_oid(&f.filter, PL_MESSAGE_F_SENDER, from);
	pl_mongo_put_oid(&f.filter, PL_MESSAGE_F_RECEIVER, to);
	pl_mongo_put_place(&f.filter, is_after, pos);
	pl_mongo_put_readable(&f.filter);
	pl_find_by_index(&f, by_pair, 2, is_after ? 1 : -1);
	pl_find_limit(&f, limit);
	return read_list(&f, out);
}

static bool
is_ahead(const struct pl_message *a, const struct pl_message *b)
{
	if (a->created_unix_ms != b->created_unix_ms)
		return a->created_unix_ms < b->created_unix_ms;
	return pl_oid_compare(&a->id, &b->id) < 0;
}

/* Take the first limit of a and b, both in the order of the page, into out, oldest first;
 * the rest is freed with the two. */
static void
merge(struct pl_message_list *a, struct pl_message_list *b, bool is_after, size_t limit,
    struct pl_message_list *out)
{
	size_t count = a->count + b->count < limit ? a->count + b->count : limit;
	struct pl_message *items = pl_mem_alloc((count + 1) * sizeof(*items));
	size_t ai = 0, bi = 0;

	for (size_t i = 0; i < count; i++) {
		bool takes_a =
		    bi == b->count ||
		    (ai < a->count && is_ahead(&a->items[ai], &b->items[bi]) == is_after);
		struct pl_message *from = takes_a ? &a->items[ai++] : &b->items[bi++];

		items[is_after ? i : count - 1 - i] = *from;
		*from = (struct pl_message){0};
	}
	pl_message_list_fini(a);
	pl_message_list_fini(b);
	*out = (struct pl_message_list){.items = items, .count = count};
}

/* A page merges the two directions of a conversation, each read from its own range of one
 * index. Messages to oneself have only one. */
enum pl_err
pl_mongo_page_read(struct pl_mongo *s, const struct pl_oid *a, const struct pl_oid *b,
    enum pl_page_way way, const struct pl_message_pos *pos, size_t limit,
    struct pl_message_list *out)
{
	struct pl_message_list there = {0}, back = {0};
	bool is_after = way == PL_PAGE_AFTER;
	enum pl_err err;

	if (pos == NULL)
		pos = is_after ? &before_all : &after_all;
	err = read_direction(s, a, b, is_after, pos, limit, &there);
	if (err == PL_OK && !pl_oid_eq(a, b))
		err = read_direction(s, b, a, is_after, pos, limit, &back);
	if (err == PL_OK) {
		merge(&there, &back, is_after, limit, out);
	} else {
		pl_message_list_fini(&there);
		pl_message_list_fini(&back);
	}
	return err;
}

enum pl_err
pl_mongo_messages_page(struct pl_store *store, const struct pl_oid *a,
    const struct pl_oid *b, enum pl_page_way way, const struct pl_message_pos *pos,
    size_t limit, struct pl_message_list *out)
{
	return pl_mongo_page_read(pl_mongo_start(store), a, b, way, pos, limit, out);
}

/* ---- others ---- */

enum pl_err
pl_mongo_messages_to(struct pl_store *store, const struct pl_oid *receiver,
    const struct pl_message_pos *pos, size_t limit, struct pl_message_list *out)
{
	struct pl_mongo *s = pl_mongo_start(store);
	struct pl_find f;

	pl_find_start(&f, s, s->messages);
	if (receiver != NULL)
		pl_mongo_put_oid(&f.filter, PL_MESSAGE_F_RECEIVER, receiver);
	else
		pl_find_type(&f, PL_MESSAGE_F_RECEIVER, PL_MONGO_T_OID);
	pl_find_type(&f, PL_MESSAGE_F_SENDER, PL_MONGO_T_OID);
	pl_mongo_put_place(&f.filter, true, pos ? pos : &before_all);
	pl_mongo_put_readable(&f.filter);
	pl_find_by_index(&f, receiver ? by_receiver : by_time, 2, 1);
	pl_find_limit(&f, limit);
	return read_list(&f, out);
}

/* The index has all that the filter and the answer need. */
enum pl_err
pl_mongo_positions_to(struct pl_store *store, const struct pl_oid *receiver,
    const struct pl_message_pos *pos, size_t limit, struct pl_pos_list *out)
{
	static const char *const place[] = {
	    PL_MESSAGE_F_CREATED_AT, PL_MESSAGE_F_ID, NULL};
	struct pl_mongo *s = pl_mongo_start(store);
	struct pl_pos_list list = {0};
	struct pl_find f;
	const bson_t *doc;
	enum pl_err err;

	pl_find_start(&f, s, s->messages);
	pl_mongo_put_oid(&f.filter, PL_MESSAGE_F_RECEIVER, receiver);
	pl_mongo_put_place(&f.filter, true, pos ? pos : &before_all);
	pl_find_type(&f, PL_MESSAGE_F_ID, PL_MONGO_T_OID);
	pl_find_only(&f, place);
	pl_find_by_index(&f, by_receiver, 2, 1);
	pl_find_limit(&f, limit);
	while (pl_find_row(&f, &doc)) {
		struct pl_message_pos at;

		if (!pl_mongo_get_oid(doc, PL_MESSAGE_F_ID, &at.id) ||
		    !pl_mongo_get_time(doc, PL_MESSAGE_F_CREATED_AT, &at.created_unix_ms))
			continue;
		list.items = pl_store_grow(list.items, list.count, sizeof(*list.items));
		list.items[list.count++] = at;
	}
	err = pl_find_end(&f);
	if (err == PL_OK)
		*out = list;
	else
		pl_pos_list_fini(&list);
	return err;
}

/* Read so many at once: if they are too much, the next ones are not read. */
#define OF_AT_ONCE 16

static enum pl_err
read_some(struct pl_mongo *s, const struct pl_oid *ids, size_t count,
    struct pl_message_list *out)
{
	struct pl_find f;

	pl_find_start(&f, s, s->messages);
	pl_mongo_put_in(&f.filter, PL_MESSAGE_F_ID, ids, count);
	pl_find_by_index(&f, by_id, 1, 1);
	pl_find_limit(&f, count);
	return read_list(&f, out);
}

/* Move the messages of some to the end of list, in the order of ids; gives the bytes of
 * their texts. */
static size_t
take_in_order(struct pl_message_list *list, struct pl_message_list *some,
    const struct pl_oid *ids, size_t count)
{
	size_t bytes = 0;

	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < some->count; k++) {
			struct pl_message *m = &some->items[k];

			if (m->text == NULL || !pl_oid_eq(&m->id, &ids[i]))
				continue;
			bytes += m->text_len;
			list->items[list->count++] = *m;
			*m = (struct pl_message){0};
		}
	return bytes;
}

enum pl_err
pl_mongo_list_of(struct pl_mongo *s, const struct pl_oid *ids, size_t count,
    size_t text_bytes_max, struct pl_message_list *out)
{
	struct pl_message_list list = {
	    .items = pl_mem_alloc((count + 1) * sizeof(*list.items))};
	enum pl_err err = PL_OK;
	size_t bytes = 0;

	for (size_t i = 0; i < count && err == PL_OK; i += OF_AT_ONCE) {
		size_t some_count = count - i < OF_AT_ONCE ? count - i : OF_AT_ONCE;
		struct pl_message_list some = {0};

		err = read_some(s, ids + i, some_count, &some);
		bytes += take_in_order(&list, &some, ids + i, some_count);
		pl_message_list_fini(&some);
		if (err == PL_OK && bytes > text_bytes_max)
			err = PL_E_TOO_BIG;
	}
	if (err == PL_OK)
		*out = list;
	else
		pl_message_list_fini(&list);
	return err;
}

enum pl_err
pl_mongo_messages_of(struct pl_store *store, const struct pl_oid *ids, size_t count,
    size_t text_bytes_max, struct pl_message_list *out)
{
	return pl_mongo_list_of(pl_mongo_start(store), ids, count, text_bytes_max, out);
}

enum pl_err
pl_mongo_pos_of(struct pl_mongo *s, const struct pl_oid *a, const struct pl_oid *b,
    const struct pl_oid *message, struct pl_message_pos *out)
{
	struct pl_message_list list = {0};
	const struct pl_message *m;
	enum pl_err err;
	struct pl_find f;

	pl_find_start(&f, s, s->messages);
	pl_mongo_put_oid(&f.filter, PL_MESSAGE_F_ID, message);
	err = read_list(&f, &list);
	if (err != PL_OK)
		return err;
	m = list.items;
	if (list.count == 1 &&
	    ((pl_oid_eq(&m->sender, a) && pl_oid_eq(&m->receiver, b)) ||
		(pl_oid_eq(&m->sender, b) && pl_oid_eq(&m->receiver, a))))
		*out = (struct pl_message_pos){m->created_unix_ms, m->id};
	else
		err = PL_E_NOT_FOUND;
	pl_message_list_fini(&list);
	return err;
}

enum pl_err
pl_mongo_message_pos(struct pl_store *store, const struct pl_oid *a,
    const struct pl_oid *b, const struct pl_oid *message, struct pl_message_pos *out)
{
	return pl_mongo_pos_of(pl_mongo_start(store), a, b, message, out);
}
