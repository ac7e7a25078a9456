-- counts: how often a bound was reached, for operators (GATEWAY_STATUS_LISTEN, /metrics).
local heads = require "heads"
local counters = ngx.shared.counts

local HELP = {
	{"bodies_address_refused", "Requests refused (429): their address has too many bytes of bodies under way."},
	{"bodies_all_refused", "Requests refused (503): all have too many bytes of bodies under way."},
	{"bodies_late", "Requests ended (408): their body did not come in its time."},
	{"requests_refused", "Requests refused (429): their address asks too often."},
	{"connections_refused", "Requests refused (429): their address has too many sockets or requests at once."},
	{"hosts_refused", "Requests refused (421): for a host that is not in ALLOWED_HOSTS."},
	{"log_lines_left_out", "Requests not written to the access log: it had enough of their address, or of all."},
	{"log_files_turned", "Log files that were full, and begun anew."},
}

local function add(name)
	counters:incr(name, 1, 0)
end

-- For log_by_lua: what nginx refused itself.
local function note(status)
	if status ~= 429 then
		return
	end
	if ngx.var.limit_req_status == "REJECTED" then
		add("requests_refused")
	end
	if ngx.var.limit_conn_status == "REJECTED" then
		add("connections_refused")
	end
end

local function value_of(name)
	return (counters:get(name) or 0) + (name == "log_lines_left_out" and heads.lines_left_out() or 0)
end

-- In Prometheus' text form.
local function show()
	local form = "# HELP parley_gateway_%s %s\n# TYPE parley_gateway_%s %s\nparley_gateway_%s %d\n"

	ngx.header["Content-Type"] = "text/plain; version=0.0.4"
	for _, of in ipairs(HELP) do
		local name = of[1] .. "_total"
		ngx.print(form:format(name, of[2], name, "counter", name, value_of(of[1])))
	end
	ngx.print(form:format("bodies_bytes", "Bytes of request bodies under way.", "bodies_bytes", "gauge",
		"bodies_bytes", require("bodies").under_way()))
end

return {add = add, note = note, show = show}
