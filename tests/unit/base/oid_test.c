#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/oid.h"

#define THREADS    4
#define PER_THREAD 5000

static struct pl_oid made[THREADS * PER_THREAD];

static void
starts_with_the_time(void **state)
{
	int64_t before = pl_clock_unix_ms() / 1000, after, seconds;
	struct pl_oid oid;

	(void)state;
	pl_oid_new(&oid);
	after = pl_clock_unix_ms() / 1000;
	seconds = (int64_t)oid.bytes[0] << 24 | oid.bytes[1] << 16 | oid.bytes[2] << 8 |
		  oid.bytes[3];
	assert_true(before <= seconds && seconds <= after);
}

static uint32_t
counter_of(const struct pl_oid *oid)
{
	return (uint32_t)(oid->bytes[9] << 16 | oid->bytes[10] << 8 | oid->bytes[11]);
}

static void
keeps_the_process_part_and_counts(void **state)
{
	struct pl_oid a, b;

	(void)state;
	pl_oid_new(&a);
	pl_oid_new(&b);
	assert_memory_equal(a.bytes + 4, b.bytes + 4, 5);
	assert_int_equal(counter_of(&b), (counter_of(&a) + 1) & 0xFFFFFF);
}

static void *
make_many(void *first)
{
	struct pl_oid *oids = first;

	for (int i = 0; i < PER_THREAD; i++)
		pl_oid_new(&oids[i]);
	return NULL;
}

static int
compare(const void *a, const void *b)
{
	return pl_oid_compare(a, b);
}

static void
is_unique_over_threads(void **state)
{
	pthread_t threads[THREADS];

	(void)state;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(
		    pthread_create(&threads[i], NULL, make_many, &made[i * PER_THREAD]),
		    0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	qsort(made, THREADS * PER_THREAD, sizeof(*made), compare);
	for (int i = 1; i < THREADS * PER_THREAD; i++)
		assert_false(pl_oid_eq(&made[i - 1], &made[i]));
}

static void
differs_in_a_child_process(void **state)
{
	struct pl_oid mine, its;
	int ends[2];
	pid_t child;

	(void)state;
	pl_oid_new(&mine);
	assert_int_equal(pipe(ends), 0);
	child = fork();
	if (child == 0) {
		pl_oid_new(&its);
		_exit(write(ends[1], &its, sizeof(its)) == sizeof(its) ? 0 : 1);
	}
	assert_int_equal(read(ends[0], &its, sizeof(its)), sizeof(its));
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_memory_not_equal(mine.bytes + 4, its.bytes + 4, 5);
	close(ends[0]);
	close(ends[1]);
}

static void
reads_and_writes_hex(void **state)
{
	static const uint8_t bytes[] = {
	    0x65, 0x0A, 0xFF, 0, 0x12, 0x34, 0x56, 0x78, 0x9A, 0xBC, 0xDE, 0xF0};
	char hex[PL_OID_HEX_LEN + 1];
	struct pl_oid oid;

	(void)state;
	assert_true(pl_oid_parse(PL_STR("650aff00123456789abcdef0"), &oid));
	assert_memory_equal(oid.bytes, bytes, PL_OID_LEN);
	assert_true(pl_oid_parse(PL_STR("650AFF00123456789ABCDEF0"), &oid));
	assert_memory_equal(oid.bytes, bytes, PL_OID_LEN);
	pl_oid_format(&oid, hex);
	assert_string_equal(hex, "650aff00123456789abcdef0");
	assert_true(pl_str_eq(pl_oid_str(&oid), pl_str_n(bytes, PL_OID_LEN)));
}

static void
refuses_other_text_and_leaves_the_output(void **state)
{
	static const char *const bad[] = {"", "650aff00123456789abcdef",
	    "650aff00123456789abcdef00", "650aff00123456789abcdeg0",
	    "650aff00123456789abcde 0", "650aff00123456789abcdef\xFF",
	    "0x650aff00123456789abcde", "/50aff00123456789abcdef0",
	    ":50aff00123456789abcdef0", "@50aff00123456789abcdef0",
	    "G50aff00123456789abcdef0", "`50aff00123456789abcdef0"};
	struct pl_oid oid = {{1, 2, 3}}, before = oid;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_false(pl_oid_parse(pl_str(bad[i]), &oid));
	assert_false(pl_oid_parse(PL_STR("650aff00123456789abcde\0"
					 "0"),
	    &oid));
	assert_false(pl_oid_parse(PL_STR_NONE, &oid));
	assert_true(pl_oid_eq(&oid, &before));
}

static void
compares_as_bytes(void **state)
{
	struct pl_oid a = {{0x7F}}, b = {{0x80}};

	(void)state;
	assert_true(pl_oid_compare(&a, &b) < 0);
	assert_true(pl_oid_compare(&b, &a) > 0);
	assert_int_equal(pl_oid_compare(&a, &a), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(starts_with_the_time),
	    cmocka_unit_test(keeps_the_process_part_and_counts),
	    cmocka_unit_test(is_unique_over_threads),
	    cmocka_unit_test(differs_in_a_child_process),
	    cmocka_unit_test(reads_and_writes_hex),
	    cmocka_unit_test(refuses_other_text_and_leaves_the_output),
	    cmocka_unit_test(compares_as_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
