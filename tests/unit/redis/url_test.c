#include "support/redis_fixture.h"
#include "redis/client.h"
#include "redis/url.h"

static void
takes_apart_every_form(void **state)
{
	static const struct {
		const char *text, *host, *user, *password;
		unsigned port, db;
	} rows[] = {
	    {"redis://localhost", "localhost", NULL, NULL, 6379, 0},
	    {"redis://127.0.0.1:7000", "127.0.0.1", NULL, NULL, 7000, 0},
	    {"redis://redis:6379/", "redis", NULL, NULL, 6379, 0},
	    {"redis://redis/15", "redis", NULL, NULL, 6379, 15},
	    {"redis://:secret@a-b.c_d:1/3", "a-b.c_d", NULL, "secret", 1, 3},
	    {"redis://default:p%40ss%2F@h:65535", "h", "default", "p@ss/", 65535, 0},
	    {"redis://u:a:b@h", "h", "u", "a:b", 6379, 0},
	    {"redis://:a@b@h", "h", NULL, "a@b", 6379, 0},
	    {"redis://[::1]:6380/1", "::1", NULL, NULL, 6380, 1},
	    {"redis://[fe80::1]", "fe80::1", NULL, NULL, 6379, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct pl_redis_url u;

		if (pl_redis_url_parse(rows[i].text, &u) != PL_OK)
			fail_msg("refused %s", rows[i].text);
		assert_string_equal(u.host, rows[i].host);
		assert_int_equal(u.port, rows[i].port);
		assert_int_equal(u.db, rows[i].db);
		assert_int_equal(u.user != NULL, rows[i].user != NULL);
		if (u.user != NULL)
			assert_string_equal(u.user, rows[i].user);
		assert_int_equal(u.password != NULL, rows[i].password != NULL);
		if (u.password != NULL)
			assert_string_equal(u.password, rows[i].password);
		pl_redis_url_fini(&u);
		assert_null(u.host);
	}
}

static void
refuses_what_is_no_redis_url(void **state)
{
	static const char *const rows[] = {"", "redis", "redis:", "redis://",
	    "rediss://h", "http://h", "REDIS://h", "redis://:6379",
	    "redis://h:", "redis://h:0", "redis://h:65536", "redis://h:6379x",
	    "redis://h:-1", "redis://h/x", "redis://h/0x1", "redis://h/1/2",
	    "redis://h/99999999999999999999", "redis://user@h", "redis://@h",
	    "redis://:@h", "redis://u:@h", "redis://:%@h", "redis://:%4@h",
	    "redis://:%zz@h", "redis://:%00@h", "redis://h h", "redis://h\n",
	    "redis://[::1", "redis://[::1]x", "redis://[]:1", "redis://a:b:c",
	    "redis://h?x=1", "redis://h%41"};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (pl_redis_url_check(rows[i]) != PL_E_INVALID)
			fail_msg("took %s", rows[i]);
	assert_int_equal(pl_redis_url_check(NULL), PL_E_INVALID);
	assert_int_equal(pl_redis_url_check("redis://h"), PL_OK);
}

/* The sentence must say this; the URL's password never stands in it. */
static void
says_what_to_do_instead_of_what_it_does_not_speak(void **state)
{
	static const char *const rows[][2] = {
	    {"rediss://:hush@h:6380", "stunnel"},
	    {"REDISS://h", "stunnel"},
	    {"valkeys://default:hush@h", "stunnel"},
	    {"rediss://", "stunnel"},
	    {"unix:///run/redis.sock", "local port"},
	    {"redis+unix:///run/redis.sock", "local port"},
	    {"redis-socket:///run/redis.sock", "local port"},
	    {"/run/redis/redis.sock", "local port"},
	    {"redis+sentinel://:hush@a:26379,b:26379/mymaster", "HAProxy"},
	    {"redis-cluster://a", "HAProxy"},
	    {"http://h", "must be redis://"},
	    {"redis://", "must be redis://"},
	    {"", "must be redis://"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *fault = pl_redis_url_fault(rows[i][0]);

		assert_non_null(fault);
		assert_memory_equal(fault, "REDIS_URL ", 10);
		assert_non_null(strstr(fault, rows[i][1]));
		assert_null(strstr(fault, "hush"));
	}
	assert_null(pl_redis_url_fault("redis://:hush@h:6380"));
	assert_non_null(pl_redis_url_fault(NULL));
}

static void
refuses_a_url_past_its_limit(void **state)
{
	char text[1100] = "redis://";

	(void)state;
	memset(text + 8, 'a', sizeof(text) - 9);
	assert_int_equal(pl_redis_url_check(text), PL_E_INVALID);
	text[1024] = '\0';
	assert_int_equal(pl_redis_url_check(text), PL_OK);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(takes_apart_every_form),
	    cmocka_unit_test(refuses_what_is_no_redis_url),
	    cmocka_unit_test(says_what_to_do_instead_of_what_it_does_not_speak),
	    cmocka_unit_test(refuses_a_url_past_its_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
