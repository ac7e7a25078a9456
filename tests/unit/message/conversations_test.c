#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "base/mem.h"
#include "http/long_read.h"
#include "services/message/conversations.h"
#include "support/fake/http.h"
#include "support/fake/store.h"

#define COUNT_MAX 40

/* ---- a store of conversations, by when their last messages were written ---- */

static struct {
	int64_t last[COUNT_MAX]; /* descending */
	size_t count;
	size_t text_len;
} world;

static enum pl_err
conversations(struct pl_store *s, const struct pl_oid *user,
    const struct pl_message_pos *before, size_t limit, struct pl_conversation_list *out)
{
	(void)s;
	out->items = pl_mem_zalloc(sizeof(*out->items) * (limit + 1));
	out->count = 0;
	for (size_t i = 0; i < world.count && out->count < limit; i++) {
		struct pl_conversation *c = &out->items[out->count];

		if (before != NULL && world.last[i] >= before->created_unix_ms)
			continue;
		c->has_last = true;
		c->last = (struct pl_message){.sender = *user,
		    .created_unix_ms = world.last[i],
		    .text = pl_mem_zalloc(world.text_len + 1),
		    .text_len = world.text_len};
		memset(c->last.text, 'x', world.text_len);
		out->count++;
	}
	return PL_OK;
}

/* ---- http/long_read, as the test plays it ---- */

static struct pl_long_read *asked;
static struct pl_buf piece;

void
pl_long_read_start(struct pl_long_read *r)
{
	asked = r;
}

/* Gives the number of entries that were written. */
static size_t
read_piece(void)
{
	struct pl_json_out o;
	size_t count = 0;

	pl_buf_clear(&piece);
	pl_jo_init(&o, &piece);
	assert_int_equal(asked->read(asked, &fake_store.session, &o), PL_OK);
	if (!asked->goes_on)
		assert_true(asked->begin(asked, PL_OK));
	asked->goes_on = true;
	for (const char *at = piece.data;
	     piece.len > 0 && (at = strstr(at, "\"unread\"")); at++)
		count++;
	return count;
}

static struct fake_request *
ask(const char *query)
{
	struct fake_request *r = fake_request_new(NULL, "");

	r->rq.query = pl_str(query);
	asked = NULL;
	message_conversations_get(&r->rq);
	return r;
}

static void
done(struct fake_request *r)
{
	asked->free(asked);
	fake_request_free(r);
}

static int
setup(void **state)
{
	(void)state;
	fake_store_reset();
	fake_store.backend.conversations = conversations;
	world.count = COUNT_MAX;
	world.text_len = 1;
	for (size_t i = 0; i < COUNT_MAX; i++)
		world.last[i] = 1000 - 10 * (int64_t)i;
	pl_buf_init(&piece, PL_BUF_UNLIMITED);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	pl_buf_fini(&piece);
	return 0;
}

/* ---- tests ---- */

#define NO_ID "000000000000000000000000"

static void
thirty_come_at_once_and_link_names_the_next_page(void **state)
{
	struct fake_request *r = ask("");

	(void)state;
	assert_int_equal(read_piece(), CONVERSATIONS_LIMIT);
	assert_true(asked->is_last);
	assert_string_equal(fake_answer_header(r, "link"),
	    "</api/conversations?limit=30&before=2c6-" NO_ID ">; rel=\"next\"");
	done(r);
	r = ask("limit=30&before=2c6-" NO_ID);
	assert_int_equal(read_piece(), COUNT_MAX - CONVERSATIONS_LIMIT);
	assert_null(fake_answer_header(r, "link"));
	done(r);
}

static void
long_messages_come_in_pieces(void **state)
{
	struct fake_request *r = ask("limit=10");
	size_t count, sum = 0, pieces = 0;

	(void)state;
	world.text_len = 50000;
	for (; sum == 0 || !asked->is_last; pieces++) {
		count = read_piece();
		assert_in_range(count, 1, 3);
		sum += count;
	}
	assert_int_equal(sum, 10);
	assert_in_range(pieces, 4, 10);
	done(r);
}

/* An entry that was not written yet goes to the front: the page ends where its Link says. */
static void
whoever_is_written_to_meanwhile_does_not_pull_the_next_page_in(void **state)
{
	struct fake_request *r = ask("limit=10");
	size_t sum;

	(void)state;
	world.text_len = 50000;
	sum = read_piece();
	memmove(&world.last[1], &world.last[0], 8 * sizeof(world.last[0]));
	world.last[0] = 2000; /* who was the ninth */
	while (!asked->is_last)
		sum += read_piece();
	assert_int_equal(sum, 9);
	done(r);
}

static void
refuses_what_is_no_limit_or_cursor(void **state)
{
	static const char *const queries[] = {"limit=0", "limit=101", "limit=", "limit=x",
	    "limit=1&limit=1", "before=", "before=x", "before=-" NO_ID,
	    "before=01-" NO_ID, "before=1-" NO_ID "0"};

	(void)state;
	for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
		struct fake_request *r = ask(queries[i]);

		assert_null(asked);
		assert_int_equal(r->answer.kind, FAKE_INVALID);
		assert_string_equal(r->answer.code, "INVALID_FIELD");
		fake_request_free(r);
	}
}

#define TEST(name_) cmocka_unit_test_setup_teardown(name_, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(thirty_come_at_once_and_link_names_the_next_page),
	    TEST(long_messages_come_in_pieces),
	    TEST(whoever_is_written_to_meanwhile_does_not_pull_the_next_page_in),
	    TEST(refuses_what_is_no_limit_or_cursor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
