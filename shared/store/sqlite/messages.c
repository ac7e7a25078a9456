#include "base/mem.h"
#include "store/sqlite/query.h"

#define SELECT_MESSAGE "SELECT " PL_SQLITE_MESSAGE_COLUMNS " FROM messages AS m "

static const char to_anybody[] =
    SELECT_MESSAGE "WHERE (m.created, m.id) > (?, ?) ORDER BY m.created, m.id LIMIT ?";
/* The same if rows lie in the order: from a row on, which is searched by halves. */
static const char from_row[] = SELECT_MESSAGE "WHERE m.seq > ? ORDER BY m.seq LIMIT ?";
static const char last_row[] = "SELECT seq FROM messages ORDER BY seq DESC LIMIT 1";
static const char row_up_to[] = "SELECT seq, created, id FROM messages WHERE seq <= ? "
				"ORDER BY seq DESC LIMIT 1";
static const char row_of_id[] = "SELECT seq, created FROM messages WHERE id = ?";
static const char by_id[] = SELECT_MESSAGE "WHERE m.id = ?";
static const char by_row[] = SELECT_MESSAGE "WHERE m.seq = ?";
static const char newest[] =
    "SELECT created, id FROM messages ORDER BY created DESC, id DESC LIMIT 1";
static const char newest_row[] =
    "SELECT created, id FROM messages ORDER BY seq DESC LIMIT 1";
static const char pos_of[] =
    "SELECT created FROM messages WHERE id = ?1 AND "
    "((sender = ?2 AND receiver = ?3) OR (sender = ?3 AND receiver = ?2))";
static const char insert[] =
    "INSERT INTO messages (id, sender, receiver, text, created, edited, deleted, "
    "changed, reply_kind, in_reply_to) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
    "ON CONFLICT DO NOTHING";

/* ---- reads ---- */

void
pl_sqlite_message_read(struct pl_query *q, int first, struct pl_message *out)
{
	struct pl_str text = pl_query_get_text(q, first + 3);

	*out = (struct pl_message){
	    .text = pl_mem_strndup(text.ptr ? text.ptr : "", text.len),
	    .text_len = text.len,
	    .created_unix_ms = pl_query_get_int(q, first + 4),
	    .updated_unix_ms = pl_query_get_int(q, first + 4),
	    .edited_unix_ms = pl_query_get_int(q, first + 7),
	    .deleted_unix_ms = pl_query_get_int(q, first + 8),
	};
	if (pl_message_changed(out) != 0)
		out->updated_unix_ms = pl_message_changed(out);
	pl_query_get_oid(q, first, &out->id);
	pl_query_get_oid(q, first + 1, &out->sender);
	pl_query_get_oid(q, first + 2, &out->receiver);
	if (pl_query_is_null(q, first + 5))
		return;
	if (!pl_reply_kind_parse(pl_query_get_text(q, first + 5), &out->reply_kind))
		pl_query_spoil(q);
	pl_query_get_oid(q, first + 6, &out->in_reply_to);
}

/* All messages that q gives; ends it. */
static enum pl_err
read_list(struct pl_query *q, struct pl_message_list *out)
{
	struct pl_message_list list = {0};
	enum pl_err err;

	while (pl_query_row(q)) {
		list.items = pl_store_grow(list.items, list.count, sizeof(*list.items));
		pl_sqlite_message_read(q, 0, &list.items[list.count++]);
	}
	err = pl_query_end(q);
	if (err == PL_OK)
		*out = list;
	else
		pl_message_list_fini(&list);
	return err;
}

/* Before every message that can be. */
static const struct pl_message_pos before_all = {.created_unix_ms = INT64_MIN};

static enum pl_err
find_last_row(struct pl_sqlite *s, int64_t *out)
{
	struct pl_query q = pl_query_start(s, last_row);

	*out = 0;
	if (pl_query_row(&q))
		*out = pl_query_get_int(&q, 0);
	return pl_query_end(&q);
}

/* The last row up to seq, 0 if there is none; does its place come after pos? */
static enum pl_err
look_at_row(struct pl_sqlite *s, int64_t seq, const struct pl_message_pos *pos,
    int64_t *row, bool *is_after)
{
	struct pl_query q = pl_query_start(s, row_up_to);
	struct pl_message_pos there = {0};

	*row = 0;
	*is_after = false;
	pl_query_int(&q, seq);
	if (pl_query_row(&q)) {
		*row = pl_query_get_int(&q, 0);
		there.created_unix_ms = pl_query_get_int(&q, 1);
		pl_query_get_oid(&q, 2, &there.id);
		*is_after = pl_message_pos_compare(&there, pos) > 0;
	}
	return pl_query_end(&q);
}

/* *row: of the message at pos, 0 if none is there. */
static enum pl_err
find_row(struct pl_sqlite *s, const struct pl_message_pos *pos, int64_t *row)
{
	struct pl_query q = pl_query_start(s, row_of_id);

	*row = 0;
	pl_query_oid(&q, &pos->id);
	if (pl_query_row(&q) && pl_query_get_int(&q, 1) == pos->created_unix_ms)
		*row = pl_query_get_int(&q, 0);
	return pl_query_end(&q);
}

static enum pl_err
search_row(struct pl_sqlite *s, const struct pl_message_pos *pos, int64_t *out)
{
	int64_t low = 0, high = 0; /* up to low: not after; beyond high: after */
	enum pl_err err = find_last_row(s, &high);

	while (err == PL_OK && low < high) {
		int64_t middle = low + (high - low + 1) / 2, row;
		bool is_after;

		err = look_at_row(s, middle, pos, &row, &is_after);
		if (is_after)
			high = row - 1;
		else
			low = middle;
	}
	*out = low;
	return err;
}

enum pl_err
pl_sqlite_row_at(struct pl_sqlite *s, const struct pl_message_pos *pos, int64_t *out)
{
	enum pl_err err = find_row(s, pos, out);

	return err == PL_OK && *out == 0 ? search_row(s, pos, out) : err;
}

static enum pl_err
read_from_row(struct pl_sqlite *s, const struct pl_message_pos *pos, size_t limit,
    struct pl_message_list *out)
{
	int64_t row;
	enum pl_err err = pl_sqlite_row_at(s, pos, &row);
	struct pl_query q;

	if (err != PL_OK)
		return err;
	q = pl_query_start(s, from_row);
	pl_query_int(&q, row);
	pl_query_int(&q, (int64_t)limit);
	return read_list(&q, out);
}

static enum pl_err
read_by_rows(struct pl_sqlite *s, const struct pl_message_pos *pos, size_t limit,
    struct pl_message_list *out)
{
	struct pl_message_list list = {0};
	enum pl_err err = pl_sqlite_moment_begin(s);

	if (err != PL_OK)
		return err;
	err = pl_sqlite_moment_end(s, read_from_row(s, pos, limit, &list));
	if (err == PL_OK)
		*out = list;
	else
		pl_message_list_fini(&list);
	return err;
}

static enum pl_err
read_to_anybody(struct pl_sqlite *s, const struct pl_message_pos *pos, size_t limit,
    struct pl_message_list *out)
{
	struct pl_query q;

	if (!s->has_order_index)
		return read_by_rows(s, pos, limit, out);
	q = pl_query_start(s, to_anybody);
	pl_query_int(&q, pos->created_unix_ms);
	pl_query_oid(&q, &pos->id);
	pl_query_int(&q, (int64_t)limit);
	return read_list(&q, out);
}

static enum pl_err
read_to_receiver(struct pl_store *s, const struct pl_oid *receiver,
    const struct pl_message_pos *pos, size_t limit, struct pl_message_list *out)
{
	struct pl_pos_list places;
	struct pl_oid *ids;
	enum pl_err err = pl_sqlite_positions_to(s, receiver, pos, limit, &places);

	if (err != PL_OK)
		return err;
	ids = pl_mem_alloc((places.count + 1) * sizeof(*ids));
	for (size_t i = 0; i < places.count; i++)
		ids[i] = places.items[i].id;
	err = pl_sqlite_messages_of(s, ids, places.count, SIZE_MAX, out);
	pl_mem_free(ids);
	pl_pos_list_fini(&places);
	return err;
}

enum pl_err
pl_sqlite_messages_to(struct pl_store *s, const struct pl_oid *receiver,
    const struct pl_message_pos *pos, size_t limit, struct pl_message_list *out)
{
	if (pos == NULL)
		pos = &before_all;
	return receiver != NULL ? read_to_receiver(s, receiver, pos, limit, out)
				: read_to_anybody(pl_sqlite_of(s), pos, limit, out);
}

enum pl_err
pl_sqlite_messages_of(struct pl_store *s, const struct pl_oid *ids, size_t count,
    size_t text_bytes_max, struct pl_message_list *out)
{
	struct pl_message_list list = {
	    .items = pl_mem_alloc((count + 1) * sizeof(*list.items))};
	enum pl_err err = PL_OK;
	size_t bytes = 0;

	for (size_t i = 0; i < count && err == PL_OK; i++) {
		struct pl_message *m = &list.items[list.count];

		err = pl_sqlite_message_by_id(pl_sqlite_of(s), &ids[i], m);
		if (err == PL_OK) {
			list.count++;
			bytes += m->text_len;
		}
		if (err == PL_E_NOT_FOUND)
			err = PL_OK;
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
pl_sqlite_message_pos(struct pl_store *s, const struct pl_oid *a, const struct pl_oid *b,
    const struct pl_oid *message, struct pl_message_pos *out)
{
	struct pl_query q = pl_query_start(pl_sqlite_of(s), pos_of);
	struct pl_message_pos pos = {.id = *message};
	enum pl_err err = PL_E_NOT_FOUND;
	bool is_found;

	pl_query_oid(&q, message);
	pl_query_oid(&q, a);
	pl_query_oid(&q, b);
	is_found = pl_query_row(&q);
	if (is_found)
		pos.created_unix_ms = pl_query_get_int(&q, 0);
	err = pl_query_end(&q);
	if (err == PL_OK && !is_found)
		err = PL_E_NOT_FOUND;
	if (err == PL_OK)
		*out = pos;
	return err;
}

/* The message that q finds. */
static enum pl_err
read_one(struct pl_query *q, struct pl_message *out)
{
	struct pl_message_list list = {0};
	enum pl_err err = read_list(q, &list);

	if (err == PL_OK && list.count == 0)
		err = PL_E_NOT_FOUND;
	if (err == PL_OK) {
		*out = list.items[0];
		list.count = 0;
	}
	pl_message_list_fini(&list);
	return err;
}

enum pl_err
pl_sqlite_message_by_id(
    struct pl_sqlite *s, const struct pl_oid *id, struct pl_message *out)
{
	struct pl_query q = pl_query_start(s, by_id);

	pl_query_oid(&q, id);
	return read_one(&q, out);
}

enum pl_err
pl_sqlite_message_by_row(struct pl_sqlite *s, int64_t row, struct pl_message *out)
{
	struct pl_query q = pl_query_start(s, by_row);

	pl_query_int(&q, row);
	return read_one(&q, out);
}

/* ---- the order ---- */

static enum pl_err
read_newest(struct pl_sqlite *s)
{
	struct pl_query q = pl_query_start(s, s->has_order_index ? newest : newest_row);
	struct pl_message_pos pos = before_all;
	enum pl_err err;

	if (pl_query_row(&q)) {
		pos.created_unix_ms = pl_query_get_int(&q, 0);
		pl_query_get_oid(&q, 1, &pos.id);
	}
	err = pl_query_end(&q);
	if (err == PL_OK) {
		s->newest = pos;
		s->newest_is_known = true;
	}
	return err;
}

enum pl_err
pl_sqlite_newest(struct pl_sqlite *s, struct pl_message_pos *out)
{
	enum pl_err err = s->newest_is_known ? PL_OK : read_newest(s);

	if (err == PL_OK)
		*out = s->newest;
	return err;
}

/*
 * The place of the next message: after every one that is there. We hold the write lock,
 * so that the order of places is the order of commits, whatever ids other processes draw
 * and however the wall clock steps: if it went back, time goes on from the newest
 * message, a millisecond later if the id alone would not put the new one last.
 */
static enum pl_err
next_pos(struct pl_sqlite *s, struct pl_message_pos *out)
{
	struct pl_message_pos pos = {.created_unix_ms = s->now_unix_ms}, last;
	enum pl_err err = pl_sqlite_newest(s, &last);

	if (err != PL_OK)
		return err;
	pl_oid_new(&pos.id);
	if (pos.created_unix_ms < last.created_unix_ms)
		pos.created_unix_ms = last.created_unix_ms;
	if (pos.created_unix_ms == last.created_unix_ms &&
	    pl_oid_compare(&pos.id, &last.id) <= 0)
		pos.created_unix_ms++;
	*out = pos;
	return PL_OK;
}

/* ---- writes ---- */

/* NULL for 0. */
static void
bind_time(struct pl_query *q, int64_t unix_ms)
{
	if (unix_ms != 0)
		pl_query_int(q, unix_ms);
	else
		pl_query_null(q);
}

static enum pl_err
insert_at(
    struct pl_sqlite *s, const struct pl_message *m, const struct pl_message_pos *pos)
{
	const char *kind = pl_reply_kind_name(m->reply_kind);
	struct pl_query q = pl_query_start(s, insert);
	int changed = 0;
	enum pl_err err;

	pl_query_oid(&q, &pos->id);
	pl_query_oid(&q, &m->sender);
	pl_query_oid(&q, &m->receiver);
	pl_query_text(&q, pl_str_n(m->text, m->text_len));
	pl_query_int(&q, pos->created_unix_ms);
	bind_time(&q, m->edited_unix_ms);
	bind_time(&q, m->deleted_unix_ms);
	bind_time(&q, pl_message_changed(m));
	if (kind != NULL) {
		pl_query_text(&q, pl_str(kind));
		pl_query_oid(&q, &m->in_reply_to);
	} else {
		pl_query_null(&q);
		pl_query_null(&q);
	}
	err = pl_query_run(&q, &changed);
	if (err == PL_OK && changed == 0)
		err = PL_E_CONFLICT;
	return err == PL_OK ? pl_sqlite_pair(s, &m->sender, &m->receiver) : err;
}

enum pl_err
pl_sqlite_message_put(struct pl_sqlite *s, const struct pl_message *m)
{
	struct pl_message_pos pos = {m->created_unix_ms, m->id}, last;
	enum pl_err err = pl_sqlite_newest(s, &last);

	if (err == PL_OK)
		err = insert_at(s, m, &pos);
	if (err != PL_OK)
		return err;
	if (pl_message_pos_compare(&pos, &last) < 0)
		return pl_sqlite_order_index(s);
	s->newest = pos;
	return PL_OK;
}

enum pl_err
pl_sqlite_message_insert(struct pl_sqlite *s, struct pl_message *m)
{
	struct pl_message_pos pos;
	enum pl_err err = next_pos(s, &pos);

	if (err == PL_OK)
		err = insert_at(s, m, &pos);
	if (err != PL_OK)
		return err;
	s->newest = pos;
	m->id = pos.id;
	m->created_unix_ms = m->updated_unix_ms = pos.created_unix_ms;
	return PL_OK;
}

static enum pl_err
store_new(struct pl_sqlite *s, struct pl_write_send *send)
{
	struct pl_message *m = &send->message;
	enum pl_err err = pl_sqlite_message_insert(s, m);

	if (err ==
	    PL_E_CONFLICT) /* the id is taken: a fault of the disk, or of the generator */
		err = PL_E_IO;
	if (err == PL_OK && send->idem_key.len > 0)
		err = pl_sqlite_idem_keep(s, send->idem_key, m);
	if (err == PL_OK && send->status == PL_STATUS_BUSY) {
		err = pl_sqlite_reply_job_add(
		    s, &m->id, s->now_unix_ms + send->reply_within_ms, &send->trace);
		send->busy = true;
	}
	return err;
}

enum pl_err
pl_sqlite_send(struct pl_sqlite *s, struct pl_write_send *send)
{
	struct pl_message first;
	struct pl_first_text kept;
	bool is_blocked = false;
	enum pl_err err = pl_sqlite_receiver_of_send(s, &send->message.sender,
	    &send->message.receiver, &send->status, &is_blocked);

	if (err != PL_OK)
		return err;
	if (send->idem_key.len > 0) {
		err = pl_sqlite_idem_find(
		    s, &send->message.sender, send->idem_key, &first, &kept);
		if (err == PL_OK) {
			err = pl_store_replay(send, &first, &kept);
			pl_message_fini(&first);
			return err;
		}
		if (err != PL_E_NOT_FOUND)
			return err;
	}
	if (send->only_replay)
		return PL_OK;
	return is_blocked ? PL_E_DENIED : store_new(s, send);
}
