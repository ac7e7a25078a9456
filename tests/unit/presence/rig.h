/*
 * rig: what parts of presence stand on in their tests: a clock set by hand, the local
 * bus, a real store (SQLite in a folder of its own), and no Redis.
 *
 *   RIG_UNTIL(rig, is_done);    runs the loop until the expression holds, the clock stands; fails
 *                               after 10 s of real time, which threads may take
 */
#ifndef TESTS_UNIT_PRESENCE_RIG_H
#define TESTS_UNIT_PRESENCE_RIG_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "http/service.h"
#include "proto/sio_conn.h"
#include "support/bus_local.h"
#include "support/eio_trace.h"
#include "support/fake_loop.h"
#include "support/patience.h"

#define RIG_LIMIT_MS patient_ms(10000)

#define RIG_UNTIL(rig, condition)                                                        \
	do {                                                                             \
		int64_t limit_ = awake_ms() + RIG_LIMIT_MS;                              \
		for (fake_loop_run((rig)->app.loop); !(condition);                       \
		     fake_loop_run((rig)->app.loop)) {                                   \
			if (awake_ms() > limit_)                                         \
				fail_msg("never came true: %s", #condition);             \
			(void)poll(NULL, 0, 1);                                          \
		}                                                                        \
	} while (0)

struct rig {
	struct pl_app app;
	char dir[64];
	/* Stored by rig_send(), in their order. */
	struct pl_oid sent[1024];
	size_t sent_count;
	size_t touched;      /* calls of pl_sio_client_touch() */
	struct pl_oid payer; /* of the last pl_sio_client_pays_as() */
};

void rig_init(struct rig *r);
/* First the store, so that what calls it hears of its end; then free_parts(arg), if it is
 * not NULL. For cmocka: 0, or -1 if a timer is left, as by a test that failed halfway. */
int rig_fini(struct rig *r, void (*free_parts)(void *arg), void *arg);
struct pl_oid rig_add_user(struct rig *r, const char *name);
void rig_set_status(struct rig *r, const struct pl_oid *user, enum pl_status status);
void rig_set_note(struct rig *r, const struct pl_oid *user, enum pl_status status,
    const char *note); /* empty: none */
/* Store count messages, in one batch. */
void rig_send(struct rig *r, const struct pl_oid *from, const struct pl_oid *to,
    const char *text, size_t count);
/* The user is gone, and all that they wrote. */
void rig_erase(struct rig *r, const struct pl_oid *user);
/* What was sent to conn since the last time, as eio_trace_take() gives it. */
const char *rig_sent(struct eio_trace *trace, struct pl_sio_conn *conn);
/* How often part stands in text. */
size_t rig_count(const char *text, const char *part);
/* Let real time pass, by which messages are dated. */
void rig_sleep(int64_t ms);

#endif
