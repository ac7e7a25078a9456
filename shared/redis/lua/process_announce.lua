-- process_announce: a process is there, and has a lease until it says so again.
--
-- KEYS  1 hash: "presence p1" -> "<end of the lease, ms> 10.0.0.7:8080 up"
-- ARGV  1 "presence p1"   2 its address   3 "up" or "drain"   4 the lease in ms
--       5 channel for "something changed": an empty message
-- gives 1, or 0 when another lives under this name; one that listens where we do is us, before we
--       died

assert(#KEYS == 1 and #ARGV == 5, 'process_announce takes 1 key and 5 arguments')
local lease = assert(tonumber(ARGV[4]), 'process_announce: ARGV[4] is a number')

local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local old = redis.call('HGET', KEYS[1], ARGV[1])
local ends, address, state = string.match(old or '', '^(%d+) (%S+) (%S+)$')
if ends and address ~= ARGV[2] and tonumber(ends) > now then return 0 end
redis.call('HSET', KEYS[1], ARGV[1],
  string.format('%.0f %s %s', now + lease, ARGV[2], ARGV[3]))
redis.call('PEXPIRE', KEYS[1], lease * 2)
if address ~= ARGV[2] or state ~= ARGV[3] or tonumber(ends) <= now then
  redis.call('PUBLISH', ARGV[5], '')
end
return 1
