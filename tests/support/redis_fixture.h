/*
 * redis_fixture: what the bus tests share: a loop, a Redis server, and waiting for a
 * condition.
 *
 *   WAIT_FOR(f, is_done);    turns the loop until the expression holds; fails after 10 s
 *   TURN_FOR(f, ms);         turns it for a while, to see that something does not happen
 */
#ifndef PL_TESTS_REDIS_FIXTURE_H
#define PL_TESTS_REDIS_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "bus/bus.h"
#include "loop/loop_epoll.h"
#include "loop/loop_impl.h"
#include "support/bus_local.h"
#include "support/patience.h"
#include "support/redis_server.h"

struct fixture {
	struct pl_loop *loop;
	struct redis_server server;
};

#define WAIT_LIMIT_MS patient_ms(10000)

#define WAIT_FOR(f, condition)                                                           \
	do {                                                                             \
		int64_t limit_ = awake_ms() + WAIT_LIMIT_MS;                             \
		while (!(condition)) {                                                   \
			if (awake_ms() > limit_)                                         \
				fail_msg("never came true: %s", #condition);             \
			pl_loop_epoll_step((f)->loop, 10);                               \
		}                                                                        \
	} while (0)

/* At least ms, in which the loop turns: what comes after a standstill is dealt with. */
#define TURN_FOR(f, ms)                                                                  \
	do {                                                                             \
		int64_t limit_ = awake_ms() + (ms);                                      \
		while (awake_ms() < limit_)                                              \
			pl_loop_epoll_step((f)->loop, 10);                               \
	} while (0)

static inline int
fixture_setup(void **state)
{
	struct fixture *f = pl_mem_zalloc(sizeof(*f));

	redis_server_init(&f->server, NULL);
	redis_server_start(&f->server);
	f->loop = pl_loop_epoll_new();
	*state = f;
	return 0;
}

static inline int
fixture_teardown(void **state)
{
	struct fixture *f = *state;
	bool is_clean = f->loop->timers.count == 0;

	redis_server_fini(&f->server);
	/* A test that failed halfway leaves timers, and its message is what should be
	 * seen. */
	if (is_clean)
		pl_loop_epoll_free(f->loop);
	pl_mem_free(f);
	return is_clean ? 0 : -1;
}

/* A process' connection for commands. A server that stands still is no server that is
 * away. */
static inline struct pl_redis *
fixture_redis(struct fixture *f)
{
	struct pl_redis_config config = {.url = f->server.url,
	    .role = "commands",
	    .deadline_ms = patient_ms(PL_REDIS_DEADLINE_MS)};

	return pl_redis_new(f->loop, &config);
}

/* That, and a bus over it. */
struct wires {
	struct pl_redis *redis;
	struct pl_bus *bus;
};

static inline struct wires
wires_open(struct fixture *f)
{
	struct wires w = {.redis = fixture_redis(f)};

	w.bus = pl_bus_redis_new(f->loop, w.redis, f->server.url);
	return w;
}

static inline void
wires_close(struct wires *w)
{
	pl_bus_free(w->bus);
	pl_redis_free(w->redis);
	*w = (struct wires){0};
}

#define FIXTURE_TEST(name)                                                               \
	cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

#endif
