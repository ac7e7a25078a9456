/*
 * sockets: the Socket.IO application of the server: what it does with sessions, CONNECT
 * and events, how all sockets end in a drain, and how many there are.
 *
 * Who is let in, and when, says presence/admit.  Threads: the loop's.
 */
#ifndef PRESENCE_SOCKETS_H
#define PRESENCE_SOCKETS_H

#include "limits/bucket.h"
#include "presence/admit.h"
#include "presence/client_event.h"

/* The caller's; zero it and set the first four. */
struct sockets {
	const struct pl_app *app;
	struct hub *hub;
	struct client_events events;
	struct admit admit;
	/* inside */
	struct pl_sio_settings settings;
	struct pl_sio_server *server;
	struct pl_bucket_table *beginnings; /* by user */
	struct pl_timer drain;
	struct pl_metrics_source metrics;
	struct pl_timer patience; /* with those that were ended */
	bool is_patience_over;
	char sid_prefix[PL_EIO_SID_MAX + 1];
};

void sockets_start(struct sockets *s);
/* End all sockets with 1001, spread over DRAIN_SECONDS. */
void sockets_drain(struct sockets *s);
bool sockets_are_drained(const struct sockets *s);
bool sockets_are_behind(
    const struct sockets *s); /* events wait for their turn to go out */
void sockets_stop(struct sockets *s);
/* The sids of new sessions begin with name. */
void sockets_set_name(struct sockets *s, const char *name);
void sockets_handle(struct sockets *s, struct pl_request *rq); /* any method */

#endif
