#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "base/json.h"
#include "base/log.h"

/* What one pl_log_*() wrote. Standard error is a datagram socket, so that a recv() gives
 * what one write() gave. */
static char line[65536];
static int saved_fd, reader;

static int
listen_in(void **state)
{
	int ends[2];

	(void)state;
	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, ends) != 0)
		return -1;
	fflush(stderr);
	saved_fd = dup(STDERR_FILENO);
	dup2(ends[0], STDERR_FILENO);
	close(ends[0]);
	reader = ends[1];
	pl_log_init("message", PL_LOG_INFO);
	return 0;
}

static int
listen_no_more(void **state)
{
	(void)state;
	dup2(saved_fd, STDERR_FILENO);
	close(saved_fd);
	close(reader);
	return 0;
}

/* The line as parsed JSON, for pl_json_free(); the time is set to a known one in
 * `line`. */
static struct pl_json *
hear_one(void)
{
	ssize_t n = recv(reader, line, sizeof(line) - 1, MSG_DONTWAIT);
	struct pl_json *root = NULL;
	const char *why = "";

	assert_true(n > 40);
	line[n] = '\0';
	assert_ptr_equal(strchr(line, '\n'), line + n - 1);
	if (pl_json_parse(pl_str_n(line, (size_t)n), &root, &why) != PL_OK)
		fail_msg("%s: %s", why, line);
	memcpy(line + 6, "2026-01-31T12:34:56.789Z", 24);
	return root;
}

/* It was the only one. */
static struct pl_json *
hear(void)
{
	struct pl_json *root = hear_one();

	assert_int_equal(recv(reader, line, 1, MSG_DONTWAIT), -1);
	return root;
}

static void
check_field(const struct pl_json *root, const char *key, struct pl_str expected)
{
	struct pl_str value;

	assert_true(pl_json_str(pl_json_get(root, key), &value));
	if (!pl_str_eq(value, expected))
		fail_msg("%s is %.*s", key, (int)value.len, value.ptr);
}

static void
writes_one_json_object_a_line(void **state)
{
	struct pl_oid id = {{0x65, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}};

	(void)state;
	pl_log_warn("bus publish failed, will retry", PL_L_ERR(PL_E_TIMEOUT),
	    PL_L_INT("wait_ms", 500), PL_L_INT("least", INT64_MIN), PL_L_OID("user", &id),
	    PL_L_STR("none", PL_STR_NONE), PL_L_CSTR("null", NULL));
	pl_json_free(hear());
	assert_string_equal(line,
	    "{\"t\":\"2026-01-31T12:34:56.789Z\",\"lvl\":\"warn\",\"svc\":\"message\","
	    "\"msg\":\"bus publish failed, will "
	    "retry\",\"err\":\"timeout\",\"wait_ms\":500,"
	    "\"least\":-9223372036854775808,\"user\":\"650102030405060708090a0b\","
	    "\"none\":\"\",\"null\":\"\"}\n");
}

static void
stays_silent_below_its_level(void **state)
{
	(void)state;
	pl_log_debug("not of interest");
	assert_int_equal(recv(reader, line, 1, MSG_DONTWAIT), -1);
	pl_log_init("auth", PL_LOG_ERROR);
	pl_log_warn("not of interest");
	assert_int_equal(recv(reader, line, 1, MSG_DONTWAIT), -1);
	pl_log_error("store was lost");
	pl_json_free(hear());
	assert_non_null(strstr(line, "\"lvl\":\"error\",\"svc\":\"auth\""));
}

static void
samples_what_comes_too_often(void **state)
{
	struct pl_log_sample sample = {0};
	int64_t left_out = -1;

	(void)state;
	for (int i = 0; i < PL_LOG_SAMPLE_LINES; i++) {
		assert_true(pl_log_sample_take(&sample, 5000, &left_out));
		assert_int_equal(left_out, 0);
	}
	for (int i = 0; i < 1000; i++)
		assert_false(
		    pl_log_sample_take(&sample, 5000 + PL_LOG_SAMPLE_MS - 1, &left_out));
	assert_true(pl_log_sample_take(&sample, 5000 + PL_LOG_SAMPLE_MS, &left_out));
	assert_int_equal(left_out, 1000);
	assert_true(pl_log_sample_take(&sample, 5000 + PL_LOG_SAMPLE_MS, &left_out));
	assert_int_equal(left_out, 0);
}

static void
samples_by_the_place_in_the_code(void **state)
{
	int lines = 0;

	(void)state;
	for (int i = 0; i < 100; i++) {
		pl_log_warn_sampled("login throttled", PL_L_INT("try", i));
		while (recv(reader, line, sizeof(line) - 1, MSG_DONTWAIT) > 0)
			lines++;
	}
	assert_int_equal(lines, PL_LOG_SAMPLE_LINES);
	pl_log_error_sampled("store was lost");
	pl_json_free(hear());
	assert_null(strstr(line, "left_out"));
}

/* ---- threads ---- */

enum { WRITERS = 4, LINES = 200 }; /* of each, and as many warnings */

static atomic_int writers_left;

static void *
write_lines(void *arg)
{
	for (int i = 0; i < LINES; i++) {
		pl_log_info("a line", PL_L_INT("i", i));
		pl_log_warn_sampled("a warning");
	}
	writers_left--;
	return arg;
}

/* One at a time: how many lines, warnings, and warnings that were left out. */
static void
hear_all(int64_t counts[3])
{
	for (;;) {
		bool is_last = writers_left == 0;
		struct pollfd heard = {.fd = reader, .events = POLLIN};
		int64_t left_out = 0;
		struct pl_json *root;

		if (poll(&heard, 1, is_last ? 0 : 10) == 0) {
			if (is_last)
				return;
			continue;
		}
		root = hear_one();
		counts[strstr(line, "\"a warning\"") != NULL]++;
		if (pl_json_int(pl_json_get(root, "left_out"), &left_out))
			counts[2] += left_out;
		pl_json_free(root);
	}
}

static void
takes_lines_from_many_threads(void **state)
{
	pthread_t threads[WRITERS];
	int64_t counts[3] = {0};

	(void)state;
	writers_left = WRITERS;
	for (int i = 0; i < WRITERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, write_lines, NULL), 0);
	hear_all(counts);
	for (int i = 0; i < WRITERS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(counts[0], WRITERS * LINES);
	assert_in_range(counts[1], PL_LOG_SAMPLE_LINES, WRITERS * LINES - counts[2]);
}

static void
says_how_many_were_left_out(void **state)
{
	struct pl_json *root;

	(void)state;
	pl_log_warn("login throttled", PL_L_INT("wait_ms", 1), PL_L_LEFT_OUT(7));
	root = hear();
	assert_non_null(strstr(line, "\"wait_ms\":1,\"left_out\":7}"));
	pl_json_free(root);
}

static void
escapes_what_would_break_a_line(void **state)
{
	struct pl_str nasty =
	    PL_STR("\"\\\r\n\t\x1B[31m\x7F\0\xC2\x85\xE2\x80\xA8\xE2\x80\xA9"
		   "\xC3\xA4\xF0\x9F\x98\x80");
	struct pl_json *root;

	(void)state;
	pl_log_info("name was seen", PL_L_STR("name", nasty));
	assert_true(recv(reader, line, sizeof(line), MSG_DONTWAIT | MSG_PEEK) > 0);
	assert_non_null(
	    strstr(line, "\"name\":\"\\\"\\\\\\u000d\\u000a\\u0009\\u001b[31m\\u007f"
			 "\\u0000\\u0085\\u2028\\u2029\xC3\xA4\xF0\x9F\x98\x80\"}"));
	assert_true(recv(reader, line, sizeof(line), MSG_DONTWAIT) > 0);

	nasty = PL_STR("\n\xE2\x80\xA8\x1B");
	pl_log_info("name was seen", PL_L_STR("name", nasty));
	root = hear();
	check_field(root, "name", nasty);
	pl_json_free(root);
}

static void
replaces_bad_utf8(void **state)
{
	static const struct {
		const char *text;
		const char *expected;
	} cases[] = {
	    {"a\xFF"
	     "b",
		"a\xEF\xBF\xBD"
		"b"},
	    {"\xC3", "\xEF\xBF\xBD"},
	    {"\xC3(", "\xEF\xBF\xBD("},
	    {"\xE2\x82\xC3\xA4", "\xEF\xBF\xBD\xC3\xA4"},
	    {"\xED\xA0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},
	    {"\xF0\x9F\x98", "\xEF\xBF\xBD"},
	    {"\xC0\x8A", "\xEF\xBF\xBD\xEF\xBF\xBD"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct pl_json *root;

		pl_log_info("name was seen", PL_L_CSTR("name", cases[i].text));
		root = hear();
		check_field(root, "name", pl_str(cases[i].expected));
		pl_json_free(root);
	}
}

static void
cuts_a_long_value_and_keeps_the_rest(void **state)
{
	static char text[100000];
	static const char *const fills[] = {"x", "\n", "\xFF", "\xF0\x9F\x98\x80", "\""};

	(void)state;
	for (size_t f = 0; f < sizeof(fills) / sizeof(*fills); f++) {
		size_t unit = strlen(fills[f]);
		struct pl_str value;
		struct pl_json *root;

		for (size_t i = 0; i + unit < sizeof(text); i += unit)
			memcpy(text + i, fills[f], unit);
		pl_log_info(
		    text, PL_L_CSTR("a", text), PL_L_CSTR("b", text), PL_L_INT("n", 7));
		root = hear();
		assert_true(pl_json_str(pl_json_get(root, "a"), &value));
		assert_true(value.len > 100 && value.len <= 1024 * 3);
		assert_memory_equal(value.ptr + value.len - 3, "\xE2\x80\xA6", 3);
		assert_int_equal(pl_json_type(pl_json_get(root, "n")), PL_JSON_INT);
		pl_json_free(root);
	}
}

static void
drops_what_no_line_can_hold(void **state)
{
	static char text[2000];
	struct pl_log_field fields[60];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	for (int i = 0; i < 59; i++)
		fields[i] = PL_L_CSTR("key", text + sizeof(text) - 1 - i * 7);
	fields[59] = (struct pl_log_field){0};
	pl_log_write(PL_LOG_INFO, "much was said", fields);
	assert_true(recv(reader, line, sizeof(line) - 1, MSG_DONTWAIT) <= 4096);
	assert_non_null(strstr(line, "\"}\n"));

	for (size_t len = 3000; len < 3200;
	     len++) { /* each distance to the end of the line */
		text[0] = 'x';
		for (int i = 0; i < 4; i++)
			fields[i] = PL_L_STR(
			    "k", pl_str_n(text, len / 4 + (size_t)(i < (int)(len % 4))));
		for (int i = 0; i < 4; i++)
			fields[i].key = (const char *[]){"a", "b", "c", "d"}[i];
		fields[4] = PL_L_INT("n", INT64_MIN);
		fields[5] = (struct pl_log_field){0};
		pl_log_write(PL_LOG_INFO, text + 1200, fields);
		pl_json_free(hear());
	}
}

static void
keeps_errno(void **state)
{
	(void)state;
	dup2(saved_fd, reader); /* no one listens: the write fails */
	errno = 4242;
	pl_log_error("nobody was listening");
	assert_int_equal(errno, 4242);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		writes_one_json_object_a_line, listen_in, listen_no_more),
	    cmocka_unit_test_setup_teardown(
		stays_silent_below_its_level, listen_in, listen_no_more),
	    cmocka_unit_test(samples_what_comes_too_often),
	    cmocka_unit_test_setup_teardown(
		samples_by_the_place_in_the_code, listen_in, listen_no_more),
	    cmocka_unit_test_setup_teardown(
		takes_lines_from_many_threads, listen_in, listen_no_more),
	    cmocka_unit_test_setup_teardown(
		says_how_many_were_left_out, listen_in, listen_no_more),
	    cmocka_unit_test_setup_teardown(
		escapes_what_would_break_a_line, listen_in, listen_no_more),
	    cmocka_unit_test_setup_teardown(replaces_bad_utf8, listen_in, listen_no_more),
	    cmocka_unit_test_setup_teardown(
		cuts_a_long_value_and_keeps_the_rest, listen_in, listen_no_more),
	    cmocka_unit_test_setup_teardown(
		drops_what_no_line_can_hold, listen_in, listen_no_more),
	    cmocka_unit_test_setup_teardown(keeps_errno, listen_in, listen_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
