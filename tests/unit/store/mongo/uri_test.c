#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "store/mongo/uri.h"

static void
shows_hosts_and_database_and_no_password(void **state)
{
	static const char *const cases[][2] = {
	    {"mongodb://localhost", "localhost"},
	    {"mongodb://localhost:27017/", "localhost:27017/"},
	    {"mongodb://localhost/chat", "localhost/chat"},
	    {"mongodb://localhost?replicaSet=rs0", "localhost"},
	    {"mongodb://ann:hush@db1:27017,db2/chat?replicaSet=rs0&tls=true",
		"db1:27017,db2/chat"},
	    {"mongodb://ann:h%40sh%2F@db/chat", "db/chat"},
	    {"mongodb://ann@db/chat", "db/chat"},
	    {"mongodb+srv://ann:hush@cluster0.example.org/chat",
		"cluster0.example.org/chat"},
	    {"mongodb://[::1]:27017,[fd00::1]/chat", "[::1]:27017,[fd00::1]/chat"},
	    {"mongodb://%2Frun%2Fmongodb.sock/chat", "%2Frun%2Fmongodb.sock/chat"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct pl_str shown;

		assert_true(pl_mongo_uri_shown(cases[i][0], &shown));
		assert_int_equal(shown.len, strlen(cases[i][1]));
		assert_memory_equal(shown.ptr, cases[i][1], shown.len);
	}
}

static void
refuses_other_forms_and_leaves_what_was_shown(void **state)
{
	static const char *const uris[] = {
	    "",
	    "localhost",
	    "mongodb:",
	    "mongodb://",
	    "mongodb:///chat",
	    "mongodb://?a=b",
	    "MONGODB://localhost",
	    "http://localhost/chat",
	    "mongodb://@db/chat",
	    "mongodb://ann:hush@hush@db/chat",
	    "mongodb://ann:hush/hush@db/chat",
	    "mongodb://ann:hush?hush@db/chat",
	    "mongodb://db/ch@t",
	    "mongodb://db/chat?appName=a@b",
	    "mongodb://ann:hush@db /chat",
	    "mongodb://ann:hush",
	    "mongodb://ann:hush#hush",
	    "mongodb://db1,",
	    "mongodb://,db1",
	    "mongodb://db1,,db2",
	    "mongodb://db:port/chat",
	    "mongodb://[::1/chat",
	    "mongodb://db/chat/more",
	};
	struct pl_str shown = PL_STR("before");

	(void)state;
	for (size_t i = 0; i < sizeof(uris) / sizeof(uris[0]); i++) {
		assert_false(pl_mongo_uri_shown(uris[i], &shown));
		assert_string_equal(shown.ptr, "before");
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(shows_hosts_and_database_and_no_password),
	    cmocka_unit_test(refuses_other_forms_and_leaves_what_was_shown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
