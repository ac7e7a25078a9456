-- ids: a request without an id of its own gets one here, 32 hexadecimal digits that nobody can foresee.
-- $request_id, which asks OpenSSL for random bytes each time, takes four times as long; it is there for
-- what never gets this far.
local heads = require "heads"

local SECRET_BYTES = 32

local secret -- of this worker
local drawn = 0

local function read_secret()
	local file = assert(io.open("/dev/urandom", "rb"))
	local bytes = file:read(SECRET_BYTES)

	file:close()
	return bytes
end

local function next_id()
	secret = secret or read_secret()
	drawn = drawn + 1
	return ngx.md5(secret .. drawn)
end

local function go_on_with(id)
	ngx.var.request_id_in_force = id
	ngx.var.traceparent_sent = "00-" .. id .. "-" .. id:sub(1, 16) .. "-00"
end

-- Both for access_by_lua. Where the client says nothing, as most do, nothing is left to request.conf, whose
-- maps would copy the id six times; else these know what of the client's is good.
local function draw(headers)
	if not (headers["x-request-id"] or headers["traceparent"]) then
		go_on_with(next_id())
	elseif not (headers["x-request-id"] and headers["traceparent"]) then
		ngx.var.request_id_drawn = next_id()
	end
end

-- Of a head that is plain (heads.lua).
local function draw_plain()
	if not heads.draw_id() then
		go_on_with(next_id())
	end
end

return {draw = draw, draw_plain = draw_plain}
