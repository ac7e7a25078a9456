-- lines: which requests get a line in the access log. An address (an IPv6 one by its /64) has so many lines a
-- second, in bursts of ten seconds', and all together have five times that; a request beyond it is only
-- counted, and the next line of its address says how many there were ("left_out"). So a flood cannot fill a
-- disk, and everybody else's requests are still there. What failed, or was passed on to another process,
-- has as many lines again, which no flood of what went well can use up. If there is a module of ours, that does
-- all of this, in one look (tunnel/lines.h), and this here only says nothing.
--
--   shared dict: name .. address -> the time at which its lines so far would be even with its rate
--                "left_out" .. address -> requests without a line
local lines = ngx.shared.lines
local counts = require "counts"
local heads = require "heads"

local BURST_S = 10
local ALL_TIMES = 5
local REMEMBER_S = 3600 -- how many were left out

local rate -- lines of an address a second; 0: any number

local function init(per_second)
	rate = per_second
end

local function is_within(key, per_second)
	local now = ngx.now()
	local even_at = math.max(lines:get(key) or 0, now)

	if even_at - now > BURST_S then
		return false
	end
	lines:set(key, even_at + 1 / per_second, 2 * BURST_S)
	return true
end

local function has_room(kind, address)
	return rate == 0 or is_within(kind .. address, rate) and is_within(kind, rate * ALL_TIMES)
end

local function leave_out(address)
	lines:incr("left_out" .. address, 1, 0, REMEMBER_S)
	counts.add("log_lines_left_out")
end

-- How many were left out until now.
local function take_left_out(address)
	local left_out = lines:get("left_out" .. address)

	if left_out and left_out > 0 then
		lines:incr("left_out" .. address, -left_out)
		return left_out
	end
	return 0
end

local function write(address)
	local left_out = rate == 0 and 0 or take_left_out(address)

	ngx.var.is_logged = "1"
	if left_out > 0 then
		ngx.var.lines_left_out = left_out
	end
end

-- For access_by_lua, as many give up before they are answered. Earlier its address may be a proxy's.
local function choose()
	local address = ngx.var.address_group

	if has_room("request", address) then
		write(address)
	else
		ngx.var.is_logged = "0"
	end
end

local function is_failure()
	return ngx.status >= 500 or (ngx.var.upstream_addr or ""):find(",", 1, true) ~= nil
end

-- For header_filter_by_lua, which also sees what was no request.
local function choose_again()
	local is_logged = ngx.var.is_logged

	if is_logged == "" then
		choose()
		is_logged = ngx.var.is_logged
	end
	if is_logged == "0" and is_failure() then
		local address = ngx.var.address_group

		if has_room("failure", address) then
			write(address)
		end
	end
end

-- For log_by_lua, which comes after the log. What ended before it was a request has no line either.
local function note()
	if ngx.var.is_logged ~= "1" then
		leave_out(ngx.var.address_group)
	end
end

local function nothing() end

if heads.has_module then
	return {init = nothing, choose = nothing, choose_again = nothing, note = nothing}
end
return {init = init, choose = choose, choose_again = choose_again, note = note}
