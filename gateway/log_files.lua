-- log_files: nginx' own log files are turned when they are full. FILE becomes FILE.previous, in place of the
-- one before, and is begun anew, so together they never take much more than twice the limit; whoever turns
-- them too (logrotate, by time) is not disturbed. What is no file (stderr, /dev/stdout) is another's to keep.
local ffi = require "ffi"
local process = require "ngx.process"
local counts = require "counts"

ffi.cdef "int kill(int pid, int sig);"

local LOOK_EVERY_S = 2
local SIGUSR1 = 10 -- nginx opens its logs anew

local function is_full(path, bytes_max)
	local file = io.open(path, "r")
	local bytes = file and file:seek("end")

	if file then
		file:close()
	end
	return bytes and bytes > bytes_max
end

-- For init_worker_by_lua. paths: as in nginx.conf.
local function watch(paths, bytes_max)
	local files = {}

	if ngx.worker.id() ~= 0 then
		return
	end
	for _, path in ipairs(paths) do
		if not path:find("^/dev/") and not path:find("^%l+:") and path ~= "stderr" then
			table.insert(files, path:find("^/") and path or ngx.config.prefix() .. path)
		end
	end
	ngx.timer.every(LOOK_EVERY_S, function()
		for _, path in ipairs(files) do
			if is_full(path, bytes_max) and os.rename(path, path .. ".previous") then
				counts.add("log_files_turned")
				ffi.C.kill(process.get_master_pid(), SIGUSR1)
			end
		end
	end)
end

return {watch = watch}
