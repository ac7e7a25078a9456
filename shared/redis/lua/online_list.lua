-- online_list: the processes whose lease lasts.
--
-- KEYS  1 sorted set of the processes, by the end of their lease
-- ARGV  none
-- gives {name, ...}

assert(#KEYS == 1 and #ARGV == 0, 'online_list takes 1 key and no argument')

local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
return redis.call('ZRANGEBYSCORE', KEYS[1], now + 1, '+inf')
