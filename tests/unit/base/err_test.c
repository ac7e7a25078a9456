#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/err.h"
#include "base/str.h"

static void
names_every_value_differently_in_lower_case(void **state)
{
	(void)state;
	for (int a = PL_OK; a <= PL_E_IO; a++) {
		const char *name = pl_err_name((enum pl_err)a);

		assert_int_equal(
		    strspn(name, "abcdefghijklmnopqrstuvwxyz_"), strlen(name));
		assert_string_not_equal(name, "unknown");
		for (int b = PL_OK; b < a; b++)
			assert_string_not_equal(name, pl_err_name((enum pl_err)b));
	}
	assert_string_equal(pl_err_name(PL_E_NOT_FOUND), "not_found");
}

static void
names_a_value_out_of_range_unknown(void **state)
{
	(void)state;
	assert_string_equal(pl_err_name((enum pl_err)(PL_E_IO + 1)), "unknown");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(names_every_value_differently_in_lower_case),
	    cmocka_unit_test(names_a_value_out_of_range_unknown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
