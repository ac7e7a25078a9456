/*
 * member: this process, as the gateway sees it: a line under a lease in Redis.
 *
 *   parley:members       hash: "presence p1" -> "<end of the lease, ms> 10.0.0.7:8080 up"
 *   parley:members (pub/sub)   "" after a change; "presence p1 10.0.0.7:8080" once it left
 *
 *   (none) --Redis took it--> up --pl_member_drain()--> drain --pl_member_leave()--> (none)
 *
 * Who is up gets requests; who drains only those of sessions that it already has. The name
 * stands in front of its session ids, by which the gateway finds it. No two that live have
 * the same: who comes second draws another, or, where the name was given, waits until it is
 * free. Nobody is told where Redis is away; the gateway then keeps what it knows.
 * Threads: the loop's.
 */
#ifndef PL_BUS_MEMBER_H
#define PL_BUS_MEMBER_H

#include "bus/online.h"

#define PL_MEMBER_SERVICE_MAX 15
#define PL_MEMBER_NAME_MAX    7
#define PL_MEMBER_ADDRESS_MAX 63 /* "[...]:65535" */
#define PL_MEMBER_LINE_MAX                                                               \
	(PL_MEMBER_SERVICE_MAX + PL_MEMBER_NAME_MAX + PL_MEMBER_ADDRESS_MAX + 8)

#define PL_MEMBERS_KEY     "parley:members"
#define PL_MEMBERS_CHANNEL "parley:members"
#define PL_MEMBER_RENEW_MS 1000
#define PL_MEMBER_LEASE_MS (PL_REDIS_RECONNECT_MOST_MS + PL_MEMBER_RENEW_MS)
_Static_assert(PL_MEMBER_LEASE_MS < PL_ONLINE_LEASE_MS,
    "the gateway turns from a dead process before its users count as gone: they come "
    "back");

struct pl_member;

struct pl_member_config {
	const char *service; /* "presence" */
	const char *name; /* of [a-z0-9], 1 to 7; anything else, or NULL: one is drawn */
	/* host:port. Where the host is no address, or stands for all, others are told the
	 * address by which this process reaches Redis. */
	const char *listen;
	bool (*is_ready)(
	    void); /* until then it counts as draining; NULL: it is at once */
	/* The name drawn was another's, and there is a new one. May be NULL. */
	void (*on_renamed)(void *arg, const char *name);
	void *arg;
};

/* The strings are copied. */
struct pl_member *pl_member_new(
    struct pl_loop *loop, struct pl_redis *redis, const struct pl_member_config *config);
void pl_member_free(struct pl_member *m); /* says nothing */
const char *pl_member_name(const struct pl_member *m);
/* No new requests, please. */
void pl_member_drain(struct pl_member *m);
/* None at all: this process ends. */
void pl_member_leave(struct pl_member *m);

/* "presence p1 10.0.0.7:8080 up", taken apart; the slices are borrowed. */
struct pl_member_line {
	struct pl_str service;
	struct pl_str name;
	struct pl_str address; /* of an IP address and a port */
	bool is_draining;
};
bool pl_member_line_parse(struct pl_str text, struct pl_member_line *out) PL_MUST_CHECK;

#endif
