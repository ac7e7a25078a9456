#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/digest.h"

static void
tells_pieces_and_their_order_apart(void **state)
{
	static const char *const texts[][2] = {
	    {"", ""}, {"ab", "c"}, {"a", "bc"}, {"c", "ab"}, {"abc", ""}, {"", "abc"}};
	enum { COUNT = sizeof(texts) / sizeof(texts[0]) };
	char names[COUNT][PL_DIGEST_HEX_LEN + 1];

	(void)state;
	for (size_t i = 0; i < COUNT; i++) {
		struct pl_digest d = {0};

		pl_digest_add(&d, pl_str(texts[i][0]));
		pl_digest_add(&d, pl_str(texts[i][1]));
		pl_digest_format(&d, names[i]);
		assert_int_equal(strlen(names[i]), PL_DIGEST_HEX_LEN);
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(names[i], names[j]);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(tells_pieces_and_their_order_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
