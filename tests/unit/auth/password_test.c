#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <pthread.h>
#include <time.h>
#include <cmocka.h>

#include "services/auth/password.h"
#include "base/mem.h"

/* Made by bcryptjs 3: hashSync('correct horse battery', 10). */
#define BCRYPT_2B "$2b$10$R5kXp3l7iE6IwZplB44DQuLcU6wDJEa/r77QTGXqFfWlUcsOgZqny"
/* hashSync('cafe\u0301 au lait', 4): not NFC. */
#define BCRYPT_NFD "$2b$04$r9Rvo/bMqbCGHy3Zr8Zv2eZNEEDlijo19XHJDnlBSLDRrZRMpuyMO"
/* Made by libxcrypt, cost 4: "café au lait" as NFC, and as NFD. */
#define BCRYPT_2A "$2a$04$KBCwKxOzLha2MUDgW0PjXelsyMpykZO3/NsSKaMpD.uzjN55.KV92"
#define BCRYPT_2Y "$2y$04$KBCwKxOzLha2MUDgW0PjXeqohMFz3u2uQxi3tRKqYaRwRpfjpdWxe"
#define NFC       "caf\xC3\xA9 au lait"
#define NFD       "cafe\xCC\x81 au lait"

static int
init(void **state)
{
	(void)state;
	return password_init() == PL_OK ? 0 : -1;
}

static bool
matches(struct pl_str password, const char *hash)
{
	return password_verify(password, hash, NULL);
}

static void
hashes_with_argon2id_at_todays_cost(void **state)
{
	char *hash = password_hash(PL_STR("password123"));
	bool needs_rehash = true;

	(void)state;
	assert_memory_equal(hash, "$argon2id$v=19$m=19456,t=2,p=1$", 31);
	assert_true(password_verify(PL_STR("password123"), hash, &needs_rehash));
	assert_false(needs_rehash);
	assert_false(matches(PL_STR("password124"), hash));
	assert_false(matches(PL_STR(""), hash));
	pl_mem_free(hash);
}

static void
takes_no_two_hashes_from_one_salt(void **state)
{
	char *a = password_hash(PL_STR("password123"));
	char *b = password_hash(PL_STR("password123"));

	(void)state;
	assert_string_not_equal(a, b);
	pl_mem_free(a);
	pl_mem_free(b);
}

static void
tells_passwords_apart_beyond_72_bytes(void **state)
{
	char text[80], *hash;

	(void)state;
	memset(text, 'a', sizeof(text));
	hash = password_hash(pl_str_n(text, 73));
	assert_true(matches(pl_str_n(text, 73), hash));
	assert_false(matches(pl_str_n(text, 72), hash));
	pl_mem_free(hash);
}

static void
takes_the_same_text_in_another_form(void **state)
{
	char *hash = password_hash(PL_STR(NFC));

	(void)state;
	assert_true(matches(PL_STR(NFD), hash));
	assert_true(matches(PL_STR(NFC), hash));
	pl_mem_free(hash);
}

static void
refuses_what_is_not_utf8(void **state)
{
	(void)state;
	assert_null(password_hash(PL_STR("abc\xFF")));
	assert_false(matches(PL_STR("abc\xFF"), BCRYPT_2B));
}

static void
verifies_a_hash_of_bcryptjs_and_wants_it_replaced(void **state)
{
	bool needs_rehash = false;

	(void)state;
	assert_true(
	    password_verify(PL_STR("correct horse battery"), BCRYPT_2B, &needs_rehash));
	assert_true(needs_rehash);
	assert_false(matches(PL_STR("correct horse batterz"), BCRYPT_2B));
}

static void
verifies_each_bcrypt_kind_and_form(void **state)
{
	(void)state;
	assert_true(matches(PL_STR(NFC), BCRYPT_2A));
	assert_true(matches(PL_STR(NFD), BCRYPT_2A));
	assert_true(matches(PL_STR(NFD), BCRYPT_2Y));
	assert_true(matches(PL_STR(NFD), BCRYPT_NFD));
	assert_false(matches(PL_STR("cafe au lait"), BCRYPT_2A));
}

static void
wants_weaker_argon2_replaced(void **state)
{
	/* argon2id, m=8192, t=1, p=1, "password123" */
	static const char weak[] = "$argon2id$v=19$m=8192,t=1,p=1$G2ck1b+thkPAmCQj5Se/"
				   "Xw$Y9ySKIEJuc6ILrrLemBi0DWar+AgHkMx8wylM0KTqqI";
	bool needs_rehash = false;

	(void)state;
	assert_true(password_verify(PL_STR("password123"), weak, &needs_rehash));
	assert_true(needs_rehash);
}

static void
believes_no_malformed_hash(void **state)
{
	static const char *const hashes[] = {"", "*", "x", "$", "$2b$", "password123",
	    "$2b$31$R5kXp3l7iE6IwZplB44DQuLcU6wDJEa/r77QTGXqFfWlUcsOgZqny",
	    "$2x$04$KBCwKxOzLha2MUDgW0PjXelsyMpykZO3/NsSKaMpD.uzjN55.KV92",
	    "$2b$04$!BCwKxOzLha2MUDgW0PjXelsyMpykZO3/NsSKaMpD.uzjN55.KV92",
	    "$1$abcdefgh$uKG0X1n6WVXH6sWcGvGgS/", "$argon2id$v=19$m=19456,t=2,p=1$",
	    NULL};

	(void)state;
	for (size_t i = 0; i < sizeof(hashes) / sizeof(hashes[0]); i++)
		assert_false(matches(PL_STR("password123"), hashes[i]));
}

/* Processor time that a check takes. */
static int64_t
used_ms(struct pl_str password, const char *hash)
{
	struct timespec from, to;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
	(void)matches(password, hash);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
	return (to.tv_sec - from.tv_sec) * 1000 + (to.tv_nsec - from.tv_nsec) / 1000000;
}

static void
no_check_takes_as_long_as_the_period(void **state)
{
	static const char cost_12[] =
	    "$2b$12$R5kXp3l7iE6IwZplB44DQuLcU6wDJEa/r77QTGXqFfWlUcsOgZqny";
	char *hash = password_hash(PL_STR("password123"));
	int64_t period_ms = password_period_ms();

	(void)state;
	assert_true(used_ms(PL_STR("wrong password"), hash) < period_ms);
	assert_true(used_ms(PL_STR("wrong password"), NULL) < period_ms);
	assert_true(used_ms(PL_STR("wrong password"), cost_12) < period_ms);
	assert_true(used_ms(PL_STR(NFD), BCRYPT_2B) < period_ms);
	pl_mem_free(hash);
}

/* So that there, too, the threads are busy, and full when they are. */
static void
an_unknown_user_costs_an_argon2_check(void **state)
{
	char *hash = password_hash(PL_STR("password123"));
	int64_t known_ms = used_ms(PL_STR("wrong password"), hash);

	(void)state;
	assert_true(used_ms(PL_STR("wrong password"), NULL) >= known_ms / 4);
	pl_mem_free(hash);
}

/* As the hasher's threads do. */
static void *
hash_and_verify(void *arg)
{
	char *hash = password_hash(PL_STR("password123"));
	bool needs_rehash = true, *is_right = arg;

	*is_right = password_verify(PL_STR("password123"), hash, &needs_rehash) &&
		    !needs_rehash && !matches(PL_STR("password124"), hash) &&
		    !matches(PL_STR("password123"), NULL) &&
		    matches(PL_STR(NFC), BCRYPT_2A) && !matches(PL_STR("x"), BCRYPT_2A);
	pl_mem_free(hash);
	return NULL;
}

static void
hashes_on_several_threads(void **state)
{
	enum { THREADS = 3 };
	pthread_t threads[THREADS];
	bool is_right[THREADS];

	(void)state;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(
		    pthread_create(&threads[i], NULL, hash_and_verify, &is_right[i]), 0);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		assert_true(is_right[i]);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(hashes_with_argon2id_at_todays_cost),
	    cmocka_unit_test(takes_no_two_hashes_from_one_salt),
	    cmocka_unit_test(tells_passwords_apart_beyond_72_bytes),
	    cmocka_unit_test(takes_the_same_text_in_another_form),
	    cmocka_unit_test(refuses_what_is_not_utf8),
	    cmocka_unit_test(verifies_a_hash_of_bcryptjs_and_wants_it_replaced),
	    cmocka_unit_test(verifies_each_bcrypt_kind_and_form),
	    cmocka_unit_test(wants_weaker_argon2_replaced),
	    cmocka_unit_test(believes_no_malformed_hash),
	    cmocka_unit_test(hashes_on_several_threads),
	    cmocka_unit_test(no_check_takes_as_long_as_the_period),
	    cmocka_unit_test(an_unknown_user_costs_an_argon2_check),
	};

	return cmocka_run_group_tests(tests, init, NULL);
}
