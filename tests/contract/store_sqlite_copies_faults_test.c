/*
 * SQLite, when each of its allocations and calls of the system fails in turn while a
 * database is made, backed up and restored.
 */
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "contract/sqlite_files.h"
#include "contract/store_faults.h"
#include "support/fail_at.h"
#include "support/fail_sqlite.h"
#include "store/store_backup.h"
#include "support/descriptors.h"

struct plan {
	enum fail_kind kind;
	int error;
	unsigned times;
};

#define PLAN(kind_, error_, times_)                                                      \
	((struct plan){.kind = kind_, .error = error_, .times = times_})

static bool
is_io(enum pl_err err)
{
	return err == PL_E_IO || err == PL_E_UNAVAILABLE;
}

static int
setup(void **state)
{
	struct fixture *f = pl_mem_zalloc(sizeof(*f));

	sqlite_factory.make(&f->config);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	(void)fail_at_end();
	sqlite_factory.drop(&f->config);
	pl_mem_free(f);
	return 0;
}

/* ---- a new database, and a copy of one ---- */

static const struct plan all_kinds[] = {
    PLAN(FAIL_ALLOC, ENOMEM, 1),
    PLAN(FAIL_ALLOC, ENOMEM, FAIL_FOR_EVER),
    PLAN(FAIL_OPEN, EMFILE, 1),
    PLAN(FAIL_READ, EIO, 1),
    PLAN(FAIL_WRITE, EIO, 1),
    PLAN(FAIL_SYNC, EIO, 1),
    PLAN(FAIL_TRUNCATE, EIO, 1),
    PLAN(FAIL_LOCK, ENOLCK, 1),
    PLAN(FAIL_SHM, ENOMEM, 1),
};
#define KINDS (sizeof(all_kinds) / sizeof(all_kinds[0]))

/* The next call to fail. A schema takes thousands of allocations: with FAIL_EVERY=1 each
 * of them fails, which takes minutes; else the first ones do, and then one in
 * ninety-seven. */
static unsigned
next_of(const struct plan *plan, unsigned n)
{
	const char *every = getenv("FAIL_EVERY");

	if (plan->kind != FAIL_ALLOC || n < 50)
		return n + 1;
	return n + (every != NULL ? (unsigned)atoi(every) : 97);
}

/* True: something failed. */
static bool
make_database(const struct plan *plan, unsigned n)
{
	struct pl_store_config config;
	struct pl_store *s = NULL;
	enum pl_err err;
	bool failed;

	sqlite_factory.make(&config);
	fail_at(plan->kind, n, plan->times, plan->error);
	err = pl_store_open(&config, &s);
	failed = fail_at_end() > 0;
	if (err != PL_OK) {
		assert_true(failed && is_io(err));
		assert_null(s);
		assert_int_equal(pl_store_open(&config, &s), PL_OK);
	}
	store_add_user(s, "ann");
	pl_store_close(s);
	sqlite_files_assert_sound(&config);
	sqlite_factory.drop(&config);
	return failed;
}

static void
makes_the_database_at_the_second_try(void **state)
{
	size_t descriptors = open_descriptors();
	long live = fail_sqlite_live();

	(void)state;
	for (size_t i = 0; i < KINDS; i++) {
		unsigned n = 1;

		while (make_database(&all_kinds[i], n))
			n = next_of(&all_kinds[i], n);
		printf("%s: up to call %u\n", fail_kind_name(all_kinds[i].kind), n);
	}
	assert_int_equal(open_descriptors(), descriptors);
	assert_int_equal(fail_sqlite_live(), live);
}

/* A backup and a store that is restored from it. */
struct copies {
	struct pl_store_config backup, restored;
	struct pl_backup_list parts;
	struct pl_buf why;
};

static void
copies_init(struct copies *c)
{
	*c = (struct copies){0};
	sqlite_factory.make(&c->backup);
	sqlite_factory.make(&c->restored);
	pl_buf_init(&c->why, PL_BUF_UNLIMITED);
}

static void
copies_fini(struct copies *c)
{
	pl_backup_list_fini(&c->parts);
	pl_buf_fini(&c->why);
	sqlite_factory.drop(&c->backup);
	sqlite_factory.drop(&c->restored);
}

static void
assert_holds(const struct pl_store_config *config, const char *expected)
{
	struct pl_store *s;
	char *there;

	assert_int_equal(pl_store_open(config, &s), PL_OK);
	there = store_faults_all(s);
	assert_string_equal(there, expected);
	pl_mem_free(there);
	pl_store_close(s);
}

static bool
back_up(struct fixture *f, const struct plan *plan, unsigned n, const char *all)
{
	struct copies c;
	enum pl_err err;
	bool failed;

	copies_init(&c);
	fail_at(plan->kind, n, plan->times, plan->error);
	err = pl_store_backup(&f->config, c.backup.data_dir, &c.parts, &c.why);
	failed = fail_at_end() > 0;
	if (err != PL_OK && (!failed || !is_io(err)))
		fail_msg("%s %u: %d", fail_kind_name(plan->kind), n, err);
	if (err == PL_OK)
		assert_holds(&c.backup, all);
	copies_fini(&c);
	return failed;
}

static bool
restore(struct fixture *f, const struct plan *plan, unsigned n, const char *all)
{
	struct copies c;
	enum pl_err err;
	bool failed;

	copies_init(&c);
	assert_int_equal(
	    pl_store_backup(&f->config, c.backup.data_dir, &c.parts, &c.why), PL_OK);
	pl_backup_list_fini(&c.parts);
	fail_at(plan->kind, n, plan->times, plan->error);
	err = pl_store_restore(&c.restored, c.backup.data_dir, "id", &c.parts, &c.why);
	failed = fail_at_end() > 0;
	if (err != PL_OK && (!failed || !is_io(err)))
		fail_msg("%s %u: %d", fail_kind_name(plan->kind), n, err);
	if (err != PL_OK) {
		assert_holds(&c.restored, "");
		pl_backup_list_fini(&c.parts);
		assert_int_equal(pl_store_restore(&c.restored, c.backup.data_dir, "id",
				     &c.parts, &c.why),
		    PL_OK);
	}
	assert_holds(&c.restored, all);
	copies_fini(&c);
	return failed;
}

/* A small database: each step of each copy fails once. */
static void
copy_with_failures(struct fixture *f,
    bool (*copy)(struct fixture *f, const struct plan *plan, unsigned n, const char *all))
{
	size_t descriptors;
	char *all;
	long live;

	f->store = store_open_patiently(&f->config);
	store_send(f->store, &(struct pl_oid){{0}},
	    &(struct pl_oid[]){store_add_user(f->store, "ann")}[0], "hi");
	all = store_faults_all(f->store);
	pl_store_close(f->store);
	f->store = NULL;
	descriptors = open_descriptors();
	live = fail_sqlite_live();
	for (size_t i = 0; i < KINDS; i++) {
		unsigned n = 1;

		if (all_kinds[i].times != 1)
			continue;
		while (copy(f, &all_kinds[i], n, all))
			n = next_of(&all_kinds[i], n);
		printf("%s: up to call %u\n", fail_kind_name(all_kinds[i].kind), n);
	}
	pl_mem_free(all);
	assert_int_equal(open_descriptors(), descriptors);
	assert_int_equal(fail_sqlite_live(), live);
}

static void
backs_up_all_or_gives_an_error(void **state)
{
	copy_with_failures(*state, back_up);
}

static void
restores_all_or_nothing(void **state)
{
	copy_with_failures(*state, restore);
}

#define FAULT_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    FAULT_TEST(makes_the_database_at_the_second_try),
	    FAULT_TEST(backs_up_all_or_gives_an_error),
	    FAULT_TEST(restores_all_or_nothing),
	};

	fail_sqlite_install();
	return cmocka_run_group_tests_name("sqlite: faults of copies", tests, NULL, NULL);
}
