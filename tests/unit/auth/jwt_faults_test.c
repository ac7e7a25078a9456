/* Tokens, when a library below has no memory. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>

#include "auth/jwt.h"
#include "auth/jwt_secret.h"
#include "base/clock.h"
#include "support/fail_at.h"

#define SECRET "jwt_faults_test has a secret of its own"

static enum pl_err
sign(struct pl_buf *token)
{
	struct pl_jwt_claims claims;
	struct pl_oid user;

	pl_oid_new(&user);
	pl_buf_clear(token);
	return pl_jwt_sign(&user, pl_clock_unix_ms() / 1000, token, &claims);
}

static void
does_not_start_without_randomness(void **state)
{
	const char *why = NULL;

	(void)state;
	fail_at(FAIL_ALLOC, 1, 1, ENOMEM);
	assert_int_equal(pl_jwt_init(SECRET, NULL, &why), PL_E_INVALID);
	assert_int_equal(fail_at_end(), 1);
	assert_string_equal(why, "the random number generator does not start");
}

static void
signs_nothing_or_all(void **state)
{
	struct pl_buf token;
	const char *why;
	unsigned n = 0;

	(void)state;
	pl_buf_init(&token, PL_JWT_BYTES_MAX);
	assert_int_equal(sign(&token), PL_E_IO); /* with no secret */
	assert_int_equal(pl_jwt_init(SECRET, NULL, &why), PL_OK);
	for (;;) {
		enum pl_err err;

		fail_at(FAIL_ALLOC, ++n, 1, ENOMEM);
		err = sign(&token);
		if (fail_at_end() == 0)
			break;
		assert_int_equal(err, PL_E_IO);
		assert_int_equal(token.len, 0);
	}
	assert_true(n > 2);
	assert_true(token.len > 0);
	pl_jwt_fini();
	pl_buf_fini(&token);
}

static void
names_what_is_wrong_with_a_secret(void **state)
{
	(void)state;
	assert_string_equal(pl_jwt_secret_fault("quite random, but brief"),
	    "JWT_SECRET must be at least 32 bytes long");
	assert_null(pl_jwt_secret_fault(SECRET));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(does_not_start_without_randomness),
	    cmocka_unit_test(signs_nothing_or_all),
	    cmocka_unit_test(names_what_is_wrong_with_a_secret),
	};

	return cmocka_run_group_tests_name("jwt: faults", tests, NULL, NULL);
}
