-- hosts: whether a request is for one of ALLOWED_HOSTS. A page of a name that its owner points at this
-- machine (DNS rebinding) has an origin of its own, which is "the same" for the browser and for us: only
-- the name gives it away.
--
--   ALLOWED_HOSTS=chat.example.org,localhost:5000,[::1]
--
-- Upper case, a dot at the end and other ways to write an IPv6 address make no difference. One without a
-- port is good with each; one with a port with that alone.
local counts = require "counts"

local DEFAULT_PORTS = {http = "80", https = "443"}

local allowed -- host -> true, or a table of its ports; nil: any host

-- Eight groups without zeros in front; text itself where it is no address.
local function plain_ipv6(text)
	local v4 = {text:match("(%d+)%.(%d+)%.(%d+)%.(%d+)$")}
	local head, tail, groups

	if #v4 == 4 then
		text = text:gsub("[%d.]+$", "") .. ("%x:%x"):format(v4[1] * 256 + v4[2], v4[3] * 256 + v4[4])
	end
	head, tail = text:match("^(.-)::(.*)$")
	if head then
		local _, there = (head .. ":" .. tail):gsub("%x+", "")
		text = head .. (":0"):rep(8 - there) .. ":" .. tail
	end
	groups = {}
	for group in text:gmatch("%x+") do
		table.insert(groups, ("%x"):format(tonumber(group, 16)))
	end
	return table.concat(groups, ":")
end

-- Host in its plain form, and port or nil; nil where it is neither.
local function read(text)
	local address, port = text:match("^%[([%x:.]+)%]:?(%d*)$")

	if address then
		return "[" .. plain_ipv6(address) .. "]", port ~= "" and port or nil
	end
	address, port = text:match("^([^:%[%]]+):?(%d*)$")
	return address and address:lower():gsub("%.$", ""), port ~= "" and port or nil
end

local function init(list)
	for text in list:gmatch("[^, \t]+") do
		local host, port = read(text)

		allowed = allowed or {}
		if host and not port then
			allowed[host] = true
		elseif host and allowed[host] ~= true then
			allowed[host] = allowed[host] or {}
			allowed[host][tonumber(port)] = true
		end
	end
end

local function is_allowed(text, scheme)
	local host, port = read(text)
	local ports = host and allowed[host]

	return ports == true or ports and ports[tonumber(port or DEFAULT_PORTS[scheme])] or false
end

-- For set_by_lua, once for a request: nobody asks for the answer of an error.
local function is_other()
	if not allowed or ngx.var.uri == "/-/error" or is_allowed(ngx.var.host_in_force, ngx.var.scheme_in_force) then
		return ""
	end
	counts.add("hosts_refused")
	return "1"
end

return {init = init, is_other = is_other}
