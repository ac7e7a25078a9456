#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "support/capture.h"

/* AddressSanitizer asks for this; by itself it would end the process where malloc()
 * fails. */
const char *__asan_default_options(void);

const char *
__asan_default_options(void)
{
	return "allocator_may_return_null=1";
}

static void
gives_zeroed_memory(void **state)
{
	unsigned char *p = pl_mem_zalloc(1000);

	(void)state;
	for (int i = 0; i < 1000; i++)
		assert_int_equal(p[i], 0);
	pl_mem_free(p);
}

static void
gives_a_pointer_for_no_bytes(void **state)
{
	void *a = pl_mem_alloc(0), *b = pl_mem_zalloc(0), *c = pl_mem_realloc(NULL, 0);

	(void)state;
	assert_non_null(a);
	assert_non_null(b);
	assert_non_null(c);
	c = pl_mem_realloc(c, 0);
	assert_non_null(c);
	pl_mem_free(a);
	pl_mem_free(b);
	pl_mem_free(c);
}

static void
keeps_the_bytes_when_growing(void **state)
{
	char *p = pl_mem_strdup("parley");

	(void)state;
	p = pl_mem_realloc(p, 100000);
	assert_string_equal(p, "parley");
	pl_mem_free(p);
}

static void
copies_text_and_bytes(void **state)
{
	char *text = pl_mem_strdup("abc"), *bytes = pl_mem_strndup("a\0cdef", 3);
	char *none = pl_mem_strndup(NULL, 0);

	(void)state;
	assert_string_equal(text, "abc");
	assert_memory_equal(bytes, "a\0c", 4);
	assert_string_equal(none, "");
	assert_null(pl_mem_strdup(NULL));
	pl_mem_free(text);
	pl_mem_free(bytes);
	pl_mem_free(none);
}

static void
frees_nothing(void **state)
{
	(void)state;
	pl_mem_free(NULL);
	pl_mem_wipe_free(NULL, 10);
	pl_mem_wipe_free(pl_mem_strdup("secret"), 6);
}

static void
logs_and_aborts_when_memory_is_out(void **state)
{
	char *text;
	int status;
	pid_t child;

	(void)state;
	capture_stderr();
	child = fork();
	if (child == 0) {
		setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
		signal(SIGABRT, SIG_DFL);
		pl_mem_free(pl_mem_alloc(PTRDIFF_MAX));
		_exit(0);
	}
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	text = capture_end();
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	assert_non_null(strstr(text, "\"msg\":\"memory ran out, stopping\""));
	free(text);
}

#ifndef __SANITIZE_ADDRESS__ /* whose malloc() is another, and tells nothing */
#define CROWD       2000
#define CROWD_BYTES ((size_t)8192)

/* 8 KiB blocks come and go, as with a crowd of sockets, and small ones between them stay. */
static void
crowd(void *small[CROWD])
{
	static void *big[CROWD];

	for (int i = 0; i < CROWD; i++) {
		big[i] = memset(pl_mem_alloc(CROWD_BYTES), 1, CROWD_BYTES);
		small[i] = pl_mem_alloc(100);
	}
	for (int i = 0; i < CROWD; i++)
		pl_mem_free(big[i]);
}

static void
gives_back_what_each_crowd_left_and_only_once(void **state)
{
	static void *small[3][CROWD];

	(void)state;
	(void)pl_mem_give_back(0);
	for (int i = 0; i < 3; i++) {
		size_t before;

		crowd(small[i]);
		before = pl_mem_resident_bytes();
		assert_true(pl_mem_give_back(CROWD * CROWD_BYTES / 4));
		assert_true(pl_mem_resident_bytes() + CROWD * CROWD_BYTES / 4 < before);
		assert_false(pl_mem_give_back(CROWD * CROWD_BYTES / 4));
	}
	for (int i = 0; i < 3; i++)
		for (int k = 0; k < CROWD; k++)
			pl_mem_free(small[i][k]);
}
#endif

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(gives_zeroed_memory),
	    cmocka_unit_test(gives_a_pointer_for_no_bytes),
	    cmocka_unit_test(keeps_the_bytes_when_growing),
	    cmocka_unit_test(copies_text_and_bytes),
	    cmocka_unit_test(frees_nothing),
	    cmocka_unit_test(logs_and_aborts_when_memory_is_out),
#ifndef __SANITIZE_ADDRESS__
	    cmocka_unit_test(gives_back_what_each_crowd_left_and_only_once),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
