/* Each promise of redis/call.h, with the real Redis and a clock that is set by hand. */
#include "redis/reply.h"
#include "support/redis_fixture.h"
#include "support/fake_loop.h"

struct world {
	struct pl_loop *loop;
	struct redis_server server;
	struct pl_redis *redis;
};

/* What a call heard. */
struct owner {
	struct world *world;
	struct pl_redis_call call;
	int count;
	enum pl_err err;
	char text[64];
	void (*then)(struct owner *o);
	struct owner *other; /* whom then() cancels */
};

static void
on_done(void *arg, enum pl_err err, const struct redisReply *reply)
{
	struct owner *o = arg;
	struct pl_str said = pl_redis_reply_str(reply);

	o->count++;
	o->err = err;
	if (pl_redis_reply_is(reply, REDIS_REPLY_INTEGER))
		snprintf(o->text, sizeof(o->text), "%lld", reply->integer);
	else
		snprintf(o->text, sizeof(o->text), "%.*s", (int)said.len, said.ptr);
	if (o->then != NULL)
		o->then(o);
}

static void
owner_init(struct owner *o, struct world *w)
{
	*o = (struct owner){.world = w};
	pl_redis_call_init(&o->call, on_done, o);
}

static void
incr(struct owner *o)
{
	pl_redis_command(
	    o->world->redis, (struct pl_str[]){PL_STR("INCR"), PL_STR("n")}, 2, &o->call);
}

static bool
has_heard(void *arg)
{
	return ((struct owner *)arg)->count > 0;
}

static bool
is_up(void *arg)
{
	return pl_redis_is_up(arg);
}

/* All that was sent before is answered. */
static void
settle(struct world *w)
{
	struct owner last;

	owner_init(&last, w);
	pl_redis_command(w->redis, (struct pl_str[]){PL_STR("PING")}, 1, &last.call);
	assert_true(fake_loop_until(w->loop, has_heard, &last));
	assert_string_equal(last.text, "PONG");
}

static int
world_setup(void **state)
{
	struct world *w = pl_mem_zalloc(sizeof(*w));
	struct pl_redis_config config = {.role = "test"};

	redis_server_init(&w->server, NULL);
	redis_server_start(&w->server);
	w->loop = fake_loop_new();
	config.url = w->server.url;
	w->redis = pl_redis_new(w->loop, &config);
	*state = w;
	return fake_loop_until(w->loop, is_up, w->redis) ? 0 : -1;
}

static int
world_teardown(void **state)
{
	struct world *w = *state;

	pl_redis_free(w->redis);
	fake_loop_free(w->loop);
	redis_server_fini(&w->server);
	pl_mem_free(w);
	return 0;
}

static void
hears_once_and_never_before_the_start_returned(void **state)
{
	struct world *w = *state;
	struct owner o;

	owner_init(&o, w);
	assert_false(pl_redis_call_is_waiting(&o.call));
	incr(&o);
	assert_int_equal(o.count, 0);
	assert_true(pl_redis_call_is_waiting(&o.call));
	assert_true(fake_loop_until(w->loop, has_heard, &o));
	assert_false(pl_redis_call_is_waiting(&o.call));
	assert_int_equal(o.err, PL_OK);
	assert_string_equal(o.text, "1");
	settle(w);
	fake_loop_advance(w->loop, 10000);
	assert_int_equal(o.count, 1);
}

static void
hears_once_for_each_command(void **state)
{
	struct world *w = *state;
	struct owner o;

	owner_init(&o, w);
	for (int i = 0; i < 5; i++)
		incr(&o);
	settle(w);
	assert_int_equal(o.count, 5);
	assert_string_equal(o.text, "5");
	assert_false(pl_redis_call_is_waiting(&o.call));
}

static void
who_cancels_hears_nothing_and_the_command_is_carried_out(void **state)
{
	struct world *w = *state;
	struct owner *o = pl_mem_zalloc(sizeof(*o));

	pl_redis_call_cancel(&o->call); /* never initialised */
	assert_false(pl_redis_call_is_waiting(&o->call));
	owner_init(o, w);
	pl_redis_call_cancel(&o->call);
	incr(o);
	incr(o);
	pl_redis_call_cancel(&o->call);
	pl_redis_call_cancel(&o->call);
	assert_false(pl_redis_call_is_waiting(&o->call));
	assert_int_equal(o->count, 0);
	pl_mem_free(o); /* what comes now would be heard by nobody */
	settle(w);
	assert_string_equal(redis_server_ask(&w->server, "GET n"), "2");
}

static void
may_be_sent_again_once_it_was_cancelled(void **state)
{
	struct world *w = *state;
	struct owner o;

	owner_init(&o, w);
	incr(&o);
	pl_redis_call_cancel(&o.call);
	incr(&o);
	settle(w);
	assert_int_equal(o.count, 1);
	assert_string_equal(o.text, "2");
}

static void
free_owner(struct owner *o)
{
	pl_redis_call_cancel(&o->call);
	pl_mem_free(o);
}

static void
may_free_its_owner(void **state)
{
	struct world *w = *state;
	struct owner *o = pl_mem_zalloc(sizeof(*o));

	owner_init(o, w);
	o->then = free_owner;
	incr(o);
	incr(o); /* and this one is heard by nobody */
	settle(w);
	assert_string_equal(redis_server_ask(&w->server, "GET n"), "2");
}

static void
send_again(struct owner *o)
{
	if (o->count < 3)
		incr(o);
}

static void
may_send_again_from_its_callback(void **state)
{
	struct world *w = *state;
	struct owner o;

	owner_init(&o, w);
	o.then = send_again;
	incr(&o);
	for (int i = 0; i < 3; i++)
		settle(w);
	assert_int_equal(o.count, 3);
	assert_string_equal(o.text, "3");
}

static void
tells_what_redis_refuses(void **state)
{
	struct world *w = *state;
	struct owner o;

	owner_init(&o, w);
	(void)redis_server_ask(&w->server, "SET n x");
	incr(&o);
	settle(w);
	assert_int_equal(o.count, 1);
	assert_int_equal(o.err, PL_E_IO);
	assert_int_equal(strncmp(o.text, "ERR value is not an integer", 27), 0);
}

static void
cancel_other(struct owner *o)
{
	pl_redis_call_cancel(&o->other->call);
}

static void
a_lost_connection_fails_all_but_those_that_were_cancelled(void **state)
{
	struct world *w = *state;
	struct owner first, second, third, late;

	owner_init(&first, w);
	owner_init(&second, w);
	owner_init(&third, w);
	owner_init(&late, w);
	redis_server_pause(&w->server);
	first.then = cancel_other;
	first.other = &second;
	incr(&first);
	incr(&second);
	incr(&third);
	fake_loop_run(w->loop);
	redis_server_kill(&w->server);
	assert_true(fake_loop_until(w->loop, has_heard, &third));
	assert_int_equal(first.count, 1);
	assert_int_equal(first.err, PL_E_UNAVAILABLE);
	assert_int_equal(second.count, 0); /* first took it back */
	assert_int_equal(third.count, 1);
	assert_int_equal(third.err, PL_E_UNAVAILABLE);
	incr(&late); /* there is no connection */
	assert_int_equal(late.count, 0);
	fake_loop_run(w->loop);
	assert_int_equal(late.count, 1);
	assert_int_equal(late.err, PL_E_UNAVAILABLE);
}

static void
has_a_deadline(void **state)
{
	struct world *w = *state;
	struct owner o, gone;

	owner_init(&o, w);
	owner_init(&gone, w);
	redis_server_pause(&w->server);
	incr(&o);
	incr(&gone);
	pl_redis_call_cancel(&gone.call);
	fake_loop_advance(w->loop, PL_REDIS_DEADLINE_MS - 1);
	assert_int_equal(o.count, 0);
	fake_loop_advance(w->loop, 1);
	assert_int_equal(o.count, 1);
	assert_int_equal(o.err, PL_E_TIMEOUT);
	assert_int_equal(gone.count, 0);
	redis_server_resume(&w->server);
}

static void
a_connection_that_closes_tells_who_waits(void **state)
{
	struct world *w = *state;
	struct owner sent, cancelled;

	owner_init(&sent, w);
	owner_init(&cancelled, w);
	incr(&sent);
	incr(&cancelled);
	pl_redis_call_cancel(&cancelled.call);
	pl_redis_free(w->redis);
	w->redis = NULL;
	assert_int_equal(sent.count, 1);
	assert_int_equal(sent.err, PL_E_CANCELLED);
	assert_int_equal(cancelled.count, 0);
	pl_redis_call_cancel(&sent.call); /* after it, too */
}

static void
close_redis(struct owner *o)
{
	pl_redis_free(o->world->redis);
	o->world->redis = NULL;
}

static void
may_close_the_connection_from_its_callback(void **state)
{
	struct world *w = *state;
	struct owner first, second;

	owner_init(&first, w);
	owner_init(&second, w);
	first.then = close_redis;
	incr(&first);
	incr(&second);
	assert_true(fake_loop_until(w->loop, has_heard, &second));
	assert_int_equal(first.err, PL_OK);
	assert_int_equal(second.err, PL_E_CANCELLED);
	assert_int_equal(first.count + second.count, 2);
}

/* ---- scripts: the server may ask for the whole text, and the call waits for that, too ---- */

static const char incr_lua[] = "return redis.call('INCR', KEYS[1])";

static void
run(struct owner *o, struct pl_redis_script *script)
{
	pl_redis_script_init(script, incr_lua);
	pl_redis_eval(o->world->redis, script, (struct pl_str[]){PL_STR("n")}, 1, NULL, 0,
	    &o->call);
}

static void
a_script_that_the_server_forgot_is_heard_once(void **state)
{
	struct world *w = *state;
	struct pl_redis_script script;
	struct owner o;

	owner_init(&o, w);
	run(&o, &script);
	settle(w); /* NOSCRIPT came, and perhaps more */
	settle(w);
	assert_false(pl_redis_call_is_waiting(&o.call));
	assert_int_equal(o.count, 1);
	assert_string_equal(o.text, "1");
}

static void
a_script_may_be_cancelled_at_any_time_and_is_run(void **state)
{
	struct world *w = *state;
	struct pl_redis_script *script = pl_mem_zalloc(sizeof(*script));
	struct owner early, later;
	int heard;

	owner_init(&early, w);
	owner_init(&later, w);
	run(&early, script);
	run(&later, script);
	pl_redis_call_cancel(&early.call);
	pl_mem_free(script); /* with its owner */
	settle(w);
	/* Whether the answer to the whole text came with that is the sockets' affair. */
	heard = later.count;
	pl_redis_call_cancel(&later.call);
	settle(w);
	assert_int_equal(early.count, 0);
	assert_int_equal(later.count, heard);
	assert_string_equal(redis_server_ask(&w->server, "GET n"), "2");
}

static void
a_script_hears_of_a_connection_that_closes(void **state)
{
	struct world *w = *state;
	struct pl_redis_script script;
	struct owner o;

	owner_init(&o, w);
	run(&o, &script);
	pl_redis_free(w->redis);
	w->redis = NULL;
	assert_int_equal(o.count, 1);
	assert_int_equal(o.err, PL_E_CANCELLED);
}

#define WORLD_TEST(name)                                                                 \
	cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    WORLD_TEST(hears_once_and_never_before_the_start_returned),
	    WORLD_TEST(hears_once_for_each_command),
	    WORLD_TEST(who_cancels_hears_nothing_and_the_command_is_carried_out),
	    WORLD_TEST(may_be_sent_again_once_it_was_cancelled),
	    WORLD_TEST(may_free_its_owner),
	    WORLD_TEST(may_send_again_from_its_callback),
	    WORLD_TEST(tells_what_redis_refuses),
	    WORLD_TEST(a_lost_connection_fails_all_but_those_that_were_cancelled),
	    WORLD_TEST(has_a_deadline),
	    WORLD_TEST(a_connection_that_closes_tells_who_waits),
	    WORLD_TEST(may_close_the_connection_from_its_callback),
	    WORLD_TEST(a_script_that_the_server_forgot_is_heard_once),
	    WORLD_TEST(a_script_may_be_cancelled_at_any_time_and_is_run),
	    WORLD_TEST(a_script_hears_of_a_connection_that_closes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
