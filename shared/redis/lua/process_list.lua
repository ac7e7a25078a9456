-- process_list: every process whose lease lasts. Sweeps out the others.
--
-- KEYS  1 hash, as for process_announce
-- ARGV  none
-- gives {"presence p1 10.0.0.7:8080 up", ...}

assert(#KEYS == 1 and #ARGV == 0, 'process_list takes 1 key and no argument')

local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local all, lines = redis.call('HGETALL', KEYS[1]), {}
for i = 1, #all, 2 do
  local ends, rest = string.match(all[i + 1], '^(%d+) (.*)$')
  if ends and tonumber(ends) > now then
    lines[#lines + 1] = all[i] .. ' ' .. rest
  else
    redis.call('HDEL', KEYS[1], all[i])
  end
end
return lines
