#include <stdlib.h>

#include "store/mongo/ranges.h"

/* ---- what a range is ---- */

static void
put_direction(bson_t *filter, const struct pl_oid *from, const struct pl_oid *to)
{
	pl_mongo_put_oid(filter, PL_MESSAGE_F_SENDER, from);
	pl_mongo_put_oid(filter, PL_MESSAGE_F_RECEIVER, to);
	pl_mongo_put_readable(filter);
}

/* A bound that is a Date finds Dates only. */
static void
put_all(bson_t *filter, const struct pl_oid *from, const struct pl_oid *to)
{
	put_direction(filter, from, to);
	pl_mongo_put_bound(filter, PL_MESSAGE_F_CREATED_AT, "$lte", INT64_MAX);
}

/* {$and: [{$nor: [{createdAt, _id: {$lte: id}}]}]}: not those of the mark's own
 * millisecond that come up to it. An $or, as pages have it, would offer the server ways
 * by other indexes, and here it cannot be told which to take. */
static void
put_beyond(bson_t *filter, const struct pl_message_pos *mark)
{
	bson_t all, item, none, part, bound;

	bson_append_array_begin(filter, "$and", -1, &all);
	bson_append_document_begin(&all, "0", -1, &item);
	bson_append_array_begin(&item, "$nor", -1, &none);
	bson_append_document_begin(&none, "0", -1, &part);
	pl_mongo_put_time(&part, PL_MESSAGE_F_CREATED_AT, mark->created_unix_ms);
	bson_append_document_begin(&part, PL_MESSAGE_F_ID, -1, &bound);
	pl_mongo_put_oid(&bound, "$lte", &mark->id);
	bson_append_document_end(&part, &bound);
	bson_append_document_end(&none, &part);
	bson_append_array_end(&item, &none);
	bson_append_document_end(&all, &item);
	bson_append_array_end(filter, &all);
}

static void
put_unread(bson_t *filter, const struct pl_record_marks *marks)
{
	bool is_read = marks->read.created_unix_ms != 0;

	put_direction(filter, &marks->other, &marks->user);
	bson_append_null(filter, PL_MESSAGE_F_DELETED_AT, -1); /* not there, too */
	pl_mongo_put_bound(filter, PL_MESSAGE_F_CREATED_AT, "$gte",
	    is_read ? marks->read.created_unix_ms : INT64_MIN);
	if (is_read)
		put_beyond(filter, &marks->read);
}

/* ---- a command of many ranges ---- */

/* A pipeline, stage by stage; *stages counts them. */
static void
begin_stage(bson_t *pipeline, uint32_t *stages, bson_t *stage)
{
	const char *at;
	char text[16];

	bson_uint32_to_string((*stages)++, &at, text, sizeof(text));
	bson_append_document_begin(pipeline, at, -1, stage);
}

static void
put_limit(bson_t *pipeline, uint32_t *stages, int32_t limit)
{
	bson_t stage;

	begin_stage(pipeline, stages, &stage);
	pl_mongo_put_int(&stage, "$limit", limit);
	bson_append_document_end(pipeline, &stage);
}

/* {name: {first: value, second: value}}; second may be NULL. */
static void
put_ints(bson_t *pipeline, uint32_t *stages, const char *name, int32_t value,
    const char *first, const char *second)
{
	bson_t stage, part;

	begin_stage(pipeline, stages, &stage);
	bson_append_document_begin(&stage, name, -1, &part);
	pl_mongo_put_int(&part, first, value);
	if (second != NULL)
		pl_mongo_put_int(&part, second, value);
	bson_append_document_end(&stage, &part);
	bson_append_document_end(pipeline, &stage);
}

/* What is read of the messages of a range. */
enum reading {
	READ_LAST,  /* [{_id, createdAt}] of the last message, or [] */
	READ_COUNT, /* [{_id} ...] of up to PL_UNREAD_MAX of them */
};

static void
put_reading(bson_t *pipeline, enum reading reading)
{
	uint32_t stages = 1; /* after $match */

	if (reading == READ_LAST)
		put_ints(pipeline, &stages, "$sort", -1, PL_MESSAGE_F_CREATED_AT,
		    PL_MESSAGE_F_ID);
	put_limit(pipeline, &stages, reading == READ_LAST ? 1 : PL_UNREAD_MAX);
	put_ints(pipeline, &stages, "$project", 1, PL_MESSAGE_F_ID,
	    reading == READ_LAST ? PL_MESSAGE_F_CREATED_AT : NULL);
}

/* The ranges of one command. */
struct ranges {
	bson_t pipeline;
	uint32_t stages;
	uint32_t count;
};

/* base: the pair whose document it begins with. */
static void
ranges_init(struct ranges *r, const struct pl_pair *base)
{
	bson_t stage, match;

	*r = (struct ranges){0};
	bson_init(&r->pipeline);
	begin_stage(&r->pipeline, &r->stages, &stage);
	bson_append_document_begin(&stage, "$match", -1, &match);
	pl_pair_put(&match, PL_MESSAGE_F_ID, base);
	bson_append_document_end(&stage, &match);
	bson_append_document_end(&r->pipeline, &stage);
	put_ints(&r->pipeline, &r->stages, "$project", 1, PL_MESSAGE_F_ID, NULL);
}

/* Add the range of the messages that match. */
static void
add_range(struct ranges *r, const bson_t *match, enum reading reading)
{
	bson_t stage, lookup, empty = BSON_INITIALIZER, list, first;
	char as[16];

	(void)snprintf(as, sizeof(as), "r%u", (unsigned)r->count++);
	begin_stage(&r->pipeline, &r->stages, &stage);
	bson_append_document_begin(&stage, "$lookup", -1, &lookup);
	pl_mongo_put_str(&lookup, "from", PL_STR(PL_MONGO_MESSAGES));
	bson_append_document(&lookup, "let", -1, &empty);
	bson_append_array_begin(&lookup, "pipeline", -1, &list);
	bson_append_document_begin(&list, "0", -1, &first);
	bson_append_document(&first, "$match", -1, match);
	bson_append_document_end(&list, &first);
	put_reading(&list, reading);
	bson_append_array_end(&lookup, &list);
	pl_mongo_put_str(&lookup, "as", pl_str(as));
	bson_append_document_end(&stage, &lookup);
	bson_append_document_end(&r->pipeline, &stage);
	bson_destroy(&empty);
}

typedef void on_row(void *arg, size_t range, const bson_t *row);

static void
read_range(bson_iter_t *it, on_row *call, void *arg)
{
	size_t range = strtoul(bson_iter_key(it) + 1, NULL, 10);
	bson_iter_t rows;

	if (!bson_iter_recurse(it, &rows))
		return;
	while (bson_iter_next(&rows)) {
		const uint8_t *data;
		uint32_t len;
		bson_t row;

		if (!BSON_ITER_HOLDS_DOCUMENT(&rows))
			continue;
		bson_iter_document(&rows, &len, &data);
		if (bson_init_static(&row, data, len))
			call(arg, range, &row);
	}
}

/* Each document of each range is given to call. Ends r. *is_there: its base is. */
static enum pl_err
ranges_run(struct ranges *r, struct pl_mongo *s, on_row *call, void *arg, bool *is_there)
{
	bson_t opts = BSON_INITIALIZER;
	mongoc_cursor_t *cursor;
	const bson_t *doc;
	bson_iter_t it;
	enum pl_err err = PL_E_UNAVAILABLE;

	pl_mongo_put_int(&opts, "maxTimeMS", PL_MONGO_SERVER_MS);
	if (pl_mongo_has_time(s)) {
		cursor = mongoc_collection_aggregate(
		    s->correspondents, MONGOC_QUERY_NONE, &r->pipeline, &opts, NULL);
		*is_there = mongoc_cursor_next(cursor, &doc);
		if (*is_there && bson_iter_init(&it, doc))
			while (bson_iter_next(&it))
				if (BSON_ITER_HOLDS_ARRAY(&it))
					read_range(&it, call, arg);
		err = pl_mongo_cursor_end(s, cursor, PL_OK, "aggregate");
	}
	bson_destroy(&opts);
	bson_destroy(&r->pipeline);
	return err;
}

/* ---- last messages ---- */

/* Two ranges each, one next to the other. */
static void
take_last(void *arg, size_t range, const bson_t *row)
{
	struct pl_message_pos *last = (struct pl_message_pos *)arg + range / 2, pos;

	if (pl_mongo_get_oid(row, PL_MESSAGE_F_ID, &pos.id) &&
	    pl_mongo_get_time(row, PL_MESSAGE_F_CREATED_AT, &pos.created_unix_ms) &&
	    pl_message_pos_compare(&pos, last) > 0)
		*last = pos;
}

static void
add_direction(struct ranges *r, const struct pl_oid *from, const struct pl_oid *to)
{
	bson_t match = BSON_INITIALIZER;

	put_all(&match, from, to);
	add_range(r, &match, READ_LAST);
	bson_destroy(&match);
}

/* By the pair of user and base. */
static enum pl_err
read_lasts(struct pl_mongo *s, const struct pl_oid *user, const struct pl_oid *base,
    const struct pl_oid *others, size_t count, struct pl_message_pos *lasts,
    bool *is_there)
{
	struct ranges r;

	ranges_init(&r, &(struct pl_pair){*user, *base});
	for (size_t i = 0; i < count; i++) {
		lasts[i] = (struct pl_message_pos){.created_unix_ms = INT64_MIN};
		add_direction(&r, user, &others[i]);
		add_direction(&r, &others[i], user);
	}
	return ranges_run(&r, s, take_last, lasts, is_there);
}

static size_t
least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* An erasure may have taken a pair away since it was found: then the next one is the
 * base. */
enum pl_err
pl_ranges_last(struct pl_mongo *s, const struct pl_oid *user, const struct pl_oid *others,
    size_t count, struct pl_message_pos *lasts)
{
	enum pl_err err = PL_OK;

	for (size_t from = 0; err == PL_OK && from < count; from += PL_RANGES_MAX / 2) {
		size_t part = least(count - from, PL_RANGES_MAX / 2);
		bool is_there = false;

		for (size_t i = 0; err == PL_OK && !is_there && i < part; i++)
			err = read_lasts(s, user, &others[from + i], others + from, part,
			    lasts + from, &is_there);
	}
	return err;
}

/* ---- unread ---- */

static void
count_row(void *arg, size_t range, const bson_t *row)
{
	(void)row;
	((unsigned *)arg)[range]++;
}

static bool
is_to_oneself(const struct pl_record_marks *marks)
{
	return pl_oid_eq(&marks->user, &marks->other);
}

static enum pl_err
read_unread(struct pl_mongo *s, const struct pl_record_marks *base,
    const struct pl_record_marks *marks, size_t count, unsigned *unread, bool *is_there)
{
	struct ranges r;

	ranges_init(&r, &(struct pl_pair){base->user, base->other});
	for (size_t i = 0; i < count; i++) {
		bson_t match = BSON_INITIALIZER;

		unread[i] = 0;
		put_unread(&match, &marks[i]);
		add_range(&r, &match, READ_COUNT);
		bson_destroy(&match);
	}
	return ranges_run(&r, s, count_row, unread, is_there);
}

enum pl_err
pl_ranges_unread(struct pl_mongo *s, const struct pl_record_marks *marks, size_t count,
    unsigned *unread)
{
	enum pl_err err = PL_OK;

	for (size_t from = 0; err == PL_OK && from < count; from += PL_RANGES_MAX) {
		size_t part = least(count - from, PL_RANGES_MAX);
		bool is_there = false;

		for (size_t i = 0; err == PL_OK && !is_there && i < part; i++)
			err = read_unread(s, &marks[from + i], marks + from, part,
			    unread + from, &is_there);
	}
	for (size_t i = 0; i < count; i++)
		if (is_to_oneself(&marks[i]))
			unread[i] = 0;
	return err;
}

enum pl_err
pl_range_unread(struct pl_mongo *s, const struct pl_record_marks *marks, unsigned *unread)
{
	static const char *const by_pair[] = {PL_MESSAGE_F_SENDER, PL_MESSAGE_F_RECEIVER,
	    PL_MESSAGE_F_CREATED_AT, PL_MESSAGE_F_ID, NULL};
	static const char *const nothing_more[] = {PL_MESSAGE_F_ID, NULL};
	const bson_t *doc;
	struct pl_find f;

	*unread = 0;
	if (is_to_oneself(marks))
		return PL_OK;
	pl_find_start(&f, s, s->messages);
	put_unread(&f.filter, marks);
	pl_find_by_index(&f, by_pair, 2, 1);
	pl_find_only(&f, nothing_more);
	pl_find_limit(&f, PL_UNREAD_MAX);
	while (pl_find_row(&f, &doc))
		++*unread;
	return pl_find_end(&f);
}
