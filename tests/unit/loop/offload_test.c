#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/resource.h>

#include "loop/offload.h"
#include "support/fake_loop.h"

struct work {
	struct pl_job job;
	sem_t *begun; /* told when it runs */
	sem_t *gate;  /* waited for */
	void *state;
	bool ran;
	int done;
	enum pl_err err;
	struct work *next; /* submitted from done */
};

static void
run(struct pl_job *job, void *thread_state)
{
	struct work *w = PL_CONTAINER(job, struct work, job);

	w->state = thread_state;
	w->ran = true;
	if (w->begun != NULL)
		sem_post(w->begun);
	if (w->gate != NULL)
		sem_wait(w->gate);
}

static void
done(struct pl_job *job, enum pl_err err)
{
	struct work *w = PL_CONTAINER(job, struct work, job);

	w->done++;
	w->err = err;
	if (w->next != NULL)
		w->next->err = pl_offload_submit(job->pool, &w->next->job);
}

static struct work
work(sem_t *begun, sem_t *gate)
{
	return (struct work){
	    .job = {.run = run, .done = done}, .begun = begun, .gate = gate};
}

static bool
is_done(void *arg)
{
	const struct work *w = arg;

	return w->done > 0;
}

static void
runs_on_a_thread_and_is_done_on_the_loop(void **state)
{
	struct pl_loop *loop = fake_loop_new();
	struct pl_offload *pool = pl_offload_new(loop,
	    &(struct pl_offload_config){.name = "test", .threads = 2, .queue_max = 8});
	sem_t begun;
	struct work w = work(&begun, NULL);

	(void)state;
	sem_init(&begun, 0, 0);
	assert_int_equal(pl_offload_submit(pool, &w.job), PL_OK);
	sem_wait(&begun);
	assert_int_equal(w.done, 0); /* only the loop's turn does that */
	assert_true(fake_loop_until(loop, is_done, &w));
	assert_int_equal(w.done, 1);
	assert_int_equal(w.err, PL_OK);
	pl_offload_free(pool);
	assert_int_equal(w.done, 1);
	fake_loop_free(loop);
}

static void
refuses_what_is_beyond_its_queue(void **state)
{
	struct pl_loop *loop = fake_loop_new();
	struct pl_offload *pool = pl_offload_new(loop,
	    &(struct pl_offload_config){.name = "test", .threads = 1, .queue_max = 2});
	sem_t begun, gate;
	struct work running = work(&begun, &gate), a = work(NULL, NULL), b = a, c = a;

	(void)state;
	sem_init(&begun, 0, 0);
	sem_init(&gate, 0, 0);
	assert_int_equal(pl_offload_submit(pool, &running.job), PL_OK);
	sem_wait(&begun);
	assert_int_equal(pl_offload_submit(pool, &a.job), PL_OK);
	assert_int_equal(pl_offload_submit(pool, &b.job), PL_OK);
	assert_int_equal(pl_offload_submit(pool, &c.job), PL_E_BUSY);
	sem_post(&gate);
	assert_true(fake_loop_until(loop, is_done, &b));
	assert_int_equal(
	    pl_offload_submit(pool, &c.job), PL_OK); /* there is room again */
	assert_true(fake_loop_until(loop, is_done, &c));
	assert_int_equal(running.done + a.done + b.done + c.done, 4);
	pl_offload_free(pool);
	fake_loop_free(loop);
}

/* ---- owners ---- */

#define EVES 6

/* Bob takes turns with eve, and has one job to run while she has many; what is nobody's
 * finds a thread though every owner's is held. */
static void
one_job_of_each_owner_runs_and_one_thread_is_nobodys(void **state)
{
	struct pl_loop *loop = fake_loop_new();
	struct pl_offload *pool = pl_offload_new(loop,
	    &(struct pl_offload_config){.name = "test", .threads = 3, .queue_max = 16});
	sem_t begun, gate;
	struct work eve[EVES], bob = work(&begun, &gate), cid = work(NULL, NULL),
			       none = cid;

	(void)state;
	sem_init(&begun, 0, 0);
	sem_init(&gate, 0, 0);
	bob.job.owner = PL_STR("bob");
	cid.job.owner = PL_STR("cid");
	assert_int_equal(pl_offload_submit(pool, &bob.job), PL_OK);
	for (int i = 0; i < EVES; i++) {
		eve[i] = work(&begun, &gate);
		eve[i].job.owner = PL_STR("eve");
		assert_int_equal(pl_offload_submit(pool, &eve[i].job), PL_OK);
	}
	assert_int_equal(pl_offload_submit(pool, &cid.job), PL_OK);
	sem_wait(&begun);
	sem_wait(&begun); /* bob, and eve's first */
	assert_int_equal(pl_offload_submit(pool, &none.job), PL_OK);
	assert_true(fake_loop_until(loop, is_done, &none));
	assert_true(eve[0].ran && bob.ran);
	assert_false(cid.ran);
	for (int i = 1; i < EVES; i++)
		assert_false(eve[i].ran);
	for (int i = 0; i < EVES + 1; i++)
		sem_post(&gate);
	for (int i = 0; i < EVES; i++)
		assert_true(fake_loop_until(loop, is_done, &eve[i]));
	assert_true(fake_loop_until(loop, is_done, &cid));
	pl_offload_free(pool);
	fake_loop_free(loop);
}

/* Else eve's second would wait for her first beside an idle thread. */
static void
an_owner_alone_has_all_threads_but_one(void **state)
{
	struct pl_loop *loop = fake_loop_new();
	struct pl_offload *pool = pl_offload_new(loop,
	    &(struct pl_offload_config){.name = "test", .threads = 3, .queue_max = 16});
	sem_t begun, gate, second_gate;
	struct work eve[4], bob = work(&begun, &gate), none = work(NULL, NULL);

	(void)state;
	sem_init(&begun, 0, 0);
	sem_init(&gate, 0, 0);
	sem_init(&second_gate, 0, 0);
	bob.job.owner = PL_STR("bob");
	eve[0] = work(&begun, &gate);
	eve[1] = work(NULL, NULL);
	eve[2] = work(&begun, &second_gate);
	eve[3] = work(&begun, &gate);
	for (int i = 0; i < 4; i++)
		eve[i].job.owner = PL_STR("eve");
	for (int i = 0; i < 2; i++)
		assert_int_equal(pl_offload_submit(pool, &eve[i].job), PL_OK);
	assert_true(fake_loop_until(loop, is_done, &eve[1]));
	assert_int_equal(eve[0].done, 0);
	for (int i = 2; i < 4; i++)
		assert_int_equal(pl_offload_submit(pool, &eve[i].job), PL_OK);
	assert_int_equal(pl_offload_submit(pool, &bob.job), PL_OK);
	assert_int_equal(pl_offload_submit(pool, &none.job), PL_OK);
	sem_wait(&begun);
	sem_wait(&begun); /* eve's first and third */
	assert_true(fake_loop_until(loop, is_done, &none));
	assert_false(eve[3].ran || bob.ran);
	sem_post(&second_gate);
	assert_true(fake_loop_until(loop, is_done, &eve[2]));
	sem_wait(&begun); /* the next free thread is bob's */
	assert_true(bob.ran);
	assert_false(eve[3].ran);
	for (int i = 0; i < 3; i++)
		sem_post(&gate);
	assert_true(fake_loop_until(loop, is_done, &bob));
	assert_true(fake_loop_until(loop, is_done, &eve[0]));
	assert_true(fake_loop_until(loop, is_done, &eve[3]));
	pl_offload_free(pool);
	fake_loop_free(loop);
}

struct named {
	struct work work;
	char name;
};

static char order[32];

static void
run_named(struct pl_job *job, void *thread_state)
{
	struct named *n = PL_CONTAINER(job, struct named, work.job);

	run(job, thread_state);
	strncat(order, &n->name, 1); /* one thread writes */
}

/* Whoever brought five before the others came waits for each of these once. */
static void
owners_take_turns(void **state)
{
	static const char came[] = "aaaaabbc";
	struct pl_loop *loop = fake_loop_new();
	struct pl_offload *pool = pl_offload_new(loop,
	    &(struct pl_offload_config){.name = "test", .threads = 1, .queue_max = 16});
	struct named jobs[sizeof(came) - 1];
	sem_t begun, gate;
	struct work first = work(&begun, &gate);

	(void)state;
	sem_init(&begun, 0, 0);
	sem_init(&gate, 0, 0);
	order[0] = '\0';
	assert_int_equal(pl_offload_submit(pool, &first.job), PL_OK);
	sem_wait(&begun);
	for (size_t i = 0; i < sizeof(came) - 1; i++) {
		jobs[i] = (struct named){.work = work(NULL, NULL), .name = came[i]};
		jobs[i].work.job.run = run_named;
		jobs[i].work.job.owner = pl_str_n(&jobs[i].name, 1);
		assert_int_equal(pl_offload_submit(pool, &jobs[i].work.job), PL_OK);
	}
	sem_post(&gate);
	for (size_t i = 0; i < sizeof(came) - 1; i++)
		assert_true(fake_loop_until(loop, is_done, &jobs[i].work));
	assert_string_equal(order, "abcabaaa");
	pl_offload_free(pool);
	fake_loop_free(loop);
}

static void
a_line_counts_in_the_queue_and_is_cancelled_with_it(void **state)
{
	struct pl_loop *loop = fake_loop_new();
	struct pl_offload *pool = pl_offload_new(loop,
	    &(struct pl_offload_config){.name = "test", .threads = 2, .queue_max = 3});
	sem_t begun, gate;
	struct work w[5];

	(void)state;
	sem_init(&begun, 0, 0);
	sem_init(&gate, 0, 0);
	for (int i = 0; i < 5; i++) {
		w[i] = work(&begun, &gate);
		w[i].job.owner = PL_STR("eve");
	}
	assert_int_equal(pl_offload_submit(pool, &w[0].job), PL_OK);
	sem_wait(&begun);
	for (int i = 1; i < 4; i++)
		assert_int_equal(pl_offload_submit(pool, &w[i].job), PL_OK);
	assert_int_equal(pl_offload_submit(pool, &w[4].job), PL_E_BUSY);
	for (int i = 0; i < 4; i++)
		sem_post(&gate);
	pl_offload_free(pool);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(w[i].done, 1);
		assert_int_equal(w[i].err, w[i].ran ? PL_OK : PL_E_CANCELLED);
	}
	fake_loop_free(loop);
}

/* ---- the end ---- */

static void *
open_gate(void *arg)
{
	sem_post(arg);
	return NULL;
}

static void
free_waits_for_running_jobs_and_cancels_queued_ones(void **state)
{
	struct pl_loop *loop = fake_loop_new();
	struct pl_offload *pool = pl_offload_new(loop,
	    &(struct pl_offload_config){.name = "test", .threads = 1, .queue_max = 8});
	sem_t begun, gate;
	struct work running = work(&begun, &gate), queued = work(NULL, NULL),
		    late = queued;
	pthread_t thread;

	(void)state;
	sem_init(&begun, 0, 0);
	sem_init(&gate, 0, 0);
	queued.next = &late;
	assert_int_equal(pl_offload_submit(pool, &running.job), PL_OK);
	assert_int_equal(pl_offload_submit(pool, &queued.job), PL_OK);
	sem_wait(&begun);
	assert_int_equal(pthread_create(&thread, NULL, open_gate, &gate), 0);
	pl_offload_free(pool);
	pthread_join(thread, NULL);
	assert_int_equal(running.err, PL_OK);
	assert_int_equal(running.done, 1);
	/* Where the gate opened first it ran, which is as good. */
	assert_int_equal(queued.done, 1);
	assert_int_equal(queued.err, queued.ran ? PL_OK : PL_E_CANCELLED);
	assert_int_equal(late.err, PL_E_BUSY); /* nothing is taken any more */
	assert_int_equal(late.done, 0);
	fake_loop_run(loop); /* nothing points at the pool any more */
	fake_loop_free(loop);
}

static void
free_gives_what_was_finished_its_done(void **state)
{
	struct pl_loop *loop = fake_loop_new();
	struct pl_offload *pool = pl_offload_new(loop,
	    &(struct pl_offload_config){.name = "test", .threads = 1, .queue_max = 8});
	sem_t begun;
	struct work w = work(&begun, NULL);

	(void)state;
	sem_init(&begun, 0, 0);
	assert_int_equal(pl_offload_submit(pool, &w.job), PL_OK);
	sem_wait(&begun);
	pl_offload_free(pool); /* the loop had no turn */
	assert_int_equal(w.done, 1);
	assert_int_equal(w.err, PL_OK);
	pl_offload_free(NULL);
	fake_loop_free(loop);
}

/* ---- threads ---- */

static atomic_int states_made;
static atomic_int states_gone;

static void *
make_state(void *arg)
{
	atomic_fetch_add(&states_made, 1);
	return arg;
}

static void
drop_state(void *state)
{
	if (strcmp(state, "state") == 0)
		atomic_fetch_add(&states_gone, 1);
}

static void
each_thread_has_its_own_state(void **state)
{
	struct pl_loop *loop = fake_loop_new();
	char text[] = "state";
	struct pl_offload *pool =
	    pl_offload_new(loop, &(struct pl_offload_config){.name = "test",
				     .threads = 3,
				     .queue_max = 8,
				     .thread_start = make_state,
				     .thread_stop = drop_state,
				     .arg = text});
	struct work w = work(NULL, NULL);

	(void)state;
	assert_int_equal(pl_offload_submit(pool, &w.job), PL_OK);
	assert_true(fake_loop_until(loop, is_done, &w));
	assert_ptr_equal(w.state, text);
	pl_offload_free(pool);
	assert_int_equal(atomic_load(&states_made), 3);
	assert_int_equal(atomic_load(&states_gone), 3);
	fake_loop_free(loop);
}

struct mask {
	struct pl_job job;
	sigset_t set;
	int done;
};

static void
read_mask(struct pl_job *job, void *thread_state)
{
	(void)thread_state;
	pthread_sigmask(SIG_SETMASK, NULL, &PL_CONTAINER(job, struct mask, job)->set);
}

static void
mask_done(struct pl_job *job, enum pl_err err)
{
	(void)err;
	PL_CONTAINER(job, struct mask, job)->done++;
}

static bool
mask_is_done(void *arg)
{
	const struct mask *m = arg;

	return m->done > 0;
}

static void
threads_take_no_signals(void **state)
{
	struct pl_loop *loop = fake_loop_new();
	struct pl_offload *pool = pl_offload_new(loop,
	    &(struct pl_offload_config){.name = "test", .threads = 1, .queue_max = 8});
	struct mask m = {.job = {.run = read_mask, .done = mask_done}};
	sigset_t own;

	(void)state;
	assert_int_equal(pl_offload_submit(pool, &m.job), PL_OK);
	assert_true(fake_loop_until(loop, mask_is_done, &m));
	assert_true(sigismember(&m.set, SIGTERM) && sigismember(&m.set, SIGHUP));
	pthread_sigmask(SIG_SETMASK, NULL, &own);
	assert_false(sigismember(&own, SIGTERM)); /* the caller's is as before */
	pl_offload_free(pool);
	fake_loop_free(loop);
}

/* ---- priority ---- */

struct niceness {
	struct pl_job job;
	int nice;
	int done;
};

static void
read_nice(struct pl_job *job, void *thread_state)
{
	(void)thread_state;
	PL_CONTAINER(job, struct niceness, job)->nice = getpriority(PRIO_PROCESS, 0);
}

static void
nice_done(struct pl_job *job, enum pl_err err)
{
	(void)err;
	PL_CONTAINER(job, struct niceness, job)->done++;
}

static bool
nice_is_done(void *arg)
{
	const struct niceness *n = arg;

	return n->done > 0;
}

/* What the threads of a pool with this nice have. */
static int
nice_of_pool(int nice)
{
	struct pl_loop *loop = fake_loop_new();
	struct pl_offload *pool = pl_offload_new(
	    loop, &(struct pl_offload_config){
		      .name = "test", .threads = 1, .queue_max = 8, .nice = nice});
	struct niceness n = {.job = {.run = read_nice, .done = nice_done}};

	assert_int_equal(pl_offload_submit(pool, &n.job), PL_OK);
	assert_true(fake_loop_until(loop, nice_is_done, &n));
	pl_offload_free(pool);
	fake_loop_free(loop);
	return n.nice;
}

static void
threads_are_as_nice_as_they_are_told(void **state)
{
	int own = getpriority(PRIO_PROCESS, 0);

	(void)state;
	assert_int_equal(nice_of_pool(0), own);
	assert_int_equal(nice_of_pool(19), 19);
	assert_int_equal(nice_of_pool(own + 1), own + 1 < 19 ? own + 1 : 19);
	assert_int_equal(getpriority(PRIO_PROCESS, 0), own); /* the loop's is as before */
}

/* One that runs in a nicer shell may not come before it: that takes a right. */
static void
threads_are_never_less_nice_than_their_process(void **state)
{
	int own = getpriority(PRIO_PROCESS, 0);

	(void)state;
	assert_int_equal(nice_of_pool(own - 1), own);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(runs_on_a_thread_and_is_done_on_the_loop),
	    cmocka_unit_test(refuses_what_is_beyond_its_queue),
	    cmocka_unit_test(one_job_of_each_owner_runs_and_one_thread_is_nobodys),
	    cmocka_unit_test(an_owner_alone_has_all_threads_but_one),
	    cmocka_unit_test(owners_take_turns),
	    cmocka_unit_test(a_line_counts_in_the_queue_and_is_cancelled_with_it),
	    cmocka_unit_test(free_waits_for_running_jobs_and_cancels_queued_ones),
	    cmocka_unit_test(free_gives_what_was_finished_its_done),
	    cmocka_unit_test(each_thread_has_its_own_state),
	    cmocka_unit_test(threads_take_no_signals),
	    cmocka_unit_test(threads_are_as_nice_as_they_are_told),
	    cmocka_unit_test(threads_are_never_less_nice_than_their_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
