#include "bus/member.h"

#include "base/ip.h"

static bool
is_word(struct pl_str s, size_t len_max)
{
	if (s.len == 0 || s.len > len_max)
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (!(s.ptr[i] >= 'a' && s.ptr[i] <= 'z') &&
		    !(s.ptr[i] >= '0' && s.ptr[i] <= '9'))
			return false;
	return true;
}

/* 10.0.0.7:8080 or [::1]:8080 */
static bool
is_address(struct pl_str s)
{
	const char *colon = s.len == 0 ? NULL : memrchr(s.ptr, ':', s.len);
	struct pl_str host;
	struct pl_ip ip;
	uint64_t port;
	bool is_v6;

	if (colon == NULL || s.len > PL_MEMBER_ADDRESS_MAX)
		return false;
	host = pl_str_n(s.ptr, (size_t)(colon - s.ptr));
	if (!pl_str_to_u64(pl_str_n(colon + 1, s.len - host.len - 1), 65535, &port) ||
	    port == 0)
		return false;
	is_v6 = host.len > 2 && host.ptr[0] == '[' && colon[-1] == ']';
	if (is_v6)
		host = pl_str_n(host.ptr + 1, host.len - 2);
	return pl_ip_parse(host, &ip) &&
	       (memchr(host.ptr, ':', host.len) != NULL) == is_v6;
}

bool
pl_member_line_parse(struct pl_str text, struct pl_member_line *out)
{
	struct pl_member_line line;
	struct pl_str rest = text, state;

	if (text.len > PL_MEMBER_LINE_MAX || !pl_str_split(&rest, ' ', &line.service) ||
	    !is_word(line.service, PL_MEMBER_SERVICE_MAX) ||
	    !pl_str_split(&rest, ' ', &line.name) ||
	    !is_word(line.name, PL_MEMBER_NAME_MAX) ||
	    !pl_str_split(&rest, ' ', &line.address) || !is_address(line.address))
		return false;
	state = rest;
	line.is_draining = pl_str_eq(state, PL_STR("drain"));
	if (!line.is_draining && !pl_str_eq(state, PL_STR("up")))
		return false;
	*out = line;
	return true;
}
