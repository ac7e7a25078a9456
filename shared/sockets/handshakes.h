/*
 * handshakes: requests that begin a session, at an even pace (limits/pace).
 *
 * Strangers bring no good token, because they have none, or because theirs comes with
 * CONNECT. As long as they are let in soon they stand in line with users. Once
 * PL_HANDSHAKES_UNPROVEN_S seconds' worth of them were not, further ones have a line and a
 * pace of their own: so a flood takes its share of the time of those who are here, and
 * keeps no user waiting.
 *
 *   take ──► begins now
 *     └────► stands in line ──► begins in its turn
 *                          └──► its client gave up, or it is turned away
 *     └────► 503, if the line is too long for its transport
 *
 * Threads: the loop's.
 */
#ifndef PL_SOCKETS_HANDSHAKES_H
#define PL_SOCKETS_HANDSHAKES_H

#include "limits/pace.h"
#include "http/request.h"

#define PL_HANDSHAKES_AGAIN_MS   1000 /* when to come again, for Retry-After */
#define PL_HANDSHAKES_UNPROVEN_S 5

enum pl_handshake_from {
	PL_HANDSHAKE_OF_USER,
	PL_HANDSHAKE_OF_STRANGER,
	PL_HANDSHAKE_OF_CROWD, /* a user who begins more than one does: with strangers */
};

struct pl_handshakes_rates {
	int64_t per_second; /* 0: all begin at once, strangers' too */
	int64_t
	    of_strangers; /* no more than per_second; 0: they stand in line with users */
};

struct pl_handshakes {
	struct pl_pace pace;
	struct pl_pace strangers;
	bool tells_strangers; /* else all have the first pace */
	/* Strangers who began at the first pace, and were not let in yet, or never. */
	struct pl_bucket unproven;
	struct pl_bucket_rule unproven_rule;
	void (*begin)(void *arg, struct pl_request *rq, bool is_websocket);
	void *arg;
};

/* begin answers rq, in pl_handshakes_take() or later. */
void pl_handshakes_init(struct pl_handshakes *h, struct pl_loop *loop,
    struct pl_handshakes_rates rates,
    void (*begin)(void *arg, struct pl_request *rq, bool is_websocket), void *arg);
void pl_handshakes_fini(struct pl_handshakes *h); /* turns all away */
void pl_handshakes_take(struct pl_handshakes *h, struct pl_request *rq, bool is_websocket,
    enum pl_handshake_from from);
/* A stranger who began turned out to be a user: one more has room at the first pace. */
void pl_handshakes_vouch(struct pl_handshakes *h);
/* Requests that wait get 503: another process has room sooner. */
void pl_handshakes_turn_away(struct pl_handshakes *h);
size_t pl_handshakes_waiting(const struct pl_handshakes *h);

#endif
