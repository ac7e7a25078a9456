#include "export.h"

#include "base/map.h"
#include "base/mem.h"
#include "http/long_read.h"
#include "http/reply.h"
#include "limits/shared_limit.h"
#include "store/store_records.h"

#define PERIOD_MS  3600000
#define RETRY_MS   1000
#define AT_ONCE    64 /* messages that are read at once, fewer if they are long */
#define TEXT_BYTES (PL_LONG_READ_PIECE_BYTES / 2)
#define BLOCKED    100 /* read at once */
#define MARKS      200

/* What is written next. */
enum part { USER, MESSAGES, BLOCKS, MARKS_OF_OTHERS, END };

struct export
{
	struct pl_long_read read;
	struct pl_limit_ask ask;
	struct pl_oid me;
	enum part part;
	bool has_written;          /* an element of the array that is open */
	struct pl_pos_list places; /* messages that come next */
	size_t given;              /* of these */
	bool has_pos;              /* of the last one that was given */
	struct pl_message_pos pos;
	size_t at_once;
	struct pl_oid blocked; /* the last one */
	bool has_blocked;
	struct pl_record last; /* the last marks */
	bool has_last;
};

static struct pl_shared_limit *limit;
static struct pl_map under_way; /* raw id -> struct export */

static struct export *
export_of(struct pl_long_read *r)
{
	return PL_CONTAINER(r, struct export, read);
}

static void
export_free(struct pl_long_read *r)
{
	struct export *e = export_of(r);

	pl_map_del(&under_way, pl_oid_str(&e->me));
	pl_pos_list_fini(&e->places);
	pl_mem_free(e);
}

/* ---- on a store thread --------------------------------------------------------------- */

static void
add(struct pl_long_read *r, const char *text)
{
	(void)pl_buf_add_cstr(&r->body, text);
}

/* Before each element of an array. */
static void
add_comma(struct export *e)
{
	if (e->has_written)
		add(&e->read, ",");
	e->has_written = true;
}

static void
open_part(struct export *e, enum part part, const char *text)
{
	add(&e->read, text);
	e->part = part;
	e->has_written = false;
}

static enum pl_err
write_user(struct export *e, struct pl_store *s)
{
	struct pl_json_out o;
	struct pl_user user;
	enum pl_err err = pl_store_user_by_id(s, &e->me, &user);

	if (err != PL_OK)
		return err;
	add(&e->read, "{\"profile\":");
	pl_jo_init(&o, &e->read.body);
	pl_jo_object(&o);
	pl_user_write_fields(&o, &user, PL_USER_WITH_NOTE | PL_USER_WITH_TIMES);
	pl_jo_key(&o, PL_USER_F_GENDER);
	pl_jo_str(&o, pl_str(pl_gender_name(user.gender)));
	pl_jo_end_object(&o);
	pl_user_fini(&user);
	open_part(e, MESSAGES, ",\"messages\":[");
	return PL_OK;
}

/* The places of the next messages; *is_end: there are none. */
static enum pl_err
find_places(struct export *e, struct pl_store *s, bool *is_end)
{
	struct pl_pos_list places;
	enum pl_err err = PL_OK;

	*is_end = false;
	if (e->given < e->places.count)
		return PL_OK;
	err = pl_store_positions_of(
	    s, &e->me, e->has_pos ? &e->pos : NULL, PL_STORE_OWN_MAX, &places);
	if (err != PL_OK)
		return err;
	pl_pos_list_fini(&e->places);
	e->places = places;
	e->given = 0;
	*is_end = places.count == 0;
	return PL_OK;
}

static void
write_list(struct export *e, const struct pl_message_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		struct pl_json_out o;

		add_comma(e);
		pl_jo_init(&o, &e->read.body);
		pl_message_write(&o, &list->items[i]);
	}
}

/* Some of the next messages; one whose place was found may be gone. */
static enum pl_err
write_some(struct export *e, struct pl_store *s)
{
	size_t left = e->places.count - e->given;
	size_t count = left < e->at_once ? left : e->at_once;
	struct pl_message_list list;
	struct pl_oid ids[AT_ONCE];
	enum pl_err err;

	for (size_t i = 0; i < count; i++)
		ids[i] = e->places.items[e->given + i].id;
	err =
	    pl_store_messages_of(s, ids, count, count > 1 ? TEXT_BYTES : SIZE_MAX, &list);
	if (err == PL_E_TOO_BIG) {
		e->at_once = count / 2;
		return PL_OK;
	}
	if (err != PL_OK)
		return err;
	write_list(e, &list);
	pl_message_list_fini(&list);
	e->given += count;
	e->pos = e->places.items[e->given - 1];
	e->has_pos = true;
	if (e->at_once < AT_ONCE)
		e->at_once++;
	return PL_OK;
}

static enum pl_err
write_messages(struct export *e, struct pl_store *s)
{
	bool is_end = false;
	enum pl_err err = find_places(e, s, &is_end);

	if (err == PL_OK && is_end)
		open_part(e, BLOCKS, "],\"blocks\":[");
	else if (err == PL_OK)
		err = write_some(e, s);
	return err;
}

static enum pl_err
write_users(struct export *e, struct pl_store *s, const struct pl_oid *ids, size_t count)
{
	struct pl_user_list users;
	enum pl_err err = pl_store_users_of(s, ids, count, &users);

	if (err != PL_OK)
		return err;
	for (size_t i = 0; i < users.count; i++) {
		struct pl_json_out o;

		add_comma(e);
		pl_jo_init(&o, &e->read.body);
		pl_user_write(&o, &users.items[i], 0);
	}
	pl_user_list_fini(&users);
	return PL_OK;
}

/* Those whom the caller has blocked, and who are still there. */
static enum pl_err
write_blocks(struct export *e, struct pl_store *s)
{
	struct pl_oid ids[BLOCKED];
	struct pl_block_list list;
	enum pl_err err = pl_store_blocks_page(
	    s, &e->me, e->has_blocked ? &e->blocked : NULL, BLOCKED, &list);
	size_t count;

	if (err != PL_OK)
		return err;
	count = list.count;
	for (size_t i = 0; i < count; i++)
		ids[i] = list.items[i].other;
	pl_block_list_fini(&list);
	if (count > 0) {
		e->blocked = ids[count - 1];
		e->has_blocked = true;
		err = write_users(e, s, ids, count);
	}
	if (err == PL_OK && count < BLOCKED)
		open_part(e, MARKS_OF_OTHERS, "],\"readMarks\":[");
	return err;
}

static void
write_place(struct pl_json_out *o, const char *key, const struct pl_message_pos *mark)
{
	pl_jo_key(o, key);
	if (mark->created_unix_ms != 0)
		pl_jo_oid(o, &mark->id);
	else
		pl_jo_raw(o, PL_STR("null"));
}

static void
write_mark(struct export *e, const struct pl_record_marks *marks)
{
	struct pl_json_out o;

	add_comma(e);
	pl_jo_init(&o, &e->read.body);
	pl_jo_object(&o);
	pl_jo_key(&o, "userId");
	pl_jo_oid(&o, &marks->other);
	write_place(&o, "readUpTo", &marks->read);
	write_place(&o, "deliveredUpTo", &marks->delivered);
	pl_jo_end_object(&o);
}

/* Marks are in the order of their users: those of one come together. */
static enum pl_err
write_marks(struct export *e, struct pl_store *s)
{
	struct pl_record_list list;
	bool is_end;
	enum pl_err err;

	if (!e->has_last)
		e->last = (struct pl_record){
		    .kind = PL_RECORD_MARKS, .u.marks = {.user = e->me}};
	err = pl_store_export(s, PL_RECORD_MARKS, &e->last, MARKS, &list);
	if (err != PL_OK)
		return err;
	is_end = list.count < MARKS;
	for (size_t i = 0; i < list.count; i++) {
		if (!pl_oid_eq(&list.items[i].u.marks.user, &e->me)) {
			is_end = true;
			break;
		}
		write_mark(e, &list.items[i].u.marks);
		e->last = list.items[i];
		e->has_last = true;
	}
	pl_record_list_fini(&list);
	if (is_end)
		open_part(e, END, "]}");
	return PL_OK;
}

static enum pl_err
write_part(struct export *e, struct pl_store *s)
{
	switch (e->part) {
	case USER:
		return write_user(e, s);
	case MESSAGES:
		return write_messages(e, s);
	case BLOCKS:
		return write_blocks(e, s);
	case MARKS_OF_OTHERS:
		return write_marks(e, s);
	case END:
		break;
	}
	return PL_OK;
}

static enum pl_err
read_piece(struct pl_long_read *r, struct pl_store *s, struct pl_json_out *piece)
{
	struct export *e = export_of(r);
	enum pl_err err = PL_OK;

	(void)piece; /* a document has its own commas */
	while (err == PL_OK && e->part != END && r->body.len < PL_LONG_READ_PIECE_BYTES)
		err = write_part(e, s);
	r->is_last = e->part == END;
	return err;
}

/* ---- the request --------------------------------------------------------------------- */

static bool
begin(struct pl_long_read *r, enum pl_err err)
{
	if (err == PL_E_NOT_FOUND) {
		pl_reply_problem(r->rq, PL_PROBLEM_BAD_TOKEN);
		return false;
	}
	if (err == PL_OK)
		pl_reply_header(r->rq, "content-disposition",
		    "attachment; filename=\"parley-export.json\"");
	return true;
}

static void
on_limit(void *arg, int64_t wait_ms)
{
	struct export *e = arg;

	if (wait_ms > 0) {
		pl_reply_retry(e->read.rq, PL_PROBLEM_TOO_MANY, wait_ms);
		export_free(&e->read);
		return;
	}
	pl_long_read_start(&e->read);
}

void
auth_export_get(struct pl_request *rq)
{
	char user[PL_OID_HEX_LEN + 1];
	struct export *e;

	if (pl_map_get(&under_way, pl_oid_str(&rq->claims.user)) != NULL) {
		pl_reply_retry(rq, PL_PROBLEM_TOO_MANY, RETRY_MS);
		return;
	}
	e = pl_mem_zalloc(sizeof(*e));
	e->me = rq->claims.user;
	e->at_once = AT_ONCE;
	e->read = (struct pl_long_read){.rq = rq,
	    .read = read_piece,
	    .begin = begin,
	    .free = export_free,
	    .is_single = true};
	e->ask = (struct pl_limit_ask){.on_answer = on_limit, .arg = e};
	pl_map_put(&under_way, pl_oid_str(&e->me), e);
	pl_oid_format(&e->me, user);
	pl_shared_limit_take(limit, pl_str(user), &e->ask);
}

/* ---- life ---------------------------------------------------------------------------- */

void
auth_export_start(void)
{
	int64_t count = pl_settings.limit_exports_per_hour;

	pl_map_init(&under_way);
	limit = pl_shared_limit_new(pl_app.loop, pl_app.redis, "exports",
	    pl_bucket_rule(count, PERIOD_MS, count > 0 ? count : 1));
}

void
auth_export_stop(void)
{
	pl_shared_limit_free(limit);
	pl_map_fini(&under_way); /* no request is in flight, so it is empty */
}
