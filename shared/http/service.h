/*
 * service: what each kore service is made of. It configures kore from our settings (no
 * routes or limits in kore's own file), makes the loop, store, bus and sessions in the
 * one worker, and sends every request through the service's table; a service only names
 * its routes and hooks.
 *
 * Threads: all of it on the worker's loop.
 */
#ifndef PL_HTTP_SERVICE_H
#define PL_HTTP_SERVICE_H

#include "bus/bus.h"
#include "processes/announcement.h"
#include "online/rule.h"
#include "limits/share.h"
#include "loop/offload.h"
#include "ops/metrics.h"
#include "ops/settings.h"
#include "store/store_async.h"
#include "http/request.h"

struct pl_sessions;

enum pl_route_flag {
	PL_ROUTE_AUTH = 1, /* only with a valid session: rq->claims is set */
	PL_ROUTE_SEEN = 2, /* counts as "online" for its user (all but sends) */
	PL_ROUTE_RAW = 4,  /* no JSON rules, no origin check: the handler does its own */
	PL_ROUTE_ORIGIN = 8, /* other sites may not even GET: for sockets */
};

/* path: segments matched exactly; a segment ":id" takes any, and is percent-decoded into
 * rq->param. A known path with another method is 405 with Allow; an unknown path is
 * 404. */
struct pl_route {
	const char *method; /* "GET"; HEAD is answered by GET */
	const char *path;
	unsigned flags;
	void (*handle)(struct pl_request *rq);
	enum pl_metric counted_as; /* by outcome; PL_M_NONE: only among all requests */
};

struct pl_service {
	const char *name; /* "message" */
	unsigned bit;     /* PL_SVC_MESSAGE */
	const struct pl_route *routes;
	size_t route_count;
	/* The longest body, if a route takes longer ones than BODY_BYTES_MAX; NULL: none
	 * does. The route checks it itself. Read after the settings. */
	const int64_t *body_bytes_max;
	/* Only the loop and the routes: no store, bus or identity, no secret needed. */
	bool is_bare;
	bool has_sockets;    /* its connections may become WebSockets (sockets/tcp) */
	void (*start)(void); /* in the worker, all of pl_app is there; may be NULL */
	/* SIGTERM came: begin to end what is long-lived. May be NULL. */
	void (*drain)(void);
	bool (*is_drained)(void); /* NULL: once no request is in flight */
	/* What is not answered yet besides requests: it is waited for as those are. May
	 * be NULL. */
	size_t (*in_flight)(void);
	/* The drain is over, or was cut short: a last note to other processes, which has
	 * a moment to get there, until has_left(). Both may be NULL. */
	void (*leave)(void);
	bool (*has_left)(void);
	void (*stop)(void); /* free what start made; may be NULL */
	/* Not NULL: this service finishes erasures; called by the thread that does it
	 * (struct pl_store_config). */
	void (*on_erasing)(const struct pl_revocation *r);
	void (*on_erased)(const struct pl_oid *user); /* with it; likewise */
	/* Another process had the name: pl_announcement_name() is a new one now. May be
	 * NULL. */
	void (*on_renamed)(void *arg, const char *name);
};

/* Each service defines this one. */
extern const struct pl_service pl_service;

/* The worker's own things, made before pl_service.start(). */
struct pl_app {
	struct pl_loop *loop;
	struct pl_store_async *store;
	struct pl_redis *redis; /* for commands; the bus publishes over it, too */
	struct pl_bus *bus;
	struct pl_online *online;
	struct pl_sessions *sessions;
	struct pl_announcement *announcement; /* this process, as the gateway knows it */
	struct pl_share reads;                /* long ones (http/long_read) */
	bool is_draining;
};
extern struct pl_app pl_app;

#endif
