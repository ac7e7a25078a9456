#include "contract/sqlite_faults.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "contract/sqlite_files.h"
#include "support/fail_at.h"
#include "support/fail_sqlite.h"
#include "support/descriptors.h"

static const struct faults_call *calls; /* of this program */

struct plan {
	enum fail_kind kind;
	int error;
	unsigned times;
	struct fixture *f;
};

#define PLAN(kind_, error_, times_)                                                      \
	((struct plan){.kind = kind_, .error = error_, .times = times_})

static void
begin(void *arg, unsigned n)
{
	const struct plan *p = arg;

	fail_at(p->kind, n, p->times, p->error);
}

static bool
end(void *arg)
{
	(void)arg;
	return fail_at_end() > 0;
}

static bool
is_io(enum pl_err err)
{
	return err == PL_E_IO || err == PL_E_UNAVAILABLE;
}

static bool
is_full(enum pl_err err)
{
	return err == PL_E_FULL;
}

/* ---- what the next process would find, if this one were killed now ---- */

static void
look_after_a_kill(void *arg, const char *before)
{
	const struct plan *p = arg;
	struct pl_store_config config;
	struct pl_store *s;
	char *there;

	sqlite_memory_factory.make(&config);
	sqlite_files_copy(p->f->config.data_dir, config.data_dir);
	assert_int_equal(pl_store_open(&config, &s), PL_OK);
	there = store_faults_all(s);
	if (strcmp(there, before) != 0)
		fail_msg("a kill brings back what was refused:\n%s\nbefore\n%s", there,
		    before);
	pl_mem_free(there);
	pl_store_close(s);
	sqlite_files_assert_sound(&config);
	sqlite_memory_factory.drop(&config);
}

/* ---- the tests ---- */

static unsigned
run(struct fixture *f, struct plan plan, bool (*is_right)(enum pl_err))
{
	struct store_faults faults = {.name = fail_kind_name(plan.kind),
	    .begin = begin,
	    .end = end,
	    .is_right = is_right,
	    .look = plan.kind == FAIL_WRITE || plan.kind == FAIL_SYNC ? look_after_a_kill
								      : NULL,
	    .only_writes = plan.times == FAIL_FOR_EVER,
	    .arg = &plan};
	struct pl_store_config *config = &f->config;
	size_t descriptors = open_descriptors();
	long live = fail_sqlite_live();
	struct faults_scene s;
	unsigned failures;

	plan.f = f;
	f->store = store_open_patiently(config);
	store_faults_play(&s, f);
	s.store = store_open_patiently(config);
	failures = store_faults_run(&s, &faults, calls);
	pl_store_close(s.store);
	pl_store_close(f->store);
	f->store = NULL;
	sqlite_files_assert_sound(config);
	assert_int_equal(open_descriptors(), descriptors);
	assert_int_equal(fail_sqlite_live(), live);
	printf("%s, %u times from each call on: %u calls failed\n",
	    fail_kind_name(plan.kind), plan.times, failures);
	return failures;
}

static int
setup(void **state)
{
	struct fixture *f = pl_mem_zalloc(sizeof(*f));

	sqlite_memory_factory.make(&f->config);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	(void)fail_at_end();
	sqlite_memory_factory.drop(&f->config);
	pl_mem_free(f);
	return 0;
}

static void
gives_an_error_for_each_allocation_that_fails(void **state)
{
	assert_true(run(*state, PLAN(FAIL_ALLOC, ENOMEM, 1), is_io) > 100);
}

/* Not even the rollback has memory. */
static void
gives_an_error_when_memory_is_out_for_the_rest_of_the_call(void **state)
{
	struct plan plan = PLAN(FAIL_ALLOC, ENOMEM, FAIL_FOR_EVER);

	assert_true(run(*state, plan, is_io) > 100);
}

static void
gives_an_error_for_each_read_that_fails(void **state)
{
	run(*state, PLAN(FAIL_READ, EIO, 1), is_io);
}

static void
stores_nothing_of_a_batch_one_of_whose_writes_fails(void **state)
{
	assert_true(run(*state, PLAN(FAIL_WRITE, EIO, 1), is_io) > 10);
}

static void
stores_nothing_of_a_batch_for_which_the_disk_has_no_room(void **state)
{
	struct plan plan = PLAN(FAIL_WRITE, ENOSPC, FAIL_FOR_EVER);

	assert_true(run(*state, plan, is_full) > 10);
}

static void
gives_an_error_when_the_disk_does_not_sync(void **state)
{
	assert_true(run(*state, PLAN(FAIL_SYNC, EIO, 1), is_io) >= 10);
}

/* Is the opening of a database, which opens files and shares memory, among the calls? */
static bool
has_open(void)
{
	return calls == store_faults_calls;
}

static void
gives_an_error_for_each_file_that_cannot_be_opened(void **state)
{
	unsigned failures = run(*state, PLAN(FAIL_OPEN, EMFILE, 1), is_io);

	assert_true(failures > 0 || !has_open());
}

static void
gives_an_error_for_each_lock_that_fails(void **state)
{
	assert_true(run(*state, PLAN(FAIL_LOCK, ENOLCK, 1), is_io) > 10);
}

static void
gives_an_error_when_shared_memory_cannot_be_had(void **state)
{
	unsigned failures = run(*state, PLAN(FAIL_SHM, ENOMEM, 1), is_io);

	assert_true(failures > 0 || !has_open());
}

#define FAULT_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
sqlite_faults_run(const char *name, const struct faults_call *all)
{
	const struct CMUnitTest tests[] = {
	    FAULT_TEST(gives_an_error_for_each_allocation_that_fails),
	    FAULT_TEST(gives_an_error_when_memory_is_out_for_the_rest_of_the_call),
	    FAULT_TEST(gives_an_error_for_each_read_that_fails),
	    FAULT_TEST(stores_nothing_of_a_batch_one_of_whose_writes_fails),
	    FAULT_TEST(stores_nothing_of_a_batch_for_which_the_disk_has_no_room),
	    FAULT_TEST(gives_an_error_when_the_disk_does_not_sync),
	    FAULT_TEST(gives_an_error_for_each_file_that_cannot_be_opened),
	    FAULT_TEST(gives_an_error_for_each_lock_that_fails),
	    FAULT_TEST(gives_an_error_when_shared_memory_cannot_be_had),
	};

	calls = all;
	fail_sqlite_install();
	return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}
