-- members: which process gets a request. gateway-follow writes who serves to run/members, a line
-- for each, "presence p1 10.0.0.7:8080 up"; here that file is looked at, at most ten times a
-- second, while requests come. So nginx is never reloaded: no socket is cut when processes come
-- and go, and no old worker lingers.
--
-- If there is a module of ours, most requests need nothing of this: it asks those that are up in turn, for as
-- long as it is told here that this will do (tunnel/members.h).
--
-- A request goes to the process that its session id names, while that lives, else to those that
-- are up, in turn. Where one does not answer, nginx asks for the next (proxy_next_upstream says
-- when), and for a while that one is the last to be tried. Who drains gets only what belongs to
-- its sessions.
local balancer = require "ngx.balancer"
local bodies = require "bodies"
local heads = require "heads"
local ids = require "ids"
local lines = require "lines"
local request = heads.request

local FILE = ngx.config.prefix() .. "run/members"
local LOOK_AGAIN_S = 0.1
local AVOID_S = 3
local TRIES_MAX = 3
-- The services answer within 3 s, if only that they cannot. Who is asked first must have begun
-- to by now, if another could be asked instead. Else the times are those of nginx.conf, for a request
-- with times of its own has half a KiB of settings of its own, and a socket keeps them.
local FIRST_READ_S, READ_S = 4, 15

local NONE = {up = {}, by_name = {}}
local services = {}
local text_seen, looked_at = nil, 0
local turns = {} -- by service: how often there was a choice
local first_turn = ngx.worker.pid() -- each begins elsewhere
local avoided = ngx.shared.avoided -- address -> true; "any" while there is one
-- Of requests under way, by request(): not in ngx.ctx, which a socket that stays a request would keep as
-- long as it lives.
local choices = {}

-- ---- who serves ---------------------------------------------------------------------------

-- For each that may be first: all, from it on.
local function rotations(list)
	local all = {}

	for first = 1, #list do
		all[first] = {}
		for i = 0, #list - 1 do
			table.insert(all[first], list[(first + i - 1) % #list + 1])
		end
	end
	return all
end

local function parse(text)
	local all = {}

	for service, name, host, port, state in
		text:gmatch("(%l+) ([%l%d]+) (%S+):(%d+) (%l+)\n") do
		local of_service = all[service] or {up = {}, by_name = {}}
		local member = {host = host, port = tonumber(port), address = host .. ":" .. port}

		all[service] = of_service
		of_service.by_name[name] = member
		-- Better one that drains than none.
		of_service.last = member
		if state == "up" then
			table.insert(of_service.up, member)
		end
	end
	for _, of_service in pairs(all) do
		of_service.up = rotations(of_service.up)
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
		services = parse(text)
		heads.tell_members(services)
	end
	heads.members_are_known(avoided:get("any") and 0 or LOOK_AGAIN_S * 1000)
end

-- ---- who is asked -------------------------------------------------------------------------

local function avoid(address)
	avoided:set(address, true, AVOID_S)
	avoided:set("any", true, AVOID_S)
	heads.members_are_known(0)
end

-- named first, then list without it, those to be avoided last.
local function reorder(list, named)
	local order, later = {named}, {}

	for _, member in ipairs(list) do
		if member ~= named then
			table.insert(avoided:get(member.address) and later or order, member)
		end
	end
	for _, member in ipairs(later) do
		table.insert(order, member)
	end
	return order
end

-- Only what could go to any takes a turn. Else who asks for the same few things again and again, such as a
-- session and what it begins with, would find the same process each time.
local function take_turn(service, is_named)
	local turn = (turns[service] or first_turn) + 1

	if not is_named then
		turns[service] = turn
	end
	return turn
end

-- All that may be asked, in order.
local function candidates(service, name)
	local of_service = services[service] or NONE
	local named = name and of_service.by_name[name]
	local up = of_service.up
	local list = #up > 0 and up[take_turn(service, named) % #up + 1] or {}

	if named or avoided:get("any") then
		list = reorder(list, named)
	end
	return #list > 0 and list or {of_service.last}
end

-- ---- what nginx calls ---------------------------------------------------------------------

-- What a request must not say twice: proxy.conf passes the first on, and a service could not see
-- the second.
local ONCE = {
	"content-type", "idempotency-key", "origin", "sec-fetch-site", "sec-websocket-key",
	"sec-websocket-version", "x-socket-id",
}

local function has_repeated_header(headers)
	for i = 1, #ONCE do
		if type(headers[ONCE[i]]) == "table" then
			return true
		end
	end
	return false
end

-- An empty header is not passed on, and a send that asks to be safe would not be.
local function has_empty_key(headers)
	return headers["idempotency-key"] == ""
end

-- Which of two traces would it be? nginx would take the first.
local function drop_repeated_trace(headers)
	if type(headers["traceparent"]) == "table" then
		ngx.req.clear_header("traceparent")
	end
end

-- Bytes of its body; nil if it is not to go on.
local function look_at_head()
	local bytes = heads.plain_body()
	local headers

	if bytes then
		ids.draw_plain()
		return bytes
	end
	headers = ngx.req.get_headers(0)
	if has_repeated_header(headers) or has_empty_key(headers) then
		return nil
	end
	drop_repeated_trace(headers)
	ids.draw(headers)
	return bodies.bytes_to_come(headers)
end

-- name: of the process that has the session; nil for any. is_brief: the answer begins at once,
-- unless the process hangs. The body is read first: who serves may be another by the time it is there.
local function choose(service, name, is_brief, is_once, drops_body)
	local bytes, list

	lines.choose()
	bytes = look_at_head()
	if not bytes then
		return ngx.exit(400)
	end
	bodies.read(bytes)
	if drops_body and bytes > 0 then
		ngx.req.set_body_data("")
	end
	look()
	list = candidates(service, name)
	if #list == 0 then
		return ngx.exit(503)
	end
	choices[request()] = {list = list, tries = 0, is_brief = is_brief and #list > 1, is_once = is_once}
end

-- For access_by_lua of a route of the API. What a DELETE says beside its address means nothing (RFC 9110 section
-- 9.3.5), and kore would take it for the next request. Of a method that changes something no second one may be
-- asked once the first has it, so that gets all the time there is.
local function api(service)
	local method = ngx.req.get_method()

	return choose(service, nil, method == "GET" or method == "HEAD", false, method == "DELETE")
end

-- The same where also a PUT or DELETE is asked of one process only: nginx would ask the next one where the
-- first has done it, and died.
local function api_once(service, keeps_body)
	local method = ngx.req.get_method()
	local is_delete = method == "DELETE"

	return choose(service, nil, method == "GET" or method == "HEAD", method == "PUT" or is_delete,
		is_delete and not keeps_body)
end

-- A request of a session belongs to its process.
local function of_session(is_brief)
	local name = ngx.var.process_of_session

	if name ~= "" then
		return choose("presence", name, false)
	end
	return choose("presence", nil, is_brief)
end

-- For that of /socket.io/: a handshake is answered at once, but by a WebSocket, which may wait its turn.
local function polls()
	return of_session(true)
end

local function websockets()
	return of_session(false)
end

-- Did the last try fail? A 503 is an answer: of one that serves, and has enough to do.
local function has_failed()
	local how, status = balancer.get_last_failure()

	return how == "failed" and status ~= 503
end

-- Of a request for which the module has chosen who is asked first: who is asked next.
local function go_on()
	local service, address = heads.passed()
	local host, port = address:match("^(.*):(%d+)$")
	local first = {host = host, port = tonumber(port), address = address}
	local list = {first}

	avoid(address)
	for _, member in ipairs(candidates(service)) do
		if member.address ~= address then
			table.insert(list, member)
		end
	end
	choices[request()] = {list = list, tries = 1, member = first}
	return choices[request()]
end

-- For balancer_by_lua, once for each try; of the module's choices only if the first was in vain.
local function ask()
	local choice = choices[request()] or go_on()
	local list = choice.list
	local member

	if choice.tries == 0 and #list > 1 and not choice.is_once then
		balancer.set_more_tries(math.min(#list, TRIES_MAX) - 1)
	elseif choice.tries > 0 and has_failed() then
		avoid(choice.member.address)
	end
	-- nginx tries once more where the connection was an old one; so there may be more tries
	-- than candidates.
	member = list[choice.tries % #list + 1]
	choice.member, choice.tries = member, choice.tries + 1
	if choice.is_brief then
		balancer.set_timeouts(nil, nil, choice.tries < #list and FIRST_READ_S or READ_S)
	end
	balancer.set_current_peer(member.host, member.port)
end

-- Nobody else will be asked: at the end, or, of a socket that stays a request, with its answer's head.
local function settle()
	choices[request()] = nil
end

-- For log_by_lua: whoever failed with nobody asked after it.
local function note(status)
	local asked = (status == 502 or status == 504) and ngx.var.upstream_addr
	local last = asked and asked:match("[^%s,]+$")

	if last then
		avoid(last)
	end
	settle() -- its client may have gone before there was a head
end

return {api = api, api_once = api_once, polls = polls, websockets = websockets, ask = ask, settle = settle, note = note}
