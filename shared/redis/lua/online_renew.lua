-- online_renew: a process is still there, with the users that it had. Sweeps out the dead.
--
-- KEYS  as for online_announce
-- ARGV  1 process   2 lease in ms   3 the number of its last note   4 channel   5 the note
--       6 how many users it has
-- gives 1, or 0 when Redis has not what the process has (FLUSHALL, a restart): then nothing is
--       renewed

assert(#KEYS == 3 and #ARGV == 6, 'online_renew takes 3 keys and 6 arguments')
local lease = assert(tonumber(ARGV[2]), 'online_renew: ARGV[2] is a number')
local users = assert(tonumber(ARGV[6]), 'online_renew: ARGV[6] is a number')

local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if redis.call('GET', KEYS[3]) ~= ARGV[3] or redis.call('SCARD', KEYS[2]) ~= users then
  return 0
end
redis.call('ZADD', KEYS[1], now + lease, ARGV[1])
redis.call('PEXPIRE', KEYS[2], lease * 2)
redis.call('PEXPIRE', KEYS[3], lease * 2)
redis.call('PUBLISH', ARGV[4], ARGV[5])
return 1
