#include "base/ip.h"

#include <arpa/inet.h>

static const uint8_t mapped[12] = {[10] = 0xff, 0xff};

bool
pl_ip_parse(struct pl_str text, struct pl_ip *out)
{
	char copy[INET6_ADDRSTRLEN];
	struct pl_ip ip = {0};

	if (text.len == 0 || text.len >= sizeof(copy) || memchr(text.ptr, '\0', text.len))
		return false;
	memcpy(copy, text.ptr, text.len);
	copy[text.len] = '\0';
	if (inet_pton(AF_INET, copy, ip.bytes) == 1) {
		ip.len = 4;
	} else if (inet_pton(AF_INET6, copy, ip.bytes) != 1) {
		return false;
	} else if (memcmp(ip.bytes, mapped, sizeof(mapped)) == 0) {
		memmove(ip.bytes, ip.bytes + sizeof(mapped), 4);
		memset(ip.bytes + 4, 0, sizeof(ip.bytes) - 4);
		ip.len = 4;
	} else {
		ip.len = 16;
	}
	*out = ip;
	return true;
}

bool
pl_ip_is_loopback(const struct pl_ip *ip)
{
	static const uint8_t v6[16] = {[15] = 1};

	if (ip->len == 4)
		return ip->bytes[0] == 127;
	return memcmp(ip->bytes, v6, sizeof(v6)) == 0;
}

bool
pl_ip_is_any(const struct pl_ip *ip)
{
	static const uint8_t none[16];

	return memcmp(ip->bytes, none, ip->len) == 0;
}
