#include "store/mongo/index_there.h"

#include "base/mem.h"
#include "store/mongo/query.h"

#define F_KEY       "key"
#define F_COLLATION "collation"
#define F_FILTER    "partialFilterExpression"
#define T_STRING    "string"

enum pl_err
pl_indexes_read(struct pl_mongo *s, mongoc_collection_t *of, struct pl_indexes *out)
{
	mongoc_cursor_t *cursor;
	const bson_t *doc;

	*out = (struct pl_indexes){0};
	if (!pl_mongo_has_time(s))
		return PL_E_UNAVAILABLE;
	cursor = mongoc_collection_find_indexes_with_opts(of, NULL);
	while (mongoc_cursor_next(cursor, &doc)) {
		out->items = pl_store_grow(out->items, out->count, sizeof(*out->items));
		out->items[out->count++] = bson_copy(doc);
	}
	return pl_mongo_cursor_end(s, cursor, PL_OK, "listIndexes");
}

void
pl_indexes_fini(struct pl_indexes *list)
{
	for (size_t i = 0; i < list->count; i++)
		bson_destroy(list->items[i]);
	pl_mem_free(list->items);
	*list = (struct pl_indexes){0};
}

/* ---- parts ---- */

/* A subdocument, borrowed from doc. */
static bool
get_part(const bson_t *doc, const char *key, bson_t *out)
{
	const uint8_t *data;
	bson_iter_t it;
	uint32_t len;

	if (!bson_iter_init_find(&it, doc, key) || !BSON_ITER_HOLDS_DOCUMENT(&it))
		return false;
	bson_iter_document(&it, &len, &data);
	return bson_init_static(out, data, len);
}

static bool
is_set(const bson_t *index, const char *option)
{
	bson_iter_t it;

	return bson_iter_init_find(&it, index, option) && bson_iter_as_bool(&it);
}

bool
pl_index_is_named(const bson_t *index, const char *name)
{
	struct pl_str there;

	return pl_mongo_get_str(index, "name", &there) && pl_str_eq(there, pl_str(name));
}

bool
pl_index_is_over(const bson_t *index, const char *const *keys)
{
	bson_iter_t it;
	bson_t key;
	size_t i = 0;

	if (!get_part(index, F_KEY, &key) || !bson_iter_init(&it, &key))
		return false;
	while (bson_iter_next(&it)) {
		if (keys[i] == NULL || strcmp(bson_iter_key(&it), keys[i]) != 0 ||
		    !BSON_ITER_HOLDS_NUMBER(&it) || bson_iter_as_int64(&it) != 1)
			return false;
		i++;
	}
	return keys[i] == NULL;
}

bool
pl_index_is_whole(const bson_t *index)
{
	return !is_set(index, "sparse") && !bson_has_field(index, F_FILTER) &&
	       !bson_has_field(index, F_COLLATION);
}

bool
pl_index_is_partial(const bson_t *index)
{
	return bson_has_field(index, F_FILTER);
}

bool
pl_index_has_collation(const bson_t *index, const bson_t *collation)
{
	bson_t own;

	if (!get_part(index, F_COLLATION, &own))
		return collation == NULL;
	return collation != NULL && bson_equal(&own, collation);
}

/* ---- which usernames an index holds ---- */

static bool filter_has_all_names(bson_iter_t *filter);

/* 2, "string", or a list that has one of them. */
static bool
type_has_strings(bson_iter_t *it)
{
	bson_iter_t list;

	if (BSON_ITER_HOLDS_ARRAY(it) && bson_iter_recurse(it, &list)) {
		while (bson_iter_next(&list))
			if (!BSON_ITER_HOLDS_ARRAY(&list) && type_has_strings(&list))
				return true;
		return false;
	}
	if (BSON_ITER_HOLDS_UTF8(it))
		return strcmp(bson_iter_utf8(it, NULL), T_STRING) == 0;
	return BSON_ITER_HOLDS_NUMBER(it) && bson_iter_as_int64(it) == PL_MONGO_T_STRING;
}

/* One of the operators over username. */
static bool
operator_has_all_names(bson_iter_t *it)
{
	const char *name = bson_iter_key(it);

	if (strcmp(name, "$exists") == 0)
		return bson_iter_as_bool(it);
	if (strcmp(name, "$type") == 0)
		return type_has_strings(it);
	if (strcmp(name, "$gt") == 0 || strcmp(name, "$gte") == 0)
		return BSON_ITER_HOLDS_UTF8(it) && bson_iter_utf8(it, NULL)[0] == '\0';
	return false;
}

static bool
all_have_all_names(bson_iter_t *list)
{
	bson_iter_t part;

	if (!BSON_ITER_HOLDS_ARRAY(list) || !bson_iter_recurse(list, &part))
		return false;
	while (bson_iter_next(&part)) {
		bson_iter_t inner;

		if (!BSON_ITER_HOLDS_DOCUMENT(&part) ||
		    !bson_iter_recurse(&part, &inner) || !filter_has_all_names(&inner))
			return false;
	}
	return true;
}

/* Is every condition of the filter true of every string? */
static bool
filter_has_all_names(bson_iter_t *filter)
{
	while (bson_iter_next(filter)) {
		bson_iter_t operators;

		if (strcmp(bson_iter_key(filter), "$and") == 0) {
			if (!all_have_all_names(filter))
				return false;
			continue;
		}
		if (strcmp(bson_iter_key(filter), PL_USER_F_USERNAME) != 0 ||
		    !BSON_ITER_HOLDS_DOCUMENT(filter) ||
		    !bson_iter_recurse(filter, &operators))
			return false;
		while (bson_iter_next(&operators))
			if (!operator_has_all_names(&operators))
				return false;
	}
	return true;
}

/* The field of {field: 1} or {field: -1}; NULL if it is something else. */
static const char *
only_field(const bson_t *index)
{
	bson_iter_t it;
	const char *field;
	bson_t key;

	if (!get_part(index, F_KEY, &key) || !bson_iter_init(&it, &key) ||
	    !bson_iter_next(&it) || !BSON_ITER_HOLDS_NUMBER(&it))
		return NULL;
	field = bson_iter_key(&it); /* inside the index's own bytes */
	return bson_iter_next(&it) ? NULL : field;
}

bool
pl_index_keeps_usernames_apart(const bson_t *index)
{
	const char *field = only_field(index);
	bson_iter_t it;
	bson_t filter;

	if (field == NULL || strcmp(field, PL_USER_F_USERNAME) != 0 ||
	    !is_set(index, "unique"))
		return false;
	return !get_part(index, F_FILTER, &filter) ||
	       (bson_iter_init(&it, &filter) && filter_has_all_names(&it));
}

const char *
pl_index_field_wanted(const bson_t *index)
{
	static const char *const ours[] = {PL_USER_F_ID, PL_USER_F_FULL_NAME,
	    PL_USER_F_USERNAME, PL_USER_F_PASSWORD, PL_USER_F_GENDER,
	    PL_USER_F_PROFILE_PIC, PL_USER_F_STATUS, PL_USER_F_CREATED_AT,
	    PL_USER_F_UPDATED_AT};
	const char *field = only_field(index);

	if (field == NULL || !is_set(index, "unique") || is_set(index, "sparse") ||
	    bson_has_field(index, F_FILTER))
		return NULL;
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		if (strcmp(field, ours[i]) == 0)
			return NULL;
	return field;
}
