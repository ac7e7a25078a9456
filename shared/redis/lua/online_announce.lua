-- online_announce: a process says who came and who went: set, number and note change as one.
--
-- KEYS  1 sorted set of the processes, by the end of their lease   2 its set of users
--       3 the number of its last note
-- ARGV  1 process   2 lease in ms   3 the note's number   4 channel   5 the note
--       6... "+<id>" for who came, "-<id>" for who went
-- gives 1

assert(#KEYS == 3 and #ARGV >= 5, 'online_announce takes 3 keys and 5 arguments or more')
local lease = assert(tonumber(ARGV[2]), 'online_announce: ARGV[2] is a number')

local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
redis.call('ZADD', KEYS[1], now + lease, ARGV[1])
for i = 6, #ARGV do
  local verb = string.sub(ARGV[i], 1, 1) == '+' and 'SADD' or 'SREM'
  redis.call(verb, KEYS[2], string.sub(ARGV[i], 2))
end
redis.call('PEXPIRE', KEYS[2], lease * 2)
redis.call('SET', KEYS[3], ARGV[3], 'PX', lease * 2)
redis.call('PUBLISH', ARGV[4], ARGV[5])
return 1
