#include <assert.h>
#include <pthread.h>

#include "base/mem.h"
#include "loop/give_way.h"
#include "loop/offload.h"
#include "loop/thread.h"

/*
 * A job is in one place at a time: in its owner's line, waiting (its task's link), on a
 * thread, or finished (its link again) until the loop's turn. One task stands for all that
 * are finished.
 */
struct pl_offload {
	struct pl_loop *loop;
	struct pl_offload_config config;
	struct pl_task reap;
	pthread_t *threads;
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t work;
	struct pl_list waiting; /* for a thread */
	struct pl_fair owned;   /* jobs with an owner, until they have run */
	size_t waiting_count;   /* those in an owner's line, too */
	struct pl_list finished;
	bool is_stopping;
};

static struct pl_job *
job_of(struct pl_list *link)
{
	return link ? PL_CONTAINER(link, struct pl_job, task.link) : NULL;
}

/* ---- whose turn it is; the lock is held ---- */

static void
on_turn(struct pl_fair_job *turn)
{
	struct pl_job *job = PL_CONTAINER(turn, struct pl_job, turn);

	pl_list_push(&job->pool->waiting, &job->task.link);
}

static void
enqueue(struct pl_offload *pool, struct pl_job *job)
{
	pool->waiting_count++;
	job->turn.group = NULL;
	if (job->owner.len > 0)
		pl_fair_add(&pool->owned, &job->turn, job->owner);
	else
		pl_list_push(&pool->waiting, &job->task.link);
}

/* The job has run, or never will. One more may wait for a thread then: this one takes as
 * many, so it wakes nobody. */
static void
end_turn(struct pl_offload *pool, struct pl_job *job)
{
	if (job->turn.group != NULL)
		pl_fair_done(&pool->owned, &job->turn);
}

/* The next job, or NULL once the pool stops. */
static struct pl_job *
next_job(struct pl_offload *pool)
{
	while (pl_list_is_empty(&pool->waiting) && !pool->is_stopping)
		pthread_cond_wait(&pool->work, &pool->lock);
	if (pool->is_stopping)
		return NULL;
	pool->waiting_count--;
	return job_of(pl_list_pop(&pool->waiting));
}

/* ---- threads ---- */

static void *
thread_main(void *arg)
{
	struct pl_offload *pool = arg;
	const struct pl_offload_config *config = &pool->config;
	void *state = config->thread_start ? config->thread_start(config->arg) : NULL;
	struct pl_give_way way;
	struct pl_job *job;

	pl_give_way_init(&way, config->name, config->nice);
	pthread_mutex_lock(&pool->lock);
	while ((job = next_job(pool)) != NULL) {
		bool is_first;

		pthread_mutex_unlock(&pool->lock);
		pl_give_way_begin(&way);
		job->run(job, state);
		pl_give_way_end(&way);
		pthread_mutex_lock(&pool->lock);
		end_turn(pool, job);
		is_first = pl_list_is_empty(&pool->finished);
		pl_list_push(&pool->finished, &job->task.link);
		if (is_first)
			pl_loop_post(pool->loop, &pool->reap);
	}
	pthread_mutex_unlock(&pool->lock);
	pl_give_way_fini(&way);
	if (config->thread_stop != NULL)
		config->thread_stop(state);
	return NULL;
}

/* ---- on the loop ---- */

/* Finish the jobs of list. Their done may submit more, but not free the pool. */
static void
finish_all(struct pl_list *list)
{
	struct pl_job *job;

	while ((job = job_of(pl_list_pop(list))) != NULL)
		job->done(job, PL_OK);
}

static void
reap(struct pl_task *task)
{
	struct pl_offload *pool = PL_CONTAINER(task, struct pl_offload, reap);
	struct pl_list finished;

	pl_list_init(&finished);
	pthread_mutex_lock(&pool->lock);
	pl_list_splice(&finished, &pool->finished);
	pthread_mutex_unlock(&pool->lock);
	finish_all(&finished);
}

struct pl_offload *
pl_offload_new(struct pl_loop *loop, const struct pl_offload_config *config)
{
	struct pl_offload *pool = pl_mem_zalloc(sizeof(*pool));
	unsigned owned_max = config->threads > 1 ? config->threads - 1 : 1;

	assert(config->threads > 0);
	pool->loop = loop;
	pool->config = *config;
	pool->reap.run = reap;
	pl_list_init(&pool->reap.link);
	pool->threads = pl_mem_zalloc(config->threads * sizeof(*pool->threads));
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->work, NULL);
	pl_list_init(&pool->waiting);
	pl_fair_init(&pool->owned, owned_max, 1, on_turn);
	pl_fair_lend(&pool->owned);
	pl_list_init(&pool->finished);
	for (unsigned i = 0; i < config->threads; i++)
		pool->threads[i] = pl_thread_start(config->name, thread_main, pool);
	return pool;
}

enum pl_err
pl_offload_submit(struct pl_offload *pool, struct pl_job *job)
{
	enum pl_err err = PL_OK;
	bool is_work;

	job->pool = pool;
	pthread_mutex_lock(&pool->lock);
	if (pool->waiting_count >= pool->config.queue_max)
		err = PL_E_BUSY;
	else
		enqueue(pool, job);
	is_work = !pl_list_is_empty(&pool->waiting);
	pthread_mutex_unlock(&pool->lock);
	/* Without the lock: who is woken asks for that at once. */
	if (is_work)
		pthread_cond_signal(&pool->work);
	return err;
}

/* Those in an owner's line come, one after the other, as the one before is cancelled. */
static void
cancel_waiting(struct pl_offload *pool)
{
	struct pl_job *job;

	while ((job = job_of(pl_list_pop(&pool->waiting))) != NULL) {
		end_turn(pool, job);
		job->done(job, PL_E_CANCELLED);
	}
}

void
pl_offload_free(struct pl_offload *pool)
{
	if (pool == NULL)
		return;
	pthread_mutex_lock(&pool->lock);
	pool->is_stopping = true;
	pool->config.queue_max = 0; /* a done that submits again is refused */
	pthread_cond_broadcast(&pool->work);
	pthread_mutex_unlock(&pool->lock);
	for (unsigned i = 0; i < pool->config.threads; i++)
		pthread_join(pool->threads[i], NULL);
	pl_loop_unpost(pool->loop, &pool->reap);
	finish_all(&pool->finished);
	cancel_waiting(pool);
	pthread_cond_destroy(&pool->work);
	pthread_mutex_destroy(&pool->lock);
	pl_mem_free(pool->threads);
	pl_mem_free(pool);
}
