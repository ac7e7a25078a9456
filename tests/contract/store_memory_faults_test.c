/*
 * A process whose own memory is out logs it and ends (base/mem.h): what it said was
 * stored, is; and it ends so wherever it happens, with one line that says why.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "contract/sqlite_files.h"
#include "support/fail_at.h"
#include "support/patience.h"

#define BATCHES 3

/* In the child: send, and tell each id once the store has said yes. */
static void
send_some(
    struct fixture *f, const struct pl_oid *ann, unsigned n, unsigned times, int out)
{
	struct pl_store *s;

	alarm((unsigned)patient_ms(60000) / 1000);
	fail_at_expect_abort();
	fail_at(FAIL_MEM, n, times, ENOMEM);
	if (pl_store_open(&f->config, &s) != PL_OK)
		_exit(2);
	for (int i = 0; i < BATCHES; i++) {
		struct pl_write send, *batch[] = {&send};
		struct pl_message_list list;

		store_send_init(&send, ann, ann, "hi", "");
		pl_store_write(s, batch, 1);
		if (send.err != PL_OK ||
		    write(out, &send.u.send.message.id, PL_OID_LEN) != PL_OID_LEN)
			_exit(3);
		store_send_fini(&send);
		if (pl_store_messages_page(s, ann, ann, PL_PAGE_AFTER, NULL, 9, &list) !=
		    PL_OK)
			_exit(4);
		pl_message_list_fini(&list);
	}
	pl_store_close(s);
	_exit(fail_at_end() > 0 ? 5 : 0);
}

/* All that it told of is there; gives how many that were. */
static unsigned
check_told(struct fixture *f, const struct pl_oid *ann, int in)
{
	struct pl_store *s = store_open_patiently(&f->config);
	struct pl_message_pos pos;
	struct pl_oid id;
	unsigned count = 0;

	while (read(in, id.bytes, PL_OID_LEN) == PL_OID_LEN) {
		assert_int_equal(pl_store_message_pos(s, ann, ann, &id, &pos), PL_OK);
		count++;
	}
	pl_store_close(s);
	return count;
}

/* False: nothing failed. */
static bool
end_at(struct fixture *f, const struct pl_oid *ann, unsigned n, unsigned times)
{
	int ends[2], said[2], status;
	char log[4096] = "";
	unsigned told;
	pid_t pid;

	assert_int_equal(pipe(ends), 0);
	assert_int_equal(pipe(said), 0);
	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		dup2(said[1], STDOUT_FILENO);
		dup2(said[1], STDERR_FILENO);
		send_some(f, ann, n, times, ends[1]);
	}
	close(ends[1]);
	close(said[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	told = check_told(f, ann, ends[0]);
	assert_true(read(said[0], log, sizeof(log) - 1) >= 0);
	close(ends[0]);
	close(said[0]);
	if (WIFEXITED(status)) {
		assert_int_equal(WEXITSTATUS(status), 0);
		assert_int_equal(told, BATCHES);
		return false;
	}
	assert_int_equal(WTERMSIG(status), SIGABRT);
	assert_non_null(strstr(log, "memory ran out, stopping"));
	return true;
}

static void
end_at_each(struct fixture *f, unsigned times)
{
	struct pl_store *s;
	struct pl_oid ann;
	unsigned n = 1;

	s = store_open_patiently(&f->config);
	ann = store_add_user(s, "ann");
	pl_store_close(s);
	while (end_at(f, &ann, n, times))
		n++;
	assert_true(n > 10);
	printf("%u allocations failed\n", n - 1);
	sqlite_files_assert_sound(&f->config);
}

static void
loses_nothing_when_one_allocation_fails(void **state)
{
	end_at_each(*state, 1);
}

static void
loses_nothing_when_memory_is_out(void **state)
{
	end_at_each(*state, FAIL_FOR_EVER);
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

	sqlite_factory.drop(&f->config);
	pl_mem_free(f);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		loses_nothing_when_one_allocation_fails, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		loses_nothing_when_memory_is_out, setup, teardown),
	};

	return cmocka_run_group_tests_name("sqlite: memory", tests, NULL, NULL);
}
