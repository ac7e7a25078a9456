-- held_keep: a presence process still has its sockets. Sweeps out the dead.
--
-- KEYS  1 and 2 as for held_tell
-- ARGV  1 life   2 for how long they are known without another word (ms)   3 how many they are
-- gives 1, or 0 when Redis has not what the process has: then nothing is kept

assert(#KEYS == 2 and #ARGV == 3, 'held_keep takes 2 keys and 3 arguments')
local kept = assert(tonumber(ARGV[2]), 'held_keep: ARGV[2] is a number')
local count = assert(tonumber(ARGV[3]), 'held_keep: ARGV[3] is a number')

local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if redis.call('SCARD', KEYS[2]) ~= count then return 0 end
redis.call('ZADD', KEYS[1], now + kept, ARGV[1])
redis.call('PEXPIRE', KEYS[2], kept)
return 1
