/*
 * ip: an IP address from its text. The one reader of addresses: limits, the list of
 * processes and the rule of which machine is ours agree through it on what counts as the
 * same address.
 *
 *   192.0.2.7          4 bytes
 *   ::ffff:192.0.2.7   the same 4 bytes: a socket for both versions shows IPv4 so
 *                      (RFC 4291 section 2.5.5.2)
 *   2001:db8::7        16 bytes
 *
 * Threads: any.
 */
#ifndef PL_BASE_IP_H
#define PL_BASE_IP_H

#include "base/str.h"

struct pl_ip {
	uint8_t bytes[16];
	uint8_t len; /* 4 or 16 */
};

/* No port, brackets, zone or space; each part of IPv4 in plain decimal. *out is untouched
 * if text is no address. */
bool pl_ip_parse(struct pl_str text, struct pl_ip *out);
bool pl_ip_is_loopback(const struct pl_ip *ip); /* 127.0.0.0/8, ::1 */
bool pl_ip_is_any(const struct pl_ip *ip);      /* 0.0.0.0, :: */

#endif
