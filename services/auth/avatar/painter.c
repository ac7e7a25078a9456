#include "painter.h"

#include "ops/metrics.h"
#include "http/service.h"

static struct pl_offload *pool;
static struct pl_list all; /* PAINTER_QUEUE_MAX and one, at most */
static int64_t pending;

static void
run(struct pl_job *job, void *thread_state)
{
	struct auth_painting *p = PL_CONTAINER(job, struct auth_painting, job);

	(void)thread_state;
	p->err = avatar_make(p->file, &p->type, &p->made);
}

static void
done(struct pl_job *job, enum pl_err err)
{
	struct auth_painting *p = PL_CONTAINER(job, struct auth_painting, job);

	pl_list_unlink(&p->link);
	pl_metrics_set(PL_M_AVATARS_WAITING, NULL, --pending);
	p->done(p, err != PL_OK ? err : p->err);
}

void
auth_painter_start(void)
{
	struct pl_offload_config config = {.name = "painter",
	    .threads = 1,
	    .queue_max = PAINTER_QUEUE_MAX,
	    .nice = PL_OFFLOAD_NICE};

	pl_list_init(&all);
	pool = pl_offload_new(pl_app.loop, &config);
}

void
auth_painter_stop(void)
{
	pl_offload_free(pool);
	pool = NULL;
}

static unsigned
count_of(const struct pl_oid *user)
{
	unsigned count = 0;

	pl_list_for_each(at, &all) count +=
	    pl_oid_eq(&PL_CONTAINER(at, struct auth_painting, link)->user, user);
	return count;
}

enum pl_err
auth_painter_submit(struct auth_painting *p)
{
	enum pl_err err;

	if (count_of(&p->user) >= PAINTER_OF_USER_MAX)
		return PL_E_BUSY;
	p->job.run = run;
	p->job.done = done;
	err = pl_offload_submit(pool, &p->job);
	if (err != PL_OK)
		return err;
	pl_list_push(&all, &p->link);
	pl_metrics_set(PL_M_AVATARS_WAITING, NULL, ++pending);
	return PL_OK;
}
