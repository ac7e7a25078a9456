/*
 * address: which clients a limit by address counts together: those of one IPv4 address,
 * or of one IPv6 /64 (a customer has at least that much, and could count as 2^64
 * addresses otherwise).
 *
 *   192.0.2.7 -> 192.0.2.7     ::ffff:192.0.2.7 -> 192.0.2.7
 *   2001:db8:0:1::7 -> 2001:db8:0:1::/64
 *
 * Pure: no kore.  Threads: any.
 */
#ifndef PL_LIMITS_ADDRESS_H
#define PL_LIMITS_ADDRESS_H

#include "base/str.h"

#define PL_ADDRESS_GROUP_MAX 64

/* NUL-terminated; all that is no address is one group, "unknown". */
void pl_address_group(struct pl_str address, char out[PL_ADDRESS_GROUP_MAX]);

#endif
