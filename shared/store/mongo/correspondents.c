#include "base/mem.h"
#include "store/mongo/correspondents.h"

#define KNOWN_PAIRS 65536 /* 1.5 MiB, of a session that stores messages; 2^16 */

/* Each pair has one place, which the next one with the same place takes. */
struct pl_known_pairs {
	struct pl_pair at[KNOWN_PAIRS]; /* user is the lower id */
};

/* ---- values ---- */

void
pl_pair_put(bson_t *doc, const char *key, const struct pl_pair *pair)
{
	bson_append_binary(doc, key, -1, BSON_SUBTYPE_BINARY,
	    (const uint8_t *)(const void *)pair, sizeof(*pair));
}

bool
pl_pair_get(const bson_t *doc, struct pl_pair *out)
{
	bson_subtype_t subtype;
	const uint8_t *bytes;
	bson_iter_t it;
	uint32_t len;

	if (!bson_iter_init_find(&it, doc, PL_MESSAGE_F_ID) ||
	    !BSON_ITER_HOLDS_BINARY(&it))
		return false;
	bson_iter_binary(&it, &subtype, &len, &bytes);
	if (len != sizeof(*out))
		return false;
	memcpy(out, bytes, len);
	return true;
}

/* ---- known pairs ---- */

static struct pl_pair
in_order(const struct pl_pair *pair)
{
	if (pl_oid_compare(&pair->user, &pair->other) <= 0)
		return *pair;
	return (struct pl_pair){pair->other, pair->user};
}

/* Ids are given by counting: their last bytes, which differ most, are the highest here,
 * and so have to be in the outcome. Who makes pairs fall together makes messages cost a
 * write more, no more. */
static size_t
place_of(const struct pl_pair *ordered)
{
	uint64_t a, b;

	memcpy(&a, ordered->user.bytes + PL_OID_LEN - sizeof(a), sizeof(a));
	memcpy(&b, ordered->other.bytes + PL_OID_LEN - sizeof(b), sizeof(b));
	a = (a ^ (b << 23 | b >> 41)) * UINT64_C(0x9e3779b97f4a7c15);
	return (size_t)(a >> 48) % KNOWN_PAIRS;
}

static bool
is_known(const struct pl_mongo *s, const struct pl_pair *pair)
{
	struct pl_pair ordered = in_order(pair);

	return s->known != NULL &&
	       memcmp(&s->known->at[place_of(&ordered)], &ordered, sizeof(ordered)) == 0;
}

static void
remember(struct pl_mongo *s, const struct pl_pair *pair)
{
	struct pl_pair ordered = in_order(pair);

	if (s->known == NULL)
		s->known = pl_mem_zalloc(sizeof(*s->known));
	s->known->at[place_of(&ordered)] = ordered;
}

void
pl_pairs_forget(struct pl_mongo *s)
{
	pl_mem_free(s->known);
	s->known = NULL;
}

/* ---- noting pairs ---- */

/* What is to be inserted: docs[i] is a side of *of[i]. */
struct noting {
	bson_t **docs;
	const struct pl_pair **of;
	enum pl_err *errs;
	size_t count;
};

static void
add_side(struct noting *n, const struct pl_pair *of, const struct pl_oid *user,
    const struct pl_oid *other)
{
	struct pl_pair side = {*user, *other};

	n->docs[n->count] = bson_new();
	pl_pair_put(n->docs[n->count], PL_MESSAGE_F_ID, &side);
	n->of[n->count++] = of;
}

/* One that is there already is a conflict. */
static enum pl_err
take_outcomes(struct pl_mongo *s, struct noting *n, size_t *added)
{
	enum pl_err err = PL_OK;

	for (size_t i = 0; i < n->count; i++) {
		if (n->errs[i] != PL_OK && n->errs[i] != PL_E_CONFLICT)
			err = n->errs[i];
		if (added != NULL)
			*added += n->errs[i] == PL_OK;
	}
	for (size_t i = 0; err == PL_OK && i < n->count; i++)
		remember(s, n->of[i]);
	return err;
}

enum pl_err
pl_pairs_note(
    struct pl_mongo *s, const struct pl_pair *pairs, size_t count, size_t *added)
{
	struct noting n = {0};
	enum pl_err err = PL_OK;

	for (size_t i = 0; i < count; i++) {
		if (is_known(s, &pairs[i]))
			continue;
		if (n.docs == NULL) {
			n.docs = pl_mem_alloc(2 * count * sizeof(*n.docs));
			n.of = pl_mem_alloc(2 * count * sizeof(*n.of));
			n.errs = pl_mem_alloc(2 * count * sizeof(*n.errs));
		}
		add_side(&n, &pairs[i], &pairs[i].user, &pairs[i].other);
		if (!pl_oid_eq(&pairs[i].user, &pairs[i].other))
			add_side(&n, &pairs[i], &pairs[i].other, &pairs[i].user);
	}
	pl_mongo_insert(s, s->correspondents, n.docs, n.count, n.errs);
	err = take_outcomes(s, &n, added);
	for (size_t i = 0; i < n.count; i++)
		bson_destroy(n.docs[i]);
	pl_mem_free(n.docs);
	pl_mem_free(n.of);
	pl_mem_free(n.errs);
	return err;
}

void
pl_pairs_expect(struct pl_mongo *s, const struct pl_pair *pairs, size_t count)
{
	bool was_lost = s->is_lost;

	(void)!pl_pairs_note(s, pairs, count, NULL);
	s->is_lost = was_lost; /* the messages are worth a try of their own */
}

/* ---- a user's others ---- */

static const char *const by_id[] = {PL_MESSAGE_F_ID, NULL};

enum pl_err
pl_pairs_others(struct pl_mongo *s, const struct pl_oid *user, const struct pl_oid *after,
    size_t limit, struct pl_oid *others, size_t *count)
{
	struct pl_pair first = {.user = *user}, last = {.user = *user}, pair;
	const bson_t *doc;
	struct pl_find f;
	bson_t bounds;

	memset(&last.other, 0xff, sizeof(last.other));
	if (after != NULL)
		first.other = *after;
	*count = 0;
	pl_find_start(&f, s, s->correspondents);
	bson_append_document_begin(&f.filter, PL_MESSAGE_F_ID, -1, &bounds);
	pl_pair_put(&bounds, after != NULL ? "$gt" : "$gte", &first);
	pl_pair_put(&bounds, "$lte", &last);
	bson_append_document_end(&f.filter, &bounds);
	pl_find_only(&f, by_id);
	pl_find_by_index(&f, by_id, 1, 1);
	pl_find_limit(&f, limit);
	while (*count < limit && pl_find_row(&f, &doc))
		if (pl_pair_get(doc, &pair))
			others[(*count)++] = pair.other;
	return pl_find_end(&f);
}

enum pl_err
pl_mongo_correspondents(struct pl_store *store, const struct pl_oid *user,
    const struct pl_oid *after, size_t limit, struct pl_oid *ids, size_t *count)
{
	return pl_pairs_others(pl_mongo_start(store), user, after, limit, ids, count);
}

/* ---- marks ---- */

void
pl_mark_put(bson_t *doc, const char *key, const struct pl_message_pos *mark)
{
	bson_t part;

	bson_append_document_begin(doc, key, -1, &part);
	pl_mongo_put_time(&part, PL_MONGO_F_AT, mark->created_unix_ms);
	pl_mongo_put_oid(&part, PL_MONGO_F_ID, &mark->id);
	bson_append_document_end(doc, &part);
}

static struct pl_message_pos
get_mark(const bson_t *doc, const char *key)
{
	struct pl_message_pos mark;
	const uint8_t *data;
	bson_iter_t it;
	uint32_t len;
	bson_t part;

	if (!bson_iter_init_find(&it, doc, key) || !BSON_ITER_HOLDS_DOCUMENT(&it))
		return (struct pl_message_pos){0};
	bson_iter_document(&it, &len, &data);
	if (!bson_init_static(&part, data, len) ||
	    !pl_mongo_get_time(&part, PL_MONGO_F_AT, &mark.created_unix_ms) ||
	    !pl_mongo_get_oid(&part, PL_MONGO_F_ID, &mark.id))
		return (struct pl_message_pos){0};
	return mark;
}

bool
pl_marks_read(const bson_t *doc, struct pl_record_marks *out)
{
	struct pl_pair pair;

	if (!pl_pair_get(doc, &pair))
		return false;
	out->user = pair.user;
	out->other = pair.other;
	out->read = get_mark(doc, PL_MONGO_F_READ);
	out->delivered = get_mark(doc, PL_MONGO_F_DELIVERED);
	if (out->delivered.created_unix_ms == 0 ||
	    (out->read.created_unix_ms != 0 &&
		pl_message_pos_compare(&out->delivered, &out->read) < 0))
		out->delivered = out->read;
	return true;
}

static void
put_pairs(bson_t *filter, const struct pl_record_marks *marks, size_t count)
{
	bson_t in, list;

	bson_append_document_begin(filter, PL_MESSAGE_F_ID, -1, &in);
	bson_append_array_begin(&in, "$in", -1, &list);
	for (size_t i = 0; i < count; i++) {
		struct pl_pair pair = {marks[i].user, marks[i].other};
		const char *at;
		char text[16];

		bson_uint32_to_string((uint32_t)i, &at, text, sizeof(text));
		pl_pair_put(&list, at, &pair);
	}
	bson_append_array_end(&in, &list);
	bson_append_document_end(filter, &in);
}

/* Both sides of a pair to oneself are the same document. */
static void
take_marks(struct pl_record_marks *marks, size_t count, const struct pl_record_marks *one)
{
	for (size_t i = 0; i < count; i++)
		if (pl_oid_eq(&marks[i].user, &one->user) &&
		    pl_oid_eq(&marks[i].other, &one->other))
			marks[i] = *one;
}

enum pl_err
pl_marks_of(
    struct pl_mongo *s, struct pl_record_marks *marks, size_t count, bool *is_there)
{
	struct pl_record_marks one;
	const bson_t *doc;
	struct pl_find f;

	for (size_t i = 0; i < count; i++)
		marks[i].read = marks[i].delivered = (struct pl_message_pos){0};
	if (is_there != NULL)
		*is_there = false;
	pl_find_start(&f, s, s->correspondents);
	put_pairs(&f.filter, marks, count);
	pl_find_by_index(&f, by_id, 1, 1);
	pl_find_limit(&f, count);
	while (pl_find_row(&f, &doc)) {
		if (!pl_marks_read(doc, &one))
			continue;
		take_marks(marks, count, &one);
		if (is_there != NULL)
			*is_there = true;
	}
	return pl_find_end(&f);
}
