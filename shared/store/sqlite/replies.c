#include "base/mem.h"
#include "store/sqlite/query.h"

/*
 * A job is a row of its own beside its message, not a column in it, so that a claim does
 * not write a long message anew. It waits, is leased, or is gone. Few are leased (as many
 * as the model answers at once), so the walk over them to the first free one is short.
 */
#define VOID_JOBS_MAX 8 /* that one claim may pass over */

#define SELECT_JOB                                                                       \
	"SELECT j.deadline, j.attempt, j.trace, " PL_SQLITE_MESSAGE_COLUMNS              \
	", " PL_SQLITE_USER_COLUMNS " FROM reply_jobs AS j "                             \
	"CROSS JOIN messages AS m ON m.id = j.message "                                  \
	"CROSS JOIN users AS u ON u.id = m.receiver "                                    \
	"WHERE j.lease_until <= ? AND j.deadline <= ? "

static const char job_first[] = SELECT_JOB "ORDER BY j.deadline LIMIT 1";
static const char job_of_message[] = SELECT_JOB "AND j.message = ?";
static const char overdue[] = "SELECT m.id, m.created, j.trace FROM reply_jobs AS j "
			      "CROSS JOIN messages AS m ON m.id = j.message "
			      "WHERE j.deadline <= ? ORDER BY j.deadline LIMIT ?";
static const char job_add[] = "INSERT INTO reply_jobs (message, deadline, lease_until, "
			      "attempt, trace) VALUES (?, ?, 0, 0, ?)";
static const char job_lease[] =
    "UPDATE reply_jobs SET lease_until = ?, attempt = ? WHERE message = ?";
static const char job_end[] = "DELETE FROM reply_jobs WHERE message = ?";

enum pl_err
pl_sqlite_reply_job_add(struct pl_sqlite *s, const struct pl_oid *message,
    int64_t deadline_unix_ms, const struct pl_trace *trace)
{
	struct pl_query q = pl_query_start(s, job_add);

	pl_query_oid(&q, message);
	pl_query_int(&q, deadline_unix_ms);
	pl_query_trace(&q, trace);
	return pl_query_run(&q, NULL);
}

/* ---- what is overdue ---- */

enum pl_err
pl_sqlite_overdue(struct pl_store *store, int64_t due_unix_ms, size_t limit,
    struct pl_overdue_list *out)
{
	struct pl_query q = pl_query_start(pl_sqlite_of(store), overdue);
	struct pl_overdue_list list = {0};
	enum pl_err err;

	pl_query_int(&q, due_unix_ms);
	pl_query_int(&q, (int64_t)limit);
	while (pl_query_row(&q)) {
		struct pl_overdue *item;

		list.items = pl_store_grow(list.items, list.count, sizeof(*list.items));
		item = &list.items[list.count++];
		pl_query_get_oid(&q, 0, &item->message.id);
		item->message.created_unix_ms = pl_query_get_int(&q, 1);
		pl_query_get_trace(&q, 2, &item->trace);
	}
	err = pl_query_end(&q);
	if (err == PL_OK)
		*out = list;
	else
		pl_overdue_list_fini(&list);
	return err;
}

/* ---- claim ---- */

static enum pl_err
find_job(struct pl_sqlite *s, struct pl_write_claim *claim)
{
	const struct pl_oid *id = claim->message_id;
	struct pl_query q = pl_query_start(s, id ? job_of_message : job_first);
	enum pl_err err;
	bool is_found;

	pl_query_int(&q, s->now_unix_ms);
	pl_query_int(&q, claim->due_before_unix_ms);
	if (id != NULL)
		pl_query_oid(&q, id);
	is_found = pl_query_row(&q);
	if (is_found) {
		claim->deadline_unix_ms = pl_query_get_int(&q, 0);
		claim->attempt = pl_query_get_int(&q, 1) + 1;
		pl_query_get_trace(&q, 2, &claim->trace);
		pl_sqlite_message_read(&q, 3, &claim->message);
		pl_sqlite_user_read(&q, 3 + PL_SQLITE_MESSAGE_WIDTH, &claim->busy_user);
	}
	err = pl_query_end(&q);
	return err == PL_OK && !is_found ? PL_E_NOT_FOUND : err;
}

enum pl_err
pl_sqlite_reply_job_end(struct pl_sqlite *s, const struct pl_oid *message)
{
	struct pl_query q = pl_query_start(s, job_end);

	pl_query_oid(&q, message);
	return pl_query_run(&q, NULL);
}

static enum pl_err
lease_job(struct pl_sqlite *s, const struct pl_write_claim *claim)
{
	struct pl_query q = pl_query_start(s, job_lease);

	pl_query_int(&q, s->now_unix_ms + claim->lease_ms);
	pl_query_int(&q, claim->attempt);
	pl_query_oid(&q, &claim->message.id);
	return pl_query_run(&q, NULL);
}

static void
drop_found(struct pl_write_claim *claim)
{
	pl_message_fini(&claim->message);
	pl_user_fini(&claim->busy_user);
}

/* A job between two of whom one has blocked the other is void; the next one may be good.
 * What ended here is to be committed, so that a claim that finds nothing else is no
 * failure of the batch. */
enum pl_err
pl_sqlite_reply_claim(struct pl_sqlite *s, struct pl_write_claim *claim)
{
	for (int i = 0; i < VOID_JOBS_MAX; i++) {
		bool is_blocked = false;
		enum pl_err err = find_job(s, claim);

		if (err == PL_OK)
			err = pl_sqlite_is_blocked(s, &claim->message.sender,
			    &claim->message.receiver, &is_blocked);
		if (err != PL_OK)
			return err;
		if (!is_blocked)
			return lease_job(s, claim);
		err = pl_sqlite_reply_job_end(s, &claim->message.id);
		drop_found(claim);
		if (err != PL_OK)
			return err;
	}
	return PL_E_NOT_FOUND; /* the next claim goes on */
}

/* ---- reply ---- */

/* The row is the reply alone: it never gets a job of its own, even if its receiver is
 * BUSY. */
static enum pl_err
insert_reply(
    struct pl_sqlite *s, struct pl_write_reply *reply, const struct pl_message *to)
{
	struct pl_message m = {
	    .sender = to->receiver,
	    .receiver = to->sender,
	    .text = pl_mem_strndup(reply->text.ptr, reply->text.len),
	    .text_len = reply->text.len,
	    .reply_kind = reply->kind,
	    .in_reply_to = to->id,
	};
	enum pl_err err = pl_sqlite_message_insert(s, &m);

	if (err == PL_OK)
		reply->message = m;
	else
		pl_message_fini(&m);
	return err;
}

/* Nothing is said in the name of a user who is gone, nor to one. */
static enum pl_err
both_are_there(struct pl_sqlite *s, const struct pl_message *m)
{
	enum pl_status status;
	enum pl_err err = pl_sqlite_user_status(s, &m->receiver, &status);

	return err == PL_OK ? pl_sqlite_user_status(s, &m->sender, &status) : err;
}

enum pl_err
pl_sqlite_reply(struct pl_sqlite *s, struct pl_write_reply *reply)
{
	struct pl_message to = {0};
	bool is_blocked = false;
	enum pl_err err = pl_sqlite_message_by_id(s, &reply->in_reply_to, &to);
	enum pl_err ended;

	if (err == PL_OK && to.reply_kind != PL_REPLY_NONE)
		err = PL_E_NOT_FOUND; /* an automatic reply never causes another */
	if (err == PL_OK)
		err = pl_sqlite_is_blocked(s, &to.sender, &to.receiver, &is_blocked);
	if (err == PL_OK && to.deleted_unix_ms != 0)
		err =
		    PL_E_NOT_FOUND; /* nobody answers what was taken back; it has no job */
	if (err != PL_OK)
		goto done;
	err = both_are_there(s, &to);
	if (err == PL_E_NOT_FOUND &&
	    (ended = pl_sqlite_reply_job_end(s, &to.id)) != PL_OK)
		err = ended;
	if (err != PL_OK)
		goto done;
	err = is_blocked ? PL_E_DENIED : insert_reply(s, reply, &to);
	if (err != PL_OK && err != PL_E_CONFLICT && err != PL_E_DENIED)
		goto done;
	ended = pl_sqlite_reply_job_end(s, &to.id);
	if (ended != PL_OK)
		err = ended;
done:
	pl_message_fini(&to);
	return err;
}
