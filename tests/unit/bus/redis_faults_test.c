/*
 * What goes over Redis (client, bus, processes, online), when each of its calls of the
 * system, each allocation of hiredis and each answer of Redis fails in turn: every
 * command is answered once, and afterwards all comes right by itself.
 */
#include <errno.h>

#include "online/set_impl.h"
#include "processes/list.h"
#include "redis/reply.h"
#include "support/fail_at.h"
#include "support/fake_loop.h"
#include "support/redis_fixture.h"
#include "support/descriptors.h"

static const struct pl_online_set_times set_times = {.lease_ms = 60000, .renew_ms = 250};
static const struct pl_process_list_times list_times = {
    .ask_ms = 250, .missing_ms = 60000, .rejoin_ms = 60000};

/* ---- time goes five times as fast, for connecting again waits ---- */

#define COMES_TRUE(f, condition)                                                         \
	do {                                                                             \
		int64_t limit_ = awake_ms() + WAIT_LIMIT_MS;                             \
		while (!(condition)) {                                                   \
			if (awake_ms() > limit_)                                         \
				fail_msg(                                                \
				    "%s: never came true: %s", case_name, #condition);   \
			turn(f);                                                         \
		}                                                                        \
	} while (0)

static char case_name[64];

static void
turn(struct fixture *f)
{
	fake_loop_advance(f->loop, 5);
	usleep(500);
}

/* ---- a process with all of it ---- */

struct node {
	struct wires wires;
	struct pl_online_set *set;
	struct pl_announcement *announcement;
	struct pl_process_list *list;
	struct pl_bus_listener listener;
	unsigned heard;
	char name[8];
};

static void
on_message(void *arg, struct pl_str channel, struct pl_str payload)
{
	struct node *n = arg;

	(void)channel;
	(void)payload;
	n->heard++;
}

static void
ignore(void *arg)
{
	(void)arg;
}

static void
ignore_user(void *arg, const struct pl_oid *user, bool is_online)
{
	(void)arg;
	(void)user;
	(void)is_online;
}

static void
node_start(struct fixture *f, struct node *n, unsigned number)
{
	struct pl_announcement_config config = {
	    .service = "presence", .name = n->name, .listen = "127.0.0.1:8080"};

	*n = (struct node){
	    .wires = wires_open(f), .listener = {.on_message = on_message, .arg = n}};
	snprintf(n->name, sizeof(n->name), "p%u", number);
	n->set = pl_online_set_new_timed(
	    f->loop, n->wires.redis, n->wires.bus, n->name, set_times, ignore_user, n);
	n->announcement = pl_announcement_new(f->loop, n->wires.redis, &config);
	n->list = pl_process_list_new_timed(
	    f->loop, n->wires.redis, n->wires.bus, list_times, ignore, n);
	pl_bus_subscribe(n->wires.bus, pl_str(n->name), &n->listener);
}

static void
node_stop(struct node *n)
{
	pl_bus_unsubscribe(n->wires.bus, &n->listener);
	pl_process_list_free(n->list);
	pl_announcement_free(n->announcement);
	pl_online_set_free(n->set);
	wires_close(&n->wires);
}

static bool
lists_itself(const struct node *n)
{
	struct pl_buf text;
	char line[32];
	bool is_there;

	pl_buf_init(&text, PL_BUF_UNLIMITED);
	pl_process_list_print(n->list, &text);
	snprintf(line, sizeof(line), "presence %s ", n->name);
	is_there = text.data != NULL && strstr(text.data, line) != NULL;
	pl_buf_fini(&text);
	return is_there;
}

/* ---- commands ---- */

struct answer {
	struct pl_redis_call call;
	unsigned count;
	enum pl_err err;
	long long number;
};

static void
on_answer(void *arg, enum pl_err err, const struct redisReply *reply)
{
	struct answer *a = arg;

	a->count++;
	a->err = err;
	a->number = pl_redis_reply_is(reply, REDIS_REPLY_INTEGER) ? reply->integer : -1;
	assert_true(err == PL_OK || err == PL_E_UNAVAILABLE || err == PL_E_IO ||
		    err == PL_E_TIMEOUT);
	assert_true((reply != NULL) == (err == PL_OK || err == PL_E_IO));
}

static void
increment(struct node *n, struct answer *a)
{
	struct pl_str words[2] = {PL_STR("INCR"), pl_str(n->name)};

	*a = (struct answer){.count = 0};
	pl_redis_call_init(&a->call, on_answer, a);
	pl_redis_command(n->wires.redis, words, 2, &a->call);
	pl_redis_flush(n->wires.redis);
}

static void
publish(struct node *n, struct answer *a)
{
	*a = (struct answer){.count = 0};
	pl_redis_call_init(&a->call, on_answer, a);
	pl_bus_publish(n->wires.bus, pl_str(n->name), PL_STR("hello"), &a->call);
}

/* What was answered is so; what was not may be. */
static void
check_counter(
    struct fixture *f, const struct node *n, const struct answer *answers, unsigned count)
{
	char command[32];
	long long stored;
	int confirmed = 0;

	snprintf(command, sizeof(command), "GET %s", n->name);
	stored = atoll(redis_server_ask(&f->server, command));
	for (unsigned i = 0; i < count; i++)
		confirmed += answers[i].err == PL_OK;
	assert_in_range(stored, confirmed, count);
}

/* ---- one run ---- */

#define COMMANDS 4

static void
work(struct fixture *f, struct node *n, const struct pl_oid *user)
{
	struct answer answers[COMMANDS], published;

	for (unsigned i = 0; i < COMMANDS; i++) {
		increment(n, &answers[i]);
		if (i == 0)
			pl_online_set_join(n->set, user);
		turn(f);
	}
	publish(n, &published);
	for (unsigned i = 0; i < COMMANDS; i++)
		COMES_TRUE(f, answers[i].count > 0);
	COMES_TRUE(f, published.count > 0);
	for (unsigned i = 0; i < 20; i++)
		turn(f);
	for (unsigned i = 0; i < COMMANDS; i++)
		assert_int_equal(answers[i].count, 1);
	assert_int_equal(published.count, 1);
	check_counter(f, n, answers, COMMANDS);
}

static bool
hears(struct fixture *f, struct node *n)
{
	unsigned before = n->heard;
	struct answer published;

	publish(n, &published);
	COMES_TRUE(f, published.count > 0);
	for (unsigned i = 0; i < 10 && n->heard == before; i++)
		turn(f);
	return n->heard > before;
}

/* True: something failed. */
static bool
run(struct fixture *f, enum fail_kind kind, int error, unsigned n)
{
	static unsigned number;
	size_t descriptors = open_descriptors();
	struct pl_oid user = {{0}};
	struct node node;
	struct answer answer;
	unsigned failed;

	number++;
	(void)redis_server_ask(&f->server, "FLUSHALL");
	memcpy(user.bytes, &number, sizeof(number));
	snprintf(case_name, sizeof(case_name), "%s, %s, call %u", fail_kind_name(kind),
	    strerror(error), n);
	fail_at(kind, n, 1, error);
	node_start(f, &node, number);
	for (int64_t end = pl_loop_now_ms(f->loop) + 600;
	     pl_loop_now_ms(f->loop) < end && !pl_bus_is_up(node.wires.bus);)
		turn(f);
	work(f, &node, &user);
	failed = fail_at_end();

	COMES_TRUE(f, pl_bus_is_up(node.wires.bus));
	do {
		increment(&node, &answer);
		COMES_TRUE(f, answer.count > 0);
	} while (answer.err == PL_E_UNAVAILABLE || answer.err == PL_E_TIMEOUT);
	assert_int_equal(answer.err, PL_OK);
	COMES_TRUE(f, hears(f, &node));
	COMES_TRUE(f, lists_itself(&node));
	assert_true(pl_online_set_has(node.set, &user));
	pl_announcement_leave(node.announcement);
	node_stop(&node);
	assert_int_equal(open_descriptors(), descriptors);
	return failed > 0;
}

static int
setup(void **state)
{
	struct fixture *f = pl_mem_zalloc(sizeof(*f));

	redis_server_init(&f->server, NULL);
	redis_server_start(&f->server);
	f->loop = fake_loop_new();
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;
	bool is_clean = f->loop->timers.count == 0;

	(void)fail_at_end();
	redis_server_fini(&f->server);
	if (is_clean)
		fake_loop_free(f->loop);
	pl_mem_free(f);
	return is_clean ? 0 : -1;
}

static void
each(struct fixture *f, enum fail_kind kind, const int *errors, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		unsigned n = 1;

		while (run(f, kind, errors[i], n))
			n++;
		printf("%s, %s: %u calls failed\n", fail_kind_name(kind),
		    strerror(errors[i]), n - 1);
	}
}
#define EACH(f, kind, ...)                                                               \
	each(f, kind, (const int[]){__VA_ARGS__},                                        \
	    sizeof((int[]){__VA_ARGS__}) / sizeof(int))

static void
comes_right_when_a_connection_cannot_be_made(void **state)
{
	EACH(*state, FAIL_SOCKET, EMFILE);
	EACH(*state, FAIL_CONNECT, ECONNREFUSED, EADDRNOTAVAIL);
}

static void
comes_right_when_a_send_fails(void **state)
{
	EACH(*state, FAIL_SEND, EPIPE, ENOBUFS, EAGAIN, EINTR);
}

static void
comes_right_when_a_send_is_short(void **state)
{
	EACH(*state, FAIL_SEND, 0);
}

static void
comes_right_when_a_read_fails(void **state)
{
	EACH(*state, FAIL_RECV, ECONNRESET, EAGAIN, EINTR, EPIPE);
}

static void
comes_right_when_a_read_is_short(void **state)
{
	EACH(*state, FAIL_RECV, 0);
}

static void
comes_right_when_redis_refuses_a_command(void **state)
{
	EACH(*state, FAIL_REPLY, 0);
}

static void
comes_right_when_hiredis_has_no_memory(void **state)
{
	EACH(*state, FAIL_ALLOC, ENOMEM);
}

/* As when its rules are loaded again. */
static void
asks_again_for_a_channel_that_redis_refused(void **state)
{
	struct fixture *f = *state;
	struct node node;

	(void)redis_server_ask(&f->server, "ACL SETUSER default resetchannels");
	node_start(f, &node, 1);
	COMES_TRUE(f, pl_bus_is_up(node.wires.bus));
	assert_false(hears(f, &node));
	(void)redis_server_ask(&f->server, "ACL SETUSER default allchannels");
	COMES_TRUE(f, hears(f, &node));
	node_stop(&node);
}

#define FAULT_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    FAULT_TEST(comes_right_when_a_connection_cannot_be_made),
	    FAULT_TEST(comes_right_when_a_send_fails),
	    FAULT_TEST(comes_right_when_a_send_is_short),
	    FAULT_TEST(comes_right_when_a_read_fails),
	    FAULT_TEST(comes_right_when_a_read_is_short),
	    FAULT_TEST(comes_right_when_redis_refuses_a_command),
	    FAULT_TEST(asks_again_for_a_channel_that_redis_refused),
	    FAULT_TEST(comes_right_when_hiredis_has_no_memory),
	};

	return cmocka_run_group_tests_name("bus: faults of Redis", tests, NULL, NULL);
}
