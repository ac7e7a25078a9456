#include "store/store_erase.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"
#include "loop/thread.h"
#include "ops/metrics.h"
#include "store/store_backend.h"

#define PAUSE_MS      5 /* between two steps, for the sends that wait */
#define HELD_UP_MS    1000
#define SAID_AFTER_MS 60000

enum pl_err
pl_store_erase_step(struct pl_store *s, struct pl_erase_step *step)
{
	enum pl_err err;

	step->state = PL_ERASE_NOTHING;
	step->is_first = step->is_swept = step->is_swept_again = false;
	step->texts = 0;
	err = s->backend->erase_step(s, step);
	if (err == PL_OK && step->is_swept_again)
		step->told = step->user; /* by the next step it is so */
	return err;
}

enum pl_err
pl_store_erasures(struct pl_store *s, size_t *count)
{
	return s->backend->erasures(s, count);
}

static struct pl_erase_step
step_of_new_worker(void)
{
	struct pl_erase_step step = {.lease_ms = PL_ERASE_LEASE_MS,
	    .settle_ms = PL_ERASE_SETTLE_MS,
	    .tell_ms = PL_ERASE_TELL_MS};

	pl_random_bytes(&step.worker, sizeof(step.worker));
	step.worker >>= 1; /* as a signed number it is above 0 */
	return step;
}

static void
sleep_ms(long ms)
{
	const struct timespec pause = {ms / 1000, ms % 1000 * 1000000L};

	nanosleep(&pause, NULL);
}

/* ---- for programs ---- */

enum pl_err
pl_store_erase_user(
    struct pl_store *s, const struct pl_oid *user, struct pl_revocation *r)
{
	struct pl_write w = {.kind = PL_WRITE_ERASE, .u.erase.user = *user};
	struct pl_write *writes[] = {&w};
	struct pl_erase_step step = step_of_new_worker();
	enum pl_err err;

	pl_revocation_of_all(&w.u.erase.revocation, user, pl_clock_unix_ms() / 1000 + 2);
	pl_store_write(s, writes, 1);
	if (w.err != PL_OK)
		return w.err;
	*r = w.u.erase.revocation;
	do
		err = pl_store_erase_step(s, &step);
	while (err == PL_OK && !step.is_swept_again && /* that a service tells */
	       (step.state == PL_ERASE_GOES_ON || step.state == PL_ERASE_DONE));
	if (err != PL_OK)
		pl_log_warn("erasure goes on in the services", PL_L_OID("user", user),
		    PL_L_ERR(err));
	return PL_OK; /* it is noted, and so it will be done */
}

/* ---- the thread ---- */

struct eraser {
	struct pl_store_config config;
	struct pl_store *store; /* NULL while it is closed */
	struct pl_erase_step step;
	int64_t held_up_mono_ms; /* since when; 0: it is not */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wake = PTHREAD_COND_INITIALIZER;
static bool is_woken; /* guarded by lock */

void
pl_store_erase_wake(void)
{
	pthread_mutex_lock(&lock);
	is_woken = true;
	pthread_cond_signal(&wake);
	pthread_mutex_unlock(&lock);
}

static void
wait_for_work(long within_ms)
{
	struct timespec until;

	/* a wall clock that is set back would keep it waiting for as long */
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += within_ms / 1000;
	pthread_mutex_lock(&lock);
	if (!is_woken)
		pthread_cond_clockwait(&wake, &lock, CLOCK_MONOTONIC, &until);
	is_woken = false;
	pthread_mutex_unlock(&lock);
}

static void
count_under_way(struct eraser *e)
{
	size_t count;

	if (pl_store_erasures(e->store, &count) == PL_OK)
		pl_metrics_set(PL_M_ERASURES_UNDER_WAY, NULL, (int64_t)count);
}

static void
wait_held_up(struct eraser *e)
{
	int64_t now = pl_clock_mono_ms();

	if (e->held_up_mono_ms == 0)
		e->held_up_mono_ms = now;
	if (now - e->held_up_mono_ms >= SAID_AFTER_MS)
		pl_log_warn_sampled("a reader of the database keeps the write-ahead log, "
				    "and erased texts in it; erasure waits for its end",
		    PL_L_OID("user", &e->step.user));
	wait_for_work(HELD_UP_MS); /* another one may be noted, and can begin */
}

/* Once more, if its own process did it: whoever noted it may have died before. */
static enum pl_err
revoke_all(struct eraser *e)
{
	struct pl_write w = {.kind = PL_WRITE_REVOKE};
	struct pl_write *writes[] = {&w};

	pl_revocation_of_all(&w.u.revoke, &e->step.user, pl_clock_unix_ms() / 1000 + 2);
	pl_store_write(e->store, writes, 1);
	if (w.err == PL_OK)
		e->config.on_erasing(&w.u.revoke);
	return w.err;
}

static void
note_done(struct eraser *e)
{
	pl_log_info("erasure was finished", PL_L_OID("user", &e->step.user));
	pl_metrics_count(PL_M_ERASURES, NULL, 1);
	count_under_way(e);
}

/* As long as there is something to do. */
static enum pl_err
work(struct eraser *e)
{
	enum pl_err err;

	count_under_way(e);
	while ((err = pl_store_erase_step(e->store, &e->step)) == PL_OK &&
	       e->step.state != PL_ERASE_NOTHING) {
		if (e->step.is_first && (err = revoke_all(e)) != PL_OK)
			break;
		if (e->step.is_swept || e->step.is_swept_again)
			e->config.on_erased(&e->step.user);
		if (e->step.state == PL_ERASE_HELD_UP) {
			wait_held_up(e);
			continue;
		}
		e->held_up_mono_ms = 0;
		if (e->step.state == PL_ERASE_DONE)
			note_done(e);
		sleep_ms(PAUSE_MS);
	}
	return err;
}

static void
look(struct eraser *e)
{
	enum pl_err err = PL_OK;

	if (e->store == NULL)
		err = pl_store_open(&e->config, &e->store);
	if (err != PL_OK) {
		e->store = NULL;
		return;
	}
	err = work(e);
	if (err == PL_OK)
		return;
	pl_log_warn_sampled("erasures were left for the next time", PL_L_ERR(err));
	pl_store_close(e->store);
	e->store = NULL;
}

static void *
eraser_main(void *arg)
{
	for (;;) {
		look(arg);
		wait_for_work(PL_ERASE_LOOK_MS);
	}
	return NULL;
}

void
pl_store_erase_start(const struct pl_store_config *config)
{
	static atomic_flag is_begun = ATOMIC_FLAG_INIT;
	struct eraser *e;

	if (atomic_flag_test_and_set(&is_begun))
		return;
	e = pl_mem_zalloc(sizeof(*e)); /* for as long as the process lives */
	e->config.data_dir = pl_mem_strdup(config->data_dir);
	e->config.mongo_uri = pl_mem_strdup(config->mongo_uri);
	e->config.on_erasing = config->on_erasing;
	e->config.on_erased = config->on_erased;
	e->step = step_of_new_worker();
	(void)pl_thread_start_detached("store-erase", eraser_main, e);
}
