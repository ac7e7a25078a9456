#include "hasher.h"

#include <stdlib.h>

#include "hash_threads.h"
#include "password.h"
#include "base/log.h"
#include "ops/metrics.h"
#include "http/service.h"

static struct pl_offload *pool;
static int64_t pending;

static void
run(struct pl_job *job, void *thread_state)
{
	struct auth_hash *h = PL_CONTAINER(job, struct auth_hash, job);
	bool needs_fresh = !h->is_login;

	(void)thread_state;
	if (h->is_login)
		h->matches = password_verify(h->password, h->stored, &needs_fresh);
	if (needs_fresh)
		h->fresh = password_hash(h->password);
}

static void
done(struct pl_job *job, enum pl_err err)
{
	struct auth_hash *h = PL_CONTAINER(job, struct auth_hash, job);

	pl_metrics_set(PL_M_HASHES_WAITING, NULL, --pending);
	h->done(h, err);
}

void
auth_hasher_start(void)
{
	struct hash_room room = hash_room_here();
	struct pl_offload_config config = {
	    .name = "hasher",
	    .threads = hash_threads(&room),
	    .queue_max = AUTH_HASHER_QUEUE_MAX,
	    .nice = PL_OFFLOAD_NICE,
	};

	if (password_init() != PL_OK) {
		pl_log_error("password hashing could not be started, giving up");
		abort();
	}
	pl_log_info("password hashes were timed, failed logins wait",
	    PL_L_INT("period_ms", password_period_ms()),
	    PL_L_INT("threads", config.threads));
	pool = pl_offload_new(pl_app.loop, &config);
}

void
auth_hasher_stop(void)
{
	pl_offload_free(pool);
	pool = NULL;
}

enum pl_err
auth_hasher_submit(struct auth_hash *h)
{
	enum pl_err err;

	h->job.run = run;
	h->job.done = done;
	h->matches = false;
	h->fresh = NULL;
	err = pl_offload_submit(pool, &h->job);
	if (err == PL_OK)
		pl_metrics_set(PL_M_HASHES_WAITING, NULL, ++pending);
	return err;
}
