/*
 * Marks, read and delivered, move forward only: the update itself looks that the mark
 * there is behind the new one, so that of two processes the one that is further wins,
 * whichever comes first.
 */
#include "store/mongo/blocks.h"
#include "store/mongo/ranges.h"

#define TRIES 3 /* somebody drops the document each time: it is done later */

/* {$or: [{F: none}, {F.at: before}, {F.at: the same, F.id: below}]}, as item `at` of
 * list. */
static void
put_behind(
    bson_t *list, const char *at, const char *field, const struct pl_message_pos *pos)
{
	bson_t item, either, one, bound;
	char time[32], id[32];

	(void)snprintf(time, sizeof(time), "%s." PL_MONGO_F_AT, field);
	(void)snprintf(id, sizeof(id), "%s." PL_MONGO_F_ID, field);
	bson_append_document_begin(list, at, -1, &item);
	bson_append_array_begin(&item, "$or", -1, &either);
	bson_append_document_begin(&either, "0", -1, &one);
	bson_append_document_begin(&one, field, -1, &bound);
	bson_append_bool(&bound, "$exists", -1, false);
	bson_append_document_end(&one, &bound);
	bson_append_document_end(&either, &one);
	bson_append_document_begin(&either, "1", -1, &one);
	pl_mongo_put_bound(&one, time, "$lt", pos->created_unix_ms);
	bson_append_document_end(&either, &one);
	bson_append_document_begin(&either, "2", -1, &one);
	pl_mongo_put_time(&one, time, pos->created_unix_ms);
	bson_append_document_begin(&one, id, -1, &bound);
	pl_mongo_put_oid(&bound, "$lt", &pos->id);
	bson_append_document_end(&one, &bound);
	bson_append_document_end(&either, &one);
	bson_append_array_end(&item, &either);
	bson_append_document_end(list, &item);
}

/* What is read is delivered: a mark for delivered has to be beyond both. */
static void
put_query(
    bson_t *query, const struct pl_write_mark *mark, const struct pl_message_pos *pos)
{
	struct pl_pair pair = {mark->reader, mark->writer};
	bson_t all;

	pl_pair_put(query, PL_MESSAGE_F_ID, &pair);
	bson_append_array_begin(query, "$and", -1, &all);
	put_behind(&all, "0", PL_MONGO_F_READ, pos);
	if (!mark->is_read)
		put_behind(&all, "1", PL_MONGO_F_DELIVERED, pos);
	bson_append_array_end(query, &all);
}

/* {value: the document, or null}. */
static bool
read_moved(const bson_t *reply, struct pl_record_marks *out)
{
	const uint8_t *data;
	bson_iter_t it;
	uint32_t len;
	bson_t doc;

	if (!bson_iter_init_find(&it, reply, "value") || !BSON_ITER_HOLDS_DOCUMENT(&it))
		return false;
	bson_iter_document(&it, &len, &data);
	return bson_init_static(&doc, data, len) && pl_marks_read(&doc, out);
}

/* Move the mark to pos if it is behind; *marks are those after it. */
static enum pl_err
move(struct pl_mongo *s, struct pl_write_mark *mark, const struct pl_message_pos *pos,
    struct pl_record_marks *marks)
{
	mongoc_find_and_modify_opts_t *opts = mongoc_find_and_modify_opts_new();
	bson_t query = BSON_INITIALIZER, update = BSON_INITIALIZER, set, reply;
	bson_error_t error = {0};
	enum pl_err err = PL_OK;

	put_query(&query, mark, pos);
	bson_append_document_begin(&update, "$set", -1, &set);
	pl_mark_put(&set, mark->is_read ? PL_MONGO_F_READ : PL_MONGO_F_DELIVERED, pos);
	bson_append_document_end(&update, &set);
	mongoc_find_and_modify_opts_set_update(opts, &update);
	mongoc_find_and_modify_opts_set_flags(opts, MONGOC_FIND_AND_MODIFY_RETURN_NEW);
	if (!mongoc_collection_find_and_modify_with_opts(
		s->correspondents, &query, opts, &reply, &error))
		err = pl_mongo_err(s, &error, "mark");
	else if (bson_has_field(&reply, "writeConcernError"))
		err = PL_E_UNAVAILABLE; /* a failover might take it back */
	else
		mark->moved = read_moved(&reply, marks);
	bson_destroy(&reply);
	mongoc_find_and_modify_opts_destroy(opts);
	bson_destroy(&query);
	bson_destroy(&update);
	return err;
}

/* Moves it, or finds it at pos or beyond. A document that is not there is made: another
 * program has stored the messages, or it was dropped. */
static enum pl_err
move_or_find(struct pl_mongo *s, struct pl_write_mark *mark,
    const struct pl_message_pos *pos, struct pl_record_marks *marks)
{
	struct pl_pair pair = {mark->reader, mark->writer};
	bool is_there = false;

	for (int i = 0; i < TRIES; i++) {
		enum pl_err err =
		    pl_mongo_has_time(s) ? move(s, mark, pos, marks) : PL_E_UNAVAILABLE;

		if (err != PL_OK || mark->moved)
			return err;
		err = pl_marks_of(s, marks, 1, &is_there);
		if (err != PL_OK || is_there)
			return err;
		pl_pairs_forget(s);
		err = pl_pairs_note(s, &pair, 1, NULL);
		if (err != PL_OK)
			return err;
	}
	return PL_E_UNAVAILABLE;
}

enum pl_err
pl_mongo_mark(struct pl_mongo *s, struct pl_write_mark *mark)
{
	struct pl_record_marks marks = {.user = mark->reader, .other = mark->writer};
	struct pl_pair pair = {mark->reader, mark->writer};
	struct pl_message_pos pos;
	enum pl_err err =
	    pl_mongo_pos_of(s, &mark->reader, &mark->writer, &mark->up_to, &pos);

	mark->moved = false;
	if (err == PL_OK)
		err = move_or_find(s, mark, &pos, &marks);
	if (err == PL_OK)
		err = pl_range_unread(s, &marks, &mark->unread);
	if (err == PL_OK && mark->moved)
		err = pl_blocks_between(s, &pair, 1, &mark->is_blocked);
	if (err == PL_OK)
		mark->pos = mark->is_read ? marks.read : marks.delivered;
	return err;
}
