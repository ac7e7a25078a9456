-- forwarded: what one of our own proxies (GATEWAY_TRUSTED_PROXIES) tells in Forwarded (RFC 7239) is
-- put into the headers that nginx reads, before it reads them:
--
--   Forwarded: for=203.0.113.9;proto=https;host=chat.example.org, for="[2001:db8::1]:4711"
--   X-Forwarded-For: 203.0.113.9, [2001:db8::1]:4711
--   X-Forwarded-Proto: https
--   X-Forwarded-Host: chat.example.org
--
-- Where one of these three is there, Forwarded does not count: most proxies set them, and hand a
-- Forwarded on that the client made up. nginx believes of the addresses the last that is not a
-- proxy's. Of scheme and host the first counts, the one of the proxy next to the client; who makes
-- these up gets no further, for they are only compared with the Origin of a page, and no page can
-- set such a header elsewhere.
local match = ngx.re.match

-- One pair or none, and what ends it. The values of many proxies hold ":" and "[" without quotes.
local PAIR = [[[ \t]*(?:([!#$%&'*+.^_`|~0-9A-Za-z-]+)=(?:"((?:[^"\\]|\\.)*+)"|([^\s",;]+)))?[ \t]*([,;]|$)]]

-- The elements of one line, each a table of its pairs; one that tells nothing where it cannot be read.
local function read(line)
	local elements, element, at = {}, {}, {pos = 1}

	repeat
		local pair = match(line, PAIR, "ajo", at)
		if not pair then
			return {{}}
		end
		if pair[1] then
			local quoted = pair[2] and pair[2]:gsub("\\(.)", "%1")
			element[pair[1]:lower()] = quoted or pair[3]
		end
		if pair[4] ~= ";" then
			if next(element) then
				elements[#elements + 1] = element
			end
			element = {}
		end
	until pair[4] == ""
	return elements
end

-- As nginx reads it. It looks no further than one that hides itself, which is no address.
local function address(element)
	local text = (element["for"] or "unknown"):gsub("[^%w:.%[%]_-]", "")

	return text:match("^%[([^%]]+)%]$") or text -- brackets only before a port
end

local function first(elements, name)
	for _, element in ipairs(elements) do
		if element[name] then
			return element[name]
		end
	end
end

local function read_lines(lines)
	local all = {}

	for _, line in ipairs(lines) do
		for _, element in ipairs(read(line)) do
			all[#all + 1] = element
		end
	end
	return all
end

local function translate()
	local headers = ngx.req.get_headers(0) -- all: none can be pushed out by others
	local lines = headers["forwarded"]
	local addresses = {}

	if not lines or headers["x-forwarded-for"] or headers["x-forwarded-proto"] or headers["x-forwarded-host"] then
		return
	end
	local elements = read_lines(type(lines) == "table" and lines or {lines})
	for i, element in ipairs(elements) do
		addresses[i] = address(element)
	end
	ngx.req.set_header("X-Forwarded-For", table.concat(addresses, ", "))
	ngx.req.set_header("X-Forwarded-Proto", first(elements, "proto"))
	ngx.req.set_header("X-Forwarded-Host", first(elements, "host"))
end

return {translate = translate}
