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

-- For access_by_lua.
local function draw()
	secret = secret or read_secret()
	drawn = drawn + 1
	ngx.var.request_id_drawn = ngx.md5(secret .. drawn)
end

return {draw = draw}
