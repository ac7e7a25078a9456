/*
 * ops_server: what an operator asks the responder over HTTP: GET /healthz, /readyz and
 * /metrics, as the other services answer them (http/ops.h). libmicrohttpd speaks HTTP, on
 * our loop, which watches its epoll descriptor.
 * Threads: the loop's.
 */
#ifndef RESPONDER_OPS_SERVER_H
#define RESPONDER_OPS_SERVER_H

#include "bus/bus.h"
#include "store/store_async.h"

struct ops_server;

struct ops_server_config {
	struct pl_loop *loop;
	struct pl_store_async *store;
	struct pl_bus *bus;
	const char *listen; /* host:port, the host a number; [::1]:8080 */
};

/* NULL: the address cannot be listened on. */
struct ops_server *ops_server_new(const struct ops_server_config *config);
/* From now on /readyz says that the process ends. */
void ops_server_drain(struct ops_server *s);
/* After the store is freed, which answers what is open. NULL is fine. */
void ops_server_free(struct ops_server *s);

#endif
