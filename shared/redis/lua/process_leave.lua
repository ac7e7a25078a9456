-- process_leave: a process ends, and says so: "presence p1 10.0.0.7:8080".
--
-- KEYS  1 hash, as for process_announce
-- ARGV  1 "presence p1"   2 its address   3 channel
-- gives 1, or 0 when it was not there

assert(#KEYS == 1 and #ARGV == 3, 'process_leave takes 1 key and 3 arguments')

local old = redis.call('HGET', KEYS[1], ARGV[1])
local address = string.match(old or '', '^%d+ (%S+) %S+$')
if address ~= ARGV[2] then return 0 end
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('PUBLISH', ARGV[3], ARGV[1] .. ' ' .. ARGV[2])
return 1
