-- ids: a request without an id of its own gets one here, 32 hexadecimal digits that nobody can foresee.
-- $request_id, which asks OpenSSL for random bytes each time, takes four times as long; it is there for
-- what never gets this far.
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

-- For access_by_lua. Where the client says nothing, as most do, nothing is left to request.conf, whose
-- maps would copy the id six times; else these know what of the client's is good.
local function draw(headers)
	local id = next_id()

	if headers["x-request-id"] or headers["traceparent"] then
		ngx.var.request_id_drawn = id
		return
	end
	ngx.var.request_id_in_force = id
	ngx.var.traceparent_sent = "00-" .. id .. "-" .. id:sub(1, 16) .. "-00"
end

return {draw = draw}
