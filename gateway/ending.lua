-- ending: what is noted at the end of every request, for log_by_lua.
local bodies = require "bodies"
local counts = require "counts"
local lines = require "lines"
local members = require "members"

local function note()
	local status = ngx.status

	members.note(status)
	bodies.release()
	lines.note()
	counts.note(status)
end

return {note = note}
