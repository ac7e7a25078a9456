-- held_tell: which sockets a presence process has: all, or more of them.
--
-- KEYS  1 sorted set of the lives of processes, by when their sockets are forgotten
--       2 set of the ids of the sockets of this one   3 since when all of them are known (ms)
-- ARGV  1 life   2 for how long they are known without another word (ms)
--       3 "1": begin anew, and know all only from now on   4... ids
-- gives 1

assert(#KEYS == 3 and #ARGV >= 3, 'held_tell takes 3 keys and 3 arguments or more')
local kept = assert(tonumber(ARGV[2]), 'held_tell: ARGV[2] is a number')

local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
if ARGV[3] == '1' then
  redis.call('SET', KEYS[3], string.format('%.0f', now))
  redis.call('DEL', KEYS[2])
end
redis.call('ZADD', KEYS[1], now + kept, ARGV[1])
if #ARGV > 3 then redis.call('SADD', KEYS[2], unpack(ARGV, 4)) end
redis.call('PEXPIRE', KEYS[2], kept)
return 1
