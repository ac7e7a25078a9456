/*
 * Erasing a user: the note, and the steps that follow from it (store_erase.h). A stage
 * ends when nothing is left for it:
 *
 *   SWEEP   what they wrote, receiver by receiver, as the index messages_pair has it
 *   LOG     the write-ahead log is emptied: until then it has the pages as they were
 *   SETTLE  nothing, until whoever had something of theirs under way is done; then the
 *           same sweep, from its first step on at a place, and whoever takes it to its end
 *           tells so before it takes the next step
 *   AGAIN   nothing, until those who tell have read the pairs: nobody has it, under a
 *           lease; then what is newer than the first sweep is swept, and if that is nothing
 *           the pairs go; else the second sweep goes on from there, and is told again
 *   ENDING  the database is written anew, for all that have come so far, if it is not large
 *   GONE    the log once more, and then the note itself
 *
 * secure_delete overwrites what is deleted, but when SQLite moves rows to another page, a
 * copy may stay where they were, in room that no row has: of an index of many names about
 * one in a thousand. Only VACUUM finds those. It stops all writers, about a second for
 * PL_ERASE_ANEW_BYTES, and takes as much memory; so for a larger database it is the
 * operator's (deploy/README.md).
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/sqlite/checkpoint.h"
#include "store/sqlite/fill.h"
#include "store/sqlite/query.h"

/* Stored. */
enum stage { SWEEP, LOG, SETTLE, AGAIN, ENDING, GONE, BEING_WRITTEN };

/* Waits so long for those that began later, so that many do not write it anew as many
 * times. */
#define TOGETHER_MS 60000

/* What came after the first sweep is looked for from so long before its end on. */
#define OVERLAP_MS 60000

/* How long a checkpoint waits for readers, and sends for it. */
#define LOG_PATIENCE_MS 50

static const char hash_of[] = "SELECT password_hash FROM users WHERE id = ?";
static const char user_drop[] = "DELETE FROM users WHERE id = ?";
static const char note_put[] =
    "INSERT INTO erasures (user, noted, stage, worker, lease_until) "
    "VALUES (?, ?, 0, 0, 0) ON CONFLICT DO NOTHING";
/* A lease that ends too late is from before the clock was set back. */
static const char note_find[] =
    "SELECT user, stage, at_receiver, at_created, at_id, noted FROM erasures "
    "WHERE (worker = ?1 OR lease_until <= ?2 OR lease_until > ?2 + ?3) "
    "AND (stage <> 2 OR noted <= ?2 - ?4 OR noted > ?2) "
    "AND (stage NOT IN (4, 6) OR noted <= ?2 - ?4 - ?5 OR NOT EXISTS "
    "(SELECT 1 FROM erasures WHERE stage < 4)) ORDER BY stage, noted LIMIT 1";
static const char note_set[] =
    "UPDATE erasures SET stage = ?, at_receiver = ?, at_created = ?, at_id = ?, "
    "worker = ?, lease_until = ? WHERE user = ?";
/* The first sweep is over: from now on it settles. */
static const char note_time[] = "UPDATE erasures SET noted = ?2 WHERE user = ?1";
static const char marked_begin[] =
    "UPDATE erasures SET stage = 6, worker = ? WHERE stage IN (4, 6)";
static const char marked_end[] =
    "UPDATE erasures SET stage = 5 WHERE stage = 6 AND worker = ?";
static const char note_drop[] = "DELETE FROM erasures WHERE user = ?";
static const char note_count[] = "SELECT count(*) FROM erasures";

static const char receiver_after[] = "SELECT other FROM correspondents WHERE user = ? "
				     "AND other > ? ORDER BY other LIMIT 1";
static const char rows_after[] =
    "SELECT seq, created, id FROM messages WHERE receiver = ? AND sender = ? "
    "AND (created, id) > (?, ?) ORDER BY created, id LIMIT ?";
static const char text_drop[] =
    "UPDATE messages SET text = '', deleted = max(?1, ifnull(changed, 0) + 1), "
    "changed = max(?1, ifnull(changed, 0) + 1) WHERE seq = ?2 AND deleted IS NULL";
static const char others_of[] = "SELECT other FROM correspondents WHERE user = ? LIMIT ?";
static const char pair_drop[] =
    "DELETE FROM correspondents WHERE user = ?1 AND other = ?2";
/* The other's own row stays: by it all that they wrote is found, for an export or an
 * erasure. */
static const char marks_drop[] =
    "UPDATE correspondents SET read_at = NULL, read_id = NULL, delivered_at = NULL, "
    "delivered_id = NULL WHERE user = ?2 AND other = ?1";

/* What else there is of user ?1, at most ?2 rows. A table of another noun adds its
 * statement here. */
static const char *const else_of_user[] = {
    "DELETE FROM reply_jobs WHERE message IN (SELECT j.message FROM reply_jobs AS j "
    "CROSS JOIN messages AS m ON m.id = j.message "
    "WHERE m.sender = ?1 OR m.receiver = ?1 LIMIT ?2)",
    "DELETE FROM idem_keys WHERE sender = ?1 AND idem_key IN "
    "(SELECT idem_key FROM idem_keys WHERE sender = ?1 LIMIT ?2)",
    "DELETE FROM blocks WHERE user = ?1 AND other IN "
    "(SELECT other FROM blocks WHERE user = ?1 LIMIT ?2)",
    "DELETE FROM blocks WHERE other = ?1 AND user IN "
    "(SELECT user FROM blocks WHERE other = ?1 LIMIT ?2)",
    "DELETE FROM avatars WHERE user IN (SELECT user FROM avatars WHERE user = ?1 LIMIT "
    "?2)",
    "DELETE FROM sessions WHERE user IN (SELECT user FROM sessions WHERE user = ?1 LIMIT "
    "?2)",
};

struct erasing {
	struct pl_sqlite *s;
	struct pl_erase_step *step;
	enum stage claimed, stage; /* as it was found, and as it is now */
	bool was_at_place;         /* as it was found */
	struct pl_oid receiver;    /* has_receiver: the sweep has come to them, */
	bool has_receiver;
	bool is_for_pause;        /* nobody has it, until its pause is over */
	int64_t from_unix_ms;     /* what a receiver got before is not swept */
	struct pl_message_pos at; /* and so far; zeroed: not yet to any message */
	int64_t until_mono_ms;
	size_t rows;
};

/* ---- the note ------------------------------------------------------------------------ */

static enum pl_err
check_hash(struct pl_sqlite *s, const struct pl_write_erase *erase)
{
	struct pl_query q = pl_query_start(s, hash_of);
	bool is_found, is_same = true;
	enum pl_err err;

	pl_query_oid(&q, &erase->user);
	is_found = pl_query_row(&q);
	if (is_found && erase->password_hash != NULL)
		is_same =
		    pl_str_eq(pl_query_get_text(&q, 0), pl_str(erase->password_hash));
	err = pl_query_end(&q);
	if (err == PL_OK && !is_found)
		err = PL_E_NOT_FOUND;
	return err == PL_OK && !is_same ? PL_E_CONFLICT : err;
}

static enum pl_err
run_of(struct pl_sqlite *s, const char *sql, const struct pl_oid *user)
{
	struct pl_query q = pl_query_start(s, sql);

	pl_query_oid(&q, user);
	return pl_query_run(&q, NULL);
}

static enum pl_err
put_note(struct pl_sqlite *s, const struct pl_oid *user)
{
	struct pl_query q = pl_query_start(s, note_put);

	pl_query_oid(&q, user);
	pl_query_int(&q, s->now_unix_ms);
	return pl_query_run(&q, NULL);
}

/* ---- whose turn it is ---------------------------------------------------------------- */

static enum pl_err
find_note(struct erasing *e, bool *is_found)
{
	struct pl_query q = pl_query_start(e->s, note_find);

	pl_query_int(&q, (int64_t)e->step->worker);
	pl_query_int(&q, e->s->now_unix_ms);
	pl_query_int(&q, e->step->lease_ms);
	pl_query_int(&q, e->step->settle_ms);
	pl_query_int(&q, TOGETHER_MS);
	*is_found = pl_query_row(&q);
	if (*is_found) {
		pl_query_get_oid(&q, 0, &e->step->user);
		e->stage = (enum stage)pl_query_get_int(&q, 1);
		e->has_receiver = !pl_query_is_null(&q, 2);
		e->from_unix_ms =
		    e->stage == AGAIN ? pl_query_get_int(&q, 5) - OVERLAP_MS : INT64_MIN;
	}
	if (e->has_receiver) {
		pl_query_get_oid(&q, 2, &e->receiver);
		e->at.created_unix_ms = pl_query_get_int(&q, 3);
		pl_query_get_oid(&q, 4, &e->at.id);
	}
	return pl_query_end(&q);
}

static enum pl_err
save_note(struct erasing *e)
{
	struct pl_query q = pl_query_start(e->s, note_set);

	pl_query_int(&q, e->stage);
	if (e->has_receiver) {
		pl_query_oid(&q, &e->receiver);
		pl_query_int(&q, e->at.created_unix_ms);
		pl_query_oid(&q, &e->at.id);
	} else {
		pl_query_null(&q);
		pl_query_null(&q);
		pl_query_null(&q);
	}
	pl_query_int(&q, e->is_for_pause ? 0 : (int64_t)e->step->worker);
	pl_query_int(&q,
	    e->s->now_unix_ms + (e->is_for_pause ? e->step->tell_ms : e->step->lease_ms));
	pl_query_oid(&q, &e->step->user);
	return pl_query_run(&q, NULL);
}

/* ---- the sweep ----------------------------------------------------------------------- */

/* The first one of a step is done however late it is, or where all is slow no step would
 * get any further. */
static bool
has_room(const struct erasing *e, bool is_first)
{
	return e->rows < PL_ERASE_ROWS &&
	       (is_first || pl_clock_mono_ms() < e->until_mono_ms);
}

static enum pl_err
drop_text(struct erasing *e, int64_t row)
{
	struct pl_query q = pl_query_start(e->s, text_drop);
	int changed = 0;
	enum pl_err err;

	pl_query_int(&q, e->s->now_unix_ms);
	pl_query_int(&q, row);
	err = pl_query_run(&q, &changed);
	e->step->texts += (size_t)changed;
	return err;
}

struct rows {
	int64_t seq[PL_ERASE_ROWS];
	struct pl_message_pos at[PL_ERASE_ROWS];
	size_t count;
};

static enum pl_err
read_rows(struct erasing *e, struct rows *rows)
{
	struct pl_query q = pl_query_start(e->s, rows_after);

	rows->count = 0;
	pl_query_oid(&q, &e->receiver);
	pl_query_oid(&q, &e->step->user);
	pl_query_int(&q, e->at.created_unix_ms);
	pl_query_oid(&q, &e->at.id);
	pl_query_int(&q, (int64_t)(PL_ERASE_ROWS - e->rows));
	while (pl_query_row(&q)) {
		rows->seq[rows->count] = pl_query_get_int(&q, 0);
		rows->at[rows->count].created_unix_ms = pl_query_get_int(&q, 1);
		pl_query_get_oid(&q, 2, &rows->at[rows->count++].id);
	}
	return pl_query_end(&q);
}

/* What they wrote to the receiver, from where the sweep is; *is_more: not all of it. */
static enum pl_err
sweep_receiver(struct erasing *e, bool *is_more)
{
	struct rows *rows = pl_mem_alloc(sizeof(*rows));
	enum pl_err err = read_rows(e, rows);
	size_t i = 0;

	*is_more = rows->count == PL_ERASE_ROWS - e->rows;
	while (err == PL_OK && i < rows->count && has_room(e, i == 0)) {
		err = drop_text(e, rows->seq[i]);
		e->at = rows->at[i++];
		e->rows++;
	}
	*is_more = *is_more || i < rows->count;
	pl_mem_free(rows);
	return err;
}

static enum pl_err
find_receiver(struct erasing *e, bool *is_found)
{
	struct pl_query q = pl_query_start(e->s, receiver_after);
	struct pl_oid next = {0};
	enum pl_err err;

	pl_query_oid(&q, &e->step->user);
	pl_query_blob(&q, e->has_receiver ? (const void *)e->receiver.bytes : "",
	    e->has_receiver ? PL_OID_LEN : 0);
	*is_found = pl_query_row(&q);
	if (*is_found)
		pl_query_get_oid(&q, 0, &next);
	err = pl_query_end(&q);
	if (err != PL_OK || !*is_found)
		return err;
	e->receiver = next;
	e->has_receiver = true;
	e->at = (struct pl_message_pos){.created_unix_ms = e->from_unix_ms};
	return PL_OK;
}

/* *is_done: nothing that they wrote is left, as far as this sweep knows. */
static enum pl_err
sweep(struct erasing *e, bool *is_done)
{
	bool is_more = false, is_found = true, is_first = true;
	enum pl_err err = PL_OK;

	if (e->has_receiver)
		err = sweep_receiver(e, &is_more);
	while (err == PL_OK && !is_more && is_found && has_room(e, is_first)) {
		err = find_receiver(e, &is_found);
		is_first = false;
		e->rows++; /* a look-up counts, too */
		if (err == PL_OK && is_found)
			err = sweep_receiver(e, &is_more);
	}
	*is_done = !is_found;
	return err;
}

/* *is_done: nothing of it is left. */
static enum pl_err
drop_else(struct erasing *e, bool *is_done)
{
	size_t count = sizeof(else_of_user) / sizeof(else_of_user[0]);
	enum pl_err err;

	/* A copy of a MongoDB may have them still (store.h). */
	err = run_of(e->s, user_drop, &e->step->user);
	if (err == PL_OK)
		err = pl_sqlite_people_drop(e->s, &e->step->user);
	*is_done = true;
	for (size_t i = 0; err == PL_OK && i < count; i++) {
		struct pl_query q = pl_query_start(e->s, else_of_user[i]);
		int changed = 0;

		pl_query_oid(&q, &e->step->user);
		pl_query_int(&q, PL_ERASE_ROWS);
		err = pl_query_run(&q, &changed);
		*is_done = *is_done && changed < PL_ERASE_ROWS;
	}
	return err;
}

/* ---- the user ------------------------------------------------------------------------- */

/* The first words go with the user, so that most people's are gone when they are told so. */
static enum pl_err
sweep_first(struct pl_sqlite *s, const struct pl_oid *user)
{
	struct pl_erase_step step = {.user = *user};
	struct erasing e = {.s = s,
	    .step = &step,
	    .from_unix_ms = INT64_MIN,
	    .until_mono_ms = pl_clock_mono_ms() + PL_ERASE_MS};
	bool is_done;
	enum pl_err err = drop_else(&e, &is_done);

	return err == PL_OK ? sweep(&e, &is_done) : err;
}

enum pl_err
pl_sqlite_erase(struct pl_sqlite *s, struct pl_write_erase *erase)
{
	enum pl_err err = check_hash(s, erase);

	if (err != PL_OK)
		return err;
	err = pl_sqlite_forget_begin(s);
	if (err == PL_OK)
		err = put_note(s, &erase->user);
	if (err == PL_OK)
		err = run_of(s, user_drop, &erase->user);
	if (err == PL_OK)
		err = pl_sqlite_people_drop(s, &erase->user);
	if (err == PL_OK)
		err = sweep_first(s, &erase->user);
	if (err == PL_OK) /* last: it is noted where a sweep drops what is there */
		err = pl_sqlite_revoke(s, &erase->revocation, NULL);
	return pl_sqlite_forget_end(s, err);
}

/* ---- the pairs ----------------------------------------------------------------------- */

static enum pl_err
run_of_pair(struct erasing *e, const char *sql, const struct pl_oid *other)
{
	struct pl_query q = pl_query_start(e->s, sql);

	pl_query_oid(&q, &e->step->user);
	pl_query_oid(&q, other);
	return pl_query_run(&q, NULL);
}

static enum pl_err
drop_pairs(struct erasing *e, bool *is_done)
{
	struct pl_oid others[PL_ERASE_ROWS];
	struct pl_query q = pl_query_start(e->s, others_of);
	size_t count = 0;
	enum pl_err err;

	pl_query_oid(&q, &e->step->user);
	pl_query_int(&q, PL_ERASE_ROWS);
	while (pl_query_row(&q))
		pl_query_get_oid(&q, 0, &others[count++]);
	err = pl_query_end(&q);
	for (size_t i = 0; err == PL_OK && i < count; i++) {
		err = run_of_pair(e, pair_drop, &others[i]);
		if (err == PL_OK)
			err = run_of_pair(e, marks_drop, &others[i]);
	}
	pl_sqlite_pairs_forget(e->s);
	*is_done = count < PL_ERASE_ROWS;
	return err;
}

/* ---- the log ------------------------------------------------------------------------- */

/* Outside of a transaction. PL_ERASE_HELD_UP: a reader still needs it. */
static enum pl_err
empty_log(struct erasing *e)
{
	int rc;

	pl_sqlite_checkpoint_stop(e->s); /* two at once would be in each other's way */
	pl_sqlite_set_patience(e->s, LOG_PATIENCE_MS);
	rc = sqlite3_wal_checkpoint_v2(
	    e->s->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
	pl_sqlite_set_patience(e->s, PL_SQLITE_BUSY_MS);
	if ((rc & 0xff) == SQLITE_BUSY || (rc & 0xff) == SQLITE_LOCKED) {
		e->step->state = PL_ERASE_HELD_UP;
		return PL_OK;
	}
	return pl_sqlite_err(e->s, rc, "checkpoint");
}

/* ---- written anew ---------------------------------------------------------------------- */

static enum pl_err
find_bytes(struct pl_sqlite *s, int64_t *bytes)
{
	static const char sql[] =
	    "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size";
	struct pl_query q = pl_query_start(s, sql);

	if (pl_query_row(&q))
		*bytes = pl_query_get_int(&q, 0);
	return pl_query_end(&q);
}

/* Those that this worker writes it anew for: others may come while it does. */
static enum pl_err
mark(struct erasing *e, const char *sql)
{
	struct pl_query q = pl_query_start(e->s, sql);

	pl_query_int(&q, (int64_t)e->step->worker);
	return pl_query_run(&q, NULL);
}

/* Outside of a transaction. For all that have come so far, whoever has them: it is done
 * twice if this process is killed, and not left out. */
static enum pl_err
write_anew(struct erasing *e)
{
	int64_t bytes = INT64_MAX;
	enum pl_err err = mark(e, marked_begin);

	if (err == PL_OK)
		err = find_bytes(e->s, &bytes);
	if (err == PL_OK && bytes <= PL_ERASE_ANEW_BYTES)
		err = pl_sqlite_exec(e->s, "VACUUM");
	else if (err == PL_OK)
		pl_log_info("database is too large to be written anew after an erasure, "
			    "traces in unused room may stay until its operator does it");
	return err == PL_OK ? mark(e, marked_end) : err;
}

/* ---- steps --------------------------------------------------------------------------- */

static enum pl_err
end_first_sweep(struct erasing *e)
{
	struct pl_query q = pl_query_start(e->s, note_time);

	e->step->is_swept = true;
	e->stage = LOG;
	e->has_receiver = false;
	pl_query_oid(&q, &e->step->user);
	pl_query_int(&q, e->s->now_unix_ms);
	return pl_query_run(&q, NULL);
}

/* If this worker has not told so, it does, and comes back; so does another one, if this
 * one is killed before. Until then the place stays. */
static void
end_second_sweep(struct erasing *e)
{
	if (!pl_oid_eq(&e->step->told, &e->step->user)) {
		e->step->is_swept_again = true;
		return;
	}
	e->step->told = (struct pl_oid){0};
	e->stage = AGAIN;
	e->has_receiver = false;
	e->is_for_pause = true;
}

static enum pl_err
end_sweep(struct erasing *e)
{
	bool is_done;
	enum pl_err err;

	if (e->stage == SWEEP)
		return end_first_sweep(e);
	if (e->stage == SETTLE) {
		end_second_sweep(e);
		return PL_OK;
	}
	err = drop_pairs(e, &is_done);
	if (err == PL_OK && is_done) {
		e->stage = ENDING;
		e->has_receiver = false;
	}
	return err;
}

/* Inside a transaction: the stage's work, and which comes next. */
static enum pl_err
work(struct erasing *e)
{
	bool is_done = true, is_at_place = e->has_receiver;
	enum pl_err err = PL_OK;

	if (!is_at_place)
		err = drop_else(e, &is_done);
	if (err != PL_OK || !is_done)
		return err;
	if (e->stage == SETTLE && !is_at_place) { /* go_on_outside() finds more pairs */
		e->has_receiver = true;           /* before them all */
		return PL_OK;
	}
	err = sweep(e, &is_done);
	if (e->stage == AGAIN && e->step->texts > 0)
		e->stage = SETTLE; /* for the pairs have to be told of them */
	return err == PL_OK && is_done ? end_sweep(e) : err;
}

/* The log is empty. */
static enum pl_err
go_on_after_log(struct erasing *e)
{
	if (e->stage == GONE) {
		e->step->state = PL_ERASE_DONE;
		return run_of(e->s, note_drop, &e->step->user);
	}
	e->stage = SETTLE;
	return save_note(e);
}

static enum pl_err
in_transaction(struct erasing *e, enum pl_err (*run)(struct erasing *e))
{
	enum pl_err err = pl_sqlite_begin(e->s);

	if (err != PL_OK)
		return err;
	e->s->now_unix_ms = pl_clock_unix_ms();
	err = run(e);
	if (err == PL_OK)
		err = pl_sqlite_commit(e->s);
	if (err != PL_OK)
		pl_sqlite_rollback(e->s);
	return err;
}

/* Takes the note under a lease; for the stages of the log that is all. */
static enum pl_err
claim_and_work(struct erasing *e)
{
	bool is_found;
	enum pl_err err = find_note(e, &is_found);

	/* Since it may write, for which it may have waited long. */
	e->until_mono_ms = pl_clock_mono_ms() + PL_ERASE_MS;
	if (err != PL_OK || !is_found)
		return err;
	e->step->state = PL_ERASE_GOES_ON;
	e->step->is_first = e->stage == SWEEP && !e->has_receiver;
	e->claimed = e->stage;
	e->was_at_place = e->has_receiver;
	if (e->stage == SWEEP || e->stage == SETTLE || e->stage == AGAIN)
		err = work(e);
	return err == PL_OK ? save_note(e) : err;
}

/* What was claimed and is not done in a transaction. */
static enum pl_err
go_on_outside(struct erasing *e)
{
	size_t added;
	enum pl_err err;

	/* What an older process stored is swept by its pairs, too. */
	if (e->claimed == SETTLE && !e->was_at_place)
		return pl_sqlite_fill(e->s, &added);
	if (e->claimed == ENDING || e->claimed == BEING_WRITTEN)
		return write_anew(e);
	if (e->claimed != LOG && e->claimed != GONE)
		return PL_OK;
	err = empty_log(e);
	if (err == PL_OK && e->step->state == PL_ERASE_GOES_ON)
		err = in_transaction(e, go_on_after_log);
	return err;
}

static enum pl_err
is_any(struct pl_sqlite *s, bool *is)
{
	size_t count = 0;
	enum pl_err err = pl_sqlite_erasures(&s->store, &count);

	*is = count > 0;
	return err;
}

enum pl_err
pl_sqlite_erase_step(struct pl_store *store, struct pl_erase_step *step)
{
	struct erasing e = {.s = pl_sqlite_of(store), .step = step, .stage = SWEEP};
	bool is_due = false;
	enum pl_err err = is_any(e.s, &is_due);

	if (err != PL_OK || !is_due)
		return err;
	err = pl_sqlite_forget_begin(e.s);
	if (err == PL_OK)
		err = in_transaction(&e, claim_and_work);
	err = pl_sqlite_forget_end(e.s, err);
	if (err == PL_OK && step->state != PL_ERASE_NOTHING)
		err = go_on_outside(&e);
	return err;
}

enum pl_err
pl_sqlite_erasures(struct pl_store *store, size_t *count)
{
	struct pl_query q = pl_query_start(pl_sqlite_of(store), note_count);

	if (pl_query_row(&q))
		*count = (size_t)pl_query_get_int(&q, 0);
	return pl_query_end(&q);
}
