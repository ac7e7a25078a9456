/*
 * announcement: this process, as the gateway sees it: a line under a lease in Redis.
 *
 *   parley:members       hash: "presence p1" -> "<end of the lease, ms> 10.0.0.7:8080 up"
 *   parley:members (pub/sub)   "" after a change; "presence p1 10.0.0.7:8080" once it left
 *
 *   (none) --Redis took it--> up --pl_announcement_drain()--> drain --pl_announcement_leave()--> (none)
 *
 * A process that is up gets requests; one that drains gets only those of sessions that it
 * already has. Its session ids begin with its name, by which the gateway finds it. No two
 * processes that live have the same name: the second to come draws another, or, if its
 * name was given, waits until it is free. While Redis is away nobody is told; the gateway
 * then keeps what it knows.
 * Threads: the loop's.
 */
#ifndef PL_PROCESSES_ANNOUNCEMENT_H
#define PL_PROCESSES_ANNOUNCEMENT_H

#include "processes/line.h"
#include "redis/client.h"

#define PL_PROCESSES_KEY         "parley:members"
#define PL_PROCESSES_CHANNEL     "parley:members"
#define PL_ANNOUNCEMENT_RENEW_MS 1000
#define PL_ANNOUNCEMENT_LEASE_MS (PL_REDIS_RECONNECT_MOST_MS + PL_ANNOUNCEMENT_RENEW_MS)

struct pl_announcement;

struct pl_announcement_config {
	const char *service; /* "presence" */
	const char *name; /* of [a-z0-9], 1 to 7; anything else, or NULL: one is drawn */
	/* host:port. If the host is no address, or means all, others are told the address
	 * by which this process reaches Redis. */
	const char *listen;
	bool (*is_ready)(
	    void); /* until then it counts as draining; NULL: it is ready at once */
	/* The drawn name was another process', and a new one was drawn. May be NULL. */
	void (*on_renamed)(void *arg, const char *name);
	void *arg;
};

/* The strings are copied. */
struct pl_announcement *pl_announcement_new(struct pl_loop *loop, struct pl_redis *redis,
    const struct pl_announcement_config *config);
void pl_announcement_free(struct pl_announcement *a); /* says nothing */
const char *pl_announcement_name(const struct pl_announcement *a);
/* Get no new requests. */
void pl_announcement_drain(struct pl_announcement *a);
/* Get none at all: this process ends. */
void pl_announcement_leave(struct pl_announcement *a);

#endif
