-- bodies: no request body touches the disk, and no client can fill the memory with them. Each is
-- counted before it is read, by its length: what an address (an IPv6 one by its /64) has under way,
-- and what all have. One that does not fit is refused unread: 429 where it is the address' own
-- share, 503 where it is everybody's. One that has not come within its time ends (408): nginx itself
-- looks only at the time between two bytes.
--
--   shared dict: "a" .. address .. span -> bytes     "t" .. span -> bytes of all
--
-- A span is longer than any request with a body lives, so what is under way began in this span or
-- in the one before; a count that nobody took back (its worker died) is forgotten after two.
local bodies = ngx.shared.bodies
local counts = require "counts"

-- The last quarter of what all may have is for short ones: log-ins and messages pass a flood of
-- long ones.
local SHORT_BYTES = 16384
local LONG_SHARE = 0.75
local AFTER_BODY_S = 150 -- to a service, three tries of it, and its answer (members.lua)

local limits

local function init(all)
	limits = all
	limits.span_s = all.seconds + AFTER_BODY_S
end

-- Bytes of this key under way, with these.
local function count(key, span, bytes)
	local now = bodies:incr(key .. span, bytes, 0, 3 * limits.span_s) or bytes

	return now + (bodies:get(key .. (span - 1)) or 0)
end

local function give_back(key, span, bytes)
	bodies:incr(key .. span, -bytes)
end

-- One alone always fits.
local function fits(under_way, bytes, limit)
	return limit == 0 or under_way <= limit or under_way == bytes
end

-- Nil, or the status that says why not.
local function refusal(key, span, bytes)
	local share = bytes > SHORT_BYTES and LONG_SHARE or 1

	if not fits(count(key, span, bytes), bytes, limits.address_bytes) then
		give_back(key, span, bytes)
		counts.add("bodies_address_refused")
		return 429
	end
	if not fits(count("t", span, bytes), bytes, limits.all_bytes * share) then
		give_back(key, span, bytes)
		give_back("t", span, bytes)
		counts.add("bodies_all_refused")
		return 503
	end
end

-- An inner redirect, to the answer of an error, keeps this variable, and loses ngx.ctx.
local function take(bytes)
	local span = math.floor(ngx.now() / limits.span_s)
	local status = refusal("a" .. ngx.var.address_group, span, bytes)

	if status then
		return ngx.exit(status)
	end
	ngx.var.body_taken = span .. ":" .. bytes
end

local function end_late()
	ngx.sleep(limits.seconds)
	counts.add("bodies_late")
	ngx.exit(408)
end

-- Bytes that a body of this route may have.
local function most()
	local uri = ngx.var.uri

	if uri == "/api/auth/avatar" or uri == "/api/auth/avatar/" then
		return limits.avatar_bytes
	end
	return uri:find("^/socket%.io/") and limits.packet_bytes or limits.body_bytes
end

-- For set_by_lua: 413 for what says so itself. (nginx would, too, with a line in the error log.)
local function is_too_long()
	local bytes = tonumber(ngx.var.http_content_length)

	return bytes and bytes > most() and ngx.var.uri ~= "/-/error" and "1" or ""
end

local METHODS_WITH_BODY = {POST = true, PUT = true, PATCH = true}

-- What says no length takes a buffer that has room for its chunks' heads, too. HTTP/2 has no need to say
-- that there is a body.
local function bytes_to_come(headers)
	local bytes = tonumber(headers["content-length"])
	local may_come = headers["transfer-encoding"] or
		ngx.req.http_version() == 2 and METHODS_WITH_BODY[ngx.req.get_method()]

	return bytes or may_come and 2 * most() or 0
end

-- For access_by_lua of every route to a service.
local function read(headers)
	local bytes = bytes_to_come(headers)
	local watch

	if bytes == 0 then
		ngx.req.discard_body() -- HTTP/2 could send one with a GET
		return
	end
	take(bytes)
	if ngx.var.is_body_here == "1" then -- as most are; a thread that watches costs more than all else here
		ngx.req.read_body()
		return
	end
	watch = ngx.thread.spawn(end_late)
	ngx.req.read_body()
	ngx.thread.kill(watch)
end

-- For log_by_lua: the end of every request.
local function release()
	local taken = ngx.var.body_taken

	if taken ~= "" then
		local span, bytes = taken:match("^(%d+):(%d+)$")

		give_back("a" .. ngx.var.address_group, span, tonumber(bytes))
		give_back("t", span, tonumber(bytes))
	end
end

-- For the metrics: what is under way now.
local function under_way()
	local span = math.floor(ngx.now() / limits.span_s)

	return (bodies:get("t" .. span) or 0) + (bodies:get("t" .. (span - 1)) or 0)
end

return {init = init, is_too_long = is_too_long, read = read, release = release, under_way = under_way}
