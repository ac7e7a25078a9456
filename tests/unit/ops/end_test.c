#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ops/end.h"

static void
never_ends(void)
{
	for (;;)
		pause();
}

/* The child's part: a line that is not written yet, and a clean-up that hangs. */
static void
write_and_end(int out)
{
	dup2(out, STDOUT_FILENO);
	alarm(60);
	atexit(never_ends);
	setvbuf(stdout, NULL, _IOFBF, 0);
	printf("done");
	pl_end(3);
}

static void
writes_what_is_left_and_waits_for_no_library(void **state)
{
	char text[16] = {0};
	int ends[2], status;
	pid_t child;

	(void)state;
	fflush(stdout);
	assert_int_equal(pipe(ends), 0);
	child = fork();
	assert_int_not_equal(child, -1);
	if (child == 0)
		write_and_end(ends[1]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 3);
	assert_int_equal(read(ends[0], text, sizeof(text) - 1), 4);
	assert_string_equal(text, "done");
	close(ends[0]);
	close(ends[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(writes_what_is_left_and_waits_for_no_library),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
