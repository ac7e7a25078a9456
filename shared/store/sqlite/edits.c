#include "base/clock.h"
#include "store/sqlite/query.h"

/*
 * A text that is replaced is overwritten in its page (secure_delete), as are the pages
 * that it has beyond that one. Other writes overwrite what they move within pages (FAST,
 * see open_file()): they free no pages with texts.
 *
 * The log has old texts until it is emptied. The writer does that soon after a change, at
 * once for many, and after it has opened the database: a process that was killed may have
 * owed it.
 */
#define EMPTY_AFTER_MS    200  /* after the change */
#define EMPTY_INTERVAL_MS 1000 /* after the last time */
#define EMPTY_AGAIN_MS    500  /* after a try that met a reader */

static const char change_text[] =
    "UPDATE messages SET text = ?, edited = nullif(?, 0), deleted = nullif(?, 0), "
    "changed = ? WHERE id = ?";
static const char last_changes[] =
    "SELECT changed, id FROM messages WHERE changed IS NOT NULL "
    "AND (changed, id) > (?, ?) ORDER BY changed, id LIMIT ?";
/* Each of the two walks an index of its own. Messages to oneself are found by the first. */
static const char last_changes_of[] =
    "SELECT changed, id FROM messages WHERE changed IS NOT NULL AND receiver = ?1 "
    "AND (changed, id) > (?2, ?3) UNION ALL "
    "SELECT changed, id FROM messages WHERE changed IS NOT NULL AND sender = ?1 "
    "AND receiver <> ?1 AND (changed, id) > (?2, ?3) ORDER BY 1, 2 LIMIT ?4";

/* ---- writes ---- */

enum pl_err
pl_sqlite_forget_begin(struct pl_sqlite *s)
{
	return pl_sqlite_exec(s, "PRAGMA secure_delete = ON");
}

enum pl_err
pl_sqlite_forget_end(struct pl_sqlite *s, enum pl_err err)
{
	enum pl_err ended = pl_sqlite_exec(s, "PRAGMA secure_delete = FAST");

	return err != PL_OK ? err : ended;
}

static enum pl_err
store_text(struct pl_sqlite *s, const struct pl_message *m)
{
	struct pl_query q = pl_query_start(s, change_text);

	pl_query_text(&q, pl_str_n(m->text, m->text_len));
	pl_query_int(&q, m->edited_unix_ms);
	pl_query_int(&q, m->deleted_unix_ms);
	pl_query_int(&q, pl_message_changed(m));
	pl_query_oid(&q, &m->id);
	return pl_query_run(&q, NULL);
}

/* Without a trace of the text that was there. */
static enum pl_err
replace_text(struct pl_sqlite *s, const struct pl_message *m)
{
	enum pl_err err = pl_sqlite_forget_begin(s);

	if (err == PL_OK)
		err = store_text(s, m);
	return pl_sqlite_forget_end(s, err);
}

static void
owe_emptying(struct pl_sqlite *s)
{
	int64_t due = pl_clock_mono_ms() + EMPTY_AFTER_MS;

	if (due < s->emptied_mono_ms + EMPTY_INTERVAL_MS)
		due = s->emptied_mono_ms + EMPTY_INTERVAL_MS;
	if (s->empty_mono_ms == 0)
		s->empty_mono_ms = due;
}

/* Words may be taken back, but not exchanged for others. */
static enum pl_err
refuse_blocked(struct pl_sqlite *s, struct pl_write *w, const struct pl_message *m)
{
	bool is_blocked = false;
	enum pl_err err = PL_OK;

	if (w->kind == PL_WRITE_EDIT)
		err = pl_sqlite_is_blocked(s, &m->sender, &m->receiver, &is_blocked);
	if (!is_blocked)
		return err;
	w->u.change.refusal = PL_CHANGE_BLOCKED;
	return PL_E_CONFLICT;
}

static enum pl_err
change(struct pl_sqlite *s, struct pl_write *w, struct pl_message *m)
{
	struct pl_first_text first_text = pl_store_first_text(m, s->now_unix_ms);
	struct pl_message_pos newest;
	enum pl_err err = pl_sqlite_newest(s, &newest);
	int64_t now = s->now_unix_ms;

	/* If the clock went back, time goes on from the newest message, as for messages. */
	if (err == PL_OK && newest.created_unix_ms > now)
		now = newest.created_unix_ms;
	if (err == PL_OK)
		err = pl_store_change(w, m, now);
	if (err == PL_OK)
		err = refuse_blocked(s, w, m);
	if (err != PL_OK || !w->u.change.changed)
		return err;
	err = replace_text(s, m);
	if (err == PL_OK)
		err = pl_sqlite_first_text_keep(s, m, &first_text);
	if (err == PL_OK && m->deleted_unix_ms != 0)
		err = pl_sqlite_reply_job_end(s, &m->id);
	owe_emptying(s);
	return err;
}

enum pl_err
pl_sqlite_change(struct pl_sqlite *s, struct pl_write *w)
{
	struct pl_message m;
	enum pl_err err = pl_sqlite_message_by_id(s, &w->u.change.message_id, &m);

	if (err != PL_OK)
		return err;
	err = change(s, w, &m);
	if (err == PL_OK)
		w->u.change.message = m;
	else
		pl_message_fini(&m);
	return err;
}

/* ---- reads ---- */

enum pl_err
pl_sqlite_changes(struct pl_store *store, const struct pl_oid *user,
    const struct pl_message_pos *after, size_t limit, struct pl_pos_list *out)
{
	static const struct pl_message_pos before_all = {.created_unix_ms = INT64_MIN};
	struct pl_query q = pl_query_start(
	    pl_sqlite_of(store), user != NULL ? last_changes_of : last_changes);
	struct pl_pos_list list = {0};
	enum pl_err err;

	if (after == NULL)
		after = &before_all;
	if (user != NULL)
		pl_query_oid(&q, user);
	pl_query_int(&q, after->created_unix_ms);
	pl_query_oid(&q, &after->id);
	pl_query_int(&q, (int64_t)limit);
	while (pl_query_row(&q)) {
		struct pl_message_pos *place;

		list.items = pl_store_grow(list.items, list.count, sizeof(*list.items));
		place = &list.items[list.count++];
		place->created_unix_ms = pl_query_get_int(&q, 0);
		pl_query_get_oid(&q, 1, &place->id);
	}
	err = pl_query_end(&q);
	if (err == PL_OK)
		*out = list;
	else
		pl_pos_list_fini(&list);
	return err;
}

/* ---- the log ---- */

int64_t
pl_sqlite_tidy(struct pl_store *store)
{
	struct pl_sqlite *s = pl_sqlite_of(store);
	int64_t now = pl_clock_mono_ms();
	int rc;

	if (s->empty_mono_ms == 0 || now < s->empty_mono_ms)
		return s->empty_mono_ms;
	s->is_impatient = true;
	rc = sqlite3_wal_checkpoint_v2(
	    s->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
	s->is_impatient = false;
	s->emptied_mono_ms = now;
	s->empty_mono_ms = rc == SQLITE_OK ? 0 : now + EMPTY_AGAIN_MS;
	return s->empty_mono_ms;
}
