/*
 * url: URLs and host:port taken apart, by one set of rules for every caller.
 *
 *   https://user:pass@chat.example.org:8443/v1/x?a=b
 *   |       |         |                |   |    '--- query, with its '?'
 *   scheme  user      host             port path
 *
 *   10.0.0.7:8080   redis   chat.example.org:443   [::1]:5000     a host, perhaps a port
 *
 * A host has letters, digits, '.', '-' and '_'; an IPv6 address stands in brackets.
 * Nothing is decoded, and nothing resolved. The caller decides what the parts may be.
 * Source: RFC 3986 §3.  Threads: any.
 */
#ifndef PL_BASE_URL_H
#define PL_BASE_URL_H

#include "base/err.h"
#include "base/str.h"

struct pl_host_port {
	struct pl_str host; /* without brackets */
	bool is_v6;         /* it had them */
	bool has_port;      /* else port is 0 */
	uint16_t port;      /* 0 may have been given, too */
};

struct pl_url {
	struct pl_str scheme;
	struct pl_str user; /* with its password; ptr NULL if there is no '@' */
	struct pl_host_port at;
	struct pl_str path;  /* "/v1", or empty */
	struct pl_str query; /* "?a=b", "#b", or empty */
};

/* False for anything else; *out is then untouched. Slices are borrowed from text. */
bool pl_host_port_parse(struct pl_str text, struct pl_host_port *out) PL_MUST_CHECK;
bool pl_url_parse(struct pl_str text, struct pl_url *out) PL_MUST_CHECK;

#endif
