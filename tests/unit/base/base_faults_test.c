/* What the lowest room does when the system, or a library, has nothing to give. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/config.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/utf8.h"
#include "support/fail_at.h"

static void
tells_no_size_without_the_file_that_tells_it(void **state)
{
	(void)state;
	fail_at(FAIL_OPEN, 1, 1, EMFILE);
	assert_int_equal(pl_mem_resident_bytes(), 0);
	assert_int_equal(fail_at_end(), 1);
	assert_true(pl_mem_resident_bytes() > 0);
}

static void
gives_no_form_without_memory(void **state)
{
	size_t len;
	char *form;

	(void)state;
	fail_at(FAIL_ALLOC, 1, 1, ENOMEM);
	assert_null(pl_utf8_nfc(PL_STR("e\xcc\x81"), &len));
	assert_int_equal(fail_at_end(), 1);
	form = pl_utf8_nfc(PL_STR("e\xcc\x81"), &len);
	assert_string_equal(form, "\xc3\xa9");
	pl_mem_free(form);
}

/* ---- settings ---- */

static const struct pl_setting table[] = {
    {.name = "SOME_SECRET", .type = PL_SETTING_SECRET, .unit = "", .services = 1},
};

static void
load(char **secret)
{
	struct pl_buf why;

	*secret = NULL;
	pl_buf_init(&why, 4096);
	assert_int_equal(pl_config_load(table, 1, 1, secret, &why), PL_OK);
	pl_buf_fini(&why);
}

static void
reads_a_secret_file_though_a_signal_comes(void **state)
{
	char path[] = "/tmp/parley-secret-XXXXXX", *secret;
	int fd = mkstemp(path);

	(void)state;
	assert_int_equal(write(fd, "from a file\n", 12), 12);
	close(fd);
	setenv("SOME_SECRET_FILE", path, 1);
	fail_at(FAIL_READ, 1, 1, EINTR);
	load(&secret);
	assert_int_equal(fail_at_end(), 1);
	assert_string_equal(secret, "from a file");
	pl_config_free(table, 1, 1, &secret);
	unsetenv("SOME_SECRET_FILE");
	unlink(path);
}

static void
takes_a_secret_though_it_cannot_see_where_it_is_shown(void **state)
{
	char *secret;

	(void)state;
	setenv("SOME_SECRET", "from the environment", 1);
	fail_at(FAIL_OPEN, 1, 1, EMFILE);
	load(&secret);
	assert_int_equal(fail_at_end(), 1);
	assert_string_equal(secret, "from the environment");
	assert_null(getenv("SOME_SECRET"));
	pl_config_free(table, 1, 1, &secret);
}

/* ---- what ends the process ---- */

/* False: it ended by itself, and well. */
static bool
aborts(void (*run)(unsigned n), unsigned n)
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		fail_at_expect_abort();
		run(n);
		_exit(fail_at_end() > 0 ? 1 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status))
		assert_int_equal(WTERMSIG(status), SIGABRT);
	else
		assert_int_equal(WEXITSTATUS(status), 0);
	return WIFSIGNALED(status);
}

static void
draw(unsigned n)
{
	fail_at(FAIL_ALLOC, n, 1, ENOMEM);
	(void)pl_random_below(2);
}

static void
allocate(unsigned n)
{
	fail_at(FAIL_MEM, n, 1, ENOMEM);
	pl_mem_free(pl_mem_alloc(1));
}

static void
ends_without_memory_or_randomness(void **state)
{
	(void)state;
	assert_true(aborts(draw, 1));
	assert_true(aborts(allocate, 1));
}

#define DIGITS "0123456789012345678901234567890123456789"

/* jansson left a byte out when it had no memory for more. */
static void
parse(unsigned n)
{
	struct pl_json *root = NULL;
	struct pl_str text;

	fail_at(FAIL_MEM, n, 1, ENOMEM);
	if (pl_json_parse(PL_STR("{\"list\": [1, {}], \"text\": \"" DIGITS "\"}"), &root,
		NULL) != PL_OK ||
	    !pl_json_str(pl_json_get(root, "text"), &text) ||
	    !pl_str_eq(text, PL_STR(DIGITS)))
		_exit(2);
	pl_json_free(root);
}

static void
takes_no_half_of_a_body(void **state)
{
	unsigned n = 1;

	(void)state;
	while (aborts(parse, n))
		n++;
	assert_true(n > 10);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(ends_without_memory_or_randomness),
	    cmocka_unit_test(tells_no_size_without_the_file_that_tells_it),
	    cmocka_unit_test(gives_no_form_without_memory),
	    cmocka_unit_test(takes_no_half_of_a_body),
	    cmocka_unit_test(reads_a_secret_file_though_a_signal_comes),
	    cmocka_unit_test(takes_a_secret_though_it_cannot_see_where_it_is_shown),
	};

	return cmocka_run_group_tests_name("base: faults", tests, NULL, NULL);
}
