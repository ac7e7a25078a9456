#include <stdatomic.h>

#include "base/log.h"
#include "base/mem.h"
#include "loop/thread.h"
#include "store/mongo/adopt.h"
#include "store/mongo/index_there.h"

/*
 * At the start, one warning about documents that cannot be served. It is a look and no
 * audit: three finds, each within the time of one command and up to a thousand documents.
 * Two use our indexes, for types that no message of ours has; only the one for texts
 * reads documents, and may find nothing in time if there are very many. `make adopt`
 * reads them all.
 */
#define LOOKED_AT_MAX 1000

struct survey {
	struct pl_mongo *s;
	struct pl_adopt_tally tallies[PL_ADOPT_COLLECTIONS];
	bool is_more; /* than we counted */
};

/* Types other than arrays, for which the server would have to read every key; null counts
 * as missing. */
static const int32_t no_ids[] = {BSON_TYPE_DOUBLE, BSON_TYPE_UTF8, BSON_TYPE_DOCUMENT,
    BSON_TYPE_BINARY, BSON_TYPE_BOOL, BSON_TYPE_DATE_TIME, BSON_TYPE_INT32,
    BSON_TYPE_TIMESTAMP, BSON_TYPE_INT64, BSON_TYPE_DECIMAL128};
static const int32_t no_dates[] = {BSON_TYPE_DOUBLE, BSON_TYPE_UTF8, BSON_TYPE_DOCUMENT,
    BSON_TYPE_BINARY, BSON_TYPE_OID, BSON_TYPE_BOOL, BSON_TYPE_INT32, BSON_TYPE_TIMESTAMP,
    BSON_TYPE_INT64, BSON_TYPE_DECIMAL128};
#define COUNT(types) (sizeof(types) / sizeof((types)[0]))

/* ---- filters ---- */

static void
put_types(bson_t *alternatives, uint32_t *count, const char *field, const int32_t *types,
    size_t type_count)
{
	bson_t either, is, list;
	const char *at;
	char text[16];

	bson_uint32_to_string((*count)++, &at, text, sizeof(text));
	bson_append_document_begin(alternatives, at, -1, &either);
	bson_append_document_begin(&either, field, -1, &is);
	bson_append_array_begin(&is, "$type", -1, &list);
	for (uint32_t i = 0; i < type_count; i++) {
		bson_uint32_to_string(i, &at, text, sizeof(text));
		pl_mongo_put_int(&list, at, types[i]);
	}
	bson_append_array_end(&is, &list);
	bson_append_document_end(&either, &is);
	bson_append_document_end(alternatives, &either);
}

static void
put_none(bson_t *alternatives, uint32_t *count, const char *field)
{
	bson_t either;
	const char *at;
	char text[16];

	bson_uint32_to_string((*count)++, &at, text, sizeof(text));
	bson_append_document_begin(alternatives, at, -1, &either);
	bson_append_null(&either, field, -1);
	bson_append_document_end(alternatives, &either);
}

/* Messages by the fields that order and find them. */
static void
put_key_filter(bson_t *filter)
{
	bson_t list;
	uint32_t count = 0;

	bson_append_array_begin(filter, "$or", -1, &list);
	put_types(&list, &count, PL_MESSAGE_F_ID, no_ids, COUNT(no_ids));
	put_types(&list, &count, PL_MESSAGE_F_SENDER, no_ids, COUNT(no_ids));
	put_none(&list, &count, PL_MESSAGE_F_SENDER);
	put_types(&list, &count, PL_MESSAGE_F_RECEIVER, no_ids, COUNT(no_ids));
	put_none(&list, &count, PL_MESSAGE_F_RECEIVER);
	put_types(&list, &count, PL_MESSAGE_F_CREATED_AT, no_dates, COUNT(no_dates));
	put_none(&list, &count, PL_MESSAGE_F_CREATED_AT);
	bson_append_array_end(filter, &list);
}

/* {field: {$not: {$type: type}}} */
static void
put_not(bson_t *filter, const char *field, int32_t type)
{
	bson_t is, not ;

	bson_append_document_begin(filter, field, -1, &is);
	bson_append_document_begin(&is, "$not", -1, &not );
	pl_mongo_put_int(&not, "$type", type);
	bson_append_document_end(&is, &not );
	bson_append_document_end(filter, &is);
}

/* ---- looking ---- */

/* A message that the find by keys has seen is not counted again by the find by texts. */
static bool
is_counted(const struct pl_diagnosis *s)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->faults[i].field != PL_ADOPT_TEXT &&
		    s->faults[i].field != PL_ADOPT_UPDATED)
			return true;
	return false;
}

static void
note(struct survey *v, enum pl_adopt_of of, const bson_t *doc, bool is_second)
{
	struct pl_diagnosis s;

	if (!pl_diagnosis_make(doc, of, &s))
		return;
	if (!s.is_served && !(is_second && is_counted(&s))) {
		v->tallies[of].documents++;
		for (size_t i = 0; i < s.count; i++)
			v->tallies[of].by_kind[s.faults[i].field][s.faults[i].fault]++;
	}
	pl_diagnosis_fini(&s);
}

/* What does not come in time is not counted; nobody waits for it. */
static void
look(struct survey *v, enum pl_adopt_of of, const bson_t *filter, bool is_second)
{
	mongoc_collection_t *in = of == PL_ADOPT_USERS ? v->s->users : v->s->messages;
	bson_t opts = BSON_INITIALIZER;
	mongoc_cursor_t *cursor;
	const bson_t *doc;
	int count = 0;

	bson_append_int64(&opts, "limit", -1, LOOKED_AT_MAX);
	pl_mongo_put_int(&opts, "maxTimeMS", PL_MONGO_SERVER_MS);
	cursor = mongoc_collection_find_with_opts(in, filter, &opts, NULL);
	while (mongoc_cursor_next(cursor, &doc)) {
		note(v, of, doc, is_second);
		v->is_more = v->is_more || ++count == LOOKED_AT_MAX;
	}
	mongoc_cursor_destroy(cursor);
	bson_destroy(&opts);
}

static void
look_at_all(struct survey *v)
{
	bson_t users = BSON_INITIALIZER, keys = BSON_INITIALIZER,
	       texts = BSON_INITIALIZER;
	uint32_t count = 0;
	bson_t list, either;

	bson_append_array_begin(&users, "$or", -1, &list);
	put_types(&list, &count, PL_USER_F_ID, no_ids, COUNT(no_ids));
	bson_append_document_begin(&list, "1", -1, &either);
	put_not(&either, PL_USER_F_USERNAME, PL_MONGO_T_STRING);
	bson_append_document_end(&list, &either);
	bson_append_array_end(&users, &list);
	put_key_filter(&keys);
	put_not(&texts, PL_MESSAGE_F_TEXT, PL_MONGO_T_STRING);
	look(v, PL_ADOPT_USERS, &users, false);
	look(v, PL_ADOPT_MESSAGES, &keys, false);
	look(v, PL_ADOPT_MESSAGES, &texts, true);
	bson_destroy(&users);
	bson_destroy(&keys);
	bson_destroy(&texts);
}

/* ---- saying it ---- */

/* "messages: createdAt is missing 12, users: ..." */
static void
write_kinds(const struct survey *v, struct pl_buf *out)
{
	for (int at = 0; at < PL_ADOPT_COLLECTIONS * PL_ADOPT_FIELDS * PL_ADOPT_FAULTS;
	     at++) {
		enum pl_adopt_fault fault = at % PL_ADOPT_FAULTS;
		enum pl_adopt_field field = at / PL_ADOPT_FAULTS % PL_ADOPT_FIELDS;
		enum pl_adopt_of of = at / PL_ADOPT_FAULTS / PL_ADOPT_FIELDS;
		int64_t count = v->tallies[of].by_kind[field][fault];

		if (count == 0)
			continue;
		(void)pl_buf_printf(
		    out, "%s%s: ", out->len > 0 ? ", " : "", pl_adopt_collection(of));
		pl_adopt_describe(out, field, fault, false);
		(void)pl_buf_printf(out, " %lld", (long long)count);
	}
}

static void
say(const struct survey *v)
{
	struct pl_buf kinds;

	if (v->tallies[PL_ADOPT_USERS].documents +
		v->tallies[PL_ADOPT_MESSAGES].documents ==
	    0)
		return;
	pl_buf_init(&kinds, PL_BUF_UNLIMITED);
	write_kinds(v, &kinds);
	pl_log_warn("documents were found that cannot be served as they are, the rest is "
		    "served",
	    PL_L_INT("users", v->tallies[PL_ADOPT_USERS].documents),
	    PL_L_INT("messages", v->tallies[PL_ADOPT_MESSAGES].documents),
	    PL_L_CSTR("counted", v->is_more ? "the first of them" : "all"),
	    PL_L_STR("kinds", pl_buf_str(&kinds)),
	    PL_L_CSTR("mend", "make adopt MONGO_DB_URI=..."));
	pl_buf_fini(&kinds);
}

/* Users that we make have no such field, and the server accepts one user without it. */
static void
say_what_ends_sign_ups(struct pl_mongo *s)
{
	struct pl_indexes there;

	if (pl_indexes_read(s, s->users, &there) == PL_OK)
		for (size_t i = 0; i < there.count; i++) {
			const char *field = pl_index_field_wanted(there.items[i]);

			if (field != NULL)
				pl_log_warn(
				    "unique index was found over a field that "
				    "users who sign up here do not have, all but "
				    "the first will be refused until it is sparse",
				    PL_L_CSTR("field", field));
		}
	pl_indexes_fini(&there);
}

/* Users that a broken-off run of adopt left in parley_adopt, and that nobody serves. */
static void
say_who_is_half_way(struct pl_mongo *s)
{
	mongoc_collection_t *in = mongoc_client_get_collection(
	    s->client, pl_mongo_database(s->client), PL_MONGO_HALF_WAY);
	const bson_t *doc;
	struct pl_find f;
	bool is_any;

	pl_find_start(&f, s, in);
	pl_find_limit(&f, 1);
	is_any = pl_find_row(&f, &doc);
	if (pl_find_end(&f) == PL_OK && is_any)
		pl_log_warn("users were found half-way to a new _id, they cannot be "
			    "served until make adopt APPLY=1 is run again");
	mongoc_collection_destroy(in);
}

/* ---- a thread of its own, once a process ---- */

static void *
survey_main(void *arg)
{
	struct survey v = {0};
	struct pl_store *store;
	char *uri = arg;
	struct pl_store_config config = {.mongo_uri = uri};

	if (pl_store_mongo_open(&config, &store) == PL_OK) {
		v.s = pl_mongo_start(store);
		look_at_all(&v);
		say(&v);
		say_what_ends_sign_ups(pl_mongo_start(store));
		say_who_is_half_way(pl_mongo_start(store));
		pl_store_close(store);
	}
	pl_mem_wipe_free(uri, strlen(uri));
	return NULL;
}

void
pl_mongo_survey(const char *uri)
{
	static atomic_flag is_begun = ATOMIC_FLAG_INIT;
	char *copy;

	if (atomic_flag_test_and_set(&is_begun))
		return;
	copy = pl_mem_strdup(uri);
	if (!pl_thread_start_detached("store-survey", survey_main, copy))
		pl_mem_wipe_free(copy, strlen(copy));
}
