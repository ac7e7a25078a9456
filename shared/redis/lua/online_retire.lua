-- online_retire: a process ends. Its users count out when what is kept of its lease is over.
--
-- KEYS  as for online_announce
-- ARGV  1 process   2 ms to keep, 0: all count out now   3 number   4 channel   5 the note
-- gives 1

assert(#KEYS == 3 and #ARGV == 5, 'online_retire takes 3 keys and 5 arguments')
local keep = assert(tonumber(ARGV[2]), 'online_retire: ARGV[2] is a number')

if keep > 0 then
	local t = redis.call('TIME')
	local now = t[1] * 1000 + math.floor(t[2] / 1000)
	redis.call('ZADD', KEYS[1], now + keep, ARGV[1])
	redis.call('PEXPIRE', KEYS[2], keep * 2)
	redis.call('SET', KEYS[3], ARGV[3], 'PX', keep * 2)
else
	redis.call('ZREM', KEYS[1], ARGV[1])
	redis.call('DEL', KEYS[2], KEYS[3])
end
redis.call('PUBLISH', ARGV[4], ARGV[5])
return 1
