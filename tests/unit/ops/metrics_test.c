#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ops/metrics.h"
#include "ops/settings.h"

static struct pl_buf text;

static const char *
printed(unsigned mask)
{
	pl_buf_clear(&text);
	pl_metrics_print(&text, mask);
	assert_false(text.overflowed);
	return text.data;
}

/* Is line a whole line of what is printed? */
static bool
has_line(unsigned mask, const char *line)
{
	const char *at = printed(mask);
	size_t len = strlen(line);

	while ((at = strstr(at, line)) != NULL) {
		if ((at == text.data || at[-1] == '\n') && at[len] == '\n')
			return true;
		at++;
	}
	return false;
}

static int
set_up(void **state)
{
	(void)state;
	pl_buf_init(&text, 1 << 20);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	pl_buf_fini(&text);
	return 0;
}

static void
prints_what_it_has_from_the_start(void **state)
{
	(void)state;
	assert_true(has_line(PL_SVC_MESSAGE, "# TYPE parley_messages_total counter"));
	assert_true(has_line(PL_SVC_MESSAGE, "parley_messages_total{outcome=\"ok\"} 0"));
	assert_false(has_line(PL_SVC_AUTH, "parley_messages_total{outcome=\"ok\"} 0"));
	assert_true(has_line(PL_SVC_AUTH, "parley_redis_failures_total 0"));
}

static void
counts(void **state)
{
	(void)state;
	pl_metrics_count(PL_M_MESSAGES, "ok", 1);
	pl_metrics_count(PL_M_MESSAGES, "ok", 2);
	pl_metrics_count(PL_M_MESSAGES, "limited", 1);
	assert_true(has_line(PL_SVC_MESSAGE, "parley_messages_total{outcome=\"ok\"} 3"));
	assert_true(
	    has_line(PL_SVC_MESSAGE, "parley_messages_total{outcome=\"limited\"} 1"));
}

static void
measures_times_in_seconds(void **state)
{
	(void)state;
	pl_metrics_observe(PL_M_STORE_SECONDS, "read", 500);
	pl_metrics_observe(PL_M_STORE_SECONDS, "read", 501);
	pl_metrics_observe(PL_M_STORE_SECONDS, "read", 20000000);
	pl_metrics_observe(PL_M_STORE_SECONDS, "read", -5); /* the clock was set back */
	assert_true(has_line(
	    PL_SVC_AUTH, "parley_store_seconds_bucket{call=\"read\",le=\"0.000500\"} 2"));
	assert_true(has_line(
	    PL_SVC_AUTH, "parley_store_seconds_bucket{call=\"read\",le=\"0.001000\"} 3"));
	assert_true(has_line(PL_SVC_AUTH,
	    "parley_store_seconds_bucket{call=\"read\",le=\"10.000000\"} 3"));
	assert_true(has_line(
	    PL_SVC_AUTH, "parley_store_seconds_bucket{call=\"read\",le=\"+Inf\"} 4"));
	assert_true(
	    has_line(PL_SVC_AUTH, "parley_store_seconds_sum{call=\"read\"} 20.001001"));
	assert_true(has_line(PL_SVC_AUTH, "parley_store_seconds_count{call=\"read\"} 4"));
	assert_true(
	    has_line(PL_SVC_AUTH, "parley_store_seconds_count{call=\"write\"} 0"));
}

static void
measures_sizes(void **state)
{
	(void)state;
	pl_metrics_observe(PL_M_STORE_BATCH, NULL, 3);
	assert_true(
	    has_line(PL_SVC_AUTH, "parley_store_batch_writes_bucket{le=\"2\"} 0"));
	assert_true(
	    has_line(PL_SVC_AUTH, "parley_store_batch_writes_bucket{le=\"4\"} 1"));
	assert_true(has_line(PL_SVC_AUTH, "parley_store_batch_writes_sum 3"));
}

enum { COUNTERS = 4, TIMES = 5000 };

static void *
count_and_measure(void *arg)
{
	for (int i = 0; i < TIMES; i++) {
		pl_metrics_count(PL_M_STORE_FAILURES, "read", 1);
		pl_metrics_observe(PL_M_REDIS_SECONDS, NULL, 2);
	}
	return arg;
}

static void
takes_counts_from_many_threads_while_it_prints(void **state)
{
	pthread_t threads[COUNTERS];

	(void)state;
	for (int i = 0; i < COUNTERS; i++)
		assert_int_equal(
		    pthread_create(&threads[i], NULL, count_and_measure, NULL), 0);
	for (int i = 0; i < 20; i++)
		assert_true(
		    has_line(PL_SVC_AUTH, "# TYPE parley_redis_seconds histogram"));
	for (int i = 0; i < COUNTERS; i++)
		pthread_join(threads[i], NULL);
	assert_true(
	    has_line(PL_SVC_AUTH, "parley_store_failures_total{call=\"read\"} 20000"));
	assert_true(has_line(PL_SVC_AUTH, "parley_redis_seconds_count 20000"));
	assert_true(has_line(PL_SVC_AUTH, "parley_redis_seconds_sum 0.040000"));
}

static void
say_seven(void *arg)
{
	(void)arg;
	pl_metrics_set(PL_M_SOCKETS, NULL, 7);
}

static void
asks_its_sources(void **state)
{
	struct pl_metrics_source source = {.collect = say_seven};

	(void)state;
	pl_metrics_add_source(&source);
	assert_true(has_line(PL_SVC_PRESENCE, "parley_sockets 7"));
	pl_metrics_remove_source(&source);
	pl_metrics_set(PL_M_SOCKETS, NULL, 1);
	assert_true(has_line(PL_SVC_PRESENCE, "parley_sockets 1"));
}

static int64_t
value_of(const char *name)
{
	char line[80];
	const char *at;

	snprintf(line, sizeof(line), "\n%s ", name);
	at = strstr(printed(PL_SVC_AUTH), line);
	assert_non_null(at);
	return strtoll(at + strlen(line), NULL, 10);
}

static void
tells_of_the_process(void **state)
{
	int64_t fds = value_of("process_open_fds");
	int fd = dup(0);

	(void)state;
	assert_int_equal(value_of("process_open_fds"), fds + 1);
	close(fd);
	assert_true(value_of("process_resident_memory_bytes") > 1 << 20);
	assert_in_range(
	    value_of("process_start_time_seconds"), time(NULL) - 3600, time(NULL) + 1);
	assert_true(value_of("process_cpu_seconds_total") >= 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(prints_what_it_has_from_the_start),
	    cmocka_unit_test(counts),
	    cmocka_unit_test(measures_times_in_seconds),
	    cmocka_unit_test(measures_sizes),
	    cmocka_unit_test(takes_counts_from_many_threads_while_it_prints),
	    cmocka_unit_test(asks_its_sources),
	    cmocka_unit_test(tells_of_the_process),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
