#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/ref.h"

static void
lives_until_its_last_owner_drops_it(void **state)
{
	char source[] = "a\0b";
	struct pl_ref *ref = pl_ref_new(source, 3), *second;

	(void)state;
	source[0] = 'x';
	second = pl_ref(ref);
	assert_ptr_equal(second, ref);
	pl_ref_drop(ref);
	assert_int_equal(second->owners, 1);
	assert_true(pl_str_eq(pl_ref_str(second), PL_STR("a\0b")));
	assert_int_equal(second->data[3], '\0');
	pl_ref_drop(second);
}

static void
holds_no_bytes_and_drops_nothing(void **state)
{
	struct pl_ref *ref = pl_ref_new(NULL, 0);

	(void)state;
	assert_int_equal(pl_ref_str(ref).len, 0);
	assert_string_equal(ref->data, "");
	pl_ref_drop(ref);
	pl_ref_drop(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(lives_until_its_last_owner_drops_it),
	    cmocka_unit_test(holds_no_bytes_and_drops_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
