-- online_read: one process's users, and the number of the last note that the set includes.
--
-- KEYS  as for online_announce
-- ARGV  1 process
-- gives {ms that its lease still lasts, "<number>", {id, ...}}; {0, "0", {}} when there is none

assert(#KEYS == 3 and #ARGV == 1, 'online_read takes 3 keys and 1 argument')

local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local ends = tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or 0)
if ends <= now then return {0, '0', {}} end
return {ends - now, redis.call('GET', KEYS[3]) or '0', redis.call('SMEMBERS', KEYS[2])}
