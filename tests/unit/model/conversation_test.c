#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "model/conversation.h"

#define USER                                                                             \
	"{\"_id\":\"65a1b2c3d4e5f60718293a4b\",\"fullName\":\"Ann Lee\","                \
	"\"username\":\"ann\",\"profilePic\":\"p\",\"status\":\"BUSY\""

static struct pl_oid
oid(const char *hex)
{
	struct pl_oid id;

	assert_true(pl_oid_parse(pl_str(hex), &id));
	return id;
}

static struct pl_conversation
with_ann(void)
{
	struct pl_conversation c = {.user = {.status = PL_STATUS_BUSY}};

	c.user.id = oid("65a1b2c3d4e5f60718293a4b");
	c.user.full_name = pl_mem_strdup("Ann Lee");
	c.user.username = pl_mem_strdup("ann");
	c.user.profile_pic = pl_mem_strdup("p");
	return c;
}

static void
assert_json(const struct pl_conversation *c, const char *expected)
{
	struct pl_json_out o;
	struct pl_buf b;

	pl_buf_init(&b, 4096);
	pl_jo_init(&o, &b);
	pl_conversation_write(&o, c);
	assert_string_equal(b.data, expected);
	pl_buf_fini(&b);
}

static void
test_nobody_wrote_yet(void **state)
{
	struct pl_conversation c = with_ann();

	(void)state;
	assert_json(&c,
	    "{\"user\":" USER "},\"lastMessage\":null,\"unread\":0,\"readUpTo\":null,"
	    "\"theirReadUpTo\":null,\"theirDeliveredUpTo\":null}");
	pl_conversation_fini(&c);
}

static void
test_all_fields(void **state)
{
	struct pl_conversation c = with_ann();
	struct pl_oid me = oid("65a1b2c3d4e5f60718293a4c");

	(void)state;
	c.user.note = pl_mem_strdup("out");
	c.has_last = true;
	pl_message_init(&c.last, &c.user.id, &me, PL_STR("hi"), 1769862896789);
	c.last.id = oid("65a1b2c3d4e5f60718293a4d");
	c.unread = PL_UNREAD_MAX;
	c.read = (struct pl_message_pos){1, oid("65a1b2c3d4e5f60718293a01")};
	c.their_read = (struct pl_message_pos){2, oid("65a1b2c3d4e5f60718293a02")};
	c.their_delivered = (struct pl_message_pos){3, oid("65a1b2c3d4e5f60718293a03")};
	assert_json(&c,
	    "{\"user\":" USER ",\"statusNote\":\"out\"},\"lastMessage\":"
	    "{\"senderId\":\"65a1b2c3d4e5f60718293a4b\","
	    "\"receiverId\":\"65a1b2c3d4e5f60718293a4c\",\"message\":\"hi\","
	    "\"_id\":\"65a1b2c3d4e5f60718293a4d\","
	    "\"createdAt\":\"2026-01-31T12:34:56.789Z\","
	    "\"updatedAt\":\"2026-01-31T12:34:56.789Z\",\"__v\":0},\"unread\":100,"
	    "\"readUpTo\":\"65a1b2c3d4e5f60718293a01\","
	    "\"theirReadUpTo\":\"65a1b2c3d4e5f60718293a02\","
	    "\"theirDeliveredUpTo\":\"65a1b2c3d4e5f60718293a03\"}");
	pl_conversation_fini(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_nobody_wrote_yet),
	    cmocka_unit_test(test_all_fields),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
