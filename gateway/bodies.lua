-- bodies: no request body touches the disk, and no client can fill the memory with them. Each is
-- counted before it is read, by its length: what an address (an IPv6 one by its /64) has under way,
-- and what all have. One that does not fit is refused unread: 429 where it is the address' own
-- share, 503 where it is everybody's. One that has not come within its time ends (408): nginx itself
-- looks only at the time between two bytes. One that has come with its head takes no more room than
-- that has, and does not count; only our module can tell.
--
--   shared dict: "a" .. address .. span -> bytes     "t" .. span -> bytes of all
--
-- A span is longer than any request with a body lives, so what is under way began in this span or
-- in the one before; a count that nobody took back (its worker died) is forgotten after two.
local bodies = ngx.shared.bodies
local counts = require "counts"
local heads = require "heads"

-- The last quarter of what all may have is for short ones: log-ins and messages pass a flood of
-- long ones.
local SHORT_BYTES = 16384
local LONG_SHARE = 0.75
local AFTER_BODY_S = 150 -- to a service, three tries of it, and its answer (members.lua)

-- A clock of another worker, which has stood still, may be in the span before for so long.
local CLOCKS_APART_S = 10

local limits
-- By request(), as an inner redirect, to the answer of an error, loses ngx.ctx: what was taken, and where.
local taken = {}
-- Of this span: its number, the end of its keys, and of those of the span before; nil once that has nothing.
local span, ending, ending_before

local function init(all)
	limits = all
	limits.span_s = all.seconds + AFTER_BODY_S
end

-- What is under way of the span before only goes: once it is gone, nobody looks for it again.
local function look_at_clock()
	local now = math.floor(ngx.now() / limits.span_s)

	if now ~= span then
		span, ending, ending_before = now, tostring(now), tostring(now - 1)
	elseif ending_before and ngx.now() - now * limits.span_s > CLOCKS_APART_S and
		(bodies:get("t" .. ending_before) or 0) == 0 then
		ending_before = nil
	end
end

-- Bytes of this key under way, with these.
local function count(key, bytes)
	local now = bodies:incr(key .. ending, bytes, 0, 3 * limits.span_s) or bytes

	return now + (ending_before and bodies:get(key .. ending_before) or 0)
end

local function give_back(of)
	bodies:incr(of.address, -of.bytes)
	bodies:incr(of.total, -of.bytes)
end

-- One alone always fits.
local function fits(under_way, bytes, limit)
	return limit == 0 or under_way <= limit or under_way == bytes
end

-- Nil, or the status that says why not.
local function refusal(address, bytes)
	local share = bytes > SHORT_BYTES and LONG_SHARE or 1

	if not fits(count(address, bytes), bytes, limits.address_bytes) then
		bodies:incr(address .. ending, -bytes)
		counts.add("bodies_address_refused")
		return 429
	end
	if not fits(count("t", bytes), bytes, limits.all_bytes * share) then
		give_back({address = address .. ending, total = "t" .. ending, bytes = bytes})
		counts.add("bodies_all_refused")
		return 503
	end
end

local function take(bytes)
	local address = "a" .. ngx.var.address_group
	local status

	look_at_clock()
	status = refusal(address, bytes)
	if status then
		return ngx.exit(status)
	end
	taken[heads.request()] = {address = address .. ending, total = "t" .. ending, bytes = bytes}
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
	return (uri == "/socket.io" or uri:find("^/socket%.io/")) and limits.packet_bytes or limits.body_bytes
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
local function read(bytes)
	local watch

	if bytes == 0 then
		ngx.req.discard_body() -- HTTP/2 could send one with a GET
		return
	end
	if heads.is_body_here() then -- as most are: in the room of its head, which is taken anyway
		ngx.req.read_body()
		return
	end
	take(bytes)
	watch = ngx.thread.spawn(end_late)
	ngx.req.read_body()
	ngx.thread.kill(watch)
end

-- For log_by_lua: the end of every request.
local function release()
	local key = heads.request()
	local of = taken[key]

	if of then
		taken[key] = nil
		give_back(of)
	end
end

-- For the metrics: what is under way now.
local function under_way()
	local now = math.floor(ngx.now() / limits.span_s)

	return (bodies:get("t" .. now) or 0) + (bodies:get("t" .. (now - 1)) or 0)
end

return {init = init, is_too_long = is_too_long, bytes_to_come = bytes_to_come, read = read, release = release, under_way = under_way}
