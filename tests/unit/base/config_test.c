#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/config.h"
#include "base/mem.h"
#include "support/capture.h"

enum { AUTH = 1, MESSAGE = 2 };

struct settings {
	int64_t port;
	int64_t offset;
	bool is_strict;
	int mode;
	char *path;
	char *secret;
	char *token;
};

#define AT(field) .offset = offsetof(struct settings, field)

static const struct pl_setting table[] = {
    {.name = "T_PORT",
	.type = PL_SETTING_INT,
	.preset = "8080",
	.least = 1,
	.most = 65535,
	.unit = "",
	.services = AUTH | MESSAGE,
	.help = "h",
	AT(port)},
    {.name = "T_OFFSET",
	.type = PL_SETTING_INT,
	.least = -10,
	.most = 10,
	.unit = "ms",
	.services = AUTH,
	.help = "h",
	AT(offset)},
    {.name = "T_STRICT",
	.type = PL_SETTING_BOOL,
	.preset = "true",
	.services = AUTH,
	.help = "h",
	AT(is_strict)},
    {.name = "T_MODE",
	.type = PL_SETTING_CHOICE,
	.preset = "sender",
	.choices = "off|sender|both",
	.services = AUTH,
	.help = "h",
	AT(mode)},
    {.name = "T_PATH",
	.alias = "T_DIR",
	.type = PL_SETTING_STRING,
	.services = AUTH,
	.help = "h",
	AT(path)},
    {.name = "T_SECRET",
	.alias = "T_KEY",
	.type = PL_SETTING_SECRET,
	.services = AUTH,
	.help = "h",
	AT(secret)},
    {.name = "T_TOKEN",
	.type = PL_SETTING_SECRET,
	.preset = "none",
	.services = MESSAGE,
	.help = "h",
	AT(token)},
};

#define ROWS (sizeof(table) / sizeof(*table))

static const char *const names[] = {"T_PORT", "T_OFFSET", "T_STRICT", "T_MODE", "T_PATH",
    "T_DIR", "T_SECRET", "T_KEY", "T_TOKEN", "T_SECRET_FILE", "T_KEY_FILE",
    "T_PATH_FILE"};
static char secret_path[] = "/tmp/parley-secret-XXXXXX";
static struct settings got;
static struct pl_buf why;

static int
start(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		unsetenv(names[i]);
	got = (struct settings){0};
	pl_buf_init(&why, 400);
	return 0;
}

static int
end(void **state)
{
	(void)state;
	pl_config_free(table, ROWS, AUTH | MESSAGE, &got);
	assert_null(got.path);
	assert_null(got.secret);
	assert_null(got.token);
	pl_buf_fini(&why);
	return 0;
}

static enum pl_err
load(unsigned mask)
{
	return pl_config_load(table, ROWS, mask, &got, &why);
}

static void
check_refused(const char *name, const char *value, const char *reason)
{
	setenv(name, value, 1);
	pl_buf_clear(&why);
	assert_int_equal(load(AUTH | MESSAGE), PL_E_INVALID);
	assert_string_equal(why.data, reason);
	unsetenv(name);
}

static void
write_secret(const char *data, size_t len, mode_t mode)
{
	int fd = open(secret_path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), len);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static void
falls_back_to_the_defaults(void **state)
{
	(void)state;
	assert_int_equal(load(AUTH | MESSAGE), PL_OK);
	assert_int_equal(got.port, 8080);
	assert_int_equal(got.offset, 0);
	assert_true(got.is_strict);
	assert_int_equal(got.mode, 1);
	assert_null(got.path);
	assert_null(got.secret);
	assert_string_equal(got.token, "none");
	assert_int_equal(why.len, 0);
}

static void
takes_what_the_environment_says(void **state)
{
	(void)state;
	setenv("T_PORT", "65535", 1);
	setenv("T_OFFSET", "-10", 1);
	setenv("T_STRICT", "0", 1);
	setenv("T_MODE", "both", 1);
	setenv("T_PATH", "/srv/data", 1);
	setenv("T_SECRET", "s3cret", 1);
	assert_int_equal(load(AUTH | MESSAGE), PL_OK);
	assert_int_equal(got.port, 65535);
	assert_int_equal(got.offset, -10);
	assert_false(got.is_strict);
	assert_int_equal(got.mode, 2);
	assert_string_equal(got.path, "/srv/data");
	assert_string_equal(got.secret, "s3cret");
}

static void
takes_an_empty_value_for_unset(void **state)
{
	(void)state;
	setenv("T_PORT", "", 1);
	setenv("T_PATH", "", 1);
	setenv("T_DIR", "/srv", 1);
	setenv("T_SECRET", "", 1);
	setenv("T_SECRET_FILE", "", 1);
	setenv("T_TOKEN", "", 1);
	assert_int_equal(load(AUTH | MESSAGE), PL_OK);
	assert_int_equal(got.port, 8080);
	assert_string_equal(got.path, "/srv");
	assert_null(got.secret);
	assert_string_equal(got.token, "none");
}

static void
leaves_out_what_is_for_other_services(void **state)
{
	(void)state;
	setenv("T_MODE", "nonsense", 1);
	assert_int_equal(load(MESSAGE), PL_OK);
	assert_int_equal(got.port, 8080);
	assert_int_equal(got.mode, 0);
	assert_string_equal(got.token, "none");
	pl_config_free(table, ROWS, MESSAGE, &got);
}

static void
refuses_values_that_break_their_rule(void **state)
{
	static const char *const ports[] = {"0", "65536", "-1", "80 ", " 80", "8e3",
	    "http", "99999999999999999999", "+80", "-", "--1", "080", "00"};
	char reason[128];

	(void)state;
	for (size_t i = 0; i < sizeof(ports) / sizeof(*ports); i++) {
		snprintf(reason, sizeof(reason),
		    "T_PORT must be a whole number from 1 to 65535, not '%s'", ports[i]);
		check_refused("T_PORT", ports[i], reason);
	}
	check_refused("T_OFFSET", "11",
	    "T_OFFSET must be a whole number from -10 to 10 (ms), not '11'");
	check_refused("T_OFFSET", "-11",
	    "T_OFFSET must be a whole number from -10 to 10 (ms), not '-11'");
	check_refused(
	    "T_STRICT", "yes", "T_STRICT must be 0, 1, true or false, not 'yes'");
	check_refused(
	    "T_STRICT", "TRUE", "T_STRICT must be 0, 1, true or false, not 'TRUE'");
	check_refused(
	    "T_MODE", "Both", "T_MODE must be one of off, sender, both, not 'Both'");
	check_refused("T_MODE", "off|sender",
	    "T_MODE must be one of off, sender, both, not 'off|sender'");
}

static void
tells_a_value_as_the_environment_has_it(void **state)
{
	static const char *const texts[] = {"8080", "-10", "0", "both", "/srv", "", ""};
	struct pl_buf text;

	(void)state;
	setenv("T_OFFSET", "-10", 1);
	setenv("T_STRICT", "false", 1);
	setenv("T_MODE", "both", 1);
	setenv("T_DIR", "/srv", 1);
	assert_int_equal(load(AUTH), PL_OK);
	pl_buf_init(&text, 100);
	for (size_t i = 0; i < ROWS; i++) {
		pl_buf_clear(&text);
		pl_config_add_value(&table[i], &got, &text);
		assert_int_equal(text.len, strlen(texts[i]));
		assert_memory_equal(text.len > 0 ? text.data : "", texts[i], text.len);
	}
	pl_buf_fini(&text);
}

static void
shows_no_bad_value_that_is_long_or_would_break_the_line(void **state)
{
	(void)state;
	check_refused("T_PORT", "1\n2", "T_PORT must be a whole number from 1 to 65535");
	check_refused(
	    "T_PORT", "8\x1b[2J", "T_PORT must be a whole number from 1 to 65535");
	check_refused("T_PORT", "12345678901234567890123456789012345678901",
	    "T_PORT must be a whole number from 1 to 65535");
}

static void
names_every_bad_setting_at_once(void **state)
{
	(void)state;
	setenv("T_PORT", "0", 1);
	setenv("T_STRICT", "yes", 1);
	setenv("T_PATH", "/srv", 1);
	setenv("T_SECRET_FILE", "/no/such/file", 1);
	assert_int_equal(load(AUTH | MESSAGE), PL_E_INVALID);
	assert_string_equal(why.data,
	    "T_PORT must be a whole number from 1 to 65535, not '0'\n"
	    "T_STRICT must be 0, 1, true or false, not 'yes'\n"
	    "T_SECRET_FILE names a file that cannot be read: No such file or directory");
}

static void
takes_an_alias_and_refuses_a_contradiction(void **state)
{
	(void)state;
	setenv("T_DIR", "/srv", 1);
	setenv("T_KEY", "s3cret", 1);
	assert_int_equal(load(AUTH), PL_OK);
	assert_string_equal(got.path, "/srv");
	assert_string_equal(got.secret, "s3cret");
	pl_config_free(table, ROWS, AUTH, &got);

	setenv("T_PATH", "/srv", 1);
	assert_int_equal(load(AUTH), PL_OK);
	assert_string_equal(got.path, "/srv");
	pl_config_free(table, ROWS, AUTH, &got);

	check_refused("T_PATH", "/else", "T_PATH and T_DIR are both set and differ");
}

static void
says_that_a_setting_came_by_its_old_name(void **state)
{
	static const struct pl_setting renamed[] = {{.name = "T_PATH",
	    .alias = "T_DIR",
	    .alias_is_old = true,
	    .type = PL_SETTING_STRING,
	    .services = AUTH,
	    .help = "h",
	    AT(path)}};
	static const char *const by[] = {"T_DIR", "T_PATH"};

	(void)state;
	for (int i = 0; i < 2; i++) {
		char *log;

		setenv(by[i], "/srv", 1);
		capture_stderr();
		assert_int_equal(pl_config_load(renamed, 1, AUTH, &got, &why), PL_OK);
		log = capture_end();
		assert_string_equal(got.path, "/srv");
		assert_int_equal(
		    strstr(log, "\"setting\":\"T_DIR\",\"now\":\"T_PATH\"") != NULL,
		    i == 0);
		free(log);
		pl_config_free(renamed, 1, AUTH, &got);
		unsetenv(by[i]);
	}
}

static void
reads_a_secret_from_a_file(void **state)
{
	static const char *const names_of_files[] = {"T_SECRET_FILE", "T_KEY_FILE"};

	(void)state;
	for (int i = 0; i < 2; i++) {
		write_secret("s3cret \n\n", 9, 0600);
		setenv(names_of_files[i], secret_path, 1);
		assert_int_equal(load(AUTH), PL_OK);
		assert_string_equal(got.secret, "s3cret \n");
		pl_config_free(table, ROWS, AUTH, &got);
		write_secret("s3cret\r\n", 8, 0600);
		assert_int_equal(load(AUTH), PL_OK);
		assert_string_equal(got.secret, "s3cret");
		pl_config_free(table, ROWS, AUTH, &got);
		unsetenv(names_of_files[i]);
	}
}

static void
refuses_a_secret_both_ways(void **state)
{
	(void)state;
	write_secret("s3cret", 6, 0600);
	setenv("T_SECRET_FILE", secret_path, 1);
	check_refused(
	    "T_SECRET", "s3cret", "T_SECRET and T_SECRET_FILE are both set, keep one");
	check_refused("T_KEY", "other", "T_KEY and T_SECRET_FILE are both set, keep one");
	check_refused("T_KEY_FILE", "/else",
	    "T_SECRET_FILE and T_KEY_FILE are both set and differ");
}

static void
refuses_a_file_without_a_secret(void **state)
{
	static char big[16386];

	(void)state;
	check_refused("T_SECRET_FILE", "/nonexistent/secret",
	    "T_SECRET_FILE names a file that cannot be read: No such file or directory");
	check_refused("T_SECRET_FILE", "/tmp",
	    "T_SECRET_FILE names a file that cannot be read: Is a directory");
	write_secret("\n", 1, 0600);
	check_refused("T_SECRET_FILE", secret_path, "T_SECRET_FILE names an empty file");
	write_secret("a\0b", 3, 0600);
	check_refused(
	    "T_SECRET_FILE", secret_path, "T_SECRET_FILE names a file with a NUL in it");
	memset(big, 'x', sizeof(big));
	write_secret(big, sizeof(big), 0600);
	check_refused(
	    "T_SECRET_FILE", secret_path, "T_SECRET_FILE names a file over 16384 bytes");
}

static void
takes_a_file_for_secrets_only(void **state)
{
	(void)state;
	setenv("T_PATH_FILE", "/nonexistent/path", 1);
	assert_int_equal(load(AUTH), PL_OK);
	assert_null(got.path);
}

static void
warns_of_a_file_that_others_may_read(void **state)
{
	char *text;

	(void)state;
	setenv("T_SECRET_FILE", secret_path, 1);
	for (int is_open = 0; is_open < 2; is_open++) {
		write_secret("s3cret", 6, is_open ? 0644 : 0640);
		capture_stderr();
		assert_int_equal(load(AUTH), PL_OK);
		text = capture_end();
		assert_int_equal(strstr(text, "\"lvl\":\"warn\"") != NULL, is_open);
		assert_int_equal(strstr(text, "T_SECRET_FILE") != NULL, is_open);
		assert_null(strstr(text, "s3cret"));
		free(text);
		pl_config_free(table, ROWS, AUTH, &got);
	}
}

static void
never_names_a_secrets_value(void **state)
{
	(void)state;
	setenv("T_KEY", "canary-one", 1);
	check_refused(
	    "T_SECRET", "canary-two", "T_SECRET and T_KEY are both set and differ");
}

static void
logs_values_but_no_secret(void **state)
{
	char *text;

	(void)state;
	setenv("T_SECRET", "canary", 1);
	setenv("T_PATH", "/srv", 1);
	assert_int_equal(load(AUTH | MESSAGE), PL_OK);
	pl_mem_wipe_free(got.token, strlen(got.token));
	got.token = NULL;
	capture_stderr();
	pl_config_log(table, ROWS, AUTH | MESSAGE, &got);
	text = capture_end();
	assert_null(strstr(text, "canary"));
	assert_non_null(strstr(text, "\"name\":\"T_PORT\",\"value\":8080}"));
	assert_non_null(
	    strstr(text, "\"name\":\"T_OFFSET\",\"value\":0,\"unit\":\"ms\"}"));
	assert_non_null(strstr(text, "\"name\":\"T_STRICT\",\"value\":\"true\"}"));
	assert_non_null(strstr(text, "\"name\":\"T_MODE\",\"value\":\"sender\"}"));
	assert_non_null(strstr(text, "\"name\":\"T_PATH\",\"value\":\"/srv\"}"));
	assert_non_null(strstr(text, "\"name\":\"T_SECRET\",\"value\":\"set\"}"));
	assert_non_null(strstr(text, "\"name\":\"T_TOKEN\",\"value\":\"unset\"}"));
	free(text);
}

/* Is needle in this process's environment, as the kernel shows it? */
static bool
kernel_shows(const char *needle)
{
	static char shown[200000];
	int fd = open("/proc/self/environ", O_RDONLY);
	ssize_t n, len = 0;

	while (fd >= 0 && (n = read(fd, shown + len, sizeof(shown) - (size_t)len)) > 0)
		len += n;
	close(fd);
	return memmem(shown, (size_t)len, needle, strlen(needle)) != NULL;
}

/* What kore does before it loads a module. */
static void
move_environ(void)
{
	for (char **at = environ; *at != NULL; at++)
		*at = strdup(*at);
}

/* What the program does when it is started as its own child with secrets set. */
static int
be_child(bool is_moved)
{
	if (!kernel_shows("canary-secret") || !kernel_shows("canary-token"))
		return 2;
	if (is_moved)
		move_environ();
	pl_buf_init(&why, 400);
	if (load(AUTH) != PL_OK || strcmp(got.secret, "canary-secret") != 0)
		return 3;
	if (kernel_shows("canary") || getenv("T_SECRET") != NULL ||
	    getenv("T_TOKEN") != NULL)
		return 4;
	for (char **at = environ; *at != NULL; at++)
		if (strstr(*at, "canary") != NULL)
			return 5;
	if (!kernel_shows("T_PATH=/srv"))
		return 6;
	pl_config_free(table, ROWS, AUTH, &got);
	pl_buf_fini(&why);
	return 0;
}

static void
check_child(char *how)
{
	char program[] = "/proc/self/exe", path[] = "T_PATH=/srv";
	char secret[] = "T_SECRET=canary-secret", token[] = "T_TOKEN=canary-token";
	/* What moved is never freed, which is not the point here. */
	char asan[] = "ASAN_OPTIONS=detect_leaks=0";
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		execve(program, (char *[]){program, how, NULL},
		    (char *[]){secret, path, token, asan, NULL});
		_exit(99);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void
wipes_secrets_from_the_environment(void **state)
{
	char how[] = "child";

	(void)state;
	check_child(how);
}

static void
wipes_secrets_from_an_environment_that_moved(void **state)
{
	char how[] = "moved-child";

	(void)state;
	check_child(how);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(falls_back_to_the_defaults, start, end),
	    cmocka_unit_test_setup_teardown(takes_what_the_environment_says, start, end),
	    cmocka_unit_test_setup_teardown(takes_an_empty_value_for_unset, start, end),
	    cmocka_unit_test_setup_teardown(
		leaves_out_what_is_for_other_services, start, end),
	    cmocka_unit_test_setup_teardown(
		refuses_values_that_break_their_rule, start, end),
	    cmocka_unit_test_setup_teardown(
		shows_no_bad_value_that_is_long_or_would_break_the_line, start, end),
	    cmocka_unit_test_setup_teardown(names_every_bad_setting_at_once, start, end),
	    cmocka_unit_test_setup_teardown(
		tells_a_value_as_the_environment_has_it, start, end),
	    cmocka_unit_test_setup_teardown(
		takes_an_alias_and_refuses_a_contradiction, start, end),
	    cmocka_unit_test_setup_teardown(
		says_that_a_setting_came_by_its_old_name, start, end),
	    cmocka_unit_test_setup_teardown(reads_a_secret_from_a_file, start, end),
	    cmocka_unit_test_setup_teardown(refuses_a_secret_both_ways, start, end),
	    cmocka_unit_test_setup_teardown(refuses_a_file_without_a_secret, start, end),
	    cmocka_unit_test_setup_teardown(takes_a_file_for_secrets_only, start, end),
	    cmocka_unit_test_setup_teardown(
		warns_of_a_file_that_others_may_read, start, end),
	    cmocka_unit_test_setup_teardown(never_names_a_secrets_value, start, end),
	    cmocka_unit_test_setup_teardown(logs_values_but_no_secret, start, end),
	    cmocka_unit_test(wipes_secrets_from_the_environment),
	    cmocka_unit_test(wipes_secrets_from_an_environment_that_moved),
	};
	int failed, fd;

	if (argc > 1)
		return be_child(strcmp(argv[1], "moved-child") == 0);
	fd = mkstemp(secret_path);
	if (fd < 0)
		return 1;
	close(fd);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(secret_path);
	return failed;
}
