/* A WebSocket handshake for whose hash there is no memory: as pl_mem does, the process
 * ends. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/ws_handshake.h"
#include "support/fail_at.h"

static void
ends_without_memory(void **state)
{
	struct pl_ws_request rq = {.key = PL_STR("dGhlIHNhbXBsZSBub25jZQ==")};
	struct pl_buf out;
	int status;
	pid_t pid;

	(void)state;
	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		fail_at_expect_abort();
		pl_buf_init(&out, 4096);
		fail_at(FAIL_ALLOC, 1, 1, ENOMEM);
		_exit(pl_ws_handshake_answer(&out, &rq) == PL_OK ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(ends_without_memory),
	};

	return cmocka_run_group_tests_name("ws: faults", tests, NULL, NULL);
}
