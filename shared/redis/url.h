/*
 * url: redis://[[user]:password@]host[:port][/db] taken apart. An IPv6 host stands in
 * brackets; user and password may be percent-encoded; the port is 6379 unless given.
 * Threads: any.
 */
#ifndef PL_REDIS_URL_H
#define PL_REDIS_URL_H

#include "base/err.h"
#include "base/str.h"

struct pl_redis_url {
	char *host;
	char *user;     /* NULL for none */
	char *password; /* NULL for none */
	uint16_t port;
	unsigned db;
};

/* PL_E_INVALID for any other form; *out is then untouched, else for pl_redis_url_fini(). */
enum pl_err pl_redis_url_parse(const char *text, struct pl_redis_url *out) PL_MUST_CHECK;
void pl_redis_url_fini(struct pl_redis_url *url); /* wipes the password */

#endif
