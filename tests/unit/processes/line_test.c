#include "support/redis_fixture.h"
#include "processes/announcement.h"

static void
takes_a_line_apart(void **state)
{
	struct pl_process_line line;

	(void)state;
	assert_true(pl_process_line_parse(PL_STR("presence p1 10.0.0.7:8080 up"), &line));
	assert_true(pl_str_eq(line.service, PL_STR("presence")));
	assert_true(pl_str_eq(line.name, PL_STR("p1")));
	assert_true(pl_str_eq(line.address, PL_STR("10.0.0.7:8080")));
	assert_false(line.is_draining);
	assert_true(
	    pl_process_line_parse(PL_STR("auth abcdefg [fd00::1]:1 drain"), &line));
	assert_true(pl_str_eq(line.address, PL_STR("[fd00::1]:1")));
	assert_true(line.is_draining);
}

static void
refuses_what_is_no_line(void **state)
{
	static const char *const rows[] = {"", " ", "presence", "presence p1",
	    "presence p1 10.0.0.7:8080", "presence p1 10.0.0.7:8080 ",
	    "presence p1 10.0.0.7:8080 gone", "presence p1 10.0.0.7:8080 up ",
	    "presence p1 10.0.0.7:8080 up\n", " presence p1 10.0.0.7:8080 up",
	    "presence  10.0.0.7:8080 up", "presence P1 10.0.0.7:8080 up",
	    "presence p.1 10.0.0.7:8080 up", "presence abcdefgh 10.0.0.7:8080 up",
	    "sixteenletterses p1 10.0.0.7:8080 up", "presence p1 host:8080 up",
	    "presence p1 10.0.0.7 up", "presence p1 10.0.0.7: up",
	    "presence p1 10.0.0.7:0 up", "presence p1 10.0.0.7:65536 up",
	    "presence p1 10.0.0.7:-1 up", "presence p1 10.0.0:8080 up",
	    "presence p1 ::1:8080 up", "presence p1 []:8080 up",
	    "presence p1 [::1:8080 up", "presence p1 [10.0.0.7]:8080 up",
	    "presence p1 [1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111]:8080 "
	    "up",
	    "presence p1 1111111111111111111111111111111111111111111111.0.0.1:8080 up"};
	struct pl_process_line line;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (pl_process_line_parse(pl_str(rows[i]), &line))
			fail_msg("took \"%s\"", rows[i]);
	assert_false(pl_process_line_parse(PL_STR_NONE, &line));
	assert_false(
	    pl_process_line_parse(pl_str_n("presence p1 10.0.0.7\0:8080 up", 29), &line));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(takes_a_line_apart),
	    cmocka_unit_test(refuses_what_is_no_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
