-- heads: what nginx knows of a request without a table of all its headers, which takes longest of what Lua does
-- for one. The module says it (tunnel/heads.h); without one nothing is known, and Lua looks at them all.
local ffi = require "ffi"
local get_request = require("resty.core.base").get_request
local path = require "module" -- below nginx' prefix; render.sh writes it
local has_module = path ~= ""
-- By its path: of the same names there may be those of an older one, which is still loaded.
local C = has_module and ffi.load(ngx.config.prefix() .. path)

ffi.cdef [[
	intptr_t parley_plain_body(ngx_http_request_t *r);
	intptr_t parley_is_body_here(ngx_http_request_t *r);
	intptr_t parley_draw_id(ngx_http_request_t *r);
	uintptr_t parley_lines_left_out(void);
	void parley_members_begin(void);
	void parley_member_is(const char *service, size_t service_len, const char *address, size_t address_len);
	void parley_members_known(uintptr_t ms);
	intptr_t parley_passed(ngx_http_request_t *r, ngx_str_t *service, ngx_str_t *address);
]]

local service, address = ffi.new("ngx_str_t"), ffi.new("ngx_str_t") -- what passed() is told

-- A key for what belongs to the request: its address.
local function request()
	return tonumber(ffi.cast("uintptr_t", get_request()))
end

-- Bytes of the body, if the head is as most are: nothing in it stands twice that counts once, and no id, no trace,
-- no chunks. Else nil.
local function plain_body()
	local bytes = has_module and tonumber(C.parley_plain_body(get_request())) or -1

	return bytes >= 0 and bytes or nil
end

local function is_body_here()
	return has_module and C.parley_is_body_here(get_request()) ~= 0
end

-- For a head that is plain. False if there is no random.
local function draw_id()
	return C.parley_draw_id(get_request()) ~= 0
end

-- Requests without a line in the access log, of those that the module chooses.
local function lines_left_out()
	return has_module and tonumber(C.parley_lines_left_out()) or 0
end

-- For members.lua: those that are up, of all services; for how many ms they are known to be all that a usual request
-- needs (tunnel/members.h).
local function tell_members(services)
	if not has_module then
		return
	end
	C.parley_members_begin()
	for name, of_service in pairs(services) do
		for _, member in ipairs(of_service.up[1] or {}) do
			C.parley_member_is(name, #name, member.address, #member.address)
		end
	end
end

local function members_are_known(ms)
	if has_module then
		C.parley_members_known(ms)
	end
end

-- Of a request that passed without Lua: its service, and the address that was asked in vain.
local function passed()
	if C.parley_passed(get_request(), service, address) ~= 1 then
		error("nobody was asked")
	end
	return ffi.string(service.data, service.len), ffi.string(address.data, address.len)
end

return {tell_members = tell_members, members_are_known = members_are_known, passed = passed, has_module = has_module, request = request, plain_body = plain_body, is_body_here = is_body_here, draw_id = draw_id, lines_left_out = lines_left_out}
