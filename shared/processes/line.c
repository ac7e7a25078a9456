#include "processes/line.h"

#include "base/ip.h"
#include "base/url.h"

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
	struct pl_host_port at;
	struct pl_ip ip;

	if (s.len > PL_PROCESS_ADDRESS_MAX || !pl_host_port_parse(s, &at) || at.port == 0)
		return false;
	return pl_ip_parse(at.host, &ip) &&
	       (memchr(at.host.ptr, ':', at.host.len) != NULL) == at.is_v6;
}

bool
pl_process_line_parse(struct pl_str text, struct pl_process_line *out)
{
	struct pl_process_line line;
	struct pl_str rest = text, state;

	if (text.len > PL_PROCESS_LINE_MAX || !pl_str_split(&rest, ' ', &line.service) ||
	    !is_word(line.service, PL_PROCESS_SERVICE_MAX) ||
	    !pl_str_split(&rest, ' ', &line.name) ||
	    !is_word(line.name, PL_PROCESS_NAME_MAX) ||
	    !pl_str_split(&rest, ' ', &line.address) || !is_address(line.address))
		return false;
	state = rest;
	line.is_draining = pl_str_eq(state, PL_STR("drain"));
	if (!line.is_draining && !pl_str_eq(state, PL_STR("up")))
		return false;
	*out = line;
	return true;
}
