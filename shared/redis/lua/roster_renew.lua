-- roster_renew: an instance is still there, with the users that it had. Sweeps out the dead.
--
-- KEYS  as for roster_announce
-- ARGV  1 instance   2 lease in ms   3 the number of its last note   4 channel   5 the note
--       6 how many users it has
-- gives 1, or 0 when Redis has not what the instance has (FLUSHALL, a restart): then nothing is
--       renewed

assert(#KEYS == 3 and #ARGV == 6, 'roster_renew takes 3 keys and 6 arguments')
local lease = assert(tonumber(ARGV[2]), 'roster_renew: ARGV[2] is a number')
local users = assert(tonumber(ARGV[6]), 'roster_renew: ARGV[6] is a number')

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
