#include "limits/address.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "base/ip.h"

void
pl_address_group(struct pl_str address, char out[PL_ADDRESS_GROUP_MAX])
{
	struct pl_ip ip;

	if (!pl_ip_parse(address, &ip)) {
		snprintf(out, PL_ADDRESS_GROUP_MAX, "unknown");
	} else if (ip.len == 4) {
		inet_ntop(AF_INET, ip.bytes, out, PL_ADDRESS_GROUP_MAX);
	} else {
		memset(ip.bytes + 8, 0, 8);
		inet_ntop(AF_INET6, ip.bytes, out, INET6_ADDRSTRLEN);
		memcpy(out + strlen(out), "/64", sizeof("/64"));
	}
}
