#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "base/map.h"

#define MANY 5000

struct user {
	char name[16];
	int visits;
};

static struct user users[MANY];

static struct pl_str
key_of(int i)
{
	return pl_str(users[i].name);
}

static int
fill(void **state)
{
	static struct pl_map map;

	pl_map_init(&map);
	for (int i = 0; i < MANY; i++) {
		snprintf(users[i].name, sizeof(users[i].name), "user-%d", i);
		users[i].visits = 0;
		assert_null(pl_map_put(&map, key_of(i), &users[i]));
	}
	*state = &map;
	return 0;
}

static int
empty(void **state)
{
	pl_map_fini(*state);
	return 0;
}

static void
has_nothing_at_first(void **state)
{
	struct pl_map map;
	size_t it = 0;

	(void)state;
	pl_map_init(&map);
	assert_null(pl_map_get(&map, PL_STR("a")));
	assert_null(pl_map_del(&map, PL_STR("a")));
	assert_null(pl_map_next(&map, &it));
	pl_map_fini(&map);
}

static void
finds_all_it_was_given(void **state)
{
	struct pl_map *map = *state;

	assert_int_equal(map->count, MANY);
	for (int i = 0; i < MANY; i++) {
		char copy[16];

		memcpy(copy, users[i].name, sizeof(copy));
		assert_ptr_equal(pl_map_get(map, pl_str(copy)), &users[i]);
	}
	assert_null(pl_map_get(map, PL_STR("user-")));
	assert_null(pl_map_get(map, PL_STR("user-5000")));
}

static void
tells_keys_apart_by_every_byte(void **state)
{
	struct pl_map map;

	(void)state;
	pl_map_init(&map);
	pl_map_put(&map, PL_STR("a\0b"), &users[0]);
	pl_map_put(&map, PL_STR("a\0c"), &users[1]);
	pl_map_put(&map, PL_STR(""), &users[2]);
	assert_ptr_equal(pl_map_get(&map, PL_STR("a\0b")), &users[0]);
	assert_ptr_equal(pl_map_get(&map, PL_STR("a\0c")), &users[1]);
	assert_ptr_equal(pl_map_get(&map, PL_STR_NONE), &users[2]);
	assert_null(pl_map_get(&map, PL_STR("a")));
	pl_map_fini(&map);
}

static void
replaces_a_value_and_its_key(void **state)
{
	struct pl_map *map = *state;
	struct user other = users[7];

	assert_ptr_equal(pl_map_put(map, pl_str(other.name), &other), &users[7]);
	assert_int_equal(map->count, MANY);
	users[7].name[0] = 'X'; /* the key it had before may be gone now */
	assert_ptr_equal(pl_map_get(map, pl_str(other.name)), &other);
	assert_ptr_equal(pl_map_del(map, pl_str(other.name)), &other);
}

static void
removes_and_finds_the_others(void **state)
{
	struct pl_map *map = *state;

	for (int i = 0; i < MANY; i += 2)
		assert_ptr_equal(pl_map_del(map, key_of(i)), &users[i]);
	assert_int_equal(map->count, MANY / 2);
	for (int i = 0; i < MANY; i++)
		assert_ptr_equal(pl_map_get(map, key_of(i)), i % 2 ? &users[i] : NULL);
	assert_null(pl_map_del(map, key_of(0)));
}

static void
does_not_grow_when_values_come_and_go(void **state)
{
	struct pl_map map;
	size_t cap;

	(void)state;
	pl_map_init(&map);
	for (int i = 0; i < 10; i++)
		pl_map_put(&map, key_of(i), &users[i]);
	cap = map.cap;
	for (int i = 10; i < MANY; i++) {
		pl_map_put(&map, key_of(i), &users[i]);
		assert_ptr_equal(pl_map_del(&map, key_of(i - 10)), &users[i - 10]);
	}
	assert_int_equal(map.count, 10);
	assert_true(map.cap <= cap * 2);
	pl_map_fini(&map);
}

static void
walks_over_each_value_once(void **state)
{
	struct user *user;
	size_t it = 0;

	while ((user = pl_map_next(*state, &it)) != NULL)
		user->visits++;
	for (int i = 0; i < MANY; i++)
		assert_int_equal(users[i].visits, 1);
}

static void
survives_removals_during_a_walk(void **state)
{
	struct pl_map *map = *state;
	struct user *user;
	size_t it = 0;

	while ((user = pl_map_next(map, &it)) != NULL) {
		user->visits++;
		if (user->name[strlen(user->name) - 1] != '0')
			assert_ptr_equal(pl_map_del(map, pl_str(user->name)), user);
	}
	assert_int_equal(map->count, MANY / 10);
	for (int i = 0; i < MANY; i++)
		assert_int_equal(users[i].visits, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(has_nothing_at_first),
	    cmocka_unit_test_setup_teardown(finds_all_it_was_given, fill, empty),
	    cmocka_unit_test(tells_keys_apart_by_every_byte),
	    cmocka_unit_test_setup_teardown(replaces_a_value_and_its_key, fill, empty),
	    cmocka_unit_test_setup_teardown(removes_and_finds_the_others, fill, empty),
	    cmocka_unit_test(does_not_grow_when_values_come_and_go),
	    cmocka_unit_test_setup_teardown(walks_over_each_value_once, fill, empty),
	    cmocka_unit_test_setup_teardown(survives_removals_during_a_walk, fill, empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
