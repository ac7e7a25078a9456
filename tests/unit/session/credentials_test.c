#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "session/credentials.h"

#define NOW 1700000000

/* Whose tokens they are, and when they were issued. */
struct fixture {
	struct pl_oid ann, bob;
	struct pl_buf ann_token, ann_again, bob_token, old_token, forged;
};

static void
sign(const struct pl_oid *user, int64_t at, struct pl_buf *token)
{
	struct pl_jwt_claims claims;

	pl_buf_init(token, PL_JWT_BYTES_MAX);
	assert_int_equal(pl_jwt_sign(user, at, token, &claims), PL_OK);
}

static int
setup(void **state)
{
	struct fixture *f = pl_mem_zalloc(sizeof(*f));
	const char *why;
	char *last;

	assert_int_equal(
	    pl_jwt_init("credentials_test has a secret of its own", NULL, &why), PL_OK);
	pl_oid_new(&f->ann);
	pl_oid_new(&f->bob);
	sign(&f->ann, NOW, &f->ann_token);
	sign(&f->ann, NOW, &f->ann_again);
	sign(&f->bob, NOW, &f->bob_token);
	sign(&f->ann, NOW - PL_JWT_LIFETIME_S - 3600, &f->old_token);
	sign(&f->ann, NOW, &f->forged);
	/* Another digit of base64url, so that it keeps the form of a token. */
	last = &f->forged.data[f->forged.len - 2];
	*last = *last == 'A' ? 'B' : 'A';
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	pl_buf_fini(&f->ann_token);
	pl_buf_fini(&f->ann_again);
	pl_buf_fini(&f->bob_token);
	pl_buf_fini(&f->old_token);
	pl_buf_fini(&f->forged);
	pl_jwt_fini();
	pl_mem_free(f);
	return 0;
}

/* One Cookie line, each @ in it the token. */
static void
add(struct pl_credentials *c, const char *text, const struct pl_buf *token)
{
	struct pl_buf line;

	pl_buf_init(&line, 8192);
	for (const char *at = text; *at; at++)
		if (*at == '@')
			(void)!pl_buf_add_str(&line, pl_buf_str(token));
		else
			(void)!pl_buf_add_char(&line, *at);
	pl_credentials_add_cookies(
	    c, PL_CREDENTIAL_COOKIE, PL_STR("jwt"), pl_buf_str(&line), NOW);
	pl_buf_fini(&line);
}

static void
passes_over_what_is_no_good_token(void **state)
{
	static const char *const beside[] = {"jwt=@", "jwt=x; jwt=@", "jwt=@; jwt=x",
	    "jwt=; jwt=@; jwt=", "jwt=a.b.c; jwt=\"@\"; jwt=\"", "jwt=..; jwt=@; jwt=x.y",
	    "JWT=x; xjwt=y; jwt=@;jwt", "jwt=%; jwt= @ ;jwt==; jwt=%00"};
	struct fixture *f = *state;
	struct pl_credentials c;

	for (size_t i = 0; i < sizeof(beside) / sizeof(beside[0]); i++) {
		pl_credentials_init(&c);
		add(&c, beside[i], &f->ann_token);
		assert_int_equal(c.count, 1);
		assert_true(pl_credentials_name(&c, &f->ann));
		assert_false(pl_credentials_name(&c, &f->bob));
		pl_credentials_fini(&c);
	}
}

static void
tells_none_from_bad_from_expired(void **state)
{
	struct fixture *f = *state;
	struct pl_credentials c;

	pl_credentials_init(&c);
	add(&c, "jwt=; jwt; a=b", NULL);
	assert_false(c.has_token);
	add(&c, "jwt=x", NULL);
	add(&c, "jwt=@", &f->forged);
	assert_true(c.has_token && !c.has_expired);
	add(&c, "jwt=@", &f->old_token);
	assert_true(c.has_expired);
	assert_int_equal(c.count, 0);
	assert_false(pl_credentials_name(&c, &f->ann));
	pl_credentials_fini(&c);
}

static void
holds_each_once_in_order_from_many_lines(void **state)
{
	struct fixture *f = *state;
	struct pl_credentials c;

	pl_credentials_init(&c);
	add(&c, "jwt=@; a=b", &f->bob_token);
	add(&c, "jwt=@", &f->ann_token);
	add(&c, "jwt=@", &f->ann_again);
	add(&c, "jwt=@", &f->ann_token);
	assert_int_equal(c.count, 3);
	assert_true(pl_oid_eq(&c.items[0].claims.user, &f->bob));
	assert_true(pl_oid_eq(&c.items[1].claims.user, &f->ann));
	assert_true(pl_oid_eq(&c.items[2].claims.user, &f->ann));
	assert_true(pl_credentials_name(&c, &f->ann));
	pl_credentials_fini(&c);
}

static void
the_first_place_with_a_good_one_decides(void **state)
{
	struct fixture *f = *state;
	struct pl_credentials c, other;
	struct pl_buf header;

	pl_buf_init(&header, 8192);
	pl_buf_printf(&header, "bEARER  %s ", f->bob_token.data);
	pl_credentials_init(&c);
	pl_credentials_init(&other);
	add(&c, "jwt=x; jwt=@", &f->old_token);
	add(&other, "jwt=@", &f->ann_token);
	pl_credentials_add_bearer(&c, pl_buf_str(&header), NOW);
	pl_credentials_add_bearer(&other, pl_buf_str(&header), NOW);
	assert_true(pl_credentials_name(&c, &f->bob));
	assert_int_equal(other.count, 2);
	assert_true(pl_credentials_name(&other, &f->ann));
	assert_false(pl_credentials_name(&other, &f->bob));
	assert_false(pl_credentials_meet(&c, &other));
	add(&other, "jwt=@", &f->ann_again);
	assert_true(pl_credentials_meet(&other, &other));
	pl_credentials_fini(&c);
	pl_credentials_fini(&other);
	pl_buf_fini(&header);
}

static void
verifies_so_many_and_passes_over_the_rest(void **state)
{
	struct fixture *f = *state;
	struct pl_credentials c;

	pl_credentials_init(&c);
	for (int i = 0; i < 5000; i++) /* these cost nothing, and do not count */
		add(&c, "jwt=x; jwt=a.b.c; jwt=..", NULL);
	assert_int_equal(c.verified, 0);
	for (int i = 1; i < PL_CREDENTIALS_VERIFIED_MAX; i++)
		add(&c, "jwt=@", &f->forged);
	add(&c, "jwt=@", &f->ann_token);
	assert_true(pl_credentials_name(&c, &f->ann));
	add(&c, "jwt=@", &f->bob_token);
	assert_false(pl_credentials_name(&c, &f->bob));
	pl_credentials_fini(&c);
}

/* As the gateway does: 4,000 bytes of the shortest things that have the form of a token. */
static void
the_bound_is_beyond_what_the_gateway_lets_through(void **state)
{
	char shortest[] = "a.a.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
	size_t bytes = strlen("j=;") + strlen(shortest);

	(void)state;
	assert_true(pl_jwt_has_form(pl_str(shortest)));
	shortest[strlen(shortest) - 1] = '\0';
	assert_false(pl_jwt_has_form(pl_str(shortest)));
	assert_true(4000 / bytes < PL_CREDENTIALS_VERIFIED_MAX);
}

static bool
is_of(const void *user, const struct pl_jwt_claims *claims)
{
	return pl_oid_eq(user, &claims->user);
}

static void
drops_what_is_not_good_after_all(void **state)
{
	struct fixture *f = *state;
	struct pl_credentials c;

	pl_credentials_init(&c);
	pl_credentials_drop(&c, is_of, &f->ann);
	add(&c, "jwt=@", &f->ann_token);
	add(&c, "jwt=@", &f->bob_token);
	add(&c, "jwt=@", &f->ann_again);
	pl_credentials_drop(&c, is_of, &f->ann);
	assert_int_equal(c.count, 1);
	assert_true(pl_credentials_name(&c, &f->bob));
	pl_credentials_fini(&c);
}

static void
check_bearer(const char *text, const char *wanted)
{
	struct pl_str token = PL_STR("untouched");

	assert_int_equal(pl_bearer_token(pl_str(text), &token), wanted != NULL);
	assert_true(pl_str_eq(token, pl_str(wanted ? wanted : "untouched")));
}

static void
reads_a_bearer_token(void **state)
{
	(void)state;
	check_bearer("Bearer b", "b");
	check_bearer("bearer  b ", "b");
	check_bearer(" BEARER b", "b");
	check_bearer("bEaReR a b", "a b");
	check_bearer("Bearer ", "");
	check_bearer("Bearer", "");
	check_bearer("Basic b", NULL);
	check_bearer("Bearerb", NULL);
	check_bearer("a.b.c", NULL);
	check_bearer("", NULL);
	check_bearer(NULL, NULL);
}

int
main(void)
{
#define TEST(name_) cmocka_unit_test_setup_teardown(name_, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(passes_over_what_is_no_good_token),
	    TEST(tells_none_from_bad_from_expired),
	    TEST(holds_each_once_in_order_from_many_lines),
	    TEST(the_first_place_with_a_good_one_decides),
	    TEST(verifies_so_many_and_passes_over_the_rest),
	    TEST(the_bound_is_beyond_what_the_gateway_lets_through),
	    TEST(drops_what_is_not_good_after_all),
	    cmocka_unit_test(reads_a_bearer_token),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
