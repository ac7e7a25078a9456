-- headers: what of some headers goes on to the services, where a pattern cannot say it.
--
-- Cookies: kore takes 8 KiB of headers, in ASCII, and refuses the whole request otherwise; cookies of
-- other applications on our host, or of hosts beside ours, must not lock anyone out like that. So
-- where they are too long or not ASCII, only those go on that may be a session: of our name (or
-- jwt, which the services take, too) and in the form of a token, each once. Where even these are too
-- many, the longest stay behind: ours are short.

local BYTES_MAX = 4000

-- A cookie by one of the two names as "name=value", and whether it has the form of a token.
local function read(pair, own_name)
	local name, value = pair:match("^[ \t]*([^=]-)[ \t]*=[ \t]*(.-)[ \t]*$")

	if name ~= own_name and name ~= "jwt" then
		return nil
	end
	value = value:match('^"(.*)"$') or value
	return name .. "=" .. value, value:find("^[%w_-]+%.[%w_-]+%.[%w_-]+$") ~= nil
end

local function tokens_in(cookies, own_name)
	local list, seen, bytes = {}, {}, 0

	for pair in cookies:gmatch("[^;]+") do
		local cookie, is_token = read(pair, own_name)

		if is_token and not seen[cookie] then
			seen[cookie] = true
			table.insert(list, cookie)
			bytes = bytes + #cookie + 2
		end
	end
	return list, bytes
end

-- Some cookie of ours that is no token: the answer then is that it is bad, not that there is none.
local function has_other(cookies, own_name)
	for pair in cookies:gmatch("[^;]+") do
		local cookie = read(pair, own_name)

		if cookie and not cookie:find("=$") then
			return true
		end
	end
	return false
end

local function longest(list)
	local at = 1

	for i = 2, #list do
		if #list[i] >= #list[at] then
			at = i
		end
	end
	return at
end

-- Both for set_by_lua. nginx has joined the lines of a split Cookie header.
local function cookies(own_name)
	local all = ngx.var.http_cookie or ""
	local list, bytes

	if #all <= BYTES_MAX and not all:find("[^ -~]") then
		return all
	end
	list, bytes = tokens_in(all, own_name)
	while bytes > BYTES_MAX do
		bytes = bytes - #table.remove(list, longest(list)) - 2
	end
	if #list == 0 and has_other(all, own_name) then
		return own_name .. "=x"
	end
	return table.concat(list, "; ")
end

-- Content-Encoding: a list may be split over lines (RFC 9110 section 5.3), of which nginx knows only
-- the first. A service just asks whether it says anything but "identity".
local function codings()
	local all = ngx.var.http_content_encoding

	if not all then
		return ""
	end
	all = ngx.req.get_headers(0)["content-encoding"]
	if type(all) == "table" then
		all = table.concat(all, ", ")
	end
	return (all:gsub("[^ -~]", "?"):sub(1, 200))
end

-- A weight of Accept-Encoding: 1 where there is none, 0 where it is none.
local function weight(parameters)
	local q = parameters:match("^[ \t]*;[ \t]*[qQ]=([01]%.?%d?%d?%d?)[ \t]*$")

	if parameters:find("^[ \t]*$") then
		return 1
	end
	return math.min(tonumber(q) or 0, 1)
end

-- Accept-Encoding (RFC 9110 section 12.5.3): nginx looks for the word gzip alone, so it gets that or
-- nothing. gzip is also x-gzip and, where neither is named, *; a client that would rather have the
-- answer as it is gets it so.
local function take_coding()
	local all = ngx.req.get_headers(0)["accept-encoding"]
	local named, any, identity

	if type(all) == "table" then
		all = table.concat(all, ",")
	end
	for element in (all or ""):gmatch("[^,]+") do
		local name, parameters = element:match("^[ \t]*([^ \t;]+)(.*)$")

		name = (name or ""):lower()
		if name == "gzip" or name == "x-gzip" then
			named = math.max(named or 0, weight(parameters))
		elseif name == "*" then
			any = weight(parameters)
		elseif name == "identity" then
			identity = weight(parameters)
		end
	end
	local gzip = named or any or 0
	local takes = gzip > 0 and gzip >= (identity or 0)

	if all then
		ngx.req.set_header("Accept-Encoding", takes and "gzip" or "identity")
	end
	return takes and "gzip" or ""
end

local function has_token(lists, wanted)
	lists = type(lists) == "table" and table.concat(lists, ",") or lists or ""
	for token in lists:gmatch("[^,]+") do
		if token:match("^[ \t]*(.-)[ \t]*$"):lower() == wanted then
			return true
		end
	end
	return false
end

-- Upgrade and Connection are lists (RFC 9110 sections 7.6.1 and 7.8), which proxies that add to them may split
-- over lines (section 5.3): of those nginx knows only the first.
local function upgrade()
	local headers = ngx.req.get_headers(0)

	if ngx.req.get_method() ~= "GET" or ngx.var.server_protocol ~= "HTTP/1.1" then
		return ""
	end
	return has_token(headers["upgrade"], "websocket") and has_token(headers["connection"], "upgrade") and
		"websocket" or ""
end

return {cookies = cookies, codings = codings, take_coding = take_coding, upgrade = upgrade}
