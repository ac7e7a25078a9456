#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"
#include "loop/thread.h"
#include "ops/metrics.h"
#include "store/store_async.h"

/* gcc's analyzer takes the links of a list that was initialized for NULL; clang has no
 * such. */
#ifndef __clang__
#pragma GCC diagnostic ignored "-Wanalyzer-null-dereference"
#endif

#define RETRY_FIRST_MS  100
#define RETRY_MOST_MS   2000 /* R8: well again within 5 s, the time to open included */
#define AT_ONCE_REST_MS 20   /* after a read that would have waited */

/*
 * A write is in one place at a time: waiting, in the writer's batch, or finished until
 * the loop's turn. One task stands for all that are finished.
 */
struct reader;

struct pl_store_async {
	struct pl_loop *loop;
	char *data_dir;
	char *mongo_uri;
	struct pl_store_config config; /* points to these two */
	struct pl_offload *readers;
	_Atomic(struct reader *) first_reader; /* as they come; they stay until the end */
	/* Reads on the loop, by its clock: not before; of the turn at that time. */
	int64_t at_once_from_ms;
	int64_t at_once_turn_ms;
	int64_t at_once_took_us;
	atomic_bool is_up;
	pthread_t writer;
	struct pl_task reap;
	struct pl_task begin; /* wakes the writer, after what this turn adds */
	bool is_begin_posted;
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t wake;
	struct pl_list waiting; /* struct pl_store_write_call.link */
	size_t waiting_count;
	bool is_idle; /* the writer waits for a call */
	struct pl_list finished;
	bool is_stopping;
	struct pl_metrics_source metrics; /* of the loop's thread */
};

/* ---- sessions: one a thread, opened again by itself ---- */

struct session {
	struct pl_store_async *owner;
	struct pl_store *store; /* NULL while closed; retry_mono_ms holds then */
	int64_t retry_mono_ms;
	int64_t retry_after_ms;
	bool is_in_doubt;     /* the last call did not reach the database */
	int64_t lost_mono_us; /* when a call, or an attempt to open, last did not */
	int64_t
	    tidy_mono_ms; /* the writer's: when there is something to tidy; 0: never */
};

static void
session_wait(struct session *s)
{
	int64_t wait =
	    s->retry_after_ms < RETRY_FIRST_MS ? RETRY_FIRST_MS : s->retry_after_ms;

	s->retry_after_ms = wait * 2 < RETRY_MOST_MS ? wait * 2 : RETRY_MOST_MS;
	wait = wait / 2 + pl_random_below((uint32_t)(wait / 2 + 1)); /* not all at once */
	s->retry_mono_ms = pl_clock_mono_ms() + wait;
	s->lost_mono_us = pl_clock_mono_us();
}

static void
session_close(struct session *s)
{
	pl_store_close(s->store);
	s->store = NULL;
}

/* Ask the database for a sign of life, and reopen without one. Not right after the call
 * that failed: its caller has waited long enough. */
static void
session_check(struct session *s)
{
	enum pl_err err = pl_store_ping(s->store);

	s->is_in_doubt = false;
	if (err == PL_OK)
		return;
	pl_log_warn("store was lost, will be opened again", PL_L_ERR(err));
	session_close(s);
	session_wait(s);
}

/* Open the store if it is closed and the time has come; NULL if it is away. */
static struct pl_store *
session_store(struct session *s)
{
	enum pl_err err;

	if (s->store != NULL && s->is_in_doubt)
		session_check(s);
	if (s->store != NULL || pl_clock_mono_ms() < s->retry_mono_ms)
		return s->store;
	err = pl_store_open(&s->owner->config, &s->store);
	if (err == PL_OK) {
		s->retry_after_ms = 0;
	} else {
		s->store = NULL;
		session_wait(s);
		pl_log_warn("store could not be opened, will retry", PL_L_ERR(err),
		    PL_L_INT("wait_ms", s->retry_mono_ms - pl_clock_mono_ms()));
	}
	return s->store;
}

/* err is what a call on the open session came to. */
static void
session_note(struct session *s, enum pl_err err)
{
	s->is_in_doubt = err == PL_E_UNAVAILABLE || err == PL_E_IO;
	if (s->is_in_doubt)
		s->lost_mono_us = pl_clock_mono_us();
	atomic_store(&s->owner->is_up, !s->is_in_doubt);
}

/* Is a call worth trying? Not if its time is over, and not if it has waited while another
 * call failed: it would wait twice, and be over its caller's time. */
static enum pl_err
session_admit(const struct session *s, int64_t queued_mono_us)
{
	if (pl_clock_mono_us() - queued_mono_us > PL_STORE_WAIT_MS * INT64_C(1000))
		return PL_E_TIMEOUT;
	return queued_mono_us <= s->lost_mono_us ? PL_E_UNAVAILABLE : PL_OK;
}

/* ---- the writer ---- */

static struct pl_store_write_call *
call_of(struct pl_list *link)
{
	return link ? PL_CONTAINER(link, struct pl_store_write_call, link) : NULL;
}

/* When the session has something to do, though nobody writes: to try again while the
 * store is away, or to tidy; 0: never. */
static int64_t
session_due(const struct session *s)
{
	return s->store != NULL ? s->tidy_mono_ms : s->retry_mono_ms;
}

static bool
session_is_due(const struct session *s)
{
	return s->store != NULL
		   ? s->tidy_mono_ms != 0 && pl_clock_mono_ms() >= s->tidy_mono_ms
		   : pl_clock_mono_ms() >= s->retry_mono_ms;
}

/* Wait until there is something to write, or the session has something to do. The lock is
 * held. */
static void
wait_for_work(struct pl_store_async *sa, const struct session *s)
{
	int64_t due = session_due(s);
	struct timespec until = {
	    .tv_sec = due / 1000,
	    .tv_nsec = due % 1000 * 1000000,
	};

	sa->is_idle = true;
	if (s->store != NULL && due == 0)
		pthread_cond_wait(&sa->wake, &sa->lock);
	else
		pthread_cond_timedwait(&sa->wake, &sa->lock, &until);
	sa->is_idle = false;
}

/* The next batch, at most PL_STORE_BATCH_MAX calls; none while the store is away and its
 * time has not come. False once the writer shall stop. */
static bool
take_batch(struct pl_store_async *sa, const struct session *s, struct pl_list *batch)
{
	size_t count = 0;
	bool is_stopping;

	pthread_mutex_lock(&sa->lock);
	while (sa->waiting_count == 0 && !sa->is_stopping && !session_is_due(s))
		wait_for_work(sa, s);
	is_stopping = sa->is_stopping;
	while (!is_stopping && sa->waiting_count > 0 && count < PL_STORE_BATCH_MAX) {
		pl_list_push(batch, pl_list_pop(&sa->waiting));
		sa->waiting_count--;
		count++;
	}
	pthread_mutex_unlock(&sa->lock);
	return !is_stopping;
}

/* Keep the calls of batch that are worth trying; the others get their outcome. */
static size_t
choose_writes(struct session *s, struct pl_list *batch, struct pl_write **writes)
{
	size_t count = 0;

	pl_list_for_each(it, batch)
	{
		struct pl_store_write_call *call = call_of(it);

		call->write.err = session_admit(s, call->queued_mono_us);
		if (call->write.err == PL_OK)
			writes[count++] = &call->write;
	}
	return count;
}

/* What the batch says about the database: the worst of its outcomes. */
static enum pl_err
worst_of(struct pl_write *const *writes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (writes[i]->err == PL_E_UNAVAILABLE || writes[i]->err == PL_E_IO)
			return writes[i]->err;
	return PL_OK;
}

static void
run_batch(struct session *s, struct pl_list *batch)
{
	PL_UNCLEARED struct pl_write *writes[PL_STORE_BATCH_MAX];
	bool was_open = s->store != NULL;
	struct pl_store *store = session_store(s);
	size_t count = choose_writes(s, batch, writes);

	if (!was_open) /* opening was the sign of life */
		atomic_store(&s->owner->is_up, store != NULL);
	if (store == NULL) {
		for (size_t i = 0; i < count; i++)
			writes[i]->err = PL_E_UNAVAILABLE;
	} else if (count > 0) {
		pl_metrics_observe(PL_M_STORE_BATCH, NULL, (int64_t)count);
		pl_store_write(store, writes, count);
		session_note(s, worst_of(writes, count));
	}
}

/* After the answers. What the database did not take is no time for it. */
static void
session_tidy(struct session *s)
{
	if (s->store != NULL && !s->is_in_doubt)
		s->tidy_mono_ms = pl_store_tidy(s->store);
	else
		s->tidy_mono_ms = 0;
}

/* The loop is woken without the lock: it asks for that at once. */
static void
finish_batch(struct pl_store_async *sa, struct pl_list *batch)
{
	bool is_first;

	if (pl_list_is_empty(batch))
		return;
	pthread_mutex_lock(&sa->lock);
	is_first = pl_list_is_empty(&sa->finished);
	pl_list_splice(&sa->finished, batch);
	pthread_mutex_unlock(&sa->lock);
	if (is_first)
		pl_loop_post(sa->loop, &sa->reap);
}

static void *
writer_main(void *arg)
{
	struct pl_store_async *sa = arg;
	struct session session = {.owner = sa};
	struct pl_list batch;

	pl_list_init(&batch);
	while (take_batch(sa, &session, &batch)) {
		run_batch(&session, &batch);
		finish_batch(sa, &batch);
		session_tidy(&session);
	}
	session_close(&session);
	return NULL;
}

/* ---- on the loop ---- */

/* A call was answered. Not found, and in conflict, are no failures of the store. */
static void
note_call(const char *kind, enum pl_err err, int64_t queued_mono_us)
{
	pl_metrics_observe(PL_M_STORE_SECONDS, kind, pl_clock_mono_us() - queued_mono_us);
	if (err == PL_E_UNAVAILABLE || err == PL_E_TIMEOUT || err == PL_E_FULL ||
	    err == PL_E_IO)
		pl_metrics_count(PL_M_STORE_FAILURES, kind, 1);
}

static void
finish_all(struct pl_list *list)
{
	struct pl_store_write_call *call;

	while ((call = call_of(pl_list_pop(list))) != NULL) {
		note_call("write", call->write.err, call->queued_mono_us);
		call->done(call);
	}
}

static void
reap(struct pl_task *task)
{
	struct pl_store_async *sa = PL_CONTAINER(task, struct pl_store_async, reap);
	struct pl_list finished;

	pl_list_init(&finished);
	pthread_mutex_lock(&sa->lock);
	pl_list_splice(&finished, &sa->finished);
	pthread_mutex_unlock(&sa->lock);
	finish_all(&finished);
}

static void
on_begin(struct pl_task *task)
{
	struct pl_store_async *sa = PL_CONTAINER(task, struct pl_store_async, begin);

	sa->is_begin_posted = false;
	pthread_cond_signal(&sa->wake);
}

/* Calls of one turn are one batch: woken at once, the writer would be off with the first
 * of them, and the others would wait for its commit and for theirs. */
static void
begin_soon(struct pl_store_async *sa)
{
	if (sa->is_begin_posted)
		return;
	sa->is_begin_posted = true;
	pl_loop_post(sa->loop, &sa->begin);
}

enum pl_err
pl_store_async_write(struct pl_store_async *sa, struct pl_store_write_call *call)
{
	enum pl_err err = PL_OK;
	bool is_idle;

	call->queued_mono_us = pl_clock_mono_us();
	pthread_mutex_lock(&sa->lock);
	is_idle = sa->is_idle;
	if (sa->waiting_count >= PL_STORE_QUEUE_MAX || sa->is_stopping) {
		err = PL_E_BUSY;
	} else {
		pl_list_push(&sa->waiting, &call->link);
		sa->waiting_count++;
	}
	pthread_mutex_unlock(&sa->lock);
	if (is_idle)
		begin_soon(sa);
	return err;
}

/* ---- reads ---- */

/* A thread's session, which the loop borrows while the thread is idle. */
struct reader {
	struct session session;
	pthread_mutex_t lock; /* guards it; held for as long as a call runs */
	struct reader *next;
};

static void *
reader_start(void *arg)
{
	struct pl_store_async *sa = arg;
	struct reader *r = pl_mem_zalloc(sizeof(*r));

	r->session.owner = sa;
	pthread_mutex_init(&r->lock, NULL);
	(void)session_store(&r->session);
	r->next = atomic_load(&sa->first_reader);
	while (!atomic_compare_exchange_weak(&sa->first_reader, &r->next, r))
		;
	return r;
}

/* The loop waits for the thread to end: it borrows nothing any more. */
static void
reader_stop(void *state)
{
	struct reader *r = state;

	session_close(&r->session);
}

static void
free_readers(struct pl_store_async *sa)
{
	struct reader *next, *r = atomic_load(&sa->first_reader);

	for (; r != NULL; r = next) {
		next = r->next;
		pthread_mutex_destroy(&r->lock);
		pl_mem_free(r);
	}
}

static void
run_read(struct session *s, struct pl_store_read_call *call)
{
	call->err = session_admit(s, call->queued_mono_us);
	if (call->err != PL_OK)
		return;
	if (session_store(s) == NULL) {
		call->err = PL_E_UNAVAILABLE;
		atomic_store(&s->owner->is_up, false);
	} else {
		call->err = call->run(call, s->store);
		session_note(s, call->err);
	}
}

static void
read_run(struct pl_job *job, void *state)
{
	struct reader *r = state;

	pthread_mutex_lock(&r->lock);
	run_read(&r->session, PL_CONTAINER(job, struct pl_store_read_call, job));
	pthread_mutex_unlock(&r->lock);
}

static void
read_done(struct pl_job *job, enum pl_err err)
{
	struct pl_store_read_call *call =
	    PL_CONTAINER(job, struct pl_store_read_call, job);

	if (err != PL_OK)
		call->err = err;
	note_call("read", call->err, call->queued_mono_us);
	call->done(call);
}

enum pl_err
pl_store_async_read(struct pl_store_async *sa, struct pl_store_read_call *call)
{
	call->job.run = read_run;
	call->job.done = read_done;
	call->job.owner =
	    call->user != NULL ? pl_oid_str(call->user) : (struct pl_str){0};
	call->owner = sa;
	call->queued_mono_us = pl_clock_mono_us();
	return pl_offload_submit(sa->readers, &call->job);
}

/* On the loop. PL_E_BUSY, or PL_E_TOO_BIG: a thread has to read. */
static enum pl_err
borrow(
    struct pl_store_async *sa, const struct session *s, struct pl_store_read_call *call)
{
	enum pl_err err;

	if (s->store == NULL || s->is_in_doubt)
		return PL_E_BUSY;
	if (!pl_store_at_once(s->store, true)) {
		sa->at_once_from_ms = INT64_MAX;
		return PL_E_BUSY;
	}
	err = call->run(call, s->store);
	(void)pl_store_at_once(s->store, false);
	if (err == PL_E_BUSY)
		sa->at_once_from_ms = pl_loop_now_ms(sa->loop) + AT_ONCE_REST_MS;
	return err;
}

static bool
has_time_at_once(struct pl_store_async *sa)
{
	int64_t now_ms = pl_loop_now_ms(sa->loop);

	if (now_ms != sa->at_once_turn_ms)
		sa->at_once_took_us = 0;
	sa->at_once_turn_ms = now_ms;
	return now_ms >= sa->at_once_from_ms && sa->at_once_took_us < PL_STORE_AT_ONCE_US;
}

static enum pl_err
read_at_once(struct pl_store_async *sa, struct pl_store_read_call *call)
{
	enum pl_err err;
	struct reader *r = atomic_load(&sa->first_reader);

	if (sa->is_stopping || !has_time_at_once(sa))
		return PL_E_BUSY;
	while (r != NULL && pthread_mutex_trylock(&r->lock) != 0)
		r = r->next;
	if (r == NULL)
		return PL_E_BUSY;
	err = borrow(sa, &r->session, call);
	pthread_mutex_unlock(&r->lock);
	return err;
}

void
pl_store_async_read_now_or_done(
    struct pl_store_async *sa, struct pl_store_read_call *call)
{
	int64_t begun_mono_us = pl_clock_mono_us();
	enum pl_err err = read_at_once(sa, call);

	sa->at_once_took_us += pl_clock_mono_us() - begun_mono_us;
	if (err == PL_E_BUSY || err == PL_E_TOO_BIG) {
		pl_store_async_read_or_done(sa, call);
		return;
	}
	call->err = err;
	note_call("read", err, begun_mono_us);
	call->done(call);
}

bool
pl_store_async_is_up(const struct pl_store_async *sa)
{
	return atomic_load(&sa->is_up);
}

/* ---- life ---- */

static void
collect(void *arg)
{
	struct pl_store_async *sa = arg;

	pthread_mutex_lock(&sa->lock);
	pl_metrics_set(PL_M_STORE_WAITING, NULL, (int64_t)sa->waiting_count);
	pthread_mutex_unlock(&sa->lock);
}

/* The writer waits by the monotonic clock. */
static void
start_writer(struct pl_store_async *sa)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&sa->wake, &attr);
	pthread_condattr_destroy(&attr);
	sa->writer = pl_thread_start("store-writer", writer_main, sa);
}

struct pl_store_async *
pl_store_async_new(
    struct pl_loop *loop, const struct pl_store_config *config, unsigned readers)
{
	struct pl_store_async *sa = pl_mem_zalloc(sizeof(*sa));

	sa->loop = loop;
	sa->data_dir = pl_mem_strdup(config->data_dir);
	sa->mongo_uri = pl_mem_strdup(config->mongo_uri);
	sa->config = (struct pl_store_config){
	    .data_dir = sa->data_dir,
	    .mongo_uri = sa->mongo_uri,
	    .names_unservable = config->names_unservable,
	    .fills_pairs = config->fills_pairs,
	    .on_erasing = config->on_erasing,
	    .on_erased = config->on_erased,
	};
	sa->reap.run = reap;
	pl_list_init(&sa->reap.link);
	sa->begin.run = on_begin;
	pl_list_init(&sa->begin.link);
	pl_list_init(&sa->waiting);
	pl_list_init(&sa->finished);
	pthread_mutex_init(&sa->lock, NULL);
	start_writer(sa);
	sa->readers = pl_offload_new(loop, &(struct pl_offload_config){
					       .name = "store-reader",
					       .threads = readers,
					       .queue_max = PL_STORE_QUEUE_MAX,
					       .thread_start = reader_start,
					       .thread_stop = reader_stop,
					       .arg = sa,
					   });
	sa->metrics = (struct pl_metrics_source){.collect = collect, .arg = sa};
	pl_metrics_add_source(&sa->metrics);
	return sa;
}

static void
cancel_all(struct pl_list *list)
{
	pl_list_for_each(it, list) call_of(it)->write.err = PL_E_CANCELLED;
	finish_all(list);
}

void
pl_store_async_free(struct pl_store_async *sa)
{
	if (sa == NULL)
		return;
	pl_metrics_remove_source(&sa->metrics);
	pthread_mutex_lock(&sa->lock);
	sa->is_stopping = true;
	pthread_cond_signal(&sa->wake);
	pthread_mutex_unlock(&sa->lock);
	pthread_join(sa->writer, NULL);
	pl_loop_unpost(sa->loop, &sa->reap);
	pl_loop_unpost(sa->loop, &sa->begin);
	finish_all(&sa->finished);
	cancel_all(&sa->waiting);
	pl_offload_free(sa->readers);
	free_readers(sa);
	pthread_cond_destroy(&sa->wake);
	pthread_mutex_destroy(&sa->lock);
	pl_mem_free(sa->data_dir);
	if (sa->mongo_uri != NULL) /* it may hold a password */
		pl_mem_wipe_free(sa->mongo_uri, strlen(sa->mongo_uri));
	pl_mem_free(sa);
}
