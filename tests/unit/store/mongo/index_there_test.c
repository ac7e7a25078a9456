/* Which indexes of others do what we need of one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "store/mongo/index_there.h"

static bool
is(bool (*question)(const bson_t *index), const char *json)
{
	bson_error_t error;
	bson_t *index = bson_new_from_json((const uint8_t *)json, -1, &error);
	bool yes;

	if (index == NULL)
		fail_msg("%s: %s", json, error.message);
	yes = question(index);
	bson_destroy(index);
	return yes;
}

#define UNIQUE          "{\"key\": {\"username\": 1}, \"unique\": true"
#define PARTIAL(filter) UNIQUE ", \"partialFilterExpression\": " filter "}"
#define OF(condition)   PARTIAL("{\"username\": " condition "}")

static void
takes_each_index_that_has_all_strings(void **state)
{
	static const char *const good[] = {
	    UNIQUE "}",
	    UNIQUE ", \"sparse\": true}",
	    "{\"key\": {\"username\": -1}, \"unique\": true}",
	    "{\"key\": {\"username\": 1.0}, \"unique\": true}",
	    OF("{\"$exists\": true}"),
	    OF("{\"$type\": \"string\"}"),
	    OF("{\"$exists\": true, \"$type\": 2}"),
	    OF("{\"$exists\": true, \"$type\": [\"null\", \"string\"]}"),
	    OF("{\"$exists\": true, \"$type\": [16, 2]}"),
	    OF("{\"$gt\": \"\"}"),
	    OF("{\"$gte\": \"\"}"),
	    OF("{\"$exists\": true, \"$gt\": \"\"}"),
	    PARTIAL("{}"),
	    PARTIAL("{\"$and\": [{\"username\": {\"$exists\": true}}, {\"username\":"
		    " {\"$type\": \"string\"}}]}"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (!is(pl_index_keeps_usernames_apart, good[i]))
			fail_msg("%s", good[i]);
}

static void
takes_no_index_that_lacks_some(void **state)
{
	static const char *const bad[] = {
	    "{}",
	    "{\"key\": 1, \"unique\": true}",
	    "{\"key\": {}, \"unique\": true}",
	    "{\"key\": {\"username\": 1}}",
	    "{\"key\": {\"username\": 1}, \"unique\": false}",
	    "{\"key\": {\"username\": \"hashed\"}, \"unique\": true}",
	    "{\"key\": {\"username\": 1, \"tenant\": 1}, \"unique\": true}",
	    "{\"key\": {\"email\": 1}, \"unique\": true}",
	    OF("{\"$exists\": false}"),
	    OF("{\"$type\": \"int\"}"),
	    OF("{\"$exists\": true, \"$type\": 1}"),
	    OF("{\"$exists\": true, \"$type\": [1, \"int\"]}"),
	    OF("{\"$gt\": \"a\"}"),
	    OF("{\"$gt\": 1}"),
	    OF("{\"$lt\": \"zzz\"}"),
	    OF("{\"$exists\": true, \"$eq\": \"ann\"}"),
	    OF("\"ann\""),
	    PARTIAL("{\"active\": true}"),
	    PARTIAL("{\"username\": {\"$exists\": true}, \"active\": true}"),
	    PARTIAL("{\"$and\": [{\"username\": {\"$exists\": true}}, {\"a\": 1}]}"),
	    PARTIAL("{\"$and\": [1]}"),
	    PARTIAL("{\"$or\": [{\"username\": {\"$exists\": true}}]}"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (is(pl_index_keeps_usernames_apart, bad[i]))
			fail_msg("%s", bad[i]);
}

static bool
wants_email(const bson_t *index)
{
	const char *field = pl_index_field_wanted(index);

	return field != NULL && strcmp(field, "email") == 0;
}

static void
finds_the_field_that_a_second_user_without_it_is_refused_for(void **state)
{
	(void)state;
	assert_true(is(wants_email, "{\"key\": {\"email\": 1}, \"unique\": true}"));
	assert_false(is(wants_email, "{\"key\": {\"email\": 1}}"));
	assert_false(is(wants_email,
	    "{\"key\": {\"email\": 1}, \"unique\": true, \"sparse\": true}"));
	assert_false(is(wants_email, "{\"key\": {\"email\": 1}, \"unique\": true, "
				     "\"partialFilterExpression\": {}}"));
	assert_false(is(wants_email, UNIQUE "}"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(takes_each_index_that_has_all_strings),
	    cmocka_unit_test(takes_no_index_that_lacks_some),
	    cmocka_unit_test(
		finds_the_field_that_a_second_user_without_it_is_refused_for),
	};

	return cmocka_run_group_tests_name("mongo_index_there", tests, NULL, NULL);
}
