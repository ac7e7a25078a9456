#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "services/auth/account.h"
#include "services/auth/handlers.h"
#include "services/auth/avatar/painter.h"
#include "services/auth/avatar/picture.h"
#include "support/fake/bus.h"
#include "support/fake/http.h"
#include "support/fake/store.h"
#include "support/fake_loop.h"

#define TOLD "userUpdated"

void
auth_reply_user(struct pl_request *rq, int status, const struct pl_user *user)
{
	pl_reply_json(rq, status, pl_str(user->username));
}

static int
setup(void **state)
{
	struct pl_loop *loop = fake_loop_new();

	fake_store_reset();
	pl_settings = (struct pl_settings){.avatar_bytes_max = 1000,
	    .body_bytes_max = 1000,
	    .limit_profile_per_minute = 3,
	    .limit_avatars_per_minute = 3};
	pl_app = (struct pl_app){.loop = loop, .bus = fake_bus_new(loop)};
	account_start();
	auth_painter_start();
	*state = loop;
	return 0;
}

static int
teardown(void **state)
{
	auth_painter_stop();
	account_stop();
	fake_bus_end_all(pl_app.bus, PL_OK);
	pl_bus_free(pl_app.bus);
	fake_loop_free(*state);
	return 0;
}

static struct pl_buf
webp_file(void)
{
	struct picture p;
	struct pl_buf file;

	pl_buf_init(&file, PL_BUF_UNLIMITED);
	assert_int_equal(picture_init(&p, 8, 8), PL_OK);
	assert_int_equal(webp_write(&p, 50, &file), PL_OK);
	picture_fini(&p);
	return file;
}

static struct fake_request *
ask(void (*handle)(struct pl_request *rq), struct pl_str body)
{
	struct fake_request *r = fake_request_new(NULL, "");

	r->rq.body = body;
	r->rq.claims.user.bytes[0] = 7;
	handle(&r->rq);
	return r;
}

static bool
is_painted(void *arg)
{
	const struct fake_request *r = arg;

	return r->answer.kind != FAKE_UNANSWERED || fake_store_writes() > 0;
}

static struct pl_user
some_user(void)
{
	return (struct pl_user){.id = {.bytes = {7}},
	    .username = pl_mem_strdup("ann"),
	    .full_name = pl_mem_strdup("Ann"),
	    .profile_pic = pl_mem_strdup("/x")};
}

static void
stores_what_was_made_anew_and_tells_who_watches(void **state)
{
	struct pl_buf file = webp_file();
	struct fake_request *r = ask(auth_avatar_put, pl_buf_str(&file));
	struct pl_store_write_call *call;

	assert_true(fake_loop_until(*state, is_painted, r));
	call = fake_store_next_write(PL_WRITE_AVATAR);
	assert_int_equal(call->write.u.avatar.avatar->type, PL_AVATAR_WEBP);
	assert_memory_equal(call->write.u.avatar.avatar->bytes, "RIFF", 4);
	assert_int_equal(call->write.u.avatar.user.bytes[0], 7);
	assert_int_equal(r->answer.kind, FAKE_UNANSWERED);
	call->write.u.avatar.after = some_user();
	fake_store_end_write(call, PL_OK);
	assert_int_equal(r->answer.status, 200);
	assert_int_equal(fake_bus_count(pl_app.bus, TOLD), 1);
	fake_request_free(r);
	pl_buf_fini(&file);
}

static void
tells_nobody_if_it_was_not_stored(void **state)
{
	struct fake_request *r = ask(auth_avatar_delete, PL_STR_NONE);
	struct pl_store_write_call *call = fake_store_next_write(PL_WRITE_AVATAR);

	(void)state;
	assert_null(call->write.u.avatar.avatar);
	fake_store_end_write(call, PL_E_FULL);
	assert_int_equal(r->answer.err, PL_E_FULL);
	fake_request_free(r);
	r = ask(auth_avatar_delete, PL_STR_NONE);
	fake_store_end_write(fake_store_next_write(PL_WRITE_AVATAR), PL_E_NOT_FOUND);
	assert_int_equal(r->answer.problem, PL_PROBLEM_BAD_TOKEN);
	assert_int_equal(fake_bus_count(pl_app.bus, TOLD), 0);
	fake_request_free(r);
}

static void
refuses_what_is_too_long_or_empty_at_once(void **state)
{
	static const char zeros[1001];
	struct fake_request *r = ask(auth_avatar_put, pl_str_n(zeros, 1001));

	assert_int_equal(r->answer.problem, PL_PROBLEM_TOO_BIG);
	fake_request_free(r);
	r = ask(auth_avatar_put, pl_str_n(zeros, 0));
	assert_int_equal(r->answer.problem, PL_PROBLEM_BAD_IMAGE);
	fake_request_free(r);
	r = ask(auth_avatar_put, pl_str_n(zeros, 1000));
	assert_true(fake_loop_until(*state, is_painted, r));
	assert_int_equal(r->answer.problem, PL_PROBLEM_BAD_IMAGE);
	assert_int_equal(fake_store_writes(), 0);
	fake_request_free(r);
}

static void
takes_so_many_pictures_a_minute(void **state)
{
	for (int i = 0; i < 4; i++) {
		struct fake_request *r = ask(auth_avatar_put, PL_STR("none"));

		assert_true(fake_loop_until(*state, is_painted, r));
		assert_int_equal(r->answer.kind, i < 3 ? FAKE_PROBLEM : FAKE_RETRY);
		fake_request_free(r);
	}
}

/* ---- painter ---- */

static size_t done_count;

static void
on_painted(struct auth_painting *p, enum pl_err err)
{
	(void)err;
	done_count++;
	pl_buf_fini(&p->made);
}

static void
lets_so_many_pictures_wait(void **state)
{
	static struct auth_painting all[PAINTER_QUEUE_MAX + 2];
	struct pl_buf file = webp_file();
	size_t taken = 0;

	(void)state;
	done_count = 0;
	for (size_t i = 0; i < PAINTER_QUEUE_MAX + 2; i++) {
		all[i] =
		    (struct auth_painting){.file = pl_buf_str(&file), .done = on_painted};
		all[i].user.bytes[0] = (uint8_t)i;
		if (auth_painter_submit(&all[i]) == PL_OK)
			taken++;
		else
			break;
	}
	assert_in_range(taken, PAINTER_QUEUE_MAX, PAINTER_QUEUE_MAX + 2);
	auth_painter_stop(); /* each is done, or cancelled */
	auth_painter_start();
	assert_int_equal(done_count, taken);
	pl_buf_fini(&file);
}

static void
lets_two_pictures_of_a_user_wait(void **state)
{
	static struct auth_painting all[PAINTER_OF_USER_MAX + 2];
	struct pl_buf file = webp_file();
	size_t i;

	(void)state;
	done_count = 0;
	for (i = 0; i < PAINTER_OF_USER_MAX + 1; i++) {
		all[i] =
		    (struct auth_painting){.file = pl_buf_str(&file), .done = on_painted};
		assert_int_equal(auth_painter_submit(&all[i]),
		    i < PAINTER_OF_USER_MAX ? PL_OK : PL_E_BUSY);
	}
	all[i] = (struct auth_painting){
	    .user.bytes = {1}, .file = pl_buf_str(&file), .done = on_painted};
	assert_int_equal(auth_painter_submit(&all[i]), PL_OK);
	auth_painter_stop();
	auth_painter_start();
	assert_int_equal(done_count, PAINTER_OF_USER_MAX + 1);
	pl_buf_fini(&file);
}

int
main(void)
{
#define TEST(name_) cmocka_unit_test_setup_teardown(name_, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(stores_what_was_made_anew_and_tells_who_watches),
	    TEST(tells_nobody_if_it_was_not_stored),
	    TEST(refuses_what_is_too_long_or_empty_at_once),
	    TEST(takes_so_many_pictures_a_minute),
	    TEST(lets_so_many_pictures_wait),
	    TEST(lets_two_pictures_of_a_user_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
