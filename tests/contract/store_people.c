#include <stdio.h>

#include "base/fold.h"
#include "base/mem.h"
#include "contract/store_contract.h"
#include "store/store_records.h"

static struct pl_oid
add_person(struct pl_store *s, const char *full_name, const char *username)
{
	struct pl_signup signup = {
	    .full_name = pl_str(full_name), .username = pl_str(username)};
	struct pl_write w = {.kind = PL_WRITE_USER};
	struct pl_user user;
	struct pl_oid id;

	pl_user_from_signup(&user, &signup, pl_mem_strdup("hash"), 1700000000000);
	w.u.user = &user;
	assert_int_equal(store_write_one(s, &w), PL_OK);
	id = user.id;
	pl_user_fini(&user);
	return id;
}

/* wanted: the usernames that query finds, in order, with spaces between. Read in pages of
 * every size, which all must say the same. */
static void
assert_found(struct pl_store *s, const char *query, const char *wanted)
{
	for (size_t limit = 1; limit <= 8; limit++) {
		struct pl_user_list page;
		struct pl_oid last;
		struct pl_buf found;
		bool has_last = false;

		pl_buf_init(&found, PL_BUF_UNLIMITED);
		do {
			assert_int_equal(pl_store_people_page(s, pl_str(query),
					     has_last ? &last : NULL, limit, &page),
			    PL_OK);
			assert_in_range(page.count, 0, limit);
			for (size_t i = 0; i < page.count; i++)
				(void)pl_buf_printf(&found, "%s%s",
				    found.len > 0 ? " " : "", page.items[i].username);
			has_last = page.count == limit;
			if (has_last)
				last = page.items[limit - 1].id;
			pl_user_list_fini(&page);
		} while (has_last);
		(void)pl_buf_add_char(&found, '\0');
		assert_string_equal(found.data, wanted);
		pl_buf_fini(&found);
	}
}

static void
lists_people_by_their_folded_names_then_ids(void **state)
{
	struct fixture *f = *state;

	assert_found(f->store, "", "");
	add_person(f->store, "zoë", "u1");
	add_person(f->store, "Émile", "u2");
	add_person(f->store, "adam", "u3");
	add_person(f->store, "ADAM", "u4");
	add_person(f->store, "Åke", "u5");
	add_person(f->store, "e\u0301mile", "u6");
	add_person(f->store, "Ann Z", "u7");
	add_person(f->store, "anna", "u8");
	assert_found(f->store, "", "u3 u4 u5 u7 u8 u2 u6 u1");
	assert_found(f->store, " \t", "u3 u4 u5 u7 u8 u2 u6 u1");
}

static void
finds_people_by_the_beginning_of_any_word(void **state)
{
	struct fixture *f = *state;

	add_person(f->store, "Aisha García", "ag");
	add_person(f->store, "Garcin Duval", "gd");
	add_person(f->store, "Ben", "ben.garrison");
	add_person(f->store, "Zed", "z'; DROP TABLE users; --");
	add_person(f->store, "王小明", "wang");
	add_person(f->store, "Nguyễn Đăng", "nd");
	assert_found(f->store, "gar", "ag ben.garrison gd");
	assert_found(f->store, "GARCI", "ag gd");
	assert_found(f->store, "garcia", "ag");
	assert_found(f->store, "garc\u0131\u0301a", "ag");
	assert_found(f->store, "garcia ais", "ag");
	assert_found(f->store, "a g", "ag");
	assert_found(f->store, "garcia ben", "");
	assert_found(f->store, "ben garri", "ben.garrison");
	assert_found(f->store, "arcia", "");
	assert_found(f->store, "小明", "wang");
	assert_found(f->store, "dang", "nd");
	assert_found(f->store, "drop", "z'; DROP TABLE users; --");
	assert_found(f->store, "%", "");
	assert_found(f->store, "gar%", "ag ben.garrison gd");
	assert_found(f->store, ".*", "");
	assert_found(f->store, "nobody", "");
}

static void
says_that_nobody_is_after_one_who_is_not_there(void **state)
{
	struct fixture *f = *state;
	struct pl_user_list page;
	struct pl_oid id;

	add_person(f->store, "Ann", "ann");
	pl_oid_new(&id);
	assert_int_equal(
	    pl_store_people_page(f->store, PL_STR(""), &id, 10, &page), PL_E_NOT_FOUND);
	assert_int_equal(pl_store_people_page(f->store, PL_STR("ann"), &id, 10, &page),
	    PL_E_NOT_FOUND);
}

/* On both sides of one who is found, with one who is not. */
static void
goes_on_after_anybody(void **state)
{
	struct fixture *f = *state;
	struct pl_oid eve;
	struct pl_user_list page;

	add_person(f->store, "Dan Gold", "dan");
	eve = add_person(f->store, "Eve", "eve");
	add_person(f->store, "Fay Gold", "fay");
	assert_int_equal(
	    pl_store_people_page(f->store, PL_STR("gold"), &eve, 10, &page), PL_OK);
	assert_int_equal(page.count, 1);
	assert_string_equal(page.items[0].username, "fay");
	pl_user_list_fini(&page);
}

enum { MANY = 1500 };

/* More than a shelf of SQLite's, in an order that is not that of their names; the words
 * of all, of some, and of the last. */
static void
finds_them_among_many(void **state)
{
	struct fixture *f = *state;
	size_t total = 0, sevens = 0;
	struct pl_user_list page;
	struct pl_oid last;
	size_t count;
	char full_name[32], username[32], before[32] = "";

	for (unsigned i = 0; i < MANY; i++) {
		unsigned at = i * 701 % MANY;

		snprintf(full_name, sizeof(full_name), "Person %04u", at);
		snprintf(username, sizeof(username), "x%u %s", at,
		    at % 7 == 0 ? "seven" : "other");
		add_person(f->store, full_name, username);
	}
	do {
		assert_int_equal(pl_store_people_page(f->store, PL_STR("pers"),
				     total > 0 ? &last : NULL, 100, &page),
		    PL_OK);
		for (size_t i = 0; i < page.count; i++) {
			assert_true(strcmp(before, page.items[i].full_name) < 0);
			snprintf(before, sizeof(before), "%s", page.items[i].full_name);
			sevens += strstr(page.items[i].username, "seven") != NULL;
		}
		count = page.count;
		total += count;
		if (page.count > 0)
			last = page.items[page.count - 1].id;
		pl_user_list_fini(&page);
	} while (count > 0);
	assert_int_equal(total, MANY);
	assert_int_equal(sevens, (MANY + 6) / 7);
	assert_found(f->store, "x149",
	    "x149 other x1490 other x1491 seven x1492 other x1493 other x1494 other "
	    "x1495 other x1496 other x1497 other x1498 seven x1499 other");
	assert_found(f->store, "seven x149", "x1491 seven x1498 seven");
}

static void
copies_people_with_their_words(void **state)
{
	struct fixture *f = *state;
	struct pl_record r = {.kind = PL_RECORD_USER,
	    .u.user = {.full_name = pl_mem_strdup("Ünal Öz"),
		.username = pl_mem_strdup("uo"),
		.password_hash = pl_mem_strdup(""),
		.profile_pic = pl_mem_strdup("")}};

	pl_oid_new(&r.u.user.id);
	assert_int_equal(pl_store_import(f->store, &r, 1), PL_OK);
	assert_int_equal(r.outcome, PL_RECORD_ADDED);
	assert_found(f->store, "oz", "uo");
	pl_user_fini(&r.u.user);
}

int
store_people_suite(void)
{
	const struct CMUnitTest tests[] = {
	    STORE_TEST(lists_people_by_their_folded_names_then_ids),
	    STORE_TEST(finds_people_by_the_beginning_of_any_word),
	    STORE_TEST(says_that_nobody_is_after_one_who_is_not_there),
	    STORE_TEST(goes_on_after_anybody),
	    STORE_TEST(finds_them_among_many),
	    STORE_TEST(copies_people_with_their_words),
	};

	return cmocka_run_group_tests_name("people", tests, NULL, NULL);
}
