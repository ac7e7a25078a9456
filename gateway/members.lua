-- members: which process gets a request. gateway-follow writes who serves to run/members, a line
-- for each, "presence p1 10.0.0.7:8080 up"; here that file is looked at, at most ten times a
-- second, while requests come. So nginx is never reloaded: no socket is cut when processes come
-- and go, and no old worker lingers.
--
-- A request goes to the process that its session id names, while that lives, else to those that
-- are up, in turn. Where one does not answer, nginx asks for the next (proxy_next_upstream says
-- when), and for a while that one is the last to be tried. Who drains gets only what belongs to
-- its sessions.
local balancer = require "ngx.balancer"

local FILE = ngx.config.prefix() .. "run/members"
local LOOK_AGAIN_S = 0.1
local AVOID_S = 3
local TRIES_MAX = 3
-- The services answer within 3 s, if only that they cannot. Who is asked first must have begun
-- to by now, where another could be asked instead.
local CONNECT_S, SEND_S, FIRST_READ_S = 1, 30, 4

local members = {}
local text_seen, looked_at = nil, 0
local turn = ngx.worker.pid() -- each begins elsewhere
local avoided = ngx.shared.avoided

local function parse(text)
	local all = {}

	for service, name, host, port, state in
		text:gmatch("(%l+) ([%l%d]+) (%S+):(%d+) (%l+)\n") do
		local of_service = all[service] or {up = {}, by_name = {}}
		local member = {host = host, port = tonumber(port)}

		member.address = host .. ":" .. port
		all[service] = of_service
		of_service.by_name[name] = member
		-- Better one that drains than none.
		of_service.last = member
		if state == "up" then
			table.insert(of_service.up, member)
		end
	end
	return all
end

local function look()
	local file, text

	if ngx.now() - looked_at < LOOK_AGAIN_S then
		return
	end
	looked_at = ngx.now()
	file = io.open(FILE, "r")
	text = file and file:read("*a")
	if file then
		file:close()
	end
	if text and text ~= text_seen then
		text_seen = text
		members = parse(text)
	end
end

-- All that may be asked, in order: who has the session, then those that are up, from the next in
-- turn on, those to be avoided last.
local function candidates(service, name)
	local of_service = members[service]
	local list, later = {}, {}
	local named, up

	if not of_service then
		return list
	end
	up = of_service.up
	named = name and of_service.by_name[name]
	list[1] = named
	turn = turn + 1
	for i = 1, #up do
		local member = up[(turn + i) % #up + 1]

		if member ~= named then
			table.insert(avoided:get(member.address) and later or list, member)
		end
	end
	for _, member in ipairs(later) do
		table.insert(list, member)
	end
	if #list == 0 then
		list[1] = of_service.last
	end
	return list
end

-- What a request must not say twice: proxy.conf passes the first on, and a service could not see
-- the second.
local ONCE = {
	"content-type", "idempotency-key", "origin", "sec-fetch-site", "sec-websocket-key",
	"sec-websocket-protocol", "sec-websocket-version", "upgrade", "x-socket-id",
}

local function has_repeated_header()
	local headers = ngx.req.get_headers(0)

	for _, name in ipairs(ONCE) do
		if type(headers[name]) == "table" then
			return true
		end
	end
	return false
end

-- Which services have sessions, whose requests nobody else can serve but to say so.
local function session_of(service)
	local name = service == "presence" and ngx.var.process_of_session

	return name ~= "" and name or nil
end

-- For access_by_lua: sets ngx.ctx for ask().
local function choose()
	local ctx, var = ngx.ctx, ngx.var
	local service, method = var.service, ngx.req.get_method()
	local name = session_of(service)

	if has_repeated_header() then
		return ngx.exit(400)
	end
	look()
	ctx.candidates = candidates(service, name)
	if #ctx.candidates == 0 then
		return ngx.exit(503)
	end
	ctx.tries = 0
	ctx.read_s = tonumber(var.read_s)
	-- The answer begins at once, unless the process hangs. Of a method that changes something
	-- no second one may be asked once the first has it, so that gets all the time there is.
	ctx.is_brief = not name and var.upgrade_sent == "" and (method == "GET" or method == "HEAD")
end

-- For balancer_by_lua, once for each try.
local function ask()
	local ctx = ngx.ctx
	local list, read_s = ctx.candidates, ctx.read_s

	if ctx.tries == 0 and #list > 1 then
		balancer.set_more_tries(math.min(#list, TRIES_MAX) - 1)
	elseif ctx.tries > 0 and balancer.get_last_failure() then
		avoided:set(ctx.member.address, true, AVOID_S)
	end
	-- nginx tries once more where the connection was an old one; so there may be more tries
	-- than candidates.
	ctx.member = list[ctx.tries % #list + 1]
	ctx.tries = ctx.tries + 1
	if ctx.is_brief and ctx.tries < #list then
		read_s = FIRST_READ_S
	end
	balancer.set_timeouts(CONNECT_S, SEND_S, read_s)
	balancer.set_current_peer(ctx.member.host, ctx.member.port)
end

-- For log_by_lua: whoever failed with nobody asked after it.
local function note()
	local asked = (ngx.status == 502 or ngx.status == 504) and ngx.var.upstream_addr
	local last = asked and asked:match("[^%s,]+$")

	if last then
		avoided:set(last, true, AVOID_S)
	end
end

return {choose = choose, ask = ask, note = note}
