#include "web/address.h"

#include <arpa/inet.h>
#include <stdio.h>

void
pl_address_group(struct pl_str address, char out[PL_ADDRESS_GROUP_MAX])
{
	char text[INET6_ADDRSTRLEN] = "";
	struct in_addr v4;
	struct in6_addr v6;

	if (address.len > 0 && address.len < sizeof(text))
		memcpy(text, address.ptr, address.len);
	if (inet_pton(AF_INET, text, &v4) == 1) {
		inet_ntop(AF_INET, &v4, out, PL_ADDRESS_GROUP_MAX);
	} else if (inet_pton(AF_INET6, text, &v6) != 1) {
		snprintf(out, PL_ADDRESS_GROUP_MAX, "unknown");
	} else if (IN6_IS_ADDR_V4MAPPED(&v6)) {
		inet_ntop(AF_INET, &v6.s6_addr[12], out, PL_ADDRESS_GROUP_MAX);
	} else {
		memset(&v6.s6_addr[8], 0, 8);
		inet_ntop(AF_INET6, &v6, out, INET6_ADDRSTRLEN);
		memcpy(out + strlen(out), "/64", sizeof("/64"));
	}
}
